"""One batch of texts in, their fixed-size numbers out. The only place that reads prompts.

`TextSketcher.sketch` is used on a whole log and on a single request alike, so what the batch learns is what
the request path sees. Equal texts within a batch are computed once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from rensa import RMinHash

from spiritsafe.sketch.hashing import WordHashes
from spiritsafe.sketch.parameters import tactic_column
from spiritsafe.sketch.patterns import PatternSet
from spiritsafe.sketch.phrases import candidates, multipliers, phrase_hashes, with_places
from spiritsafe.sketch.skeleton import skeleton_hash, skeleton_key
from spiritsafe.sketch.words import hashes_of_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.sketch.parameters import SketchParameters


@dataclass(frozen=True, slots=True)
class TextSketches:
    """The numbers of n texts. Arrays of length n; lists by offsets of length n + 1."""

    columns: dict[str, pa.Array]

    def take(self, rows: pa.Array) -> dict[str, pa.Array]:
        """The columns for these rows (int32 indices, null where there is no text)."""
        return {name: column.take(rows) for name, column in self.columns.items()}


class TextSketcher:
    """Turns texts into numbers under one set of parameters. Keeps the word hashes it has seen."""

    def __init__(self, parameters: SketchParameters) -> None:
        self._parameters = parameters
        self._words = WordHashes(parameters.key)
        self._multipliers = multipliers(parameters)
        self._skeleton_key = skeleton_key(parameters.key)
        self._patterns = PatternSet(parameters.tactics)
        self._scores = [tactic_column(tactic.name) for tactic in parameters.tactics]

    def sketch(self, texts: Sequence[str]) -> TextSketches:
        """Compute every column of the sketch that comes from the prompt.

        Parameters
        ----------
        texts
            n prompts, distinct for best speed.

        Returns
        -------
        Columns `skeleton`, `minhash`, `phrases`, `prompt_hash`, `prompt_chars` and one score a tactic, each of
        length n.
        """
        hashes, offsets = hashes_of_texts(texts, self._words)
        runs, run_offsets = phrase_hashes(hashes, offsets, self._multipliers)
        kept, kept_offsets = candidates(
            runs,
            run_offsets,
            lowest=self._parameters.phrase_lowest,
            ends=self._parameters.phrase_ends,
        )
        columns = {
            "skeleton": pa.array([skeleton_hash(text, self._skeleton_key) for text in texts], pa.int64()),
            "minhash": self._minhash(runs, run_offsets),
            "phrases": pa.ListArray.from_arrays(pa.array(kept_offsets, pa.int32()), pa.array(kept, pa.int64())),
            "prompt_hash": pa.array(self._whole(hashes, offsets).view(np.int64)),
            "prompt_chars": pa.array([len(text) for text in texts], pa.int32()),
        }
        return TextSketches(columns | self._tactic_scores(texts))

    def _tactic_scores(self, texts: Sequence[str]) -> dict[str, pa.Array]:
        found = np.zeros((len(self._scores), len(texts)), dtype=np.float32)
        for row, text in enumerate(texts):
            scores = self._patterns.scores(text)
            if scores is not None:
                found[:, row] = scores
        return {name: pa.array(found[number]) for number, name in enumerate(self._scores)}

    def whole_hashes(self, texts: Sequence[str]) -> pa.Array:
        """One hash a text, equal for texts that are equal when normalised. For system prompts."""
        return pa.array(self._whole(*hashes_of_texts(texts, self._words)).view(np.int64))

    def _whole(self, hashes: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Hash of each text's word sequence: a sum over words, each mixed with its place."""
        counts = np.diff(offsets)
        place = np.arange(len(hashes), dtype=np.uint64) - np.repeat(offsets[:-1], counts).astype(np.uint64)
        mixed_in = with_places(hashes, place, self._multipliers)
        totals = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed_in, dtype=np.uint64)])
        whole: NDArray[np.uint64] = totals[offsets[1:]] - totals[offsets[:-1]]
        return whole

    def _minhash(self, runs: NDArray[np.uint64], offsets: NDArray[np.int64]) -> pa.Array:
        size = self._parameters.permutations
        if len(offsets) == 1:
            return pa.array([], pa.list_(pa.int32()))
        rows = RMinHash.digest_matrix_from_flat_token_hashes(
            runs, offsets.astype(np.uint64), num_perm=size, seed=self._parameters.seed
        ).to_rows()
        values = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.uint32, count=len(rows) * size)
        starts = np.arange(0, len(values) + 1, size, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(values.view(np.int32)))
