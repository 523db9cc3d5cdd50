"""Counts that fade: how often in the last hour, exactly, for as many keys as there is room for.

A count falls by the factor e in each time constant, in event time; that is exact and takes two numbers a key. Of more
keys than there is room for, those that were counted longest ago are forgotten. Comes from `guard.deciding`; keeps
budgets of campaigns, and rates of accounts and fingerprints.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")

HOUR_US: Final = 3_600_000_000


class FadingCounts(Generic[K]):
    """Exponentially fading counts by key.

    Parameters
    ----------
    constant_us
        Time in which a count falls to 1/e. A steady rate of r in that time holds the count at r.
    most
        Keys that are kept.

    Examples
    --------
    >>> counts = FadingCounts(constant_us=HOUR_US, most=10)
    >>> [round(counts.add("a", at * HOUR_US), 2) for at in (0, 0, 1)]
    [1.0, 2.0, 1.74]
    """

    def __init__(self, *, constant_us: int = HOUR_US, most: int) -> None:
        self._constant_us = constant_us
        self._most = most
        self._counts: OrderedDict[K, tuple[float, int]] = OrderedDict()
        self._owed: dict[K, float] = {}
        self._shared = False

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: K, at_us: int, amount: float = 1.0) -> float:
        """Count once more at a time; the count then. A time before the last one counts as the last one."""
        counted, last_us = self._counts.pop(key, (0.0, at_us))
        if at_us > last_us:
            counted *= math.exp((last_us - at_us) / self._constant_us)
        else:
            at_us = last_us
        self._counts[key] = (counted + amount, at_us)
        if self._shared:
            self.owe(key, amount)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return counted + amount

    def count(self, key: K, at_us: int) -> float:
        """The count at a time."""
        counted, last_us = self._counts.get(key, (0.0, at_us))
        return counted * math.exp((last_us - at_us) / self._constant_us) if at_us > last_us else counted

    def wait_us(self, key: K, at_us: int, below: float) -> int:
        """How long until the count is below a number; 0 where it is."""
        counted = self.count(key, at_us)
        if counted < below:
            return 0
        return math.ceil(self._constant_us * math.log(counted / below)) if below > 0 else self._constant_us

    def absorb(self, key: K, counted: float, at_us: int) -> None:
        """Take over a count that was made elsewhere, with what was counted here and not told of yet."""
        self._counts[key] = (counted + self._owed.get(key, 0.0), at_us)
        self._counts.move_to_end(key)

    def share(self) -> None:
        """From here on remember what is counted, until it was told of (`spent`)."""
        self._shared = True

    def spent(self, most: int) -> dict[K, float]:
        """What was counted since it was last told of, and 0 for others that were counted last: `most` keys in all."""
        owed, self._owed = self._owed, {}
        for key in itertools.islice(reversed(self._counts), max(most - len(owed), 0)):
            owed.setdefault(key, 0.0)
        return owed

    def owe(self, key: K, amount: float) -> None:
        """What was to be told of could not be: keep it for the next time."""
        if amount:
            self._owed[key] = self._owed.get(key, 0.0) + amount

    def items(self) -> Iterator[tuple[K, float, int]]:
        """Each key with its count and when it was last counted, longest ago first."""
        for key, (counted, last_us) in self._counts.items():
            yield key, counted, last_us
