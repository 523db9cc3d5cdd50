"""Whether a stated probability means what it says, and whether groups are the right groups.

Comes from `probability` and group columns of a scan with the truth beside them; goes on to `proving.score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spiritsafe.stats.intervals import SampleError, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Accounts with a stated probability in [low, high), the last bin holding 1, and how many were right."""

    low: float
    high: float
    accounts: int
    mean_probability: float
    observed: float
    observed_low: float
    observed_high: float


@dataclass(frozen=True, slots=True)
class BCubed:
    """B-cubed agreement of two groupings of the same accounts."""

    precision: float
    recall: float
    f1: float


def _check(probability: Floats, outcome: Bools) -> None:
    if probability.shape != outcome.shape or probability.ndim != 1 or len(probability) == 0:
        raise SampleError(
            f"{probability.shape} probabilities and {outcome.shape} outcomes do not pair up",
            hint="give one probability and one outcome an account, at least one account",
        )
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SampleError("a probability lies outside [0, 1]", hint="calibrate scores before judging them")


def brier_score(probability: Floats, outcome: Bools) -> float:
    """Mean squared error of the stated probability: 0 is perfect, 0.25 is what saying 0.5 always earns.

    Source: Brier (1950), Monthly Weather Review 78(1).
    """
    _check(probability, outcome)
    return float(((probability - outcome) ** 2).mean())


def reliability_table(
    probability: Floats, outcome: Bools, *, bins: int = 10, confidence: float = 0.95
) -> tuple[ReliabilityBin, ...]:
    """Stated against observed, in equal-width bins; empty bins are left out. Intervals are Wilson's."""
    _check(probability, outcome)
    index = np.minimum((probability * bins).astype(np.int64), bins - 1)
    table = []
    for number in np.unique(index):
        inside = index == number
        seen = wilson(float(outcome[inside].sum()), float(inside.sum()), confidence=confidence)
        table.append(
            ReliabilityBin(
                low=float(number) / bins,
                high=float(number + 1) / bins,
                accounts=int(inside.sum()),
                mean_probability=float(probability[inside].mean()),
                observed=seen.value,
                observed_low=seen.low,
                observed_high=seen.high,
            )
        )
    return tuple(table)


def logistic_fit(score: Floats, outcome: Bools) -> tuple[float, float]:
    """Intercept and slope of P(outcome) = 1 / (1 + exp(-(intercept + slope * score))), by maximum likelihood.

    Targets are drawn in from 0 and 1 as if one more of each had been seen, so that the fit exists even where the score
    separates the two (Platt 1999, Probabilistic outputs for support vector machines, section 2.2). Newton's method.
    """
    if score.shape != outcome.shape or not outcome.any() or outcome.all():
        raise SampleError("a calibration needs outcomes of both kinds", hint="give scores of good and of bad accounts")
    good, bad = int((~outcome).sum()), int(outcome.sum())
    target = np.where(outcome, (bad + 1) / (bad + 2), 1 / (good + 2))
    centre, scale = float(score.mean()), max(float(score.std()), 1e-9)
    columns = np.stack([np.ones(len(score)), (score - centre) / scale], axis=1)
    weights = np.zeros(2)
    for _ in range(100):
        stated = 1 / (1 + np.exp(-columns @ weights))
        gradient = columns.T @ (target - stated)
        curvature = columns.T @ (columns * (stated * (1 - stated))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights += np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    slope = float(weights[1]) / scale
    return float(weights[0]) - slope * centre, slope


def expected_calibration_error(probability: Floats, outcome: Bools, *, bins: int = 10) -> float:
    """Mean distance of stated from observed over the bins, weighted by accounts.

    Source: Naeini et al. (2015), AAAI, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    table = reliability_table(probability, outcome, bins=bins)
    return sum(row.accounts * abs(row.mean_probability - row.observed) for row in table) / len(probability)


def b_cubed(truth: NDArray[Any], predicted: NDArray[Any], *, of: Bools | None = None) -> BCubed:
    """How pure and how complete the predicted groups are, seen from each account.

    Parameters
    ----------
    truth, predicted
        Shape (accounts,). The true and the predicted group of each account; an account that is in no group
        needs a group of its own.
    of
        Shape (accounts,). Whose view is averaged, everyone's by default; groups are always those of all accounts.

    Examples
    --------
    >>> b_cubed(np.array([1, 1, 2]), np.array([5, 5, 5])).recall
    1.0

    Source: Bagga & Baldwin (1998), doi:10.3115/980845.980859; Amigo et al. (2009),
    doi:10.1007/s10791-008-9066-8.
    """
    if truth.shape != predicted.shape or truth.ndim != 1 or len(truth) == 0:
        raise SampleError(
            f"{truth.shape} true and {predicted.shape} predicted groups do not pair up",
            hint="give each account one true and one predicted group",
        )
    _, true_index = np.unique(truth, return_inverse=True)
    groups, index = np.unique(predicted, return_inverse=True)
    _, cell, cells = np.unique(true_index * len(groups) + index, return_inverse=True, return_counts=True)
    shared = cells[cell].astype(np.float64)
    chosen = slice(None) if of is None else of
    precision = float((shared / np.bincount(index)[index])[chosen].mean())
    recall = float((shared / np.bincount(true_index)[true_index])[chosen].mean())
    return BCubed(precision, recall, 2 * precision * recall / (precision + recall))
