"""A door beside Envoy: its external authorisation service (`envoy.service.auth.v3.Authorization/Check`, gRPC).

Envoy sends each call with its body and does as it is told. It asks before the answer and never after it, so that an
answer cannot be degraded here: what it is to lack is told to the server behind in a header that clients cannot set
(`x-spiritsafe-measures`), and whether that does so is the server's. If this service is gone Envoy lets calls through or
not, by its `failure_mode_allow`. Comes from Envoy.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any, ClassVar, Final

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.rpc.code_pb2 import OK, PERMISSION_DENIED
from google.rpc.status_pb2 import Status

from spiritsafe.errors import EnvironmentFault
from spiritsafe.guard.gateways.callers import caller_of
from spiritsafe.guard.gateways.exchanges import BodyError, body_of, endpoint_of
from spiritsafe.guard.gateways.refusals import BROKEN, ENCODED, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.guard.gateways.door import Door
    from spiritsafe.guard.gateways.refusals import Refusal

MEASURES_HEADER: Final = "x-spiritsafe-measures"
_GRACE_S: Final = 5.0


class EnvoyListenFault(EnvironmentFault):
    """The address for Envoy cannot be listened on."""

    code: ClassVar[str] = "guard.envoy_listen"


class Authorization(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]
    """Answers Envoy. `door` decides."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - as gRPC calls it
        """Whether a call may go on. Of what asks no model nothing is read."""
        told = request.attributes.request.http
        endpoint = endpoint_of(told.path.partition("?")[0]) if told.method == "POST" else None
        if endpoint is None:
            return _let_on()
        headers = dict(told.headers)
        if headers.get("content-encoding", "identity").lower() != "identity":
            return _turn_away(refused(endpoint.api, ENCODED))
        try:
            body = body_of(told.raw_body or told.body.encode())
        except BodyError:
            self._door.counts["refused_400"] += 1
            return _turn_away(refused(endpoint.api, BROKEN))
        peer = request.attributes.source.address.socket_address.address or None
        passage = self._door.enter(endpoint, body, caller_of(headers, peer, self._door.options.trust))
        if passage.refusal is not None:
            self._door.leave(passage, passage.refusal.status, {})
            return _turn_away(passage.refusal)
        self._door.leave(passage, 0, {})
        return _let_on(passage.measures)


def _let_on(measures: tuple[str, ...] = ()) -> Any:
    """Go on; a header of the client's that looks like ours is taken away."""
    allowed = external_auth_pb2.OkHttpResponse()
    if measures:
        value = HeaderValue(key=MEASURES_HEADER, value=",".join(measures))
        overwrite = HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
        allowed.headers.append(HeaderValueOption(header=value, append_action=overwrite))
    else:
        allowed.headers_to_remove.append(MEASURES_HEADER)
    return external_auth_pb2.CheckResponse(status=Status(code=OK), ok_response=allowed)


def _turn_away(refusal: Refusal) -> Any:
    denied = external_auth_pb2.DeniedHttpResponse(
        status=HttpStatus(code=refusal.status),
        body=refusal.body.decode(),
        headers=[HeaderValueOption(header=HeaderValue(key=name, value=value)) for name, value in refusal.headers],
    )
    return external_auth_pb2.CheckResponse(status=Status(code=PERMISSION_DENIED), denied_response=denied)


def serve(door: Door, address: str, *, ready: Callable[[int], None]) -> None:
    """Serve until a signal asks to stop. `ready` is called with the port."""
    try:
        asyncio.run(_run(door, address, ready))
    finally:
        door.close()


async def _run(door: Door, address: str, ready: Callable[[int], None]) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", door.options.most_body_bytes + (1 << 20))])
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Authorization(door), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise EnvoyListenFault(f"cannot listen on {address}: {error}", hint="name another HOST:PORT") from error
    await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready(port)
    await stop.wait()
    await server.stop(_GRACE_S)
