"""Accounts, account events, attestations: read whole, by the same rules as the log."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import HealthCheck, given, settings

from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, TableSchema
from spiritsafe.events.sources.errors import MissingColumnsError, NaiveTimeError
from spiritsafe.events.tables import read_table
from spiritsafe.files import SchemaError, write_parquet
from tests.events.source_rows import json_value, options, write_lines

SIGN_UP = dt.datetime(2011, 5, 1, 8, tzinfo=dt.UTC)
ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {
            "account_id": "a",
            "created_at": SIGN_UP,
            "organization_id": "acme",
            "organization_verified": True,
            "verified": False,
        },
        {
            "account_id": "b",
            "created_at": None,
            "organization_id": None,
            "organization_verified": None,
            "verified": None,
        },
    ],
    "account_events": [
        {"account_id": "a", "time": SIGN_UP, "kind": "suspended", "value_fingerprint": "f"},
        {"account_id": "a", "time": SIGN_UP + dt.timedelta(days=1), "kind": "reinstated", "value_fingerprint": None},
    ],
    "attestations": [
        {
            "subject": "acme",
            "kind": "licensed_distillation",
            "owner": "kim",
            "reason": "contract 7",
            "not_before": SIGN_UP,
            "expires_at": dt.datetime(2099, 1, 1, tzinfo=dt.UTC),
        },
    ],
}
SCHEMAS = {schema.name: schema for schema in (ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS)}


def table_of(schema: TableSchema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema([pa.field(n, schema.by_name[n].type) for n in rows[0]]))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("name", ROWS)
def test_every_table_reads_the_same_from_every_format(tmp_path: Path, name: str, form: str):
    schema = SCHEMAS[name]
    wanted = table_of(schema, ROWS[name])
    path = tmp_path / "table"
    if form == "parquet":
        write_parquet(wanted, path, schema.tag)
    elif form == "csv":
        pcsv.write_csv(wanted, path)
    else:
        write_lines(path, [{k: json_value(v) for k, v in row.items() if v is not None} for row in ROWS[name]])
    table, rejected = read_table(path, schema, options())
    assert rejected == []
    assert table.equals(wanted)


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("accounts", {"account_id": ""}, "events.empty_id"),
        ("accounts", {"created_at": "1999-12-31T23:59:59Z"}, "events.clock"),
        ("accounts", {"created_at": "2099-01-01T00:00:00Z"}, "events.clock"),
        ("accounts", {"created_at": "2026-01-01"}, "events.naive_time"),
        ("accounts", {"verified": "perhaps"}, "events.type"),
        ("account_events", {"kind": "exploded"}, "events.kind"),
        ("account_events", {"time": None}, "events.missing_value"),
        ("attestations", {"kind": "licenced distillation"}, "events.kind"),
        ("attestations", {"expires_at": "2001-01-01T00:00:00Z"}, "events.period"),
        ("attestations", {"owner": " "}, "events.empty_id"),
        ("attestations", {"reason": None}, "events.missing_value"),
    ],
)
def test_a_broken_row_is_refused_and_the_rest_goes_on(tmp_path: Path, name: str, change: dict[str, Any], code: str):
    good = {k: json_value(v) for k, v in ROWS[name][0].items()}
    path = write_lines(tmp_path / "table", [good, {**good, **change}, good])
    table, rejected = read_table(path, SCHEMAS[name], options())
    assert table.num_rows == 2
    assert [(r.position, r.code) for r in rejected] == [(1, code)]


@pytest.mark.parametrize("kind", ["Licensed Distillation", "approved-red-team", " academic ", "RESELLER"])
def test_kinds_are_taken_as_people_write_them(tmp_path: Path, kind: str):
    row = {k: json_value(v) for k, v in ROWS["attestations"][0].items()} | {"kind": kind}
    table, rejected = read_table(write_lines(tmp_path / "t", [row]), ATTESTATIONS, options())
    assert rejected == []
    assert table["kind"].to_pylist() == [kind.strip().lower().replace(" ", "_").replace("-", "_")]


def test_an_attestation_may_end_far_in_the_future(tmp_path: Path):
    row = {k: json_value(v) for k, v in ROWS["attestations"][0].items()} | {"expires_at": "9999-12-31T00:00:00Z"}
    table, _ = read_table(write_lines(tmp_path / "t", [row]), ATTESTATIONS, options())
    assert table["expires_at"].to_pylist() == [dt.datetime(9999, 12, 31, tzinfo=dt.UTC)]


def test_an_empty_table_is_no_rows_not_an_error(tmp_path: Path):
    (tmp_path / "none").write_bytes(b"")
    (tmp_path / "header").write_bytes(b"account_id,created_at\n")
    for name in ("none", "header"):
        table, rejected = read_table(tmp_path / name, ACCOUNTS, options())
        assert (table.num_rows, rejected) == (0, [])
        assert table.schema.field("account_id").type == pa.string()


def test_a_table_of_another_kind_is_named(tmp_path: Path):
    write_parquet(table_of(ACCOUNTS, ROWS["accounts"]), tmp_path / "t", "accounts/1.0")
    with pytest.raises(SchemaError, match="is a table of accounts, not of attestations"):
        read_table(tmp_path / "t", ATTESTATIONS, options())
    (tmp_path / "c").write_text("user,when\na,b\n")
    with pytest.raises(MissingColumnsError, match="no column account_id"):
        read_table(tmp_path / "c", ACCOUNTS, options())


def test_local_times_ask_for_a_zone(tmp_path: Path):
    (tmp_path / "t").write_text("account_id,created_at\na,2026-01-01 00:00:00\n")
    with pytest.raises(NaiveTimeError):
        read_table(tmp_path / "t", ACCOUNTS, options())
    table, _ = read_table(tmp_path / "t", ACCOUNTS, options(timezone="Asia/Tokyo"))
    assert table["created_at"].to_pylist() == [dt.datetime(2025, 12, 31, 15, tzinfo=dt.UTC)]


def test_a_mapping_for_the_log_leaves_tables_alone_unless_it_names_them(tmp_path: Path):
    log_only = parse_mapping(
        '[requests.event_id]\nfrom="a"\n[requests.time]\nfrom="b"\n[requests.account_id]\nfrom="c"'
    )
    (tmp_path / "t").write_text("account_id,plan\na,pro\n")
    assert read_table(tmp_path / "t", ACCOUNTS, options(mapping=log_only))[0]["plan"].to_pylist() == ["pro"]
    with_accounts = parse_mapping('[accounts.account_id]\nfrom="customer"\n[accounts.plan]\nfrom="tier"')
    (tmp_path / "m").write_text("customer,tier\nx,free\n")
    table, _ = read_table(tmp_path / "m", ACCOUNTS, options(mapping=with_accounts))
    assert table.to_pylist() == [{"account_id": "x", "plan": "free"}]


def test_log_options_do_not_leak_into_tables(tmp_path: Path):
    (tmp_path / "t").write_text("account_id,plan\na,pro\n")
    table, _ = read_table(tmp_path / "t", ACCOUNTS, options(sql="SELECT 1", columns=("prompt",), format="parquet"))
    assert table.to_pylist() == [{"account_id": "a", "plan": "pro"}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(
                ["account_id", "time", "kind", "subject", "owner", "reason", "not_before", "expires_at", "x"]
            ),
            st.none()
            | st.text(max_size=5)
            | st.integers()
            | st.sampled_from(["2026-01-01T00:00:00Z", "created", "academic"]),
        ),
        max_size=8,
    ),
    name=st.sampled_from(sorted(SCHEMAS)),
)
def test_no_row_of_a_table_is_lost(tmp_path: Path, rows: list[dict[str, Any]], name: str):
    (tmp_path / "t").write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        table, rejected = read_table(tmp_path / "t", SCHEMAS[name], options())
    except (MissingColumnsError, NaiveTimeError):
        return  # a file of another kind
    assert table.num_rows + len(rejected) == len(rows)
