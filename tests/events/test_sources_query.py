"""A query may have come with somebody else's map or mail: it reads the log, and can do nothing else."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.engine import EngineMemoryError
from spiritsafe.events.sources import open_source, read_shard
from spiritsafe.events.sources.errors import NaiveTimeError, QueryError
from spiritsafe.files import ScratchError
from tests.events.source_rows import as_parquet, options, read_all, requests

COLUMNS = "SELECT event_id, time, account_id FROM logs"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "log.parquet").write_bytes(as_parquet(requests(40)))
    (tmp_path / "other.csv").write_text("event_id,time,account_id\nstolen,2026-03-01T00:00:00Z,stolen\n")
    (tmp_path / "other.parquet").write_bytes(as_parquet(requests(3)))
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLOUD_SECRET", "secret")
    return tmp_path


@pytest.mark.parametrize(
    "query",
    [
        # The way out of a bracket that used to be put around the query, and its variants.
        f"{COLUMNS}) ; COPY (SELECT 1) TO 'written.csv' ; SELECT * FROM (SELECT 1",
        f"{COLUMNS}; COPY (SELECT 1) TO 'written.csv'",
        f"{COLUMNS} -- ) \n; COPY (SELECT 1) TO 'written.csv'",
        f"{COLUMNS} /* ; */ ; COPY (SELECT 1) TO 'written.csv' --",
        "/* SELECT */ COPY (SELECT 1) TO 'written.csv'",
        "COPY (SELECT 1) TO 'written.csv'",
        "COPY (SELECT 1) TO 'log.parquet'",
        "EXPORT DATABASE 'written'",
        "ATTACH 'written.db'",
        f"ATTACH 'written.db' AS w; {COLUMNS}",
        "CREATE TABLE logs2 AS SELECT 1",
        "CREATE PERSISTENT SECRET s (TYPE s3)",
        "INSTALL httpfs",
        "FORCE INSTALL httpfs",
        f"INSTALL httpfs; {COLUMNS}",
        "LOAD httpfs",
        "LOAD './written.duckdb_extension'",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "SET GLOBAL lock_configuration = false",
        f"SET enable_external_access = true; {COLUMNS}",
        "PRAGMA enable_profiling",
        "PRAGMA database_list",
        "CALL enable_logging()",
        "EXPLAIN ANALYZE SELECT 1",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "USE memory",
        "CHECKPOINT",
        "VACUUM",
        "BEGIN",
        "DROP VIEW logs",
        "IMPORT DATABASE '.'",
        "SELECT * FROM read_text('secret.txt')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_csv('other.csv')",
        "SELECT * FROM 'other.csv'",
        "SELECT * FROM 'other.parquet'",
        "SELECT * FROM read_parquet('*.parquet')",
        "SELECT * FROM parquet_metadata('other.parquet')",
        "SELECT 'a' AS event_id, now() AS time, Columns::VARCHAR AS account_id FROM sniff_csv('other.csv')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM query('SELECT * FROM ''other.csv''')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''written.csv''')",
        "SELECT * FROM query_table('other.csv')",
        f"{COLUMNS} WHERE account_id IN (SELECT content FROM read_text('secret.txt'))",
        "SELECT getenv('CLOUD_SECRET') AS event_id",
        "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
        "SELECT * FROM 's3://bucket/x.parquet'",
        "SELECT * FROM enable_logging(storage = 'file', storage_path = 'written')",
        "SELECT * FROM enable_profiling(save_location = 'written')",
        "SELECT * FROM sqlite_scan('other.db', 't')",
        "SELECT * FROM spy",
        "-- nothing",
        "/* nothing */ ;",
    ],
)
def test_a_query_that_reaches_beyond_the_log_is_refused_and_leaves_no_trace(folder: Path, query: str):
    spy = pa.table({"event_id": ["ours"]})  # a table's name must not reach our own variables
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(QueryError, match="the query cannot be run") as caught:
        read_all(folder / "log.parquet", sql=query)
    assert "secret" not in str(caught.value).replace("secret.txt", "")
    assert "nothing but the files given" in caught.value.hint
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert spy.num_rows == 1


@pytest.mark.parametrize(
    "query",
    [
        f"{COLUMNS};",
        f"{COLUMNS} -- the end",
        f"/* ; COPY */ {COLUMNS} /* ; */ ;",
        f"({COLUMNS})",
        f"WITH a AS ({COLUMNS}) SELECT * FROM a",
        "FROM logs SELECT event_id, time, account_id",
        "SELECT event_id, time, account_id || ';--' AS account_id FROM logs",
        f"SELECT * FROM query('{COLUMNS}')",
    ],
)
def test_one_select_in_any_dress_is_one_select(folder: Path, query: str):
    table, rejected, _ = read_all(folder / "log.parquet", sql=query)
    assert (table.num_rows, rejected) == (40, [])


def test_where_no_text_may_be_kept_the_error_quotes_none(folder: Path):
    query = "SELECT event_id::INTEGER AS event_id, time, account_id FROM logs"
    with pytest.raises(QueryError, match=r"ev-\d{5}"):
        read_all(folder / "log.parquet", sql=query)
    with pytest.raises(QueryError) as caught:
        read_all(folder / "log.parquet", sql=query, keep_raw=False)
    assert "ev-0" not in str(caught.value)
    assert "spiritsafe doctor" in str(caught.value)


def test_names_of_files_cannot_break_out(folder: Path):
    odd = folder / "it's'; COPY (SELECT 1) TO 'written.csv'; --.parquet"
    odd.write_bytes(as_parquet(requests(5)))
    assert read_all(odd, sql=COLUMNS)[0].num_rows == 5
    assert not (folder / "written.csv").exists()


def test_a_query_runs_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    counted: list[str] = []
    connect = duckdb.connect

    def count(text: str) -> str:
        counted.append(text)
        return text

    def counting(*given, **more):
        connection = connect(*given, **more)
        connection.create_function("seen", count, ["VARCHAR"], "VARCHAR")
        return connection

    monkeypatch.setattr(duckdb, "connect", counting)
    table, _, _ = read_all(folder / "log.parquet", sql="SELECT seen(event_id) AS event_id, time, account_id FROM logs")
    assert table.num_rows == len(counted) == 40


def test_times_without_a_zone_are_told_as_in_a_file(folder: Path):
    bare = "SELECT event_id, account_id, time::TIMESTAMP AS time FROM logs"
    with pytest.raises(NaiveTimeError, match="the query's result: time has no offset") as caught:
        open_source(folder / "log.parquet", options(sql=bare))
    assert "--timezone" in caught.value.hint
    table, rejected, _ = read_all(folder / "log.parquet", sql=bare, timezone="UTC")
    assert (table["time"].to_pylist(), rejected) == (requests(40)["time"].to_pylist(), [])
    as_text = "SELECT event_id, account_id, strftime(time, '%Y-%m-%d %H:%M:%S') AS time FROM logs"
    source = open_source(folder / "log.parquet", options(sql=as_text))
    with pytest.raises(NaiveTimeError):
        list(read_shard(source.shards[0], options(sql=as_text)))


def test_a_query_keeps_to_the_memory_and_the_folder_that_it_is_given(folder: Path):
    rows = pa.table({"event_id": [f"{n:0200d}" for n in range(20_000)]})
    pq.write_table(rows, folder / "wide.parquet")
    where = {"memory_limit_bytes": 64 << 20, "temp_dir": folder / "spill"}
    with pytest.raises(ScratchError):
        read_all(folder / "log.parquet", sql=COLUMNS, **where)
    (folder / "spill").mkdir()
    read_all(folder / "log.parquet", sql=COLUMNS, **where)
    assert list((folder / "spill").iterdir()) == []
    setting = "SELECT current_setting('{}') AS event_id, time, account_id FROM logs LIMIT 1"
    assert read_all(folder / "log.parquet", sql=setting.format("memory_limit"), **where)[0]["event_id"].to_pylist() == [
        "256.0 MiB"
    ]
    (spill,) = read_all(folder / "log.parquet", sql=setting.format("temp_directory"), **where)[0][
        "event_id"
    ].to_pylist()
    assert spill.startswith(str(folder / "spill"))
    hungry = (
        "SELECT list(a.event_id || b.event_id)::VARCHAR AS event_id, now() AS time, 'a' AS account_id "
        "FROM logs a, (SELECT event_id FROM logs LIMIT 200) b"
    )
    with pytest.raises(EngineMemoryError):
        read_all(folder / "wide.parquet", sql=hungry, **where)
