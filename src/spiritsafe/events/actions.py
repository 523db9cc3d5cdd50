"""Any table that says who did what to what, read through the same gate as a log.

Broken rows are refused with their reason and the rest goes on; broken files stop before anything is written.
Comes from paths; goes on to `coordination`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from spiritsafe.events.beside import quarantine_table
from spiritsafe.events.mapping import ColumnSource, Mapping
from spiritsafe.events.model import ACTIONS, TableSchema
from spiritsafe.events.sources.discover import open_table
from spiritsafe.events.sources.options import ReadOptions
from spiritsafe.events.sources.read import read_table_shard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spiritsafe.events.model import Rejected
    from spiritsafe.events.sources.discover import Source


@dataclass(frozen=True, slots=True)
class ActionColumns:
    """Which columns of the table hold what; `time` is None where there is none."""

    actor: str
    object: str
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Actions:
    """Rows of `actor`, `object` (text) and, if asked for, `time`; and those refused.

    `actor_type` is what the source stores actors as, so that ids can be given back as they were. `passed_over`
    are files that are no logs by their names.
    """

    table: pa.Table
    quarantine: pa.Table
    columns: ActionColumns
    inputs: tuple[tuple[str, str, int], ...]
    actor_type: pa.DataType
    passed_over: tuple[str, ...] = ()

    def restored(self, actors: pa.Array) -> pa.Array:
        """Actor ids in the type that they were read in."""
        return actors.cast(self.actor_type)


def read_actions(
    table: str | Path | Sequence[str | Path], columns: ActionColumns, options: ReadOptions | None = None
) -> Actions:
    """Read who did what to what.

    Parameters
    ----------
    table
        Files, folders, globs or URLs: Parquet, JSON lines or CSV.
    columns
        Names of the columns; a dotted path reaches into nested ones.
    options
        Time zone, storage, limits. Mapping, query and format are not used.

    Raises
    ------
    The same errors as `events.sources.open_source`. A row without a time is refused when a time was asked for.
    """
    named = {name: source for name, source in dataclasses.asdict(columns).items() if source is not None}
    mapping = Mapping(carry=(), actions={name: ColumnSource(from_=source) for name, source in named.items()})
    options = dataclasses.replace(options or ReadOptions(), mapping=mapping, sql=None, format=None, columns=None)
    asked = tuple(dataclasses.replace(ACTIONS.by_name[name], required=True) for name in named)
    schema = TableSchema(ACTIONS.name, ACTIONS.version, asked)
    source = open_table(table, options, schema)
    batches: list[pa.RecordBatch] = []
    refused: list[Rejected] = []
    for shard in source.shards:
        for batch in read_table_shard(shard, options, schema):
            refused += batch.rejected
            batches.append(batch.table.select(list(named)))
    rows = pa.Table.from_batches([batch.cast(schema.arrow()) for batch in batches], schema=schema.arrow())
    return Actions(
        rows,
        quarantine_table(refused),
        columns,
        tuple(source.inputs()),
        _actor_type(source, columns.actor),
        source.passed_over,
    )


def _actor_type(source: Source, name: str) -> pa.DataType:
    """Whole numbers stay whole numbers where every file is Parquet and says so; all else is text."""
    from spiritsafe.events.sources.parquet import parquet_file

    kinds = set()
    for file in source.files:
        if source.format != "parquet" or not file.size_bytes:
            return pa.string()
        with parquet_file(file.url, source.options) as parquet:
            schema = parquet.schema_arrow
            kinds.add(schema.field(name).type if name in schema.names else None)
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if kind is not None and pa.types.is_signed_integer(kind) else pa.string()
