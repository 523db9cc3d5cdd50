"""Parquet: a shard is a range of row groups; rows come in batches of bounded bytes.

Row groups are what Parquet can read alone. A batch is at most 65,536 rows and about 64 MiB, whatever the
writer's groups are. Dialect columns (`glasswally`) are renamed; a mapping is applied to each batch.
Comes from `events.sources.storage`; goes on to `events.validate`.
"""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from spiritsafe.events.sources.errors import BrokenFileError, ColumnTypeError, TruncatedError
from spiritsafe.events.sources.header import refuse_row
from spiritsafe.events.sources.options import MAX_ROWS
from spiritsafe.events.sources.records import source_paths
from spiritsafe.events.sources.storage import BLOCK_BYTES, compression_of, content, first_line, is_remote, opened
from spiritsafe.events.sources.tabular import shaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.events.model import Shard, TableSchema
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.validate import RawRows

BATCH_BYTES: Final = 64 << 20
SHARD_ROWS: Final = 250_000
"""Row groups are put together up to about this many rows: enough work for a process to be worth its start."""
_TAIL_BYTES: Final = 8
_SPOOL_RATIO: Final = 64
"""Parquet is compressed within; what shrinks more than so by a compressor around it is a bomb."""


@contextlib.contextmanager
def parquet_file(url: str, options: ReadOptions) -> Iterator[Any]:
    """An open `pyarrow.parquet.ParquetFile`; one that is compressed as a whole is spooled to a temporary file.

    Raises
    ------
    TruncatedError, BrokenFileError
        The footer is missing or does not describe this file.
    """
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(url, options))
        if compression_of(file.read(16), url) is not None:
            spool = stack.enter_context(tempfile.TemporaryFile())
            limit = file.size() * _SPOOL_RATIO + BLOCK_BYTES
            with content(url, options) as (stream, _):
                while piece := stream.read(BLOCK_BYTES):
                    spool.write(piece)
                    if spool.tell() > limit:
                        raise BrokenFileError(
                            f"{url} grows beyond {limit:,} bytes when decompressed; Parquet does not",
                            hint="is it what it should be? Parquet needs no compression around it",
                        )
            file = stack.enter_context(pa.PythonFile(spool, mode="r"))
        _check_ends(file, url)
        try:
            parquet = pq.ParquetFile(file, pre_buffer=is_remote(url))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BrokenFileError(
                f"{url} has a Parquet footer that cannot be read: {first_line(error)}", hint="write or fetch it again"
            ) from error
        yield parquet


def _check_ends(file: pa.NativeFile, url: str) -> None:
    """Parquet begins and ends with its magic; a file that does not end so was cut off."""
    size = file.size()
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    file.seek(0)
    if tail.endswith(b"PARE"):
        raise BrokenFileError(f"{url} is encrypted Parquet, which is not read", hint="decrypt it first")
    if size < 12 or not tail.endswith(b"PAR1") or int.from_bytes(tail[:4], "little") > size - 12:
        raise TruncatedError(
            f"{url} begins as Parquet and does not end so: it was cut off at {size:,} bytes",
            hint="fetch it again, or wait until its writer has closed it",
        )


def check_extent(parquet: Any, url: str, size_bytes: int) -> None:
    """The last row group lies before the footer: a footer glued to less data is found before any row is read.

    Raises
    ------
    TruncatedError
        It does not.
    """
    metadata = parquet.metadata
    if not metadata.num_row_groups:
        return
    last = metadata.row_group(metadata.num_row_groups - 1)
    for number in range(last.num_columns):
        chunk = last.column(number)
        starts = [s for s in (chunk.dictionary_page_offset, chunk.data_page_offset) if s is not None]
        if min(starts) + chunk.total_compressed_size > size_bytes - metadata.serialized_size - _TAIL_BYTES:
            raise TruncatedError(
                f"{url}: column {chunk.path_in_schema} should reach further than the file's data",
                hint="fetch it again; data are missing from its middle",
            )


def check_names(names: list[str], url: str, *, quote: bool = True) -> None:
    """Refuse names of which nobody could say what column is meant.

    Raises
    ------
    NoHeaderError
        They are the cells of a row.
    ColumnTypeError
        Two columns have one name, or none.
    """
    refuse_row(names, url)
    bare = [str(place) for place, name in enumerate(names, 1) if not name]
    if len(bare) > 1:
        raise ColumnTypeError(
            f"{url}: columns {', '.join(bare[:-1])} and {bare[-1]} have no name", hint="name them, or leave them out"
        )
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        named = f"named {', '.join(double)}" if quote else "of one name"
        raise ColumnTypeError(f"{url} has several columns {named}", hint="rename all but one")


def row_group_ranges(parquet: Any) -> Iterator[tuple[int, int, int]]:
    """(first row group, last + 1, rows before) of each shard."""
    metadata = parquet.metadata
    first = rows = before = 0
    for number in range(metadata.num_row_groups):
        rows += metadata.row_group(number).num_rows
        if rows >= SHARD_ROWS or number + 1 == metadata.num_row_groups:
            yield first, number + 1, before
            first, before, rows = number + 1, before + rows, 0


def read_groups(shard: Shard, options: ReadOptions, schema: TableSchema, dialect: str) -> Iterator[RawRows]:
    """The rows of a Parquet shard, as columns of the contract's names and extras."""
    for batch, position in raw_groups(shard, options, _wanted(options, schema)):
        positions = np.arange(position, position + batch.num_rows, dtype=np.int64)
        yield shaped(batch, positions, shard.url, options, schema, dialect)


def _wanted(options: ReadOptions, schema: TableSchema) -> set[str] | None:
    """Columns to read; None for all. What a mapping needs is always among them."""
    if options.columns is None:
        return None
    heads = {path.partition(".")[0] for path in source_paths(options, schema)}
    return {*options.columns, *schema.required, *heads}


def raw_groups(
    shard: Shard, options: ReadOptions, wanted: set[str] | None = None
) -> Iterator[tuple[pa.RecordBatch, int]]:
    """(batch, number of its first row) as the file has them, unchecked."""
    position = shard.row_offset
    with parquet_file(shard.url, options) as parquet:
        groups = list(range(shard.first or 0, shard.last if shard.last is not None else parquet.num_row_groups))
        names = parquet.schema_arrow.names
        columns = None if wanted is None else [name for name in names if name in wanted]
        batches = parquet.iter_batches(
            batch_size=_batch_rows(parquet, groups), row_groups=groups, columns=columns, use_threads=False
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise BrokenFileError(
                    f"{shard.url} cannot be read after row {position:,}: {first_line(error)}",
                    hint="fetch it again; its pages are damaged",
                ) from error
            if batch is None:
                return
            yield batch, position
            position += batch.num_rows


def _batch_rows(parquet: Any, groups: list[int]) -> int:
    """Rows a batch, so that it stays near `BATCH_BYTES` where rows are large."""
    metadata = parquet.metadata
    rows = sum(metadata.row_group(number).num_rows for number in groups)
    size = sum(metadata.row_group(number).total_byte_size for number in groups)
    return max(64, min(MAX_ROWS, int(BATCH_BYTES * rows / size) if size > 0 else MAX_ROWS))
