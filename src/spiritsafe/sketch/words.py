"""Text to numbers: normalised words, each a keyed 64-bit hash.

The hash is BLAKE2b under the sketch key, so that without the key nobody can test whether a given sentence is
in a sketch, nor build prompts that collide with somebody else's. Word hashes are remembered, since the words
of a language are few; a batch of texts is split and its distinct words found by Arrow, so that Python meets each
distinct word once. Comes from the prompts of a batch; goes on to `sketch.phrases`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.sketch.folding import REMEMBERED_LIMIT, WORD_LIMIT_BYTES, WORDS_LIMIT, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class WordHashes(dict[bytes, int]):
    """Word to keyed hash, in [0, 2**64), computed at first sight and remembered."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = hashlib.blake2b(key, digest_size=32, person=b"spiritsafe-word").digest()

    def __missing__(self, word: bytes) -> int:
        data = word[:WORD_LIMIT_BYTES]
        value = int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key).digest(), "little")
        if len(word) <= WORD_LIMIT_BYTES:
            if len(self) >= REMEMBERED_LIMIT:
                self.clear()
            self[word] = value
        return value

    def of_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The hashes of every text's `words`, one text after the other.

        Returns
        -------
        Hashes, shape (words,), and offsets, shape (texts + 1,), of where each text's words begin.
        """
        pieces = [folded(text) for text in texts]
        ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        column = pa.LargeStringArray.from_buffers(len(pieces), pa.py_buffer(ends), pa.py_buffer(b"".join(pieces)))
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
