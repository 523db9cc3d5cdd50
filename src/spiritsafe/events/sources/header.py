"""A CSV file's first lines: which columns it names, and what separates them.

Spreadsheets write more than RFC 4180 says: a line `sep=;` before the header, delimiters after the last column.
A first line that looks like a row of the log is no header, and must not be told as if its cells were names.
Comes from `events.sources.storage`; goes on to `events.sources.delimited` and `events.sources.sniff`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS
from spiritsafe.events.sources.errors import FormatError, NoHeaderError

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS: Final = (b",", b"\t", b";", b"|")
HEAD_BYTES: Final = 1 << 18
_HEADER_LINES_MAX: Final = 20
_BOM: Final = b"\xef\xbb\xbf"
_EXCEL: Final = re.compile(rb'"?sep=(\t|[^\w\s"])"?\r?\n', re.IGNORECASE)
_NAMES: Final = frozenset(
    column.name for table in (REQUESTS, ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS) for column in table.columns
)
_CELL: Final = re.compile(
    r"\W?\d{1,4}[-/.]\w{2,9}[-/.]\d{1,4}[T :]\s?\d{1,2}:\d\d.*"  # a date with a time of day
    r"|\d{10}(\.\d+)?|\d{13}|\d{16}|\d{19}"  # seconds, milli-, micro-, nanoseconds since 1970
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|[^@\s]+@[^@\s]+\.\w+",  # an address of mail
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Header:
    """A CSV file's first record: its column names, its delimiter, and the bytes and lines before the first row.

    `unnamed` counts the columns after the last named one in which no row of the head has a value.
    """

    names: tuple[str, ...]
    delimiter: bytes
    size_bytes: int
    lines: int
    unnamed: int = 0

    def fitted(self, fields: list[bytes | None]) -> list[bytes | None] | None:
        """The values under the names; None where they are not as many, or one stands under no name."""
        count = len(self.names)
        if len(fields) not in (count, count + self.unnamed) or any(fields[count:]):
            return None
        return fields[:count]

    def misfit(self, fields: list[bytes | None]) -> str:
        """Why a record does not fit."""
        count = len(self.names)
        if len(fields) == count + self.unnamed:
            at = next(place for place, value in enumerate(fields) if place >= count and value)
            return f"a value in column {at + 1}, which has no name"
        return f"{len(fields)} values under {count} column names"


def header_of(head: bytes, source: str) -> Header:
    """The header in the first bytes of a file.

    Raises
    ------
    FormatError
        The first record does not name two or more columns, or lines end with carriage returns alone.
    """
    head = head[:HEAD_BYTES]
    text = head.removeprefix(_BOM)
    excel = _EXCEL.match(text)
    text = text[excel.end() :] if excel else text
    lines = text.split(b"\n", _HEADER_LINES_MAX)
    delimiter = excel[1] if excel else max(DELIMITERS, key=lines[0].count)
    splitter = Splitter(delimiter)
    _refuse_bare_returns(lines[0], splitter, source)
    for count in range(1, min(len(lines), _HEADER_LINES_MAX) + 1):
        record = b"\n".join(lines[:count])
        fields = splitter.fields(record.removesuffix(b"\r"))
        if fields is None:
            continue
        try:
            names = tuple((field or b"").decode("utf-8").strip() for field in fields)
        except UnicodeDecodeError:
            break
        rows = text[len(record) + 1 :].split(b"\n")
        unnamed = _unnamed(names, rows[:-1] if len(head) == HEAD_BYTES else rows, splitter)
        names = names[: len(names) - unnamed]
        if len(names) > 1 and any(names) and not any("\0" in name for name in names):
            size = len(head) - len(text) + len(record) + (len(text) > len(record))
            return Header(names, delimiter, size, count + bool(excel), unnamed)
        break
    raise FormatError(
        f"{source} is text, and its first line is no CSV header", hint="the first line must name two or more columns"
    )


def _refuse_bare_returns(line: bytes, splitter: Splitter, source: str) -> None:
    """A carriage return within the first line, outside quotes, ends a line that we would not see the end of."""
    at = line.find(b"\r")
    if 0 <= at < len(line) - 1 and splitter.state_after(line[:at], inside=False) is False:
        raise FormatError(
            f"{source} is text whose lines end with carriage returns alone",
            hint="give it line feeds: tr '\\r' '\\n' < LOG > lines.csv",
        )


def _unnamed(names: tuple[str, ...], rows: list[bytes], splitter: Splitter) -> int:
    """How many columns at the end have neither a name nor, in these rows, a value."""
    named = max((place + 1 for place, name in enumerate(names) if name), default=0)
    if named == len(names):
        return 0
    for row in rows:
        fields = splitter.fields(row.removesuffix(b"\r"))
        if fields is not None and any(fields[named:]):
            return 0
    return len(names) - named


def refuse_row(names: Sequence[str], url: str) -> None:
    """Raise `NoHeaderError` where column names are the cells of a row; they are not told."""
    if any(map(is_cell, names)) and _NAMES.isdisjoint(names):
        raise NoHeaderError(
            f"{url}: the first line looks like a row, not a header",
            hint="put a line of column names before it: (echo event_id,time,account_id,prompt; cat LOG) > named.csv",
        )


def is_cell(name: str) -> bool:
    """Whether a column's name is plainly a value: a time, an address, an id."""
    if _CELL.fullmatch(name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Splitter:
    """Splits a record slowly and exactly.

    A quote opens only at the beginning of a value, and closes only before a delimiter or the record's end;
    within an unquoted value it is a character like any other. An unquoted empty value is null (None), `""` is
    empty text.
    """

    def __init__(self, delimiter: bytes) -> None:
        mark = re.escape(delimiter)
        self._delimiter = delimiter
        self._field = re.compile(b'(?:"([^"]*(?:""[^"]*)*)"|((?!")[^' + mark + b"]*))(" + mark + rb"|\Z)", re.DOTALL)

    def fields(self, record: bytes) -> list[bytes | None] | None:
        """The values of one record; None where a quote is open at its end, or closed in the wrong place."""
        found: list[bytes | None] = []
        at = 0
        while True:
            match = self._field.match(record, at)
            if match is None:
                return None
            found.append(match[1].replace(b'""', b'"') if match[1] is not None else match[2] or None)
            at = match.end()
            if not match[3]:
                return found

    def state_after(self, line: bytes, *, inside: bool) -> bool | None:
        """Whether a quoted value is open at the end of `line`, given whether one was at its beginning.

        None when a quote is closed in the wrong place, so that the line is no part of any record.
        """
        at = 0
        while True:
            if inside:
                at = line.find(b'"', at) + 1
                if at == 0:
                    return True
                if line[at : at + 1] == b'"':
                    at += 1
                    continue
                inside = False
                if line[at : at + 1] not in (self._delimiter, b"") and line[at:] != b"\r":
                    return None
            elif line[at : at + 1] == b'"':
                inside, at = True, at + 1
                continue
            at = line.find(self._delimiter, at) + 1
            if at == 0:
                return False
