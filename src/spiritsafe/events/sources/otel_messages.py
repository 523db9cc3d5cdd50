"""Prompt and answer from telemetry, whichever generation of conventions wrote them.

1.37 and later keep messages as JSON in one attribute; before that they were span events or log records, one
a message; OpenLLMetry and OpenInference number them through attribute names. All become the same list of
messages, which `events.sources.messages` then reads as it reads any request.
Comes from `events.sources.otel`; goes on to `events.sources.messages`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from spiritsafe.events.sources.messages import asked, decoded, known, note_answer, note_parameters, tool_schema_hash

_INDEXED: Final = re.compile(
    r"(?:gen_ai\.prompt|llm\.prompts|gen_ai\.completion|llm\.completions|llm\.input_messages|llm\.output_messages"
    r"|llm\.choices)\.([0-9]{1,5})\.(.+)"
)
_PART: Final = re.compile(r"(?:message\.)?contents\.([0-9]{1,5})\.message_content\.(.+)")
_INPUTS: Final = ("gen_ai.prompt.", "llm.prompts.", "llm.input_messages.")
_OUTPUTS: Final = ("gen_ai.completion.", "llm.completions.", "llm.output_messages.", "llm.choices.")
_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE_EVENT: Final = "gen_ai.choice"
MESSAGE_EVENTS: Final = frozenset({*_ROLES, CHOICE_EVENT})
"""Events of the conventions up to 1.36, one a message. Nothing but their span says that they belong together."""
PROMPT_EVENTS: Final = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}
"""Still older span events: the whole prompt or completion in one attribute."""


def note_messages(row: dict[str, Any], attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]) -> None:
    """Write prompt, system prompt, answer and the like into a contract row.

    Parameters
    ----------
    attributes
        The span's or log record's.
    events
        (name, attributes) of span events, or of the log records of one span; bodies as `gen_ai.event.content`.
    """
    inputs, system = _inputs(attributes, events)
    if inputs is not None or system is not None:
        heard = asked(inputs, system=decoded(system))
        heard.into(row)
    answer = _outputs(attributes, events)
    if answer is not None:
        note_answer(row, answer)
    parameters = decoded(attributes.get("llm.invocation_parameters"))
    if isinstance(parameters, dict):
        held = dict(row)
        note_parameters(row, parameters, whole=False)
        row.update(held)
    _note_tools(row, attributes)


def _inputs(attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]) -> tuple[Any, Any]:
    system = attributes.get("gen_ai.system_instructions")
    messages = decoded(attributes.get("gen_ai.input.messages"))
    if messages is None:
        messages = next((decoded(a["gen_ai.prompt"]) for n, a in events if PROMPT_EVENTS.get(n) == "gen_ai.prompt"
                         and "gen_ai.prompt" in a), None)  # fmt: skip
    if messages is None:
        messages = _from_events(events)
    if messages is None:
        messages = _numbered(attributes, _INPUTS)
    if messages is None:
        messages = decoded(attributes.get("gen_ai.prompt"))
    if messages is None and attributes.get("openinference.span.kind") in ("LLM", "EMBEDDING"):
        value = decoded(attributes.get("input.value"))
        messages = value.get("messages") if isinstance(value, dict) else value
    if isinstance(messages, dict) and isinstance(messages.get("messages"), list):
        messages = messages["messages"]
    return messages, system


def _outputs(attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]) -> Any:
    answer = decoded(attributes.get("gen_ai.output.messages"))
    if answer is not None:
        return answer
    for name, held in events:
        if PROMPT_EVENTS.get(name) == "gen_ai.completion" and "gen_ai.completion" in held:
            return decoded(held["gen_ai.completion"])
        if name == CHOICE_EVENT:
            body = _event_body(held)
            return {"choices": [body]} if isinstance(body, dict) else body
    numbered = _numbered(attributes, _OUTPUTS)
    if numbered is not None:
        return {"choices": [{"message": m, "finish_reason": m.get("finish_reason")} for m in numbered]}
    answer = decoded(attributes.get("gen_ai.completion"))
    if answer is None and attributes.get("output.mime_type") == "text/plain":
        answer = attributes.get("output.value")
    return answer


def _from_events(events: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]] | None:
    messages = []
    for name, held in events:
        if name in _ROLES:
            body = _event_body(held)
            content = body.get("content") if isinstance(body, dict) else body
            messages.append({"role": _ROLES[name], "content": content})
    return messages or None


def _event_body(held: dict[str, Any]) -> Any:
    body = decoded(held.get("gen_ai.event.content"))
    return held if body is None else body


def _numbered(attributes: dict[str, Any], prefixes: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """Messages from attributes such as `llm.input_messages.0.message.content`, in their order."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if name.startswith(prefixes) and (match := _INDEXED.fullmatch(name)):
            _set(found.setdefault(int(match[1]), {}), match[2], value, completion=prefixes is _OUTPUTS)
    messages = [found[number] for number in sorted(found)]
    for message in messages:
        parts = message.pop("parts", None)
        if parts is not None and message.get("content") is None:
            message["content"] = [parts[number] for number in sorted(parts)]
        elif isinstance(message.get("content"), str):
            # OpenLLMetry writes content that is a list of parts as JSON.
            inner = decoded(message["content"])
            message["content"] = inner if isinstance(inner, list) and _is_parts(inner) else message["content"]
    return messages or None


def _is_parts(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in value)


def _set(message: dict[str, Any], tail: str, value: Any, *, completion: bool) -> None:
    message.setdefault("role", "assistant" if completion else "user")
    part = _PART.fullmatch(tail)
    if part is not None:
        piece = message.setdefault("parts", {}).setdefault(int(part[1]), {})
        kind = part[2].partition(".")[0]
        piece[kind if kind in ("type", "text") else "other"] = value
        return
    tail = tail.removeprefix("message.")
    if tail in ("role", "finish_reason"):
        message[tail] = value
    elif tail in ("content", "prompt.text", "completion.text", "text"):
        message["content"] = known(value) if isinstance(value, str) else value


def _note_tools(row: dict[str, Any], attributes: dict[str, Any]) -> None:
    tools = decoded(attributes.get("gen_ai.tool.definitions"))
    if tools is None:
        schemas = [(n, v) for n, v in attributes.items() if n.startswith(("llm.tools.", "llm.request.functions."))]
        tools = [[name, decoded(value)] for name, value in sorted(schemas)] or None
    if tools and (number := tool_schema_hash(tools)) is not None:
        row["tools"] = True
        row["tool_schema_hash"] = number
