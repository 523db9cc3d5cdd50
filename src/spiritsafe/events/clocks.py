"""A column of times, however it was logged, as UTC microseconds.

Numbers since 1970 in four units, ISO 8601 text, any strptime format, local times with a named zone.
Comes from `events.reshape`; goes on to `events.validate`.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.cells import readable, text_of

UNITS: Final[dict[str, int]] = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": -1_000}
"""Unit of a number that is a time, as microseconds a unit (negative: units a microsecond)."""
_OFFSET: Final = r"(Z|z|[+-]\d{2}(:?\d{2})?)$"
_DECIMAL: Final = r"^[+-]?\d{1,19}(\.\d+)?$"
_PLAIN_INT: Final = r"^[+-]?\d{1,19}$"


def times(values: pa.Array, *, unit: str, format: str, timezone: str) -> pa.Array:
    """A column of times as timestamp[us, UTC], as far as its cells allow.

    Numbers count `unit` since 1970. Text is ISO 8601, or `format` (strptime). A time without an offset is in
    `timezone`; where none is given it stays naive. Cells that are no time stay as text beside good ones in
    ISO form, so that the row can be refused with what it said.
    """
    utc = pa.timestamp("us", tz="UTC")
    values = readable(values)
    kind = values.type
    if pa.types.is_timestamp(kind):
        return _zoned(values.cast(pa.timestamp("us", tz=kind.tz), safe=False), timezone)
    if pa.types.is_date(kind):
        return _zoned(values.cast(pa.timestamp("us")), timezone)
    if unit:
        micros = _micros(values, unit)
        return _or_text(micros.cast(utc), values)
    if not pa.types.is_string(kind):
        return values
    if format:
        return _or_text(_formatted(values, format, timezone), values)
    return _or_text(_iso(values, timezone), values) if timezone else values


def _zoned(values: pa.Array, timezone: str) -> pa.Array:
    if values.type.tz is None and timezone:
        values = _localised(values, timezone)
    return values if values.type.tz is None else values.cast(pa.timestamp("us", tz="UTC"))


def _localised(values: pa.Array, timezone: str) -> pa.Array:
    """Naive local times in UTC. A repeated hour is taken as the earlier, a skipped one as it ends."""
    try:
        return pc.assume_timezone(values, timezone, ambiguous="earliest", nonexistent="latest").cast(
            pa.timestamp("us", tz="UTC")
        )
    except pa.ArrowInvalid:  # a year far outside the time zone tables
        return pa.nulls(len(values), pa.timestamp("us", tz="UTC"))


def _micros(values: pa.Array, unit: str) -> pa.Array:
    """Numbers, or text that is a number, as int64 microseconds. Text is scaled as decimal: floats lose µs."""
    factor = UNITS[unit]
    if pa.types.is_string(values.type):
        trimmed = pc.utf8_trim_whitespace(values)
        good = pc.match_substring_regex(trimmed, _DECIMAL)
        digits = pc.if_else(good, trimmed, pa.scalar(None, pa.string()))
        whole = pc.replace_substring_regex(digits, r"\..*$", "")
        values = _int64(whole)
        fraction = pc.if_else(
            pc.match_substring(digits, "."),
            pc.replace_substring_regex(digits, r"^[^.]*\.", ""),
            pa.scalar(""),
        )
        # Twelve digits after the point are a picosecond of a second: enough for every unit.
        padded = pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, 12, "0"), 0, 12)
        part = pc.divide(_int64(padded), pa.scalar(10**12 // factor)) if factor > 0 else None
    elif pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        return _rounded(pc.multiply(values.cast(pa.float64()), float(factor) if factor > 0 else 1 / -factor))
    elif pa.types.is_integer(values.type):
        values, part = _int64(values), None
    else:
        return pa.nulls(len(values), pa.int64())
    if factor < 0:
        return pc.divide(values, pa.scalar(-factor))
    limit = (1 << 62) // factor
    inside = pc.and_(pc.less(values, limit), pc.greater(values, -limit))
    micros = pc.multiply(pc.if_else(inside, values, pa.scalar(None, pa.int64())), pa.scalar(factor))
    return micros if part is None else pc.add(micros, part)


def _int64(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        if pa.types.is_string(values.type):
            fits = pc.and_(pc.match_substring_regex(values, _PLAIN_INT), pc.less(pc.utf8_length(values), 19))
            return pc.if_else(fits, values, pa.scalar(None, pa.string())).cast(pa.int64())
        inside = pc.less(values, pa.scalar(1 << 62, values.type))
        return pc.if_else(inside, values, pa.scalar(None, values.type)).cast(pa.int64())


def _rounded(values: pa.Array) -> pa.Array:
    inside = pc.and_(pc.is_finite(values), pc.less(pc.abs(values), float(1 << 62)))
    kept = pc.if_else(inside, values, pa.scalar(None, pa.float64()))
    return pc.round(kept).cast(pa.int64())


def _formatted(values: pa.Array, format: str, timezone: str) -> pa.Array:
    # Not Arrow's strptime: it takes 31 February for 3 March, and knows no fractions of a second.
    encoded = values.dictionary_encode()
    parsed = [_strptime(cell, format) for cell in encoded.dictionary.to_pylist()]
    if any(time is not None and time.tzinfo is not None for time in parsed):
        return pa.array(parsed, pa.timestamp("us", tz="UTC")).take(encoded.indices)
    return _zoned(pa.array(parsed, pa.timestamp("us")), timezone).take(encoded.indices)


def _strptime(cell: str | None, format: str) -> datetime.datetime | None:
    try:
        return None if cell is None else datetime.datetime.strptime(cell, format)
    except (ValueError, OverflowError):
        return None


def _iso(values: pa.Array, timezone: str) -> pa.Array:
    """ISO 8601 text, with an offset or in `timezone`."""
    utc = pa.timestamp("us", tz="UTC")
    trimmed = pc.utf8_trim_whitespace(values)
    offset = pc.match_substring_regex(trimmed, _OFFSET)
    dated = pc.and_(offset, pc.match_substring_regex(trimmed, r"[T ]\d{2}"))
    null = pa.scalar(None, pa.string())
    aware = _cast_each(pc.if_else(dated, trimmed, null), utc)
    naive = _cast_each(pc.if_else(dated, null, trimmed), pa.timestamp("us"))
    return pc.coalesce(aware, _localised(naive, timezone))


def _cast_each(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast with null for what does not convert; cell by cell only where the whole does not."""
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        pass

    def one(cell: str | None) -> Any:
        try:
            return None if cell is None else pa.scalar(cell).cast(kind).value
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    return pa.array([one(cell) for cell in texts.to_pylist()], pa.int64()).cast(kind)


def _or_text(good: pa.Array, original: pa.Array) -> pa.Array:
    """`good`, or, where a cell of `original` did not convert, both as text."""
    failed = pc.and_(pc.is_null(good), pc.is_valid(original))
    if not pc.any(failed, min_count=0).as_py():
        return good
    iso = good.cast(pa.string())
    return pc.if_else(failed, text_of(original), pc.replace_substring(iso, " ", "T"))
