"""Phrases: runs of words, hashed, and the few of them that stand for a prompt.

A template is a run of words that comes back; which runs are rare is known only when the whole log is read, so
each prompt keeps a fixed number of candidates, chosen by smallest hash (the same run is then chosen in every
prompt that has it) and at both ends. Comes from `sketch.words`; goes on to `links.phrases`.

The bottom-k choice is that of Broder's sketches (1997, doi:10.1109/SEQUEN.1997.666900).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.sketch.parameters import SketchParameters

    Words = NDArray[np.uint64]
    Offsets = NDArray[np.int64]

PHRASE_BITS: Final = 52
"""A row number within a slice and a phrase share one 64-bit sort key; 52 bits also survive JSON numbers."""

_SLICE_ROWS: Final = 1 << (64 - PHRASE_BITS)


def multipliers(parameters: SketchParameters) -> NDArray[np.uint64]:
    """Keyed odd multipliers, one a word of a phrase. Shape (phrase_words,)."""
    digest = hashlib.blake2b(parameters.key, digest_size=64, person=b"spiritsafe-phras").digest()
    return np.frombuffer(digest, dtype="<u8")[: parameters.phrase_words] | np.uint64(1)


def phrase_hashes(words: Words, offsets: Offsets, weights: Words) -> tuple[Words, Offsets]:
    """Hash every run of `len(weights)` words of every text; a shorter text is one run.

    Parameters
    ----------
    words
        Shape (words,). Word hashes of all texts, one after the other.
    offsets
        Shape (texts + 1,). Where each text's words begin.
    weights
        Shape (n,), n at most 8. Odd multipliers; multiply-add over hashes that are already keyed and uniform.

    Returns
    -------
    Hashes, shape (phrases,), and offsets, shape (texts + 1,). A text of no words has no phrase.
    """
    size, count = len(weights), len(words)
    # Every run of the flat array, those across two texts too: shifted slices are read once, in order.
    hashes = np.zeros(count, dtype=np.uint64)
    inner = max(count - size + 1, 0)
    for place in range(size):
        hashes[:inner] += words[place : place + inner] * weights[place]
    counts = np.diff(offsets)
    begin, short = offsets[:-1], (counts > 0) & (counts < size)
    hashes[begin[short]] = _short_hashes(words, begin[short], counts[short], weights)
    whole = np.ones(count, dtype=bool)
    for place in range(1, size):
        whole[offsets[1:][counts >= size] - place] = False
        whole[begin[short & (counts > place)] + place] = False
    runs = np.where(counts >= size, counts - size + 1, np.minimum(counts, 1))
    return mixed(hashes[whole]), np.concatenate([[0], np.cumsum(runs)])


def _short_hashes(words: Words, begin: Offsets, counts: Offsets, weights: Words) -> Words:
    """A text of fewer words than a run is one run; what it lacks is filled with its place."""
    hashes = np.zeros(len(begin), dtype=np.uint64)
    for place, weight in enumerate(weights):
        word = words[np.minimum(begin + place, len(words) - 1)]
        hashes += np.where(place < counts, word, np.uint64(place + 1)) * weight
    return hashes


def mixed(values: Words) -> Words:
    """Finalise in place: every bit depends on every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def with_places(words: Words, places: Words, weights: Words) -> Words:
    """Each word's hash mixed with its place in the text: their sum is the hash of a text. Shape (words,)."""
    values: Words = (words ^ (places * np.uint64(0x9E3779B97F4A7C15))) * weights[0]
    values ^= values >> np.uint64(29)
    values *= weights[1]
    return values


def candidates(hashes: Words, offsets: Offsets, *, lowest: int, ends: int) -> tuple[NDArray[np.int64], Offsets]:
    """The phrases that stand for each text: its `lowest` smallest, and `ends` at either end.

    Parameters
    ----------
    hashes, offsets
        As `phrase_hashes` returns them.
    lowest
        How many of the smallest distinct hashes are kept.
    ends
        How many runs at the beginning, and as many at the end, are kept as well.

    Returns
    -------
    Distinct phrases in ascending order for each text, in [0, 2**52), and offsets, shape (texts + 1,).
    """
    values = hashes >> np.uint64(64 - PHRASE_BITS)
    rows = len(offsets) - 1
    counts = np.zeros(rows, dtype=np.int64)
    pieces = []
    for first in range(0, rows, _SLICE_ROWS):
        last = min(first + _SLICE_ROWS, rows)
        here = offsets[first : last + 1]
        kept_rows, kept = _candidates_of_slice(values, here, lowest=lowest, ends=ends)
        counts[first:last] = np.bincount(kept_rows, minlength=last - first)
        pieces.append(kept)
    kept_all = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
    return kept_all, np.concatenate([[0], np.cumsum(counts)])


def _candidates_of_slice(
    values: Words, offsets: Offsets, *, lowest: int, ends: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    counts = np.diff(offsets)
    row = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    keys = (row << np.uint64(PHRASE_BITS)) | values[offsets[0] : offsets[-1]]
    place = np.arange(len(keys)) - np.repeat(offsets[:-1] - offsets[0], counts)
    at_ends = (place < ends) | (place >= np.repeat(counts, counts) - ends)
    ordered = _distinct(keys)
    ordered_row = (ordered >> np.uint64(PHRASE_BITS)).astype(np.int64)
    begin = np.searchsorted(ordered_row, np.arange(len(counts)))
    smallest = ordered[np.arange(len(ordered)) - begin[ordered_row] < lowest]
    kept = _distinct(np.concatenate([smallest, keys[at_ends]]))
    kept_row = (kept >> np.uint64(PHRASE_BITS)).astype(np.int64)
    return kept_row, (kept & np.uint64((1 << PHRASE_BITS) - 1)).astype(np.int64)


def _distinct(keys: Words) -> Words:
    """Sorted distinct keys. `np.unique` hashes since NumPy 2.3, which is four times slower here."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]
