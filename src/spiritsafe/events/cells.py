"""Cells of a stranger's table in a form that can be worked with: plain encodings, text that Arrow can hold.

Comes from `events.reshape` and `events.leaves`; goes on to `events.clocks`.
"""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.transforms import as_text


def plain(values: pa.Array) -> pa.Array:
    """Without dictionary, extension, large or view encoding, which few compute functions take."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_run_end_encoded(values.type):
        values = pc.run_end_decode(values)
    if _is_bytes(values.type):
        # CSV comes as bytes. Not a cast: it would stop at the first byte that is not UTF-8.
        return values.cast(pa.binary()).view(pa.string())
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    return values


def readable(values: pa.Array) -> pa.Array:
    """`plain`, and with U+FFFD where text is not UTF-8: Arrow's text functions stop at such a byte."""
    values = plain(values)
    if pa.types.is_string(values.type):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            cells = values.cast(pa.binary()).to_pylist()
            return pa.array([None if c is None else c.decode("utf-8", "replace") for c in cells], pa.string())
    return values


def python_values(values: pa.Array) -> list[Any]:
    """The cells as Python values; None for a cell that Python cannot hold (the year 90000)."""
    values = readable(values)
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False)
    try:
        cells: list[Any] = values.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException, ImportError):
        return [_cell(values, row) for row in range(len(values))]
    return cells


def _cell(values: pa.Array, row: int) -> Any:
    try:
        return values[row].as_py()
    except (ValueError, OverflowError, pa.ArrowException, ImportError):
        return None


def text_of(values: pa.Array) -> pa.Array:
    """Any array as text, cell by cell where Arrow has no cast."""
    values = readable(values)
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16:
        cells = values.to_pylist()
        return pa.array([None if c is None else str(uuid.UUID(bytes=c)) for c in cells], pa.string())
    if not pa.types.is_nested(kind):
        try:
            return values.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return pa.array([safe_text(cell) for cell in python_values(values)], pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def safe_text(cell: Any) -> str | None:
    """Text that Arrow can hold: a lone surrogate (JSON allows them) becomes U+FFFD."""
    text = as_text(cell)
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
