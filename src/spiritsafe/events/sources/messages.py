"""What was newly asked, in a request that repeats its whole history.

Chat APIs send all earlier turns again with each request. The contract wants the newest user message alone
(the same old turn under a hundred requests would look like a template), the system prompt, an answer begun by
the caller, how many user turns came before, how many images. The shapes of OpenAI (chat completions and
responses), Anthropic, Gemini and OpenTelemetry (`parts`) are read by the same walk.
Comes from `chat_log`, `litellm_log` and `otel`; goes on to their rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_USER: Final = frozenset({"user", "human"})
_SYSTEM: Final = frozenset({"system", "developer"})
_ASSISTANT: Final = frozenset({"assistant", "model", "ai"})
_TEXT_KINDS: Final = frozenset({"text", "input_text", "output_text", "message", ""})
_IMAGE_KINDS: Final = frozenset({"image", "image_url", "input_image"})
_DEPTH: Final = 8
REDACTED: Final = frozenset({"redacted-by-litellm", "[REDACTED]", "<REDACTED>", "__REDACTED__"})
"""What loggers write in place of a text that they withhold. Taken as text it would be everyone's template."""


@dataclass(slots=True)
class Asked:
    """What one request's input says. `turn` is None when there was no user message."""

    prompt: str | None = None
    system_prompt: str | None = None
    assistant_prefill: str | None = None
    turn: int | None = None
    image_count: int = 0

    def into(self, row: dict[str, Any]) -> None:
        """Write what is known into a contract row."""
        for name in ("prompt", "system_prompt", "assistant_prefill", "turn"):
            value = getattr(self, name)
            if value is not None:
                row[name] = value
        row["image_count"] = self.image_count


def decoded(value: Any) -> Any:
    """The value that a JSON text stands for; anything else, and broken JSON, as it is.

    Raises
    ------
    RecursionError
        It is nested too deeply.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError):
            return value
    return value


def known(text: str | None) -> str | None:
    """`text`, unless it stands for a text that was withheld."""
    return None if text is not None and text.strip() in REDACTED else text


def asked(messages: Any, *, system: Any = None) -> Asked:
    """Read a request's input.

    Parameters
    ----------
    messages
        A list of messages or items, one message, or plain text (then it is the prompt).
    system
        The system prompt where the API has it beside the messages; text or parts.
    """
    result = Asked()
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, dict):
        messages = [messages]
    items = messages if isinstance(messages, list) else []
    systems = [text_of(system)] if system is not None else []
    spoken: list[str] = []
    for item in items:
        role = role_of(item)
        body = _body(item)
        result.image_count += images_in(body)
        if role in _SYSTEM:
            systems.append(text_of(body))
        elif role in _USER and (text := text_of(body)) is not None:
            spoken.append(text)
    texts = [text for text in systems if text is not None]
    result.system_prompt = known("\n".join(texts)) if texts else None
    if spoken:
        result.prompt = known(spoken[-1])
        result.turn = len(spoken) - 1
    if items and role_of(items[-1]) in _ASSISTANT:
        result.assistant_prefill = known(text_of(_body(items[-1])))
    return result


def role_of(item: Any) -> str:
    """A message's role in lower case; plain text is the user's, an item of another kind nobody's."""
    if isinstance(item, str):
        return "user"
    role = item.get("role") if isinstance(item, dict) else None
    return role.lower() if isinstance(role, str) else ""


def _body(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    body = item.get("content")
    return item.get("parts") if body is None else body


def text_of(content: Any, depth: int = 0) -> str | None:
    """The plain text in a message's content: its text parts, one a line. No tool results, images, reasoning."""
    if isinstance(content, str):
        return content
    if depth > _DEPTH:
        return None
    if isinstance(content, list):
        parts = [text for part in content if (text := text_of(part, depth + 1)) is not None]
        return "\n".join(parts) if parts else None
    if isinstance(content, dict) and _is_text(content):
        inner = next((content[key] for key in ("text", "content", "parts") if content.get(key) is not None), None)
        return None if inner is None else text_of(inner, depth + 1)
    return None


def _is_text(part: dict[str, Any]) -> bool:
    """Whether a part of a message's content is said to the other side: no tool, no picture, no thought."""
    return (_word(part.get("type")) or "") in _TEXT_KINDS and not part.get("thought")


def images_in(content: Any, depth: int = 0) -> int:
    """How many images a message's content holds."""
    if depth > _DEPTH:
        return 0
    if isinstance(content, list):
        return sum(images_in(part, depth + 1) for part in content)
    if isinstance(content, dict):
        is_image = (
            _word(content.get("type")) in _IMAGE_KINDS
            or content.get("modality") == "image"
            or (_word(content.get("mime_type")) or "").startswith("image/")
        )
        return int(is_image) or images_in(content.get("content"), depth + 1)
    return 0


def answer_of(response: Any) -> tuple[str | None, str | None, bool]:
    """The answer in a response body: its text, why it ended, and whether the model refused.

    Knows chat completions and completions (`choices`), responses (`output`), Anthropic messages (`content`),
    Gemini (`candidates`) and OpenTelemetry output messages (a list). With several choices the first counts.
    """
    if isinstance(response, str):
        return known(response), None, False
    if isinstance(response, list):
        return _answer_of_choice(response[0]) if response else (None, None, False)
    if not isinstance(response, dict):
        return None, None, False
    for key in ("choices", "candidates"):
        if isinstance(response.get(key), list):
            return _answer_of_choice(response[key][0]) if response[key] else (None, None, False)
    if isinstance(response.get("output"), list):
        return _answer_of_items(response)
    text = known(text_of(response.get("content")))
    stop = _word(response.get("stop_reason")) or _word(response.get("finish_reason"))
    return text, stop, stop == "refusal"


def _answer_of_choice(choice: Any) -> tuple[str | None, str | None, bool]:
    if not isinstance(choice, dict):
        return known(text_of(choice)), None, False
    message = next((choice[key] for key in ("message", "delta", "content") if choice.get(key) is not None), choice)
    stop = _word(choice.get("finish_reason")) or _word(choice.get("finishReason"))
    if not isinstance(message, dict):
        return known(text_of(message)), stop, False
    text = text_of(_body(message)) if message is not choice else text_of(choice.get("text") or _body(choice))
    refusal = message.get("refusal")
    return known(refusal if text is None and isinstance(refusal, str) else text), stop, bool(refusal)


def _answer_of_items(response: dict[str, Any]) -> tuple[str | None, str | None, bool]:
    texts: list[str] = []
    refused = False
    for item in response["output"]:
        if not isinstance(item, dict) or item.get("type", "message") != "message":
            continue
        for part in item["content"] if isinstance(item.get("content"), list) else [item.get("content")]:
            is_refusal = isinstance(part, dict) and part.get("type") == "refusal"
            refused = refused or is_refusal
            text = part.get("refusal") if is_refusal and isinstance(part, dict) else text_of(part)
            texts += [text] if isinstance(text, str) else []
    details = response.get("incomplete_details")
    reason = _word(details.get("reason")) if isinstance(details, dict) else None
    return known("\n".join(texts)) if texts else None, reason or _word(response.get("status")), refused


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


FILTER_REASONS: Final = frozenset({"content_filter", "safety", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"})


def note_answer(row: dict[str, Any], response: Any) -> None:
    """Write a response body's answer, end and refusal into a contract row."""
    text, reason, refused = answer_of(response)
    if text is not None:
        row["response"] = text
    if reason is not None:
        row["finish_reason"] = reason
    if refused or reason in FILTER_REASONS:
        row["refused"] = True
        row["refusal_source"] = "model" if refused else "filter"
    elif text is not None or reason is not None:
        row["refused"] = False


def note_parameters(row: dict[str, Any], body: dict[str, Any], *, whole: bool) -> None:
    """Write what a request body asked for into a contract row.

    Parameters
    ----------
    whole
        The body is the whole request, so that what is absent was not asked for (false, not unknown).
    """
    for column, keys in _PARAMETERS:
        value = next((body[key] for key in keys if body.get(key) is not None), None)
        if value is not None:
            row[column] = value
    asked_for = {
        "logprobs": bool(body.get("logprobs")) or bool(body.get("top_logprobs")),
        "logit_bias": bool(body.get("logit_bias")),
        "tools": bool(body.get("tools")) or bool(body.get("functions")),
        "stream": body.get("stream") is True,
        "reasoning": _reasoning(body),
    }
    for column, value in asked_for.items():
        if whole or value:
            row[column] = value
    if (number := tool_schema_hash(body.get("tools") or body.get("functions"))) is not None:
        row["tool_schema_hash"] = number


_PARAMETERS: Final = (
    ("max_tokens", ("max_tokens", "max_completion_tokens", "max_output_tokens")),
    ("temperature", ("temperature",)),
    ("choice_count", ("n", "candidate_count", "candidateCount")),
)


def _reasoning(body: dict[str, Any]) -> bool:
    effort = body.get("reasoning_effort")
    reasoning = body.get("reasoning")
    thinking = body.get("thinking")
    if isinstance(reasoning, dict):
        effort = reasoning.get("effort") or reasoning.get("max_tokens") or reasoning.get("enabled")
    if isinstance(thinking, dict):
        return thinking.get("type") != "disabled"
    return bool(thinking) or (bool(effort) and effort != "none")


def tool_schema_hash(tools: Any) -> int | None:
    """64 bits of BLAKE2b over the canonical JSON of tool definitions; None for none.

    The same number as the mapping transform `hash64` gives, so that logs read either way agree.
    """
    if not tools:
        return None
    try:
        text = tools.encode() if isinstance(tools, str) else msgspec.json.encode(tools, order="deterministic")
    except (TypeError, ValueError, OverflowError):
        return None
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


def note_usage(row: dict[str, Any], usage: Any) -> None:
    """Write a usage object's token counts into a contract row. Cached input was sent too, so it counts."""
    if not isinstance(usage, dict):
        return
    for column, keys in (
        ("input_tokens", ("prompt_tokens", "input_tokens", "promptTokenCount")),
        ("output_tokens", ("completion_tokens", "output_tokens", "candidatesTokenCount")),
    ):
        value = next((usage[key] for key in keys if isinstance(usage.get(key), int)), None)
        if value is not None:
            row[column] = value
    cached = [usage.get("cache_creation_input_tokens"), usage.get("cache_read_input_tokens")]
    if "prompt_tokens" not in usage and "input_tokens" in row:
        row["input_tokens"] += sum(number for number in cached if isinstance(number, int))
