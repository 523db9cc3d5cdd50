"""P-values beyond the number of draws, from the shape of a permutation distribution.

A thousand draws cannot say less than one in a thousand, and a hundred groups tested at once need less. The tail
beyond the draws is taken from a Pearson III (shifted gamma) distribution with the draws' first three moments.
Comes from permuted statistics; goes on to whoever tests.

Source: Winkler, Ridgway, Douaud, Nichols & Smith (2016), Faster permutation inference in brain imaging, NeuroImage
141, doi:10.1016/j.neuroimage.2016.05.068, section "Tail and gamma approximations".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALLEST: Final = 1e-6
"""No fitted tail is believed below this: three moments of a thousand draws do not know more."""

FROM: Final = 0.02
"""The draws speak for themselves down to this; the fitted tail only below."""


def permuted_tail(standardised: float, null: Floats, *, ranked: float) -> float:
    """P(a draw is as large), by rank where draws suffice and by a fitted tail beyond.

    Parameters
    ----------
    standardised
        The observed statistic, in standard deviations of the null from its mean.
    null
        Shape (draws,). The permuted statistics, in any unit. Where they are all alike there is no tail to fit.
    ranked
        Its p-value by rank among the draws.

    Returns
    -------
    Between `SMALLEST` and 1; never below what the fitted tail says.

    Examples
    --------
    >>> null = np.random.default_rng(0).normal(size=999)
    >>> permuted_tail(0.0, null, ranked=0.51)
    0.51
    >>> 1e-6 <= permuted_tail(6.0, null, ranked=0.001) < 1e-5
    True
    """
    if null.std() <= 0:
        return ranked
    # What was taken off for strangers counts even where the draws suffice.
    fitted = _pearson_three(standardised, null)
    return max(ranked, fitted) if ranked > FROM else max(fitted, SMALLEST)


def _pearson_three(standardised: float, null: Floats) -> float:
    skew = float(np.mean(((null - null.mean()) / null.std()) ** 3))
    if skew < 0.05:
        return 0.5 * math.erfc(standardised / math.sqrt(2))
    shape = 4 / skew**2
    from scipy.special import gammaincc

    return float(gammaincc(shape, max(shape + standardised * math.sqrt(shape), 0.0)))


def bits_of(p_value: float) -> float:
    """The most that a p-value can say against its null, in bits: 0 from 1/e on.

    The upper bound of the Bayes factor over a wide class of alternatives, so never more than the data say.

    Examples
    --------
    >>> round(bits_of(0.001), 1), bits_of(0.5)
    (5.7, 0.0)

    Source: Sellke, Bayarri & Berger (2001), Calibration of p values, doi:10.1198/000313001300339950.
    """
    if p_value >= 1 / math.e:
        return 0.0
    return -math.log2(-math.e * p_value * math.log(p_value))
