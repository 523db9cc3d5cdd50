"""How well a score puts campaign accounts before innocent ones.

Comes from a score an account; goes on to `proving.audit`, which fails a composed world when any simple score
ranks it too well, and to `proving.score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spiritsafe.stats.intervals import Interval, SampleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What flagging every score at or above `threshold` gives; an infinite threshold flags nothing."""

    recall: float
    precision: float
    threshold: float
    flagged: int


def _check(scores: Floats, positive: Bools) -> None:
    if scores.shape != positive.shape or scores.ndim != 1 or positive.all() or not positive.any():
        raise SampleError(
            f"{scores.shape} scores with {int(positive.sum())} of {positive.size} positive cannot be ranked",
            hint="give one score and one label an account, with both labels present",
        )
    if np.isnan(scores).any():
        raise SampleError("a score is NaN", hint="give missing scores a value, e.g. the lowest")


def roc_auc(
    scores: Floats,
    positive: Bools,
    *,
    units: NDArray[Any] | None = None,
    confidence: float = 0.95,
    draws: int = 400,
    seed: int = 0,
) -> Interval:
    """Probability that a positive outranks a negative (ties count half), with an interval.

    Parameters
    ----------
    scores, positive
        Shape (accounts,). Higher means more suspect.
    units
        Shape (accounts,). When given, the interval is a bootstrap over whole units (a campaign, a company);
        otherwise it is DeLong's, which takes accounts for independent.
    confidence, draws, seed
        Level, how many resamples, and the seed that makes them repeatable.

    Raises
    ------
    SampleError
        One label only, shapes that differ, or a NaN score.

    Source: DeLong et al. (1988), doi:10.2307/2531595; Sun & Xu (2014), doi:10.1109/LSP.2014.2337313.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    _check(scores, positive)
    hits, misses = scores[positive], scores[~positive]
    ranks = rankdata(np.concatenate([hits, misses]))
    # Share of negatives below each positive, and of positives above each negative: DeLong's components.
    above = (ranks[: len(hits)] - rankdata(hits)) / len(misses)
    below = 1 - (ranks[len(hits) :] - rankdata(misses)) / len(hits)
    area = float(above.mean())
    if units is not None:
        areas = _resampled_areas(scores, positive, units, draws=draws, seed=seed)
        error = (1 - confidence) / 2
        low, high = np.quantile(areas, [error, 1 - error])
        return Interval(area, float(low), float(high))
    variance = _variance(above) / len(hits) + _variance(below) / len(misses)
    half = float(ndtri(0.5 + confidence / 2)) * float(np.sqrt(variance))
    return Interval(area, max(0.0, area - half), min(1.0, area + half))


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _resampled_areas(scores: Floats, positive: Bools, units: NDArray[Any], *, draws: int, seed: int) -> Floats:
    """Shape (at most draws,). AUC with units drawn with replacement; draws that lose a class are left out."""
    _, unit = np.unique(units, return_inverse=True)
    _, level = np.unique(scores, return_inverse=True)
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(0, unit.max() + 1, unit.max() + 1), minlength=unit.max() + 1)[unit]
        hits = np.bincount(level, weights=weight * positive)
        misses = np.bincount(level, weights=weight * ~positive)
        if hits.sum() == 0 or misses.sum() == 0:
            continue
        lower = np.cumsum(misses) - misses
        areas.append(float((hits * (lower + misses / 2)).sum() / (hits.sum() * misses.sum())))
    if not areas:
        raise SampleError("no resample holds both labels", hint="use more units, or the DeLong interval")
    return np.array(areas)


def recall_at_precision(scores: Floats, positive: Bools, *, precision: float = 0.99) -> OperatingPoint:
    """The largest recall of any threshold whose precision is at least `precision`.

    Tied scores are flagged together. Where no threshold is precise enough, recall is 0.

    Examples
    --------
    >>> recall_at_precision(np.array([0.9, 0.8, 0.7]), np.array([True, True, False])).recall
    1.0
    """
    _check(scores, positive)
    order = np.argsort(-scores, kind="stable")
    ranked, hit = scores[order], positive[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    right = np.cumsum(hit)[last_of_tie]
    flagged = (np.arange(len(hit)) + 1)[last_of_tie]
    enough = right >= precision * flagged - 1e-12
    if not enough.any():
        return OperatingPoint(0.0, float("nan"), float("inf"), 0)
    best = int(np.flatnonzero(enough)[-1])  # recall grows with the number flagged
    return OperatingPoint(
        float(right[best] / positive.sum()),
        float(right[best] / flagged[best]),
        float(ranked[last_of_tie][best]),
        int(flagged[best]),
    )
