"""One prompt in, its fixed-size numbers out: what `sketch.texts` computes of a batch, on the request path.

The same words, hashes, phrases and scores (`tests/parity/test_single.py`), without an analytical library and without
what only pays for many: on a prompt of 2 kB a batch of one costs six times as much (`benchmarks/speed/guard.md`). Comes
from single requests; goes on to `signals.online` and `guard`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from rensa import RMinHash

from spiritsafe.sketch.folding import WORDS_LIMIT, words
from spiritsafe.sketch.hashing import WordHashes
from spiritsafe.sketch.patterns import PatternSet
from spiritsafe.sketch.phrases import PHRASE_BITS, mixed, multipliers, with_places
from spiritsafe.sketch.skeleton import skeleton_hash, skeleton_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.sketch.parameters import SketchParameters

    Words = NDArray[np.uint64]

_SHIFT: Final = np.uint64(64 - PHRASE_BITS)
_SIGN: Final = 1 << 63
_PLACES: Final = np.arange(WORDS_LIMIT, dtype=np.uint64)


class PromptSketch(msgspec.Struct, frozen=True, gc=False):
    """The columns of `sketches` that come from a prompt, of one prompt.

    `phrases` ascend; `minhash` has one number a permutation; `scores` has one a tactic, and none where no pattern is in
    the prompt.
    """

    skeleton: int | None
    minhash: tuple[int, ...]
    phrases: tuple[int, ...]
    prompt_hash: int
    prompt_chars: int
    scores: tuple[float, ...]


class PromptSketcher:
    """Turns single prompts into numbers under one set of parameters. Keeps the word hashes it has seen.

    Examples
    --------
    >>> from spiritsafe.sketch.parameters import SketchParameters
    >>> sketcher = PromptSketcher(SketchParameters(key=b"k" * 32, key_id="k"))
    >>> one, other = (sketcher.sketch(f"Grade the answer by the rubric below: {text}") for text in ("two", "seven"))
    >>> len(set(one.phrases) & set(other.phrases))
    4
    """

    def __init__(self, parameters: SketchParameters) -> None:
        self._parameters = parameters
        self._words = WordHashes(parameters.key)
        self._multipliers = multipliers(parameters)
        self._skeleton_key = skeleton_key(parameters.key)
        self._patterns = PatternSet(parameters.tactics)

    @property
    def parameters(self) -> SketchParameters:
        """What these sketches have in common."""
        return self._parameters

    def sketch(self, text: str) -> PromptSketch:
        """Every number of a prompt."""
        hashes = self._hashes(text)
        runs = self._runs(hashes)
        return PromptSketch(
            skeleton_hash(text, self._skeleton_key),
            self._minhash(runs),
            self._candidates(runs),
            self._whole(hashes),
            len(text),
            tuple(self._patterns.scores(text) or ()),
        )

    def whole_hash(self, text: str) -> int:
        """One hash, equal for texts that are equal when normalised. For system prompts and beginnings of answers."""
        return self._whole(self._hashes(text))

    def _hashes(self, text: str) -> Words:
        return self._words.of(words(text))

    def _runs(self, hashes: Words) -> Words:
        weights = self._multipliers
        size, count = len(weights), len(hashes)
        if not count:
            return hashes
        if count < size:  # one run; what it lacks is filled with its place
            hashes = np.concatenate([hashes, np.arange(count + 1, size + 1, dtype=np.uint64)])
            count = size
        runs: Words = hashes[: count - size + 1] * weights[0]
        for place in range(1, size):
            runs += hashes[place : count - size + 1 + place] * weights[place]
        return mixed(runs)

    def _candidates(self, runs: Words) -> tuple[int, ...]:
        values = runs >> _SHIFT
        ends = self._parameters.phrase_ends
        kept = {*values[:ends].tolist(), *(values[-ends:].tolist() if ends else ())}
        ordered = np.sort(values).tolist()
        lowest: list[int] = []
        for value in ordered:
            if len(lowest) == self._parameters.phrase_lowest:
                break
            if not lowest or value != lowest[-1]:
                lowest.append(value)
        return tuple(sorted(kept.union(lowest)))

    def _whole(self, hashes: Words) -> int:
        count = len(hashes)
        total = int(with_places(hashes, _PLACES[:count], self._multipliers).sum(dtype=np.uint64))
        return total - (1 << 64) if total & _SIGN else total

    def _minhash(self, runs: Words) -> tuple[int, ...]:
        ends = np.array((0, len(runs)), dtype=np.uint64)
        (row,) = RMinHash.digest_matrix_from_flat_token_hashes(
            runs, ends, num_perm=self._parameters.permutations, seed=self._parameters.seed
        ).to_rows()
        return tuple(np.array(row, dtype=np.uint32).view(np.int32).tolist())
