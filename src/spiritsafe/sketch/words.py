"""Text to numbers: normalised words, each a keyed 64-bit hash.

The hash is BLAKE2b under the sketch key, so that without the key nobody can test whether a given sentence is
in a sketch, nor build prompts that collide with somebody else's. Word hashes are remembered, since the words
of a language are few. Comes from the prompts of a batch; goes on to `sketch.phrases`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

WORD_LIMIT_BYTES: Final = 64
"""Longer words (base64, keys) are cut: they are no template's wording and would fill the memory."""

WORDS_LIMIT: Final = 4096
"""Words of one text that are read; 4,096 words are some 25,000 characters. The rest carries no template
that the beginning does not, and a gigantic prompt must not cost more than a long one."""

_REMEMBERED_LIMIT: Final = 2_000_000


class _Separators(dict[int, str | int]):
    """A `str.translate` table, filled as characters turn up: letters and digits stay, ideographs become
    words of their own, everything else becomes a space."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        category = unicodedata.category(character)
        if _is_ideograph(code):
            kept: str | int = f" {character} "
        elif category[0] in "LNM" or character == "_":
            kept = code
        else:
            kept = " "
        self[code] = kept
        return kept


def _is_ideograph(code: int) -> bool:
    """Scripts written without spaces: Han, kana; Thai, Lao, Khmer and Burmese by letter."""
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x3040 <= code <= 0x30FF
        or 0x0E00 <= code <= 0x0EFF
        or 0x1780 <= code <= 0x17FF
        or 0x1000 <= code <= 0x109F
        or 0x20000 <= code <= 0x3FFFF
    )


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
    >>> [word.decode() for word in words("Größe 数学")]
    ['größe', '数', '学']
    """
    if text.isascii():
        data = text.encode("ascii").translate(_ASCII)
    else:
        folded = unicodedata.normalize("NFKC", text).lower().translate(_SEPARATORS)
        data = folded.encode("utf-8", "surrogatepass")
    return data.split(None, WORDS_LIMIT)[:WORDS_LIMIT]


class WordHashes(dict[bytes, int]):
    """Word to keyed hash, in [0, 2**64), computed at first sight and remembered."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = hashlib.blake2b(key, digest_size=32, person=b"spiritsafe-word").digest()

    def __missing__(self, word: bytes) -> int:
        if len(self) >= _REMEMBERED_LIMIT:
            self.clear()
        data = word[:WORD_LIMIT_BYTES]
        value = int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "little")
        self[word] = value
        return value
