"""With how many others each account of a group shares something, counted without listing the pairs.

A value that n members hold makes n (n - 1) / 2 pairs, and most pairs share many values: listing them costs the
square of the group, many times over. So each member is a row of bits, one for each other member, and the rows
of a value's holders are laid over each other. Comes from `campaigns.facts`; goes on to `campaigns.report_map`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import GroupFacts, SharedValue

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

# account, other account, kind of evidence, bits
Link: TypeAlias = "tuple[str, str, str, float]"

MOST_ACCOUNTS: Final = 60
"""More on one picture would be a hairball."""

COUNTED_MEMBERS: Final = 20_000
COUNTED_BYTES: Final = 2**31
"""Larger groups are not counted: at these bounds counting takes some seconds."""

_TABLE_BYTES: Final = 2**27


@dataclass(frozen=True, slots=True)
class Ties:
    """Who shares something with whom in one group.

    A pair is two members that hold at least one value of weight in common; a pair of a kind, one of that kind.
    `accounts` counts the members that are in a pair. `links` are all pairs among at most `MOST_ACCOUNTS` of
    them, once for each kind, with the bits of the strongest value. `partners` (of each account in `links`),
    `pairs` and `kind_pairs` count the whole group, not only `links`; in a group too large to count, `pairs` is
    None and the others are empty.
    """

    accounts: int
    links: Sequence[Link]
    partners: Mapping[str, int] = field(default_factory=dict)
    pairs: int | None = None
    kind_pairs: Mapping[str, int] = field(default_factory=dict)


NO_TIES: Final = Ties(0, ())


def ties_of(
    facts: GroupFacts,
    account_ids: Sequence[str],
    *,
    members_limit: int = COUNTED_MEMBERS,
    bytes_limit: int = COUNTED_BYTES,
) -> Ties:
    """Count a group's pairs, and list those among the accounts with the most evidence.

    Parameters
    ----------
    facts
        The group.
    account_ids
        Its members' names, in the order of `facts.accounts`.
    members_limit, bytes_limit
        Groups with more members, or whose bits are more bytes to lay over each other, are not counted.

    Returns
    -------
    Exact counts or none. Accounts with equal evidence are taken by number of partners, then by name.
    """
    size = len(facts.accounts)
    shared = [one for one in facts.shared if one.bits > 0 and len(one.members) > 1]
    # Runs of words of one template have the same holders: such values say the same and count once.
    sets = {(one.kind, one.members.tobytes()): one.members for one in shared}
    held = {kind: [m for (k, _), m in sets.items() if k == kind] for kind in sorted({k for k, _ in sets})}
    tied = np.zeros(size, dtype=bool)
    for members in sets.values():
        tied[members] = True
    counted = size <= members_limit and sum(len(m) for m in sets.values()) * (size // 8 + 1) <= bytes_limit
    degrees, kind_pairs = _count(held, size) if counted else (np.zeros(size, dtype=np.int64), {})
    evidence = facts.total_bits()
    ranked = sorted(np.flatnonzero(tied).tolist(), key=lambda p: (-evidence[p], -degrees[p], account_ids[p]))
    chosen = np.sort(np.array(ranked[:MOST_ACCOUNTS], dtype=np.int64))
    return Ties(
        accounts=len(ranked),
        links=tuple(_links(shared, chosen, size, account_ids)),
        partners={account_ids[p]: int(degrees[p]) for p in chosen.tolist()} if counted else {},
        pairs=int(degrees.sum()) // 2 if counted else None,
        kind_pairs=kind_pairs,
    )


def _count(held: Mapping[str, Sequence[Ints]], size: int) -> tuple[Ints, dict[str, int]]:
    """Partners of each member over all kinds, shape (size,); and pairs of each kind.

    `held` gives for each kind the positions of the holders of each value, ascending, at least two a value.
    """
    degrees = np.zeros(size, dtype=np.int64)
    ends = dict.fromkeys(held, 0)
    most_values = max((len(values) for values in held.values()), default=0)
    width = max(8 * (_TABLE_BYTES // max(most_values, size, 1)), 8)
    for start in range(0, size, width):
        stop = min(start + width, size)
        every: Bytes = np.zeros((size, (stop - start + 7) // 8), dtype=np.uint8)
        for kind, values in held.items():
            met = _met(values, size, start, stop)
            ends[kind] += int(np.bitwise_count(met).sum(dtype=np.int64))
            every |= met
        degrees += np.bitwise_count(every).sum(axis=1, dtype=np.int64)
    # Each member that holds anything has met itself.
    themselves = {kind: len(np.unique(np.concatenate(values))) for kind, values in held.items()}
    return np.maximum(degrees - 1, 0), {kind: (ends[kind] - themselves[kind]) // 2 for kind in held}


def _met(values: Sequence[Ints], size: int, start: int, stop: int) -> Bytes:
    """Whom of the members from `start` to `stop` each member shares a value with, as bits. Shape (size, bytes)."""
    width = (stop - start + 7) // 8
    member = np.concatenate(values)
    value = np.repeat(np.arange(len(values)), [len(one) for one in values])
    here = (member >= start) & (member < stop)
    place = member[here] - start
    bits = np.zeros(len(values) * width, dtype=np.uint8)
    np.bitwise_or.at(bits, value[here] * width + place // 8, np.left_shift(1, place % 8).astype(np.uint8))
    holders = bits.reshape(len(values), width)
    order = np.argsort(member, kind="stable")
    value = value[order]
    bounds = np.searchsorted(member[order], np.arange(size + 1))
    met: Bytes = np.zeros((size, width), dtype=np.uint8)
    for position in np.flatnonzero(np.diff(bounds)).tolist():
        of_member = holders[value[bounds[position] : bounds[position + 1]]]
        np.bitwise_or.reduce(of_member, axis=0, out=met[position])
    return met


def _links(shared: Sequence[SharedValue], chosen: Ints, size: int, account_ids: Sequence[str]) -> list[Link]:
    """All pairs among the chosen positions, once for each kind, with the bits of the strongest value."""
    place = np.full(size, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    strongest: dict[tuple[str, bytes], float] = {}
    for one in shared:
        inside = place[one.members]
        key = (one.kind, inside[inside >= 0].tobytes())
        strongest[key] = max(one.bits, strongest.get(key, 0.0))
    bits = {kind: np.zeros((len(chosen), len(chosen))) for kind in sorted({kind for kind, _ in strongest})}
    for (kind, inside_bytes), weight in strongest.items():
        inside = np.frombuffer(inside_bytes, dtype=np.int64)
        block = np.ix_(inside, inside)
        bits[kind][block] = np.maximum(bits[kind][block], weight)
    names = [account_ids[position] for position in chosen.tolist()]
    return [
        (names[a], names[b], kind, float(weights[a, b]))
        for kind, weights in bits.items()
        for a, b in np.argwhere(np.triu(weights, 1)).tolist()
    ]
