"""Several guards that count as one: budgets, who passed, whom marks were shown by, and the roster, over Redis or
Valkey.

Each guard decides by what it knows and waits for nobody; twice a second it hands out what it counted and takes in what
the others did, in a thread of its own. In between each may spend what is left of a budget: with n guards a budget is
overspent by at most n - 1 times what was left, once. If the server is slow or gone each goes on with what it knows,
says so, and hands out what it kept when the server is back. Whoever can write to the server can loosen or tighten
budgets; a roster they cannot forge, since it carries a keyed hash. Comes from `guard.gateways.opening`; goes on to the
guard's counts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

import redis

from spiritsafe.errors import EnvironmentFault, SpiritsafeError
from spiritsafe.files import write_atomically
from spiritsafe.guard.counters import HOUR_US
from spiritsafe.roster.reading import Roster

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.guard.deciding import Guard

EVERY_S: Final = 0.5
TIMEOUT_S: Final = 0.25
STREAM_ENTRIES: Final = 100_000
"""Shows and passes that the server keeps: a guard that was away longer than these lasted misses the older."""

BUDGETS_ASKED: Final = 1_000
"""Budgets that are asked about at a time: those spent from last."""

_MAC_BYTES: Final = 32
_ADD: Final = """
local held = redis.call('HMGET', KEYS[1], 'c', 't')
local now, constant, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count, last = tonumber(held[1]) or 0, tonumber(held[2]) or now
if now > last then
  count = count * math.exp((last - now) / constant)
  last = now
end
count = count + amount
redis.call('HSET', KEYS[1], 'c', string.format('%.17g', count), 't', string.format('%.0f', last))
redis.call('PEXPIRE', KEYS[1], 86400000)
return {string.format('%.17g', count), string.format('%.0f', last)}
"""


class FleetFault(EnvironmentFault):
    """What guards share cannot be reached when something is to be put there."""

    code: ClassVar[str] = "guard.fleet"


class Fleet:
    """One guard's part in a fleet.

    Parameters
    ----------
    guard
        Whose counts are shared.
    url
        `redis://`, `rediss://` (TLS) or `unix://`; the password is read from REDISCLI_AUTH.
    secret
        Of the home's keys: all guards of a fleet have it.
    roster
        Where a newer roster is put, for the reloader to take up; None takes up none.
    """

    def __init__(self, guard: Guard, url: str, *, secret: bytes, roster: Path | None = None) -> None:
        self._guard, self._secret, self._roster = guard, secret, roster
        self._prefix = _prefix(secret)
        self._client = _client(url)
        self._add = self._client.register_script(_ADD)
        self._me = secrets.token_hex(8)
        self._last_id: str | None = None
        self._seen_roster = ""
        guard.counts.share()
        self.fault = ""
        self.exchanges = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def exchange(self) -> None:
        """Hand out and take in, once; a server that does not answer is told in `fault`."""
        try:
            self._budgets()
            self._stream()
            self._take_roster()
        except (redis.RedisError, OSError) as error:
            self.fault = f"what guards share cannot be reached: {error}"
        else:
            self.fault = ""
            self.exchanges += 1

    def start(self) -> None:
        """Exchange every `EVERY_S` seconds, until `stop`."""
        self._thread = threading.Thread(target=self._work, name="guard-fleet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand out what is left, and exchange no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.exchange()
        self._client.close()

    def _work(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.exchange()

    def _budgets(self) -> None:
        """Add what was spent here to what was spent everywhere, and learn that."""
        with self._guard.lock:
            at_us = self._guard.clock.now_us
            spent = self._guard.counts.budgets.spent(BUDGETS_ASKED)
        if not spent:
            return
        pipe = self._client.pipeline(transaction=False)
        for key, amount in spent.items():
            self._add(keys=[self._key("b", "|".join(key))], args=[at_us, HOUR_US, amount], client=pipe)
        try:
            answers = pipe.execute()
        except (redis.RedisError, OSError):
            with self._guard.lock:
                for key, amount in spent.items():
                    self._guard.counts.budgets.owe(key, amount)
            raise
        with self._guard.lock:
            for key, (count, last_us) in zip(spent, answers, strict=True):
                self._guard.counts.budgets.absorb(key, float(count), int(last_us))

    def _stream(self) -> None:
        """Tell of shows and passes, and take in those of the others."""
        name = self._key("s")
        with self._guard.lock:
            told = self._guard.counts.take_told()
        pipe = self._client.pipeline(transaction=False)
        for one in told:
            pipe.xadd(name, {**one, "o": self._me}, maxlen=STREAM_ENTRIES, approximate=True)
        try:
            pipe.execute()
            if self._last_id is None:
                newest = self._client.xrevrange(name, count=1)
                self._last_id = newest[0][0] if newest else "0-0"
                return
            found = self._client.xread({name: self._last_id}, count=10_000)
        except (redis.RedisError, OSError):
            with self._guard.lock:
                self._guard.counts.tell_again(told)
            raise
        for _, entries in found:
            self._last_id = entries[-1][0]
            with self._guard.lock:
                for _, entry in entries:
                    if entry.get("o") != self._me:
                        self._guard.counts.hear(entry)

    def _take_roster(self) -> None:
        if self._roster is None:
            return
        name = self._key("r")
        roster_id = self._client.hget(name, "id")
        if roster_id is None or roster_id in {self._seen_roster, self._guard.roster.head.roster_id}:
            return
        self._seen_roster = str(roster_id)
        with _client_of_bytes(self._client) as raw:
            data = raw.hget(name, "data")
        fault = _put_in_force(data or b"", self._secret, self._roster, newer_than_us=self._guard.roster.head.created_us)
        if fault:
            raise redis.DataError(fault)

    def _key(self, kind: str, name: str = "") -> str:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32] if name else ""
        return f"{self._prefix}:{kind}{digest}"


def share_roster(url: str, path: Path, *, secret: bytes) -> None:
    """Put a roster where the guards of a fleet take it up; raises `FleetFault`."""
    data = path.read_bytes()
    roster_id = Roster(path).head.roster_id
    mac = hmac.digest(secret, b"roster" + data, "sha256")
    try:
        with _client_of_bytes(_client(url, timeout_s=10.0)) as client:
            client.hset(f"{_prefix(secret)}:r", mapping={"data": mac + data, "id": roster_id})
    except (redis.RedisError, OSError) as error:
        hint = "is the server up? publish again"
        raise FleetFault(f"the roster cannot be shared over {url}: {error}", hint=hint) from error


def _put_in_force(data: bytes, secret: bytes, path: Path, *, newer_than_us: int) -> str:
    """Write a roster that was shared, if it is ours, whole and newer; else why not."""
    mac, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.digest(secret, b"roster" + body, "sha256")):
        return "the roster there was not made by this fleet"
    fresh = path.with_name("shared.bin")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(fresh, body, mode=0o600)
    try:
        roster = Roster(fresh)
        if roster.head.created_us > newer_than_us:
            fresh.replace(path)
    except SpiritsafeError as error:
        return str(error)
    finally:
        fresh.unlink(missing_ok=True)
    return ""


def _prefix(secret: bytes) -> str:
    return f"spiritsafe:{hmac.digest(secret, b'fleet', 'sha256').hex()[:16]}"


def _client(url: str, *, timeout_s: float = TIMEOUT_S) -> Any:
    return redis.Redis.from_url(
        url,
        password=os.environ.get("REDISCLI_AUTH"),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        decode_responses=True,
        retry_on_error=[],
    )


def _client_of_bytes(client: Any) -> Any:
    """A client of the same server that gives bytes and has time for a large value."""
    given = dict(client.connection_pool.connection_kwargs)
    given |= {"decode_responses": False, "socket_timeout": 10.0}
    pool = redis.ConnectionPool(connection_class=client.connection_pool.connection_class, **given)
    return redis.Redis(connection_pool=pool)
