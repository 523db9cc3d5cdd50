"""Small tables of acts, as the arrays that `links.confirmation` reads: what the engine makes, made naively."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np

from benchmarks.detection import _planted
from spiritsafe.links.actions import NEIGHBOURS
from spiritsafe.links.ties import Acts, Ties

Act = tuple[int, int, int]


def acts_of(planted: _planted.Planted, *, shuffle: int | None = None) -> list[Act]:
    """(actor, object, second), each actor once on each object; `shuffle` deals the acts out at random."""
    actor = planted.actor if shuffle is None else np.random.default_rng(shuffle).permutation(planted.actor)
    first: dict[tuple[int, int], int] = {}
    for one, thing, second in zip(actor.tolist(), planted.object.tolist(), planted.time_s.tolist(), strict=True):
        first[one, thing] = min(second, first.get((one, thing), second))
    return [(one, thing, second) for (one, thing), second in sorted(first.items())]


def arrays(acts: list[Act], *, timed: bool = True, most_holders: int = 1_000) -> tuple[Ties, Acts]:
    """Acts on shared objects, and their ties."""
    on: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for actor, thing, second in acts:
        on[thing].append((second if timed else 0, actor))
    shared = {thing: sorted(those) for thing, those in on.items() if len(those) >= 2}
    rows = [(actor, thing, len(those), second) for thing, those in shared.items() for second, actor in those]
    held = np.array(rows, dtype=np.int64).reshape(-1, 4)
    ties: list[tuple[int, int, int, int, int, int]] = []
    for thing, those in shared.items():
        if len(those) > most_holders:
            continue
        for here, there in itertools.combinations(range(len(those)), 2):
            near = there - here <= NEIGHBOURS
            half = len(those) // 2
            if near or (there - here == half and half > NEIGHBOURS and here < half):
                (early, one), (late, other) = those[here], those[there]
                ties.append((min(one, other), max(one, other), thing, len(those), late - early, int(near)))
    told = np.array(ties, dtype=np.int64).reshape(-1, 6)
    return (
        Ties(told[:, 0], told[:, 1], told[:, 2], told[:, 3], told[:, 4] if timed else None, told[:, 5] == 1),
        Acts(held[:, 0], held[:, 1], held[:, 2], held[:, 3] if timed else None),
    )
