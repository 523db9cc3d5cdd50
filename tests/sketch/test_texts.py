"""What a sketch keeps of a prompt, and what it must not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.sketch import SketchParameters, TextSketcher, TextTactic
from spiritsafe.sketch.folding import words
from spiritsafe.sketch.hashing import WordHashes
from spiritsafe.sketch.phrases import candidates, multipliers, phrase_hashes

KEY = bytes(range(32))
TEMPLATE = "You are a careful grader. Score the answer below from 1 to 10 against the rubric and explain every point."
FILLERS = ["The whale surfaced twice near the harbour at dawn.", "Interest compounds monthly on the remaining balance."]


def sketcher(key: bytes = KEY, **more) -> TextSketcher:
    return TextSketcher(SketchParameters(key=key, key_id="k", **more))


def phrases(texts, **more) -> list[set[int]]:
    return [set(row) for row in sketcher(**more).sketch(texts).columns["phrases"].to_pylist()]


def test_prompts_from_one_template_share_phrases_and_strangers_share_none():
    one, other, stranger = phrases(
        [
            f"{TEMPLATE} {FILLERS[0]}",
            f"{TEMPLATE} {FILLERS[1]}",
            "A quiet gate, an old dog, and rain until the evening.",
        ]
    )
    assert len(one & other) >= 4
    assert not one & stranger


def test_a_template_survives_case_punctuation_and_line_breaks():
    plain, shouted = phrases([TEMPLATE, TEMPLATE.upper().replace(". ", "!\n\n")])
    assert plain == shouted


def test_a_batch_of_many_sees_in_each_text_what_a_batch_of_one_sees():
    texts = [TEMPLATE, "", "one", "two words", *FILLERS, "数学の問題を解いてください", "x" * 5000] * 3
    many = sketcher().sketch(texts).columns
    for row, text in enumerate(texts):
        alone = sketcher().sketch([text]).columns
        for name, column in many.items():
            assert column[row].as_py() == alone[name][0].as_py(), (name, text)


def test_without_the_key_no_number_can_be_recomputed():
    mine, theirs = (sketcher(key).sketch([TEMPLATE + "\n- a\n- b"]).columns for key in (KEY, b"\x01" * 32))
    assert not set(mine["phrases"][0].as_py()) & set(theirs["phrases"][0].as_py())
    for name in ("skeleton", "prompt_hash", "minhash"):
        assert mine[name][0].as_py() != theirs[name][0].as_py()


def test_a_key_is_never_shown():
    assert "key=" not in repr(SketchParameters(key=KEY, key_id="k1")).replace("key_id=", "")


def test_equal_prompts_have_equal_hashes_and_word_order_matters():
    hashes = sketcher().sketch(["to be or not", "To be -- or NOT", "not or be to"]).columns["prompt_hash"].to_pylist()
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_tactic_scores_by_the_patterns_it_finds():
    tactic = TextTactic("steps", "1", ((r"step by step", 0.5), (r"show your (?:work|thinking)", 0.5)))
    texts = ["Solve it STEP BY STEP and show your thinking", "step by step", "no"]
    scores = sketcher(tactics=(tactic,)).sketch(texts).columns["tactic_steps"].to_pylist()
    assert scores == [0.75, 0.5, 0.0]


def test_a_chinese_template_has_phrases_too():
    one, other = phrases(["请逐步解释下面的推理过程:鲸鱼", "请逐步解释下面的推理过程:利息"])
    assert len(one & other) >= 4


def test_a_chinese_phrase_is_as_long_a_stretch_as_an_english_one():
    assert len(words("请逐步解释下面的推理过程")) == 10
    (alone,) = phrases(["解释推理过程"])
    assert len(alone) == 1, "six letters make one phrase, as four English words do"


@given(st.lists(st.text(max_size=300), min_size=1, max_size=20))
def test_any_text_at_all_can_be_sketched(texts):
    columns = sketcher(tactics=(TextTactic("any", "1", (("a", 0.5),)),)).sketch(texts).columns
    assert all(len(column) == len(texts) for column in columns.values())
    for row, text in enumerate(texts):
        kept = columns["phrases"][row].as_py()
        assert kept == sorted(set(kept))
        assert len(kept) <= 16
        assert all(0 <= phrase < 2**52 for phrase in kept)
        assert bool(kept) == bool(words(text))


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12), min_size=1, max_size=8))
def test_fast_candidates_are_the_slow_ones(texts):
    parameters = SketchParameters(key=KEY, key_id="k")
    hashes = WordHashes(KEY)
    flat = hashes.of(w.encode() for text in texts for w in text)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    runs, run_offsets = phrase_hashes(flat, offsets, multipliers(parameters))
    kept, kept_offsets = candidates(runs, run_offsets, lowest=3, ends=1)
    for row in range(len(texts)):
        mine = [int(v) >> 12 for v in runs[run_offsets[row] : run_offsets[row + 1]]]
        slow = set(sorted(set(mine))[:3]) | set(mine[:1]) | set(mine[-1:])
        assert kept[kept_offsets[row] : kept_offsets[row + 1]].tolist() == sorted(slow)


@pytest.mark.parametrize("rows", [4095, 4096, 4097])
def test_slices_of_rows_join_without_a_seam(rows):
    texts = [f"{TEMPLATE} number {row % 7}" for row in range(rows)]
    kept = sketcher().sketch(texts).columns["phrases"]
    assert kept[0].as_py() == kept[rows - 1 - (rows - 1) % 7].as_py()
    assert len(kept) == rows
