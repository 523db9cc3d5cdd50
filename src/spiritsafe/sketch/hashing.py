"""A word's number: a keyed 64-bit hash, remembered.

The hash is BLAKE2b under the sketch key, so that without the key nobody can test whether a given sentence is
in a sketch, nor build prompts that collide with somebody else's. Word hashes are remembered, since the words
of a language are few. Comes from `sketch.folding`; goes on to `sketch.words` and `sketch.single`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from spiritsafe.sketch.folding import REMEMBERED_LIMIT, WORD_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class WordHashes(dict[bytes, bytes]):
    """Word to keyed hash, 8 bytes, computed at first sight and remembered."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = hashlib.blake2b(key, digest_size=32, person=b"spiritsafe-word").digest()

    def of(self, words: Iterable[bytes]) -> NDArray[np.uint64]:
        """The hashes of words, in [0, 2**64). Joining bytes takes half the time of reading as many Python integers."""
        return np.frombuffer(b"".join(map(self.__getitem__, words)), dtype="<u8")

    def __missing__(self, word: bytes) -> bytes:
        value = hashlib.blake2b(word[:WORD_LIMIT_BYTES], digest_size=8, key=self._key).digest()
        if len(word) <= WORD_LIMIT_BYTES:
            if len(self) >= REMEMBERED_LIMIT:
                self.clear()
            self[word] = value
        return value
