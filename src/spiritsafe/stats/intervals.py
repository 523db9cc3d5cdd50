"""How far the true rate may be from the rate we saw, also when accounts are not independent.

Fifty accounts of one company are one observation when a detector takes offence at the company, so a bound on
a false-positive rate counts organisations before it counts accounts. Comes from counts; goes on to
`proving.score` and to every page that states a rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class SampleError(InputError):
    """Counts, scores or labels from which the asked-for statistic cannot be computed."""

    code = "stats.sample"


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the interval around it. `value` is NaN when nothing was seen."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClusteredBound:
    """A rate among accounts that come in units (organisations), with its one-sided upper bound.

    `upper` is the one to claim: the largest of `upper_units`, `upper_design_effect` and `upper_bootstrap`.
    `upper_if_independent` is what one would claim by wrongly taking every account for an observation.
    """

    rate: float
    upper: float
    events: int
    accounts: int
    units: int
    units_with_events: int
    effective_units: float
    design_effect: float
    upper_units: float
    upper_design_effect: float
    upper_bootstrap: float
    upper_if_independent: float
    confidence: float


def _check_counts(successes: float, trials: float, confidence: float) -> None:
    if not (0 <= successes <= trials) or not np.isfinite(trials):
        raise SampleError(
            f"{successes} successes in {trials} trials cannot be",
            hint="count successes among the trials: 0 <= successes <= trials",
        )
    if not 0 < confidence < 1:
        raise SampleError(f"confidence {confidence} is not inside (0, 1)", hint="use 0.95 for 95 %")


def wilson(successes: float, trials: float, *, confidence: float = 0.95) -> Interval:
    """Two-sided score interval for a rate of independent trials; keeps its level well on average.

    Examples
    --------
    >>> wilson(0, 10)
    Interval(value=0.0, low=0.0, high=0.2775...)

    Source: Wilson (1927), doi:10.1080/01621459.1927.10502953.
    """
    from scipy.special import ndtri

    _check_counts(successes, trials, confidence)
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    rate = successes / trials
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == trials else min(1.0, float(centre + half))
    return Interval(rate, low, high)


def clopper_pearson(
    successes: float,
    trials: float,
    *,
    confidence: float = 0.95,
    side: Literal["both", "upper", "lower"] = "both",
) -> Interval:
    """Exact interval for a rate of independent trials: never covers less often than it says.

    Counts may be fractions (an effective sample size); then the beta quantiles are used as they stand.
    `side="upper"` puts all the error on the upper end and returns 0 as the lower one; `lower` the reverse.

    Examples
    --------
    >>> round(clopper_pearson(0, 3000, side="upper").high, 6)
    0.000998

    Source: Clopper & Pearson (1934), doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    _check_counts(successes, trials, confidence)
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    error = (1 - confidence) / 2 if side == "both" else 1 - confidence
    low, high = 0.0, 1.0
    if side != "upper" and successes > 0:
        low = float(betaincinv(successes, trials - successes + 1, error))
    if side != "lower" and successes < trials:
        high = float(betaincinv(successes + 1, trials - successes, 1 - error))
    return Interval(successes / trials, low, high)


def exact_count(successes: int, drawn: int, population: int, *, confidence: float = 0.95) -> Interval:
    """Exact interval for how many of a population have a trait, when `drawn` were drawn at random without replacement.

    Never covers less often than it says, and closes on the truth as the whole population is looked at.

    Examples
    --------
    >>> exact_count(0, 50, 1000), exact_count(3, 5, 5)
    (Interval(value=0.0, low=0.0, high=69.0), Interval(value=3.0, low=3.0, high=3.0))

    Source: Konijn (1973), Statistical Theory of Sample Survey Design and Analysis; the hypergeometric tails of Clopper
    and Pearson's argument.
    """
    _check_counts(successes, drawn, confidence)
    _check_counts(drawn, population, confidence)
    error = (1 - confidence) / 2
    least, most = successes, population - (drawn - successes)
    if not drawn:
        return Interval(float("nan"), 0.0, float(population))
    low = least if successes == 0 else _first(least, most, _above(successes, drawn, population, error))
    # Those without the trait mirror those that have it.
    fewest = population - most
    without = drawn - successes
    other = fewest if without == 0 else _first(fewest, population - least, _above(without, drawn, population, error))
    return Interval(population * successes / drawn, float(low), float(population - other))


def _above(successes: int, drawn: int, population: int, error: float) -> Callable[[int], bool]:
    return lambda marked: _tail(successes, drawn, marked, population) > error


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number from `low` to `high` of which it holds, given that it holds from some number on."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _tail(successes: int, drawn: int, marked: int, population: int) -> float:
    """P(at least so many of the drawn are marked), hypergeometric."""
    from scipy.special import gammaln

    def choose(of: Any, some: Any) -> Any:
        return gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)

    first = max(successes, drawn - (population - marked))
    found = np.arange(first, min(drawn, marked) + 1, dtype=np.float64)
    parts = choose(marked, found) + choose(population - marked, drawn - found) - choose(population, drawn)
    return float(np.exp(parts).sum())


def _by_unit(events: Bools, units: NDArray[Any]) -> tuple[Floats, Floats]:
    """Events and accounts of each unit, each of shape (units,)."""
    if events.shape != units.shape or events.ndim != 1 or len(events) == 0:
        raise SampleError(
            f"{events.shape} events and {units.shape} units do not pair up",
            hint="give one event flag and one unit an account, at least one account",
        )
    _, index = np.unique(units, return_inverse=True)
    ones = np.ones(len(index))
    return _sums(index, events.astype(np.float64)), _sums(index, ones)


def _sums(index: NDArray[np.intp], values: Floats) -> Floats:
    return np.bincount(index, weights=values).astype(np.float64)


def rate_ratio(
    events: int, exposure: float, other_events: int, other_exposure: float, *, confidence: float = 0.95
) -> Interval:
    """How many times as high one rate is as another: of rare events, exact given how many there were in all.

    Parameters
    ----------
    events, exposure
        What was counted, and how much could have been (trials, or the number that was to be expected).
    other_events, other_exposure
        The same for the rate that it is compared with.
    confidence
        Of the two-sided interval.

    Returns
    -------
    The ratio; infinite, or not a number, where the other rate is 0. Between 0 and infinity when nothing is known.

    Examples
    --------
    >>> rate_ratio(10, 100, 10, 200).value
    2.0

    Source: Przyborowski & Wilenski (1940), doi:10.1093/biomet/31.3-4.313: given their sum, one of two Poisson counts is
    binomial, with odds that are the ratio of the rates times that of the exposures.
    """
    known = clopper_pearson(events, events + other_events, confidence=confidence)
    if exposure <= 0 or other_exposure <= 0:
        return Interval(float("nan"), 0.0, float("inf"))

    def ratio(share: float) -> float:
        return float("inf") if share == 1 else share / (1 - share) * other_exposure / exposure

    return Interval(ratio(known.value), ratio(known.low), ratio(known.high))


def cluster_bootstrap_rate(
    events: Bools, units: NDArray[Any], *, confidence: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """Two-sided percentile interval for a rate, resampling whole units.

    Parameters
    ----------
    events, units
        Shape (accounts,). Whether the event happened to the account, and the unit it belongs to.
    confidence, draws, seed
        Level, how many resamples, and the seed that makes them repeatable.

    Too narrow when few units had an event, and says nothing when none had: see `clustered_upper_bound`.
    """
    rates = _bootstrap_rates(*_by_unit(events, units), draws=draws, seed=seed)
    error = (1 - confidence) / 2
    low, high = np.quantile(rates, [error, 1 - error])
    return Interval(float(events.mean()), float(low), float(high))


def _bootstrap_rates(hits: Floats, sizes: Floats, *, draws: int, seed: int) -> Floats:
    """Shape (draws,). The account rate in samples of whole units, drawn with replacement."""
    # Units with equal counts are interchangeable: it is enough to draw how many of each sort there are.
    sorts, many = np.unique(np.column_stack([hits, sizes]), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(hits), many / len(hits), size=draws)
    rates: Floats = (counts @ sorts[:, 0]) / (counts @ sorts[:, 1])
    return rates


def clustered_upper_bound(
    events: Bools, units: NDArray[Any], *, confidence: float = 0.95, draws: int = 2000, seed: int = 0
) -> ClusteredBound:
    """One-sided upper bound for a rate among accounts whose units, not themselves, are independent.

    Three bounds are computed and the largest is claimed:

    - *units*: the exact bound with units as trials. With no event in m units it is `1 - error**(1/m)`. It
      holds whatever the correlation inside a unit: if a unit's accounts have the event at rate R with mean p,
      then P(no event in it) = E[(1 - R)**n] <= 1 - p. With events the rate is spread over the effective
      number of units (Kish), so that seeing one event can never make the bound smaller than seeing none.
    - *design effect*: the exact bound on an effective number of accounts, from the linearised variance.
    - *bootstrap*: the percentile of the rate over resampled units.

    Parameters
    ----------
    events, units
        Shape (accounts,). Whether the event happened to the account, and the unit it belongs to.
    confidence, draws, seed
        Level, how many resamples, and the seed that makes them repeatable.

    Raises
    ------
    SampleError
        No account, or shapes that differ.

    Source: Kish (1965), Survey Sampling, ch. 5 and 8; Korn & Graubard (1998), Survey Methodology 24(2).
    """
    hits, sizes = _by_unit(events, units)
    accounts, count = float(sizes.sum()), int(hits.sum())
    rate = count / accounts
    effective_units = accounts**2 / float((sizes**2).sum())
    upper_units = clopper_pearson(rate * effective_units, effective_units, confidence=confidence, side="upper").high
    effect = _design_effect(hits, sizes)
    upper_design = clopper_pearson(count / effect, accounts / effect, confidence=confidence, side="upper").high
    upper_bootstrap = float(np.quantile(_bootstrap_rates(hits, sizes, draws=draws, seed=seed), confidence))
    return ClusteredBound(
        rate=rate,
        upper=max(upper_units, upper_design, upper_bootstrap),
        events=count,
        accounts=int(accounts),
        units=len(hits),
        units_with_events=int((hits > 0).sum()),
        effective_units=effective_units,
        design_effect=effect,
        upper_units=upper_units,
        upper_design_effect=upper_design,
        upper_bootstrap=upper_bootstrap,
        upper_if_independent=clopper_pearson(count, accounts, confidence=confidence, side="upper").high,
        confidence=confidence,
    )


def clustered_interval(events: Bools, units: NDArray[Any], *, confidence: float = 0.95) -> Interval:
    """Two-sided exact interval for a rate among accounts whose units (campaigns, organisations) are independent.

    The exact interval on an effective number of accounts: accounts over the design effect, less what is lost by
    estimating the variance from few units. Where all or no accounts had the event, or there is one unit, nothing
    can be estimated and units count as trials.

    Parameters
    ----------
    events, units
        Shape (accounts,). Whether the event happened to the account, and the unit it belongs to.
    confidence
        Level of the interval.

    Source: Korn & Graubard (1998), Survey Methodology 24(2), 193-201.
    """
    from scipy.special import stdtrit

    hits, sizes = _by_unit(events, units)
    accounts, count = float(sizes.sum()), float(hits.sum())
    independent = accounts**2 / float((sizes**2).sum())
    if len(sizes) > 1 and 0 < count < accounts:
        tail = 0.5 + confidence / 2
        shrink = (stdtrit(accounts - 1, tail) / stdtrit(len(sizes) - 1, tail)) ** 2
        independent = min(accounts, accounts / _design_effect(hits, sizes) * float(shrink))
    found = clopper_pearson(count / accounts * independent, independent, confidence=confidence)
    return Interval(count / accounts, found.low, found.high)


def _design_effect(hits: Floats, sizes: Floats) -> float:
    """How many times larger the variance is than that of as many independent accounts; at least 1."""
    accounts, units = float(sizes.sum()), len(hits)
    rate = float(hits.sum()) / accounts
    if units < 2 or not 0 < rate < 1:
        return 1.0
    variance = units / (units - 1) * float(((hits - rate * sizes) ** 2).sum()) / accounts**2
    return max(1.0, variance / (rate * (1 - rate) / accounts))


def precision_at_prevalence(recall: Interval, false_positive_rate: Interval, prevalence: float) -> Interval:
    """Precision if campaign accounts were this share of all accounts, not the share in the test.

    The interval joins the worst recall with the worst false-positive rate and the best with the best. Give it
    97.5 % intervals for at least 95 % (Bonferroni). Precision is NaN when nothing was flagged at all.

    Examples
    --------
    >>> point = precision_at_prevalence(Interval(0.9, 0.8, 0.95), Interval(0.001, 0.0, 0.002), 0.01)
    >>> round(point.value, 3), round(point.low, 3), point.high
    (0.901, 0.802, 1.0)
    """
    if not 0 < prevalence < 1:
        raise SampleError(f"prevalence {prevalence} is not inside (0, 1)", hint="use 0.01 for 1 %")

    def precision(hit_rate: float, alarm_rate: float) -> float:
        right, wrong = prevalence * hit_rate, (1 - prevalence) * alarm_rate
        return right / (right + wrong) if right + wrong > 0 else float("nan")

    low = precision(recall.low, false_positive_rate.high)
    high = precision(recall.high, false_positive_rate.low)
    return Interval(
        precision(recall.value, false_positive_rate.value),
        0.0 if np.isnan(low) else low,
        1.0 if np.isnan(high) else high,
    )
