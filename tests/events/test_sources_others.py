"""Glasswally's two schemas, bespoke tables through a mapping, and any table through SQL."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spiritsafe.events.mapping import MappingSourceError, parse_mapping
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.errors import MissingColumnsError, MixedInputError, QueryError
from tests.events.source_rows import (
    START,
    WRITERS,
    as_csv,
    as_jsonl,
    as_parquet,
    options,
    read_all,
    requests,
    row,
    write_lines,
)

# --- Glasswally -------------------------------------------------------------------------------------------
# Rows of our own in the shape of github.com/m0rs3c0d3/Glasswally: `ApiEvent` (glasswally/src/events.rs) and
# datasets/labeled_5k.jsonl.

API_EVENT: dict[str, Any] = {
    "request_id": "req-1",
    "account_id": "sk-1",
    "timestamp": "2026-03-01T12:00:00.273192+00:00",
    "ip_address": "203.0.113.5",
    "user_agent": "python-requests/2.31.0",
    "model": "m-large",
    "prompt": "Compare two things.",
    "token_count": 215,
    "payment_method_hash": "e072",
    "org_id": None,
    "country_code": "GB",
    "header_order": ["host", "accept"],
    "ja3_hash": "1596",
    "ja3s_hash": None,
    "h2_settings": {"header_table_size": 4096, "fingerprint": "b146"},
    "tls_library": "OpenSsl",
    "asn_number": 5089,
    "asn_org": "Example",
    "max_tokens": 256,
    "system_prompt_hash": None,
    "campaign_label": None,
}
LABELLED: dict[str, Any] = {
    "account_id": "sk-2",
    "timestamp": "2026-02-27T20:08:29.149978+00:00",
    "model": "m-small",
    "prompt": "How does it work?",
    "system_prompt": "Act as a teacher.",
    "system_prompt_hash": "fde9",
    "token_count": 24,
    "max_tokens": 4096,
    "client_ip": "203.0.113.6",
    "asn_number": 24940,
    "asn_org": "Example",
    "user_agent": "aiohttp/3.9.1",
    "h2_settings_fp": "2:32953:3:100",
    "campaign_label": "campaign_0002",
}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_glasswallys_events(tmp_path: Path, form: str):
    if form == "jsonl":
        write_lines(tmp_path / "log", [API_EVENT])
    else:
        (tmp_path / "log").write_bytes(as_parquet(pa.Table.from_pylist([API_EVENT])))
    table, rejected, source = read_all(tmp_path / "log")
    assert (rejected, source.format) == ([], "glasswally")
    (found,) = table.to_pylist()
    wanted = {"event_id": "req-1", "time": dt.datetime(2026, 3, 1, 12, 0, 0, 273192, dt.UTC), "account_id": "sk-1",
              "client_ip": "203.0.113.5", "country": "GB", "asn": 5089, "http2_fingerprint": "b146", "max_tokens": 256,
              "prompt": "Compare two things.", "ja3_hash": "1596", "payment_method_hash": "e072"}  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert "output_tokens" not in found  # its token_count is now this, now that


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_glasswallys_labelled_set_has_no_ids_and_gets_numbers(tmp_path: Path, form: str):
    rows = [LABELLED, {**LABELLED, "campaign_label": None}]
    if form == "jsonl":
        write_lines(tmp_path / "log", rows)
    else:
        (tmp_path / "log").write_bytes(WRITERS[form](pa.Table.from_pylist(rows)))
    table, rejected, source = read_all(tmp_path / "log")
    assert (rejected, source.format) == ([], "glasswally")
    first, second = table.to_pylist()
    assert first["event_id"] != second["event_id"]
    assert (first["client_ip"], first["asn"], first["http2_fingerprint"]) == ("203.0.113.6", 24940, "2:32953:3:100")
    assert (first["campaign_label"], second["campaign_label"]) == ("campaign_0002", None)


# --- a mapping --------------------------------------------------------------------------------------------

MAPPING = parse_mapping(
    """
    [requests.event_id]
    from = "req"
    [requests.time]
    from = "ts"
    unit = "ms"
    [requests.account_id]
    from = "who.tenant"
    [requests.prompt]
    from = "body"
    transform = "last_user_message"
    """
)
BESPOKE: list[dict[str, Any]] = [
    {"req": f"r{n}", "ts": 1775044800000 + n, "who": {"tenant": f"t{n % 2}"}, "region": "eu",
     "body": json.dumps({"messages": [{"role": "user", "content": f"question {n}"}]})}
    for n in range(5)
]  # fmt: skip


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_bespoke_table_is_read_through_its_mapping(tmp_path: Path, form: str):
    if form == "jsonl":
        write_lines(tmp_path / "log", BESPOKE)
    else:
        (tmp_path / "log").write_bytes(as_parquet(pa.Table.from_pylist(BESPOKE), row_group_size=2))
    table, rejected, source = read_all(tmp_path / "log", mapping=MAPPING)
    assert rejected == []
    assert source.columns == ("event_id", "time", "account_id", "prompt")
    assert table["time"].to_pylist()[1] == START + dt.timedelta(milliseconds=1)
    assert table["account_id"].to_pylist() == ["t0", "t1", "t0", "t1", "t0"]
    assert table["prompt"].to_pylist()[4] == "question 4"
    assert table["region"].to_pylist() == ["eu"] * 5


def test_a_mapped_row_that_is_broken_costs_itself_only(tmp_path: Path):
    homeless: dict[str, Any] = {**BESPOKE[2], "who": None}
    timeless: dict[str, Any] = {**BESPOKE[3], "ts": "noon"}
    lines: list[bytes | dict[str, Any]] = [*BESPOKE[:2], homeless, b"{", timeless, {"req": "r9"}, BESPOKE[4]]
    table, rejected, _ = read_all(write_lines(tmp_path / "log", lines), mapping=MAPPING)
    assert table["event_id"].to_pylist() == ["r0", "r1", "r4"]
    codes = {r.position: r.code for r in rejected}
    assert codes == {2: "events.missing_value", 3: "events.json", 4: "events.time", 5: "events.missing_value"}


def test_a_batch_without_any_account_is_refused_row_by_row_not_with_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spiritsafe.events.sources.lines.CHUNK_BYTES", 1)
    lines = [*BESPOKE, {"req": "r9", "ts": 1775044800000}]
    table, rejected, _ = read_all(write_lines(tmp_path / "log", lines), mapping=MAPPING)
    assert table.num_rows == 5
    assert [(r.position, r.code) for r in rejected] == [(5, "events.missing_value")]


def test_a_mapping_that_names_a_column_of_another_table_is_refused_at_once(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_parquet(requests(3)))
    with pytest.raises(MappingSourceError, match="which the table does not have"):
        open_source(tmp_path / "log", options(mapping=MAPPING))
    (tmp_path / "csv").write_bytes(as_csv(requests(3)))
    with pytest.raises(MappingSourceError, match="which the table does not have"):
        open_source(tmp_path / "csv", options(mapping=MAPPING))


def test_csv_through_a_mapping(tmp_path: Path):
    flat = pa.table({"req": ["a", "b"], "ts": ["1775044800000", "x"], "tenant": ["t", "t"]})
    (tmp_path / "log").write_bytes(as_csv(flat))
    mapping = parse_mapping('[requests.event_id]\nfrom="req"\n[requests.time]\nfrom="ts"\nunit="ms"\n'
                            '[requests.account_id]\nfrom="tenant"\n')  # fmt: skip
    table, rejected, _ = read_all(tmp_path / "log", mapping=mapping)
    assert table["time"].to_pylist() == [START]
    assert [(r.position, r.code) for r in rejected] == [(2, "events.time")]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_text_that_is_none_is_refused_before_the_mapping_looks_into_it(tmp_path: Path, form: str):
    body = pa.array([b'{"messages": [{"role": "user", "content": "hi"}]}', b'{"messages": "\xff"}', b"nul\0"])
    flat = {"req": ["a", "b", "c"], "ts": pa.array([1775044800000] * 3), "who": pa.array(["x"] * 3)}
    if form == "csv":
        lines = [
            b'a,1775044800000,x,"[{""role"": ""user"", ""content"": ""hi""}]"',
            b"b,1775044800000,x,\xff",
            b"c,1775044800000,x,nul\0",
        ]
        (tmp_path / "log").write_bytes(b"req,ts,who,body\n" + b"\n".join(lines))
    else:
        (tmp_path / "log").write_bytes(as_parquet(pa.table({**flat, "body": body.view(pa.string())})))
    mapping = parse_mapping(
        '[requests.event_id]\nfrom="req"\n[requests.time]\nfrom="ts"\nunit="ms"\n'
        '[requests.account_id]\nfrom="who"\n[requests.prompt]\nfrom="body"\ntransform="last_user_message"'
    )
    table, rejected, _ = read_all(tmp_path / "log", mapping=mapping)
    assert table["prompt"].to_pylist() == ["hi"]
    assert [r.code for r in rejected] == ["events.encoding", "events.encoding"]


# --- SQL --------------------------------------------------------------------------------------------------

QUERY = "SELECT req AS event_id, to_timestamp(ts / 1000) AS time, who AS account_id, body AS prompt FROM logs;"
FLAT = pa.table({"req": [f"r{n}" for n in range(4)], "ts": [1775044800000] * 4, "who": ["a", "b", None, "a"],
                 "body": ["one", "two\nlines", "three", "four"]})  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_any_table_through_sql(tmp_path: Path, form: str, packing: str):
    from tests.events.source_rows import PACKERS

    if form == "parquet" and packing != "plain":
        packing = "plain"
    for part in (0, 1):
        (tmp_path / f"part{part}").write_bytes(PACKERS[packing](WRITERS[form](FLAT.slice(2 * part, 2))))
    table, rejected, source = read_all([tmp_path / "part0", tmp_path / "part1"], sql=QUERY)
    assert source.format == "sql"
    assert len(source.shards) == 1
    assert len(source.inputs()) == 2
    assert table["event_id"].to_pylist() == ["r0", "r1", "r3"]
    assert table["prompt"].to_pylist() == ["one", "two\nlines", "four"]
    assert table["time"].to_pylist() == [START] * 3
    assert [(r.position, r.code) for r in rejected] == [(2, "events.missing_value")]


def test_a_query_may_use_the_view_twice_and_give_any_types(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_parquet(requests(40)))
    query = """
        WITH busy AS (SELECT account_id, count(*) AS n FROM logs GROUP BY 1)
        SELECT event_id, time, account_id, sum(input_tokens)::HUGEINT AS input_tokens, n AS turn
        FROM logs JOIN busy USING (account_id) GROUP BY ALL ORDER BY event_id
    """
    table, rejected, _ = read_all(tmp_path / "log", sql=query)
    assert rejected == []
    assert table["input_tokens"].equals(requests(40)["input_tokens"])
    assert pc.sum(table["turn"]).as_py() == sum(n * n for n in (6, 6, 6, 6, 6, 5, 5))


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("SELECT nothing FROM logs", "nothing"),
        ("DROP TABLE logs", "cannot be run"),
        ("", "cannot be run"),
        ("SELECT 1; SELECT 2", "cannot be run"),
    ],
)
def test_a_query_that_cannot_be_run_says_why(tmp_path: Path, query: str, match: str):
    (tmp_path / "log").write_bytes(as_parquet(requests(2)))
    with pytest.raises(QueryError, match=match) as caught:
        open_source(tmp_path / "log", options(sql=query))
    assert "view `logs`" in caught.value.hint


def test_a_query_without_the_contracts_columns(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_parquet(requests(2)))
    with pytest.raises(MissingColumnsError, match="the query's result has no column time"):
        open_source(tmp_path / "log", options(sql="SELECT event_id, account_id FROM logs"))


def test_a_query_that_fails_on_the_way_is_our_error(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_parquet(requests(40)))
    query = (
        "SELECT event_id, time, account_id, CASE WHEN event_id > 'ev-00030' THEN error('boom') END AS model FROM logs"
    )
    with pytest.raises(QueryError, match="boom"):
        read_all(tmp_path / "log", sql=query)


def test_a_query_reads_one_kind_of_file(tmp_path: Path):
    (tmp_path / "a").write_bytes(as_parquet(requests(2)))
    write_lines(tmp_path / "b", [row()])
    with pytest.raises(MixedInputError, match="jsonl, parquet"):
        open_source([tmp_path / "a", tmp_path / "b"], options(sql="SELECT * FROM logs"))


def test_json_lines_through_sql_keep_their_types(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_jsonl(requests(10).select(["event_id", "time", "account_id", "input_tokens"])))
    table, _, _ = read_all(tmp_path / "log", sql="SELECT *, 'api' AS channel FROM logs", timezone="UTC")
    assert table["time"].to_pylist() == requests(10)["time"].to_pylist()
