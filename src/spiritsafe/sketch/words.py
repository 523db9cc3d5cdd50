"""Texts to numbers: the hashes of their normalised words, a batch at a time.

A batch of texts is split and its distinct words found by Arrow, so that Python meets each distinct word once. Comes
from the prompts of a batch; goes on to `sketch.phrases`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.sketch.folding import WORDS_LIMIT, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.sketch.hashing import WordHashes


def hashes_of_texts(texts: Sequence[str], hashes_of: WordHashes) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashes of every text's `words`, one text after the other.

    Parameters
    ----------
    texts
        n texts.
    hashes_of
        Says a word's hash.

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
    hashes = hashes_of.of(distinct)
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
