"""Groups from pairs that are each only probable, and how probable it is to be in one.

Components join everything that one wrong pair touches. So a pair joins two actors only when at least two others are
joined to both (families and friends hang together by single pairs, and long chains of them are no group), and a group
is only as sure as it would stand if some of its pairs were wrong. That is drawn: each draw keeps every pair with
its own probability and looks who still hangs together with enough others. How sure a pair must be to count at all
is no known number, so the draws differ in it too. Comes from `links.confirmation`; goes on to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.grouping import components

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from spiritsafe.links.confirmation import Pairs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

JOINING: Final = 0.95
"""Pairs from this probability on make groups: one in twenty may be wrong."""

CUTS: Final = (0.9, 0.925, 0.95, 0.975, 0.99)
"""How sure a pair must be, in turn, in the draws."""

COMMON: Final = 2
"""Others that both of a pair must be joined to. Without it 3.4 % of Hop's kept accounts hang in groups, by chains."""

DRAWS: Final = 100
MEMBER: Final = 0.5
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Crowds:
    """Actor numbers of each group, ascending, the largest group first; and P(in a group) of every actor."""

    groups: tuple[Ints, ...]
    probability: Floats


def find_crowds(
    pairs: Pairs, *, actors: int, smallest: int, seed: int, tell: Callable[[float], None] = lambda _share: None
) -> Crowds:
    """Who acts together with at least `smallest` - 1 others.

    Parameters
    ----------
    pairs
        Tied pairs with their probabilities.
    actors
        How many actors there are.
    smallest
        Smaller groups are left out.
    seed
        Of the draws.
    tell
        Called with the share of draws that are done.

    Returns
    -------
    Groups of actors joined by supported pairs of at least `JOINING`, of those that are in a group in at least half of
    the draws. `probability` is the share of draws in which an actor hangs together with `smallest` - 1 others or more.
    """
    random = np.random.default_rng(seed)
    together = np.zeros(actors)
    for number, cut in enumerate(CUTS):
        chosen = _supported(pairs, pairs.probability >= cut, actors)
        one, other, probability = pairs.one[chosen], pairs.other[chosen], pairs.probability[chosen]
        for draw in range(DRAWS // len(CUTS)):
            kept = random.random(len(probability)) < probability
            label = components(actors, one[kept], other[kept])
            together += np.bincount(label, minlength=1)[label] >= smallest
            tell((number + (draw + 1) / (DRAWS // len(CUTS))) / len(CUTS))
    share = together / DRAWS
    joined = _supported(pairs, pairs.probability >= JOINING, actors)
    sure = share >= MEMBER
    joined &= sure[pairs.one] & sure[pairs.other]
    label = components(actors, pairs.one[joined], pairs.other[joined])
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(label))[:-1]) if actors else []
    large = [group.astype(np.int64) for group in groups if len(group) >= smallest]
    return Crowds(tuple(sorted(large, key=lambda group: (-len(group), int(group[0])))), share)


def _supported(pairs: Pairs, likely: Bools, actors: int) -> Bools:
    """Of the likely pairs, those whose two actors have `COMMON` others joined to both. Shape (pairs,)."""
    from scipy.sparse import coo_matrix

    one, other = pairs.one[likely], pairs.other[likely]
    ends = (np.concatenate([one, other]), np.concatenate([other, one]))
    graph = coo_matrix((np.ones(len(ends[0]), dtype=np.int32), ends), shape=(actors, actors)).tocsr()
    common = np.zeros(len(one), dtype=np.int64)
    for begin in range(0, len(one), _CHUNK):
        end = begin + _CHUNK
        both = graph[one[begin:end]].multiply(graph[other[begin:end]])
        common[begin:end] = np.asarray(both.sum(axis=1)).ravel()
    supported = np.zeros(len(likely), dtype=bool)
    supported[np.flatnonzero(likely)[common >= COMMON]] = True
    return supported
