"""How long decisions took, in classes, as Prometheus' histograms have it. Comes from the doors; goes on to the
metrics."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (0.00005, 0.0001, 0.0002, 0.0004, 0.0006, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25)


class Timing:
    """Counts of times by class.

    Examples
    --------
    >>> timing = Timing()
    >>> timing.add(0.00015)
    >>> timing.cumulative()[0][2]
    ('0.0002', 1.0)
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._total_s = 0.0

    def add(self, took_s: float) -> None:
        """One more took so long."""
        self._counts[bisect_left(BOUNDS_S, took_s)] += 1
        self._total_s += took_s

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """Upper bounds with how many took so long at most, and the sum of all."""
        told, so_far = [], 0
        for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], self._counts, strict=True):
            so_far += count
            told.append((bound, float(so_far)))
        return told, self._total_s
