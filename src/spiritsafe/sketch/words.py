"""Text to numbers: normalised words, each a keyed 64-bit hash.

The hash is BLAKE2b under the sketch key, so that without the key nobody can test whether a given sentence is
in a sketch, nor build prompts that collide with somebody else's. Word hashes are remembered, since the words
of a language are few; a batch of texts is split and its distinct words found by Arrow, so that Python meets each
distinct word once. Comes from the prompts of a batch; goes on to `sketch.phrases`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WORD_LIMIT_BYTES: Final = 64
"""Longer words (base64, keys) are cut: they are no template's wording and would fill the memory."""

WORDS_LIMIT: Final = 4096
"""Words of one text that are read; 4,096 words are some 25,000 characters. The rest carries no template
that the beginning does not, and a gigantic prompt must not cost more than a long one."""

_REMEMBERED_LIMIT: Final = 500_000
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
    return _folded(text).split(None, WORDS_LIMIT)[:WORDS_LIMIT]


def _folded(text: str) -> bytes:
    """A text whose words are what stands between spaces."""
    if text.isascii():
        return text.encode("ascii").translate(_ASCII)
    return " ".join(map(_PIECES.__getitem__, text.split(" "))).encode("utf-8", "surrogatepass")


class _Pieces(dict[str, str]):
    """What stands between two spaces, folded and remembered. Nothing in NFKC, lower case or the rules above looks
    across a space, so pieces can be folded one by one; folding whole texts costs three times as much."""

    def __missing__(self, piece: str) -> str:
        folded = _UNSPACED.sub(_spaced, unicodedata.normalize("NFKC", piece).lower()).translate(_SEPARATORS)
        if len(piece) < WORD_LIMIT_BYTES:
            if len(self) >= _REMEMBERED_LIMIT:
                self.clear()
            self[piece] = folded
        return folded


_PIECES: Final = _Pieces()


class WordHashes(dict[bytes, int]):
    """Word to keyed hash, in [0, 2**64), computed at first sight and remembered."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = hashlib.blake2b(key, digest_size=32, person=b"spiritsafe-word").digest()

    def __missing__(self, word: bytes) -> int:
        data = word[:WORD_LIMIT_BYTES]
        value = int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "little")
        if len(word) <= WORD_LIMIT_BYTES:
            if len(self) >= _REMEMBERED_LIMIT:
                self.clear()
            self[word] = value
        return value

    def of_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The hashes of every text's `words`, one text after the other.

        Returns
        -------
        Hashes, shape (words,), and offsets, shape (texts + 1,), of where each text's words begin.
        """
        folded = [_folded(text) for text in texts]
        ends = np.cumsum([0, *map(len, folded)], dtype=np.int64)
        column = pa.LargeStringArray.from_buffers(len(folded), pa.py_buffer(ends), pa.py_buffer(b"".join(folded)))
        # One more for the empty word before a leading space; what is left behind the limit is the last word.
        split = pc.ascii_split_whitespace(column, max_splits=WORDS_LIMIT + 1)
        coded = split.values.dictionary_encode()
        distinct = coded.dictionary.cast(pa.large_binary()).to_pylist()
        hashes = np.fromiter(map(self.__getitem__, distinct), dtype=np.uint64, count=len(distinct))
        codes = coded.indices.to_numpy()
        real = np.fromiter(map(len, distinct), dtype=np.int64, count=len(distinct))[codes] > 0
        offsets = np.concatenate([[0], np.cumsum(real)])[split.offsets.to_numpy()]
        return _cut(hashes[codes[real]], offsets)


def _cut(hashes: NDArray[np.uint64], offsets: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """At most `WORDS_LIMIT` words a text."""
    counts = np.diff(offsets)
    if not np.any(counts > WORDS_LIMIT):
        return hashes, offsets
    place = np.arange(len(hashes)) - np.repeat(offsets[:-1], counts)
    kept = np.minimum(counts, WORDS_LIMIT)
    return hashes[place < WORDS_LIMIT], np.concatenate([[0], np.cumsum(kept)])
