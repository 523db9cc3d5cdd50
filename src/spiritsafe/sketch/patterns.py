"""Patterns of words that prompts are searched for, all of them in one pass.

Linear in the text whatever the patterns, so that no prompt can hang it (RE2). Used by the sketcher on batches and by
`signals.online` on one request at a time, so that both find the same; imports nothing but RE2. Comes from the tactics;
goes on to `sketch.texts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class TextTactic:
    """A tactic as far as one prompt's text can show it: RE2 patterns with a weight in (0, 1] each.

    A prompt's score is 1 - product of (1 - weight) over the patterns found in it.
    """

    name: str
    version: str
    patterns: tuple[tuple[str, float], ...]


class PatternSet:
    """All tactics' patterns as one automaton: one pass over a text, whatever their number.

    Examples
    --------
    >>> steps = TextTactic("steps", "1", ((r"step by step", 0.5), (r"show your work", 0.5)))
    >>> patterns = PatternSet([steps])
    >>> patterns.scores("Step by step, and show your work."), patterns.scores("Hello")
    ([0.75], None)
    """

    def __init__(self, tactics: Sequence[TextTactic]) -> None:
        self._tactics = len(tactics)
        self._owner: list[int] = []
        self._weight: list[float] = []
        self._set = re2.Set.SearchSet()
        for number, tactic in enumerate(tactics):
            for pattern, weight in tactic.patterns:
                self._set.Add(f"(?i){pattern}")
                self._owner.append(number)
                self._weight.append(weight)
        if self._owner:
            self._set.Compile()

    def scores(self, text: str) -> list[float] | None:
        """One score a tactic, in their order; None where no pattern is in the text."""
        try:
            found = self._set.Match(text) if self._owner else None
        except UnicodeEncodeError:  # half a character, as JSON may escape it
            found = self._set.Match(text.encode("utf-8", "replace"))
        if not found:
            return None
        left = [1.0] * self._tactics
        for pattern in found:
            left[self._owner[pattern]] *= 1 - self._weight[pattern]
        return [1 - one for one in left]
