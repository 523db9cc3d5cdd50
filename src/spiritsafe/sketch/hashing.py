"""A word's number: a keyed 64-bit hash, remembered.

The hash is BLAKE2b under the sketch key, so that without the key nobody can test whether a given sentence is
in a sketch, nor build prompts that collide with somebody else's. Word hashes are remembered, since the words
of a language are few. Comes from `sketch.folding`; goes on to `sketch.words` and `sketch.single`.
"""

from __future__ import annotations

import hashlib

from spiritsafe.sketch.folding import REMEMBERED_LIMIT, WORD_LIMIT_BYTES


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
