"""Which phrases are habits, and which shared things are rare: the table steps against a slow way."""

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from spiritsafe.engine import open_engine
from spiritsafe.links import habitual_phrases, habitual_prefixes, shared_things
from spiritsafe.links.phrases import PREFIX_DEPTHS
from spiritsafe.signals import TACTICS, account_signals, text_tactics
from spiritsafe.signals.batch import number_accounts
from spiritsafe.sketch.model import sketches_schema


class Options:
    memory_limit_bytes = 256 << 20
    workers = 1
    spark_master = ""


def sketches(rows: list[dict[str, object]]) -> pa.Table:
    blank = {"operation": "chat", "model": "m"}
    made = [{**blank, "event_id": f"e{n}", "time": 1_770_000_000_000_000 + n, **row} for n, row in enumerate(rows)]
    return pa.Table.from_pylist(made, schema=sketches_schema(text_tactics()).arrow())


@pytest.fixture
def engine():
    with open_engine("duckdb", Options()) as opened:
        yield opened


def numbered(engine, rows):
    raw = engine.table(sketches(rows), "rows")
    signals = account_signals(raw, None, tactics=TACTICS)
    return number_accounts(raw, signals), signals


def test_habits_are_those_of_the_slow_way(engine):
    rng = random.Random(4)
    rows: list[dict[str, Any]] = [
        {"account_id": f"a{rng.randrange(12)}", "phrases": sorted({rng.randrange(60) for _ in range(6)})}
        for _ in range(2_000)
    ]
    requests, signals = numbered(engine, rows)
    said: Counter[tuple[object, object]] = Counter()
    sizes: Counter[object] = Counter()
    for row in rows:
        sizes[row["account_id"]] += 1
        said.update((row["account_id"], phrase) for phrase in row["phrases"])
    habits = {pair for pair, count in said.items() if count >= 3 and count >= 0.09 * sizes[pair[0]]}
    holders = Counter(phrase for _, phrase in habits)
    slow = {(who, what, said[who, what], holders[what]) for who, what in habits if 2 <= holders[what] <= 6}

    found = engine.arrow(habitual_phrases(requests, signals, share=0.09, most_share=0.5)).to_pylist()
    ids = dict(engine.arrow(signals.select("account", "account_id")).to_pandas().values.tolist())
    fast = {(ids[row["account"]], row["phrase"], row["requests"], row["holders"]) for row in found}
    assert fast == slow
    assert len(fast) > 20


def test_a_phrase_said_twice_is_no_habit_and_one_in_a_hundred_is_none_either(engine):
    rows = [{"account_id": who, "phrases": [1]} for who in ("a", "b") for _ in range(2)]
    rows += [{"account_id": who, "phrases": [2] if n < 3 else [100 + n]} for who in ("c", "d") for n in range(300)]
    requests, signals = numbered(engine, rows)
    assert engine.arrow(habitual_phrases(requests, signals, most_share=1)).num_rows == 0


def test_beginnings_are_those_of_the_slow_way(engine):
    rng = random.Random(6)
    # Chains that go on alike for a while and then apart; an account in four logs none.
    rows: list[dict[str, Any]] = []
    for _ in range(1_500):
        who = rng.randrange(16)
        common, depth = who // 4, rng.randrange(1, 20)
        chain = [common * 1_000 + place if place < 5 else rng.randrange(10_000, 10_040) for place in range(depth)]
        rows.append({"account_id": f"a{who:02d}", "prefix_blocks": None if who % 4 == 3 else chain})
    requests, signals = numbered(engine, rows)
    said: Counter[tuple[object, object]] = Counter()
    sizes: Counter[object] = Counter()
    for row in rows:
        sizes[row["account_id"]] += 1
        said.update(
            (row["account_id"], row["prefix_blocks"][k]) for k in PREFIX_DEPTHS if k < len(row["prefix_blocks"] or ())
        )
    habits = {pair for pair, count in said.items() if count >= 3 and count >= 0.02 * sizes[pair[0]]}
    holders = Counter(block for _, block in habits)
    slow = {(who, str(what), said[who, what], holders[what], 12) for who, what in habits if 2 <= holders[what] <= 4}

    found = engine.arrow(habitual_prefixes(requests, signals, most_share=0.35)).to_pylist()
    ids = dict(engine.arrow(signals.select("account", "account_id")).to_pandas().values.tolist())
    fast = {(ids[row["account"]], row["value"], row["requests"], row["holders"], row["observed"]) for row in found}
    assert fast == slow
    assert {row["thing"] for row in found} == {"prefix_block"}
    assert {"1000", "1001", "1003"} <= {row["value"] for row in found}
    assert "1002" not in {row["value"] for row in found}, "the third block is not looked at"


def test_a_popular_value_is_not_even_listed_and_a_rare_one_is(engine):
    rows = [{"account_id": f"a{n}", "ja4": "everybody", "client_ip": f"10.0.0.{n // 2}"} for n in range(100)]
    requests, signals = numbered(engine, rows)
    found = engine.arrow(shared_things(requests, signals, None)).to_pylist()
    assert {row["thing"] for row in found} == {"client_ip"}
    assert all(row["holders"] == 2 and row["observed"] == 100 for row in found)


def test_a_missing_value_is_nobodys_common_value(engine):
    requests, signals = numbered(engine, [{"account_id": f"a{n}", "client_ip": None} for n in range(50)])
    assert engine.arrow(shared_things(requests, signals, None, most_share=1)).num_rows == 0
