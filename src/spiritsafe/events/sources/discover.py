"""Every file looked at before any row is read: what it is, whether it is whole, how it is dealt out.

A wrong file must stop a scan before the scan has begun. So each file's kind, columns and extent are checked
here, and the work is cut into shards: row groups, ranges of whole lines, or whole files.
Comes from `cli` through `open_source`; goes on to `events.sources.read`.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from spiritsafe.events.model import REQUESTS, Batch, Shard, TableSchema
from spiritsafe.events.sources.errors import (
    ColumnTypeError,
    MixedInputError,
    NoRowsError,
    missing_columns,
    naive_time,
)
from spiritsafe.events.sources.parquet import check_extent, check_names, parquet_file, raw_groups, row_group_ranges
from spiritsafe.events.sources.sniff import SAMPLE_ROWS, Kind, kind_of
from spiritsafe.events.sources.storage import BLOCK_BYTES, File, expand_told, opened, sha256
from spiritsafe.events.sources.tabular import shaped
from spiritsafe.events.validate import conform_rows
from spiritsafe.files import SCHEMA_KEY, SchemaError, check_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.events.sources.options import ReadOptions

SHARD_BYTES: Final = 32 << 20
"""Plain line files are dealt out in ranges of about this size."""
_QUOTE: Final = 0x22
_LINE_END: Final = 0x0A


@dataclass(frozen=True)
class Source:
    """Input that has been looked at and can be read.

    Parameters
    ----------
    shards
        Pieces that can be read alone and in any order.
    format
        `parquet`, `jsonl`, `csv`, `otlp`, `litellm`, `chat`, `glasswally`, `sketches`, `sql`, or `mixed`.
    columns
        The contract's columns that the first rows have, in its order: what the source can fill.
    passed_over
        Files of the folders given that are no logs by their names, and were not opened.
    """

    shards: tuple[Shard, ...]
    format: str
    files: tuple[File, ...]
    options: ReadOptions
    columns: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)

    def inputs(self) -> list[tuple[str, str, int]]:
        """(path, SHA-256 in hex, bytes) of every file, so that the run can be repeated on the same bytes."""
        missing = [file.url for file in self.files if file.url not in self.digests]
        if missing:
            with ThreadPoolExecutor(max_workers=2) as pool:
                found = pool.map(lambda url: sha256(url, self.options), missing)
                self.digests.update(zip(missing, found, strict=True))
        return [(file.url, self.digests[file.url], file.size_bytes) for file in self.files]


def open_source(paths: str | Path | Sequence[str | Path], options: ReadOptions) -> Source:
    """Look at request logs and make them ready to be read.

    Parameters
    ----------
    paths
        Files, folders, globs or URLs (`s3://bucket/logs/`), one or many. Formats may differ.

    Raises
    ------
    PathError, NoRowsError
        Nothing is there, or nothing is in it.
    FormatError, TruncatedError, BrokenFileError
        A file is of no known kind, or is not whole.
    MissingColumnsError, ColumnTypeError, NaiveTimeError
        A file lacks what every row needs, or holds it in a form that cannot be read.
    SchemaError
        A file of ours is of another table or of an unknown major version.
    MappingSourceError
        The mapping reads from columns that are not there.
    """
    return open_table(paths, options, REQUESTS)


def open_table(paths: str | Path | Sequence[str | Path], options: ReadOptions, schema: TableSchema) -> Source:
    """`open_source` for any contract table."""
    files, passed = expand_told(paths, options)
    if options.sql is not None:
        from spiritsafe.events.sources.query import query_source

        return replace(query_source(files, options, schema), passed_over=passed)
    looked = [found for file in files if (found := _Looked.at(file, options, schema)) is not None]
    if not looked:
        others = " and the others" if len(files) > 1 else ""
        raise NoRowsError(f"{files[0].url}{others}: nothing in it", hint="is it the right file?")
    formats = {found.format for found in looked}
    if "sketches" in formats and len(formats) > 1:
        raise MixedInputError("sketches and logs were given together", hint="scan them apart, or sketch the logs too")
    have = {name for found in looked for name in found.columns}
    return Source(
        shards=tuple(shard for found in looked for shard in found.shards),
        format=formats.pop() if len(formats) == 1 else "mixed",
        files=tuple(files),
        options=options,
        columns=tuple(name for name in schema.by_name if name in have),
        passed_over=passed,
        digests={found.file.url: found.digest for found in looked if found.digest},
    )


@dataclass(slots=True)
class _Looked:
    """What one file turned out to be."""

    file: File
    format: str
    shards: list[Shard]
    columns: tuple[str, ...]
    digest: str = ""

    @classmethod
    def at(cls, file: File, options: ReadOptions, schema: TableSchema) -> _Looked | None:
        kind = kind_of(file.url, options) if file.size_bytes else None
        if kind is None:
            return None
        if kind.container == "parquet":
            return _look_at_parquet(file, kind, options, schema)
        columns = _sampled(file, kind, options, schema)
        name = kind.dialect or kind.container
        if not _may_split(kind) or file.size_bytes <= SHARD_BYTES:
            shard = Shard(file.url, kind.name, size_bytes=file.size_bytes)
            return cls(file, name, [shard], columns)
        shards, digest = _line_ranges(file, kind, options)
        return cls(file, name, shards, columns, digest)


def _may_split(kind: Kind) -> bool:
    """Telemetry is read whole: an exchange's events may lie far apart."""
    return kind.compression is None and kind.container in ("jsonl", "csv") and kind.dialect != "otlp"


# --- Parquet ----------------------------------------------------------------------------------------------


def _look_at_parquet(file: File, kind: Kind, options: ReadOptions, schema: TableSchema) -> _Looked | None:
    with parquet_file(file.url, options) as parquet:
        if kind.compression is None:
            check_extent(parquet, file.url, file.size_bytes)
        arrow = parquet.schema_arrow
        check_names(arrow.names, file.url)
        name = _tagged_as(arrow.metadata, file.url, schema)
        ranges = list(row_group_ranges(parquet))
        if not parquet.metadata.num_rows:
            return None
    share = file.size_bytes // len(ranges)
    dialect = "" if name == "sketches" else kind.dialect or _table_dialect(arrow.names, options, schema)
    container = "sketches" if name == "sketches" else "parquet"
    format_name = f"{container}:{dialect}" if dialect else container
    shards = [Shard(file.url, format_name, first, last, before, share) for first, last, before in ranges]
    if name == "sketches":
        return _Looked(file, "sketches", shards, tuple(arrow.names))
    columns = _check_table(file, shards[0], arrow, dialect, options, schema)
    return _Looked(file, dialect or container, shards, columns)


def _tagged_as(metadata: dict[bytes, bytes] | None, url: str, schema: TableSchema) -> str:
    """The table that our own tag names ("" without one), if it may be read as `schema`."""
    tag = (metadata or {}).get(SCHEMA_KEY, b"").decode("utf-8", "replace")
    if not tag:
        return ""
    name = tag.partition("/")[0]
    if name == "sketches" and schema is REQUESTS:
        check_tag(metadata, "sketches", 1, where=url)
        return name
    if name != schema.name:
        raise SchemaError(
            f"{url} is a table of {name}, not of {schema.name}", hint=f"give it where {name} are asked for"
        )
    check_tag(metadata, schema.name, int(schema.version.partition(".")[0]), where=url)
    return name


def _table_dialect(names: Sequence[str], options: ReadOptions, schema: TableSchema) -> str:
    from spiritsafe.events.sources import glasswally

    known = schema is REQUESTS and options.format is None and glasswally.renamed(names) is not None
    return "glasswally" if known else ""


def _check_table(
    file: File, shard: Shard, arrow: pa.Schema, dialect: str, options: ReadOptions, schema: TableSchema
) -> tuple[str, ...]:
    """Columns and types of a table, by its schema; by its first rows where a mapping makes the columns."""
    if options.mapping is not None and options.mapping.table(schema.name):
        from spiritsafe.events.mapping import check_sources

        check_sources(options.mapping, arrow.names, table=schema.name)
    elif not dialect:
        _refuse_missing(file.url, arrow.names, schema, quote=options.keep_raw)
        _check_types(file.url, arrow, options, schema)
        return tuple(name for name in schema.by_name if name in arrow.names)
    batch = next(raw_groups(shard, options), (None, 0))[0]
    if batch is None:
        return ()
    sample = batch.slice(0, SAMPLE_ROWS)
    positions = np.arange(sample.num_rows, dtype=np.int64)
    rows = shaped(sample, positions, file.url, options, schema, dialect)
    return _judged(file.url, conform_rows(rows, file.url, options, schema=schema), schema, SAMPLE_ROWS)


def _refuse_missing(url: str, names: Sequence[str], schema: TableSchema, *, quote: bool) -> None:
    missing = [name for name in schema.required if name not in names]
    if missing:
        raise missing_columns(url, missing, names, quote=quote)


def _check_types(url: str, arrow: pa.Schema, options: ReadOptions, schema: TableSchema) -> None:
    for name in arrow.names:
        column = schema.by_name.get(name)
        if column is None:
            continue
        kind = arrow.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        wants_list = pa.types.is_list(column.type)
        if pa.types.is_nested(kind) and not (wants_list and (pa.types.is_list(kind) or pa.types.is_large_list(kind))):
            raise ColumnTypeError(
                f"{url}: column {name} is {kind}, and should be {column.type}",
                hint="map it: `spiritsafe doctor LOGS --write-map map.toml`",
            )
        is_time = pa.types.is_timestamp(column.type) and pa.types.is_timestamp(kind)
        if is_time and kind.tz is None and not options.timezone:
            raise naive_time(url, name)


# --- line formats -----------------------------------------------------------------------------------------


def _sampled(file: File, kind: Kind, options: ReadOptions, schema: TableSchema) -> tuple[str, ...]:
    """Read the first rows as they will be read, and refuse a file in which none of them can be one."""
    from spiritsafe.events.sources.read import sample_rows

    if kind.header is not None:
        check_names(list(kind.header.names), file.url, quote=options.keep_raw)
        if options.mapping is not None and options.mapping.table(schema.name):
            from spiritsafe.events.mapping import check_sources

            check_sources(options.mapping, kind.header.names, table=schema.name)
        elif not kind.dialect:
            _refuse_missing(file.url, kind.header.names, schema, quote=options.keep_raw)
    rows = sample_rows(file.url, kind, options, schema)
    if rows is None or not len(rows.positions):
        return ()
    have = [name for name, values in rows.columns.items() if _says_anything(values)]
    absent = [n for n in schema.required if n not in rows.columns or (kind.dialect and n not in have)]
    if absent and rows.sparse:
        what = "attribute or field for" if kind.dialect else "column"
        raise missing_columns(file.url, absent, have, what=what, quote=options.keep_raw)
    return _judged(file.url, conform_rows(rows, file.url, options, schema=schema), schema, len(rows.positions))


def _says_anything(values: pa.Array | list[object]) -> bool:
    if isinstance(values, list):
        return any(value is not None for value in values)
    return bool(values.null_count < len(values))


def _judged(url: str, batch: Batch, schema: TableSchema, count: int) -> tuple[str, ...]:
    """The contract columns of a sample; an error where every row of it fails for want of a time zone."""
    naive = [row for row in batch.rejected if row.code == "events.naive_time"]
    if naive and not batch.table.num_rows and len(naive) >= min(count, len(batch.rejected)):
        raise naive_time(url, "time" if "time" in schema.by_name else "a time")
    return tuple(name for name in schema.by_name if name in batch.table.schema.names)


def _line_ranges(file: File, kind: Kind, options: ReadOptions) -> tuple[list[Shard], str]:
    """Ranges of whole lines, with the number of lines before each, and the file's SHA-256, in one pass.

    A CSV in which a line end may lie within quotes is one range.
    """
    digest = hashlib.sha256()
    splits = _Splits(is_csv=kind.container == "csv")
    with opened(file.url, options) as stream:
        while piece := stream.read(BLOCK_BYTES):
            digest.update(piece)
            splits.add(piece)
    shards = []
    if splits.unsafe:
        shards = [Shard(file.url, kind.name, size_bytes=splits.size)]
    else:
        first, lines = (0, 0) if kind.header is None else (kind.header.size_bytes, kind.header.lines)
        for last, before in [*splits.found, (splits.size, 0)]:
            if last > first:
                shards.append(Shard(file.url, kind.name, first, last, lines, last - first))
                first, lines = last, before
    return shards, digest.hexdigest()


class _Splits:
    """Finds the first line end after each multiple of `SHARD_BYTES`, counting lines on the way."""

    def __init__(self, *, is_csv: bool) -> None:
        self.found: list[tuple[int, int]] = []
        self.size = 0
        self.unsafe = False
        self._is_csv = is_csv
        self._lines = 0
        self._odd = False

    def add(self, piece: bytes) -> None:
        data = np.frombuffer(piece, dtype=np.uint8)
        ends = np.flatnonzero(data == _LINE_END)
        if self._is_csv and not self.unsafe:
            self._look_for_quotes(data, ends)
        for target in self._targets(len(piece)):
            at = int(np.searchsorted(ends, target - self.size))
            if at < len(ends):
                place = self.size + int(ends[at]) + 1
                if not self.found or place > self.found[-1][0]:
                    self.found.append((place, self._lines + at + 1))
        self._lines += len(ends)
        self.size += len(piece)

    def _targets(self, length: int) -> Iterator[int]:
        """Where the next cut is due, as far as this piece reaches."""
        target = (self.found[-1][0] if self.found else 0) + SHARD_BYTES
        while target < self.size + length:
            yield max(target, self.size)
            target += SHARD_BYTES

    def _look_for_quotes(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        quotes = np.flatnonzero(data == _QUOTE)
        counts = np.bincount(np.searchsorted(ends, quotes), minlength=len(ends) + 1) % 2
        if self._odd:
            counts[0] ^= 1
        self.unsafe = bool(counts[:-1].any())
        self._odd = bool(counts[-1])
