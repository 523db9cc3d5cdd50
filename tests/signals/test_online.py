"""The request path sees what the batch sees, and needs no analytical library for it."""

import random
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.engine import open_engine
from spiritsafe.signals import TACTICS, OnlineTactics, Repeats, Setting, Tactic, account_signals, text_tactics
from spiritsafe.sketch import SketchParameters, TextSketcher, TextTactic
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.sketch.single import PromptSketcher
from tests.signals.test_account_signals import EXAMPLES, Options

PROMPTS = (
    *EXAMPLES.values(),
    "Explain this  STEP-BY-STEP, please!",
    "explain this step by step please",
    "Größe 解释推理过程",
)


def log(rows: int) -> list[dict[str, object]]:
    """Requests of four accounts that repeat themselves, fail at times, and ask two models."""
    rng = random.Random(7)
    base = datetime(2026, 3, 1, tzinfo=UTC)
    return [
        {
            "event_id": f"e{number:04}",
            "time": base + timedelta(minutes=number),
            "account_id": f"a{rng.randrange(4)}",
            "operation": "chat",
            "prompt": rng.choice((None, *PROMPTS)),
            "model": rng.choice((None, "m-1", "m-2")),
            "status": rng.choice((None, 200, 200, 429, 500)),
            "logprobs": rng.choice((None, True, False, False)),
            "logit_bias": rng.choice((None, None, True)),
            "choice_count": rng.choice((None, 1, 3, 4)),
        }
        for number in range(rows)
    ]


def sketched(rows: list[dict[str, object]]) -> pa.Table:
    sketcher = TextSketcher(SketchParameters(key=b"k" * 32, key_id="k", tactics=text_tactics()))
    texts = [str(row["prompt"]) for row in rows if row["prompt"] is not None]
    columns = {name: iter(column.to_pylist()) for name, column in sketcher.sketch(texts).columns.items()}
    made = [
        {name: value for name, value in row.items() if name != "prompt"}
        | ({} if row["prompt"] is None else {name: next(values) for name, values in columns.items()})
        for row in rows
    ]
    return pa.Table.from_pylist(made, schema=sketches_schema(text_tactics()).arrow())


@pytest.mark.parametrize("sketches", [False, True], ids=["from texts", "from sketches"])
def test_a_log_seen_request_by_request_gives_the_batchs_counts(sketches):
    rows = log(600)
    online = OnlineTactics(TACTICS)
    assert online.texts == tuple(tactic.text for tactic in TACTICS)
    sketcher = PromptSketcher(SketchParameters(key=b"k" * 32, key_id="k", tactics=online.texts))
    itself: Counter[tuple[str, str]] = Counter()
    repeating: Counter[tuple[str, str]] = Counter()
    for row in rows:
        given = row if not sketches or row["prompt"] is None else {**row, "prompt": None}
        shown = online.observe(given, sketcher.sketch(str(row["prompt"])) if given is not row else None)
        itself.update((str(row["account_id"]), name) for name in shown.itself)
        repeating.update((str(row["account_id"]), name) for name in shown.repeating)
    with open_engine("duckdb", Options()) as engine:
        raw = engine.table(sketched(rows), "rows")
        batch = engine.arrow(account_signals(raw, None, tactics=TACTICS)).to_pylist()
    assert len(batch) == 4
    for account in batch:
        for tactic in TACTICS:
            at = (account["account_id"], tactic.name)
            assert account[f"{tactic.name}_exchanges"] == max(itself[at], repeating[at]), at
    assert all(any(repeating[account["account_id"], name] for account in batch) for name in ("many_samples",))
    assert any(repeating[account["account_id"], "model_comparison"] for account in batch)


def test_what_was_turned_away_is_sent_again_and_no_sample():
    online = OnlineTactics(TACTICS)
    failed = [online.observe({"account_id": "a", "prompt": "What now?", "status": 429}).tactics for _ in range(9)]
    assert set().union(*failed) == set()
    served = [online.observe({"account_id": "a", "prompt": "What now?"}).repeating for _ in range(5)]
    assert served == [frozenset()] * 3 + [{"many_samples"}] * 2
    assert online.observe({"account_id": "b", "prompt": "what, now"}).repeating == frozenset()


def test_what_is_remembered_has_a_bound_and_the_oldest_goes_first():
    online = OnlineTactics(TACTICS, remembered=2)
    for prompt in ("one", "one", "one", "two", "three", "one"):
        assert online.observe({"account_id": "a", "prompt": prompt}).repeating == frozenset()


@given(st.dictionaries(st.sampled_from(["prompt", "model", "status", "logprobs", "choice_count"]), st.none()))
def test_what_is_missing_is_not_known_and_shows_nothing(request_):
    assert OnlineTactics(TACTICS, remembered=4).observe({"account_id": "\ud800", **request_}).tactics == frozenset()


@given(st.text())
def test_any_prompt_is_scored(prompt):
    scores = OnlineTactics(TACTICS).scores(prompt)
    assert all(0 < score <= 1 for score in scores.values())


@pytest.mark.parametrize(
    ("repeats", "asked", "models", "shown"),
    [
        (Repeats(times=4), 3, 1, 0),
        (Repeats(times=4), 6, 1, 3),
        (Repeats(models=2), 9, 1, 0),
        (Repeats(models=2), 9, 3, 2),
    ],
)
def test_repeats_count_from_where_they_show(repeats, asked, models, shown):
    assert repeats.beyond(asked, models) == shown


def test_a_tactic_of_settings_alone_needs_no_words():
    only = Tactic(TextTactic("theirs", "1", ()), "x", "x", "AML.T0040", "x", "x", (Setting("reasoning"),))
    seen = OnlineTactics([only])
    assert seen.observe({"account_id": "a", "reasoning": True}).tactics == {"theirs"}
    assert seen.observe({"account_id": "a", "reasoning": False, "prompt": "anything"}).tactics == frozenset()


def test_the_request_path_loads_no_analytical_library():
    code = (
        "import sys; from spiritsafe.signals.online import OnlineTactics; OnlineTactics();"
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'ibis', 'duckdb', 'scipy', 'sklearn') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
