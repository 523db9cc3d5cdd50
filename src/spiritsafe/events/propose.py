"""A first guess at a mapping: which column of a stranger's table is which of the contract's.

Names and values each give bits for every pair of contract column and leaf; one-to-one assignment finds the
best whole (`scipy.optimize.linear_sum_assignment`), and what columns say about each other improves it swap
by swap. It is a proposal for a person: each guess carries its confidence, its reason and what else it could
be. Comes from `events.sampling`; goes on to `events.doctor` and, corrected, to `events.mapping`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.events.assignment import Assignment, Bits
from spiritsafe.events.leaves import Leaf, leaves
from spiritsafe.events.mapping import TABLES, ColumnSource, Mapping, Scalar
from spiritsafe.events.profile import NO, YES, Profile
from spiritsafe.events.relations import Relations, later_than
from spiritsafe.events.scores import value_bits
from spiritsafe.events.synonyms import FAIR, name_bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_ROWS_MAX: Final = 3_000
_BLOCKS: Final = 6
_ELSEWHERE_BITS: Final = -2.0  # the name plainly means another column
_UNNAMED_BITS: Final = -2.0
_DEPTH_BITS: Final = -0.1  # of two equal columns the one nearer the surface
_LATER_BITS: Final = -1.5
_RIVALS_TOLD: Final = 4
_NEED_NAMES: Final = frozenset({"present", "hash64", "first", "less_one", "fingerprint"})
_ENDPOINTS: Final = (
    ("chat/completions", "chat"), ("completions", "text_completion"), ("embeddings", "embeddings"),
    ("messages", "chat"), ("responses", "chat"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading of a guess: another source for the column, or another column for the source."""

    column: str
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Guess:
    """One contract column: where it seems to be, how sure, why. `source` is None when it was not found.

    `confidence` is a score in 0..1 that orders guesses; it is not a calibrated probability.
    `examples` are values as logged, unmasked: mask them before they are shown.
    """

    column: str
    source: ColumnSource | None
    label: str = ""
    confidence: float = 0.0
    reason: str = ""
    share: float = 0.0
    examples: tuple[str, ...] = field(default=(), repr=False)
    alternatives: tuple[Alternative, ...] = ()
    naive: bool = False
    distinct: int = 0


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A source column that no contract column is read from. `carried` says that it goes along."""

    path: str
    kind: str
    distinct: int
    examples: tuple[str, ...] = field(repr=False)
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed mapping, with what stands behind it."""

    mapping: Mapping
    table: str
    guesses: tuple[Guess, ...]
    unmapped: tuple[Unmapped, ...]
    rows: int

    def guess(self, column: str) -> Guess:
        """The guess for one contract column."""
        return next(guess for guess in self.guesses if guess.column == column)


def propose(sample: pa.Table, *, table: str = "requests", now_s: float | None = None) -> Proposal:
    """Guess how a table's columns map to the contract's.

    Parameters
    ----------
    sample
        Rows as the source has them; a few hundred are enough, up to 3,000 are looked at, in six blocks.
    table
        `requests` or `accounts`.
    now_s
        The present, seconds since 1970: later times are no log's.

    Returns
    -------
    A proposal whose mapping names every column that was found, even doubtfully. Never raises for any table.
    """
    rows = _thinned(sample)
    now = time.time() if now_s is None else now_s
    profiles = [Profile(leaf, now_s=now) for leaf in leaves(rows)]
    columns = [column.name for column in TABLES[table].columns]
    bits, reasons = _score(columns, profiles, table)
    assignment = Assignment(columns, bits, Relations(profiles))
    found = {columns[row]: leaf for row, leaf in assignment.dealt.items()}
    guesses = [_guess(row, columns, assignment, reasons, profiles) for row in range(len(columns))]
    if table == "requests":
        guesses = [_made_id(guess, found, profiles) if guess.column == "event_id" else guess for guess in guesses]
    unmapped = tuple(_left_over(rows, guesses, profiles))
    sources = {guess.column: guess.source for guess in guesses if guess.source is not None}
    carry = tuple(one.path for one in unmapped if one.carried)
    return Proposal(Mapping(carry=carry, **{table: sources}), table, tuple(guesses), unmapped, rows.num_rows)  # type: ignore[arg-type]


def _thinned(sample: pa.Table) -> pa.Table:
    """Up to 3,000 rows in blocks: neighbours must stay neighbours, or nobody's rows would repeat."""
    if sample.num_rows <= _ROWS_MAX:
        return sample
    import pyarrow as pa

    size = _ROWS_MAX // _BLOCKS
    starts = [(sample.num_rows - size) * block // (_BLOCKS - 1) for block in range(_BLOCKS)]
    return pa.concat_tables([sample.slice(start, size) for start in starts])


# --- scoring -------------------------------------------------------------------------------


def _score(columns: list[str], profiles: list[Profile], table: str) -> tuple[Bits, dict[tuple[int, int], str]]:
    """Bits of every pair, shape (columns, leaves), -inf where values forbid it; and the reasons in words."""
    bits = np.full((len(columns), len(profiles)), -np.inf)
    reasons: dict[tuple[int, int], str] = {}
    later = later_than(profiles)
    unnamed = _UNNAMED_BITS * _telling(columns, profiles, table)
    for number, profile in enumerate(profiles):
        names = [name_bits(profile.leaf.path, column, table=table) for column in columns]
        judged = [value_bits(column, profile, table=table) for column in columns]
        # What the name says best, of what the values allow: an address called `client` is no account.
        best = max(
            (name for one, (name, _) in zip(judged, names, strict=True) if one is not None and one[0] + name > 0),
            default=0.0,
        )
        depth = _DEPTH_BITS * profile.leaf.path.count(".")
        for row, column in enumerate(columns):
            verdict, (name, phrase) = judged[row], names[row]
            if verdict is None or (profile.leaf.transform in _NEED_NAMES and name == 0):
                continue
            score = verdict[0] + (name if name or profile.leaf.transform else unnamed) + depth
            if name < best - 2 and best >= FAIR and not profile.leaf.transform:
                score += _ELSEWHERE_BITS
            if number in later and column == "time":
                score += _LATER_BITS
            bits[row, number] = score
            why = [f"the name says {phrase!r}"] if phrase else []
            reasons[row, number] = "; ".join([*why, verdict[1]] if verdict[1] else why)
    return bits, reasons


def _telling(columns: list[str], profiles: list[Profile], table: str) -> float:
    """Share of the plain columns whose names are recognised: where names tell, one that does not is a hint too."""
    plain = [profile.leaf.path for profile in profiles if not profile.leaf.transform and not profile.leaf.nested]
    known = [max(name_bits(path, column, table=table)[0] for column in columns) >= FAIR for path in plain]
    return sum(known) / max(1, len(known))


# --- from leaves to sources -------------------------------------------------------------------------------


def _guess(
    row: int,
    columns: list[str],
    assignment: Assignment,
    reasons: dict[tuple[int, int], str],
    profiles: list[Profile],
) -> Guess:
    """The guess for one column, with its rivals, and a confidence that they share."""
    column, own = columns[row], assignment.dealt.get(row)
    rivals = [rival for rival in assignment.rivals(row) if profiles[rival.leaf].values]
    weights = [2.0 ** min(rival.bits, 60.0) for rival in rivals]
    weight = 0.0 if own is None else 2.0 ** min(assignment.own(row), 60.0)
    whole = 1.0 + weight + sum(weights)
    others = tuple(
        Alternative(columns[rival.column], profiles[rival.leaf].leaf.label, round(share / whole, 2))
        for rival, share in zip(rivals[:_RIVALS_TOLD], weights, strict=False)
    )
    if own is None:
        return Guess(column, None, alternatives=others)
    profile = profiles[own]
    return Guess(
        column,
        _source(column, profile),
        profile.leaf.label,
        round(weight / whole, 2),
        reasons.get((row, own), ""),
        profile.present,
        tuple(list(profile.counts)[:3]),
        others,
        bool(column in ("time", "created_at") and profile.clock is not None and profile.clock.naive),
        profile.distinct,
    )


def _source(column: str, profile: Profile) -> ColumnSource:
    leaf = profile.leaf
    source = ColumnSource(from_=leaf.path, transform=leaf.transform, hop=leaf.hop)
    if column in ("time", "created_at") and profile.clock is not None:
        return ColumnSource(from_=leaf.path, unit=profile.clock.unit, format=profile.clock.format)
    if values := _values(column, profile):
        return ColumnSource(from_=leaf.path, transform=leaf.transform, values=values)
    return source


def _values(column: str, profile: Profile) -> dict[str, Scalar]:
    """Names for values that are not the contract's own."""
    if profile.leaf.transform:
        return {}
    if column in ("organization_verified", "verified") or str(_kind(column)) == "bool":
        words = sorted(profile.counts)
        if all(word.lower() in ("true", "false", "1", "0") for word in words):
            return {}
        if all(word.lower() in YES | NO for word in words):
            return {word: word.lower() in YES for word in words}
        return {"verified": True, "*": False}
    if column == "operation" and profile.share("endpoint") > 0.8:
        named = {}
        for text in sorted(profile.counts):
            known = next((operation for part, operation in _ENDPOINTS if f"/{part}" in text.lower()), None)
            if known is not None:
                named[text] = known
        return dict(named)
    return {}


def _kind(column: str) -> pa.DataType:
    return next(schema.by_name[column].type for schema in TABLES.values() if column in schema.by_name)


def _made_id(guess: Guess, found: dict[str, int], profiles: list[Profile]) -> Guess:
    """Where a log has no id of its own, one is made of what tells its rows apart."""
    parts = [
        profiles[found[name]].leaf
        for name in ("time", "account_id", "prompt", "client_ip", "user_agent")
        if name in found
    ]
    paths = tuple(dict.fromkeys(leaf.path for leaf in parts))
    if guess.source is not None or "time" not in found or len(paths) < 2:
        return guess
    source = ColumnSource(from_=paths, join=" ", transform="fingerprint")
    return Guess(
        "event_id",
        source,
        " + ".join(paths),
        0.3,
        "no column is unique to a row; rows that agree in all of these count as one",
        1.0,
        alternatives=guess.alternatives,
    )


def _left_over(rows: pa.Table, guesses: list[Guess], profiles: list[Profile]) -> Iterator[Unmapped]:
    """Source columns and leaves that nothing is read from. Only what names nobody and quotes nothing is carried."""
    used = {path for guess in guesses if guess.source is not None for path in guess.source.sources}
    names = set(rows.column_names)
    for profile in profiles:
        leaf = profile.leaf
        if leaf.transform or leaf.path in used or (leaf.nested and any(p.startswith(f"{leaf.path}.") for p in used)):
            continue
        yield Unmapped(
            leaf.path,
            leaf.kind,
            profile.distinct,
            tuple(list(profile.counts)[:2]) if not leaf.nested else (),
            leaf.path in names and _harmless(leaf, profile),
        )


def _harmless(leaf: Leaf, profile: Profile) -> bool:
    """Truth values, measures and small vocabularies: nothing that names somebody or quotes him."""
    if leaf.nested or leaf.secret or not profile.values or profile.clock is not None:
        return False
    if all(isinstance(value, bool | float) for value in profile.values):
        return True
    if max(profile.share(shape) for shape in ("address", "email", "uuid", "hex", "words")) > 0.2:
        return False
    return profile.distinct <= min(50, max(2, profile.rows // 10))
