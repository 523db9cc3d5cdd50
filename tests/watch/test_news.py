"""What accounts come to say is counted as it comes, and is news where it ties them."""

from __future__ import annotations

import random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.engine import open_engine
from spiritsafe.watch.increments import expire, sum_up
from spiritsafe.watch.news import KEY, new_habits, often, often_now
from spiritsafe.watch.state import Look, open_state
from tests.watch.states import ROWS, held_keys, looked, put, row, settings_of, taken


def shares(number: int, account: str, text: str = "", **more):
    """A row of an account that says a template, or something of its own."""
    wording = text or f"thing {number} is {number * 7919 % 1000} by {number * 104729 % 9973} so there"
    return {**row(number), "account_id": account, "prompt": wording, **more}


TEMPLATE = "Grade the following answer to the question on a scale from one to ten and explain each point in turn"


def test_accounts_that_come_to_share_a_template_are_news(place):
    """Four that say it, each often enough; not those who said it before the last look, nor one who says it once."""
    crowd = [shares(n, f"c{n}") for n in range(300)]
    put(place, "a.jsonl", [*crowd, *(shares(400 + n, f"old{n % 4}", TEMPLATE) for n in range(16))])
    taken(place)
    with open_state(place / "state") as held:
        look = Look("l", held.manifest.taken, 1, held.manifest.last_us, 0, 0)
        looked(held.folder / "looks" / "l", ["old0", "old1", "old2", "old3"])
        held.commit(msgspec.structs.replace(held.manifest, looks=(look,)))
    put(place, "b.jsonl", [*(shares(500 + n, f"c{n}") for n in range(90)), shares(600, "once", TEMPLATE)])
    assert taken(place)[1].manifest.news == ()
    put(place, "c.jsonl", [shares(700 + n, f"new{n % 4}", TEMPLATE) for n in range(8)])
    assert taken(place)[1].manifest.news == ()  # twice each is no habit yet
    put(place, "d.jsonl", [shares(800 + n, f"new{n % 4}", TEMPLATE) for n in range(8)])
    assert taken(place)[1].manifest.news == ("new0", "new1", "new2", "new3")
    put(place, "e.jsonl", [shares(900 + n, f"c{n % 3}", system_prompt="You are a judge of answers") for n in range(12)])
    assert taken(place)[1].manifest.news == ("new0", "new1", "new2", "new3")  # three that share one are too few
    put(place, "f.jsonl", [shares(950 + n, "c3", system_prompt="You are a judge of answers") for n in range(4)])
    assert "c3" in taken(place)[1].manifest.news


def random_counts(rng: random.Random, size: int) -> pa.Table:
    """Counts of some accounts, neighbours of which say some of the same."""
    held: dict[tuple[int, int, str], int] = {}
    for _ in range(size):
        number = rng.randint(0, 200)
        account = f"a{number}"
        held[0, 0, account] = held.get((0, 0, account), 0) + 1
        for _ in range(3):
            value = (7 * number + rng.randint(0, 2)) % 60
            key = (1 if value % 5 else 2 + value % 2, value, account)
            held[key] = held.get(key, 0) + 1
    rows = [dict(zip(("thing", "value", "account_id", "requests"), (*k, n), strict=True)) for k, n in held.items()]
    schema = pa.schema(
        [("thing", pa.int32()), ("value", pa.int64()), ("account_id", pa.string()), ("requests", pa.int64())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def test_sums_that_a_failed_first_look_left_are_not_gone_on_from(place):
    """Summed for a look that then failed (a table beside the log was broken), and more rows came before the next."""
    put(place, "a.jsonl", ROWS[:30])
    taken(place)
    for name, rows in (("b.jsonl", ROWS[30:60]), ("c.jsonl", ROWS[60:])):
        with open_state(place / "state") as held:
            sum_up(held, settings_of(place))
        put(place, name, rows)
        taken(place)
    with open_state(place / "state") as held:
        sum_up(held, settings_of(place))
        said = pq.read_table(held.folder / held.manifest.often).to_pylist()
    assert sum(one["requests"] for one in said if one["thing"] == 0) == len(ROWS)


@pytest.mark.parametrize("seed", range(4))
def test_news_is_what_counting_everything_anew_would_call_new(place, seed):
    """`new_habits`, which looks at what is touched only, beside the same rule on all counts."""
    rng = random.Random(seed)
    settings = settings_of(place)

    def added(*tables) -> dict[tuple[int, int, str], int]:
        total: dict[tuple[int, int, str], int] = {}
        for one in pa.concat_tables(tables).to_pylist():
            key = (one["thing"], one["value"], one["account_id"])
            total[key] = total.get(key, 0) + one["requests"]
        return total

    def habits(total) -> set[tuple[int, int, str]]:
        return {k for k, n in total.items() if k[0] and n >= 3 and n >= 0.02 * total[0, 0, k[2]]}

    before, new = random_counts(rng, 450), random_counts(rng, 200)
    after = added(before, new)
    holders: dict[tuple[int, int], int] = {}
    for thing, value, _ in habits(after):
        holders[thing, value] = holders.get((thing, value), 0) + 1
    most = 0.05 * sum(key[0] == 0 for key in after)
    wanted: dict[str, int] = {}
    fresh = {key for key in habits(after) - habits(added(before)) if 4 <= holders[key[:2]] <= most}
    for thing, _, account in fresh:
        wanted[account] = wanted.get(account, 0) + (1 if thing == 1 else 3)
    with open_engine("duckdb", settings, scratch=place) as engine:
        said, counts = engine.table(new, "new"), engine.table(before, "before")
        held = often(counts)
        now = often_now(held, said, counts)
        found = engine.arrow(new_habits(said, held, now))
        summed = {tuple(one[name] for name in KEY): one["requests"] for one in engine.arrow(now).to_pylist()}
    assert summed == {key: count for key, count in after.items() if key[0] == 0 or count >= 3}
    told = {(one["thing"], one["value"], one["account_id"]) for one in found.to_pylist()}
    assert told == {key for key in fresh if wanted[key[2]] >= 3}
    assert told


def test_what_is_said_often_is_summed_anew_when_days_went(place):
    """Made by the look or by the first rows after it, carried on by later ones, and whole: a recount says the same."""
    put(place, "a.jsonl", [*ROWS, *(shares(300 + n, f"a{n % 4}", TEMPLATE) for n in range(16))])
    _, held = taken(place)
    assert held.manifest.often == ""
    names = []
    for number, keep_days in enumerate((30, 30, 8)):
        with open_state(place / "state") as held:
            expire(held, keep_days=keep_days)
            sum_up(held, settings_of(place))
            names.append(held.manifest.often)
            if not held.manifest.looks:
                look = Look("l", held.manifest.taken, 1, held.manifest.last_us, 0, 0)
                looked(held.folder / "looks" / "l")
                held.commit(msgspec.structs.replace(held.manifest, looks=(look,)))
        put(place, f"{number}.jsonl", [shares(500 + 10 * number + n, f"a{n}", TEMPLATE) for n in range(4)])
        names.append(taken(place)[1].manifest.often)
        with open_state(place / "state") as held:
            (there,) = (held.folder / "often").iterdir()
            said = {tuple(one[name] for name in KEY): one["requests"] for one in pq.read_table(there).to_pylist()}
        counted = {key: count for key, count in held_keys(place).items() if key[0] == 0 or count >= 3}
        assert said == counted
    assert len(set(names)) == 5  # the second time there was something to go on from
