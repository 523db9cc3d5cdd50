"""Ties between actors as arrays, and what chance would give.

A tie is two actors on one object. Chance is the configuration model: actors choose objects independently, as often
as they act and as the objects are popular (Newman 2010, Networks, section 13.2). Comes from `links.actions`; goes
on to `links.confirmation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.actions import NEIGHBOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CHANCE: Final = 0.05
"""Other ties confirm a tie when chance gives such to at most one pair in twenty. With 0.01, 0.02 and 0.05 the
recall on the development half of Hop is the same to a percent (`benchmarks/detection/coordinate.md`)."""

CLOSENESS_BITS: Final = 14
NULL_PAIRS: Final = 400_000
_OWN_TIME_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Acts:
    """Parallel arrays, one entry an actor on an object that others have too. `first_s` is None without times."""

    actor: Ints
    object: Ints
    holders: Ints
    first_s: Ints | None

    def times_are_of_acts(self) -> bool:
        """Whether acts have times of their own. A sign-up date repeated in each row of an actor is the actor's."""
        if self.first_s is None:
            return False
        order = np.argsort(self.actor, kind="stable")
        begins = np.flatnonzero(np.diff(self.actor[order], prepend=-1))
        if not len(begins):
            return False
        times = self.first_s[order]
        several = np.diff(np.append(begins, len(order))) >= 2
        same = np.minimum.reduceat(times, begins) == np.maximum.reduceat(times, begins)
        return not several.any() or bool(same[several].mean() < _OWN_TIME_SHARE)


@dataclass(frozen=True, slots=True)
class Ties:
    """Parallel arrays, one entry a tie: actor numbers `one` < `other`, `gap_s` None without times.

    `near` marks neighbours in the object's order. The others stand half the object apart: they are no evidence,
    they show what sharing without acting together looks like.
    """

    one: Ints
    other: Ints
    object: Ints
    holders: Ints
    gap_s: Ints | None
    near: Bools


@dataclass(frozen=True, slots=True)
class Chance:
    """What two actors would share by chance: how many objects each has, and how popular objects are.

    `cumulated[h]` are the ties that chance gives, for each object of the one and each of the other, by objects
    of at most h holders.
    """

    objects: Ints
    cumulated: Floats

    @classmethod
    def of(cls, acts: Acts, *, actors: int) -> Chance:
        """Measured on the table itself."""
        objects = np.bincount(acts.actor, minlength=actors).astype(np.int64)
        _, first = np.unique(acts.object, return_index=True)
        holders = acts.holders[first]
        # Of an object's other holders only those near in its order are tied.
        rate = holders * np.minimum(holders - 1, 2 * NEIGHBOURS) / max(len(acts.actor), 1) ** 2
        size = int(holders.max()) + 1 if len(holders) else 1
        return cls(objects, np.cumsum(np.bincount(holders, weights=rate, minlength=size)))

    def surprising(self, one: Ints, other: Ints, *, ties: Ints, rarest: Ints, share: float) -> Bools:
        """Whether chance gives so many ties, or one by an object so rare, to at most `CHANCE` of such pairs.

        Both are asked, each at half the level.

        Parameters
        ----------
        one, other
            Shape (k,). The pairs.
        ties
            Shape (k,). How many ties each pair has.
        rarest
            Shape (k,). The fewest holders of an object that ties it; not read where `ties` is 0.
        share
            The share of the objects that was looked at.
        """
        from scipy.stats import poisson

        rate = share * self.objects[one].astype(np.float64) * self.objects[other]
        one_so_rare = -np.expm1(-rate * self.cumulated[np.minimum(rarest, len(self.cumulated) - 1)])
        so_many = poisson.sf(ties - 1, rate * self.cumulated[-1])
        surprising: Bools = (ties > 0) & (np.minimum(one_so_rare, so_many) <= CHANCE / 2)
        return surprising


def closeness(gap_s: Ints, acts: Acts, *, seed: int) -> Ints:
    """How close in time, in bits: -log2 of the share of unrelated acts that are as close, rounded down.

    Shape (ties,), from 0 to `CLOSENESS_BITS`. Unrelated are acts of two actors drawn from the whole table.
    """
    assert acts.first_s is not None
    if not len(gap_s):
        return np.empty(0, dtype=np.int64)
    random = np.random.default_rng(seed)
    a, b = random.integers(len(acts.actor), size=(2, NULL_PAIRS))
    apart = acts.actor[a] != acts.actor[b]
    unrelated = np.sort(np.abs(acts.first_s[a] - acts.first_s[b])[apart])
    share = (np.searchsorted(unrelated, gap_s, side="right") + 1) / (len(unrelated) + 1)
    return np.minimum(np.floor(-np.log2(share)), CLOSENESS_BITS).astype(np.int64)


def coin(numbers: Ints, *, seed: int) -> Ints:
    """0 or 1 for each number, always the same for the same (SplitMix64's finaliser, Steele et al. 2014)."""
    start = np.uint64(((2 * seed + 1) * 0x9E3779B97F4A7C15) % 2**64)
    mixed = numbers.astype(np.uint64) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) & np.uint64(1)).astype(np.int64)
