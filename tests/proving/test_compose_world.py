"""A composed world is a log like any other, the same for the same seed, with its truth kept apart."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS, TableSchema
from spiritsafe.files import SCHEMA_KEY
from spiritsafe.proving.model import KINDS
from spiritsafe.proving.recipes import CampaignSpec, LookAlikeSpec, Recipe
from spiritsafe.proving.rows import limits
from spiritsafe.proving.world import compose_world

SMALL = Recipe(
    name="small",
    consumers=30,
    developers=20,
    matched=0.5,
    requests_per_account=20,
    look_alikes={"class": LookAlikeSpec(1, 8), "reseller": LookAlikeSpec(1, 4)},
    campaigns=(CampaignSpec("A", "plain", 0, 8), CampaignSpec("D", "plain", 2, 8)),
)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    good = positive.sum()
    return float((rank[positive].sum() - good * (good + 1) / 2) / (good * (len(score) - good)))


def test_one_seed_is_one_world_to_the_byte_whatever_the_number_of_workers(tmp_path, monkeypatch):
    # Small batches, so that a small world is worded by forked workers, too.
    monkeypatch.setattr("spiritsafe.proving.workers.BATCH_ROWS", 500)
    compose_world(SMALL, tmp_path / "one", seed=3, workers=1)
    monkeypatch.setattr("spiritsafe.proving.workers._WORTH_FORKING_ROWS", 1)
    compose_world(SMALL, tmp_path / "again", seed=3, workers=2)
    compose_world(SMALL, tmp_path / "other", seed=4, workers=1)
    one, again, other = (digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert len(one) == 8
    # Only a table that may be empty can be the same in another world.
    same = {name for name in one if name.endswith(".parquet") and one[name] == other[name]}
    assert same <= {"attestations.parquet"}


def test_a_new_world_replaces_the_old_one_whole(tmp_path):
    compose_world(SMALL, tmp_path / "world", seed=3)
    before = digests(tmp_path / "world")
    compose_world(SMALL, tmp_path / "world", seed=4)
    after = digests(tmp_path / "world")
    assert set(before) == set(after)
    assert before["requests.parquet"] != after["requests.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("requests", REQUESTS),
        ("accounts", ACCOUNTS),
        ("account_events", ACCOUNT_EVENTS),
        ("attestations", ATTESTATIONS),
    ],
)
def test_tables_are_the_contract_and_nothing_else(zoo, file: str, schema: TableSchema):
    found = pq.read_schema(zoo.folder / f"{file}.parquet")
    assert found.metadata[SCHEMA_KEY].decode() == schema.tag
    assert found.remove_metadata().equals(schema.arrow(found.names))
    required = set(schema.required)
    assert required <= set(found.names)


def test_row_groups_are_filled_in_order_of_time(zoo):
    metadata = pq.ParquetFile(zoo.folder / "requests.parquet").metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert set(sizes[:-1]) <= {65_536}
    assert zoo.one("SELECT bool_and(time >= before) FROM (SELECT time, lag(time) OVER () AS before FROM requests)")


def test_every_kind_of_account_is_there(zoo):
    found = {kind for (kind,) in zoo.rows("SELECT DISTINCT operator_kind FROM who")}
    assert found == {*KINDS, "campaign"}
    assert zoo.facts["counts"]["accounts_by_kind"].keys() == found


def test_truth_and_log_name_the_same_accounts_and_exchanges(zoo):
    assert zoo.one("SELECT count(*) FROM (SELECT account_id FROM requests EXCEPT SELECT account_id FROM who)") == 0
    assert zoo.one("SELECT count(*) FROM (SELECT account_id FROM who EXCEPT SELECT account_id FROM requests)") == 0
    assert zoo.one("SELECT count(*) FROM (SELECT account_id FROM who EXCEPT SELECT account_id FROM accounts)") == 0
    matched = zoo.one("SELECT count(*) FROM requests JOIN sent USING (event_id, account_id)")
    assert matched == zoo.one("SELECT count(*) FROM requests") == zoo.one("SELECT count(DISTINCT event_id) FROM sent")
    assert matched == zoo.facts["counts"]["requests"]


def test_no_name_of_the_truth_stands_in_the_log(zoo):
    secret = {
        value
        for column in ("operator_id", "campaign_id", "independent_unit")
        for (value,) in zoo.rows(f"SELECT DISTINCT {column} FROM who WHERE {column} IS NOT NULL")
    } | {value for (value,) in zoo.rows("SELECT DISTINCT operator_id FROM sent")}
    assert len(secret) > 500
    for table in ("requests", "accounts", "account_events", "attestations"):
        names = pq.read_schema(zoo.folder / f"{table}.parquet")
        assert not {"operator_id", "campaign_id", "stealth", "variant", "archetype"} & set(names.names)
        for field in names:
            if str(field.type) != "string":
                continue
            values = {value for (value,) in zoo.rows(f"SELECT DISTINCT {field.name} FROM {table}")}
            assert not values & secret
            bare = {name.partition("-")[2] for name in secret}
            assert not {str(value).partition("-")[2] for value in values if value} & bare


def test_ids_and_order_say_nothing_about_who_sent(zoo):
    guilty = np.array([kind == "campaign" for (kind,) in zoo.rows("SELECT operator_kind FROM who ORDER BY account_id")])
    assert 0.46 < auc(np.arange(len(guilty)), guilty) < 0.54
    sent = zoo.rows("SELECT campaign_id IS NOT NULL FROM sent ORDER BY event_id")
    flags = np.array([flag for (flag,) in sent])
    assert 0.48 < auc(np.arange(len(flags)), flags) < 0.52
    # The accounts table is in order of its ids; every id has one shape.
    assert zoo.one("SELECT bool_and(regexp_full_match(account_id, 'acct-[0-9a-f]{12}')) FROM accounts")


def test_nobody_asks_before_signing_up_or_while_suspended(zoo):
    early = "SELECT count(*) FROM requests JOIN accounts USING (account_id) WHERE time < created_at"
    assert zoo.one(early) == 0
    shut = """
        SELECT count(*) FROM requests r JOIN account_events s ON r.account_id = s.account_id AND s.kind = 'suspended'
        WHERE r.time >= s.time AND NOT EXISTS (
            SELECT 1 FROM account_events b
            WHERE b.account_id = s.account_id AND b.kind = 'reinstated' AND b.time <= r.time)"""
    assert zoo.one(shut) == 0
    assert zoo.one("SELECT count(*) FROM account_events WHERE kind = 'suspended'") > 20


def test_a_429_is_a_limit_that_was_reached(zoo):
    counted = """
        SELECT status, limit_requests_per_minute AS allowed, limit_remaining AS rest,
            row_number() OVER (PARTITION BY account_id, date_trunc('minute', time) ORDER BY time) AS number
        FROM requests WHERE limit_requests_per_minute IS NOT NULL"""
    assert zoo.one(f"SELECT count(*) FROM ({counted}) WHERE (status = 429) != (number > allowed)") == 0
    assert zoo.one(f"SELECT count(*) FROM ({counted}) WHERE rest != greatest(0, allowed - number)") == 0
    assert zoo.one("SELECT count(*) FROM requests WHERE status = 429") > 100


def test_limits_count_within_an_account_and_a_minute():
    account = np.array([0, 0, 1, 0, 0])
    time_us = np.array([0, 1, 2, 3, 60_000_000])
    limited, rest = limits(account, time_us, np.array([2, 2]))
    assert limited.tolist() == [False, False, False, True, False]
    assert rest.tolist() == [1, 0, 1, 0, 1]


def test_turns_of_one_account_alone_count_up_from_zero(zoo):
    query = """
        SELECT count(*) FROM (
            SELECT min(turn) AS least, count(*) AS size, max(turn) AS most
            FROM requests JOIN who USING (account_id)
            WHERE operator_kind = 'consumer' AND NOT EXISTS (
                SELECT 1 FROM account_events e WHERE e.account_id = requests.account_id AND e.kind = 'suspended')
            GROUP BY conversation_id)
        WHERE least > 0 OR most > 9"""
    # A conversation may begin before the window, never after turn 9.
    assert zoo.one(query) <= 2


def test_attested_organisations_are_named_and_nobody_else(zoo):
    kinds = zoo.rows("""
        SELECT DISTINCT t.kind, w.operator_kind FROM attestations t
        JOIN accounts a ON a.organization_id = t.subject JOIN who w USING (account_id) ORDER BY 1""")
    assert ("licensed_distillation", "licensed_distillation") in kinds
    assert ("approved_red_team", "red_team") in kinds
    assert {kind for _, kind in kinds} <= {"licensed_distillation", "red_team", "reseller", "agent_fleet"}
    assert zoo.one("SELECT bool_and(not_before < expires_at) FROM attestations")


def test_the_number_of_requests_is_about_what_was_asked_for(zoo):
    asked = 36 * zoo.facts["counts"]["accounts"]
    assert 0.8 * asked < zoo.facts["counts"]["requests"] < 1.3 * asked


def test_prompts_are_as_long_as_those_of_real_logs(zoo):
    assert 150 < zoo.one("SELECT median(length(prompt)) FROM requests") < 400
    assert zoo.one("SELECT max(length(prompt)) FROM requests") <= 8_000
    assert zoo.one("SELECT count(*) FROM requests WHERE trim(prompt) = ''") == 0


def test_world_json_says_what_was_used_and_what_was_held_out(zoo):
    facts = msgspec.json.decode((zoo.folder / "truth" / "world.json").read_bytes())
    assert facts["recipe"]["name"] == "zoo"
    assert facts["seed"] == 5
    used, held = set(facts["sources"]["used"]["items"]), set(facts["sources"]["held_out"])
    assert used
    assert held
    assert not used & held
    assert facts["composed_conversations"] is True
