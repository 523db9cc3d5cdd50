"""Ways to write a text so that it still says the same: which words are the same in it, and in which order they come.

Comes from `checking`; goes on to `chains`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

AS_IT_IS: Final = "as it is"


@dataclass(frozen=True, slots=True)
class Writing:
    """One way.

    `said` and `thought` give what a word of the answer and one of the reasoning are known by; None: it tells nothing.
    `turn` says how far two words of one key are apart, which is the same all along a text; None: they are not written
    so. `step` is 1 where words come in the reasoning's order, -1 where they come in the opposite one.
    """

    said: Callable[[str], str | None]
    thought: Callable[[str], str | None]
    turn: Callable[[str, str], int | None] = lambda _said, _thought: 0
    step: int = 1


def _word(word: str) -> str | None:
    return word


def _backwards(word: str) -> str | None:
    other = word[::-1]
    return None if other == word else other


def _no_palindrome(word: str) -> str | None:
    return None if word[::-1] == word else word


def _steps(word: str) -> str | None:
    """The steps from letter to letter, which stay when all are moved along the alphabet."""
    if len(word) < 2 or not word.isascii() or not word.isalpha():
        return None
    return "".join(chr(97 + (ord(b) - ord(a)) % 26) for a, b in itertools.pairwise(word))


def _moved(said: str, thought: str) -> int | None:
    """By how many places; words that stand where they were are not written so."""
    return (ord(said[0]) - ord(thought[0])) % 26 or None


WRITINGS: Final = {
    AS_IT_IS: Writing(_word, _word),
    "moved along the alphabet": Writing(_steps, _steps, _moved),
    "words spelled backwards": Writing(_backwards, _no_palindrome),
    "from its end to its beginning": Writing(_backwards, _no_palindrome, step=-1),
}
"""Each by words that a report can use. The second is ROT13, or Caesar's cipher of any key."""
