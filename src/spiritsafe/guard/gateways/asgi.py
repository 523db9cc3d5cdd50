"""A door inside an ASGI server that speaks OpenAI's or Anthropic's API: vLLM, or any other.

`vllm serve MODEL --middleware spiritsafe.guard.gateways.asgi.GuardMiddleware` takes the class as it is: the home, the
roster and the policy come from the settings. Only calls that ask a model are read; all else passes untouched. Comes
from the server; the app behind it answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from spiritsafe.guard.gateways.answers import AnswerFilter, UsageCounter
from spiritsafe.guard.gateways.callers import caller_of
from spiritsafe.guard.gateways.exchanges import BodyError, body_of, endpoint_of
from spiritsafe.guard.gateways.leaking import texts_of
from spiritsafe.guard.gateways.refusals import BROKEN, ENCODED, TOO_LARGE, TOO_SLOW, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from spiritsafe.guard.gateways.door import Door, Passage
    from spiritsafe.guard.gateways.exchanges import Endpoint
    from spiritsafe.guard.gateways.refusals import Refusal
    from spiritsafe.guard.leaks.checking import Leak

    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Disconnected(Exception):
    """The client left before its request was whole."""


class GuardMiddleware:
    """ASGI middleware that asks the guard about every call to a model.

    Parameters
    ----------
    app
        Answers.
    door
        By default that of the home which the settings name.
    """

    def __init__(self, app: App, door: Door | None = None) -> None:
        if door is None:
            from spiritsafe.guard.gateways.opening import open_door

            door = open_door()
        self._app, self.door = app, door

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        endpoint = None
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = endpoint_of(scope["path"])
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        try:
            data = await self._body(endpoint, headers, receive)
            body = data if not isinstance(data, bytes) else body_of(data)
        except BodyError:
            body = refused(endpoint.api, BROKEN)
        except Disconnected:
            return
        if not isinstance(body, dict):
            self.door.counts[f"refused_{body.status}"] += 1
            await _refuse(send, body)
            return
        assert isinstance(data, bytes)
        peer = scope.get("client")
        caller = caller_of(headers, peer[0] if peer else None, self.door.options.trust)
        passage = self.door.enter(endpoint, body, caller, headers)
        if passage.refusal is not None:
            await _refuse(send, passage.refusal)
            self.door.leave(passage, passage.refusal.status, {})
            return
        await self._pass_on(scope, _Replayed(data, receive), send, endpoint, body, passage)

    async def _body(self, endpoint: Endpoint, headers: dict[str, str], receive: Receive) -> bytes | Refusal:
        """The whole body, or why it is not taken. It must be whole in time, however slowly it comes."""
        options = self.door.options
        if headers.get("content-encoding", "identity").lower() != "identity":
            return refused(endpoint.api, ENCODED)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > options.most_body_bytes:
            return refused(endpoint.api, TOO_LARGE)
        pieces, size = [], 0
        try:
            async with asyncio.timeout(options.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > options.most_body_bytes:
                        return refused(endpoint.api, TOO_LARGE)
                    if not message.get("more_body"):
                        return b"".join(pieces)
        except TimeoutError:
            return refused(endpoint.api, TOO_SLOW)

    async def _pass_on(
        self,
        scope: MutableMapping[str, Any],
        receive: _Replayed,
        send: Send,
        endpoint: Endpoint,
        body: dict[str, Any],
        passage: Passage,
    ) -> None:
        """Have the app answer, and pass its answer on as it comes."""
        measures = passage.measures
        if measures:
            changed = self.door.degraded(endpoint, body, passage)
            receive.body = msgspec.json.encode(changed)
            scope = {**scope, "headers": _with_length(scope["headers"], len(receive.body))}
        back = _Back(send, measures, texts_of(body) if "check_leaks" in measures else "")
        try:
            await self._app(scope, receive, back)
        finally:
            passage.leak = back.leak
            self.door.leave(passage, back.status, back.usage.usage())


class _Replayed:
    """Gives an app the body that was read already, and then what else comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


class _Back:
    """Takes an app's answer and sends it on; of a degraded one, what may leave."""

    def __init__(self, send: Send, measures: tuple[str, ...], prompt: str) -> None:
        self._send, self._measures, self._prompt = send, measures, prompt
        self.usage = UsageCounter()
        self.status = 0
        self._filter: AnswerFilter | None = None

    @property
    def leak(self) -> Leak | None:
        """How the answer carried what is withheld, where it did."""
        return None if self._filter is None else self._filter.leak

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if {"withhold_reasoning", "summarise_reasoning"} & set(self._measures):
                kind = dict(message.get("headers", ())).get(b"content-type", b"")
                stream = kind.startswith(b"text/event-stream")
                self._filter = AnswerFilter(self._measures, stream=stream, prompt=self._prompt)
                headers = [one for one in message.get("headers", ()) if one[0].lower() != b"content-length"]
                message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            data = message.get("body", b"")
            self.usage.feed(data)
            if self._filter is not None:
                left = self._filter.feed(data)
                ends = not message.get("more_body")
                message = {**message, "body": left + self._filter.end() if ends else left}
        await self._send(message)


def headers_of(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case name; of several of one name, joined by commas (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [one for one in headers if one[0].lower() not in {b"content-length", b"transfer-encoding"}]
    return [*kept, (b"content-length", str(length).encode())]


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in refusal.headers]
    headers.append((b"content-length", str(len(refusal.body)).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
