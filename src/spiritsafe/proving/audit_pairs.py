"""Which two habits give a campaign away together, though neither does alone?

Trees look for one good split at a time, and a pure exclusive-or offers none. So every pair is tried at once: the
correlation of guilt with the product of two standardised habits is three matrix products away. The best pairs
become features for the boosting. Comes from `audit_models.Matrix`; goes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MOST_PAIRS: Final = 40
MOST_HABITS: Final = 600
ROWS_SEARCHED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Habits:
    """Numbers as yes or no, standardised: is it there, is it above the median of world A?

    `of` says which column and which question each habit comes from; `middle` and `spread` are world A's.
    """

    of: tuple[tuple[int, str], ...]
    cut: Floats
    middle: Floats
    spread: Floats

    def values(self, features: Floats) -> Floats:
        """Shape (rows, habits), standardised as in world A."""
        asked = np.empty((len(features), len(self.of)))
        for place, (column, question) in enumerate(self.of):
            value = features[:, column]
            asked[:, place] = np.isnan(value) if question == "missing" else value > self.cut[place]
        return (asked - self.middle) / self.spread


def learn_habits(features: Floats) -> Habits:
    """Questions that world A's rows answer differently. `features` has shape (rows, columns), NaN for missing."""
    questions: list[tuple[int, str]] = []
    cuts: list[float] = []
    for column in range(features.shape[1]):
        value = features[:, column]
        there = value[~np.isnan(value)]
        if len(there) < len(value):
            questions.append((column, "missing"))
            cuts.append(0.0)
        if len(there) and there.min() < there.max():
            middle = float(np.median(there))
            questions.append((column, "above"))
            cuts.append(middle if middle < there.max() else float(there[there < middle].max()))
    raw = Habits(tuple(questions), np.array(cuts), np.zeros(len(cuts)), np.ones(len(cuts)))
    answers = raw.values(features)
    spread = answers.std(axis=0)
    kept = np.flatnonzero(spread > 0.02)[:MOST_HABITS]
    return Habits(tuple(questions[place] for place in kept), raw.cut[kept], answers[:, kept].mean(axis=0), spread[kept])


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of habits whose products went along with guilt most in world A."""

    habits: Habits
    first: NDArray[np.intp]
    second: NDArray[np.intp]

    def names(self, columns: list[str]) -> list[str]:
        """What each pair is made of, in words."""
        said = [f"{columns[column]} {question}" for column, question in self.habits.of]
        return [f"pair.{said[i]} with {said[j]}" for i, j in zip(self.first, self.second, strict=True)]

    def values(self, features: Floats) -> Floats:
        """Shape (rows, pairs). The products."""
        answers = self.habits.values(features)
        products: Floats = answers[:, self.first] * answers[:, self.second]
        return products


def find_pairs(features: Floats, guilty: Bools, *, most: int = MOST_PAIRS) -> Pairs:
    """Search every pair of habits in world A.

    Parameters
    ----------
    features, guilty
        Shapes (rows, columns) and (rows,), of the rows to learn from only.
    most
        How many pairs to keep.
    """
    if len(features) > ROWS_SEARCHED:
        chosen = np.random.default_rng(5).choice(len(features), ROWS_SEARCHED, replace=False)
        features, guilty = features[chosen], guilty[chosen]
    habits = learn_habits(features)
    answers = habits.values(features).astype(np.float32)
    away = (guilty - guilty.mean()).astype(np.float32)
    along = _gram(answers, answers * away[:, None])
    mean = _gram(answers, answers)
    variance = _gram(answers**2, answers**2) - mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        strength = np.abs(along) / np.sqrt(np.maximum(variance, 1e-3) * guilty.var())
    strength[np.tril_indices(len(strength))] = -1.0
    best = np.argsort(-strength, axis=None)[: min(most, len(habits.of) * (len(habits.of) - 1) // 2)]
    first, second = np.unravel_index(best, strength.shape)
    return Pairs(habits, first, second)


def _gram(one: Any, other: Any) -> Floats:
    product: Floats = (one.T @ other / len(one)).astype(np.float64)
    return product
