"""Accounts, organisations and end users as actors."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from spiritsafe.engine import open_engine
from spiritsafe.events.beside import Beside
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, QUARANTINE
from spiritsafe.signals.actors import acting, beside_actors
from spiritsafe.sketch.model import sketches_schema


class Options:
    memory_limit_bytes = 256 << 20
    workers = 1
    spark_master = ""


def day(number):
    return datetime(2026, 3, number, tzinfo=UTC)


REQUESTS: list[dict[str, Any]] = [
    {"event_id": "1", "account_id": "a", "end_user_id": "u", "organization_id": "x", "client_ip": "192.0.2.1"},
    {"event_id": "2", "account_id": "a", "end_user_id": "v", "organization_id": "x", "client_ip": "192.0.2.1"},
    {"event_id": "3", "account_id": "b", "end_user_id": "u", "organization_id": "x", "client_ip": "192.0.2.2"},
    {"event_id": "4", "account_id": "c", "end_user_id": None, "organization_id": None, "client_ip": "192.0.2.3"},
    {"event_id": "5", "account_id": "d", "end_user_id": None, "organization_id": "x", "client_ip": "192.0.2.4"},
]
TABLES = Beside(
    accounts=pa.Table.from_pylist(
        [
            {"account_id": "a", "created_at": day(3), "organization_id": "x", "organization_verified": True},
            {"account_id": "b", "created_at": day(2), "organization_id": "x", "organization_verified": True},
            {"account_id": "d", "created_at": day(1), "organization_id": "y", "organization_verified": False},
            {"account_id": "z", "created_at": day(1), "organization_id": "x", "organization_verified": True},
        ],
        schema=ACCOUNTS.arrow(["account_id", "created_at", "organization_id", "organization_verified"]),
    ),
    account_events=pa.Table.from_pylist(
        [{"account_id": "b", "time": day(5), "kind": "suspended"}],
        schema=ACCOUNT_EVENTS.arrow(["account_id", "time", "kind"]),
    ),
    attestations=pa.Table.from_pylist(
        [
            {"subject": subject, "kind": kind, "owner": "o", "reason": "r", "not_before": day(1), "expires_at": day(9)}
            for subject, kind in (("a", "licensed_distillation"), ("b", "reseller"), ("x", "customer_fleet"))
        ],
        schema=ATTESTATIONS.arrow(),
    ),
    labels=pa.table({"account_id": ["a", "b", "d"], "label": ["cleared", "banned", "banned"]}),
    quarantine=QUARANTINE.arrow().empty_table(),
    files=(),
)


def renamed(tmp_path, kind, *, told=True):
    schema = sketches_schema(()).arrow()
    rows = [{"time": day(1), **row} for row in REQUESTS]
    with open_engine("duckdb", Options(), scratch=tmp_path) as engine:
        requests = engine.table(pa.Table.from_pylist(rows, schema=schema), "requests")
        accounts = engine.table(TABLES.accounts, "accounts") if told else None
        found, pairs = acting(requests, kind, accounts)
        assert found.schema() == requests.schema()
        return engine.arrow(found).sort_by("event_id"), engine.arrow(pairs)


def test_an_organisation_stands_for_its_accounts_and_the_accounts_table_knows_best(tmp_path):
    found, pairs = renamed(tmp_path, "organization")
    assert found["account_id"].to_pylist() == ["x", "x", "x", "c", "y"]
    assert sorted(map(tuple, (row.values() for row in pairs.to_pylist()))) == [
        ("a", "x"), ("b", "x"), ("c", "c"), ("d", "y"),
    ]  # fmt: skip
    assert renamed(tmp_path, "organization", told=False)[0]["account_id"].to_pylist() == ["x", "x", "x", "c", "x"]


def test_an_end_user_is_known_by_what_it_asks_and_by_nothing_of_its_account(tmp_path):
    found, _ = renamed(tmp_path, "end_user")
    assert found["account_id"].to_pylist() == ["a/u", "a/v", "b/u", "c", "d"]
    assert found["organization_id"].null_count == found["client_ip"].null_count == 5
    assert found["end_user_id"].to_pylist() == [row["end_user_id"] for row in REQUESTS]


def test_what_is_known_of_accounts_is_known_of_their_organisation(tmp_path):
    told = beside_actors(TABLES, renamed(tmp_path, "organization")[1], "organization")
    assert told.accounts is not None
    assert told.account_events is not None
    assert told.attestations is not None
    rows = {row["account_id"]: row for row in told.accounts.to_pylist()}
    assert set(rows) == {"x", "y", "z"}
    assert rows["x"]["created_at"] == day(2)
    assert told.account_events["account_id"].to_pylist() == ["x"]
    assert told.known == {"y": "banned"}
    assert Counter(told.attestations["subject"].to_pylist()) == {"x": 3}


def test_an_accounts_contract_sign_up_and_ban_say_nothing_of_its_end_users(tmp_path):
    told = beside_actors(TABLES, renamed(tmp_path, "end_user")[1], "end_user")
    assert told.accounts is None
    assert told.account_events is None
    assert told.attestations is not None
    assert told.known == {"a/u": "cleared", "a/v": "cleared", "b/u": "banned", "d": "banned"}
    # Whoever vouched for the account's training data vouched for its users; a reseller is vouched for as such.
    assert sorted(told.attestations["subject"].to_pylist()) == ["a/u", "a/v", "x"]


@pytest.mark.parametrize("kind", ["organization", "end_user"])
def test_tables_that_were_not_given_stay_away(tmp_path, kind):
    nothing = Beside(None, None, None, None, TABLES.quarantine, ())
    assert beside_actors(nothing, renamed(tmp_path, kind, told=False)[1], kind) == nothing
