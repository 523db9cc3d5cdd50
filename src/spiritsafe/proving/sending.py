"""Send a log's requests to a guard on this machine, as its accounts would: to see what it does.

Only to loopback addresses: this is no client for anybody's model. Comes from a composed world or any readable log; goes
to `spiritsafe guard serve`, behind which a stand-in answers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import aiohttp
import pyarrow.parquet as pq

from spiritsafe.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

ACCOUNT_HEADER: Final = "x-account"
FINGERPRINT_HEADER: Final = "x-ja4"
CALLERS: Final = 8
_TURNED_AWAY: Final = 400
_COLUMNS: Final = (
    "time", "event_id", "account_id", "model", "system_prompt", "prompt", "assistant_prefill", "client_ip",
    "user_agent", "ja4", "max_tokens", "temperature", "logprobs", "end_user_id",
)  # fmt: skip


class NotHereError(UsageError):
    """Requests were to be sent to another machine."""

    code: ClassVar[str] = "proving.not_here"


class SendingError(InputError):
    """The log cannot be read, or nothing answers where its requests were sent."""

    code: ClassVar[str] = "proving.sending"


@dataclass(slots=True)
class Sent:
    """How many requests were answered how, by HTTP status; and those of each account."""

    statuses: Counter[int] = field(default_factory=Counter)
    accounts: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def stopped(self) -> dict[str, int]:
        """Accounts of which requests were turned away, and how many; most first."""
        told = {
            name: sum(count for status, count in counts.items() if status >= _TURNED_AWAY)
            for name, counts in self.accounts.items()
        }
        return {name: told[name] for name in sorted(told, key=lambda name: (-told[name], name)) if told[name]}


def send_log(
    log: Path,
    to: str,
    *,
    accounts: Collection[str] = (),
    limit: int | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> Sent:
    """Send the requests of a Parquet log, by their time, a few at once.

    Parameters
    ----------
    log
        `requests` rows with prompts.
    to
        A guard on this machine, e.g. http://127.0.0.1:8080. It must believe `x-account` and one hop.
    accounts
        Only theirs.
    limit
        So many at most.
    progress
        Told (stage, done, total).

    Raises
    ------
    NotHereError
        The address is not this machine's.
    SendingError
        The log cannot be read, or nothing answers.
    """
    _check_here(to)
    rows = _rows(log, accounts)[:limit]
    return asyncio.run(_send_all(rows, to.rstrip("/"), progress or (lambda *_: None)))


def _check_here(to: str) -> None:
    parts = urlsplit(to)
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(parts.hostname or "", parts.port or 80)}
        here = bool(found) and all(ipaddress.ip_address(one).is_loopback for one in found)
    except (OSError, ValueError):
        here = False
    if parts.scheme != "http" or not here:
        raise NotHereError(
            f"requests are sent to this machine only, and {to[:80]} is not", hint="e.g. --to http://127.0.0.1:8080"
        )


def _rows(log: Path, accounts: Collection[str]) -> list[dict[str, Any]]:
    try:
        there = set(pq.read_schema(log).names)
        table = pq.read_table(log, columns=[name for name in _COLUMNS if name in there])
    except (OSError, ValueError) as error:
        raise SendingError(
            f"cannot read {log}: {error}", hint="give the requests.parquet of a composed world"
        ) from error
    rows: list[dict[str, Any]] = table.sort_by([("time", "ascending"), ("event_id", "ascending")]).to_pylist()
    return [row for row in rows if row.get("prompt") and (not accounts or row["account_id"] in accounts)]


async def _send_all(rows: list[dict[str, Any]], to: str, progress: Callable[[str, float, float], None]) -> Sent:
    sent, waiting = Sent(), iter(rows)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        await asyncio.gather(*[_caller(session, to, waiting, sent, len(rows), progress) for _ in range(CALLERS)])
    return sent


async def _caller(
    session: aiohttp.ClientSession,
    to: str,
    waiting: Iterator[dict[str, Any]],
    sent: Sent,
    total: int,
    progress: Callable[[str, float, float], None],
) -> None:
    for row in waiting:
        try:
            async with session.post(f"{to}/v1/chat/completions", json=_body(row), headers=_headers(row)) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SendingError(
                f"nothing answers at {to}: {error}", hint="is `spiritsafe guard serve` running?"
            ) from error
        sent.statuses[answer.status] += 1
        sent.accounts[row["account_id"]][answer.status] += 1
        progress("send", sent.statuses.total(), total)


def _body(row: dict[str, Any]) -> dict[str, Any]:
    said = (("system", row.get("system_prompt")), ("user", row["prompt"]), ("assistant", row.get("assistant_prefill")))
    messages = [{"role": role, "content": text} for role, text in said if text]
    body = {"model": row.get("model") or "m", "messages": messages, "user": row.get("end_user_id")}
    body |= {name: row.get(name) for name in ("max_tokens", "temperature")}
    if row.get("logprobs"):
        body["logprobs"] = True
    return {name: value for name, value in body.items() if value is not None}


def _headers(row: dict[str, Any]) -> dict[str, str]:
    told = {
        ACCOUNT_HEADER: row["account_id"],
        "x-forwarded-for": row.get("client_ip"),
        "user-agent": row.get("user_agent"),
        FINGERPRINT_HEADER: row.get("ja4"),
    }
    return {name: value for name, value in told.items() if value}
