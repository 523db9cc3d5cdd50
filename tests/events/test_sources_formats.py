"""The same rows come back from every format, however packed, named or dealt out."""

import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from spiritsafe.events.sources import delimited, discover, open_source, parquet, read_shard
from spiritsafe.events.sources.lines import lines_of
from tests.events.source_rows import (
    AWKWARD,
    PACKERS,
    WRITERS,
    as_csv,
    as_jsonl,
    as_parquet,
    options,
    read_all,
    requests,
)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_and_packing_gives_the_same_rows(tmp_path: Path, form: str, packing: str):
    rows = requests()
    (tmp_path / "log").write_bytes(PACKERS[packing](WRITERS[form](rows)))
    table, rejected, source = read_all(tmp_path / "log")
    assert rejected == []
    assert source.format == form
    assert table.equals(rows)
    assert source.columns == tuple(rows.column_names)


@pytest.mark.parametrize("form", WRITERS)
def test_the_name_of_a_file_is_not_asked(tmp_path: Path, form: str):
    (tmp_path / "export.csv.gz").write_bytes(WRITERS[form](requests(5)))
    assert read_all(tmp_path / "export.csv.gz")[0].equals(requests(5))


def test_folders_globs_and_several_paths_are_one_log(tmp_path: Path):
    rows = requests(40)
    day = tmp_path / "logs" / "dt=2026-04-01"
    day.mkdir(parents=True)
    (day / "b.jsonl").write_bytes(as_jsonl(rows.slice(10, 10)))
    (day / "a.parquet").write_bytes(as_parquet(rows.slice(0, 10)))
    (day / "_SUCCESS").write_bytes(b"")
    (day / ".a.parquet.crc").write_bytes(b"crc")
    (day / "empty.jsonl").write_bytes(b"")
    (tmp_path / "rest.csv").write_bytes(as_csv(rows.slice(20, 20)))
    table, rejected, source = read_all([tmp_path / "logs", tmp_path / "rest.csv", day / "a.parquet"])
    assert table.equals(rows)
    assert rejected == []
    assert source.format == "mixed"
    assert read_all(str(day / "*.parquet"))[0].equals(rows.slice(0, 10))
    assert read_all(str(tmp_path / "**" / "b.*"))[0].equals(rows.slice(10, 10))


def test_a_file_whose_name_holds_glob_marks_is_that_file(tmp_path: Path):
    (tmp_path / "log[1].jsonl").write_bytes(as_jsonl(requests(3)))
    assert read_all(tmp_path / "log[1].jsonl")[0].num_rows == 3


def test_inputs_are_named_with_their_digest(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_jsonl(requests(2)))
    ((path, digest, size),) = open_source(tmp_path / "log", options()).inputs()
    import hashlib

    data = (tmp_path / "log").read_bytes()
    assert (path, digest, size) == (str(tmp_path / "log"), hashlib.sha256(data).hexdigest(), len(data))


# --- dealing out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_line_files_are_dealt_out_in_ranges_of_whole_lines(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch):
    rows = requests(200)
    if form == "csv":  # no line ends within quotes
        rows = rows.drop_columns(["prompt", "system_prompt"])
    data = WRITERS[form](rows)
    (tmp_path / "log").write_bytes(data)
    monkeypatch.setattr(discover, "SHARD_BYTES", 4_000)
    monkeypatch.setattr(discover, "BLOCK_BYTES", 1_000)
    table, rejected, source = read_all(tmp_path / "log")
    assert table.equals(rows)
    assert rejected == []
    assert len(source.shards) > 5
    assert all(
        data[shard.first - 1 : shard.first] in (b"", b"\n") for shard in source.shards if shard.first is not None
    )
    assert all(data[: shard.first].count(b"\n") == shard.row_offset for shard in source.shards)
    assert source.shards[-1].last == len(data)
    assert source.inputs()[0][1] == open_source(tmp_path / "log", options()).inputs()[0][1]


def test_positions_are_line_numbers_in_every_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = as_jsonl(requests(100)).splitlines(keepends=True)
    for broken in (0, 41, 99):
        lines[broken] = b"{broken\n"
    (tmp_path / "log").write_bytes(b"".join(lines))
    monkeypatch.setattr(discover, "SHARD_BYTES", 3_000)
    table, rejected, source = read_all(tmp_path / "log")
    assert len(source.shards) > 3
    assert table.num_rows == 97
    assert [(r.position, r.code, r.raw) for r in rejected] == [(n, "events.json", b"{broken") for n in (0, 41, 99)]


def test_a_csv_with_line_ends_in_quotes_is_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = requests(120)
    (tmp_path / "log").write_bytes(as_csv(rows))
    monkeypatch.setattr(discover, "SHARD_BYTES", 4_000)
    table, _, source = read_all(tmp_path / "log")
    assert len(source.shards) == 1
    assert table.equals(rows)


def test_compressed_files_are_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "log").write_bytes(PACKERS["gzip"](as_jsonl(requests(120))))
    monkeypatch.setattr(discover, "SHARD_BYTES", 100)
    assert len(open_source(tmp_path / "log", options()).shards) == 1


def test_parquet_is_dealt_out_by_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = requests(100)
    (tmp_path / "log").write_bytes(as_parquet(rows, row_group_size=10))
    monkeypatch.setattr(parquet, "SHARD_ROWS", 25)
    table, _, source = read_all(tmp_path / "log")
    assert table.equals(rows)
    assert [(s.first, s.last, s.row_offset) for s in source.shards] == [(0, 3, 0), (3, 6, 30), (6, 9, 60), (9, 10, 90)]


def test_a_shard_goes_to_a_worker_and_is_read_there(tmp_path: Path):
    (tmp_path / "log").write_bytes(as_parquet(requests(20)))
    chosen = options(timezone="Europe/Paris")
    shard = open_source(tmp_path / "log", chosen).shards[0]
    batches = list(read_shard(*pickle.loads(pickle.dumps((shard, chosen)))))
    assert sum(batch.table.num_rows for batch in batches) == 20


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 100_000])
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_where_blocks_end_changes_nothing(tmp_path: Path, form: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch):
    rows = requests(12)
    (tmp_path / "log").write_bytes(WRITERS[form](rows))
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr("spiritsafe.events.sources.storage.BLOCK_BYTES", block_bytes)
    monkeypatch.setattr("spiritsafe.events.sources.storage.blocks.__kwdefaults__", {
        "first": None, "last": None, "block_bytes": block_bytes})  # fmt: skip
    assert read_all(tmp_path / "log")[0].equals(rows)


# --- memory -----------------------------------------------------------------------------------------------


def test_a_line_without_end_is_never_held():
    blocks = (b"x" * 1_000 for _ in range(1_000))
    (lines,) = lines_of(blocks, max_line_bytes=10_000)
    assert (lines.texts, [(number, len(head)) for number, head in lines.too_long]) == ([], [(0, 11_000)])


def test_large_rows_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = pa.table(
        {**{n: requests(512)[n] for n in ("event_id", "time", "account_id")}, "prompt": ["long " * 2_000] * 512}
    )
    (tmp_path / "log").write_bytes(as_parquet(rows, row_group_size=512, use_dictionary=False))
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1 << 20)
    chosen = options()
    sizes = [b.table.num_rows for s in open_source(tmp_path / "log", chosen).shards for b in read_shard(s, chosen)]
    assert sum(sizes) == 512
    assert max(sizes) < 256


@pytest.mark.soak
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_compressed_log_larger_than_the_memory_allowed_is_streamed(tmp_path: Path, form: str):
    """Half a gigabyte of rows through gzip in a process that may not use half a gigabyte more than at its start."""
    prompt = "a prompt of ordinary length, " * 16
    lines = {"jsonl": f'{{"event_id":"e%d","time":"2026-04-01T12:00:00Z","account_id":"a","prompt":"{prompt}"}}\n',
             "csv": f'e%d,2026-04-01T12:00:00Z,a,"{prompt}"\n'}  # fmt: skip
    with gzip.open(tmp_path / "log", "wt", compresslevel=1) as file:
        if form == "csv":
            file.write("event_id,time,account_id,prompt\n")
        for start in range(0, 1_000_000, 10_000):
            file.write("".join(lines[form] % n for n in range(start, start + 10_000)))
    code = """
import resource, sys
from spiritsafe.events.sources import ReadOptions, open_source, read_shard
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source(sys.argv[1], ReadOptions())
rows = sum(batch.table.num_rows for shard in source.shards for batch in read_shard(shard, source.options))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "log"], capture_output=True, text=True, check=True)
    rows, more_kib = map(int, done.stdout.split())
    assert rows == 1_000_000
    assert more_kib < 400 * 1024


# --- what is carried --------------------------------------------------------------------------------------


def test_extra_columns_go_along_behind_the_contracts(tmp_path: Path):
    rows = requests(4).select(["event_id", "time", "account_id"])
    rows = rows.add_column(0, "score", pa.array([1, 2, 3, None], pa.uint64()))
    rows = rows.append_column("tags", pa.array([["a"], [], None, ["b"]]))
    rows = rows.append_column("kind", pa.array(["x", "y", "x", None]).dictionary_encode())
    (tmp_path / "log").write_bytes(as_parquet(rows))
    table, _, _ = read_all(tmp_path / "log")
    assert table.column_names == ["event_id", "time", "account_id", "score", "tags", "kind"]
    assert table.schema.field("score").type == pa.int64()
    assert table["kind"].to_pylist() == ["x", "y", "x", None]
    assert table["tags"].to_pylist() == [["a"], [], None, ["b"]]


def test_extra_fields_of_json_are_text_in_every_batch(tmp_path: Path):
    from tests.events.source_rows import row, write_lines

    lines = [row(0, extra=1), row(1, extra="one"), row(2, extra={"deep": [1, None]}), row(3)]
    table, _, _ = read_all(write_lines(tmp_path / "log", lines))
    assert table["extra"].to_pylist() == ["1", "one", '{"deep":[1,null]}', None]


def test_a_thousand_different_extra_fields_do_not_become_a_thousand_columns(tmp_path: Path):
    from tests.events.source_rows import row, write_lines

    table, rejected, _ = read_all(write_lines(tmp_path / "log", [row(i, **{f"x{i:04d}": i}) for i in range(1_000)]))
    assert rejected == []
    assert table.num_columns <= 204
    assert table["other_columns"].to_pylist()[-1] == '{"x0999":999}'


def test_only_the_columns_asked_for_are_read(tmp_path: Path):
    for form, write in WRITERS.items():
        (tmp_path / form).write_bytes(write(requests(6)))
        table, _, _ = read_all(tmp_path / form, columns=("prompt", "model"))
        assert table.column_names == ["event_id", "time", "account_id", "model", "prompt"]
        assert table["prompt"].to_pylist() == list(AWKWARD[:6])


def test_the_algorithm_of_prefix_blocks_goes_along(tmp_path: Path):
    rows = requests(3).replace_schema_metadata({"prefix_blocks.tokenizer": "cl100k", "pandas": "{}"})
    (tmp_path / "log").write_bytes(as_parquet(rows))
    chosen = options()
    (batch,) = read_shard(open_source(tmp_path / "log", chosen).shards[0], chosen)
    assert batch.table.schema.metadata == {b"prefix_blocks.tokenizer": b"cl100k"}


# --- JSON and CSV in their varieties ----------------------------------------------------------------------


def test_an_array_of_objects_is_read_as_rows(tmp_path: Path):
    lines = as_jsonl(requests(5)).splitlines()
    (tmp_path / "log").write_bytes(b"[\n" + b",\n".join(lines) + b"\n]\n")
    assert read_all(tmp_path / "log")[0].equals(requests(5))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_taken_from_the_header(tmp_path: Path, delimiter: str):
    rows = [["event_id", "time", "account_id", "prompt"], ["e1", "2026-04-01T12:00:00Z", "a", "hello"]]
    (tmp_path / "log").write_text("".join(delimiter.join(r) + "\r\n" for r in rows))
    table, rejected, _ = read_all(tmp_path / "log")
    assert (table["prompt"].to_pylist(), rejected) == (["hello"], [])


def test_byte_order_marks_and_blank_lines_are_no_rows(tmp_path: Path):
    (tmp_path / "j").write_bytes(b"\xef\xbb\xbf\n" + as_jsonl(requests(2)).replace(b"\n", b"\r\n\r\n"))
    (tmp_path / "c").write_bytes(b"\xef\xbb\xbf" + as_csv(requests(1)) + b"\n\r\n")
    assert read_all(tmp_path / "j")[0].equals(requests(2))
    assert read_all(tmp_path / "c")[0].equals(requests(1))


def test_json_hashes_are_sixteen_hex_digits_and_tables_hold_bit_patterns(tmp_path: Path):
    from tests.events.source_rows import row, write_lines

    hexes = ["ffffffffffffffff", "1234567890123456", "00000000000000ff"]
    lines = [row(i, tool_schema_hash=h, prefix_blocks=[h]) for i, h in enumerate(hexes)]
    table, _, _ = read_all(write_lines(tmp_path / "log", lines))
    numbers = [-1, 0x1234567890123456, 255]
    assert table["tool_schema_hash"].to_pylist() == numbers
    assert table["prefix_blocks"].to_pylist() == [[n] for n in numbers]
    unsigned = pa.table({**{n: requests(3)[n] for n in ("event_id", "time", "account_id")},
                         "tool_schema_hash": pa.array([2**64 - 1, 1, None], pa.uint64())})  # fmt: skip
    (tmp_path / "p").write_bytes(as_parquet(unsigned))
    assert read_all(tmp_path / "p")[0]["tool_schema_hash"].to_pylist() == [-1, 1, None]
