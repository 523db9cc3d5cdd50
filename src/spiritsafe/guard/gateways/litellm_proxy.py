"""A door inside LiteLLM's proxy: a guardrail that asks the guard before each call to a model.

In LiteLLM's configuration:

    guardrails:
      - guardrail_name: spiritsafe
        litellm_params:
          guardrail: spiritsafe.guard.gateways.litellm_proxy.SpiritsafeGuardrail
          mode: [pre_call, post_call]
          default_on: true

Whose a request is LiteLLM knows: the key's user, else its team, else the key, as its log says too. Comes from LiteLLM;
tested against the version that the lock names.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.types.utils import ChatCompletionDeltaToolCall, ChatCompletionMessageToolCall, Function

from spiritsafe.events.sources.litellm_log import account_of
from spiritsafe.guard.gateways.callers import Caller
from spiritsafe.guard.gateways.exchanges import ENDPOINTS
from spiritsafe.guard.gateways.leaking import LeakFilter, texts_of
from spiritsafe.guard.gateways.opening import open_door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from spiritsafe.guard.gateways.door import Door, Passage
    from spiritsafe.guard.gateways.refusals import Refusal

CALLS: Final = {
    "completion": "chat/completions",
    "acompletion": "chat/completions",
    "text_completion": "completions",
    "atext_completion": "completions",
    "embedding": "embeddings",
    "embeddings": "embeddings",
    "aembedding": "embeddings",
    "responses": "responses",
    "aresponses": "responses",
    "anthropic_messages": "messages",
}
"""LiteLLM's name of a call to the end of the path that it is of."""

UNDER_WAY: Final = 50_000
"""Calls of which the answer has not come yet; more are let go unrecorded, the oldest first."""

_WITHHELD: Final = frozenset({"withhold_reasoning", "summarise_reasoning"})
_REASONING: Final = ("reasoning_content", "reasoning", "thinking_blocks")


class SpiritsafeGuardrail(CustomGuardrail):  # type: ignore[misc]  # LiteLLM is not installed where types are checked
    """Asks the guard of the home that the settings name. `door` is another one."""

    def __init__(self, door: Door | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.door = open_door() if door is None else door
        self._under_way: OrderedDict[str, Passage] = OrderedDict()

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:  # fmt: skip
        """Let a call on, changed where its answer is to be degraded; or raise what the client is told."""
        end = CALLS.get(call_type)
        if end is None:
            return data
        endpoint = ENDPOINTS[end]
        passage = self.door.enter(endpoint, data, caller_of(user_api_key_dict, data))
        if passage.refusal is not None:
            self.door.leave(passage, passage.refusal.status, {})
            raise refused_by(passage.refusal)
        self._under_way[str(data.get("litellm_call_id"))] = passage
        if len(self._under_way) > UNDER_WAY:
            self._under_way.popitem(last=False)
        return self.door.degraded(endpoint, data, passage) if passage.measures else data

    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        """Record a whole answer, and take out what is withheld."""
        passage = self._done(data)
        if passage is None:
            return response
        leaks = _leaks(passage, data)
        if _WITHHELD & set(passage.measures):
            for choice in getattr(response, "choices", ()):
                if leaks is not None:
                    _cut(choice, "message", leaks)
                _withhold(getattr(choice, "message", None))
        passage.leak = None if leaks is None else leaks.leak
        self.door.leave(passage, 200, _usage(response))
        return response

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: AsyncIterator[Any], request_data: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """Pass a stream on as it comes, without what is withheld; record it when it ends."""
        passage = self._done(request_data)
        usage: Mapping[str, int] = {}
        leaks = None if passage is None else _leaks(passage, request_data)
        try:
            async for chunk in response:
                usage = _usage(chunk) or usage
                if passage is not None and _WITHHELD & set(passage.measures):
                    for choice in getattr(chunk, "choices", ()):
                        if leaks is not None:
                            _cut(choice, "delta", leaks)
                        _withhold(getattr(choice, "delta", None))
                yield chunk
        finally:
            if passage is not None:
                passage.leak = None if leaks is None else leaks.leak
                self.door.leave(passage, 200, usage)

    async def async_post_call_failure_hook(
        self, request_data: dict[str, Any], original_exception: Exception, user_api_key_dict: Any, *_: Any, **__: Any
    ) -> None:
        """Record a call that failed behind the guard."""
        passage = self._done(request_data)
        if passage is not None:
            status = getattr(original_exception, "status_code", None)
            self.door.leave(passage, status if isinstance(status, int) else 500, {})

    def _done(self, data: Mapping[str, Any]) -> Passage | None:
        return self._under_way.pop(str(data.get("litellm_call_id")), None)


def caller_of(auth: Any, data: Mapping[str, Any]) -> Caller:
    """Who calls, as LiteLLM knows it."""
    known = {
        "user_api_key_user_id": getattr(auth, "user_id", None),
        "user_api_key_team_id": getattr(auth, "team_id", None),
        "user_api_key_hash": getattr(auth, "api_key", None),
    }
    metadata = data.get("metadata") or data.get("litellm_metadata") or {}
    request = data.get("proxy_server_request") or {}
    headers = {str(name).lower(): value for name, value in (request.get("headers") or {}).items()}
    return Caller(
        account_id=account_of(known),
        client_ip=metadata.get("requester_ip_address") or None,
        user_agent=headers.get("user-agent"),
    )


def refused_by(refusal: Refusal) -> HTTPException:
    """What LiteLLM turns into an error for the client."""
    return HTTPException(status_code=refusal.status, detail=refusal.text, headers=dict(refusal.headers))


def _leaks(passage: Passage, data: Mapping[str, Any]) -> LeakFilter | None:
    if "check_leaks" not in passage.measures:
        return None
    return LeakFilter(
        texts_of({name: data[name] for name in ("messages", "prompt", "input", "system") if name in data})
    )


def _cut(choice: Any, key: str, leaks: LeakFilter) -> None:
    """Leave of a message or delta what may leave, in place."""
    part = getattr(choice, key, None)
    if part is None:
        return
    calls = getattr(part, "tool_calls", None) or []
    told: dict[str, Any] = {"content": getattr(part, "content", None)}
    told |= {name: getattr(part, name, None) for name in ("reasoning_content", "reasoning")}
    if calls:
        told["tool_calls"] = [call if isinstance(call, dict) else call.model_dump() for call in calls]
    index, reason = getattr(choice, "index", 0), getattr(choice, "finish_reason", None)
    choices = [{"index": index, key: told, "finish_reason": reason}]
    (changed,) = leaks.event({"choices": choices}) if key == "delta" else (leaks.whole({"choices": choices}),)
    left = changed["choices"][0]
    part.content = left[key].get("content")
    choice.finish_reason = left["finish_reason"]
    if calls or "tool_calls" in left[key]:
        part.tool_calls = [_call(call, key) for call in left[key].get("tool_calls", ())] or None


def _call(told: dict[str, Any], key: str) -> Any:
    """A call of a tool as LiteLLM has it in a message, or in a delta."""
    function = Function(**{"name": None, **told["function"]})
    if key == "message":
        return ChatCompletionMessageToolCall(**{**told, "function": function})
    return ChatCompletionDeltaToolCall(**{"id": None, "type": None, **told, "function": function})


def _withhold(said: Any) -> None:
    """Take reasoning out of a message or delta, in place."""
    for name in _REASONING:
        if getattr(said, name, None) is not None:
            setattr(said, name, None)
    fields = getattr(said, "provider_specific_fields", None)
    if isinstance(fields, dict):
        for name in _REASONING:
            fields.pop(name, None)


def _usage(response: Any) -> dict[str, int]:
    usage = getattr(response, "usage", None)
    told = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    numbers = {name: getattr(usage, theirs, None) for name, theirs in told.items()}
    return {name: number for name, number in numbers.items() if isinstance(number, int)}
