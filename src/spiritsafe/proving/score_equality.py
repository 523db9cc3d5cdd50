"""Are innocents flagged as often whatever their country, their language, and whether they come through a VPN?

Comes from `score_scan.Judged`; goes on to `score.Scorecard`. Two answers: a permutation test (could these differences
be chance?), and for each label how many times as often as everyone else its organisations are flagged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from spiritsafe.stats import PermutationTest, equality_test, rate_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.score_scan import Judged

    Strings = NDArray[np.str_]

Outcome = Literal["accused", "grouped"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("accused", "grouped")
LABELS: Final = ("country", "language", "vpn")

RATIO_LIMIT: Final = 1.5
"""No label's innocents should be flagged more than so many times as often as everybody else's."""


class LabelRate(msgspec.Struct, frozen=True, kw_only=True):
    """Innocents under one label. `ratio` is how many times as often as under all other labels an organisation of it has
    a flagged account, kinds of customer made equal; None where no organisation of any other label has one. None as the
    upper end means that nothing bounds it."""

    name: str
    accounts: int
    flagged: int
    organisations: int
    organisations_flagged: int
    ratio: float | None
    ratio_low: float
    ratio_high: float | None


class Equality(msgspec.Struct, frozen=True, kw_only=True):
    """Are innocents flagged as often whatever their label?

    The intervals of all labels' ratios hold together with 95 % (Bonferroni). `beyond` names the labels whose interval
    lies above `RATIO_LIMIT` as a whole.
    """

    label: str
    outcome: Outcome
    rates: tuple[LabelRate, ...]
    beyond: tuple[str, ...]
    test: PermutationTest


def equality(judged: Judged, label: str, outcome: Outcome, *, seed: int) -> Equality:
    """Compare the labels of innocents.

    Parameters
    ----------
    judged
        Truth and finding.
    label, outcome
        One of `LABELS`, one of `OUTCOMES`.
    seed
        Of the permutations.
    """
    innocent = ~judged.truth.guilty
    labels = getattr(judged.truth, label)[innocent].astype(str)
    flagged = getattr(judged, outcome)[innocent]
    units, kinds = judged.truth.unit[innocent].astype(str), judged.truth.kind[innocent].astype(str)
    rates = _rates(flagged, labels, units, kinds)
    return Equality(
        label=label,
        outcome=outcome,
        rates=rates,
        beyond=tuple(rate.name for rate in rates if rate.ratio_low > RATIO_LIMIT),
        test=equality_test(flagged, labels, units=units, strata=kinds, label_name=label, seed=seed),
    )


def _rates(flagged: NDArray[np.bool_], labels: Strings, units: Strings, kinds: Strings) -> tuple[LabelRate, ...]:
    """Of each label. An organisation counts once, under the label that most of its accounts have."""
    names, label = np.unique(labels, return_inverse=True)
    _, unit = np.unique(units, return_inverse=True)
    _, kind = np.unique(kinds, return_inverse=True)
    votes = np.zeros((unit.max() + 1, len(names)))
    np.add.at(votes, (unit, label), 1)
    own = votes.argmax(axis=1)
    hit = np.bincount(unit, weights=flagged) > 0
    of_kind = np.zeros(len(hit), np.int64)
    of_kind[unit] = kind
    due = (np.bincount(of_kind, weights=hit) / np.maximum(np.bincount(of_kind), 1))[of_kind]
    rates = []
    for place, name in enumerate(names):
        inside = own == place
        ratio = rate_ratio(
            int(hit[inside].sum()),
            float(due[inside].sum()),
            int(hit[~inside].sum()),
            float(due[~inside].sum()),
            confidence=1 - 0.05 / len(names),
        )
        rates.append(
            LabelRate(
                name=str(name),
                accounts=int((label == place).sum()),
                flagged=int(flagged[label == place].sum()),
                organisations=int(inside.sum()),
                organisations_flagged=int(hit[inside].sum()),
                ratio=ratio.value if math.isfinite(ratio.value) else None,
                ratio_low=ratio.low,
                ratio_high=ratio.high if math.isfinite(ratio.high) else None,
            )
        )
    return tuple(rates)
