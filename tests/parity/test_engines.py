"""The same expressions give the same rows on DuckDB and on an Apache Spark cluster."""

import random
from datetime import UTC, datetime, timedelta

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest

from spiritsafe.campaigns import attested as campaign_attested
from spiritsafe.campaigns import events as campaign_events
from spiritsafe.campaigns import exchanges as campaign_exchanges
from spiritsafe.engine import Engine, epoch_s, open_engine
from spiritsafe.events.model import ACCOUNTS, ACTIONS, REQUESTS, UTC_US, Shard
from spiritsafe.links import actions as acts
from spiritsafe.links import common_phrases, habitual_phrases, habitual_prefixes, shared_things
from spiritsafe.links.releases import first_uses
from spiritsafe.signals import TACTICS, account_signals, text_tactics
from spiritsafe.signals.actors import acting
from spiritsafe.signals.batch import number_accounts
from spiritsafe.sketch import SketchParameters, TextSketcher
from spiritsafe.sketch.repeats import first_of_each
from spiritsafe.sketch.table import POSITION, ROW, part_schema, sketch_batch

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

TEMPLATES = (
    "Explain the reasoning behind the finished answer step by step, then grade it from 1 to 10: {}",
    "请逐步解释下面答案的推理过程:{}",
    "Translate for our shop, keep the tone warm and short: {}",
)
WORDS = [
    "whale",
    "harbour",
    "dawn",
    "interest",
    "balance",
    "dog",
    "gate",
    "rain",
    "evening",
    "ship",
    "number",
    "prime",
    "Größe",
    "naïve",
    "数学",
]


class Options:
    memory_limit_bytes = 1 << 30
    workers = 2
    spark_master = "local-cluster[2,1,1024]"


def log(rows: int = 900, accounts: int = 40) -> pa.Table:
    """A small log with nulls, ties, fractions of seconds, unicode and a popular address."""
    rng = random.Random(3)
    base = datetime(2026, 3, 1, tzinfo=UTC)
    table = []
    for row in range(rows):
        account = int(accounts * rng.random() ** 2)
        text = TEMPLATES[account % 3].format(" ".join(rng.choices(WORDS, k=9)))
        table.append(
            {
                "event_id": f"e{row}",
                "time": base + timedelta(microseconds=rng.randrange(10 * 86_400_000_000)),
                "account_id": f"acct-{account}",
                "prompt": None if rng.random() < 0.05 else text,
                "model": rng.choice(["m-large", "m-small", None]),
                "client_ip": None if rng.random() < 0.1 else f"192.0.2.{account // 4}",
                "ja4": rng.choice(["t13d1516h2_a", "t13d1516h2_b"]),
                "status": rng.choice([200, 200, 429, None]),
                "refused": rng.choice([True, False, None]),
                "input_tokens": rng.choice([None, 17, 2_000_000_000]),
                "organization_id": rng.choice([None, "org-1"]) if account < 5 else None,
                "organization_verified": account < 3 or None,
                "system_prompt": rng.choice(["You are terse.", None]) if account % 2 else None,
                "assistant_prefill": "Sure, here it is" if account % 5 == 0 else None,
                "tool_schema_hash": account // 2 if account % 3 else None,
                "prefix_blocks": [account % 4, account % 8 + 10, row]
                if account % 6
                else rng.choice((None, list[int]())),
                "conversation_id": rng.choice([None, f"c{account // 3}-{rng.randrange(6)}"]),
                "turn": rng.choice([None, 0, 1]),
            }
        )
    names = [c.name for c in REQUESTS.columns if c.name in table[0]]
    rows_of_log = pa.Table.from_pylist(table, schema=REQUESTS.arrow(names))
    parameters = SketchParameters(key=b"k" * 32, key_id="k", tactics=text_tactics())
    (batch,) = rows_of_log.to_batches()
    return pa.Table.from_batches([sketch_batch(batch, TextSketcher(parameters), part_schema(parameters), first_row=0)])


def repeats() -> pa.Table:
    """The log, and some of its rows delivered again in a second file."""
    once = log()
    again = once.slice(3, 20)
    for name in (ROW, POSITION):
        first = 1 << 32 if name == ROW else 0
        again = again.set_column(again.column_names.index(name), name, pa.array(range(first, first + 20)))
    return pa.concat_tables([again, once])


def account_facts() -> pa.Table:
    rows = [
        {
            "account_id": f"acct-{n}",
            "created_at": datetime(2026, 2, 1 + n % 20, 3, 4, 5, 678901, tzinfo=UTC) if n % 4 else None,
            "organization_id": "org-2" if n % 7 == 0 else None,
            "organization_verified": True if n % 7 == 0 else None,
            "payment_fingerprint": f"card-{n // 6}" if n % 3 else None,
        }
        for n in range(38)
    ]
    return pa.Table.from_pylist(rows, schema=ACCOUNTS.arrow())


def actions() -> pa.Table:
    """Who did what to whom: ties at one moment, repeated acts, an object of thirty, answers and silence."""
    rng = random.Random(11)
    base = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        {
            "actor": f"u{int(30 * rng.random() ** 2)}",
            "object": rng.choice(["popular", "Größe", "数", f"u{rng.randrange(30)}", f"o{rng.randrange(40)}"]),
            "time": base + timedelta(seconds=rng.randrange(5_000), microseconds=rng.randrange(1_000_000)),
        }
        for _ in range(400)
    ]
    return pa.Table.from_pylist(rows, schema=ACTIONS.arrow())


def in_force() -> pa.Table:
    """Attestations of a few accounts, with edges inside the log, to the microsecond."""
    base = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        {"account": n, "attestation": n % 3, "not_before": base + timedelta(days=n, microseconds=n),
         "expires_at": base + timedelta(days=n + 2)}
        for n in range(8)
    ]  # fmt: skip
    kinds = {"account": pa.int64(), "attestation": pa.int64(), "not_before": UTC_US, "expires_at": UTC_US}
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


FACTORS = pa.table({"number": pa.array([0, 1, 2], pa.int64()), "factor": [0.5, 1.0, 0.25]})


def templates(requests, engine: Engine) -> pa.Table:
    """Templates of three groups: the first phrases of three accounts' prompts, and a system prompt."""
    rows = engine.arrow(requests.select("account", "phrases", "system_prompt_hash", "event_id")).sort_by("event_id")
    told = []
    for number, account in enumerate((1, 2, 9)):
        here = [row for row in rows.to_pylist() if row["account"] == account]
        said = {phrase for row in here[:3] for phrase in row["phrases"] or ()}
        told += [{"number": number, "phrase": phrase} for phrase in sorted(said)]
        told += [{"number": number, "system_prompt_hash": r["system_prompt_hash"]} for r in here[:1]]
    names = ("number", "phrase", "system_prompt_hash")
    return pa.Table.from_pylist(told, schema=pa.schema([(name, pa.int64()) for name in names]))


def evidence_values(phrases: pa.Table) -> pa.Table:
    """Values whose events are looked for: a few phrases, an address, a client, tools and a beginning."""
    first = phrases.sort_by([("phrase", "ascending"), ("account", "ascending")]).slice(0, 12)
    return pa.table(
        {
            "campaign_id": ["c-1"] * (first.num_rows + 4),
            "kind": ["content"] * first.num_rows + ["infrastructure"] * 2 + ["content"] * 2,
            "thing": ["phrase"] * first.num_rows + ["client_ip", "ja4", "tool_schema_hash", "prefix_block"],
            "value": [str(v) for v in first["phrase"].to_pylist()] + ["192.0.2.0", "t13d1516h2_a", "1", "13"],
            "account": pa.array([*first["account"].to_pylist(), 1, 1, 2, 3], pa.int64()),
        }
    )


def accused() -> pa.Table:
    return pa.table(
        {
            "account": pa.array([1, 2, 3, 9], pa.int64()),
            "number": pa.array([0, 0, 1, 2], pa.int64()),
            "campaign_id": ["c-1", "c-1", "c-2", "c-3"],
            "probability": [0.5, 0.25, 1.0, 0.125],
        }
    )


def path(name: str) -> dict[str, list[dict[str, object]]]:
    """Every table step of a scan, as sorted rows."""
    with open_engine(name, Options()) as engine:
        accounts = engine.table(account_facts(), "accounts")
        raw = engine.table(log(), "log")
        signals = engine.keep(account_signals(raw, accounts, tactics=TACTICS), "signals")
        alone = account_signals(raw, None, tactics=TACTICS)
        requests = number_accounts(raw, signals)
        members = engine.table(accused(), "members")
        phrases = habitual_phrases(requests, signals, most_share=1)
        values = evidence_values(engine.arrow(phrases))
        shards = [Shard("monday", "parquet"), Shard("tuesday", "parquet")]
        kept, again = first_of_each(engine.table(repeats(), "twice"), engine, shards, quote=True)
        pairs = engine.keep(acts.acts(engine.table(actions(), "actions")), "acts")
        shared = engine.keep(acts.shared_objects(pairs, acts.numbered_actors(pairs)), "shared")
        words = engine.table(templates(requests, engine), "templates")
        parts = campaign_events.in_parts(raw, 3)  # other rows in each on either engine, and the same in all
        found = engine.keep_all([campaign_events.template_requests(part, words) for part in parts], "template-requests")
        instances = engine.keep(number_accounts(found, signals), "instances")
        least = engine.table(campaign_exchanges.least_table(np.array([3, 3, 4])), "least")
        work = engine.keep(campaign_exchanges.own_work(requests, members, instances, least), "own-work")
        steps = {
            "acts": pairs,
            "acts without times": acts.acts(engine.table(actions().drop_columns(["time"]), "untimed")),
            "acts on oneself": acts.with_own_object(pairs),
            "answers": acts.reciprocity(pairs),
            "shared objects": shared,
            "ties": acts.tied(shared, most_holders=25, count=3),
            "signals": signals,
            "signals without accounts": alone,
            "phrases": phrases,
            "things": shared_things(requests, signals, accounts, most_share=1),
            "prefixes": habitual_prefixes(requests, signals, most_share=1),
            "common phrases": common_phrases(requests, signals),
            **actors(raw, accounts),
            "acts of accounts": campaign_events.acts(requests, members.select("account"), most=3),
            "asked": campaign_events.asked(requests, members.select("account"), most=3),
            "habits": campaign_exchanges.habits(work),
            "instances": instances,
            "template users": campaign_events.template_users(instances),
            "own work": work,
            "counted": campaign_exchanges.counted(work),
            "lengths": campaign_exchanges.lengths(work),
            "exchanges": campaign_exchanges.exchanges(work, engine.table(FACTORS, "factors")),
            "first uses": first_uses(requests),
            "covered": campaign_attested.covered(requests, engine.table(in_force(), "in-force")),
            "activity": campaign_events.activity(requests, members, first_s=1_772_323_200),
            "prompts": campaign_events.prompts(requests, members),
            "evidence": campaign_events.evidence(requests, engine.table(values, "values")),
            "kept once": kept.select("event_id", ROW),
            "refused": again,
            "seconds": raw.select("event_id", second=epoch_s(raw.time)),
        }
        return {step: rows_of(engine.arrow(expression)) for step, expression in steps.items()}


def actors(raw: ir.Table, accounts: ir.Table) -> dict[str, ir.Table]:
    """Who acts in place of accounts."""
    return {
        "organisations": acting(raw, "organization", accounts)[0].select("event_id", "account_id"),
        "accounts of organisations": acting(raw, "organization")[1],
        "end users": acting(raw, "end_user")[0].select("event_id", "account_id", "client_ip"),
    }


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    """Sorted rows after a first row that names the types, so that types are compared as well."""
    # Engines name the items of a list as they like.
    types = {
        field.name: f"list of {field.type.value_type}" if pa.types.is_list(field.type) else str(field.type)
        for field in table.schema
    }
    return [types, *sorted(table.to_pylist(), key=repr)]


@pytest.fixture(scope="module")
def both():
    return path("duckdb"), path("spark")


@pytest.mark.parametrize(
    "step",
    [
        "signals",
        "signals without accounts",
        "phrases",
        "things",
        "prefixes",
        "common phrases",
        "exchanges",
        "organisations",
        "accounts of organisations",
        "end users",
        "acts of accounts",
        "asked",
        "habits",
        "instances",
        "template users",
        "own work",
        "counted",
        "first uses",
        "covered",
        "activity",
        "prompts",
        "evidence",
        "kept once",
        "refused",
        "seconds",
        "acts",
        "acts without times",
        "acts on oneself",
        "shared objects",
        "ties",
    ],
)
def test_duckdb_and_spark_give_the_same_rows(both, step):
    duckdb, spark = both[0][step], both[1][step]
    assert len(duckdb) > 3
    assert duckdb == spark


def test_both_engines_count_the_same_answers(both):
    assert both[0]["answers"] == both[1]["answers"]
    assert 0 < both[0]["answers"][1]["answered"] < both[0]["answers"][1]["on_actors"]


def test_ties_are_the_plain_ones(both):
    """The same ties by looking at every pair."""
    first: dict[tuple[str, str], int] = {}
    for row in actions().to_pylist():
        second = int(row["time"].timestamp())
        first[row["actor"], row["object"]] = min(second, first.get((row["actor"], row["object"]), second))
    names = sorted({actor for actor, _ in first})
    on: dict[str, list[tuple[int, int]]] = {}
    for (actor, thing), second in first.items():
        on.setdefault(thing, []).append((second, names.index(actor)))
    wanted = set()
    for those in on.values():
        those.sort()
        size, half = len(those), len(those) // 2
        for here in range(size) if 2 <= size <= 25 else ():
            for there in range(here + 1, size):
                pair = (those[here][1], those[there][1], those[there][0] - those[here][0], size)
                if there - here <= 3:
                    wanted.add((*pair, 1))
                if there - here == half > 3 and here < half:
                    wanted.add((*pair, 0))
    told = {(row["one"], row["other"], row["gap_s"], row["holders"], row["near"]) for row in both[0]["ties"][1:]}
    assert told == wanted
    assert {near for *_, near in told} == {0, 1}


def test_seconds_are_whole_and_right(both):
    table = log()
    told = dict(zip(table["event_id"].to_pylist(), table["time"].cast(pa.int64()).to_pylist(), strict=True))
    assert all(row["second"] == told[row["event_id"]] // 1_000_000 for row in both[0]["seconds"][1:])


@pytest.mark.parametrize("name", ["duckdb", "spark"])
def test_evidence_comes_in_one_order_on_either_engine(name):
    rows = {"campaign_id": "c-1", "kind": "content", "thing": "phrase", "account_id": "a"}
    made = [
        {
            **rows,
            "value": str(n % 3),
            "event_id": f"e{n}",
            "time": datetime(2026, 3, 1, 0, n, tzinfo=UTC),
            "rank": n // 3,
        }
        for n in range(30)
    ]
    random.Random(4).shuffle(made)
    with open_engine(name, Options()) as engine:
        kept = engine.keep(engine.table(pa.Table.from_pylist(made), "made"), "kept")
        told = engine.arrow(campaign_events.in_order(kept)).to_pylist()
    assert [(row["value"], row["time"]) for row in told] == sorted((row["value"], row["time"]) for row in made)


@pytest.mark.parametrize("name", ["duckdb", "spark"])
def test_a_hash_beside_a_null_keeps_its_last_bits(name):
    rows = pa.table({"hash": pa.array([4_370_717_341_451_934_301, None], pa.int64())})
    with open_engine(name, Options()) as engine:
        assert engine.arrow(engine.table(rows, "rows")).sort_by("hash").equals(rows)
