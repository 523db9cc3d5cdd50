"""How sure is a tie? As sure as ties of its kind are confirmed by other, independent ones.

That two actors share an object may be chance, taste, or one hand. Which, the table itself can say. Where ties of a
kind (so many actors on the object, so close in time) come from one hand, the same two actors are tied again by
other objects, far more often than elsewhere. Taste confirms ties too: fans of one thing share twenty others. What
taste does is read off ties that synchrony does not explain, and only the rest counts. No label is used and no list
of what is popular is kept; `docs/explanation/any-table.md` derives it.

A pair with several ties is as sure as they are together. Where it has many weak ones, the objects are dealt into
two halves, and what one half says is checked by the other. Comes from `links.ties`; goes on to `campaigns.draws`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.ties import CHANCE, CLOSENESS_BITS, Chance, closeness, coin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.links.ties import Acts, Ties

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

SHRINK: Final = 4.0
"""Unconfirmed ties that each kind begins with: of three, all confirmed, three sevenths are believed."""

FAR_BITS: Final = 2
"""Ties less close than this are far: unrelated acts are as close more often than one time in four."""

FAR_PULL: Final = 50.0
"""A class of popularity with fewer far ties than this leans on those of all classes."""

LEAST_SHARE: Final = 0.05
LEAST_TIES: Final = 50
SUREST: Final = 0.999
SCORES_TOGETHER: Final = 50


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of ties, and how far each is believed.

    Shape (popularity classes, closeness classes): in class p an object has 2**(p-1) < holders <= 2**p, in class c
    unrelated acts are as close with 2**-(c+1) < share <= 2**-c (all in 0 without times). `eligible` counts ties of
    actors with another shared object, `confirmed` those that were confirmed, `precision` is P(one hand).
    `taste` is, for each popularity, the share that is confirmed without one hand.
    """

    eligible: Ints
    confirmed: Ints
    taste: Floats
    precision: Floats


@dataclass(frozen=True, slots=True)
class Pairs:
    """Parallel arrays, one entry a tied pair: actor numbers `one` < `other`, P(one hand)."""

    one: Ints
    other: Ints
    probability: Floats


@dataclass(frozen=True, slots=True)
class Believed:
    """Pairs, the kinds of ties, and each tie's own probability, shape (ties,)."""

    pairs: Pairs
    kinds: Kinds
    ties: Floats


def pair_probabilities(ties: Ties, acts: Acts, *, actors: int, seed: int) -> Believed:
    """P(one hand) of every tied pair.

    Parameters
    ----------
    ties
        As `links.actions.tied` finds them.
    acts
        Every actor on every shared object.
    actors
        How many actors there are.
    seed
        Chooses the acts that gaps are compared with, and the two halves.

    Returns
    -------
    The pairs in ascending order, the kinds, the ties.
    """
    key, pair = np.unique(ties.one * actors + ties.other, return_inverse=True)
    one, other = key // actors, key % actors
    chance = Chance.of(acts, actors=actors)
    popularity = np.ceil(np.log2(ties.holders)).astype(np.int64)
    close = np.zeros(len(pair), np.int64) if ties.gap_s is None else closeness(ties.gap_s, acts, seed=seed)
    near = np.bincount(pair[ties.near], minlength=len(key))
    confirmed = chance.surprising(
        ties.one,
        ties.other,
        ties=near[pair] - ties.near,
        rarest=_rarest_other(pair, ties, len(key)),
        share=1.0,
    )
    eligible = (chance.objects[ties.one] >= 2) & (chance.objects[ties.other] >= 2)
    counted = eligible if acts.times_are_of_acts() else eligible & ties.near
    kinds = find_kinds(popularity[counted], close[counted], confirmed[counted], synchrony=acts.times_are_of_acts())
    believed = np.where(ties.near, kinds.precision[popularity, close], 0.0)
    nats = -np.log1p(-np.minimum(believed, SUREST))
    together = -np.expm1(-np.bincount(pair, weights=nats, minlength=len(key)))
    probability = np.maximum(together, _by_halves(ties, pair, nats, chance, (one, other), seed=seed))
    has_tie = near > 0
    pairs = Pairs(one[has_tie], other[has_tie], probability[has_tie])
    return Believed(pairs, kinds, believed)


def _rarest_other(pair: Ints, ties: Ties, pairs: int) -> Ints:
    """For each tie, the fewest holders among the pair's other near ties; its own where there is none."""
    never = np.iinfo(np.int64).max
    holders = np.where(ties.near, ties.holders, never)
    order = np.lexsort((holders, pair))
    begins = np.searchsorted(pair[order], np.arange(pairs))
    first = holders[order][begins]
    second = holders[order][np.minimum(begins + 1, len(order) - 1)]
    is_first = np.zeros(len(pair), dtype=bool)
    is_first[order[begins]] = True
    return np.where(is_first, second[pair], first[pair])


def find_kinds(popularity: Ints, close: Ints, confirmed: Bools, *, synchrony: bool) -> Kinds:
    """Count ties by kind, and what of each kind is confirmed beyond taste.

    Parameters
    ----------
    popularity, close, confirmed
        Shape (ties,). The class of each tie, and whether other ties confirm it.
    synchrony
        Whether acts have times. Then taste is what far ties of the same popularity show: only synchrony counts.
        Without, taste is what the least confirmed kinds show, and rarity has to do.

    Returns
    -------
    All kinds up to the largest popularity, at least 64 classes of it, so that any tie can be looked up. Within a
    popularity closer ties are never believed less (isotonic regression, Barlow et al. 1972).
    """
    from scipy.optimize import isotonic_regression

    shape = (64, CLOSENESS_BITS + 1)
    cell = popularity * shape[1] + close
    eligible = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    good = np.bincount(cell[confirmed], minlength=shape[0] * shape[1]).reshape(shape)
    if synchrony:
        far, far_good = eligible[:, :FAR_BITS].sum(axis=1), good[:, :FAR_BITS].sum(axis=1)
        pooled = far_good.sum() / max(far.sum(), 1)
        taste = np.maximum((far_good + FAR_PULL * pooled) / (far + FAR_PULL), CHANCE)
    else:
        taste = np.full(shape[0], least_confirmed(good.ravel(), eligible.ravel()))
    raw = _beyond(good, eligible, taste[:, None])
    precision = np.zeros(shape)
    for row in np.flatnonzero(eligible.any(axis=1)):
        precision[row] = isotonic_regression(raw[row], weights=eligible[row] + 1e-3).x
    return Kinds(eligible, good, taste, precision)


def least_confirmed(good: Ints, eligible: Ints) -> float:
    """The share confirmed among the kinds confirmed least, taken together: at least 5 % of all, at least 50."""
    order = np.argsort((good + 1) / (eligible + 2), kind="stable")
    order = order[eligible[order] > 0]
    if not len(order):
        return CHANCE
    many = np.cumsum(eligible[order])
    enough = order[: np.searchsorted(many, max(LEAST_SHARE * many[-1], LEAST_TIES)) + 1]
    return max(float(good[enough].sum() / eligible[enough].sum()), CHANCE)


def _beyond(good: Ints | Floats, eligible: Ints, taste: float | Floats) -> Floats:
    """The share of one hand behind a share of confirmed ties, when `taste` of the others are confirmed too."""
    share: Floats = (good / (eligible + SHRINK) - taste) / np.maximum(1 - taste, 1e-3)
    return np.maximum(share, 0.0)


def _by_halves(ties: Ties, pair: Ints, nats: Floats, chance: Chance, ends: tuple[Ints, Ints], *, seed: int) -> Floats:
    """P(one hand) of each pair, from one half of the objects, checked by the other.

    Twenty weak ties are no weak evidence, but what they are worth depends on how people here share. So pairs are
    ranked by their ties on one half; each rank is worth the share of its pairs that the other half confirms, and
    whether it confirms *this* pair makes that more or less by Bayes. It is done both ways; the lesser stands.
    """
    one, other = ends
    half = coin(ties.object, seed=seed)
    scores, confirmed = [], []
    for side in (0, 1):
        there = ties.near & (half != side)
        scores.append(
            np.bincount(pair[half == side], weights=nats[half == side], minlength=len(one)).astype(np.float64)
        )
        rarest = np.full(len(one), np.iinfo(np.int64).max)
        np.minimum.at(rarest, pair[there], ties.holders[there])
        counts = np.bincount(pair[there], minlength=len(one))
        confirmed.append(chance.surprising(one, other, ties=counts, rarest=rarest, share=0.5))
    eligible = (chance.objects[one] >= 2) & (chance.objects[other] >= 2)
    chosen = [eligible & (score > 0) for score in scores]
    ranks = _Ranks.of(
        np.concatenate([scores[side][chosen[side]] for side in (0, 1)]),
        np.concatenate([confirmed[side][chosen[side]] for side in (0, 1)]),
    )
    if ranks is None:
        return np.zeros(len(one))
    return np.minimum(*(ranks.updated(scores[side], confirmed[side]) for side in (0, 1)))


@dataclass(frozen=True, slots=True)
class _Ranks:
    """What a score on one half is worth: `worth[i]` at `score[i]`, both ascending."""

    score: Floats
    worth: Floats
    taste: float

    @classmethod
    def of(cls, score: Floats, confirmed: Bools) -> _Ranks | None:
        """From pairs with a score on one half, and whether the other confirms them. None if there are too few."""
        from scipy.optimize import isotonic_regression

        bins = len(score) // SCORES_TOGETHER
        if not bins:
            return None
        order = np.argsort(score, kind="stable")
        edges = np.linspace(0, len(score), bins + 1).astype(np.int64)[:-1]
        sizes = np.diff(np.append(edges, len(score)))
        good = np.add.reduceat(confirmed[order].astype(np.float64), edges)
        taste = least_confirmed(good.astype(np.int64), sizes)
        worth = isotonic_regression(_beyond(good, sizes, taste), weights=sizes.astype(np.float64)).x
        return cls(np.add.reduceat(score[order], edges) / sizes, worth, taste)

    def updated(self, score: Floats, confirmed: Bools) -> Floats:
        """The worth of each score, as the other half's word on this very pair changes it."""
        before = np.where(score > 0, np.interp(score, self.score, self.worth), 0.0)
        hit = min(float(self.worth[-1]), 0.95)
        likelihood = np.where(confirmed, hit / self.taste, (1 - hit) / (1 - self.taste))
        odds = before / np.maximum(1 - before, 0.01) * likelihood
        after: Floats = odds / (1 + odds)
        return after
