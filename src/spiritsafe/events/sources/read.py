"""One shard, read: rows of any format to batches of the contract.

What a worker process runs. It knows the shard and the options, nothing else, and holds one batch at a time.
Comes from `events.sources.discover`; goes on to `sketch` through `pipeline`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from spiritsafe.events.model import REQUESTS, Batch, Shard, TableSchema
from spiritsafe.events.sources.delimited import read_delimited
from spiritsafe.events.sources.errors import naive_time
from spiritsafe.events.sources.jsonl import read_document, read_lines
from spiritsafe.events.sources.parquet import raw_groups, read_groups
from spiritsafe.events.sources.protobuf import read_messages
from spiritsafe.events.sources.records import Row, RowFault, rows_together
from spiritsafe.events.validate import RawRows, conform_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.sources.sniff import Kind


def read_shard(shard: Shard, options: ReadOptions) -> Iterator[Batch]:
    """The rows of one shard of request logs, checked.

    Parameters
    ----------
    shard
        From `Source.shards`, opened with the same options.

    Yields
    ------
    Batches of at most 65,536 rows. Line formats fill different columns in different batches. Of `sketches`
    the columns come as they are.

    Raises
    ------
    TruncatedError, BrokenFileError, StorageError
        The file turns out not to be whole, or is gone.
    """
    return read_table_shard(shard, options, REQUESTS)


def read_table_shard(shard: Shard, options: ReadOptions, schema: TableSchema) -> Iterator[Batch]:
    """`read_shard` for any contract table."""
    container, _, dialect = shard.format.partition(":")
    if container == "sketches":
        for batch, first in raw_groups(shard, options, None if options.columns is None else {*options.columns}):
            yield Batch(batch, np.arange(first, first + batch.num_rows, dtype=np.int64))
        return
    for number, rows in enumerate(_raw(container, dialect, shard, options, schema)):
        batch = conform_rows(rows, shard.url, options, schema=schema)
        # A file's first rows are judged when it is opened; a query is run only now.
        if container == "sql" and not number and _all_naive(batch):
            raise naive_time("the query's result", "time")
        yield batch


def _all_naive(batch: Batch) -> bool:
    return (
        bool(batch.rejected)
        and not batch.table.num_rows
        and all(row.code == "events.naive_time" for row in batch.rejected)
    )


def _raw(container: str, dialect: str, shard: Shard, options: ReadOptions, schema: TableSchema) -> Iterator[RawRows]:
    if container == "parquet":
        return read_groups(shard, options, schema, dialect)
    if container == "csv":
        return read_delimited(shard, options, schema, dialect)
    if container == "json":
        return read_document(shard, options, schema, dialect)
    if container == "protobuf":
        return read_messages(shard, options, schema)
    if container == "sql":
        from spiritsafe.events.sources.query import read_query

        return read_query(shard, options)
    assert container == "jsonl", container
    return read_lines(shard, options, schema, dialect)


def sample_rows(url: str, kind: Kind, options: ReadOptions, schema: TableSchema) -> RawRows | None:
    """The first rows of a line file, as columns; None where there is none in its head."""
    if kind.container == "jsonl":
        from spiritsafe.events.sources.jsonl import translator_for

        translator = translator_for(kind.dialect, url, schema, options)
        rows: list[Row] = []
        for number, record in enumerate(kind.records):
            try:
                found = list(translator.rows(record, number, b""))
            except RowFault:
                continue
            rows += [row for row in found if isinstance(row, Row)]
        rows += [row for row in translator.rest() if isinstance(row, Row)]
        return rows_together(rows, [], schema, options, overlay=bool(kind.dialect)) if rows else None
    if kind.container == "csv" and kind.header is not None:
        return _csv_sample(url, kind, options, schema)
    shard = Shard(url, kind.name)
    return next(_raw(kind.container, kind.dialect, shard, dataclasses.replace(options, keep_raw=False), schema), None)


def _csv_sample(url: str, kind: Kind, options: ReadOptions, schema: TableSchema) -> RawRows | None:
    """The CSV's first lines, as far as the head shows them whole."""
    from spiritsafe.events.sources.delimited import Splitter
    from spiritsafe.events.sources.tabular import shaped

    assert kind.header is not None
    splitter = Splitter(kind.header.delimiter)
    body = kind.head[kind.header.size_bytes :]
    lines = body.split(b"\n")[:200]
    names = list(kind.header.names)
    found = [splitter.fields(line.removesuffix(b"\r")) for line in lines if line.strip()]
    fitted = [kind.header.fitted(fields) for fields in found if fields is not None]
    good = [fields for fields in fitted if fields is not None]
    if not good:
        return None
    columns = [pa.array([fields[i] for fields in good], pa.binary()) for i in range(len(names))]
    batch = pa.RecordBatch.from_arrays([column.view(pa.string()) for column in columns], names=names)
    return shaped(batch, np.arange(len(good), dtype=np.int64), url, options, schema, kind.dialect)
