"""Carry out what a degraded answer is to lack: in the request before it goes on, in the answer before it leaves.

Nothing here makes an answer wrong: it leaves out, or it ends earlier and says so. Reasoning is what the APIs keep apart
from the answer: `reasoning_content` and `reasoning` of a message or delta (DeepSeek's and vLLM's form of OpenAI's API),
items of the type `reasoning` (OpenAI's responses), blocks of the type `thinking` (Anthropic's). Comes from decisions;
used by the doors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from spiritsafe.guard.gateways.exchanges import Endpoint

_TOKEN_KEYS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_TOKENS_OF: Final[dict[str, tuple[str, ...]]] = {
    "chat/completions": ("max_tokens",),
    "completions": ("max_tokens",),
    "messages": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
"""By what a call that names no limit is given one; embeddings have none."""
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "reasoning_details")
_REASONING_TYPES: Final = frozenset({"thinking", "redacted_thinking", "reasoning"})
_TRACES: Final = frozenset({"content", "encrypted_content"})
_REASONING_DELTAS: Final = frozenset({"thinking_delta", "signature_delta"})


def degraded_request(
    body: dict[str, Any], endpoint: Endpoint, measures: Collection[str], token_limit: int
) -> dict[str, Any]:
    """The body that goes on, without what is not to be asked for."""
    changed = dict(body)
    if "no_logprobs" in measures:
        for key in ("logprobs", "top_logprobs"):
            changed.pop(key, None)
    if "no_logit_bias" in measures:
        changed.pop("logit_bias", None)
    if "limit_tokens" in measures and token_limit:
        asked = [key for key in _TOKEN_KEYS if key in changed]
        for key in asked or _TOKENS_OF.get(endpoint.path_end, ()):
            given = changed.get(key)
            less = isinstance(given, int) and not isinstance(given, bool) and given < token_limit
            changed[key] = given if less else token_limit
    return changed


def without_reasoning(answer: dict[str, Any], *, summaries: bool = False) -> dict[str, Any]:
    """A whole answer without its reasoning. What has none comes back as it is. With `summaries`, those that the API
    tells apart from the reasoning stay: of OpenAI's responses; the others have none."""
    changed = dict(answer)
    if isinstance(choices := changed.get("choices"), list):
        changed["choices"] = [_choice(choice) for choice in choices]
    for key in ("content", "output"):
        if isinstance(items := changed.get(key), list):
            left = [_summary(item) if summaries and key == "output" else item for item in items]
            changed[key] = [item for item in left if not _is_reasoning(item) or (summaries and item.get("summary"))]
    return changed


def _choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    said = {
        key: {name: value for name, value in choice[key].items() if name not in _REASONING_KEYS}
        for key in ("message", "delta")
        if isinstance(choice.get(key), dict)
    }
    return {**choice, **said}


def _summary(item: Any) -> Any:
    """Of an item of reasoning, what is its summary."""
    return {key: item[key] for key in item if key not in _TRACES} if _is_reasoning(item) else item


def _is_reasoning(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") in _REASONING_TYPES


class ReasoningFilter:
    """Takes reasoning out of a stream of events, one event at a time. Places of what is left are counted anew, so that
    clients that put an answer together by place do not stumble. With `summaries`, OpenAI's responses keep them."""

    def __init__(self, *, summaries: bool = False) -> None:
        self._summaries = summaries
        self._gone: set[int] = set()
        self._places: dict[int, int] = {}

    def event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The event as it may leave, or None where nothing of it may."""
        kind = event.get("type")
        if self._summaries and isinstance(kind, str) and kind.startswith("response."):
            return self._summarised(kind, event)
        if isinstance(kind, str) and ("reasoning" in kind or kind in _REASONING_TYPES):
            return None
        place = next((key for key in ("index", "output_index") if isinstance(event.get(key), int)), None)
        if place is not None and isinstance(kind, str):
            return self._placed(event, place)
        changed = without_reasoning(event)
        inner = changed.get("response")
        if isinstance(inner, dict):
            changed["response"] = without_reasoning(inner)
        return changed if not _only_reasoning(event, changed) else None

    def _summarised(self, kind: str, event: dict[str, Any]) -> dict[str, Any] | None:
        if "reasoning_text" in kind or (event.get("part") or {}).get("type") == "reasoning_text":
            return None
        inner = event.get("response")
        if isinstance(inner, dict):
            return {**event, "response": without_reasoning(inner, summaries=True)}
        return {**event, "item": _summary(event["item"])} if "item" in event else event

    def _placed(self, event: dict[str, Any], key: str) -> dict[str, Any] | None:
        at = event[key]
        if _is_reasoning(event.get("content_block")) or _is_reasoning(event.get("item")):
            self._gone.add(at)
        delta = event.get("delta")
        if at in self._gone or (isinstance(delta, dict) and delta.get("type") in _REASONING_DELTAS):
            return None
        return {**event, key: self._places.setdefault(at, at - sum(gone < at for gone in self._gone))}


def _only_reasoning(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether an event of OpenAI's chat carried reasoning and nothing else that a client waits for."""
    if before.get("choices") == after.get("choices") or before.get("usage"):
        return False
    choices = after.get("choices")
    return isinstance(choices, list) and all(
        isinstance(one, dict) and not one.get("finish_reason") and not any((one.get("delta") or {}).values())
        for one in choices
    )
