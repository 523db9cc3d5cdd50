"""From decoded records to columns: what the line formats and telemetry have in common.

A reader of records yields `Row`s, contract columns and extras as Python values; here they become columns for
`events.validate`, through the mapping where there is one. Whatever is wrong with one record ends as one
`Rejected`, never as an exception.
Comes from `jsonl`, `otel` and `protobuf`; goes on to `events.validate`.
"""

from __future__ import annotations

import hashlib
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from spiritsafe.events.model import RAW_LIMIT_BYTES, Rejected, TableSchema
from spiritsafe.events.validate import RawRows, json_text
from spiritsafe.events.values import HASH_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spiritsafe.events.sources.options import ReadOptions

_HEX16: Final = re.compile(r"[0-9a-fA-F]{16}")
NESTED: Final = "nested too deeply to be read"


@dataclass(slots=True)
class Row:
    """One record as columns, where it stood, and its bytes for the quarantine."""

    values: dict[str, Any]
    position: int
    raw: bytes


class RowFault(Exception):
    """Why a record cannot become a row. It becomes a `Rejected` and reaches nobody."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def decode_json(text: bytes) -> Any:
    """A JSON value.

    Raises
    ------
    RowFault
        `events.json`, `events.encoding`, `events.range` or `events.nesting`.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise RowFault("events.nesting", NESTED) from None
    except UnicodeDecodeError as error:
        raise RowFault("events.encoding", f"text that is not UTF-8: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise RowFault("events.range", _unholdable(error)) from None
    except msgspec.DecodeError as error:
        if _whole_but_for_surrogates(text):
            raise RowFault("events.encoding", "text that holds half of a surrogate pair (such as \\ud800)") from None
        raise RowFault("events.json", f"not JSON: {_words(error)}") from None


_DECODER: Final = msgspec.json.Decoder()
_ESCAPE: Final = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(\\.)", re.DOTALL
)
"""A whole surrogate pair, half of one, any other escape: read from the left, so that no backslash is read twice."""


def _whole_but_for_surrogates(text: bytes) -> bool:
    """Whether it is JSON once no half of a surrogate pair is in it. The decoder calls some of those cut off."""
    whole = _ESCAPE.sub(lambda found: found[1] or found[2] or b"?", text)
    try:
        _DECODER.decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return whole != text


def _unholdable(error: msgspec.ValidationError) -> str:
    words = _words(error)
    return (
        "a number that is too large to be held" if words.endswith("out of range") else f"a value with a fault: {words}"
    )


def _words(error: Exception) -> str:
    return str(error).partition(" - at ")[0].removeprefix("JSON is malformed: ")


def decode_object(text: bytes) -> dict[str, Any]:
    """A JSON object. Raises RowFault, also for JSON of another kind."""
    value = decode_json(text)
    if not isinstance(value, dict):
        raise RowFault("events.json", f"a JSON {kind_of_json(value)}, not an object")
    return value


def kind_of_json(value: Any) -> str:
    """What JSON calls a decoded value that is no object."""
    kinds = {list: "array", str: "string", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def rejected(source: str, position: int, code: str, reason: str, raw: bytes | None, options: ReadOptions) -> Rejected:
    """A refused row; its bytes only where they may be kept."""
    kept = raw[:RAW_LIMIT_BYTES] if raw is not None and options.keep_raw else None
    return Rejected(source, position, code, reason, kept)


T = TypeVar("T")


def guarded(translate: Callable[..., T], *arguments: Any) -> T:
    """What `translate` gives, with everything that a record of unforeseen shape can cause as a RowFault.

    The translators expect the shapes that their formats document; a record may hold anything.
    """
    try:
        return translate(*arguments)
    except RowFault:
        raise
    except RecursionError:
        raise RowFault("events.nesting", NESTED) from None
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        reason = f"a record of another shape than its format's ({type(error).__name__})"
        raise RowFault("events.shape", reason) from None


def numbered_id(position: int, raw: bytes) -> str:
    """An event id for a log that has none: the same for the same row of the same file, wherever that lies."""
    return f"row-{position}-{hashlib.blake2b(raw, digest_size=6).hexdigest()}"


def rows_together(
    rows: Sequence[Row], refused: Sequence[Rejected], schema: TableSchema, options: ReadOptions, *, overlay: bool
) -> RawRows:
    """`raw_rows`, of `Row`s."""
    values, raw = [row.values for row in rows], [row.raw for row in rows]
    return raw_rows(values, [row.position for row in rows], raw, refused, schema, options, overlay=overlay)


def raw_rows(
    rows: Sequence[dict[str, Any]],
    positions: Sequence[int],
    raw: Sequence[bytes],
    refused: Sequence[Rejected],
    schema: TableSchema,
    options: ReadOptions,
    *,
    overlay: bool = False,
) -> RawRows:
    """Records as columns: Python values, or Arrow arrays where a mapping has been at work."""
    numbers = np.array(positions, dtype=np.int64)
    columns = columns_of(rows, schema)
    if options.mapping is None or not options.mapping.table(schema.name):
        return RawRows(columns, numbers, raw, tuple(refused), sparse=True)
    batch = mapped(columns, len(rows), schema, options, overlay=overlay)
    named = dict(zip(batch.schema.names, batch.columns, strict=True))
    return RawRows(named, numbers, raw, tuple(refused), sparse=True)


def columns_of(rows: Sequence[dict[str, Any]], schema: TableSchema) -> dict[str, pa.Array | list[Any]]:
    """Records as columns, a key a column: the contract's in its order, then the others by name."""
    keys = set().union(*rows) if rows else set()
    names = [name for name in schema.by_name if name in keys]
    names += sorted(keys.difference(schema.by_name))
    columns: dict[str, pa.Array | list[Any]] = {}
    for name in names:
        values = _values(name, rows)
        columns[name] = [_hash_number(value) for value in values] if name in HASH_COLUMNS else values
    return columns


def _values(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    try:
        return list(map(operator.itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]


def _hash_number(value: Any) -> Any:
    """In JSON a 64-bit hash is 16 hex digits, whatever they look like."""
    if isinstance(value, str) and _HEX16.fullmatch(value):
        return int(value, 16)
    if isinstance(value, list):
        return [_hash_number(item) if isinstance(item, str) else item for item in value]
    return value


def mapped(
    columns: dict[str, pa.Array | list[Any]],
    count: int,
    schema: TableSchema,
    options: ReadOptions,
    *,
    overlay: bool = False,
) -> pa.RecordBatch:
    """The columns under the contract's names, by the mapping of `options`.

    Parameters
    ----------
    overlay
        The columns come from a format that we know (telemetry, LiteLLM): what the mapping does not name stays
        as it was read. Of a bespoke table only what the mapping names is taken.
    """
    from spiritsafe.events.mapping import ColumnSource, apply_mapping

    mapping = options.mapping
    assert mapping is not None
    if overlay:
        read = {name: ColumnSource(from_=name) for name in schema.by_name if name in columns or name in schema.required}
        mapping = msgspec.structs.replace(mapping, **{schema.name: read | mapping.table(schema.name)})
    arrays = {name: _typed(values) for name, values in columns.items()}
    for path in (path for source in mapping.table(schema.name).values() for path in source.sources):
        # A key that no record of this batch has is null in each of them, not missing from the log.
        steps = path.split(".")
        if not any(".".join(steps[:length]) in arrays for length in range(1, len(steps) + 1)):
            arrays[steps[0]] = pa.nulls(count, pa.string())
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    return apply_mapping(batch, mapping, table=schema.name)


def source_paths(options: ReadOptions, schema: TableSchema) -> Iterator[str]:
    """Every source column or path that the mapping reads."""
    if options.mapping is not None:
        for source in options.mapping.table(schema.name).values():
            yield from source.sources


def _typed(values: pa.Array | list[Any]) -> pa.Array:
    """Values of one kind with their type; anything else, and what is nested, as JSON text."""
    if isinstance(values, pa.Array):
        return values
    if not any(isinstance(value, dict | list) for value in values):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    return pa.array([json_text(value) for value in values], pa.string())
