"""Whole columns to the contract's types, by Arrow: the fast path beside `events.values`.

Each function answers for a column in which all is plainly right, and gives None when anything is not; then
the values are judged one by one by the reference. So the fast path may be narrow, and must never accept or
change what the reference would not. A property test holds the two together.
Comes from the readers; goes on to `events.validate`.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.model import UTC_US, Column
from spiritsafe.events.values import COUNTS, EPOCH_UNITS, HASH_COLUMNS, Refused, Rules, value_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Faults = dict[int, Refused]
"""Row number within the batch to why the row is refused."""

_PLAIN_INTEGER: Final = r"^-?[0-9]{1,18}$"
_PLAIN_NUMBER: Final = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_OFFSET: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$"
_NAIVE: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?$"
_ARROW_FAULTS: Final = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OverflowError)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FLOAT32_MAX: Final = 3.4028235e38


def as_contract(raw: pa.Array | Sequence[Any], column: Column, rules: Rules) -> tuple[pa.Array, Faults]:
    """A raw column as the contract's type, and the rows whose value cannot be.

    Parameters
    ----------
    raw
        An Arrow array of any type, or Python values (from JSON) that may be of several kinds.

    Returns
    -------
    The array, of exactly `column.type` and the same length, and the faults by row. What the array holds in
    a faulty row means nothing; such rows are dropped.
    """
    array = _array_of(raw, column)
    if array is None:
        assert not isinstance(raw, pa.Array)
        return _one_by_one(raw, column, rules)
    array = plain(array)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), column.type), {}
    if _is_text(column.type) and (text := _as_text(array)) is not None:
        return _text_column(text, column, rules)
    readable = array
    if pa.types.is_binary(array.type) or pa.types.is_large_string(array.type):
        readable = _readable(array)
    fast = _fast(readable, column, rules)
    if fast is not None:
        return fast, {}
    return _one_by_one(list(python_values(array)), column, rules)


def _array_of(raw: pa.Array | Sequence[Any], column: Column) -> pa.Array | None:
    """Python values as an Arrow array where they are all of one kind; None where they are not."""
    if isinstance(raw, pa.Array):
        return raw
    try:
        return pa.array(raw, type=pa.string() if _is_text(column.type) else None)
    except (*_ARROW_FAULTS, UnicodeEncodeError, TypeError, ValueError):
        pass
    try:
        return pa.array(raw)
    except (*_ARROW_FAULTS, UnicodeEncodeError, TypeError, ValueError):
        return None


def _one_by_one(values: Sequence[Any], column: Column, rules: Rules) -> tuple[pa.Array, Faults]:
    faults: Faults = {}
    good: list[Any] = []
    for row, value in enumerate(values):
        try:
            good.append(value_as(value, column, rules))
        except Refused as refused:
            faults[row] = refused
            good.append(None)
    return pa.array(good, type=column.type), faults


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array of a plain type: dictionaries decoded, extension types as what they store."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def python_values(array: pa.Array) -> Iterator[Any]:
    """The values of a plain array as the reference takes them, whatever the array holds."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        yield from _moments(array)
    elif _is_text(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield from array.cast(pa.large_binary()).to_pylist()
    elif pa.types.is_decimal(kind):
        for value in array.to_pylist():
            whole = isinstance(value, decimal.Decimal) and value == value.to_integral_value()
            yield int(value) if whole else value if value is None else float(value)
    elif pa.types.is_nested(kind):
        for row in range(len(array)):
            yield _nested_value(array, row)
    else:
        yield from array.to_pylist()


def _nested_value(array: pa.Array, row: int) -> Any:
    try:
        return array[row].as_py()
    except (ValueError, OverflowError):  # text that is not UTF-8, times beyond the calendar
        return {}


def _moments(array: pa.Array) -> Iterator[dt.datetime | int | None]:
    """Timestamps as datetimes; one beyond the calendar as a number too large to be a time."""
    unit = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": -1_000}[array.type.unit]
    start = _EPOCH if array.type.tz is not None else _EPOCH.replace(tzinfo=None)
    for number in array.cast(pa.int64()).to_pylist():
        if number is None:
            yield None
            continue
        try:
            yield start + dt.timedelta(microseconds=number * unit if unit > 0 else number // -unit)
        except OverflowError:
            yield 10**30


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind))


# --- text -------------------------------------------------------------------------------------------------


def _as_text(array: pa.Array) -> pa.Array | None:
    """Text, bytes and whole numbers as an Arrow string array (its bytes still unchecked), else None."""
    kind = array.type
    if _is_text(kind):
        return array
    try:
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return array.cast(pa.string())
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
            # Not a cast to string: it stops at the first bad byte, and we want to know which rows are bad.
            return array.cast(pa.binary()).view(pa.string())
        if pa.types.is_integer(kind):
            return array.cast(pa.string())
    except _ARROW_FAULTS:
        pass
    return None


def _readable(array: pa.Array) -> pa.Array:
    """Bytes as text where all of them are (from CSV); else as they are."""
    try:
        return array.cast(pa.string())
    except _ARROW_FAULTS:
        return array


def _text_column(array: pa.Array, column: Column, rules: Rules) -> tuple[pa.Array, Faults]:
    faults = text_faults(array, column, rules.max_text_bytes)
    if not column.text and not column.required:
        lengths = pc.binary_length(array)
        if pc.min(lengths).as_py() == 0:
            array = pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), array)
    return array, faults


def text_faults(array: pa.Array, column: Column, limit_bytes: int) -> Faults:
    """Rows of a string array with text that is not UTF-8, holds NUL or is over the limit.

    Looks at the buffer as one piece (65,536 prompts in 2 ms) and at single rows only where that finds something.
    """
    offsets, data = buffers(array)
    suspects: list[NDArray[np.int64]] = [np.nonzero(np.diff(offsets) > limit_bytes)[0]]
    if data.size:
        if data.min() == 0:
            suspects.append(_rows_at(offsets, np.nonzero(data == 0)[0]))
        if data.max() >= 128 and not _valid(array):
            suspects.append(_rows_at(offsets, np.nonzero(data >= 128)[0]))
    rows = np.unique(np.concatenate(suspects))
    rules = Rules(max_text_bytes=limit_bytes)
    raw = array.cast(pa.binary())
    faults: Faults = {}
    for row in rows.tolist():
        try:
            value_as(raw[row].as_py(), column, rules)
        except Refused as refused:
            faults[row] = refused
    return faults


def buffers(array: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """A string array's offsets (from 0) and its bytes."""
    _, offset_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offset_buffer is None:
        return np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    if data_buffer is None:
        return offsets - offsets[0], np.zeros(0, dtype=np.uint8)
    return offsets - offsets[0], np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]


def _rows_at(offsets: NDArray[np.int32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(np.searchsorted(offsets, places, side="right") - 1)


def _valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


# --- everything else --------------------------------------------------------------------------------------


def _fast(array: pa.Array, column: Column, rules: Rules) -> pa.Array | None:
    try:
        if pa.types.is_timestamp(column.type):
            return _fast_time(array, rules)
        if pa.types.is_list(column.type):
            return _fast_list(array)
        if pa.types.is_integer(column.type):
            return _fast_integer(array, column)
        if pa.types.is_floating(column.type):
            return _fast_float(array)
        if pa.types.is_boolean(column.type):
            return _fast_truth(array)
    except _ARROW_FAULTS:
        pass
    return None


def _fast_integer(array: pa.Array, column: Column) -> pa.Array | None:
    if _is_text(array.type):
        array = _numbers_in_text(array, _PLAIN_INTEGER, pa.int64())
        if array is None:
            return None
    if pa.types.is_uint64(array.type) and column.name in HASH_COLUMNS:
        return array.view(pa.int64())
    if pa.types.is_floating(array.type):
        array = _without_nan(array)
    elif not pa.types.is_integer(array.type):
        return None
    array = array.cast(column.type, safe=True)
    low = pc.min(array).as_py()
    return None if column.name in COUNTS and low is not None and low < 0 else array


def _fast_float(array: pa.Array) -> pa.Array | None:
    if _is_text(array.type):
        array = _numbers_in_text(array, _PLAIN_NUMBER, pa.float64())
        if array is None:
            return None
    if pa.types.is_integer(array.type):
        return array.cast(pa.float64(), safe=False).cast(pa.float32(), safe=False)
    if not pa.types.is_floating(array.type):
        return None
    array = _without_nan(array)
    bounds = pc.min_max(array)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is not None and not -_FLOAT32_MAX <= low <= high <= _FLOAT32_MAX:
        return None
    return array.cast(pa.float32(), safe=False)


def _fast_truth(array: pa.Array) -> pa.Array | None:
    if pa.types.is_boolean(array.type):
        return array
    if pa.types.is_integer(array.type):
        bounds = pc.min_max(array)
        low, high = bounds["min"].as_py(), bounds["max"].as_py()
        return array.cast(pa.bool_()) if low is None or 0 <= low <= high <= 1 else None
    if not _is_text(array.type):
        return None
    words = pc.utf8_lower(array)
    true = pc.is_in(words, value_set=pa.array(["true", "1"]))
    false = pc.is_in(words, value_set=pa.array(["false", "0"]))
    nothing = pc.or_kleene(pc.is_null(words), pc.equal(pc.fill_null(words, ""), ""))
    if not pc.all(pc.or_(pc.or_(true, false), nothing)).as_py():
        return None
    return pc.if_else(nothing, pa.scalar(None, pa.bool_()), true)


def _fast_list(array: pa.Array) -> pa.Array | None:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return None
    inside = array.type.value_type
    if not pa.types.is_integer(inside) or array.flatten().null_count:
        return None
    if pa.types.is_uint64(inside):
        array = pa.concat_arrays([array]).cast(pa.list_(pa.uint64()))
        numbers = array.values.view(pa.int64())
        return pa.ListArray.from_arrays(array.offsets, numbers, mask=array.is_null())
    return array.cast(pa.list_(pa.int64()))


def _numbers_in_text(array: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array | None:
    array = pc.if_else(pc.equal(pc.binary_length(array), 0), pa.scalar(None, pa.string()), array)
    if pc.all(pc.match_substring_regex(array, pattern)).as_py() is False:
        return None
    return array.cast(kind)


def _without_nan(array: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


# --- time -------------------------------------------------------------------------------------------------


def _fast_time(array: pa.Array, rules: Rules) -> pa.Array | None:
    if _is_text(array.type):
        array = _times_in_text(array)
    if array is not None and (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        array = _times_in_numbers(array)
    if array is None or not pa.types.is_timestamp(array.type):
        return None
    moments = array.cast(pa.timestamp("us", tz=array.type.tz), safe=array.type.unit != "ns")
    if moments.type.tz is None:
        if not rules.timezone:
            return None
        moments = pc.assume_timezone(moments, rules.timezone, ambiguous="earliest", nonexistent="raise")
    moments = moments.cast(UTC_US)
    bounds = pc.min_max(moments.cast(pa.int64()))
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    return moments if low is None or rules.first_us <= low <= high <= rules.last_us else None


def _times_in_text(array: pa.Array) -> pa.Array | None:
    array = pc.if_else(pc.equal(pc.binary_length(array), 0), pa.scalar(None, pa.string()), array)
    if pc.all(pc.match_substring_regex(array, _OFFSET)).as_py() is not False:
        try:
            return array.cast(UTC_US)
        except pa.ArrowInvalid:  # Go writes nine digits of a second
            return array.cast(pa.timestamp("ns", tz="UTC"))
    if pc.all(pc.match_substring_regex(array, _NAIVE)).as_py() is not False:
        return array.cast(pa.timestamp("us"))
    return _numbers_in_text(array, _PLAIN_INTEGER, pa.int64())


def _times_in_numbers(array: pa.Array) -> pa.Array | None:
    """Epoch numbers in any unit, by size (see `values.time_us`)."""
    if pa.types.is_uint64(array.type):
        array = array.cast(pa.int64(), safe=True)
    missing = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    filled = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    whole = pa.types.is_integer(array.type)
    numbers = filled.astype(np.int64) if whole else np.where(missing, 0.0, filled.astype(np.float64))
    if numbers.size and (numbers.min() < 0 or numbers.max() >= 9.2e18):
        return None
    moments = np.zeros(len(numbers), dtype=np.int64)
    at_least = 0
    for below, times, divided in EPOCH_UNITS:
        chosen = (numbers >= at_least) & (numbers < min(below, 9.2e18))
        part = numbers[chosen]
        moments[chosen] = part * times // divided if whole else np.floor(part * times / divided + 0.5)
        at_least = below
    return pa.array(moments, mask=missing).cast(UTC_US)
