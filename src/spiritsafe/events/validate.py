"""The one gate: rows of any source become rows of the contract, or are refused with a reason.

Every reader, whatever its format, hands its rows to `conform`. What comes out has exactly the contract's
types, a time in UTC, ids that are not empty, text that is clean UTF-8 and of bounded size; what does not pass
is a `Rejected` with a stable code. No row is lost: rows kept and rows refused are the rows that came in.
Comes from `events.sources` and `events.tables`; goes on to `sketch` and `pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.columns import Faults, as_contract, plain, python_values, text_faults
from spiritsafe.events.model import RAW_LIMIT_BYTES, REQUESTS, Batch, Column, Rejected, TableSchema
from spiritsafe.events.sources.errors import missing_columns
from spiritsafe.events.values import FIRST_ACCOUNT_US, FIRST_EXCHANGE_US, LAST_US, Quoted, Refused, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from spiritsafe.events.sources.options import ReadOptions

MAX_EXTRAS: Final = 200
"""Extra columns carried as such; further ones go into one JSON text column."""
OVERFLOW_COLUMN: Final = "other_columns"
KINDS: Final[dict[str, frozenset[str]]] = {
    "account_events": frozenset(
        {"created", "verified", "payment_added", "key_created", "limit_changed", "suspended", "reinstated"}
    ),
    "attestations": frozenset({"licensed_distillation", "approved_red_team", "academic", "reseller", "customer_fleet"}),
}
"""Closed lists of the contract. A misspelt attestation would silently protect nobody."""


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows as a reader found them.

    Parameters
    ----------
    columns
        By name, in the source's order: an Arrow array, or a list of Python values of several kinds (JSON).
    positions
        Shape (n,). Row or line number of each row in the source, from 0.
    raw
        The bytes of each row as read, for the quarantine; None where the source has none (Parquet).
    rejected
        Rows that the reader itself could not make into columns.
    metadata
        The source schema's metadata, which goes along.
    sparse
        The source has no fixed columns (JSON lines): an absent required column is null in each row here,
        not missing from the file.
    """

    columns: Mapping[str, pa.Array | list[Any]]
    positions: NDArray[np.int64]
    raw: Sequence[bytes] | None = None
    rejected: tuple[Rejected, ...] = ()
    metadata: Mapping[bytes, bytes] | None = None
    sparse: bool = False


def conform(
    raw: pa.RecordBatch,
    source: str,
    positions: NDArray[np.int64] | Sequence[int] | int,
    options: ReadOptions,
    *,
    schema: TableSchema = REQUESTS,
    raw_bytes: Sequence[bytes] | None = None,
    rejected: Sequence[Rejected] = (),
) -> Batch:
    """The rows of `raw` as the contract's table `schema`, and those refused.

    Parameters
    ----------
    raw
        Columns under the contract's names (any type that can be read as the contract's) and extras.
    source
        The file that the rows came from; stands in `Rejected.source`.
    positions
        Shape (n,): each row's number in the source; or the first row's number.
    raw_bytes
        The rows as read, kept with refused rows when `options.keep_raw`.
    rejected
        Refused earlier; passed on.

    Raises
    ------
    MissingColumnsError
        A required column is not there at all.
    """
    if isinstance(positions, int):
        positions = np.arange(positions, positions + raw.num_rows, dtype=np.int64)
    rows = RawRows(
        columns=dict(zip(raw.schema.names, raw.columns, strict=True)),
        positions=np.asarray(positions, dtype=np.int64),
        raw=raw_bytes,
        rejected=tuple(rejected),
        metadata=raw.schema.metadata,
    )
    return conform_rows(rows, source, options, schema=schema)


def conform_rows(rows: RawRows, source: str, options: ReadOptions, *, schema: TableSchema = REQUESTS) -> Batch:
    """`conform`, for columns that may hold Python values of several kinds."""
    count = len(rows.positions)
    faults: Faults = {}
    columns: dict[str, pa.Array] = {}
    wanted = None if options.columns is None else {*options.columns, *schema.required}
    rules = _rules(schema, options)
    for column in schema.columns:
        if column.name in rows.columns and (wanted is None or column.name in wanted):
            array, found = as_contract(rows.columns[column.name], column, rules)
            _add(faults, found)
            columns[column.name] = array
    if rows.sparse:
        columns |= {n: pa.nulls(count, schema.by_name[n].type) for n in schema.required if n not in columns}
    missing = [name for name in schema.required if name not in columns]
    if missing and count:
        raise missing_columns(source, missing, rows.columns, quote=options.keep_raw)
    _check_required(columns, faults, schema, count)
    _check_meaning(columns, faults, schema)
    extras = {
        name: values
        for name, values in rows.columns.items()
        if name not in schema.by_name and (wanted is None or name in wanted)
    }
    for name, array in _carried(extras, count, options, faults).items():
        columns[name] = array
    ordered = {name: columns[name] for name in schema.by_name if name in columns} | columns
    batch = _record_batch(ordered, count, schema, rows.metadata)
    refused = tuple(
        Rejected(
            source,
            int(rows.positions[row]),
            fault.code,
            fault.reason(quote=options.keep_raw),
            _raw_of(rows, row, options),
        )
        for row, fault in sorted(faults.items())
    )
    positions = rows.positions
    if faults:
        good = ~_flags(faults, count)
        batch, positions = batch.filter(pa.array(good)), positions[good]
    return Batch(batch, positions, rows.rejected + refused)


def _add(faults: Faults, found: Faults) -> None:
    """The first reason stands: columns are looked at in the contract's order."""
    for row, fault in found.items():
        faults.setdefault(row, fault)


def _rules(schema: TableSchema, options: ReadOptions) -> Rules:
    """By what a table's values are judged. An attestation may end in the future; nothing else may lie there."""
    last_us = LAST_US if schema.name == "attestations" else options.latest_us()
    first_us = FIRST_EXCHANGE_US if schema is REQUESTS else FIRST_ACCOUNT_US
    timezone = options.timezone or ""
    return Rules(timezone=timezone, first_us=first_us, last_us=last_us, max_text_bytes=options.max_text_bytes)


def _check_required(columns: Mapping[str, pa.Array], faults: Faults, schema: TableSchema, count: int) -> None:
    for name in schema.required:
        array = columns.get(name)
        if array is None:
            continue
        for row in _rows_where(array.is_null()) if array.null_count else ():
            faults.setdefault(row, Refused("events.missing_value", f"{name} is missing"))
        if pa.types.is_string(array.type):
            # The text kernels trust that they look at UTF-8: rows refused already are not shown to them.
            readable = array.take(pa.array(np.arange(count), mask=_flags(faults, count))) if faults else array
            blank = pc.or_(pc.equal(pc.binary_length(readable), 0), pc.utf8_is_space(readable))
            for row in _rows_where(blank):
                faults.setdefault(row, Refused("events.empty_id", f"{name} is empty"))


def _rows_where(condition: pa.Array) -> list[int]:
    flags = pc.fill_null(condition, fill_value=False).to_numpy(zero_copy_only=False)
    rows: list[int] = np.flatnonzero(flags).tolist()
    return rows


def _flags(faults: Faults, count: int) -> NDArray[np.bool_]:
    flags = np.zeros(count, dtype=np.bool_)
    flags[list(faults)] = True
    return flags


def _check_meaning(columns: dict[str, pa.Array], faults: Faults, schema: TableSchema) -> None:
    """Rules of single tables: known kinds, a period that begins before it ends."""
    known = KINDS.get(schema.name)
    if known is not None and "kind" in columns:
        words = [None if row in faults else value for row, value in enumerate(_texts(columns["kind"]))]
        plain_words = [word and word.strip().lower().replace(" ", "_").replace("-", "_") for word in words]
        columns["kind"] = pa.array(plain_words, pa.string())
        for row, word in enumerate(plain_words):
            if word is not None and word not in known:
                reason = ("kind is ", Quoted(word), f"; known are {', '.join(sorted(known))}")
                faults.setdefault(row, Refused("events.kind", *reason))
    if "not_before" in columns and "expires_at" in columns:
        for row in _rows_where(pc.greater_equal(columns["not_before"], columns["expires_at"])):
            faults.setdefault(row, Refused("events.period", "not_before is not earlier than expires_at"))


def _texts(array: pa.Array) -> list[str | None]:
    raw = array.cast(pa.binary()).to_pylist()
    return [value if value is None else value.decode("utf-8", "replace") for value in raw]


# --- extra columns ----------------------------------------------------------------------------------------


def _carried(
    extras: Mapping[str, pa.Array | list[Any]], count: int, options: ReadOptions, faults: Faults
) -> dict[str, pa.Array]:
    """Extra columns as they shall go along: signed, plain, clean. Beyond `MAX_EXTRAS`, together as JSON."""
    carried: dict[str, pa.Array] = {}
    overflow: dict[str, list[Any]] = {}
    for name, values in extras.items():
        label = name.encode("utf-8", "replace").decode().replace("\0", "")
        if len(carried) >= MAX_EXTRAS or not label or label in carried:
            overflow[name] = values if isinstance(values, list) else list(python_values(plain(values)))
            continue
        array = _carried_array(values)
        carried[label] = array
        told = label[:80] if options.keep_raw else "a column beyond the contract's"  # a JSON key may be anybody's text
        if pa.types.is_string(array.type):
            _add(faults, text_faults(array, Column(told, pa.string(), "", text=True), options.max_text_bytes))
        elif pa.types.is_nested(array.type):
            _add(faults, _nested_faults(array, told))
    if overflow:
        texts = [
            json_text({name: values[row] for name, values in overflow.items() if values[row] is not None} or None)
            for row in range(count)
        ]
        carried[OVERFLOW_COLUMN] = pa.array(texts, pa.string())
    return carried


def _carried_array(values: pa.Array | list[Any]) -> pa.Array:
    if isinstance(values, list):
        # Text formats know no types: what is extra in them is carried as text, the same in every batch.
        return pa.array([json_text(value) for value in values], pa.string())
    array = plain(values)
    kind = array.type
    try:
        if pa.types.is_null(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return array.cast(pa.string())
        if pa.types.is_uint64(kind):
            return array.view(pa.int64())
        if pa.types.is_unsigned_integer(kind):
            return array.cast({8: pa.int16(), 16: pa.int32(), 32: pa.int64()}[kind.bit_width])
    except pa.ArrowInvalid:
        pass
    return array


def json_text(value: Any) -> str | None:
    """A JSON value as one text: text as it is, anything else as compact JSON; None for null."""
    if value is None or isinstance(value, str):
        return _encodable(value)
    try:
        return msgspec.json.encode(value).decode("utf-8")
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _encodable(text: str | None) -> str | None:
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _nested_faults(array: pa.Array, name: str) -> Faults:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        return {}
    faults: Faults = {}
    for row in range(len(array)):
        try:
            array[row].as_py()
        except (ValueError, OverflowError):
            faults[row] = Refused("events.encoding", f"{name} holds text that is not UTF-8")
    return faults


# --- putting together -------------------------------------------------------------------------------------


def _record_batch(
    columns: Mapping[str, pa.Array], count: int, schema: TableSchema, metadata: Mapping[bytes, bytes] | None
) -> pa.RecordBatch:
    kept = {k: v for k, v in (metadata or {}).items() if k not in (b"pandas", b"ARROW:schema")}
    fields = []
    for name, array in columns.items():
        # Nothing is declared non-null: rows that lack a required value are still in here, to be dropped next.
        kind = schema.by_name[name].type if name in schema.by_name else array.type
        fields.append(pa.field(name, kind))
    if not fields:
        return pa.RecordBatch.from_arrays([], schema=pa.schema([], metadata=kept or None))
    assert all(len(array) == count for array in columns.values())
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields, metadata=kept or None))


def _raw_of(rows: RawRows, row: int, options: ReadOptions) -> bytes | None:
    if not options.keep_raw:
        return None
    if rows.raw is not None:
        return bytes(rows.raw[row][:RAW_LIMIT_BYTES])
    values: dict[str, Any] = {}
    for name, column in rows.columns.items():
        try:
            cell = column[row] if isinstance(column, list) else next(python_values(plain(column.slice(row, 1))))
        except (pa.ArrowException, ValueError, OverflowError):
            cell = None
        values[name] = cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else cell
    try:
        return msgspec.json.encode(values)[:RAW_LIMIT_BYTES]
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(values).encode("utf-8", "backslashreplace")[:RAW_LIMIT_BYTES]
