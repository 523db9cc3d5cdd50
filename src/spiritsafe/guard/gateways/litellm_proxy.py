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

from spiritsafe.events.sources.litellm_log import account_of
from spiritsafe.guard.gateways.callers import Caller
from spiritsafe.guard.gateways.degrading import degraded_request
from spiritsafe.guard.gateways.exchanges import ENDPOINTS
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
        if passage.measures and passage.decision is not None:
            return degraded_request(data, endpoint, passage.measures, passage.decision.token_limit)
        return data

    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        """Record a whole answer, and take out what is withheld."""
        passage = self._done(data)
        if passage is None:
            return response
        self.door.leave(passage, 200, _usage(response))
        if "withhold_reasoning" in passage.measures:
            for choice in getattr(response, "choices", ()):
                _withhold(getattr(choice, "message", None))
        return response

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: AsyncIterator[Any], request_data: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """Pass a stream on as it comes, without what is withheld; record it when it ends."""
        passage = self._done(request_data)
        usage: Mapping[str, int] = {}
        try:
            async for chunk in response:
                usage = _usage(chunk) or usage
                if passage is not None and "withhold_reasoning" in passage.measures:
                    for choice in getattr(chunk, "choices", ()):
                        _withhold(getattr(choice, "delta", None))
                yield chunk
        finally:
            if passage is not None:
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
