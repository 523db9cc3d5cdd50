"""An app that answers by asking the server behind: the inside of `spiritsafe guard serve`.

Bytes go through as they come, in both directions; nothing is buffered but what `asgi` reads. Answers come uncompressed,
so that what is withheld can be. Comes from `asgi.GuardMiddleware`, which stands before it; goes to the upstream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from spiritsafe.guard.gateways.exchanges import OPENAI, endpoint_of
from spiritsafe.guard.gateways.refusals import UNREACHABLE, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    from spiritsafe.guard.gateways.asgi import Receive, Send

HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""Headers that are about one connection (RFC 9110 section 7.6.1)."""

_OURS: Final = frozenset({b"host", b"accept-encoding", b"x-forwarded-for", b"content-length"})
_PATH: Final = "/:@!$&'()*+,;=-._~"


class ProxyApp:
    """Passes every call on to one upstream.

    Parameters
    ----------
    upstream
        Its address, with a path if its API lies under one.
    connect_s
        Within this time it must take a connection.
    quiet_s
        After so long without a byte it is given up.
    """

    def __init__(self, upstream: str, *, connect_s: float = 5.0, quiet_s: float = 600.0) -> None:
        self._upstream = URL(upstream.rstrip("/"))
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=quiet_s)
        self._session: aiohttp.ClientSession | None = None
        self.unreachable = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._pass(scope, receive, send)
        else:  # a websocket: refused before it is accepted
            await send({"type": "websocket.close", "code": 1003})

    async def _pass(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        begun = False
        try:
            async with self._client().request(
                scope["method"],
                self._url(scope),
                headers=_headers(scope),
                data=await _data(scope, receive),
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            ) as answer:
                headers = [pair for pair in answer.raw_headers if pair[0].lower() not in HOP_BY_HOP]
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                begun = True
                async for data in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientError, TimeoutError):
            self.unreachable += 1
            if begun:  # it broke off in the middle: break off too, so that the client can tell
                raise
            endpoint = endpoint_of(scope["path"])
            refusal = refused(endpoint.api if endpoint else OPENAI, UNREACHABLE)
            headers = [(name.encode(), value.encode()) for name, value in refusal.headers]
            await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
            await send({"type": "http.response.body", "body": refusal.body})

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, scope: MutableMapping[str, Any]) -> URL:
        raw = scope.get("raw_path")
        path = raw.decode("ascii", "replace") if raw else quote(scope["path"], safe=_PATH)
        query = scope["query_string"].decode("ascii", "replace")
        return URL(f"{self._upstream}{path}{'?' + query if query else ''}", encoded=True)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._session is not None:
                    await self._session.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _headers(scope: MutableMapping[str, Any]) -> list[tuple[str, str]]:
    """What goes on: all but what is about this connection, and this hop added to the way."""
    given = scope["headers"]
    named = {
        name.strip().lower().encode()
        for key, value in given if key.lower() == b"connection"
        for name in value.decode("latin-1").split(",")
    }  # fmt: skip
    dropped = HOP_BY_HOP | _OURS | named
    kept = [(key.decode("latin-1"), _text(value)) for key, value in given if key.lower() not in dropped]
    way = [value.decode("latin-1") for key, value in given if key.lower() == b"x-forwarded-for"]
    peer = scope.get("client")
    return [*kept, ("x-forwarded-for", ", ".join([*way, peer[0]] if peer else way)), ("accept-encoding", "identity")]


def _text(value: bytes) -> str:
    """A header's value so that the client library writes the same bytes: it writes UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _data(scope: MutableMapping[str, Any], receive: Receive) -> bytes | AsyncIterator[bytes] | None:
    """The body: at once where it is whole, else as it comes."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return None
    first = await receive()
    if first["type"] == "http.disconnect":
        raise asyncio.CancelledError
    body: bytes = first.get("body", b"")
    return _rest(body, receive) if first.get("more_body") else body


async def _rest(first: bytes, receive: Receive) -> AsyncIterator[bytes]:
    yield first
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return
