"""Do accounts take turns?

Who deals one demand out evenly sends each request over the next account: between two requests of one, every other has
sent one. The shares are then more alike than those of accounts that do not wait for one another could be. Comes from
exchanges; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.rhythm import DAY_S, DAYS_MINIMUM, JITTER_S
from spiritsafe.stats.tails import permuted_tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from spiritsafe.links.rhythm import Timelines, Window

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Places = NDArray[np.int16 | np.int32]

TURNS_SHARE: Final = 0.4
"""Who sends at random sends exactly once between two requests of another in a quarter of the cases, if both send as
much. Turns dealt anew for each round give two thirds."""

MORE: Final = 0.05
"""Turns that chance gives less often by so little come from where the log begins and ends."""

MEMBERS_MINIMUM: Final = 4
GAPS_MINIMUM: Final = 3
"""An account with fewer gaps between its requests shows nothing by itself."""

CORE: Final = (8, 32)
EXCHANGES: Final = 2_000
"""Accounts, evenly chosen, stand for a larger group, 32 at most, and fewer where 32 have more than so many exchanges;
every account is then held against them. The time of a test grows with both."""

TOGETHER_S: Final = 7200
"""Within two hours each account's count is kept, and who sent when is drawn anew."""

FIRST_DRAWS: Final = 99
DRAWS: Final = 499
GO_ON: Final = 0.05


@dataclass(frozen=True, slots=True)
class Turns:
    """Of the cases in which an account could send exactly once between two exchanges of another, it did in `taken`, and
    would in `expected` by chance. `members`, shape (members,), is the share of strangers that do so as exactly."""

    taken: float
    expected: float
    p_value: float
    members: Floats


def turns(lines: Timelines, window: Window, *, seed: int, strangers: Timelines | None = None) -> Turns | None:
    """Test whether accounts send one after the other.

    Parameters
    ----------
    lines
        The group's exchanges; of a conversation only the first should be in it.
    window
        What the log covers.
    seed
        Of the draws.
    strangers
        Exchanges of accounts in no group, which each member is held against: moved as a whole, an account that sends by
        the clock takes turns with others that do, so that its own moves do not tell. None shows nobody.

    Returns
    -------
    None where the log is too short, or the accounts or their exchanges too few.

    Notes
    -----
    Two nulls, of which both must fall (intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790). Each
    timeline is moved by days of its own and half an hour at most: programs that run by the clock take turns whatever
    the day. And within two hours who sent when is drawn anew, each account's count kept: who is busy in the same hours
    mixes, and takes no turns. Permutation tests on the share of exact turns, with a fitted tail beyond the draws
    (`stats.tails`). Less than `TURNS_SHARE` is no sign of turns, however rare.
    """
    if window.days < DAYS_MINIMUM or lines.members < MEMBERS_MINIMUM:
        return None
    random = np.random.default_rng(seed)
    core, member, at_s = _core(lines)
    seen = _Turns.of(member, at_s, len(core))
    if seen.cases < MEMBERS_MINIMUM * GAPS_MINIMUM:
        return None
    if seen.taken < TURNS_SHARE:
        return Turns(seen.taken, seen.taken, 1.0, np.ones(lines.members))

    def moved() -> Ints:
        shift_s = random.integers(0, window.days, lines.members) * DAY_S
        shift_s += random.integers(-JITTER_S, JITTER_S, lines.members)
        return window.begin_s + (at_s + shift_s[core][member] - window.begin_s) % (window.days * DAY_S)

    stretch = at_s // TOGETHER_S - at_s[0] // TOGETHER_S

    def mixed() -> Ints:
        # The times of each two hours go to its exchanges in another order.
        times = np.empty_like(at_s)
        times[np.argsort(stretch + random.random(len(at_s)))] = at_s
        return times

    tests = [_compare(seen.taken, member, len(core), draw) for draw in (moved, mixed)]
    p_value, expected = max(tests)
    each = np.ones(lines.members)
    if p_value <= GO_ON and strangers is not None:
        each = _each(lines, core, member, at_s, strangers)
    return Turns(seen.taken, expected, p_value, each)


def _core(lines: Timelines) -> tuple[Ints, Ints, Ints]:
    """The accounts that stand for the group, and their exchanges in order of time: whose by place among them, when."""
    fewest, most = CORE
    size = int(np.clip(EXCHANGES * lines.members // max(len(lines.at_s), 1), fewest, most))
    core = np.arange(lines.members)
    if lines.members > size:
        core = np.linspace(0, lines.members - 1, size).astype(np.int64)
    chosen = np.isin(lines.member, core)
    member, at_s = np.searchsorted(core, lines.member[chosen]), lines.at_s[chosen]
    order = np.argsort(at_s, kind="stable")
    return core, member[order].astype(np.int64), at_s[order]


@dataclass(frozen=True, slots=True)
class _Turns:
    """`cases`: gaps between two exchanges of one account, times the others that were active then; and in what share of
    these the other sent exactly once."""

    taken: float
    cases: int

    @classmethod
    def of(cls, member: Ints, at_s: Ints, members: int) -> _Turns:
        """`member` and `at_s` are parallel, in any order."""
        who = member[np.argsort(at_s, kind="stable")]
        before = _before(who, members)
        first, last = _active(who, members)
        place = np.argsort(who.astype(before.dtype), kind="stable")
        follows = who[place][1:] == who[place][:-1]
        start, end = place[:-1][follows], place[1:][follows]
        counts = first[:, None] < start.astype(first.dtype)
        counts &= last[:, None] > end.astype(last.dtype)
        counts[who[start], np.arange(len(start))] = False
        once = before.take(end, axis=1) - before.take(start, axis=1) == 1
        cases = int(np.count_nonzero(counts))
        return cls(float(np.count_nonzero(once & counts)) / max(cases, 1), cases)


def _before(who: Ints, members: int) -> Places:
    """How many exchanges each account has before each place, and at the end. Shape (members, exchanges + 1)."""
    before = np.zeros((members, len(who) + 1), dtype=_place_type(len(who)))
    before[who, np.arange(1, len(who) + 1)] = 1
    np.add.accumulate(before, axis=1, out=before)
    return before


def _active(who: Ints, members: int) -> tuple[Places, Places]:
    """The first and last place of each account; nowhere for who sent nothing. Both have shape (members,)."""
    kind = _place_type(len(who))
    first, last = np.full(members, len(who), dtype=kind), np.full(members, -1, dtype=kind)
    place = np.arange(len(who), dtype=kind)
    last[who] = place  # of several the last stays
    first[who[::-1]] = place[::-1]
    return first, last


def _place_type(exchanges: int) -> type[np.int16 | np.int32]:
    """Numbers as small as they may be: a test of turns is bound by the memory that it goes through."""
    return np.int16 if exchanges < 1 << 15 else np.int32


def _compare(taken: float, member: Ints, members: int, draw: Callable[[], Ints]) -> tuple[float, float]:
    """The p-value of so many turns, and what chance gives."""
    drawn = np.array([_Turns.of(member, draw(), members).taken for _ in range(FIRST_DRAWS)])
    p_value = _tail(taken, drawn)
    if p_value <= GO_ON:
        # New draws, so that the second p-value stands alone.
        drawn = np.array([_Turns.of(member, draw(), members).taken for _ in range(DRAWS)])
        p_value = _tail(taken, drawn)
    return p_value, float(drawn.mean())


def _tail(taken: float, drawn: Floats) -> float:
    if taken < drawn.mean() + MORE:
        return 1.0
    ranked = float(1 + (drawn >= taken).sum()) / (1 + len(drawn))
    standardised = (taken - float(drawn.mean())) / max(float(drawn.std()), 1e-9)
    return permuted_tail(standardised, drawn, ranked=ranked)


def _each(lines: Timelines, core: Ints, member: Ints, at_s: Ints, strangers: Timelines) -> Floats:
    """The share of strangers that take turns with the core as exactly as each account does. Shape (members,)."""
    place = np.full(lines.members, -1)
    place[core] = np.arange(len(core))
    own = _with_core(lines, place, member, at_s, len(core))
    theirs = np.sort(_with_core(strangers, np.full(strangers.members, -1), member, at_s, len(core)))
    as_exact = len(theirs) - np.searchsorted(theirs, own)
    return np.where(own >= TURNS_SHARE, (1 + as_exact) / (1 + len(theirs)), 1.0)


def _with_core(lines: Timelines, places: Ints, member: Ints, at_s: Ints, core: int) -> Floats:
    """In what share of the cases an account of the core sent exactly once between two exchanges of each account.

    0 for who has fewer than `GAPS_MINIMUM` gaps. `places` has shape (accounts,): where each stands in the core, -1 for
    nowhere; nobody is held against itself.
    """
    before = _before(member, core)
    first, last = _active(member, core)
    order = np.lexsort((lines.at_s, lines.member))
    who, at = lines.member[order], np.searchsorted(at_s, lines.at_s[order])
    follows = (who[1:] == who[:-1]) & (at[1:] < len(at_s))
    who, start, end = who[1:][follows], at[:-1][follows], at[1:][follows]
    counts = (first[:, None] < start) & (last[:, None] >= end)
    counts[np.maximum(places[who], 0), np.arange(len(who))] &= places[who] < 0
    once = counts & (before.take(end, axis=1) - before.take(start, axis=1) == 1)
    cases = np.bincount(who, weights=counts.sum(axis=0), minlength=lines.members)
    taken = np.bincount(who, weights=once.sum(axis=0), minlength=lines.members)
    gaps = np.bincount(who, minlength=lines.members)
    return np.where(gaps >= GAPS_MINIMUM, taken / np.maximum(cases, 1), 0.0)
