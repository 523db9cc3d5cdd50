"""A server that speaks OpenAI's and Anthropic's APIs and says the same to everybody, with reasoning; and a guard before
it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from spiritsafe.guard.gateways.asgi import GuardMiddleware
from spiritsafe.guard.gateways.proxy import ProxyApp
from spiritsafe.guard.gateways.serving import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["The ", "answer ", "is ", "forty-two."]
THOUGHT = ["First I ", "recall six ", "times seven."]
SUMMARY = "Multiplied two numbers."
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


SECRET = (
    "Okay, the user wants a number, and asks me to write down my notes as well. First I recall that six times seven "
    "can be had by doubling three times seven. Three sevens make twenty-one, and twice that is forty-two. Wait, should "
    "I check it by adding? Seven, fourteen, twenty-one, twenty-eight, thirty-five, forty-two: yes, both ways agree. I "
    "might also mention the joke about the meaning of life, but nobody asked, so I leave it out and answer briefly."
)
"""What the model thinks when it is asked for its notes."""


def said_to(body: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What is thought, and what is answered. Who asks for notes in base 64 gets them."""
    if "notes in base 64" not in json.dumps(body):
        return THOUGHT, WORDS
    said = "It is forty-two. " + base64.b64encode(SECRET.encode()).decode()
    return pieces(SECRET), pieces(said)


def pieces(text: str, size: int = 5) -> list[str]:
    """As a model says it, a few letters at a time."""
    return [text[at : at + size] for at in range(0, len(text), size)]


class Upstream:
    """The app. `bodies` are what it was asked, `headers` with which headers. With a `gate` each event of a stream takes
    a permit from it. With `forgets` it keeps nothing of what it was asked."""

    def __init__(self, *, gate: threading.Semaphore | None = None, forgets: bool = False) -> None:
        self.forgets = forgets
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.gate = gate

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        data = b""
        while True:
            message = await receive()
            data += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"]
        if not self.forgets:
            self.paths.append(path)
            self.headers.append({key.decode(): value.decode("latin-1") for key, value in scope["headers"]})
        if path == "/v1/models":
            await self._json(
                send, {"object": "list", "data": [{"id": "m-1", "object": "model", "created": 1, "owned_by": "x"}]}
            )
            return
        try:
            body = json.loads(data)
        except ValueError:
            await self._json(send, {"error": {"message": "bad json", "type": "invalid_request_error"}}, 400)
            return
        if not self.forgets:
            self.bodies.append(body)
        answer = {"/v1/chat/completions": _chat, "/v1/messages": _messages, "/v1/responses": _responses}.get(path)
        if answer is None:
            await self._json(send, {"error": {"message": "no such path", "type": "not_found"}}, 404)
            return
        whole, events = answer(body)
        if not body.get("stream"):
            await self._json(send, whole)
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for name, event in events:
            while self.gate is not None and not self.gate.acquire(blocking=False):
                await asyncio.sleep(0.005)
            head = f"event: {name}\n" if name else ""
            text = event if isinstance(event, str) else json.dumps(event)
            await send({"type": "http.response.body", "body": f"{head}data: {text}\n\n".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    @staticmethod
    async def _json(send: Any, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})


def _chat(body: dict[str, Any]) -> tuple[Any, list[tuple[str, Any]]]:
    thought, words = said_to(body)
    common = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
    message = {"role": "assistant", "content": "".join(words), "reasoning_content": "".join(thought)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    whole = {**common, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    deltas = [
        {"role": "assistant", "content": ""},
        *({"reasoning_content": t} for t in thought),
        *({"content": w} for w in words),
    ]
    chunk = {**common, "object": "chat.completion.chunk"}
    events: list[tuple[str, Any]] = [
        ("", {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas
    ]
    events.append(("", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    events.append(("", {**chunk, "choices": [], "usage": USAGE}))
    return whole, [*events, ("", "[DONE]")]


def _messages(body: dict[str, Any]) -> tuple[Any, list[tuple[str, Any]]]:
    thought, words = said_to(body)
    usage = {"input_tokens": 11, "output_tokens": 7}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
    thinking = {"type": "thinking", "thinking": "".join(thought), "signature": "c2ln"}
    text = {"type": "text", "text": "".join(words)}
    whole = {**head, "content": [thinking, text], "stop_reason": "end_turn", "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**head, "content": [], "stop_reason": None, "usage": usage}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": t}}
            for t in thought
        ),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": w}} for w in words),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    return whole, [(event["type"], event) for event in events]


def _responses(body: dict[str, Any]) -> tuple[Any, list[tuple[str, Any]]]:
    thought, words = said_to(body)
    traces = [{"type": "reasoning_text", "text": "".join(thought)}]
    summary = [{"type": "summary_text", "text": SUMMARY}]
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": summary, "content": traces}
    part = {"type": "output_text", "text": "".join(words), "annotations": []}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {
        "input_tokens": 11,
        "output_tokens": 7,
        "total_tokens": 18,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    whole = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
        "output": [reasoning, said], "usage": usage, "parallel_tool_calls": False, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    begun = {**whole, "output": [], "status": "in_progress", "usage": None}
    at = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**reasoning, "summary": [], "content": []}},
        {"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "rs_1", "content_index": 0,
         "delta": "".join(thought)},
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "item_id": "rs_1", "summary_index": 0,
         "part": {"type": "summary_text", "text": ""}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "rs_1", "summary_index": 0,
         "delta": SUMMARY},
        {"type": "response.output_item.done", "output_index": 0, "item": reasoning},
        {"type": "response.output_item.added", "output_index": 1, "item": {**said, "content": []}},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": word, "logprobs": []} for word in words),
        {"type": "response.output_text.done", **at, "text": "".join(words), "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 1, "item": said},
        {"type": "response.completed", "response": whole},
    ]  # fmt: skip
    return whole, [(event["type"], {**event, "sequence_number": n}) for n, event in enumerate(events)]


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def running(app: Any, *, lifespan: str = "off") -> Iterator[str]:
    """An ASGI app on a free loopback port, in a thread of its own; its address."""
    where = listening("127.0.0.1:0")
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan=lifespan, log_config=None, access_log=False, proxy_headers=False,  # type: ignore[arg-type]
    )  # fmt: skip
    server = _Quiet(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([where])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{where.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        where.close()


@contextlib.contextmanager
def guarded(door: Any, upstream: str) -> Iterator[str]:
    """The proxy in front of an upstream."""
    with running(GuardMiddleware(ProxyApp(upstream), door), lifespan="on") as address:
        yield address
