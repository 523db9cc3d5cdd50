"""Somebody has a table of their own: doctor proposes a map, they correct it, and it reads as if it were ours."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard
from click.testing import CliRunner

from spiritsafe.cli.main import commands, main
from spiritsafe.events.mapping import load_mapping
from spiritsafe.events.model import REQUESTS
from spiritsafe.events.sources import ReadOptions, open_source, read_shard
from tests.events.shapes import SHAPES
from tests.events.traffic import traffic

ROWS = 400


def _shape(name: str) -> Any:
    return next(shape for shape in SHAPES if shape.name == name)


def _as_csv(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(delimiter=";"))
    path.write_bytes(gzip.compress(sink.getvalue().to_pybytes()))


def _as_jsonl(table: pa.Table, path: Path) -> None:
    lines = "\n".join(json.dumps({k: v for k, v in row.items() if v is not None}) for row in table.to_pylist())
    path.write_bytes(zstandard.compress(lines.encode()))


WRITTEN = {
    "warehouse": (_as_csv, "log.csv.gz"),
    "json_body": (_as_jsonl, "log.jsonl.zst"),
    "bedrock": (pq.write_table, "log.parquet"),
    "obfuscated": (pq.write_table, "log.parquet"),
    "german": (_as_csv, "log.csv"),
}


def _written(name: str, folder: Path) -> Path:
    write, file = WRITTEN[name]
    write(_shape(name).table(ROWS), folder / file)
    return folder / file


def _read(path: Path, options: ReadOptions) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for shard in open_source(path, options).shards:
        for batch in read_shard(shard, options):
            assert not batch.rejected
            assert all(
                batch.table.schema.field(c.name).type == c.type
                for c in REQUESTS.columns
                if c.name in batch.table.schema.names
            )
            rows += batch.table.to_pylist()
    return rows


def _expected(name: str) -> list[dict[str, Any]]:
    """The contract rows that the table was made from, where the table holds them whole."""
    rounded = {"german", "bedrock"}  # written in whole seconds
    made = {"tools", "tool_schema_hash", "operation"}  # made from other columns, or other words for them
    if name == "bedrock":
        made |= {"account_id", "event_id", "model", "api_key_id", "turn"}  # renumbered on the way into the table
    if name == "obfuscated":
        made |= {"account_id", "event_id", "api_key_id", "organization_id"}
    kept = [column for column in _shape(name).truth if column not in made]
    rows = []
    for row in traffic(ROWS, language=_shape(name).language):
        one = {column: row[column] for column in kept}
        one["time"] = row["time"].replace(microsecond=0) if name in rounded else row["time"]
        if name == "json_body" and row["response"] is None:  # no reply, so no usage in it
            one |= {"input_tokens": None, "output_tokens": None}
        rows.append(one)
    return rows


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_rows_read_through_the_written_map_are_the_rows_that_were_logged(name, tmp_path):
    log, map_file = _written(name, tmp_path), tmp_path / "map.toml"
    zone = ["--timezone", "UTC"] if name == "german" else []
    done = CliRunner().invoke(
        commands, ["doctor", str(log), *zone, "--write-map", str(map_file)], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert f"--map {map_file}" in done.stdout.splitlines()[-1]
    options = ReadOptions(mapping=load_mapping(map_file), timezone="UTC" if zone else None)
    read = _read(log, options)
    for got, wanted in zip(read, _expected(name), strict=True):
        # A temperature is float32 in the contract.
        assert {k: pytest.approx(v, rel=1e-6) if isinstance(v, float) else v for k, v in wanted.items()} == {
            k: got.get(k) for k in wanted
        }


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(left.value.code or 0)


def test_a_map_once_corrected_is_not_overwritten(tmp_path, capsys):
    log, map_file = _written("warehouse", tmp_path), tmp_path / "map.toml"
    map_file.write_text("# mine\n")
    assert _run("doctor", str(log), "--write-map", str(map_file)) == 2
    assert "--force" in capsys.readouterr().err
    assert map_file.read_text() == "# mine\n"
    assert _run("doctor", str(log), "--write-map", str(map_file), "--force") == 0
    assert "[requests.account_id]" in map_file.read_text()


def test_strict_stops_a_pipeline_on_a_log_that_would_stay_silent(tmp_path, capsys):
    table = _shape("warehouse").table(ROWS)
    place = table.column_names.index("ip")
    behind_proxy = table.set_column(place, "ip", pa.array(["10.0.0.7"] * ROWS))
    pq.write_table(behind_proxy, tmp_path / "proxied.parquet")
    assert _run("doctor", str(tmp_path / "proxied.parquet")) == 0
    told = capsys.readouterr().out
    assert "DEAD [doctor.one_address]" in told
    assert "kills: infrastructure evidence" in told
    assert _run("doctor", str(tmp_path / "proxied.parquet"), "--strict") == 3
    assert "[events.dead]" in capsys.readouterr().err


def test_a_table_that_cannot_be_read_ends_with_what_to_do(tmp_path, capsys):
    path = tmp_path / "weather.csv"
    path.write_text("station,celsius\n" + "\n".join(f"s{n % 3},{n / 3:.2f}" for n in range(60)))
    assert _run("doctor", str(path), "--write-map", str(tmp_path / "map.toml")) == 3
    told = capsys.readouterr()
    assert "[events.unreadable]" in told.err
    assert "Not found" in (tmp_path / "map.toml").read_text()
    assert "required: nothing can be read without it" in told.out


def test_a_slip_in_the_map_is_told_with_the_right_name(tmp_path, capsys):
    log, map_file = _written("warehouse", tmp_path), tmp_path / "map.toml"
    assert _run("doctor", str(log), "--write-map", str(map_file)) == 0
    map_file.write_text(map_file.read_text().replace('from = "prompt_text"', 'from = "promt_text"'))
    capsys.readouterr()
    assert _run("doctor", str(log), "--map", str(map_file)) == 3
    assert "did you mean 'prompt_text'" in capsys.readouterr().err


def test_machines_get_json(tmp_path):
    log = _written("json_body", tmp_path)
    done = CliRunner().invoke(commands, ["doctor", str(log), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["schema"] == "doctor/1.0"
    assert {column["name"] for column in found["columns"]} == set(REQUESTS.by_name)
    assert found["needs_map"]


def test_scan_reads_the_same_accounts_through_the_map(tmp_path):
    log, map_file = _written("warehouse", tmp_path), tmp_path / "map.toml"
    assert _run("doctor", str(log), "--write-map", str(map_file)) == 0
    assert (
        _run("scan", str(log), "--map", str(map_file), "--out", str(tmp_path / "found"), "--quiet", "--workers", "1")
        == 0
    )
    accounts = pq.read_table(tmp_path / "found" / "accounts.parquet")["account_id"].to_pylist()
    assert set(accounts) == {row["account_id"] for row in traffic(ROWS)}


@pytest.mark.parametrize(
    ("name", "text"), [("head.csv", "event_id,time,account_id\n"), ("spans.jsonl", '{"resourceSpans": []}\n')]
)
def test_a_log_without_exchanges_is_told_so_and_nothing_more(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = CliRunner().invoke(commands, ["doctor", str(tmp_path / name)], catch_exceptions=False)
    assert done.output.splitlines()[-1].startswith("There is nothing to look at")
    assert "Next" not in done.output
