"""One source for each contract column, one column for each source: the dealing with the most bits in all.

`scipy.optimize.linear_sum_assignment` finds the best dealing as far as each pair speaks for itself. What
columns say about each other (`events.relations`) then improves it: the ids are tried in every combination,
the rest by moves and swaps. Comes from `events.scores` and `events.relations`; goes on to `events.propose`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.events.relations import CHAIN, PAIRS, RELATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spiritsafe.events.relations import Relations

Bits = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Dealt = dict[int, int]
"""Column number to leaf number."""

_LIKELY_BITS: Final = -4.0  # what is below this is not tried where pairs are weighed
_CHAIN_LEAVES: Final = 4
_TRIED: Final = 10
_ROUNDS_MAX: Final = 40
_CLOSE_BITS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Rival:
    """Another reading: `column` from `leaf` instead, as good as `bits` (to be compared with the guess's own)."""

    column: int
    leaf: int
    bits: float


class Assignment:
    """Deals leaves to columns.

    Parameters
    ----------
    columns
        Names of contract columns.
    bits
        Shape (columns, leaves). How much each pair speaks for itself; -inf where it is impossible.
    relations
        What leaves say about each other.
    """

    def __init__(self, columns: Sequence[str], bits: Bits, relations: Relations) -> None:
        self._bits = bits
        self._relations = relations
        self._place = {column: row for row, column in enumerate(columns)}
        self._related = [self._place[column] for column in RELATED if column in self._place]
        self._chain = [self._place[column] for column in CHAIN if column in self._place]
        self._pairs = [(a, b) for a, b in PAIRS if a in self._place and b in self._place]
        self.dealt = self._improved(self._dealt_alone())
        self._total = self.total(self.dealt)

    def total(self, dealt: Dealt) -> float:
        """Bits of a dealing: each pair's own, and what related columns add."""
        own = sum(self._bits[row, leaf] for row, leaf in dealt.items())
        return float(own) + sum(
            self._relations.bits(a, dealt[self._place[a]], b, dealt[self._place[b]])
            for a, b in self._pairs
            if self._place[a] in dealt and self._place[b] in dealt
        )

    def own(self, row: int) -> float:
        """What the whole dealing would lose without this column's guess."""
        return self._total - self.total({r: leaf for r, leaf in self.dealt.items() if r != row})

    def rivals(self, row: int) -> list[Rival]:
        """Readings nearly as good as the one chosen for a column, the best first.

        Another leaf for the column (free, or taken from a column that takes ours in exchange), and another
        column for its leaf. Where nothing was chosen: what comes nearest.
        """
        own = self.dealt.get(row)
        reference = self.own(row) if own is not None else 0.0
        holders = {leaf: holder for holder, leaf in self.dealt.items()}
        found = []
        for leaf in np.flatnonzero(self._bits[row] > _LIKELY_BITS).tolist():
            if leaf == own:
                continue
            holder = holders.get(leaf)
            swapped = {**self.dealt, row: leaf}
            if holder is not None:
                del swapped[holder]
                if own is not None and self._bits[holder, own] > 0:
                    swapped[holder] = own
            found.append(Rival(row, leaf, reference + self.total(swapped) - self._total))
        if own is not None:
            for other in np.flatnonzero(self._bits[:, own] > _LIKELY_BITS).tolist():
                if other not in self.dealt:
                    moved = {r: leaf for r, leaf in self.dealt.items() if r != row} | {other: own}
                    found.append(Rival(other, own, reference + self.total(moved) - self._total))
        least = max(-1.0, reference - _CLOSE_BITS) if own is not None else -2.0
        return sorted((rival for rival in found if rival.bits > least), key=lambda rival: -rival.bits)

    # --- finding it -----------------------------------------------------------------------------------

    def _dealt_alone(self) -> Dealt:
        from scipy.optimize import linear_sum_assignment

        if not self._bits.size:
            return {}
        gains = np.maximum(self._bits, 0.0)
        rows, chosen = linear_sum_assignment(gains, maximize=True)
        return {int(row): int(leaf) for row, leaf in zip(rows, chosen, strict=True) if gains[row, leaf] > 0}

    def _improved(self, dealt: Dealt) -> Dealt:
        # Who belongs to whom is settled for all ids at once: no two of them can be told apart alone.
        dealt = max([dealt, *self._chains(dealt)], key=self.total)
        best = self.total(dealt)
        for _ in range(_ROUNDS_MAX):
            candidates = [(self.total(move), move) for move in self._moves(dealt)]
            gain, move = max(candidates, key=lambda pair: pair[0], default=(best, dealt))
            if gain <= best + 1e-9:
                break
            best, dealt = gain, move
        return dealt

    def _chains(self, dealt: Dealt) -> Iterator[Dealt]:
        """Every way to deal the likeliest leaves to the id columns, the other columns staying as they are."""
        rest = {row: leaf for row, leaf in dealt.items() if row not in self._chain}
        taken = set(rest.values())
        likely: list[list[int | None]] = []
        for row in self._chain:
            order: list[int] = np.argsort(self._bits[row])[::-1][: _CHAIN_LEAVES + len(taken)].tolist()
            free = [leaf for leaf in order if leaf not in taken and self._bits[row, leaf] > _LIKELY_BITS]
            likely.append([None, *free[:_CHAIN_LEAVES]])
        for leaves in itertools.product(*likely):
            used = [leaf for leaf in leaves if leaf is not None]
            if len(set(used)) == len(used):
                yield rest | {row: leaf for row, leaf in zip(self._chain, leaves, strict=True) if leaf is not None}

    def _moves(self, dealt: Dealt) -> Iterator[Dealt]:
        """Dealings that differ in one related column, or in two that change places."""
        holders = {leaf: row for row, leaf in dealt.items()}
        for row in self._related:
            own = dealt.get(row)
            if own is not None:
                yield {r: leaf for r, leaf in dealt.items() if r != row}
            likely: list[int] = np.argsort(self._bits[row])[::-1][:_TRIED].tolist()
            for leaf in likely:
                if self._bits[row, leaf] < _LIKELY_BITS or leaf == own:
                    continue
                holder = holders.get(leaf)
                moved = {**dealt, row: leaf}
                if holder is None:
                    yield moved
                elif holder in self._related:
                    yield {r: where for r, where in moved.items() if r != holder}
                    if own is not None and np.isfinite(self._bits[holder, own]):
                        yield {**moved, holder: own}
