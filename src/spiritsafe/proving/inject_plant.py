"""A labelled campaign for somebody else's log: real accounts' ways, made-up identities, a distiller's prompts.

Each planted account takes a real account's rows (clock, client, limits, models, errors) and gives every name in
them a new one of the same shape, so that it is tied to nobody but its fellows, and to those only as the stealth
level says. Comes from `inject_log`; goes on to `inject`, which scans the result.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.inject_log import TYING_COLUMNS, TYING_PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.proving.inject_log import Log

    Ints = NDArray[np.int64]
    CampaignTexts = Callable[[int, int, np.random.Generator], list[str]]

DAY_US: Final = 86_400_000_000
NAMES: Final = ("api_key_id", "end_user_id", "conversation_id", "organization_id")
# Derived from a text that is not there any more, or a text itself.
EMPTIED: Final = ("prefix_blocks", "response", "assistant_prefill")
_TOKEN: Final = re.compile(r"[0-9A-Za-z]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What a random token may look like, and the letters it is drawn from. Words without a digit are no such token.
_RANDOM_TOKENS: Final = tuple(
    (re.compile(rf"(?=.*[0-9]){shape}"), letters)
    for shape, letters in (
        (r"[0-9]+", _BASE62[:10]),
        (r"[0-9a-f]{4,}", "0123456789abcdef"),
        (r"[0-9A-F]{4,}", "0123456789ABCDEF"),
        (r"[0-9a-z]{10,}", _BASE62[:10] + _BASE62[36:]),
        (r"[0-9A-Za-z]{10,}", _BASE62),
    )
)
_FEWEST_RANDOM: Final = 12  # with fewer redrawn characters a name might be somebody else's: it gets a suffix


@dataclass(frozen=True, slots=True)
class Planted:
    """A campaign's rows. `profiles` is None where the log has no accounts table."""

    requests: pa.Table
    profiles: pa.Table | None
    account_ids: tuple[str, ...]


def fresh_like(value: str, rng: np.random.Generator) -> str:
    """Another identifier of the same shape: random parts are drawn anew, readable parts stay.

    Where the shape has too little room for a name that nobody has, eight more digits follow.

    Examples
    --------
    >>> other = fresh_like("acct-00af31c2d7e4", np.random.default_rng(0))
    >>> other.startswith("acct-"), len(other), other != "acct-00af31c2d7e4"
    (True, 17, True)
    """

    replaced = 0

    def redraw(token: re.Match[str]) -> str:
        text = token.group()
        alphabet = next((letters for shape, letters in _RANDOM_TOKENS if shape.fullmatch(text)), None)
        if alphabet is None:
            return _DIGITS.sub(lambda digits: draw(digits.group(), _BASE62[:10]), text)
        return draw(text, alphabet)

    def draw(text: str, alphabet: str) -> str:
        nonlocal replaced
        replaced += len(text)
        return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), len(text)))

    made = _TOKEN.sub(redraw, value)
    return made if replaced >= _FEWEST_RANDOM and made != value else f"{value}-{rng.integers(0, 1 << 32):08x}"


def fresh_address(value: str, rng: np.random.Generator) -> str:
    """Another address of the same network (/16, or /48 of IPv6); anything else by its shape."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return fresh_like(value, rng)
    host_bits = 16 if address.version == 4 else 80
    drawn = int.from_bytes(rng.bytes(10), "big") % (1 << host_bits)
    return str(type(address)((int(address) >> host_bits << host_bits) | drawn))


def plant(
    log: Log, *, size: int, stealth: int, rate_per_day: float | None, texts: CampaignTexts, seed: tuple[int, ...]
) -> Planted:
    """Make one campaign of `size` accounts.

    Stealth 0 shares egress addresses and cards and signs up in a burst; from 1 on nothing but the text ties the
    accounts. From 2 on exchanges are dealt to accounts at random instead of in turn.

    Parameters
    ----------
    rate_per_day
        Exchanges a day an account; None keeps each donor's own volume.
    texts
        `(n, stealth, rng)` to n prompts of one campaign, in the order in which it would send them.
    seed
        Equal seeds plant equal campaigns.
    """
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    donors = rng.choice(len(log.donors), size, replace=size > len(log.donors))
    picks, owners = [], []
    for account, donor in enumerate(donors):
        rows = log.donors[donor]
        count = len(rows) if rate_per_day is None else max(1, int(rng.poisson(rate_per_day * log.days)))
        picks.append(rows if rate_per_day is None else rng.choice(rows, count))
        owners.append(np.full(count, account))
    pick, owner = np.concatenate(picks), np.concatenate(owners)
    time_us = _times(log, pick, rng, moved=rate_per_day is not None)
    order = np.argsort(time_us, kind="stable")
    pick, owner, time_us = pick[order], owner[order], time_us[order]
    taken = log.rows.take(pa.array(pick))
    namer = _Namer(owner, rng, log)
    names = [namer.new_account(taken.column("account_id")[int(np.argmax(owner == a))].as_py()) for a in range(size)]
    columns: dict[str, Any] = {name: taken.column(name) for name in taken.column_names}
    columns["account_id"] = [names[account] for account in owner]
    columns["event_id"] = [f"{fresh_like(v, rng)}-{row:x}" for row, v in enumerate(columns["event_id"].to_pylist())]
    columns["time"] = pa.array(time_us, pa.timestamp("us", tz="UTC"))
    _rename(columns, namer, log, stealth=stealth, size=size, rng=rng)
    if log.has_prompts:
        prompts = texts(len(pick), stealth, rng)
        columns["prompt"] = [prompts[i] for i in (rng.permutation(len(pick)) if stealth >= 2 else range(len(pick)))]
    schema = _schema(list(columns))
    requests = pa.table({name: pa.array(_plain(columns[name]), schema.field(name).type) for name in schema.names})
    profiles = None if log.profiles is None else _profiles(log, donors, names, namer, time_us, stealth, rng)
    return Planted(requests, profiles, tuple(names))


def _plain(values: Any) -> Any:
    return values.combine_chunks() if hasattr(values, "combine_chunks") else values


def _schema(names: list[str]) -> pa.Schema:
    from spiritsafe.events.model import REQUESTS

    return REQUESTS.arrow(names)


def _times(log: Log, pick: Ints, rng: np.random.Generator, *, moved: bool) -> Ints:
    """The donors' times of day, some minutes off; on any day of the log where the volume is not the donor's."""
    import pyarrow as pa

    time_us = log.rows.column("time").cast(pa.int64()).take(pa.array(pick)).to_numpy().astype(np.int64)
    if moved:
        days = max(1, int(log.days))
        time_us = log.first_us + rng.integers(0, days, len(pick)) * DAY_US + (time_us - log.first_us) % DAY_US
    time_us = time_us + rng.normal(0, 600_000_000, len(pick)).astype(np.int64)
    inside: Ints = np.clip(time_us, log.first_us, log.last_us)
    return inside


class _Namer:
    """New names for old ones: the same for one planted account's old name, different for every account."""

    def __init__(self, owner: Ints, rng: np.random.Generator, log: Log) -> None:
        self.owner = owner
        self._rng = rng
        self._known: dict[tuple[int, str, str], str] = {}
        self._taken = log.taken

    def new_account(self, value: str) -> str:
        """An account id that nobody has, in the log or among the planted."""
        made = fresh_like(value, self._rng)
        while made in self._taken:
            made = fresh_like(value, self._rng)
        return made

    def _new_address(self, value: str) -> str:
        """An address of the same network that the log does not hold, if that is soon found."""
        made = fresh_address(value, self._rng)
        for _ in range(20):
            if made not in self._taken:
                break
            made = fresh_address(value, self._rng)
        return made

    def of(self, account: int, column: str, value: str) -> str:
        """The new name of an account's old one."""
        key = (account, column, value)
        if key not in self._known:
            self._known[key] = self._new_address(value) if column == "client_ip" else fresh_like(value, self._rng)
        return self._known[key]

    def column(self, name: str, values: list[Any], keep: set[Any]) -> list[Any]:
        """A column with every value renamed that is not in `keep`."""
        return [
            value if value is None or value in keep else self.of(int(account), name, value)
            for account, value in zip(self.owner, values, strict=True)
        ]


def _rename(
    columns: dict[str, Any], namer: _Namer, log: Log, *, stealth: int, size: int, rng: np.random.Generator
) -> None:
    """Give every name in the rows a new one; at stealth 0 share a few exits."""
    for name in (*NAMES, "client_ip"):
        if name in columns:
            columns[name] = namer.column(name, columns[name].to_pylist(), set())
    for name in TYING_COLUMNS:
        if name not in columns:
            continue
        values, keep = columns[name].to_pylist(), log.common.get(name, set())
        if name in {"system_prompt", "tool_schema_hash"}:
            # A donor's own system prompt or tools would tie it to the planted account; there is no other like it.
            columns[name] = [value if value in keep else None for value in values]
        else:
            columns[name] = namer.column(name, values, keep)
    for name in EMPTIED:
        columns.pop(name, None)
    if stealth == 0 and "client_ip" in columns:
        together = [one for one in ("client_ip", "asn", "country") if one in columns]
        seen = list(zip(*(_listed(columns[one]) for one in together), strict=True))
        exits = [seen[i] for i in rng.integers(0, len(seen), max(1, size // 10)) if seen[i][0] is not None]
        if exits:
            chosen = [
                exits[(int(account) + int(coin)) % len(exits)]
                for account, coin in zip(namer.owner, rng.integers(0, 2, len(seen)), strict=True)
            ]
            for place, one in enumerate(together):
                columns[one] = [taken[place] for taken in chosen]


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else values.to_pylist()


def _profiles(
    log: Log, donors: Ints, names: list[str], namer: _Namer, time_us: Ints, stealth: int, rng: np.random.Generator
) -> pa.Table:
    """The donors' sign-up rows under new names."""
    import pyarrow as pa

    from spiritsafe.events.model import ACCOUNTS

    assert log.profiles is not None
    rows = log.profiles.take(pa.array(donors)).to_pylist()
    opened_us = int(time_us.min()) - int(rng.uniform(1, 10) * DAY_US)
    cards: dict[int, str] = {}
    for account, (row, name) in enumerate(zip(rows, names, strict=True)):
        row["account_id"] = name
        for column in ("organization_id", "payment_fingerprint", *TYING_PROFILE):
            value = row.get(column)
            if value is not None and value not in log.common.get(column, set()):
                row[column] = namer.of(account, column, value)
        if stealth == 0:
            if row.get("created_at") is not None:
                row["created_at"] = opened_us + int(rng.uniform(0, DAY_US / 2))
            if row.get("payment_fingerprint") is not None:
                row["payment_fingerprint"] = cards.setdefault(account // 6, row["payment_fingerprint"])
        elif row.get("created_at") is not None:
            first_us = int(time_us[namer.owner == account].min())
            created_us = int(row["created_at"].timestamp() * 1_000_000)
            row["created_at"] = min(created_us + int(rng.normal(0, DAY_US)), first_us)
    return pa.Table.from_pylist(rows, schema=ACCOUNTS.arrow(log.profiles.column_names))
