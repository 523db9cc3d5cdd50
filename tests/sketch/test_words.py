"""Splitting a batch by Arrow and folding piece by piece give what splitting each text by itself would."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.sketch.folding import _SEPARATORS, _UNSPACED, WORDS_LIMIT, _spaced, words
from spiritsafe.sketch.hashing import WordHashes
from spiritsafe.sketch.phrases import phrase_hashes
from spiritsafe.sketch.words import hashes_of_texts

KEY = bytes(range(32))
TEXT = st.text(max_size=80) | st.text(alphabet="aAΣσςİßé\u0301\u0308 \u00a0ﬁ½数学。\u1112\u1161\n-_9", max_size=40)


def whole(text: str) -> list[bytes]:
    """The rules on the whole text at once, without a memory."""
    folded = _UNSPACED.sub(_spaced, unicodedata.normalize("NFKC", text).lower()).translate(_SEPARATORS)
    return folded.encode("utf-8", "surrogatepass").split(None, WORDS_LIMIT)[:WORDS_LIMIT]


@given(TEXT)
@example("ΟΔΟΣ ΣΑΣ. Σ")
@example("a \u0301b e\u0301 \u00a8x")
def test_no_rule_looks_across_a_space(text):
    assert words(text) == whole(text)


@given(st.lists(TEXT, max_size=12))
@example([])
@example(["", " ", "  a  b ", "é " * 5])
def test_a_batch_has_the_words_of_each_of_its_texts(texts):
    hashes = WordHashes(KEY)
    found, offsets = hashes_of_texts(texts, hashes)
    assert np.diff(offsets).tolist() == [len(words(text)) for text in texts]
    assert found.tolist() == hashes.of(word for text in texts for word in words(text)).tolist()


@pytest.mark.parametrize("count", [WORDS_LIMIT - 1, WORDS_LIMIT, WORDS_LIMIT + 1, 2 * WORDS_LIMIT])
@pytest.mark.parametrize("begin", ["", " "])
def test_words_behind_the_limit_are_not_read(count, begin):
    text = begin + " ".join(f"w{number}" for number in range(count)) + " end"
    hashes = WordHashes(KEY)
    found, offsets = hashes_of_texts(["one two", text, "three"], hashes)
    assert found.tolist() == hashes.of(word for one in ("one two", text, "three") for word in words(one)).tolist()
    assert np.diff(offsets).tolist() == [2, min(count + 1, WORDS_LIMIT), 1]


def test_a_gigantic_word_is_cut_and_not_remembered():
    hashes = WordHashes(KEY)
    found, _ = hashes_of_texts(["x" * 1_000_000, "x" * 64], hashes)
    assert found[0] == found[1]
    assert set(hashes) == {b"x" * 64}


@given(st.lists(st.integers(0, 9), max_size=10), st.integers(1, 6))
def test_runs_by_shifted_slices_are_the_runs_of_each_text(counts, size):
    rng = np.random.default_rng(len(counts) * 10 + size)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    flat = rng.integers(0, 2**63, offsets[-1]).astype(np.uint64)
    weights = rng.integers(0, 2**63, size).astype(np.uint64) | np.uint64(1)
    runs, run_offsets = phrase_hashes(flat, offsets, weights)
    for row, count in enumerate(counts):
        alone, _ = phrase_hashes(flat[offsets[row] : offsets[row + 1]], np.array([0, count]), weights)
        assert runs[run_offsets[row] : run_offsets[row + 1]].tolist() == alone.tolist()
        assert len(alone) == (max(count - size + 1, 1) if count else 0)
