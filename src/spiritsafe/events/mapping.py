"""Which column of a bespoke table is which column of the contract.

A `Mapping` is written by `spiritsafe doctor --write-map`, corrected by a person in a text editor, and obeyed
by the readers: for each contract column one `ColumnSource`, that is where its values are and how they become
the contract's. Only what the mapping names is read; nothing is guessed here (guessing is `events.propose`).
The form on disk is TOML; `events.reshape` does the work on rows, `events.transforms` holds the fixed
vocabulary of transforms. Comes from a file; goes on to `events.sources`.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from spiritsafe.errors import InputError
from spiritsafe.events.clocks import UNITS
from spiritsafe.events.mapping_text import dump_mapping, visible
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ACTIONS, ATTESTATIONS, REQUESTS, Column, TableSchema
from spiritsafe.events.transforms import TRANSFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Scalar = bool | int | float | str

__all__ = [
    "ColumnSource", "Mapping", "MappingError", "MappingSourceError", "apply_mapping", "check_sources",
    "dump_mapping", "load_mapping", "parse_mapping",
]  # fmt: skip

TABLES: Final[dict[str, TableSchema]] = {
    schema.name: schema for schema in (REQUESTS, ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS, ACTIONS)
}
_UNIT_WORDS: Final = {
    "s": ("sec", "secs", "second", "seconds"),
    "ms": ("milli", "millis", "millisecond", "milliseconds"),
    "us": ("µs", "micro", "micros", "microsecond", "microseconds"),
    "ns": ("nano", "nanos", "nanosecond", "nanoseconds"),
}
UNIT_ALIASES: Final = {word: unit for unit, words in _UNIT_WORDS.items() for word in words}
ANYTHING_ELSE: Final = "*"
_FILE_LIMIT_BYTES: Final = 1 << 20
_HOPS_MAX: Final = 32
_SCHEMA: Final = "mapping/1.0"


class MappingError(InputError):
    """A mapping file cannot be read, or says something that cannot be meant."""

    code = "events.mapping"


class MappingSourceError(InputError):
    """The mapping names a column that the table does not have, or none for a required column."""

    code = "events.mapping_source"


class ColumnSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where one contract column's values come from, and how they become the contract's.

    `from_` (TOML `from`) holds column names or dotted paths into nested columns and JSON text. With several,
    the first that is not null is taken, or all are joined by `join`. `const` stands instead of `from_`.
    `values` replaces values by name: `"*"` stands for anything else, `""` for null. `unit` says what a
    number that is a time counts; `format` (strptime) and `timezone` say how a text that is a time is read.
    `hop` counts forwarding proxies from the right, for the transform `forwarded_for`.
    """

    from_: str | tuple[str, ...] = msgspec.field(default=(), name="from")
    const: Scalar | None = None
    join: str | None = None
    transform: str = ""
    hop: int = 1
    values: dict[str, Scalar] = {}
    unit: str = ""
    format: str = ""
    timezone: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.from_, str):
            msgspec.structs.force_setattr(self, "from_", (self.from_,))
        if self.unit in UNIT_ALIASES:
            msgspec.structs.force_setattr(self, "unit", UNIT_ALIASES[self.unit])

    @property
    def sources(self) -> tuple[str, ...]:
        """`from_`, always as a tuple."""
        return (self.from_,) if isinstance(self.from_, str) else self.from_


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """For each contract table, which source columns its columns are read from.

    An empty table section means that the table is already in the contract's names. `timezone` is that of
    times without an offset, where a column gives none. `carry` names the source columns that go along under
    their own names; None carries every column that the mapping does not use.

    Raises
    ------
    MappingError
        On construction, when a part cannot be meant; the message says which, the hint what would do.
    """

    schema: str = _SCHEMA
    timezone: str = ""
    carry: tuple[str, ...] | None = None
    requests: dict[str, ColumnSource] = {}
    accounts: dict[str, ColumnSource] = {}
    account_events: dict[str, ColumnSource] = {}
    attestations: dict[str, ColumnSource] = {}
    actions: dict[str, ColumnSource] = {}

    def __post_init__(self) -> None:
        _check_schema(self.schema)
        _check_timezone(self.timezone, "`timezone`")
        for table in TABLES:
            for name, source in self.table(table).items():
                _check_column(table, name, source)

    def table(self, name: str) -> dict[str, ColumnSource]:
        """The section of one table; labels (`scan --known`) have none."""
        section: dict[str, ColumnSource] = getattr(self, name, {})
        return section


# --- checking ---------------------------------------------------------------------------------------------


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A question after the nearest known name, or the empty string when nothing is near."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower()[:200], names, n=1, cutoff=0.6)
    return f"did you mean {names[close[0]]!r}?" if close else ""


def _check_schema(schema: str) -> None:
    name, _, version = schema.partition("/")
    if name != "mapping" or version.partition(".")[0] != "1":
        raise MappingError(
            f"this mapping says schema = {schema[:80]!r}; wanted {_SCHEMA!r}",
            hint="write it anew with `spiritsafe doctor LOGS --write-map`, or update spiritsafe",
        )


def _check_timezone(timezone: str, where: str) -> None:
    if not timezone:
        return
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError, UnicodeError) as error:
        raise MappingError(
            f"{where}: {timezone[:80]!r} is no time zone known here",
            hint="use an IANA name such as Europe/Berlin",
        ) from error


def _check_column(table: str, name: str, source: ColumnSource) -> None:
    where = f"[{table}.{name}]"[:200]
    column = TABLES[table].by_name.get(name)
    if column is None:
        known = list(TABLES[table].by_name)
        raise MappingError(
            f"{where}: the contract's table {table} has no column {name[:80]!r}",
            hint=nearest(name, known) or f"its columns are {', '.join(known)}",
        )
    if bool(source.sources) == (source.const is not None):
        raise MappingError(
            f"{where} needs either `from` or `const`, not both and not none",
            hint='for example: from = "user_id"',
        )
    if any(not path for path in source.sources):
        raise MappingError(f"{where}: `from` is empty", hint="name a source column, or remove the section")
    if source.const is not None and (source.values or source.transform or source.join is not None):
        raise MappingError(f"{where}: a `const` takes no values, transform or join", hint="remove those lines")
    if source.join is not None and len(source.sources) < 2:
        raise MappingError(f"{where}: `join` needs two or more columns", hint='from = ["tenant", "user"]')
    _check_time_parts(where, column, source)
    _check_transform(where, column, source)
    for value in (*source.values.values(), *(() if source.const is None else (source.const,))):
        _check_fits(where, column, value)


def _check_time_parts(where: str, column: Column, source: ColumnSource) -> None:
    if (source.unit or source.format or source.timezone) and not pa.types.is_timestamp(column.type):
        raise MappingError(
            f"{where}: `unit`, `format` and `timezone` are for times; this column is {column.type}",
            hint="remove them",
        )
    if source.unit and source.unit not in UNITS:
        raise MappingError(f"{where}: no unit {source.unit[:40]!r}", hint=f"use one of {', '.join(UNITS)}")
    if source.unit and source.format:
        raise MappingError(
            f"{where}: `unit` is for numbers and `format` for text", hint="keep the one that fits the column"
        )
    if "\0" in source.format:
        raise MappingError(f"{where}: a NUL byte in `format`", hint="remove it")
    _check_timezone(source.timezone, where)


def _check_transform(where: str, column: Column, source: ColumnSource) -> None:
    if source.transform:
        transform = TRANSFORMS.get(source.transform)
        if transform is None:
            raise MappingError(
                f"{where}: no transform {source.transform[:80]!r}",
                hint=nearest(source.transform, TRANSFORMS) or f"use one of {', '.join(TRANSFORMS)}",
            )
        if not transform.gives(column.type):
            raise MappingError(
                f"{where}: {source.transform} gives {transform.result}, the column is {column.type}",
                hint="use a transform that gives the column's type",
            )
    if source.hop != 1 and source.transform != "forwarded_for":
        raise MappingError(f'{where}: `hop` goes with transform = "forwarded_for"', hint="remove `hop`")
    if not 1 <= source.hop <= _HOPS_MAX:
        raise MappingError(f"{where}: `hop` must lie in 1..{_HOPS_MAX}", hint="1 is the right-most address")


def _check_fits(where: str, column: Column, value: Scalar) -> None:
    kind = column.type
    fits = (
        (pa.types.is_boolean(kind) and isinstance(value, bool))
        or (pa.types.is_integer(kind) and _fits_integer(kind, value))
        or (pa.types.is_floating(kind) and isinstance(value, int | float) and not isinstance(value, bool)
            and abs(value) <= 3.4e38 and math.isfinite(value))
        or (pa.types.is_string(kind) and isinstance(value, str))
    )  # fmt: skip
    if not fits:
        raise MappingError(
            f"{where}: {str(value)[:80]!r} is no value for a column of type {kind}",
            hint='true and false are written without quotes, text with: "chat"',
        )


def _fits_integer(kind: pa.DataType, value: Scalar) -> bool:
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    limit: int = 1 << (kind.bit_width - 1)
    return -limit <= value < limit


# --- the form on disk -------------------------------------------------------------------------------------


def load_mapping(path: str | Path) -> Mapping:
    """Read a mapping file (TOML).

    Raises
    ------
    MappingError
        The file is missing, larger than 1 MiB, not TOML, or names a key, column, transform or unit that
        does not exist (with the nearest name that does).
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= _FILE_LIMIT_BYTES else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MappingError(
            f"cannot read the mapping {path}: {reason}",
            hint="write one with `spiritsafe doctor LOGS --write-map map.toml`",
        ) from error
    if size > _FILE_LIMIT_BYTES:
        raise MappingError(f"{path} has {size:,} bytes; a mapping has a few thousand", hint="is it the log?")
    return parse_mapping(text, where=str(path))


def parse_mapping(text: bytes | str, *, where: str = "the mapping") -> Mapping:
    """A mapping from TOML text. `where` names it in errors. Raises MappingError."""
    try:
        raw = tomllib.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise MappingError(
            f"{where} is not TOML: {str(error)[:200] or 'nested too deeply'}",
            hint='a section looks like: [requests.account_id] and below it: from = "user_id"',
        ) from error
    _check_keys(raw, where)
    try:
        return msgspec.convert(raw, Mapping)
    except MappingError as error:
        raise MappingError(f"{where}: {error}", hint=error.hint) from error
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise MappingError(
            f"{where}: {str(error)[:300]}", hint="see the reference page mapping.md for each key's form"
        ) from error


def _check_keys(raw: dict[str, Any], where: str) -> None:
    """Unknown keys with the nearest known name: what msgspec says of them names no way out."""
    top = [field.encode_name for field in msgspec.structs.fields(Mapping)]
    _refuse_unknown(raw, top, where)
    keys = [field.encode_name for field in msgspec.structs.fields(ColumnSource)]
    for table in TABLES:
        section = raw.get(table)
        for name, source in section.items() if isinstance(section, dict) else ():
            if isinstance(source, dict):
                _refuse_unknown(source, keys, f"{where}: [{table}.{name[:80]}]")


def _refuse_unknown(found: dict[str, Any], known: Sequence[str], where: str) -> None:
    for key in found:
        if key not in known:
            raise MappingError(
                f"{where}: no key {key[:80]!r} here",
                hint=nearest(key, known) or f"use one of {', '.join(known)}",
            )


# --- use --------------------------------------------------------------------------------------------------


def apply_mapping(batch: pa.RecordBatch, mapping: Mapping, *, table: str = "requests") -> pa.RecordBatch:
    """The rows of `batch` under the contract's column names, in the contract's order, then what is carried.

    Values are brought to the contract's types where the whole batch allows it; a column with cells that do
    not convert is passed on as it is, for `events.validate` to refuse row by row.

    Parameters
    ----------
    batch
        Rows as the source has them. Nested columns may be structs, lists, maps or JSON text.
    mapping
        What to read from where.
    table
        The contract table whose section is applied; an empty section returns the batch unchanged.

    Raises
    ------
    MappingSourceError
        The mapping names no source for a required column, or one that the batch does not have. A missing
        source of an optional column is left out (in JSON lines a key may be absent); `check_sources` is
        the strict form.
    """
    from spiritsafe.events.reshape import reshape

    return reshape(batch, mapping, table)


def check_sources(mapping: Mapping, names: Sequence[str], *, table: str = "requests") -> None:
    """Refuse a mapping whose source columns a table with the columns `names` cannot have.

    For formats with a fixed set of columns (Parquet, CSV): a slip of the pen must not become a column that
    is silently missing.

    Raises
    ------
    MappingSourceError
        With the nearest column name that exists.
    """
    for column, source in mapping.table(table).items():
        heads = [_head(path, names) for path in source.sources]
        if source.sources and not any(heads):
            raise no_such_source(table, column, source, names)
    for name in TABLES[table].required:
        if mapping.table(table) and name not in mapping.table(table):
            raise MappingSourceError(
                f"the mapping names no source for {table}.{name}, which is required",
                hint=f"add a section [{table}.{name}]; `spiritsafe doctor LOGS` lists the candidates",
            )


def no_such_source(table: str, column: str, source: ColumnSource, names: Sequence[str]) -> MappingSourceError:
    """The error for a section whose `from` leads nowhere, with the nearest column that exists."""
    wrong = source.sources[0]
    return MappingSourceError(
        f"[{table}.{column}] reads from {visible(wrong)!r}, which the table does not have",
        hint=nearest(wrong, names) or f"its columns are {visible(', '.join(names))[:500]}",
    )


def _head(path: str, names: Sequence[str]) -> str | None:
    """The source column that a path begins with: the longest that fits, as names may hold dots themselves."""
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        head = ".".join(steps[:length])
        if head in names:
            return head
    return None
