"""Part of a log, read as `scan` will read it; through a proposed mapping where its columns are unknown.

Of a large log some pieces are read, spread over its length: its first rows are all of one hour.
Comes from `events.sources` and `events.propose`; goes on to `events.doctor`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.errors import InputError
from spiritsafe.events.mapping import Mapping, MappingSourceError
from spiritsafe.events.mapping_text import visible
from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.events.propose import Proposal, propose
from spiritsafe.events.sampling import raw_sample
from spiritsafe.events.sources.discover import Source, open_source
from spiritsafe.events.sources.errors import ColumnTypeError, MissingColumnsError, NaiveTimeError
from spiritsafe.events.sources.read import read_shard
from spiritsafe.events.sources.storage import File, expand

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.events.sources.options import ReadOptions

    Progress = Callable[[str, float, float], None]

_SHARDS_MAX: Final = 8
_REFUSED_SHOWN: Final = 5
_TABLE_FORMATS: Final = frozenset({"parquet", "jsonl", "csv", "json", "mixed"})


@dataclass
class Reading:
    """What was learnt while trying to read.

    `needs_map` says that the columns are not the contract's; `problem` why nothing could be read at all;
    `naive` that times have no offset and were taken as UTC for now; `whole` that all rows were looked at.
    """

    rows: pa.Table
    refused: Counter[str]
    refused_examples: list[str]
    source: Source | None
    options: ReadOptions
    proposal: Proposal | None = None
    needs_map: bool = False
    problem: str = ""
    naive: bool = False
    whole: bool = True
    files: tuple[File, ...] = ()


def read_log(
    paths: list[str], options: ReadOptions, rows: int, now_s: float | None, progress: Progress | None
) -> Reading:
    """Part of a log, and what was learnt on the way. Raises as `open_source` where nothing could be guessed."""
    given = options.mapping is not None or options.sql is not None
    naive = False
    while True:
        try:
            source = open_source(paths, options)
            break
        except NaiveTimeError:
            if options.timezone is not None:
                raise
            naive, options = True, dataclasses.replace(options, timezone="UTC")
        except (MissingColumnsError, ColumnTypeError) as error:
            if given:
                raise
            return _read_by_guess(paths, options, rows, now_s, progress, error)
    reading = _rows_of(source, options, rows, progress)
    reading.naive = naive
    if options.sql is None and source.format in _TABLE_FORMATS:
        # The log can be read without it, so a sample that cannot be taken is no fault.
        with contextlib.suppress(InputError):
            reading.proposal = propose(raw_sample(paths, options=options), now_s=now_s)
    return reading


def _read_by_guess(
    paths: list[str], options: ReadOptions, rows: int, now_s: float | None, progress: Progress | None, why: InputError
) -> Reading:
    """A table of unknown columns: read through the mapping that we propose."""
    proposal = propose(raw_sample(paths, options=options), now_s=now_s)
    time = proposal.guess("time")
    naive = time.naive and options.timezone is None
    timezone = "UTC" if naive else options.timezone
    mapped = dataclasses.replace(options, mapping=proposal.mapping, timezone=timezone)
    reading = Reading(
        REQUESTS.arrow().empty_table(), Counter(), [], None, mapped, proposal=proposal, needs_map=True, naive=naive
    )
    try:
        source = open_source(paths, mapped)
    except (MappingSourceError, MissingColumnsError, ColumnTypeError, NaiveTimeError) as error:
        lacking = [name for name in REQUESTS.required if proposal.guess(name).source is None]
        reason = f"no column could be {' or '.join(lacking)}" if lacking else str(error)
        reading.problem = str(why) if reason == str(why) else f"{why}; and {reason}"
        reading.files = tuple(expand(paths, options))
        return reading
    found = _rows_of(source, mapped, rows, progress)
    found.proposal, found.needs_map, found.naive = proposal, True, naive
    return found


def _rows_of(source: Source, options: ReadOptions, rows: int, progress: Progress | None) -> Reading:
    """Up to `rows` rows, from up to eight shards spread over the source."""
    count = min(len(source.shards), _SHARDS_MAX)
    chosen = sorted({round(n * (len(source.shards) - 1) / max(1, count - 1)) for n in range(count)})
    each = -(-rows // max(1, len(chosen)))
    tables: list[pa.Table] = []
    refused: Counter[str] = Counter()
    shown: list[str] = []
    whole = len(chosen) == len(source.shards)
    for done, number in enumerate(chosen):
        left = each
        batches = read_shard(source.shards[number], options)
        for batch in batches:
            refused.update(row.code for row in batch.rejected)
            for row in batch.rejected[: _REFUSED_SHOWN - len(shown)]:
                shown.append(
                    f"{row.code} in row {row.position:,} of {Path(row.source).name}: {visible(row.reason)[:160]}"
                )
            tables.append(pa.Table.from_batches([batch.table.slice(0, left)]))
            left -= batch.table.num_rows
            if progress is not None:
                progress("reading", done * each + each - max(left, 0), len(chosen) * each)
            if left <= 0:
                whole = whole and left == 0 and next(batches, None) is None
                break
    table = _concatenated(tables)
    return Reading(table, refused, shown, source, options, whole=whole, files=source.files)


def _concatenated(tables: list[pa.Table]) -> pa.Table:
    metadata = next((table.schema.metadata for table in tables if table.schema.metadata), None)
    found = [table.replace_schema_metadata() for table in tables if table.num_columns]
    if not found:
        return REQUESTS.arrow().empty_table()
    # Extras of text formats may differ in type from batch to batch; the contract's columns never do.
    names = {name for table in found for name in table.column_names}
    mixed = {n for n in names if len({str(t.schema.field(n).type) for t in found if n in t.column_names}) > 1}
    joined = pa.concat_tables([table.drop_columns([n for n in mixed if n in table.column_names]) for table in found],
                              promote_options="default")  # fmt: skip
    return joined.replace_schema_metadata(metadata)


def read_accounts(path: str | Path, options: ReadOptions, now_s: float | None) -> Reading:
    """The accounts table, through a proposed mapping where its columns are unknown."""
    from spiritsafe.events.tables import read_table

    empty = ACCOUNTS.arrow().empty_table()
    reading = Reading(empty, Counter(), [], None, options)
    try:
        table, rejected = read_table(str(path), ACCOUNTS, options)
    except (MissingColumnsError, ColumnTypeError):
        proposal = propose(raw_sample(str(path)), table="accounts", now_s=now_s)
        mapping = Mapping(accounts=proposal.mapping.accounts, carry=())
        reading = Reading(empty, Counter(), [], None, options, proposal=proposal, needs_map=True)
        try:
            table, rejected = read_table(str(path), ACCOUNTS, dataclasses.replace(options, mapping=mapping))
        except InputError as error:
            reading.problem = str(error)
            return reading
    reading.rows = table
    reading.refused.update(row.code for row in rejected)
    return reading
