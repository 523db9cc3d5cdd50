"""Run a door as a server of its own, in front of an upstream: `spiritsafe guard serve`.

Comes from the command; the model's clients call it in the upstream's place.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import uvicorn

from spiritsafe.errors import EnvironmentFault, UsageError
from spiritsafe.guard.gateways.asgi import GuardMiddleware
from spiritsafe.guard.gateways.proxy import ProxyApp
from spiritsafe.guard.gateways.watching import WatchApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spiritsafe.guard.gateways.door import Door

_GRACE_S = 10
_BACKLOG = 2_048


class AddressError(UsageError):
    """An address to listen on is no HOST:PORT."""

    code: ClassVar[str] = "guard.address"


class ListenFault(EnvironmentFault):
    """An address cannot be listened on: it is taken, or not this machine's."""

    code: ClassVar[str] = "guard.listen"


def listening(address: str) -> socket.socket:
    """A socket that listens on HOST:PORT; port 0 takes a free one."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise AddressError(f"{address!r} is no address to listen on", hint="HOST:PORT, e.g. 127.0.0.1:8080")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: only then asyncio sends small packets at once (TCP_NODELAY), and an answer whose head and
    # body are two of them is not held up for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(_BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        raise ListenFault(
            f"cannot listen on {address}: {error.strerror or error}", hint="is something else there? name another port"
        ) from error


def serve(door: Door, upstream: str, *, main: socket.socket, watch: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal asks to stop; then let go on what was begun, and put on disk what is to be written down.

    Parameters
    ----------
    door
        Decides.
    upstream
        Where answers come from.
    main, watch
        Sockets that listen: for the model's clients, and for whoever watches the guard.
    ready
        Called when both take connections.
    """
    app = GuardMiddleware(ProxyApp(upstream), door)
    try:
        asyncio.run(_run(app, WatchApp(door), main, watch, ready))
    finally:
        door.close()


async def _run(
    app: GuardMiddleware, watcher: WatchApp, main: socket.socket, watch: socket.socket, ready: Callable[[], None]
) -> None:
    servers = [_Server(_config(app, lifespan="on")), _Server(_config(watcher, lifespan="off"))]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, servers)
    gc.collect()
    gc.freeze()  # what is here now stays: not to be looked through again and again
    running = [asyncio.create_task(one.serve([where])) for one, where in zip(servers, (main, watch), strict=True)]
    while not all(server.started or task.done() for server, task in zip(servers, running, strict=True)):
        await asyncio.sleep(0.01)
    ready()
    await asyncio.gather(*running)


def _config(app: Any, *, lifespan: Literal["on", "off"]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # else uvicorn believes X-Forwarded-For of whoever calls from this machine
        timeout_graceful_shutdown=_GRACE_S,
    )


def _stop(servers: list[_Server]) -> None:
    """Take no more connections, and end when those that are open have their answers."""
    for server in servers:
        server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's server, without its own handling of signals: two of them share a process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
