"""Could it be chance? Permutation tests, many tests at once, and whether p-values are honest.

Comes from statistics and p-values; goes on to `campaigns` (which groups to name at a false-discovery rate),
to `proving.score` (are false alarms spread evenly?) and to its check of our own p-values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spiritsafe.stats.intervals import SampleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """`null` is the hypothesis in words. `p_value` is 1 when there was nothing to test."""

    null: str
    observed: float
    p_value: float
    draws: int


@dataclass(frozen=True, slots=True)
class UniformCheck:
    """Kolmogorov-Smirnov distance of p-values from the uniform.

    `p_two_sided` asks for any departure; `p_too_small` only for p-values smaller than they may be, which is
    the departure that accuses innocents.
    """

    distance: float
    p_two_sided: float
    p_too_small: float
    tests: int


def _check_p(p_values: Floats) -> None:
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise SampleError("a p-value is missing or lies outside [0, 1]", hint="leave out tests not made")


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values: flagging those at most q keeps the false-discovery rate at q or below.

    Holds for independent and positively dependent tests; for any dependence see `benjamini_yekutieli`.

    Parameters
    ----------
    p_values
        Shape (tests,), each in [0, 1].

    Returns
    -------
    Shape (tests,), in the order given.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]

    Source: Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    _check_p(p_values)
    count = len(p_values)
    order = np.argsort(p_values)
    stepped = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return adjusted


def storey(p_values: Floats) -> Floats:
    """q-values: of the tests flagged at most q, so large a share is false, at most and on average.

    As `benjamini_hochberg`, times the share of true nulls, which is estimated from p-values above one half: where
    nearly every test is of something, less has to be allowed for. One is added to their count, so that a handful of
    tests is never taken to be free of nulls.

    Parameters
    ----------
    p_values
        Shape (tests,), each in [0, 1].

    Returns
    -------
    Shape (tests,), in the order given.

    Examples
    --------
    >>> storey(np.array([0.01, 0.02, 0.02, 0.05])).round(3).tolist()
    [0.013, 0.013, 0.013, 0.025]

    Source: Storey (2002), doi:10.1111/1467-9868.00346, with lambda 0.5; one added as in Storey, Taylor & Siegmund
    (2004), doi:10.1111/j.1467-9868.2004.00439.x.
    """
    nulls_share = min(2 * (float((p_values > 0.5).sum()) + 1) / max(len(p_values), 1), 1.0)
    q_values: Floats = nulls_share * benjamini_hochberg(p_values)
    return q_values


def benjamini_yekutieli(p_values: Floats) -> Floats:
    """As `benjamini_hochberg`, but valid whatever the dependence between the tests; costs about ln(tests).

    Source: Benjamini & Yekutieli (2001), doi:10.1214/aos/1013699998.
    """
    harmonic = float((1 / np.arange(1, len(p_values) + 1)).sum())
    return np.minimum(benjamini_hochberg(p_values) * harmonic, 1.0)


def permutation_p_value(observed: float, permuted: Floats) -> float:
    """Share of permuted statistics at least as large, counting the observed one: never 0, and valid.

    Source: Phipson & Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    # Sums in another order differ in the last bit: a tie must count as a tie.
    tie = 1e-9 * max(1.0, abs(observed))
    return float((1 + np.count_nonzero(permuted >= observed - tie)) / (1 + len(permuted)))


def permutation_test(
    statistic: Callable[[NDArray[Any]], float],
    labels: NDArray[Any],
    *,
    null: str,
    strata: NDArray[Any] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> PermutationTest:
    """Is `statistic(labels)` larger than when the labels are dealt out again, inside each stratum?

    Parameters
    ----------
    statistic
        Takes labels of shape (k,) and returns a number; large speaks against the null.
    labels, strata
        Shape (k,). What is permuted, and the blocks inside which it may be.
    null
        The hypothesis in words; it goes into every table that prints the p-value.
    draws, seed
        How many times to deal, and the seed that makes it repeatable.
    """
    blocks = np.zeros(len(labels)) if strata is None else strata
    homes = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    observed = statistic(labels)
    rng = np.random.default_rng(seed)
    permuted, dealt = np.empty(draws), np.empty_like(labels)
    for draw in range(draws):
        for home in homes:
            dealt[home] = rng.permutation(labels[home])
        permuted[draw] = statistic(dealt)
    return PermutationTest(null, observed, permutation_p_value(observed, permuted), draws)


def equality_test(
    events: Bools,
    labels: NDArray[Any],
    *,
    units: NDArray[Any],
    strata: NDArray[Any] | None = None,
    label_name: str = "label",
    draws: int = 2000,
    seed: int = 0,
) -> PermutationTest:
    """Is the event as frequent under every label? Whole units trade labels, inside their stratum.

    The statistic is the sum over labels of (events - expected)**2 / expected, where a stratum's own rate says
    what is expected. A unit whose accounts have several labels counts under its commonest one.

    Parameters
    ----------
    events, labels, units, strata
        Shape (accounts,). `strata` (the kind of customer) is taken as constant inside a unit.
    label_name
        The label in words, for the stated null.
    draws, seed
        How many times to deal, and the seed that makes it repeatable.

    Examples
    --------
    >>> flagged = np.array([True, True, False, False])
    >>> equality_test(flagged, np.array(["a", "a", "b", "b"]), units=np.arange(4)).p_value > 0.05
    True
    """
    null = f"whether an account is flagged has nothing to do with its {label_name}"
    if strata is not None:
        null += ", among accounts of one kind"
    _, unit = np.unique(units, return_inverse=True)
    names, label = np.unique(labels, return_inverse=True)
    kinds = np.zeros(len(unit), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    hits, sizes = np.bincount(unit, weights=events), np.bincount(unit).astype(np.float64)
    votes = np.zeros((len(sizes), len(names)))
    np.add.at(votes, (unit, label), 1)
    kind = np.zeros(len(sizes), np.int64)
    kind[unit] = kinds
    rate = np.bincount(kind, weights=hits) / np.maximum(np.bincount(kind, weights=sizes), 1)
    due = rate[kind] * sizes

    def spread(assigned: NDArray[Any]) -> float:
        seen = np.bincount(assigned, weights=hits, minlength=len(names))
        expected = np.bincount(assigned, weights=due, minlength=len(names))
        some = expected > 0
        return float(((seen[some] - expected[some]) ** 2 / expected[some]).sum())

    own_label = votes.argmax(axis=1)
    if hits.sum() == 0 or len(names) < 2:
        return PermutationTest(null, 0.0, 1.0, 0)
    return permutation_test(spread, own_label, null=null, strata=kind, draws=draws, seed=seed)


def uniform_check(p_values: Floats) -> UniformCheck:
    """Compare p-values of tests whose null was true with the uniform that they should follow.

    Source: Kolmogorov-Smirnov, one- and two-sided, as in scipy.stats.kstest.
    """
    from scipy.stats import kstest

    _check_p(p_values)
    if len(p_values) == 0:
        raise SampleError("no p-values", hint="run the tests on traffic whose null is true first")
    both = kstest(p_values, "uniform")
    small = kstest(p_values, "uniform", alternative="greater")
    return UniformCheck(float(both.statistic), float(both.pvalue), float(small.pvalue), len(p_values))
