"""The request path computes of a prompt what the batch computes of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spiritsafe.signals import text_tactics
from spiritsafe.sketch import SketchParameters, TextSketcher
from spiritsafe.sketch.folding import WORDS_LIMIT
from spiritsafe.sketch.single import PromptSketcher
from tests.house.repository import fresh_python

WORDS = [
    "grade",
    "the",
    "rubric",
    "step by step",
    "推理过程",
    "Größe",
    "# list\n",
    "- ",
    "1) ",
    "{x}",
    "\n\n",
    "x" * 90,
]
TEXT = st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


@given(TEXT, st.integers(2, 8), st.integers(0, 14), st.integers(0, 3))
@example("", 4, 12, 2)
@example("one", 4, 12, 2)
@example("\ud800 lone surrogate", 4, 12, 2)
@example("same same same same same same same", 4, 12, 2)
@example("a word " * WORDS_LIMIT, 4, 12, 2)
def test_a_prompt_by_itself_has_the_numbers_that_it_has_in_a_batch(text, size, lowest, ends):
    parameters = SketchParameters(
        key=bytes(range(32)),
        key_id="k",
        phrase_words=size,
        phrase_lowest=lowest,
        phrase_ends=ends,
        tactics=text_tactics(),
    )
    batch, single = TextSketcher(parameters), PromptSketcher(parameters)
    columns = {name: column[0].as_py() for name, column in batch.sketch([text]).columns.items()}
    found = single.sketch(text)
    assert (found.skeleton, list(found.minhash)) == (columns["skeleton"], columns["minhash"])
    assert list(found.phrases) == columns["phrases"]
    assert (found.prompt_hash, found.prompt_chars) == (columns["prompt_hash"], columns["prompt_chars"])
    scores = [columns[f"tactic_{tactic.name}"] for tactic in parameters.tactics]
    assert list(found.scores or [0.0] * len(scores)) == pytest.approx(scores)
    assert single.whole_hash(text) == batch.whole_hashes([text])[0].as_py()


def test_the_request_path_sketches_without_analytical_libraries():
    script = (
        "import sys\n"
        "from spiritsafe.sketch.parameters import SketchParameters\n"
        "from spiritsafe.sketch.single import PromptSketcher\n"
        "PromptSketcher(SketchParameters(key=b'k' * 32, key_id='k')).sketch('a b c d e')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'pyarrow', 'duckdb', 'ibis', 'scipy', 'pandas'}))"
    )
    assert fresh_python(script).strip() == "[]"
