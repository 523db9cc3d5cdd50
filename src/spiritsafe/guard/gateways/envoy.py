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

from spiritsafe.errors import EnvironmentFault
from spiritsafe.guard.gateways import envoy_messages as wire
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


class Authorization:
    """Answers Envoy. `door` decides."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def check(self, request: Any, _context: Any) -> Any:
        """Whether a call may go on. Of what asks no model nothing is read."""
        told = request.attributes.request.http
        endpoint = endpoint_of(told.path.partition("?")[0]) if told.method == "POST" else None
        if endpoint is None:
            return _let_on()
        headers = {one.key: one.value for one in told.headers}
        if headers.get("content-encoding", "identity").lower() != "identity":
            return _turn_away(refused(endpoint.api, ENCODED))
        try:
            body = body_of(told.raw_body or told.body.encode())
        except BodyError:
            self._door.counts["refused_400"] += 1
            return _turn_away(refused(endpoint.api, BROKEN))
        peer = request.attributes.source.address.socket_address.address or None
        passage = self._door.enter(endpoint, body, caller_of(headers, peer, self._door.options.trust), headers)
        if passage.refusal is not None:
            self._door.leave(passage, passage.refusal.status, {})
            return _turn_away(passage.refusal)
        self._door.leave(passage, 0, {})
        return _let_on(passage.measures)


def _let_on(measures: tuple[str, ...] = ()) -> Any:
    """Go on; a header of the client's that looks like ours is taken away."""
    if measures:
        header = wire.Header(key=MEASURES_HEADER, value=",".join(measures))
        allowed = wire.Allowed(headers=[wire.HeaderOption(header=header, append_action=wire.OVERWRITE)])
    else:
        allowed = wire.Allowed(headers_to_remove=[MEASURES_HEADER])
    return wire.CheckResponse(status=wire.Status(code=wire.OK), ok_response=allowed)


def _turn_away(refusal: Refusal) -> Any:
    denied = wire.Denied(
        status=wire.HttpStatus(code=refusal.status),
        body=refusal.body.decode(),
        headers=[wire.HeaderOption(header=wire.Header(key=name, value=value)) for name, value in refusal.headers],
    )
    return wire.CheckResponse(status=wire.Status(code=wire.PERMISSION_DENIED), denied_response=denied)


def serve(door: Door, address: str, *, ready: Callable[[int], None]) -> None:
    """Serve until a signal asks to stop. `ready` is called with the port."""
    try:
        asyncio.run(_run(door, address, ready))
    finally:
        door.close()


async def _run(door: Door, address: str, ready: Callable[[int], None]) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", door.options.most_body_bytes + (1 << 20))])
    check = grpc.unary_unary_rpc_method_handler(
        Authorization(door).check,
        request_deserializer=wire.CheckRequest.FromString,
        response_serializer=wire.CheckResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.SERVICE, {"Check": check}),))
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
