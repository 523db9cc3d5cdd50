"""The rows of the log that a case rests on, gathered before the log expires.

They are taken from the log that was scanned, byte for byte (its digests are held to the scan's), each account's by
itself, under pseudonyms; `evidence.exhibits` encrypts them under the key by which that account can be erased.
Comes from `cases.opening`; goes on to `evidence.exhibits`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.errors import InputError
from spiritsafe.events.sources import open_source, read_shard
from spiritsafe.evidence.exhibits import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spiritsafe.cases.scans import Scan
    from spiritsafe.events.identity import Pseudonymiser
    from spiritsafe.events.sources import ReadOptions

MEDIA_TYPE: Final = "application/x-ndjson"


class LogChangedError(InputError):
    """The log is not the one that was scanned, or is not where the scan read it."""

    code: ClassVar[str] = "cases.log"


def gather_rows(
    scan: Scan,
    wanted: Mapping[str, Sequence[str]],
    hide: Pseudonymiser,
    options: ReadOptions,
    *,
    paths: Sequence[str | Path] = (),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Rows]]:
    """Each case's rows by account.

    Parameters
    ----------
    scan
        The scan.
    wanted
        Ids of exchanges, by whatever names a case (its campaign).
    hide
        Gives pseudonyms.
    options
        How the log is read: as it was when it was scanned.
    paths
        Where the log is, if not where the scan read it.
    progress
        Told pieces read and pieces in all.

    Raises
    ------
    LogChangedError
        The files are not those that were scanned; nothing was read.
    InputError
        They cannot be read.
    """
    where = list(paths) or [one.path for one in scan.run.inputs if not one.table]
    try:
        source = open_source(where, options)
    except InputError as error:
        raise LogChangedError(
            f"the log cannot be read where it was scanned: {error}",
            hint="say where it is with --log, or open the case --without-rows: then nothing of it is preserved",
        ) from error
    if sorted(digest for _, digest, _ in source.inputs()) != scan.log_digests:
        raise LogChangedError(
            "the log is not the one that was scanned (its digests differ)",
            hint="give the scanned files with --log, scan again, or open the case --without-rows",
        )
    of_event: dict[str, list[str]] = defaultdict(list)
    for case, events in wanted.items():
        for event in events:
            of_event[event].append(case)
    ids = pa.array(list(of_event), pa.string())
    lines: dict[str, dict[str, list[bytes]]] = {case: defaultdict(list) for case in wanted}
    for done, shard in enumerate(source.shards):
        if progress is not None:
            progress(done, len(source.shards))
        for batch in read_shard(shard, options):
            mine = batch.table.filter(pc.is_in(batch.table["event_id"], ids))
            if mine.num_rows:
                _take(hide.batch(mine), of_event, lines)
    return {
        case: {account: Rows(len(rows), b"".join(rows)) for account, rows in held.items()}
        for case, held in lines.items()
    }


def _take(rows: pa.RecordBatch, of_event: Mapping[str, list[str]], lines: dict[str, dict[str, list[bytes]]]) -> None:
    """Add rows to the cases that want them, one line of JSON each, without what is empty."""
    for row in rows.to_pylist():
        kept: dict[str, Any] = {name: value for name, value in row.items() if value is not None}
        line = msgspec.json.encode(kept, order="sorted") + b"\n"
        for case in of_event[row["event_id"]]:
            lines[case][row["account_id"]].append(line)
