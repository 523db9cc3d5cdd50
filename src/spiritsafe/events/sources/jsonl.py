"""JSON lines, plain or compressed, and JSON documents that hold an array: one object, one row.

The objects may be rows of the contract, or records of a dialect (`chat`, `litellm`, `glasswally`, `otlp`)
that a translator turns into rows. Lines are read in chunks; a line that is not JSON costs only itself.
Comes from `events.sources.lines`; goes on to `events.sources.records`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from spiritsafe.events.sources import chat_log, glasswally, litellm_log
from spiritsafe.events.sources.errors import BrokenFileError, FormatError
from spiritsafe.events.sources.lines import BLANK, lines_of
from spiritsafe.events.sources.options import MAX_ROWS
from spiritsafe.events.sources.otel import TelemetryRows
from spiritsafe.events.sources.records import (
    Row,
    RowFault,
    decode_json,
    decode_object,
    guarded,
    numbered_id,
    raw_rows,
    rejected,
    rows_together,
    source_paths,
)
from spiritsafe.events.sources.storage import blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spiritsafe.events.model import Rejected, Shard, TableSchema
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.validate import RawRows

DOCUMENT_BYTES: Final = 128 << 20
"""A JSON document (no lines) must be held whole; beyond this it is refused with the way out."""


class Translator(Protocol):
    """Turns the decoded records of one dialect into rows; may hold some back until more have come."""

    def rows(self, record: dict[str, Any], position: int, raw: bytes) -> Iterable[Row | Rejected]:
        """The rows of one record. Raises RowFault."""

    def rest(self) -> Iterable[Row | Rejected]:
        """What was held back."""


class PlainRows:
    """Records that are rows as they stand, or by a function of one record."""

    def __init__(self, dialect: str, schema: TableSchema, options: ReadOptions) -> None:
        self._dialect = dialect
        self._schema = schema
        self._heads = frozenset(path.partition(".")[0] for path in source_paths(options, schema))

    def rows(self, record: dict[str, Any], position: int, raw: bytes) -> Iterable[Row]:
        if self._dialect:
            record = guarded(self._translated, record, position, raw)
        return (Row(record, position, raw),)

    def rest(self) -> Iterable[Row]:
        return ()

    def _translated(self, record: dict[str, Any], position: int, raw: bytes) -> dict[str, Any]:
        row = _row_of(record, self._dialect)
        if row.get("event_id") is None and self._dialect != "litellm":
            row["event_id"] = numbered_id(position, raw)
        # A mapping may also name fields of the record that the dialect makes nothing of.
        for name in self._heads:
            if name in record and name not in row:
                row[name] = record[name]
        return row


def _row_of(record: dict[str, Any], dialect: str) -> dict[str, Any]:
    if dialect == "chat":
        return chat_log.row_of(record)
    if dialect == "litellm":
        return litellm_log.row_of(record)
    names = glasswally.API_EVENT if "request_id" in record else glasswally.LABELLED_SET
    row = {names.get(name, name): value for name, value in record.items()}
    settings = record.get("h2_settings")
    if isinstance(settings, dict) and settings.get("fingerprint") is not None:
        row["http2_fingerprint"] = settings["fingerprint"]
    return row


def translator_for(dialect: str, source: str, schema: TableSchema, options: ReadOptions) -> Translator:
    """The translator of a dialect ("" for rows of the contract or of a mapping)."""
    if dialect == "otlp":
        return TelemetryRows(source, schema, options)
    return PlainRows(dialect, schema, options)


def read_lines(shard: Shard, options: ReadOptions, schema: TableSchema, dialect: str) -> Iterator[RawRows]:
    """The rows of a JSON lines shard, as columns."""
    translator = translator_for(dialect, shard.url, schema, options)
    pieces = blocks(shard.url, options, first=shard.first, last=shard.last)
    for lines in lines_of(pieces, max_line_bytes=options.max_line_bytes, first_number=shard.row_offset):
        refused = [
            rejected(shard.url, number, "events.line_size", _too_long(options), head, options)
            for number, head in lines.too_long
        ]
        if not dialect and (records := _all_objects(lines.texts)) is not None:
            yield raw_rows(records, lines.numbers, lines.texts, refused, schema, options)
            continue
        found = _translated(zip(lines.numbers, lines.texts, strict=True), translator, shard.url, options)
        yield from batches(found, refused, schema, options, overlay=bool(dialect))
    yield from batches(translator.rest(), [], schema, options, overlay=bool(dialect))


def _all_objects(texts: list[bytes]) -> list[dict[str, Any]] | None:
    """The lines decoded, where each of them is a JSON object; None sends them through one by one."""
    try:
        records = [_DECODE(text) for text in texts]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return records if set(map(type, records)) == {dict} else None


_DECODE: Final = msgspec.json.Decoder().decode


def _too_long(options: ReadOptions) -> str:
    return f"a line of over {options.max_line_bytes:,} bytes"


def _translated(
    lines: Iterable[tuple[int, bytes]], translator: Translator, source: str, options: ReadOptions
) -> Iterator[Row | Rejected]:
    for number, text in lines:
        if not text.strip(BLANK):
            continue
        try:
            yield from translator.rows(decode_object(text), number, text)
        except RowFault as fault:
            yield rejected(source, number, fault.code, fault.reason, text, options)


def batches(
    found: Iterable[Row | Rejected],
    refused: list[Rejected],
    schema: TableSchema,
    options: ReadOptions,
    *,
    overlay: bool,
) -> Iterator[RawRows]:
    """Rows and refusals as they come, in batches. `overlay`: see `records.mapped`."""
    rows: list[Row] = []
    for item in found:
        if isinstance(item, Row):
            rows.append(item)
        else:
            refused.append(item)
        if len(rows) >= MAX_ROWS:
            yield rows_together(rows, refused, schema, options, overlay=overlay)
            rows, refused = [], []
    if rows or refused:
        yield rows_together(rows, refused, schema, options, overlay=overlay)


def read_document(shard: Shard, options: ReadOptions, schema: TableSchema, dialect: str) -> Iterator[RawRows]:
    """The rows of a JSON document: an array of objects, or one object.

    Raises
    ------
    BrokenFileError
        It is not JSON; a document is whole or nothing.
    FormatError
        It is too large to be held.
    """
    held = bytearray()
    for piece in blocks(shard.url, options):
        held += piece
        if len(held) > DOCUMENT_BYTES:
            raise FormatError(
                f"{shard.url} is one JSON document of over {DOCUMENT_BYTES >> 20} MiB",
                hint="write one object a line: jq -c '.[]' logs.json > logs.jsonl",
            )
    try:
        document = decode_json(bytes(held).removeprefix(b"\xef\xbb\xbf"))
    except RowFault as fault:
        raise BrokenFileError(
            f"{shard.url} is not whole JSON: {fault.reason}", hint="fetch it again, or write one object a line"
        ) from fault
    del held
    translator = translator_for(dialect, shard.url, schema, options)
    items = document if isinstance(document, list) else [document]
    encoded = ((number, _encoded(item)) for number, item in enumerate(items))
    found = _translated(encoded, translator, shard.url, options)
    yield from batches(found, [], schema, options, overlay=bool(dialect))
    yield from batches(translator.rest(), [], schema, options, overlay=bool(dialect))


def _encoded(item: Any) -> bytes:
    try:
        return msgspec.json.encode(item)
    except (ValueError, OverflowError, RecursionError):
        return b""
