"""Lists of different length, laid end to end: where their entries stand.

Comes from sorted arrays and their bounds; goes on to whoever must look at the lists of some rows only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def ranges(begins: Ints, sizes: Ints) -> Ints:
    """`begins[k], begins[k] + 1, ...`, `sizes[k]` of them, one range after the other.

    Examples
    --------
    >>> ranges(np.array([5, 20]), np.array([2, 3])).tolist()
    [5, 6, 20, 21, 22]
    """
    starts = np.cumsum(sizes) - sizes
    every: Ints = np.repeat(begins - starts, sizes) + np.arange(int(sizes.sum()))
    return every
