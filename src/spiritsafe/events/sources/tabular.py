"""Tables under the contract's names: what Parquet and CSV have in common.

A batch as a file has it becomes columns of the contract by the mapping, by the dialect's names, or as it is.
Comes from `parquet` and `delimited`; goes on to `events.validate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.events.columns import Faults, plain, python_values, text_faults
from spiritsafe.events.model import Column
from spiritsafe.events.sources import glasswally
from spiritsafe.events.sources.records import numbered_id, rejected
from spiritsafe.events.validate import RawRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from spiritsafe.events.model import Rejected, TableSchema
    from spiritsafe.events.sources.options import ReadOptions

_NO_LIMIT: Final = 2**31


def shaped(
    batch: pa.RecordBatch,
    positions: NDArray[np.int64],
    source: str,
    options: ReadOptions,
    schema: TableSchema,
    dialect: str,
    *,
    raw: Sequence[bytes] | None = None,
) -> RawRows:
    """A table's batch under the contract's names: by the mapping, or by the dialect's."""
    refused: list[Rejected] = []
    if options.mapping is not None and options.mapping.table(schema.name):
        from spiritsafe.events.mapping import apply_mapping

        faults = _unreadable(batch)
        if faults:
            # Before the mapping looks into it: text that is none cannot be taken apart.
            for row, fault in sorted(faults.items()):
                bytes_ = raw[row] if raw is not None else None
                reason = fault.reason(quote=options.keep_raw)
                refused.append(rejected(source, int(positions[row]), fault.code, reason, bytes_, options))
            keep = [row for row in range(batch.num_rows) if row not in faults]
            batch, positions = batch.take(pa.array(keep, pa.int64())), positions[keep]
            raw = [raw[row] for row in keep] if raw is not None else None
        batch = apply_mapping(batch, options.mapping, table=schema.name)
    elif dialect == "glasswally":
        batch = _from_glasswally(batch, positions)
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return RawRows(columns, positions, raw, tuple(refused), metadata=batch.schema.metadata)


def _unreadable(batch: pa.RecordBatch) -> Faults:
    faults: Faults = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(array.type):
            column = Column(name[:80], pa.string(), "", text=True)
            faults |= text_faults(array, column, _NO_LIMIT)
    return faults


def _from_glasswally(batch: pa.RecordBatch, positions: NDArray[np.int64]) -> pa.RecordBatch:
    names = glasswally.renamed(batch.schema.names) or {}
    columns = {names.get(n, n): array for n, array in zip(batch.schema.names, batch.columns, strict=True)}
    settings = columns.get("h2_settings")
    if settings is not None and pa.types.is_struct(settings.type) and settings.type.get_field_index("fingerprint") >= 0:
        columns["http2_fingerprint"] = settings.field("fingerprint")
    if "event_id" not in columns:
        values = [
            list(python_values(plain(columns[name]))) for name in ("account_id", "time", "prompt") if name in columns
        ]
        shown = [repr(cells) for cells in zip(*values, strict=True)]
        ids = [
            numbered_id(at, text.encode("utf-8", "replace")) for at, text in zip(positions.tolist(), shown, strict=True)
        ]
        columns["event_id"] = pa.array(ids, pa.string())
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
