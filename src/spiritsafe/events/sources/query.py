"""Logs through a query of one's own: any table that SQL can turn into the contract's columns.

DuckDB runs the query; the files are the view `logs`. The result is one shard, judged like any other source,
so a broken row is refused with its number in the result. DuckDB reads text files by its own rules: JSON lines
that are broken stop the query, where our own reader would refuse them one by one.
Comes from `events.sources.discover`; goes on to `events.validate`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from spiritsafe.events.model import Shard, TableSchema
from spiritsafe.events.sources.errors import MixedInputError, QueryError, missing_columns
from spiritsafe.events.sources.options import MAX_ROWS
from spiritsafe.events.sources.storage import compression_of, first_line, is_remote, opened
from spiritsafe.events.validate import RawRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spiritsafe.events.sources.discover import Source
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.sources.storage import File

_READERS: Final = {
    "parquet": "read_parquet({files}, union_by_name = true)",
    "csv": "read_csv({files}, header = true, union_by_name = true, compression = '{compression}')",
    "jsonl": "read_json({files}, format = 'newline_delimited', union_by_name = true, compression = '{compression}')",
    "json": "read_json({files}, format = 'array', union_by_name = true, compression = '{compression}')",
}


def query_source(files: Sequence[File], options: ReadOptions, schema: TableSchema) -> Source:
    """The query's result as a source of one shard.

    Raises
    ------
    QueryError
        The query cannot be run.
    MissingColumnsError
        Its result lacks required columns.
    MixedInputError
        The files are not all of one kind, so that they make no one view.
    """
    from spiritsafe.events.sources.discover import Source
    from spiritsafe.events.sources.sniff import kind_of

    kinds = {}
    for file in files:
        if file.size_bytes and (kind := kind_of(file.url, options)) is not None:
            kinds[file.url] = kind.container
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
    with _result(shard, options, limit=0) as reader:
        names = reader.schema.names
    missing = [name for name in schema.required if name not in names]
    if missing:
        raise missing_columns("the query's result", missing, names, quote=options.keep_raw)
    columns = tuple(name for name in schema.by_name if name in names)
    return Source((shard,), "sql", tuple(files), options, columns)


def read_query(shard: Shard, options: ReadOptions) -> Iterator[RawRows]:
    """The rows of the query's result. Positions are row numbers in it."""
    position = 0
    with _result(shard, options) as reader:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError, RuntimeError) as error:
                raise _failed(error, options) from error
            for start in range(0, batch.num_rows, MAX_ROWS):
                part = batch.slice(start, MAX_ROWS)
                columns = dict(zip(part.schema.names, part.columns, strict=True))
                positions = np.arange(position, position + part.num_rows, dtype=np.int64)
                position += part.num_rows
                yield RawRows(columns, positions, metadata=part.schema.metadata)


@contextlib.contextmanager
def _result(shard: Shard, options: ReadOptions, *, limit: int | None = None) -> Iterator[pa.RecordBatchReader]:
    import duckdb

    assert options.sql is not None
    spec: dict[str, Any] = msgspec.json.decode(shard.url)
    with contextlib.closing(duckdb.connect()) as connection:
        try:
            connection.execute("SET TimeZone = 'UTC'")
            _register(connection, spec["files"], options)
            connection.execute(f"CREATE TEMP VIEW logs AS SELECT * FROM {_reader(spec, options)}")  # noqa: S608
            query = options.sql.strip().rstrip(";")
            ending = "" if limit is None else f" LIMIT {limit}"
            result = connection.sql(f"SELECT * FROM (\n{query}\n){ending}")  # noqa: S608 - the user's own query
            # Renamed after DuckDB 1.4, which pyproject.toml still admits.
            fetch = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
            reader = fetch(MAX_ROWS)
        except (duckdb.Error, RuntimeError) as error:
            raise _failed(error, options) from error
        yield reader


def _failed(error: Exception, options: ReadOptions) -> QueryError:
    # DuckDB quotes the value that it could not convert.
    what = first_line(error) if options.keep_raw else f"{type(error).__name__}, told in full by `spiritsafe doctor`"
    return QueryError(
        f"the query cannot be run: {what}",
        hint="it reads the view `logs` and must give event_id, time and account_id",
    )


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
    files = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in spec["files"]) + "]"
    return _READERS[spec["container"]].format(files=files, compression=compression)
