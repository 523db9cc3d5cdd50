"""One value as the contract wants it, or the reason why not: the reference that the fast path must equal.

Slow, plain, complete. `events.columns` brings whole columns to their types with Arrow and turns to this module
for every column in which something is not plainly right, so the rules live here once.
Comes from `events.model`; goes on to `events.columns` and `events.validate`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.events.model import Column

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US: Final = dt.timedelta(microseconds=1)
FIRST_EXCHANGE_US: Final = 1_514_764_800_000_000
"""2018-01-01: before it no model was sold by the request, so such a time is a broken clock."""
FIRST_ACCOUNT_US: Final = 946_684_800_000_000
"""2000-01-01: accounts may be older than the models that they now use."""
LAST_US: Final = 253_402_300_799_999_999
"""9999-12-31: the end of what ISO 8601 and Python can write."""

HASH_COLUMNS: Final = frozenset({"tool_schema_hash", "prefix_blocks"})
"""64-bit hashes: the unsigned half is kept as int64 bit patterns, since Spark has no unsigned type."""
COUNTS: Final = frozenset(
    {"turn", "image_count", "input_tokens", "output_tokens", "choice_count", "asn", "status"}
)  # fmt: skip
"""Numbers that cannot be negative. `max_tokens` and the limits can: some servers write -1 for none."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.0{1,20})?")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_HEX: Final = re.compile(r"(?:0[xX][0-9a-fA-F]{1,16}|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{16})")
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})
_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Quoted:
    """A value within a reason: shown where refused rows are kept, else described by its type and length.

    `text` is how it is shown, if not as itself.
    """

    value: Any
    text: str = ""

    def __str__(self) -> str:
        return self.text or shown(self.value)

    def described(self) -> str:
        """What may be said of a value that may be anybody's prompt or name."""
        value = self.value
        if isinstance(value, str):
            return f"a text of {len(value):,} characters"
        if isinstance(value, dt.datetime):
            return "a time"
        if isinstance(value, float):
            return "a number"
        if isinstance(value, int) and not isinstance(value, bool):
            return f"a whole number of {len(str(abs(value))) if abs(value) < 10**40 else 'over 40'} digits"
        return _named(value)


class Refused(Exception):
    """Why a value cannot stand in its column. It becomes a `Rejected` and reaches nobody.

    The reason comes in parts, so that the same refusal can be told with the value and without it.
    """

    def __init__(self, code: str, *parts: str | Quoted) -> None:
        super().__init__(code, *parts)
        self.code = code
        self.parts = parts

    def reason(self, *, quote: bool) -> str:
        """The reason as a sentence; without `quote`, values are described and never shown."""
        return "".join(
            part if isinstance(part, str) else str(part) if quote else part.described() for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """What a value is judged by, beyond its column's type.

    `timezone` is the zone of times without an offset ("" refuses them); times outside
    `first_us`..`last_us` are refused; `max_text_bytes` bounds every text.
    """

    timezone: str = ""
    first_us: int = FIRST_EXCHANGE_US
    last_us: int = LAST_US
    max_text_bytes: int = 1 << 20
    zone: dt.tzinfo | None = field(init=False, default=None, compare=False)

    def __post_init__(self) -> None:
        if self.timezone:
            object.__setattr__(self, "zone", zoneinfo.ZoneInfo(self.timezone))


def value_as(value: Any, column: Column, rules: Rules) -> Any:
    """`value` as the column's type; None where it says nothing (null, empty, NaN).

    Raises
    ------
    Refused
        With a stable code: `events.type`, `.range`, `.encoding`, `.text_size`, `.time`, `.naive_time`, `.clock`.
    """
    if isinstance(value, bytes):
        value = _decoded(value, column)
    return None if value is None else _READERS[_kind(column.type)](value, column, rules)


def _decoded(value: bytes, column: Column) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("events.encoding", f"{column.name} is not UTF-8 at byte {error.start}") from None


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return "list"
    return "time" if pa.types.is_timestamp(kind) else str(kind)


def shown(value: Any) -> str:
    """A value as it may stand in a message: short, and never the whole of somebody's text."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a number of over 40 digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- text -------------------------------------------------------------------------------------------------


def text_of(value: Any, column: Column, rules: Rules) -> str | None:
    """Text, or a whole number as text (ids are often numbers)."""
    if isinstance(value, uuid.UUID):
        value = str(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = _number_text(value, column)
    if not isinstance(value, str):
        raise Refused("events.type", f"{column.name} is {_named(value)}, not text")
    check_text(value, column.name, rules.max_text_bytes)
    # An empty id says nothing; taken as a value it would tie together all who left it empty. (A required one
    # is refused by `events.validate`.) An empty prompt is a prompt.
    return None if value == "" and not column.text and not column.required else value


def check_text(text: str, name: str, limit_bytes: int) -> None:
    """Refuse NUL, half of a surrogate pair, and text over the limit."""
    if "\0" in text:
        raise Refused("events.encoding", f"{name} holds a NUL character")
    if len(text) * 4 > limit_bytes or not text.isascii():
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise Refused("events.encoding", f"{name} holds half of a surrogate pair") from None
        if size > limit_bytes:
            raise Refused("events.text_size", f"{name} has {size:,} bytes; the limit is {limit_bytes:,}")


def _number_text(value: float, column: Column) -> str:
    if isinstance(value, int):
        if abs(value) >= 10**40:
            raise Refused("events.range", f"{column.name} is ", Quoted(value))
        return str(value)
    if math.isfinite(value) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    raise Refused("events.type", f"{column.name} is ", Quoted(value), ", a number with a fraction and not text")


def _named(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true or false", tuple: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


# --- numbers ----------------------------------------------------------------------------------------------


def _integer(value: Any, column: Column, bits: int) -> int | None:
    if isinstance(value, str):
        value = _integer_text(value, column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float) and math.isinf(value):
            raise Refused("events.range", f"{column.name} is infinite")
        raise Refused("events.type", f"{column.name} is ", Quoted(value), ", not a whole number")
    if bits == 64 and column.name in HASH_COLUMNS and 2**63 <= value < 2**64:
        return value - 2**64
    first = 0 if column.name in COUNTS else -(2 ** (bits - 1))
    if not first <= value < 2 ** (bits - 1):
        raise Refused("events.range", f"{column.name} is ", Quoted(value), f", outside {first}..{2 ** (bits - 1) - 1}")
    return value


def _integer_text(text: str, column: Column) -> int | None:
    text = text.strip()
    if not text:
        return None
    if column.name in HASH_COLUMNS and _HEX.fullmatch(text):
        return int(text, 16)
    if not _INTEGER.fullmatch(text):
        raise Refused("events.type", f"{column.name} is ", Quoted(text), ", not a whole number")
    return int(text.partition(".")[0])


def _float(value: Any, column: Column) -> float | None:
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in ("", "nan"):
            return None
        if not _NUMBER.fullmatch(value):
            raise Refused("events.type", f"{column.name} is ", Quoted(value), ", not a number")
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("events.type", f"{column.name} is {_named(value)}, not a number")
    if isinstance(value, float) and math.isnan(value):
        return None
    if not -3.4028235e38 <= value <= 3.4028235e38:
        raise Refused("events.range", f"{column.name} is ", Quoted(value), ", too large")
    return float(value)


def _truth(value: Any, column: Column) -> bool | None:
    if isinstance(value, str):
        word = value.strip().lower()
        if not word:
            return None
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, float) and math.isnan(value):
        return None
    elif isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise Refused("events.type", f"{column.name} is ", Quoted(value), ", not true or false")


def _integers(value: Any, column: Column) -> list[int] | None:
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise Refused("events.type", f"{column.name} is ", Quoted(value), ", not a list of whole numbers") from None
    if not isinstance(value, list | tuple):
        raise Refused("events.type", f"{column.name} is {_named(value)}, not a list of whole numbers")
    numbers = [_integer(item, column, 64) for item in value]
    if None in numbers:
        raise Refused("events.type", f"{column.name} has an empty element")
    return numbers  # type: ignore[return-value]


# --- time -------------------------------------------------------------------------------------------------


def time_us(value: Any, column: Column, rules: Rules) -> int | None:
    """A time as UTC microseconds: a text with an offset, a datetime, or an epoch number.

    Between 2000 and 9999 no number of seconds is also a number of milliseconds, micro- or nanoseconds that
    lies in that span and before 2100, so the unit of an epoch number follows from its size.
    """
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if _NUMBER.fullmatch(value):
            value = int(value) if value.isdigit() else float(value)
        else:
            value = _parsed(value, column)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dt.datetime):
        moment = _from_datetime(value, column, rules)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment = _from_number(value, column)
    else:
        raise Refused("events.time", f"{column.name} is ", Quoted(value), ", not a time")
    if not rules.first_us <= moment <= rules.last_us:
        raise Refused(
            "events.clock", f"{column.name} is ", Quoted(_EPOCH, _iso(moment)), f", {_clock_words(moment, rules)}"
        )
    return moment


def plain_iso(text: str) -> str:
    """A time as ISO 8601 has it, where it is written nearly so; any other text as it is.

    Examples
    --------
    >>> plain_iso("2026-03-02 06:00:00 +0000 UTC")
    '2026-03-02 06:00:00+00:00'
    """
    if text.endswith(" UTC"):  # BigQuery and ClickHouse write it after the time, Go also after the offset
        return f"{text[:-4].removesuffix(' +0000')}+00:00"
    return f"{text[:-1]}Z" if text.endswith("z") else text  # RFC 3339 allows lower case


def _parsed(text: str, column: Column) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(plain_iso(text))
    except ValueError:
        raise Refused("events.time", f"{column.name} is ", Quoted(text), ", not an ISO 8601 time") from None


def _from_datetime(value: dt.datetime, column: Column, rules: Rules) -> int:
    try:
        if value.tzinfo is None:
            if rules.zone is None:
                raise Refused(
                    "events.naive_time", f"{column.name} is ", Quoted(value, str(value)), ", without an offset from UTC"
                )
            placed = value.replace(tzinfo=rules.zone)
            if placed.astimezone(dt.UTC).astimezone(rules.zone).replace(tzinfo=None) != value:
                raise Refused(
                    "events.time", f"{column.name} is ", Quoted(value, str(value)), f", which {rules.timezone} skipped"
                )
            value = placed
        return (value - _EPOCH) // _US
    except OverflowError:
        raise Refused(
            "events.clock", f"{column.name} is ", Quoted(value, str(value)), ", beyond the calendar"
        ) from None


EPOCH_UNITS: Final = ((10**11, 1_000_000, 1), (10**14, 1_000, 1), (10**17, 1, 1), (10**20, 1, 1_000))
"""(numbers below this, microseconds a unit, units a microsecond): seconds, milli-, micro-, nanoseconds."""


def _from_number(value: float, column: Column) -> int:
    for below, times, divided in EPOCH_UNITS:
        if abs(value) < below:
            if isinstance(value, int):
                return value * times // divided
            return math.floor(value * times / divided + 0.5)
    raise Refused("events.clock", f"{column.name} is ", Quoted(value), ", no time in any unit")


def _iso(moment_us: int) -> str:
    try:
        return (_EPOCH + moment_us * _US).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return "beyond the calendar"


def _clock_words(moment: int, rules: Rules) -> str:
    return f"before {_iso(rules.first_us)[:10]}" if moment < rules.first_us else "later than the present"


_READERS: Final[dict[str, Callable[[Any, Column, Rules], Any]]] = {
    "string": text_of,
    "int32": lambda value, column, _: _integer(value, column, 32),
    "int64": lambda value, column, _: _integer(value, column, 64),
    "float": lambda value, column, _: _float(value, column),
    "bool": lambda value, column, _: _truth(value, column),
    "list": lambda value, column, _: _integers(value, column),
    "time": time_us,
}
