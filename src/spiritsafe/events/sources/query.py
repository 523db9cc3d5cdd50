"""Logs through a query of one's own: any table that SQL can turn into the contract's columns.

DuckDB runs the query; the files are the view `logs`. The result is one shard, judged like any other source,
so a broken row is refused with its number in the result. DuckDB reads text files by its own rules: JSON lines
that are broken stop the query, where our own reader would refuse them one by one.

A query may have come with somebody else's map or mail: it is one SELECT, it sees the files that were given and
nothing else (no other file, no network, no extension, no setting), and it writes nothing (docs/reference/sources.md).
Comes from `events.sources.discover`; goes on to `events.validate`.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from spiritsafe.engine import duckdb_faults, memory_limit
from spiritsafe.events.model import Shard, TableSchema
from spiritsafe.events.sources.errors import MixedInputError, QueryError, missing_columns, naive_time
from spiritsafe.events.sources.header import refuse_row
from spiritsafe.events.sources.options import MAX_ROWS
from spiritsafe.events.sources.storage import compression_of, first_line, is_remote, opened
from spiritsafe.events.validate import RawRows
from spiritsafe.files import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from spiritsafe.events.sources.discover import Source
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.sources.storage import File

_READERS: Final = {
    "parquet": "read_parquet({files}, union_by_name = true)",
    "csv": "read_csv({files}, header = true, union_by_name = true, compression = '{compression}')",
    "jsonl": "read_json({files}, format = 'newline_delimited', union_by_name = true, compression = '{compression}')",
    "json": "read_json({files}, format = 'array', union_by_name = true, compression = '{compression}')",
}

_ALONE: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",  # or a table's name could be one of our own variables
}
_HINT: Final = (
    "write one SELECT over the view `logs` that gives event_id, time and account_id; it can read nothing but the "
    "files given, and write nothing"
)
_NAIVE: Final = re.compile(r"TIMESTAMP(_S|_MS|_NS)?")


def query_source(files: Sequence[File], options: ReadOptions, schema: TableSchema) -> Source:
    """The query's result as a source of one shard.

    Raises
    ------
    QueryError
        The query cannot be run.
    MissingColumnsError
        Its result lacks required columns.
    NaiveTimeError
        Its times have no zone, and none was given.
    MixedInputError
        The files are not all of one kind, so that they make no one view.
    """
    from spiritsafe.events.sources.discover import Source
    from spiritsafe.events.sources.sniff import kind_of

    kinds = {}
    for file in files:
        if file.size_bytes and (kind := kind_of(file.url, options)) is not None:
            kinds[file.url] = kind.container
            if kind.header is not None:
                refuse_row(kind.header.names, file.url)
    if len(set(kinds.values())) != 1:
        raise MixedInputError(
            f"a query reads files of one kind; these are {', '.join(sorted(set(kinds.values()))) or 'empty'}",
            hint="give Parquet, CSV or JSON lines files, one kind at a time",
        )
    container = next(iter(kinds.values()))
    if container not in _READERS:
        raise QueryError(f"a query cannot read {container}", hint="read it without --sql; map it with --map")
    spec = msgspec.json.encode({"container": container, "files": list(kinds)}).decode()
    shard = Shard(spec, "sql", size_bytes=sum(file.size_bytes for file in files))
    with _relation(shard, options) as relation:  # bound, not run
        kinds_of = dict(zip(relation.columns, map(str, relation.types), strict=True))
    names = list(kinds_of)
    missing = [name for name in schema.required if name not in names]
    if missing:
        raise missing_columns("the query's result", missing, names, quote=options.keep_raw)
    columns = tuple(name for name in schema.by_name if name in names)
    for name in columns:
        is_time = pa.types.is_timestamp(schema.by_name[name].type)
        if is_time and not options.timezone and _NAIVE.fullmatch(kinds_of[name]):
            raise naive_time("the query's result", name)
    return Source((shard,), "sql", tuple(files), options, columns)


def read_query(shard: Shard, options: ReadOptions) -> Iterator[RawRows]:
    """The rows of the query's result. Positions are row numbers in it."""
    position = 0
    with _relation(shard, options) as relation:
        # Renamed after DuckDB 1.4, which pyproject.toml still admits.
        fetch = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
        with _translated(options):
            reader = fetch(MAX_ROWS)
        while True:
            try:
                with _translated(options):
                    batch = reader.read_next_batch()
            except StopIteration:
                return
            for start in range(0, batch.num_rows, MAX_ROWS):
                part = batch.slice(start, MAX_ROWS)
                columns = dict(zip(part.schema.names, part.columns, strict=True))
                positions = np.arange(position, position + part.num_rows, dtype=np.int64)
                position += part.num_rows
                yield RawRows(columns, positions, metadata=part.schema.metadata)


@contextlib.contextmanager
def _relation(shard: Shard, options: ReadOptions) -> Iterator[duckdb.DuckDBPyRelation]:
    """The query, bound to the files' columns and not yet run, on a connection that can do nothing else."""
    import duckdb

    assert options.sql is not None
    spec: dict[str, Any] = msgspec.json.decode(shard.url)
    limit = {"memory_limit": memory_limit(options.memory_limit_bytes)}
    with (
        scratch_folder(options.temp_dir) as scratch,
        contextlib.closing(duckdb.connect(config={**_ALONE, **limit, "temp_directory": str(scratch)})) as connection,
    ):
        with _translated(options):
            connection.execute("SET TimeZone = 'UTC'")
            _register(connection, spec["files"], options)
            connection.execute(f"CREATE TEMP VIEW logs AS SELECT * FROM {_reader(spec, options)}")  # noqa: S608
            connection.execute(f"SET allowed_paths = {_listed(spec['files'])}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            relation = connection.sql(_only_statement(connection, options.sql))
        yield relation


def _only_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one SELECT that `sql` is, as DuckDB's own parser sees it: no comment or bracket hides a second one."""
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(
            f"the query cannot be run: it is {len(statements) or 'no'} statement{'s'[: len(statements)]}, not one",
            hint=_HINT,
        )
    if statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError(
            f"the query cannot be run: it is a statement of the kind {statements[0].type.name}, not a SELECT",
            hint=_HINT,
        )
    return statements[0]


@contextlib.contextmanager
def _translated(options: ReadOptions) -> Iterator[None]:
    """What DuckDB says of the query, as an error of ours; of memory and disks, as the engine's."""
    import duckdb

    try:
        with duckdb_faults():
            yield
    except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
        # While rows are fetched, DuckDB's errors come through Arrow, as text.
        text = str(error)
        for name, kind in (("Out of Memory Error", duckdb.OutOfMemoryException), ("IO Error", duckdb.IOException)):
            if name in text and not isinstance(error, duckdb.Error):
                with duckdb_faults():
                    raise kind(text[text.index(name) :]) from error
        # DuckDB quotes the value that it could not convert.
        what = first_line(error) if options.keep_raw else f"{type(error).__name__}, told in full by `spiritsafe doctor`"
        raise QueryError(f"the query cannot be run: {what}", hint=_HINT) from error


def _register(connection: Any, files: Sequence[str], options: ReadOptions) -> None:
    """Object stores through the same fsspec client as everything else: DuckDB needs no extension for it."""
    remote = next((file for file in files if is_remote(file)), None)
    if remote is not None:
        import fsspec

        system, _ = fsspec.core.url_to_fs(remote, **options.storage_options)
        connection.register_filesystem(system)


def _reader(spec: dict[str, Any], options: ReadOptions) -> str:
    with opened(spec["files"][0], options) as file:
        compression = compression_of(file.read(16), spec["files"][0]) or "none"
    return _READERS[spec["container"]].format(files=_listed(spec["files"]), compression=compression)


def _listed(files: Sequence[str]) -> str:
    """File names as an SQL list of texts."""
    return "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
