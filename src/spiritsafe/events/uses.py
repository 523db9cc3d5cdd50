"""Any table of who used what, and when: three of its columns, clean, for `coordinate`.

The columns have whatever names the table gives them; rows are read and refused by the same readers and rules
as request logs. Comes from paths; goes on to `links.objects`, through one Parquet file of the kept rows, so
that no table is too large.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.errors import UsageError
from spiritsafe.events.beside import quarantine_table
from spiritsafe.events.mapping import nearest
from spiritsafe.events.model import UTC_US, Column, Rejected, TableSchema
from spiritsafe.events.sources.discover import open_table
from spiritsafe.events.sources.errors import MissingColumnsError
from spiritsafe.events.sources.options import ReadOptions
from spiritsafe.events.sources.parquet import parquet_file
from spiritsafe.events.sources.read import read_table_shard
from spiritsafe.events.sources.sniff import kind_of
from spiritsafe.events.sources.storage import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spiritsafe.events.sources.discover import Source

    Progress = Callable[[str, float, float], None]

MOST_QUARANTINED: Final = 100_000
"""Refused rows that are kept as such; further ones are counted only."""


class UseColumnsError(UsageError):
    """The columns named for actor, object and time are not three different ones."""

    code = "events.use_columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class UseColumns:
    """The names of a table's columns. `time` is None for a table without times."""

    actor: str
    object: str
    time: str | None

    def __post_init__(self) -> None:
        names = [self.actor, self.object, *([] if self.time is None else [self.time])]
        if len(set(names)) < len(names):
            raise UseColumnsError(
                f"--actor, --object and --time must be different columns, not {', '.join(names)}",
                hint="name the column of who acts, of what is used, and of when",
            )

    def schema(self) -> TableSchema:
        """What every row must have."""
        columns = [Column(self.actor, pa.string(), "who acts", required=True)]
        columns.append(Column(self.object, pa.string(), "what is used", required=True))
        if self.time is not None:
            columns.append(Column(self.time, UTC_US, "when", required=True))
        return TableSchema("uses", "1.0", tuple(columns))


@dataclass(frozen=True, slots=True)
class Uses:
    """What was read: `path` holds `actor`, `object` and, where there are times, `time_us` (int64, UTC).

    `actor_is_number`: the file has actors as integers. `first_us` and `last_us` are None without times.
    """

    path: Path
    inputs: tuple[tuple[str, str, int], ...]
    rows_kept: int
    quarantine: pa.Table
    reasons: dict[str, int]
    actor_is_number: bool
    first_us: int | None
    last_us: int | None


def read_uses(
    paths: Sequence[str], columns: UseColumns, *, options: ReadOptions, into: Path, progress: Progress
) -> Uses:
    """Read a table's rows into one clean Parquet file.

    Parameters
    ----------
    paths
        Files, folders, globs or URLs: Parquet, CSV or JSON lines, plain or compressed.
    into
        The file to write.
    progress
        Called with (stage, bytes done, bytes in all).

    Raises
    ------
    MissingColumnsError
        A column is not there; the hint names the nearest one.
    NaiveTimeError
        Times have no offset and `options.timezone` is not given.
    And the other errors of `events.sources.open_source`.
    """
    import pyarrow.parquet as pq

    schema = columns.schema()
    source = _opened(paths, columns, schema, options)
    clean = [("actor", pa.string()), ("object", pa.string())]
    clean += [] if columns.time is None else [("time_us", pa.int64())]
    refused: list[Rejected] = []
    reasons: collections.Counter[str] = collections.Counter()
    kept, first, last = 0, None, None
    done, total = 0.0, float(sum(shard.size_bytes for shard in source.shards) or 1)
    with pq.ParquetWriter(into, pa.schema(clean), compression="zstd") as writer:
        for shard in source.shards:
            for batch in read_table_shard(shard, source.options, schema):
                reasons.update(one.code for one in batch.rejected)
                refused += batch.rejected[: max(MOST_QUARANTINED - len(refused), 0)]
                if batch.table.num_rows == 0:
                    continue
                rows = [batch.table[columns.actor], batch.table[columns.object]]
                if columns.time is not None:
                    rows.append(batch.table[columns.time].cast(pa.int64()))
                    low, high = _extent(rows[-1])
                    first, last = min(first or low, low), max(last or high, high)
                writer.write_batch(pa.RecordBatch.from_arrays(rows, schema=pa.schema(clean)))
                kept += batch.table.num_rows
            done += shard.size_bytes
            progress("reading", done, total)
    return Uses(
        path=into,
        inputs=tuple(source.inputs()),
        rows_kept=kept,
        quarantine=quarantine_table(refused),
        reasons=dict(sorted(reasons.items())),
        actor_is_number=_is_number(source, columns.actor),
        first_us=first,
        last_us=last,
    )


def _opened(paths: Sequence[str], columns: UseColumns, schema: TableSchema, options: ReadOptions) -> Source:
    wanted = ReadOptions(
        timezone=options.timezone,
        format=options.format,
        storage_options=options.storage_options,
        now_us=options.now_us,
        columns=schema.required,
    )
    try:
        return open_table(paths, wanted, schema)
    except MissingColumnsError as error:
        told = []
        for name in schema.required:
            for file in expand(paths, wanted):
                there = _names(file.url, wanted)
                if name not in there:
                    near = nearest(name, there)
                    flag = "actor" if name == columns.actor else "object" if name == columns.object else "time"
                    told.append(f"--{flag} {name}: {near or 'name one of its columns'}")
                    break
        raise MissingColumnsError(str(error), hint="; ".join(told)) from error


def _names(url: str, options: ReadOptions) -> list[str]:
    """The columns of a file, as far as its head shows them."""
    kind = kind_of(url, options)
    if kind is None:
        return []
    if kind.container == "parquet":
        with parquet_file(url, options) as parquet:
            return list(parquet.schema_arrow.names)
    if kind.header is not None:
        return list(kind.header.names)
    return list({name: None for record in kind.records for name in record})


def _extent(times: pa.Array) -> tuple[int, int]:
    import pyarrow.compute as pc

    extent = pc.min_max(times)
    return extent["min"].as_py(), extent["max"].as_py()


def _is_number(source: Source, actor: str) -> bool:
    """Whether every file has its actors as integers that fit 64 bits, so that results can have them so too."""
    for file in source.files:
        kind = kind_of(file.url, source.options) if file.size_bytes else None
        if kind is None:
            continue
        if kind.container == "parquet":
            with parquet_file(file.url, source.options) as parquet:
                arrow = parquet.schema_arrow.field(actor).type
            if not pa.types.is_integer(arrow) or pa.types.is_uint64(arrow):
                return False
        elif kind.container != "jsonl" or not all(type(r.get(actor)) is int for r in kind.records if actor in r):
            return False
    return True
