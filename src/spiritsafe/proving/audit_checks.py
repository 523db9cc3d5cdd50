"""Is one number enough to tell campaign accounts from innocent ones?

Each column or aggregate is cut into the values and ranges seen in world A; how often a range was guilty there is
the score in world B. That finds a fixed value, a missing value and a narrow band as well as a high or low
level. Comes from `audit_rows`, `audit_accounts`, `audit_language`; goes on to `audit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.audit_world import AuditWorld

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

AUC_LIMIT: Final = 0.99
RECALL_LIMIT: Final = 0.5
AT_PRECISION: Final = 0.99
# Ways of looking, from the plainest to the cleverest: the plainest tell is the one to mend first.
KINDS: Final = ("column", "aggregate", "commonness", "perplexity", "pair", "words", "rows together", "boosting")
ATOMS: Final = 128  # exact values and cut points a column
FEWEST: Final = 25  # accounts of each class, in each world, below which a cell is not judged


@dataclass(frozen=True, slots=True)
class Cell:
    """Which accounts are to be told from which: `positives` from `negatives`, in both worlds.

    The arrays have shape (accounts,) of world A and world B; accounts in neither class are left out.
    """

    positives: str
    negatives: str
    guilty_a: Bools
    innocent_a: Bools
    guilty_b: Bools
    innocent_b: Bools

    @property
    def name(self) -> str:
        return f"{self.positives} against {self.negatives}"

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Guilty and innocent accounts of world A, then of world B."""
        every = (self.guilty_a, self.innocent_a, self.guilty_b, self.innocent_b)
        a, b, c, d = (int(mask.sum()) for mask in every)
        return a, b, c, d


@dataclass(frozen=True, slots=True)
class Check:
    """How well one way of looking did in world B, having been trained in world A."""

    check: str
    name: str
    positives: str
    negatives: str
    auc: float
    recall: float

    @property
    def leaks(self) -> bool:
        """Whether it passes a limit that no honest world lets it pass."""
        return self.auc >= AUC_LIMIT or self.recall >= RECALL_LIMIT


def make_cells(a: AuditWorld, b: AuditWorld, *, stealth: int) -> tuple[list[Cell], list[Cell]]:
    """The cells to judge, and those with too few accounts to judge.

    All campaign accounts at `stealth` or above, and each level alone; each against all innocents and against
    honest developers alone, who are the closest to a campaign's accounts.
    """
    levels = sorted({int(level) for world in (a, b) for level in world.truth.stealth if level >= stealth})
    guilty = {f"stealth {stealth} and above": (stealth, 127)}
    guilty |= {f"stealth {level}": (level, level) for level in levels if len(levels) > 1}
    judged: list[Cell] = []
    skipped: list[Cell] = []
    for positives, (low, high) in guilty.items():
        for negatives in ("all innocents", "developers"):
            masks = [_masks(world, low, high, developers=negatives == "developers") for world in (a, b)]
            cell = Cell(positives, negatives, *masks[0], *masks[1])
            (judged if min(cell.sizes) >= FEWEST else skipped).append(cell)
    return judged, skipped


def _masks(world: AuditWorld, low: int, high: int, *, developers: bool) -> tuple[Bools, Bools]:
    truth = world.truth
    guilty = truth.guilty & (truth.stealth >= low) & (truth.stealth <= high)
    innocent = ~truth.guilty
    if developers:
        innocent &= truth.kind == "developer"
    return guilty, innocent


@dataclass(frozen=True, slots=True)
class Binned:
    """A number in both worlds as the number of its bin; bins come from world A alone. The last bin is null."""

    name: str
    bins: int
    a: Ints
    b: Ints


def bin_number(name: str, a: Floats, b: Floats) -> Binned:
    """Cut a number at world A's commonest values and quantiles.

    A value that equals a cut point has a bin of its own, so that "always exactly 0.7" is seen.
    """
    finite = a[~np.isnan(a)]
    distinct, counts = np.unique(finite, return_counts=True)
    if len(distinct) > ATOMS:
        heavy = distinct[counts > 2 * len(finite) / ATOMS]
        quantiles = np.quantile(distinct, np.linspace(0, 1, ATOMS // 4), method="nearest")
        ranks = np.quantile(finite, np.linspace(0, 1, ATOMS // 2), method="nearest")
        distinct = np.unique(np.concatenate([heavy, quantiles, ranks]))

    def place(values: Floats) -> Ints:
        at = np.searchsorted(distinct, values)
        exact = (at < len(distinct)) & (distinct[np.minimum(at, max(0, len(distinct) - 1))] == values)
        return np.where(np.isnan(values), 2 * len(distinct) + 1, 2 * at + exact).astype(np.int64)

    if len(distinct) == 0:
        return Binned(name, 2, np.ones(len(a), np.int64), (np.isnan(b)).astype(np.int64))
    return Binned(name, 2 * len(distinct) + 2, place(a), place(b))


def judge_number(
    number: Binned, guilty_a: Bools, innocent_a: Bools, guilty_b: Bools, innocent_b: Bools
) -> tuple[float, float]:
    """AUC, and recall at the demanded precision, in world B: the better of two scores learnt in world A.

    The scores are how guilty the bin was (any shape), and the bin's place (high or low, as it was in A).
    """

    def histogram(codes: Ints, mask: Bools) -> Floats:
        return np.bincount(codes[mask], minlength=number.bins).astype(np.float64)

    guilty, innocent = histogram(number.a, guilty_a), histogram(number.a, innocent_a)
    prior = guilty.sum() / (guilty.sum() + innocent.sum())
    rate = (guilty + 2 * prior) / (guilty + innocent + 2)
    place = np.arange(number.bins, dtype=np.float64)
    place[-1] = -1.0
    if _area(place, guilty, innocent) < 0.5:
        place = -place
    guilty_b_, innocent_b_ = histogram(number.b, guilty_b), histogram(number.b, innocent_b)
    areas = [_area(score, guilty_b_, innocent_b_) for score in (rate, place)]
    recalls = [_recall(score, guilty_b_, innocent_b_) for score in (rate, place)]
    return max(areas), max(recalls)


def _by_score(score: Floats, *counts: Floats) -> list[Floats]:
    """Counts summed over equal scores, from the lowest score to the highest."""
    _, level = np.unique(score, return_inverse=True)
    return [np.bincount(level, weights=count).astype(np.float64) for count in counts]


def _area(score: Floats, guilty: Floats, innocent: Floats) -> float:
    hits, misses = _by_score(score, guilty, innocent)
    below = np.cumsum(misses) - misses
    return float((hits * (below + misses / 2)).sum() / (hits.sum() * misses.sum()))


def _recall(score: Floats, guilty: Floats, innocent: Floats) -> float:
    hits, misses = (np.cumsum(counts[::-1]) for counts in _by_score(score, guilty, innocent))
    enough = hits >= AT_PRECISION * (hits + misses)
    return float(hits[enough].max(initial=0.0) / hits[-1])


def check_accounts(kind: str, numbers: Sequence[Binned], cells: Sequence[Cell]) -> list[Check]:
    """Every number against every cell, one entry each."""
    return [
        Check(
            kind,
            number.name,
            cell.positives,
            cell.negatives,
            *judge_number(number, cell.guilty_a, cell.innocent_a, cell.guilty_b, cell.innocent_b),
        )
        for number in numbers
        for cell in cells
    ]


def check_rows(numbers: Sequence[Binned], cells: Sequence[Cell], a: AuditWorld, b: AuditWorld) -> list[Check]:
    """Every raw column, row by row: exchanges that a distiller sent against those of innocent accounts."""
    found = []
    for cell in cells:
        masks = [
            mask
            for world, guilty, innocent in (
                (a, cell.guilty_a, cell.innocent_a),
                (b, cell.guilty_b, cell.innocent_b),
            )
            for mask in (guilty[world.account] & world.sent_by_campaign, innocent[world.account])
        ]
        if not all(mask.any() for mask in masks):
            continue
        found += [
            Check("column", number.name, cell.positives, cell.negatives, *judge_number(number, *masks))
            for number in numbers
        ]
    return found
