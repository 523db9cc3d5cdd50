"""Texts as words, the same however they are written, and what is written in characters that nobody sees.

Comes from `checking`; goes on to `chains`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
"""A run of letters and digits; where words are not set apart (Chinese, Japanese) each character."""

LONGEST: Final = 64
"""Of a longer run of letters only so many are compared: no word is so long."""

_TAGS: Final = 0xE0000
_SELECTORS: Final = 0xFE00, 0xFE10
_MORE_SELECTORS: Final = 0xE0100, 0xE01F0


def plain(text: str) -> str:
    """The text in one spelling: compatibility forms (NFKC), small letters, without characters that nobody sees.

    Examples
    --------
    >>> plain("W\\u200ba\\u2060it")
    'wait'
    """
    if text.isascii():
        return text.lower()
    seen = "".join(c for c in text if not unseen(c))
    return unicodedata.normalize("NFKC", seen).casefold()


def unseen(character: str) -> bool:
    """Whether a character leaves no mark: format characters (Unicode category Cf) and variation selectors."""
    return ord(character) > 0x7F and (unicodedata.category(character) == "Cf" or _selected(character) is not None)


def _selected(character: str) -> int | None:
    """Which of the 256 variation selectors a character is."""
    code, before = ord(character), 0
    for first, end in (_SELECTORS, _MORE_SELECTORS):
        if first <= code < end:
            return before + code - first
        before += end - first
    return None


def words(text: str) -> Iterator[tuple[str, int, int]]:
    """Words of a plain text, and where each begins and ends."""
    for found in _WORD.finditer(text):
        yield found[0][:LONGEST], found.start(), found.end()


class Unseen:
    """Reads what is written in characters that nobody sees: tag characters and variation selectors, each a byte; and
    two kinds of any other, each a bit, eight to a byte, the first kind for 0 or for 1.

    Source of the encodings: Unicode 16.0, section 23.9 (tags) and 23.4 (variation selectors).
    """

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._bits, self._count = 0, 0

    def feed(self, text: str) -> dict[str, str]:
        """What is written so in more of a text, by how it is written."""
        if text.isascii():
            return {}
        said: dict[str, list[str]] = {}
        for character in text:
            code = ord(character)
            if _TAGS < code < _TAGS + 0x80:
                said.setdefault("tags", []).append(chr(code - _TAGS))
            elif (selected := _selected(character)) is not None:
                said.setdefault("selectors", []).append(_byte(selected))
            elif unseen(character):
                self._bit(character, said)
        return {way: "".join(letters) for way, letters in said.items()}

    def _bit(self, character: str, said: dict[str, list[str]]) -> None:
        kind = self._kinds.setdefault(character, len(self._kinds))
        if kind > 1:
            return
        self._bits, self._count = self._bits << 1 | kind, self._count + 1
        if self._count == 8:
            said.setdefault("bits", []).append(_byte(self._bits))
            said.setdefault("other bits", []).append(_byte(self._bits ^ 0xFF))
            self._bits, self._count = 0, 0


def _byte(value: int) -> str:
    """A byte as text; one that is no printable ASCII parts words."""
    return chr(value) if 0x20 <= value < 0x7F else " "
