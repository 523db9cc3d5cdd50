"""How work is spread over accounts: each thing asked once, each asked again at once, or one list asked by everybody.

Who deals a list out lets no two accounts ask the same. Who wants several samples of each answer has one item asked by
several accounts within minutes. Strangers who took one benchmark, one recipe or one homework ask the same items too,
each in its own time. What tells the last two apart is whether equal items come close together, closer than each
account's timeline moved by days of its own would bring them, and closer than any of their common items do: a class that
works towards one deadline is busy in the same hours, and does not ask the same thing in them.

Comes from the exchanges of a group; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.rhythm import DAY_S, DAYS_MINIMUM
from spiritsafe.stats.tails import permuted_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.links.rhythm import Timelines, Window

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CLOSE_S: Final = 3600
"""Samples of one item are asked for within the hour. Equal lists meet within an hour by chance alone."""

DRAWS: Final = 199
REPEATED_SHARE: Final = 0.2
"""From one exchange in five that asks what another account asks too, repeating is what the group does: students do
homework in a third of their exchanges and talk in the rest. Programs that try again repeat up to one in ten."""

CLOSE_P: Final = 0.01
CLOSE_SHARE: Final = 0.2
"""Of the pairs of accounts that ask one thing, so many ask it within the hour: of composed samplers four in ten and
more. Who works through one list in one order at one pace is closer than chance too, in two pairs of a hundred."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """Of `items` different prompts, `repeated` were asked by two accounts or more, `askers` on average; of `exchanges`,
    `common` ask such a prompt.

    `pairs` of accounts asked the same, `close` of them within `CLOSE_S`; chance gives `expected`. `p_value` is None
    where too little was repeated (`repeats`) or the log is too short; then nothing is counted of how close they come.
    `resampled` marks the members with a close pair.
    """

    items: int
    exchanges: int
    common: int
    repeated: int
    askers: float
    pairs: int
    close: float
    expected: float
    p_value: float | None
    resampled: Bools

    @property
    def repeats(self) -> bool:
        """Whether several accounts ask the same things as a rule."""
        return self.exchanges > 0 and self.common >= REPEATED_SHARE * self.exchanges

    @property
    def resampling(self) -> bool:
        """Whether they ask the same things together: several samples of each item."""
        together = self.p_value is not None and self.p_value <= CLOSE_P
        return self.repeats and together and self.close >= CLOSE_SHARE * self.pairs

    @property
    def same_list(self) -> bool:
        """Whether each asks the same things in its own time: a benchmark, a recipe, homework."""
        return self.repeats and not self.resampling


def dealing(lines: Timelines, item: Ints, window: Window, *, seed: int) -> Dealing:
    """How a group's work is spread over its accounts.

    Parameters
    ----------
    lines
        Exchanges with a prompt.
    item
        Shape (exchanges,). Equal prompts, equal numbers.
    window
        What the log covers.
    seed
        Of the draws.

    Notes
    -----
    Null: who asks the same, asks it at a time of its own, or all of it in the same busy hours. Two permutation tests on
    the number of pairs within `CLOSE_S`, timelines moved by whole days, and common items dealt anew over the times at
    which an account asked one; the larger p-value counts, so that both must be small.
    """
    pairs, number = np.unique(np.stack([item, lines.member], axis=1), axis=0, return_inverse=True)
    number = number.ravel()
    values, askers = np.unique(pairs[:, 0], return_counts=True)
    repeated = askers >= 2
    both = int((askers * (askers - 1) // 2).sum())
    of_pair = np.repeat(np.arange(len(values)), askers)
    rows = np.flatnonzero(repeated[of_pair][number])
    common = len(rows)
    nobody = np.zeros(lines.members, dtype=bool)
    if common < REPEATED_SHARE * len(item) or not common or window.days < DAYS_MINIMUM:
        mean = float(askers[repeated].mean()) if repeated.any() else 1.0
        return Dealing(len(values), len(item), common, int(repeated.sum()), mean, both, 0.0, 0.0, None, nobody)
    value, member = of_pair[number[rows]], lines.member[rows]
    bins = window.days * DAY_S // CLOSE_S
    place = (lines.at_s[rows] - window.begin_s) // CLOSE_S % bins
    close, who = _close(value, member, place, bins)
    random = np.random.default_rng(seed)
    moved = np.array(
        [
            _close(value, member, (place + shift[member]) % bins, bins)[0]
            for shift in random.integers(0, window.days, (DRAWS, lines.members)) * (DAY_S // CLOSE_S)
        ]
    )
    p_value, expected = _tail(close, moved), float(moved.mean())
    if p_value <= CLOSE_P:
        order = np.argsort(member, kind="stable")
        again = [_dealt_anew(value, member, order, random) for _ in range(DRAWS)]
        mixed = np.array([_close(one, member, place, bins)[0] for one in again])
        p_value, expected = max(p_value, _tail(close, mixed)), max(expected, float(mixed.mean()))
    nobody[who] = True
    return Dealing(
        items=len(values),
        exchanges=len(item),
        common=common,
        repeated=int(repeated.sum()),
        askers=float(askers[repeated].mean()),
        pairs=both,
        close=close,
        expected=expected,
        p_value=p_value,
        resampled=nobody,
    )


def _tail(close: float, drawn: NDArray[np.float64]) -> float:
    ranked = float((1 + (drawn >= close).sum()) / (1 + len(drawn)))
    return permuted_tail((close - float(drawn.mean())) / max(float(drawn.std()), 1.0), drawn, ranked=ranked)


def _dealt_anew(value: Ints, member: Ints, order: Ints, random: np.random.Generator) -> Ints:
    """Each account's items in another order over the same times. `order` sorts by account."""
    shuffled = np.lexsort((random.random(len(value)), member))
    anew = np.empty_like(value)
    anew[order] = value[shuffled]
    return anew


def _close(value: Ints, member: Ints, place: Ints, bins: int) -> tuple[float, Ints]:
    """Pairs of accounts that ask one thing in one bin, and the accounts of such pairs."""
    cell = value * bins + place
    order = np.lexsort((member, cell))
    cell, who = cell[order], member[order]
    # An account that asks twice in a bin is in it once.
    new = np.concatenate([[True], (np.diff(cell) != 0) | (np.diff(who) != 0)])
    cell, who = cell[new], who[new]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(cell) != 0]))
    sizes = np.diff(np.append(begins, len(cell)))
    several = np.repeat(sizes >= 2, sizes)
    return float((sizes * (sizes - 1) / 2).sum()), np.unique(who[several])
