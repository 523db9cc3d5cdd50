"""Broken rows cost themselves; broken files stop everything before anything is written."""

import gzip
import json
import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.errors import InputError
from spiritsafe.events.model import RAW_LIMIT_BYTES
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.errors import (
    BrokenFileError,
    ColumnTypeError,
    FormatError,
    FormatNameError,
    MissingColumnsError,
    MixedInputError,
    NaiveTimeError,
    NoRowsError,
    PathError,
    StorageError,
    TimezoneError,
    TruncatedError,
)
from spiritsafe.files import SchemaError, write_parquet
from tests.events.source_rows import (
    PACKERS,
    as_csv,
    as_jsonl,
    as_parquet,
    options,
    read_all,
    requests,
    row,
    write_lines,
)

# --- rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"event_id": "e", "time": "2026-04-01T12:0', "events.json"),
        (b"[1, 2]", "events.json"),
        (b'"text"', "events.json"),
        (b"null", "events.json"),
        (json.dumps(row(prompt="\0")).encode(), "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "\xff"}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "\xff": 1}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "\\ud800"}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "x\\ud800 more"}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "a\\ude00\\ud83d b"}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "\\udc00": 1}', "events.encoding"),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "\\\\ud800 \\ud83d\\ude00"}', None),
        (json.dumps(row()).encode()[:-1] + b', "prompt": "\\ud800', "events.json"),
        (json.dumps(row()).encode()[:-1] + b', "x": ' + b"[" * 100_000, "events.nesting"),
        (json.dumps(row()).encode()[:-1] + b', "x": ' + b"[" * 900 + b"]" * 900 + b"}", None),
        (json.dumps(row()).encode()[:-1] + b', "input_tokens": ' + b"9" * 5_000 + b"}", "events.range"),
        (json.dumps(row()).encode()[:-1] + b', "input_tokens": 1e999}', "events.range"),
        (json.dumps(row(input_tokens=2**80)).encode(), "events.range"),
        (json.dumps(row(prompt={"a": 1})).encode(), "events.type"),
        (json.dumps(row(prompt="x" * 1_100_000)).encode(), "events.text_size"),
        (json.dumps(row(note="x" * 1_100_000)).encode(), "events.text_size"),
        (json.dumps(row(prompt="x" * 2_300_000)).encode(), "events.line_size"),
        (json.dumps(row(time="2026-04-01 12:00")).encode(), "events.naive_time"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_broken_line_is_refused_with_its_code_and_its_bytes(tmp_path: Path, line: bytes, code: str | None):
    table, rejected, _ = read_all(
        write_lines(tmp_path / "log", [row(0), line, row(1)]), max_line_bytes=2_200_000
    )  # fmt: skip
    if code is None:
        assert table.num_rows == 3
        return
    assert table["event_id"].to_pylist() == ["ev-0", "ev-1"]
    assert [(r.position, r.code) for r in rejected] == [(1, code)]
    assert rejected[0].raw == line[:RAW_LIMIT_BYTES]
    assert rejected[0].source == str(tmp_path / "log")
    assert len(rejected[0].reason) < 300


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b', "prompt": "a\\ud800"}', r"text that holds half of a surrogate pair (such as \ud800)"),
        (b', "temperature": 1e400}', "a number that is too large to be held"),
        (b', "temperature": -1e400}', "a number that is too large to be held"),
    ],
)
def test_a_line_that_cannot_be_decoded_is_refused_for_a_true_reason(tmp_path: Path, tail: bytes, reason: str):
    line = json.dumps(row()).encode()[:-1] + tail
    _, rejected, _ = read_all(write_lines(tmp_path / "log", [row(1), line]))
    assert [one.reason for one in rejected] == [reason]


def test_refused_rows_keep_no_bytes_where_text_must_not_be(tmp_path: Path):
    _, rejected, _ = read_all(write_lines(tmp_path / "log", [row(), b"{", row(account_id="")]), keep_raw=False)
    assert [r.raw for r in rejected] == [None, None]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"e1,2026-04-01T12:00:00Z", "events.csv_columns"),
        (b"e1,2026-04-01T12:00:00Z,a,p,more", "events.csv_columns"),
        (b'e1,2026-04-01T12:00:00Z,a,"open', "events.csv_quote"),
        (b'"open,2026-04-01T12:00:00Z,a,p', "events.csv_quote"),
        (b"e1,2026-04-01T12:00:00Z,a,\xff", "events.encoding"),
        (b"e1,2026-04-01T12:00:00Z,a,\0", "events.encoding"),
        (b"e1,noon,a,p", "events.time"),
        (b"e1,2026-04-01T12:00:00Z,,p", "events.missing_value"),
        (b'e1,2026-04-01T12:00:00Z,"",p', "events.empty_id"),
        (b"e1,2026-04-01T12:00:00Z,a," + b"x" * 3_000, "events.line_size"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_csv_line_costs_itself_only(tmp_path: Path, line: bytes, code: str):
    good = [f'g{n},2026-04-01T12:00:00Z,acct,"two\nlines {n}"'.encode() for n in range(4)]
    lines = [b"event_id,time,account_id,prompt", *good[:2], line, *good[2:]]
    (tmp_path / "log").write_bytes(b"\n".join(lines) + b"\n")
    table, rejected, _ = read_all(tmp_path / "log", max_line_bytes=2_000)
    assert table["event_id"].to_pylist() == ["g0", "g1", "g2", "g3"]
    assert table["prompt"].to_pylist() == [f"two\nlines {n}" for n in range(4)]
    assert [(r.position, r.code) for r in rejected] == [(5, code)]
    assert line.startswith(rejected[0].raw or b"-")


def test_of_a_key_that_stands_twice_the_last_one_counts_as_the_page_says(tmp_path: Path):
    line = json.dumps(row()).encode()[:-1] + b', "account_id": "acct-2"}'
    table, rejected, _ = read_all(write_lines(tmp_path / "log", [line]))
    assert (table["account_id"].to_pylist(), rejected) == (["acct-2"], [])


def test_a_quote_that_never_closes_does_not_swallow_the_file(tmp_path: Path):
    lines = [f"e{n},2026-04-01T12:00:00Z,a,p{n}" for n in range(1_000)]
    lines[10] = 'e10,2026-04-01T12:00:00Z,a,"never closed'
    (tmp_path / "log").write_text("event_id,time,account_id,prompt\n" + "\n".join(lines))
    table, rejected, _ = read_all(tmp_path / "log")
    assert table.num_rows == 999
    assert [(r.position, r.code) for r in rejected] == [(11, "events.csv_quote")]


def test_a_parquet_row_that_is_broken_is_refused_with_its_row_number(tmp_path: Path):
    rows = requests(40)
    ids = rows["account_id"].to_pylist()
    ids[17] = ""
    rows = rows.set_column(2, "account_id", pa.array(ids))
    (tmp_path / "log").write_bytes(as_parquet(rows))
    table, rejected, _ = read_all(tmp_path / "log")
    assert table.num_rows == 39
    assert [(r.position, r.code) for r in rejected] == [(17, "events.empty_id")]
    assert json.loads(rejected[0].raw or b"")["event_id"] == "ev-00017"


# --- files ------------------------------------------------------------------------------------------------


def refused(path: Path | str, kind: type[InputError] | type[Exception], match: str, **more: Any) -> None:
    with pytest.raises(kind, match=match) as caught:
        read_all(path, **more)
    assert getattr(caught.value, "hint", "")


def test_paths_that_lead_nowhere(tmp_path: Path):
    refused(tmp_path / "none", PathError, "nothing to read at")
    refused(str(tmp_path / "*.parquet"), PathError, "nothing to read at")
    refused(tmp_path, PathError, "nothing to read at")
    with pytest.raises(PathError, match="no path was given"):
        open_source([], options())
    refused("a\0b", PathError, "nothing to read at")
    refused("nowhere://bucket/key", StorageError, "nowhere://bucket/key")


def test_a_file_with_nothing_in_it(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"")
    refused(tmp_path / "log", NoRowsError, "nothing in it")
    (tmp_path / "log").write_bytes(b" \n\n")
    refused(tmp_path / "log", NoRowsError, "nothing in it")
    (tmp_path / "log").write_bytes(gzip.compress(b""))
    refused(tmp_path / "log", NoRowsError, "nothing in it")
    (tmp_path / "log").write_bytes(as_parquet(requests(0)))
    refused(tmp_path / "log", NoRowsError, "nothing in it")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"ARROW1\0\0rest", "Arrow IPC"),
        (b"Obj\x01rest", "Avro"),
        ("event_id,time\n".encode("utf-16"), "UTF-16"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00rest", "compressed with xz"),
        (b"PK\x03\x04rest", "compressed with zip"),
        (b"\x00\x01\x02\x03" * 50, "no known format"),
        (b"just some words\nin two lines\n", "no CSV header"),
        (b"{not json\n{neither\n", "none of its first lines is a JSON object"),
        (b"<html></html>", "XML or HTML"),
    ],
)
def test_bytes_of_no_known_kind_are_named_for_what_they_look_like(tmp_path: Path, data: bytes, match: str):
    (tmp_path / "log").write_bytes(data)
    refused(tmp_path / "log", FormatError, match)


@pytest.mark.parametrize("form", [as_jsonl, as_csv, as_parquet])
def test_a_wrong_schema_names_what_is_missing_and_the_way_out(tmp_path: Path, form: Any):
    (tmp_path / "log").write_bytes(form(requests(5).rename_columns(
        ["user" if n == "account_id" else n for n in requests(5).column_names])))  # fmt: skip
    with pytest.raises(MissingColumnsError, match=r"has no column account_id; it has: .*user") as caught:
        open_source(tmp_path / "log", options())
    assert "spiritsafe doctor LOGS --write-map map.toml" in caught.value.hint


def test_a_column_of_a_wrong_type_stops_parquet_before_the_first_row(tmp_path: Path):
    rows = requests(3).select(["event_id", "time", "account_id"])
    (tmp_path / "log").write_bytes(as_parquet(rows.append_column("prompt", pa.array([[{"role": "user"}]] * 3))))
    refused(tmp_path / "log", ColumnTypeError, "column prompt is list")


def test_two_columns_of_one_name(tmp_path: Path):
    (tmp_path / "log").write_text("event_id,time,account_id,time\ne,2026-04-01T12:00:00Z,a,2026-04-01T12:00:00Z\n")
    refused(tmp_path / "log", ColumnTypeError, "several columns named time")


@pytest.mark.parametrize("form", [as_jsonl, as_csv, as_parquet])
def test_naive_times_ask_for_a_zone_before_anything_else(tmp_path: Path, form: Any):
    rows = requests(8)
    naive = rows.set_column(1, "time", rows["time"].cast(pa.timestamp("us")))
    (tmp_path / "log").write_bytes(form(naive))
    with pytest.raises(NaiveTimeError, match="no offset from UTC") as caught:
        open_source(tmp_path / "log", options())
    assert "--timezone" in caught.value.hint
    assert read_all(tmp_path / "log", timezone="UTC")[0].equals(rows)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("form", [as_jsonl, as_csv])
def test_a_compressed_file_that_was_cut_off(tmp_path: Path, form: Any, packing: str):
    data = PACKERS[packing](form(requests(400)))
    (tmp_path / "log").write_bytes(data[: len(data) * 3 // 4])
    refused(tmp_path / "log", TruncatedError, "ends in the middle")


def test_a_compressed_file_that_is_damaged(tmp_path: Path):
    data = bytearray(PACKERS["zstd"](as_jsonl(requests(400))))
    data[-1] ^= 1
    (tmp_path / "log").write_bytes(data)
    refused(tmp_path / "log", BrokenFileError, "cannot be decompressed")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_parquet_that_was_cut_off(tmp_path: Path, share: float):
    data = as_parquet(requests(400))
    (tmp_path / "log").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(TruncatedError, match="was cut off at"):
        open_source(tmp_path / "log", options())


def test_parquet_that_lost_its_middle_is_found_before_a_row_is_read(tmp_path: Path):
    data = as_parquet(requests(400))
    footer = struct.unpack("<I", data[-8:-4])[0] + 8
    (tmp_path / "log").write_bytes(data[: len(data) // 3] + data[-footer:])
    with pytest.raises(TruncatedError, match="should reach further"):
        open_source(tmp_path / "log", options())


def test_parquet_with_damaged_pages_says_how_far_it_got(tmp_path: Path):
    data = bytearray(as_parquet(requests(400), compression="gzip"))
    for place in range(len(data) // 2, len(data) // 2 + 200):
        data[place] ^= 0xFF
    (tmp_path / "log").write_bytes(data)
    refused(tmp_path / "log", BrokenFileError, "cannot be read after row")


def test_parquet_with_a_damaged_footer(tmp_path: Path):
    data = bytearray(as_parquet(requests(4)))
    data[-60:-8] = b"\xff" * 52
    (tmp_path / "log").write_bytes(data)
    refused(tmp_path / "log", BrokenFileError, "footer that cannot be read")


def test_parquet_within_gzip_is_read_all_the_same(tmp_path: Path):
    (tmp_path / "log").write_bytes(gzip.compress(as_parquet(requests(50))))
    assert read_all(tmp_path / "log")[0].equals(requests(50))


def test_a_bomb_that_calls_itself_parquet_is_not_blown_up(tmp_path: Path):
    (tmp_path / "log").write_bytes(gzip.compress(b"PAR1" + b"\0" * 20_000_000 + b"PAR1"))
    refused(tmp_path / "log", BrokenFileError, "when decompressed; Parquet does not")


def test_a_json_document_that_is_cut_off(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"[\n" + as_jsonl(requests(2)).replace(b"\n", b",\n")[:-50])
    refused(tmp_path / "log", BrokenFileError, "is not whole JSON")


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from spiritsafe.events.sources import discover, read_shard

    monkeypatch.setattr(discover, "SHARD_BYTES", 1_000)
    (tmp_path / "log").write_bytes(as_jsonl(requests(50)))
    source = open_source(tmp_path / "log", options())
    (tmp_path / "log").write_bytes(as_jsonl(requests(2)))
    with pytest.raises(TruncatedError, match="became shorter"):
        list(read_shard(source.shards[-1], options()))


# --- tags -------------------------------------------------------------------------------------------------


def test_an_unknown_major_version_is_refused_and_a_minor_is_not(tmp_path: Path):
    write_parquet(requests(3), tmp_path / "new", "requests/2.0")
    refused(tmp_path / "new", SchemaError, "wanted requests/1.x")
    write_parquet(requests(3), tmp_path / "minor", "requests/1.9")
    assert read_all(tmp_path / "minor")[0].equals(requests(3))


def test_a_table_of_ours_in_the_wrong_place_is_named(tmp_path: Path):
    write_parquet(requests(3), tmp_path / "log", "accounts/1.0")
    refused(tmp_path / "log", SchemaError, "is a table of accounts, not of requests")


def test_sketches_are_recognised_and_passed_on_as_they_are(tmp_path: Path):
    sketches = pa.table({"event_id": ["e"], "skeleton": pa.array([1], pa.int64()), "odd": pa.array([2], pa.uint8())})
    write_parquet(sketches, tmp_path / "s", "sketches/1.0", {"normaliser": "3"})
    table, rejected, source = read_all(tmp_path / "s")
    assert source.format == "sketches"
    assert table.equals(sketches)
    assert rejected == []
    write_parquet(sketches, tmp_path / "t", "sketches/2.0")
    refused(tmp_path / "t", SchemaError, "wanted sketches/1.x")
    (tmp_path / "log").write_bytes(as_jsonl(requests(1)))
    with pytest.raises(MixedInputError, match="sketches and logs"):
        open_source([tmp_path / "s", tmp_path / "log"], options())


# --- options ----------------------------------------------------------------------------------------------


def test_an_unknown_zone_or_format_is_a_usage_error(tmp_path: Path):
    with pytest.raises(TimezoneError, match="not a time zone") as caught:
        options(timezone="Mars/Olympus")
    assert caught.value.exit_code == 2
    (tmp_path / "log").write_bytes(as_jsonl(requests(1)))
    refused(tmp_path / "log", FormatNameError, "no format 'xml'", format="xml")
    refused(tmp_path / "log", FormatError, "is jsonl, not parquet", format="parquet")


def test_errors_keep_their_hint_on_the_way_from_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(TruncatedError("cut", hint="fetch it")))
    assert (str(error), error.hint, error.code, error.exit_code) == ("cut", "fetch it", "events.truncated", 3)


def test_parquet_magic_alone_is_no_parquet(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"PAR1" + b"\0" * 40 + b"PAR1")
    refused(tmp_path / "log", InputError, "Parquet")
    assert pq.ParquetFile is not None


def test_the_reference_page_explains_every_reason_to_refuse_a_row():
    root = Path(__file__).parents[2]
    folder = root / "src" / "spiritsafe" / "events"
    texts = [path.read_text() for path in [*folder.glob("sources/*.py"), folder / "values.py", folder / "validate.py"]]
    texts.append((folder.parent / "sketch" / "repeats.py").read_text())
    codes = {code for text in texts for code in re.findall(r'(?<!code = )"(events\.[a-z_]+)"', text)}
    page = (root / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"| `{code}` |" not in page] == []
