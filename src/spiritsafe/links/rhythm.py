"""Do the timelines of these accounts go together, more than timelines of strangers would?

One queue that is dealt out over many accounts leaves its rhythm in all of them: they are busy in the same minutes,
rest in the same hours, begin and end on the same days. Strangers share the clock of the day and no more. So each
account's timeline is moved by a whole number of days of its own, and by some minutes: hour of day, volume and
burstiness stay, the common clock is gone. How often accounts meet is compared with how often they meet when moved.

Comes from the exchanges of a group; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.stats.tails import permuted_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

DAY_S: Final = 86_400
LAGS_S: Final = (60, 600, 7200)
"""Two exchanges meet when they fall into one minute, ten minutes, two hours: a program that deals requests out, an
agent's task, people's working hours. The largest excess of the three counts, and is compared with the largest."""

JITTER_S: Final = 1800
WITHIN: Final = len(LAGS_S) - 1
"""So many of the lags are shorter than `JITTER_S`: what meets at them meets within an hour, whatever the day."""

FEW_DAYS: Final = 10.0
"""Accounts that are busy on fewer days than these may have a deadline or two in common and nothing else: strangers of
development worlds had up to 8.7."""

DAYS_MINIMUM: Final = 3
"""With fewer days there is nowhere to move a timeline to."""

EXPECTED_MINIMUM: Final = 2.0
"""Meetings that chance must give before anything is said: below, one meeting would decide."""

SPARSE: Final = 4
CELLS: Final = 1 << 17
"""How meetings are counted: where bins are four times the exchanges by putting these in order, so many at once."""

CORE: Final = 64
"""So many accounts, evenly chosen, stand for a larger group; every account is then held against them."""

FIRST_DRAWS: Final = 99
DRAWS: Final = 499
GO_ON: Final = 0.05
"""Only a p-value below this is worth more draws; they are new ones, so that the second p-value stands alone."""


@dataclass(frozen=True, slots=True)
class Timelines:
    """Exchanges of some accounts, parallel arrays. `member` numbers the accounts from 0 to `members` - 1."""

    member: Ints
    at_s: Ints
    members: int


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a log covers, in epoch seconds."""

    begin_s: int
    end_s: int

    @property
    def days(self) -> int:
        """Whole days, counting one that lacks less than a tenth."""
        return int((self.end_s - self.begin_s) / DAY_S + 0.1)


@dataclass(frozen=True, slots=True)
class Meetings:
    """How often accounts of a group meet. `met` and `expected` are one figure for each of `LAGS_S`.

    `excess` is the largest standardised excess over the lags. `members` holds one p-value an account: of this
    account's timeline moved alone, among the others as they are; empty where the group's p-value was not small.
    `within_p_value` is that of meeting beyond what the days in common explain; None where these are not few.
    """

    met: Floats
    expected: Floats
    excess: float
    p_value: float
    draws: int
    members: Floats
    within_p_value: float | None = None

    @property
    def no_deadline_p_value(self) -> float:
        """The p-value of a rhythm that is more than having the same days in common: the larger of the two, since both
        nulls must fall (intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790)."""
        return self.p_value if self.within_p_value is None else max(self.p_value, self.within_p_value)

    @property
    def acting_share(self) -> float:
        """Share of the accounts that keep the group's rhythm, the weakly shown ones among them.

        Of accounts that do not, half have a p-value above one half: twice these are taken off (Storey 2002,
        doi:10.1111/1467-9868.00346, with lambda 0.5).
        """
        return max(0.0, 1.0 - 2.0 * float(np.mean(self.members > 0.5))) if len(self.members) else 0.0

    @property
    def lag_s(self) -> int:
        """The lag at which they meet most beyond chance."""
        return LAGS_S[int(np.argmax(self.met / np.maximum(self.expected, 1e-9)))]


def meetings(lines: Timelines, window: Window, *, seed: int, strangers: Strangers | None = None) -> Meetings | None:
    """Test whether accounts meet more often than when each timeline is moved by days of its own.

    Parameters
    ----------
    lines
        The group's exchanges; of a conversation only the first should be in it.
    window
        What the log covers.
    seed
        Of the draws.
    strangers
        How groups of strangers in the same log fare; what they show beyond chance is taken off. None takes nothing off.

    Returns
    -------
    None where the log is too short or the exchanges too few for a test.

    Notes
    -----
    Null: the accounts' timelines are unrelated, each with its own hours of the day, volume and bursts. The p-value
    is that of a permutation test on the largest standardised excess over `LAGS_S` (Westfall & Young 1993; Phipson
    & Smyth 2010, doi:10.2202/1544-6115.1585), with a fitted tail beyond the draws (`stats.tails`). Accounts with one
    deadline are busy on the same few days and hours, and fall out of this null though nobody leads them. So where the
    days are few, a second null keeps days and hours: each timeline is moved by minutes only, and meetings within a
    minute and within ten are counted.
    """
    if window.days < DAYS_MINIMUM or lines.members < 2 or not len(lines.at_s):
        return None
    random = np.random.default_rng(seed)
    core = _core(lines)
    grids = [_Grid.of(core, window, lag) for lag in LAGS_S]
    met = np.array([grid.met(np.zeros(core.members, dtype=np.int64)) for grid in grids])
    first = _moved(grids, core.members, window.days, FIRST_DRAWS, random)
    if first[-1].mean() < EXPECTED_MINIMUM:
        return None
    excess, p_value, expected = _compare(met, first, strangers)
    if p_value > GO_ON:
        return Meetings(met, expected, excess, p_value, FIRST_DRAWS, np.empty(0))
    second = _moved(grids, core.members, window.days, DRAWS, random)
    excess, p_value, expected = _compare(met, second, strangers)
    within = None
    if p_value <= GO_ON and common_days(core) < FEW_DAYS:
        _, within, _ = _compare(met[:WITHIN], _moved(grids[:WITHIN], core.members, 1, DRAWS, random), None)
    each = _each(lines, core, window, random, strangers, inside=True)
    return Meetings(met, expected, excess, p_value, DRAWS, each, within)


def keeping_time(
    lines: Timelines, others: Timelines, window: Window, *, seed: int, strangers: Strangers | None = None
) -> Floats:
    """Does each of these accounts keep the rhythm of a group that it is not part of?

    Parameters
    ----------
    lines
        The accounts in question.
    others
        The group's exchanges.
    window, seed, strangers
        As for `meetings`.

    Returns
    -------
    Shape (members,): a p-value an account. Null: its timeline has nothing to do with the group's.
    """
    return _each(lines, others, window, np.random.default_rng(seed), strangers, inside=False)


def common_days(lines: Timelines) -> float:
    """On how many days the accounts are busy, each account counting alike: the inverse Simpson index of the days."""
    days, day = np.unique(lines.at_s // DAY_S, return_inverse=True)
    busy = np.zeros((lines.members, len(days)))
    np.add.at(busy, (lines.member, day), 1.0)
    share = (busy / np.maximum(busy.sum(axis=1, keepdims=True), 1.0))[busy.any(axis=1)].mean(axis=0)
    return float(1 / np.square(share).sum())


def _core(lines: Timelines) -> Timelines:
    """The exchanges of at most `CORE` accounts, under their own numbers."""
    if lines.members <= CORE:
        return lines
    chosen = np.linspace(0, lines.members - 1, CORE).astype(np.int64)
    inside = np.isin(lines.member, chosen)
    return Timelines(lines.member[inside], lines.at_s[inside], lines.members)


@dataclass(frozen=True, slots=True)
class Strangers:
    """What chance groups of the same log show against the same null: mean and spread of their standardised excess.

    1 sd and mean 0 would be perfect; a holiday, an outage or a release that all accounts share makes them larger.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, excesses: Floats) -> Strangers:
        """From the excess of chance groups, by quartiles: a campaign among the strangers must not set the measure."""
        if len(excesses) < 8:
            return cls(0.0, 1.0)
        low, middle, high = np.percentile(excesses, [25, 50, 75])
        # Of the largest of three nearly normal figures, standardised, quartiles are 1.35 sd apart.
        return cls(max(float(middle), 0.0), max(float(high - low) / 1.35, 1.0))


def _compare(met: Floats, moved: Floats, strangers: Strangers | None) -> tuple[float, float, Floats]:
    """The largest excess, its p-value and the expected meetings. `moved` has shape (lags, draws)."""
    every = np.concatenate([met[:, None], moved], axis=1)
    # Observed and moved are treated alike, so that under the null the observed is one of them.
    mean, spread = every.mean(axis=1), every.std(axis=1)
    largest = ((every - mean[:, None]) / np.maximum(spread, 1e-9)[:, None]).max(axis=0)
    null = ((moved - moved.mean(axis=1)[:, None]) / np.maximum(moved.std(axis=1), 1.0)[:, None]).max(axis=0)
    own = float(((met - moved.mean(axis=1)) / np.maximum(moved.std(axis=1), 1.0)).max())
    excess = (own - float(null.mean())) / max(float(null.std()), 1e-9)
    ranked = float((largest >= largest[0]).mean())
    if strangers is not None:
        excess = (excess - strangers.mean) / strangers.spread
    return excess, permuted_tail(excess, null, ranked=ranked), moved.mean(axis=1)


def _moved(grids: Sequence[_Grid], members: int, days: int, draws: int, random: np.random.Generator) -> Floats:
    """Meetings when every timeline is moved by itself. Shape (lags, draws)."""
    shift_s = random.integers(0, days, (draws, members)) * DAY_S + random.integers(
        -JITTER_S, JITTER_S, (draws, members)
    )
    return np.array([grid.met_when_moved(shift_s // grid.lag_s) for grid in grids])


def _each(
    lines: Timelines,
    core: Timelines,
    window: Window,
    random: np.random.Generator,
    strangers: Strangers | None,
    *,
    inside: bool,
) -> Floats:
    """A p-value an account: its meetings with the core against those when it alone is moved. Shape (members,).

    `inside` says that accounts of the core are among the accounts, under the same numbers.
    """
    shift_s = random.integers(1, window.days, FIRST_DRAWS) * DAY_S + random.integers(-JITTER_S, JITTER_S, FIRST_DRAWS)
    shift_s = np.concatenate([[0], shift_s])
    order = np.argsort(lines.member, kind="stable")
    bounds = np.searchsorted(lines.member[order], np.arange(lines.members + 1))
    in_core = np.isin(np.arange(lines.members), core.member) & inside
    met = np.zeros((lines.members, len(LAGS_S), len(shift_s)))
    for place, lag_s in enumerate(LAGS_S):
        grid, others = _Grid.of(lines, window, lag_s), _Grid.of(core, window, lag_s)
        everyone = np.bincount(others.bin, minlength=grid.bins)
        for member in range(lines.members):
            own = grid.bin[order[bounds[member] : bounds[member + 1]]]
            moved = (own[None, :] + (shift_s // lag_s)[:, None]) % grid.bins
            met[member, place] = everyone[moved].sum(axis=1)
            if in_core[member]:
                met[member, place] -= np.bincount(own, minlength=grid.bins)[moved].sum(axis=1)
    return np.array([_compare(one[:, 0], one[:, 1:], strangers)[1] for one in met])


@dataclass(frozen=True, slots=True)
class _Grid:
    """Exchanges in bins of one lag on a circle of whole days."""

    lag_s: int
    bin: Ints
    bins: int
    member: Ints
    alone: float

    @classmethod
    def of(cls, lines: Timelines, window: Window, lag_s: int) -> _Grid:
        bins = window.days * DAY_S // lag_s
        place = (lines.at_s - window.begin_s) // lag_s % bins
        pairs = lines.member.astype(np.int64) * bins + place
        counts = np.unique(pairs, return_counts=True)[1]
        return cls(lag_s, place, bins, lines.member, float(np.square(counts, dtype=np.float64).sum()))

    def met(self, shift: Ints) -> float:
        """Pairs of exchanges of two accounts in one bin, each account moved by its own number of bins."""
        together = np.bincount((self.bin + shift[self.member]) % self.bins, minlength=self.bins)
        # An account's meetings with itself do not change when it moves as a whole.
        return (float(together @ together) - self.alone) / 2

    def met_when_moved(self, shifts: Ints) -> Floats:
        """`met` for each of several moves, shape (moves, members). Shape (moves,).

        Where there are many more bins than exchanges, these are put in order instead of counted into bins.
        """
        if not len(self.bin) or self.bins < SPARSE * len(self.bin):
            return np.array([self.met(one) for one in shifts])
        found = np.empty(len(shifts))
        at_once = max(1, CELLS // max(len(self.bin), 1))
        for begin in range(0, len(shifts), at_once):
            some = (self.bin + shifts[begin : begin + at_once, self.member]) % self.bins
            some = np.sort(some.astype(np.uint16 if self.bins <= 1 << 16 else np.int64), axis=1)
            begins = np.ones(some.shape, dtype=np.bool_)
            np.not_equal(some[:, 1:], some[:, :-1], out=begins[:, 1:])
            place = np.flatnonzero(begins)
            together = np.diff(place, append=some.size)
            rows = np.searchsorted(place, np.arange(len(some)) * some.shape[1])
            found[begin : begin + at_once] = np.add.reduceat(np.square(together), rows)
        return (found - self.alone) / 2
