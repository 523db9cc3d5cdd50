"""A model server and callers that give it as much to do as it can, as processes of their own.

`python -m tests.guard.load upstream PORT` answers; `python -m tests.guard.load callers ADDRESS SECONDS FILE` calls, and
notes every call that was answered: the account, its name (that of the file begins it), the status, and when (seconds
since 1970).
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import IO, Final

import uvicorn

from tests.guard.upstream import Upstream

CALLERS: Final = 4
ACCOUNTS: Final = 5_000
MEMBER: Final = "core"
"""The account that a roster is to have in a campaign; every fiftieth call is its."""

LEAVER: Final = "leaver"
"""Calls and does not wait for the answer."""

_WORDS: Final = tuple(f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst")


class _Line:
    """A connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, account: str, body: bytes) -> None:
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: load\r\ncontent-type: application/json\r\n"
            f"x-account: {account}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._writer.drain()

    async def status(self) -> int:
        """Of the whole answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, found, length = head.partition(b"content-length:")
        if found:
            await self._reader.readexactly(int(length.partition(b"\r\n")[0]))
        else:
            while size := int(await self._reader.readline(), 16):
                await self._reader.readexactly(size + 2)
            await self._reader.readline()
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        self._writer.close()


async def _call(port: int, name: str, until_s: float, note: IO[str]) -> None:
    """One caller: as fast as it is answered; where it is cut off, it comes again."""
    rng, line, at = random.Random(name), None, 0
    while time.time() < until_s:
        at += 1
        account = MEMBER if at % 50 == 0 else LEAVER if at % 97 == 0 else f"account-{rng.randrange(ACCOUNTS)}"
        text = " ".join(rng.choices(_WORDS, k=400))
        asked = {"role": "user", "content": text}
        body = {"model": "m-1", "user": f"{name}-{at}", "stream": at % 5 == 0, "messages": [asked]}
        try:
            if line is None:
                line = _Line(*await asyncio.open_connection("127.0.0.1", port))
            await line.ask(account, json.dumps(body).encode())
            if account == LEAVER:
                line.close()
                line = None
                continue
            status = await line.status()
        except (OSError, EOFError, ValueError):
            if line is not None:
                line.close()
            line = None
            await asyncio.sleep(0.1)
        else:
            note.write(f"{account} {name}-{at} {status} {time.time():.3f}\n")


async def _callers(port: int, seconds: float, path: str) -> None:
    until_s = time.time() + seconds
    with Path(path).open("w", encoding="utf-8") as note:
        await asyncio.gather(*(_call(port, f"{Path(path).name}-{number}", until_s, note) for number in range(CALLERS)))


def main(argv: list[str]) -> int:
    if argv[0] == "upstream":
        app = Upstream(forgets=True)
        uvicorn.run(app, port=int(argv[1]), http="httptools", ws="none", lifespan="off", log_config=None)
    else:
        asyncio.run(_callers(int(argv[1]), float(argv[2]), argv[3]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
