"""What do the doors add to a call, against the same server without them?

One client calls one server, one call after the other over one connection, with prompts of 2 kB: the server itself, with
the guard as ASGI middleware inside, and through the reverse proxy; 250 to each in turns, so that a busy moment meets
all of them. Each server is a process of its own. Then the same with four callers at once, and how late streamed words
come. `--quick` does it small and prints.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks._page import frame, table
from benchmarks.speed.guard import NAMES, PARAMETERS, POLICY, contents, prompts

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).with_suffix(".md")
ACCOUNTS, FINGERPRINTS = 100_000, 10_000
BLOCK: Final = 250
WORDS: Final = 20
WORD_PAUSE_S: Final = 0.02


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """The server: reads the body, and says a little; as a stream, word by word."""
    import asyncio

    if scope["type"] != "http":
        return
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream":true' in data:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for at in range(WORDS):
            body = b'data: {"choices":[{"index":0,"delta":{"content":"%f"}}]}\n\n' % time.time()
            await send({"type": "http.response.body", "body": body, "more_body": at < WORDS - 1})
            await asyncio.sleep(WORD_PAUSE_S)
        return
    body = b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"Forty-two."}}]}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _serve(kind: str, roster: str, upstream: str, told: Any) -> None:
    """In a process: the server, alone, with the middleware, or the proxy in front of `upstream`."""
    import asyncio
    import gc

    import uvicorn

    from spiritsafe.guard import Guard
    from spiritsafe.guard.gateways.asgi import GuardMiddleware
    from spiritsafe.guard.gateways.door import Door, DoorOptions
    from spiritsafe.guard.gateways.proxy import ProxyApp
    from spiritsafe.guard.gateways.serving import listening
    from spiritsafe.guard.journal import Journal
    from spiritsafe.guard.policy import read_policy
    from spiritsafe.roster import Roster

    app: Any = answer
    if kind != "alone":
        guard = Guard(Roster(Path(roster)), read_policy(POLICY), names=NAMES, parameters=PARAMETERS)
        journal = Journal(Path(roster).parent / f"journal-{kind}", PARAMETERS.metadata())
        app = GuardMiddleware(
            answer if kind == "middleware" else ProxyApp(upstream), Door(guard, DoorOptions(), journal=journal)
        )
    where = listening("127.0.0.1:0")
    config = uvicorn.Config(app, http="httptools", ws="none", log_config=None, access_log=False, proxy_headers=False)
    gc.collect()
    gc.freeze()
    told.send(where.getsockname()[1])
    asyncio.run(uvicorn.Server(config).serve([where]))


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[dict[str, int]]:
    """The ports of the three."""
    from spiritsafe.roster import write_roster

    roster = folder / "roster.bin"
    write_roster(contents(ACCOUNTS, FINGERPRINTS, tuple(range(16))), roster)
    ports: dict[str, int] = {}
    spawn, running = multiprocessing.get_context("spawn"), []
    for kind in ("alone", "middleware", "proxy"):
        here, there = spawn.Pipe()
        upstream = f"http://127.0.0.1:{ports.get('alone', 0)}"
        process = spawn.Process(target=_serve, args=(kind, str(roster), upstream, there), daemon=True)
        process.start()
        running.append(process)
        ports[kind] = here.recv()
    time.sleep(1)
    try:
        yield ports
    finally:
        for process in running:
            process.terminate()
            process.join()


def bodies(count: int, *, stream: bool = False) -> list[bytes]:
    """Calls with prompts of 2 kB, as clients send them."""
    every: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
    ]
    return [
        json.dumps(
            {"model": "m-1", "stream": stream, "messages": [*every, {"role": "user", "content": text}]},
            separators=(",", ":"),
        ).encode()
        for text in prompts(count, seed=5)
    ]


class Line:
    """A connection that is kept, with each call in one packet: Python's own client sends head and body apart and waits
    40 ms for the other side's delayed acknowledgement."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, body: bytes, key: int) -> float:
        """One call, in milliseconds."""
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer sk-{key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._socket.sendall(head.encode() + body)
        answer = b""
        while not answer.endswith(b"}]}"):
            answer += self._socket.recv(65_536)
        took = (time.perf_counter() - began) * 1000
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
        return took


def one_by_one(ports: dict[str, int], count: int) -> dict[str, list[float]]:
    """A block of calls goes to each server before the next block does."""
    lines = {kind: Line(port) for kind, port in ports.items()}
    took: dict[str, list[float]] = {kind: [] for kind in ports}
    every = list(enumerate(bodies(count)))
    for begin in range(0, count, BLOCK):
        for kind, line in lines.items():
            took[kind] += [line.call(body, number % 500) for number, body in every[begin : begin + BLOCK]]
    return {kind: times[count // 10 :] for kind, times in took.items()}


def at_once(ports: dict[str, int], count: int, callers: int = 4) -> dict[str, list[float]]:
    """Several callers at the same time, one server after the other."""
    took: dict[str, list[float]] = {kind: [] for kind in ports}
    sent = bodies(count // callers)
    for kind, port in ports.items():

        def work(times: list[float], port: int = port) -> None:
            line = Line(port)
            times += [line.call(body, number % 500) for number, body in enumerate(sent)]

        threads = [threading.Thread(target=work, args=(took[kind],)) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return took


def words_late(ports: dict[str, int], count: int) -> dict[str, list[float]]:
    """How many milliseconds after the server sent a word it arrives."""
    late: dict[str, list[float]] = {kind: [] for kind in ports}
    for body, (kind, port) in itertools.product(bodies(count, stream=True), ports.items()):
        line = http.client.HTTPConnection("127.0.0.1", port)
        line.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = line.getresponse()
        while event := response.readline():
            if event.startswith(b"data:"):
                sent = float(json.loads(event[5:])["choices"][0]["delta"]["content"])
                late[kind].append((time.time() - sent) * 1000)
        line.close()
    return late


def rows(took: dict[str, list[float]]) -> list[tuple[str, ...]]:
    """p50 and p99 of each, and what it adds to the server alone."""
    base = np.percentile(took["alone"], [50, 99])
    names = {"alone": "the server alone", "middleware": "with the ASGI middleware", "proxy": "through the proxy"}
    told: list[tuple[str, ...]] = []
    for kind, times in took.items():
        p50, p99 = np.percentile(times, [50, 99])
        added = ("", "") if kind == "alone" else (f"{p50 - base[0]:.2f}", f"{p99 - base[1]:.2f}")
        told.append((names[kind], f"{p50:.2f}", f"{p99:.2f}", *added))
    return told


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.gateways", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few calls; the page is printed, not written")
    args = parser.parse_args(argv)
    count = 400 if args.quick else 5_000
    with tempfile.TemporaryDirectory() as scratch, servers(Path(scratch)) as ports:
        single, four, words = one_by_one(ports, count), at_once(ports, count), words_late(ports, count // 100)
    head = ("a call", "p50", "p99", "added p50", "added p99")
    page = (
        "# The speed of the doors\n\nWhat do they add to a call, against the same server without them?\n\n"
        f"{frame('benchmarks.speed.gateways')}\n"
        f"{count:,} calls with prompts of 2 kB, a roster of {ACCOUNTS:,} accounts and {FINGERPRINTS:,} templates, "
        "every call written down in the journal. Milliseconds; one after the other, 250 to each server in turns:\n\n"
        + table(head, rows(single))
        + "\nFour callers at once, the caller on the same two cores:\n\n" + table(head, rows(four))
        + f"\nStreams of {WORDS} words, one every {1000 * WORD_PAUSE_S:.0f} ms: how long after the server sent a word "
        "it arrives:\n\n" + table(head, rows(words))
    )  # fmt: skip
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
