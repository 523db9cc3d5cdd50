"""Tables in which we know who acts as one: rings among strangers, and strangers of one taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

DAY_S = 86_400


@dataclass(frozen=True)
class Planted:
    """Acts by number, and how many of the first actors are the ring."""

    actor: Ints
    object: Ints
    time_s: Ints
    ring: int = 0

    def table(self, *, timed: bool = True, shuffle: int | None = None) -> pa.Table:
        """`actor`, `object` and, if `timed`, `time`. `shuffle` deals the acts to the actors at random."""
        actor = self.actor if shuffle is None else np.random.default_rng(shuffle).permutation(self.actor)
        columns = {"actor": pa.array(actor), "object": pa.array(self.object + 10_000_000)}
        if timed:
            columns["time"] = pa.array((self.time_s + 1_700_000_000) * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
        return pa.table(columns)


def ring(seed: int, *, actors: int = 2000, size: int = 30, each: int = 15, pool: int = 40, start: int = 100) -> Planted:
    """Strangers who take objects as popular as they come, and a ring that shares `pool` objects among them.

    Each ring member also takes what a stranger takes. Its `each` acts are within half an hour of the others' on
    the same object. Objects are ranked by popularity; the pool begins at rank `start`.
    """
    random = np.random.default_rng(seed)
    objects = 1500
    popular = 1 / np.arange(1, objects + 1) ** 0.8
    popular /= popular.sum()
    actor: list[Ints] = []
    object_: list[Ints] = []
    time: list[Ints] = []
    for number in range(actors):
        taken = np.unique(random.choice(objects, random.geometric(1 / 8), p=popular))
        actor.append(np.full(len(taken), number))
        object_.append(taken)
        time.append(random.integers(0, 30 * DAY_S, len(taken)))
    for number in range(size):
        taken = random.choice(np.arange(start, start + pool), each, replace=False)
        actor.append(np.full(each, number))
        object_.append(taken)
        time.append(10 * DAY_S + (taken - start) * 3600 + random.integers(0, 1800, each))
    return Planted(np.concatenate(actor), np.concatenate(object_), np.concatenate(time), size)


def fans(seed: int, *, tastes: int = 20, each: int = 100, fashion_days: float = 0.0) -> Planted:
    """Strangers, each of one of several tastes: every taste has 75 objects of its own. Nobody acts with anybody.

    With `fashion_days`, each object has a day on which it appears, and is taken about so many days after it.
    """
    random = np.random.default_rng(seed)
    objects = 75
    popular = 1 / np.arange(1, objects + 1) ** 0.7
    popular /= popular.sum()
    actor: list[Ints] = []
    object_: list[Ints] = []
    time: list[Ints] = []
    for taste in range(tastes):
        born = random.integers(0, 30 * DAY_S, objects)
        for number in range(each):
            count = min(int(random.geometric(1 / 10)), objects)
            taken = np.unique(random.choice(objects, count, p=popular))
            actor.append(np.full(len(taken), taste * each + number))
            object_.append(taken + taste * objects)
            later = random.exponential(max(fashion_days, 1e-9) * DAY_S, len(taken)).astype(np.int64)
            anytime = random.integers(0, 30 * DAY_S, len(taken))
            time.append(np.minimum(born[taken] + later, 30 * DAY_S) if fashion_days else anytime)
    return Planted(np.concatenate(actor), np.concatenate(object_), np.concatenate(time))


def beside(one: Planted, other: Planted) -> Planted:
    """Both in one table, with actors and objects of their own; the ring is `one`'s."""
    return Planted(
        np.concatenate([one.actor, other.actor + one.actor.max() + 1]),
        np.concatenate([one.object, other.object + one.object.max() + 1]),
        np.concatenate([one.time_s, other.time_s]),
        one.ring,
    )
