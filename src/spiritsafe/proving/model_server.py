"""A server that stands in for a model: OpenAI's chat completions and Anthropic's messages, the same answer to
everybody.

For trying a guard without a model and without sending anything to anybody's. Comes from the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any, Final

import msgspec
import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

ANSWER: Final = "This is a stand-in for a model. It says this to everybody."
_MODEL: Final = "stand-in"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """One call, as ASGI has it."""
    if scope["type"] != "http":
        return
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            break
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if scope["path"].endswith("/chat/completions"):
            await _send(send, 200, _completion(msgspec.json.decode(data)))
            return
        if scope["path"].endswith("/messages"):
            await _send(send, 200, _message(msgspec.json.decode(data)))
            return
    await _send(send, 404, {"error": {"message": "only chat/completions and messages are here", "type": "not_found"}})


def _completion(body: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": len(ANSWER.split()), "total_tokens": 1 + len(ANSWER.split())}
    return {
        "id": "stand-in", "object": "chat.completion", "created": 0, "model": _model(body), "choices": [choice],
        "usage": usage,
    }  # fmt: skip


def _message(body: Any) -> dict[str, Any]:
    return {
        "id": "stand-in", "type": "message", "role": "assistant", "model": _model(body), "stop_sequence": None,
        "content": [{"type": "text", "text": ANSWER}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": len(ANSWER.split())},
    }  # fmt: skip


def _model(body: Any) -> str:
    asked = body.get("model") if isinstance(body, dict) else None
    return asked if isinstance(asked, str) else _MODEL


async def _send(send: Any, status: int, body: dict[str, Any]) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_model(where: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve until a signal asks to stop."""

    async def run() -> None:
        server = _Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, _stop, server)
        task = asyncio.create_task(server.serve([where]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        ready()
        await task

    asyncio.run(run())


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True
