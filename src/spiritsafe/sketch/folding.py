"""A text's words, folded: lower case, NFKC, punctuation to spaces, and threes of letters where none are written.

The normaliser `n1` of sketches, and all of it: two texts with the same words are the same prompt, in a batch and on the
request path alike. Imports nothing but the standard library. Comes from prompts; goes on to `sketch.words`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

WORD_LIMIT_BYTES: Final = 64
"""Longer words (base64, keys) are cut: they are no template's wording and would fill the memory."""

WORDS_LIMIT: Final = 4096
"""Words of one text that are read; 4,096 words are some 25,000 characters. The rest carries no template
that the beginning does not, and a gigantic prompt must not cost more than a long one."""

REMEMBERED_LIMIT: Final = 500_000
"""Words, and pieces of text that are not ASCII, of which the outcome is remembered: some 100 MB a process."""


class _Separators(dict[int, int]):
    """A `str.translate` table, filled as characters turn up: letters and digits stay, the rest are spaces."""

    def __missing__(self, code: int) -> int:
        kept = code if unicodedata.category(chr(code))[0] in "LNM" or code == ord("_") else ord(" ")
        self[code] = kept
        return kept


_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"
)
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han."""

_UNSPACED_LETTERS: Final = 3
"""Letters of such a script that make a word here. A run of four words then spans six letters, which say about
as much as four English words; with one letter a word, two Chinese sentences would share phrases by chance and
Chinese writers would be tied to each other (measured: five times as many innocents)."""


def _spaced(run: re.Match[str]) -> str:
    letters = run[0]
    last = max(len(letters) - _UNSPACED_LETTERS, 0)
    return " " + " ".join(letters[at : at + _UNSPACED_LETTERS] for at in range(last + 1)) + " "


_SEPARATORS: Final = _Separators()
_ASCII: Final = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() or chr(code) == "_" else ord(" ") for code in range(128)
) + bytes(128)


def words(text: str) -> list[bytes]:
    """The normalised words of a text, in order, as UTF-8.

    Examples
    --------
    >>> words("Explain, step-by-step: 2+2?")
    [b'explain', b'step', b'by', b'step', b'2', b'2']
    >>> [word.decode() for word in words("Größe解释推理")]
    ['größe', '解释推', '释推理']
    """
    return folded(text).split(None, WORDS_LIMIT)[:WORDS_LIMIT]


def folded(text: str) -> bytes:
    """A text whose words are what stands between spaces."""
    if text.isascii():
        return text.encode("ascii").translate(_ASCII)
    return " ".join(map(_PIECES.__getitem__, text.split(" "))).encode("utf-8", "surrogatepass")


class _Pieces(dict[str, str]):
    """What stands between two spaces, folded and remembered. Nothing in NFKC, lower case or the rules above looks
    across a space, so pieces can be folded one by one; folding whole texts costs three times as much."""

    def __missing__(self, piece: str) -> str:
        plain = _UNSPACED.sub(_spaced, unicodedata.normalize("NFKC", piece).lower()).translate(_SEPARATORS)
        if len(piece) < WORD_LIMIT_BYTES:
            if len(self) >= REMEMBERED_LIMIT:
                self.clear()
            self[piece] = plain
        return plain


_PIECES: Final = _Pieces()
