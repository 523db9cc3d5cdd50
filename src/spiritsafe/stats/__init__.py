"""stats: how sure may we be of a number?

In come counts, scores, probabilities and p-values; out come intervals, bounds and adjusted values, with the
paper that each comes from. Four modules: `intervals` (rates, also when accounts share an organisation),
`ranking` (ROC AUC, recall at a precision), `calibration` (Brier, reliability, B-cubed) and `hypotheses`
(permutation tests, false-discovery rate, whether p-values are honest).

Names load on first use, so that importing this package loads neither numpy nor scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spiritsafe.stats.calibration import (
        BCubed,
        ReliabilityBin,
        b_cubed,
        brier_score,
        expected_calibration_error,
        logistic_fit,
        reliability_table,
    )
    from spiritsafe.stats.hypotheses import (
        PermutationTest,
        UniformCheck,
        benjamini_hochberg,
        benjamini_yekutieli,
        equality_test,
        permutation_p_value,
        permutation_test,
        storey,
        uniform_check,
    )
    from spiritsafe.stats.intervals import (
        ClusteredBound,
        Interval,
        SampleError,
        clopper_pearson,
        cluster_bootstrap_rate,
        clustered_interval,
        clustered_upper_bound,
        exact_count,
        precision_at_prevalence,
        rate_ratio,
        wilson,
    )
    from spiritsafe.stats.ranking import OperatingPoint, recall_at_precision, roc_auc

_HOMES: Final = {
    "calibration": (
        "BCubed",
        "ReliabilityBin",
        "b_cubed",
        "brier_score",
        "expected_calibration_error",
        "logistic_fit",
        "reliability_table",
    ),
    "hypotheses": (
        "PermutationTest",
        "UniformCheck",
        "benjamini_hochberg",
        "benjamini_yekutieli",
        "storey",
        "equality_test",
        "permutation_p_value",
        "permutation_test",
        "uniform_check",
    ),
    "intervals": (
        "ClusteredBound",
        "Interval",
        "SampleError",
        "cluster_bootstrap_rate",
        "clustered_interval",
        "clustered_upper_bound",
        "clopper_pearson",
        "exact_count",
        "precision_at_prevalence",
        "rate_ratio",
        "wilson",
    ),
    "ranking": ("OperatingPoint", "recall_at_precision", "roc_auc"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BCubed",
    "ClusteredBound",
    "Interval",
    "OperatingPoint",
    "PermutationTest",
    "ReliabilityBin",
    "SampleError",
    "UniformCheck",
    "b_cubed",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "brier_score",
    "clopper_pearson",
    "cluster_bootstrap_rate",
    "clustered_interval",
    "clustered_upper_bound",
    "equality_test",
    "exact_count",
    "expected_calibration_error",
    "logistic_fit",
    "permutation_p_value",
    "permutation_test",
    "precision_at_prevalence",
    "rate_ratio",
    "recall_at_precision",
    "reliability_table",
    "roc_auc",
    "storey",
    "uniform_check",
    "wilson",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
