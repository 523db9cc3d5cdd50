"""OTLP in protobuf: one message a file, or many with their lengths before them.

The collector's file exporter writes each message after its length in four bytes, big-endian; with
`compression: zstd` each message is compressed by itself (and may then be JSON). The OTLP file specification
wants the length as a varint instead. A file with one bare message is what a curl of the HTTP exporter leaves.
Comes from `events.sources.storage`; goes on to `events.sources.otel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from spiritsafe.events.sources.errors import BrokenFileError, FormatError, TruncatedError
from spiritsafe.events.sources.jsonl import batches
from spiritsafe.events.sources.otel import Item, TelemetryRows
from spiritsafe.events.sources.records import Row, RowFault, decode_object, rejected
from spiritsafe.events.sources.storage import blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spiritsafe.events.model import Rejected, Shard, TableSchema
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.validate import RawRows

MESSAGE_BYTES: Final = 256 << 20
"""No exporter sends more in one request; a larger length means that this is no such file."""
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_REQUEST_TAG: Final = 0x0A
"""Field 1, length-delimited: how every OTLP request and `TracesData`/`LogsData` begins."""


def framing_of(head: bytes) -> str | None:
    """`four_bytes`, `varint` or `single` by the first bytes of the content; None for something else."""
    # Before `four_bytes`: as a length, this tag would say over 160 MiB.
    if len(head) > 2 and head[0] == _REQUEST_TAG and _plausible_field(head, 1):
        return "single"
    if len(head) > 5 and int.from_bytes(head[:4], "big") <= MESSAGE_BYTES and _begins_message(head[4:8]):
        return "four_bytes"
    if len(head) < 3:
        return None
    length, start = _varint(head, 0)
    return "varint" if start and 0 < length <= MESSAGE_BYTES and head[start : start + 1] == b"\x0a" else None


def _begins_message(head: bytes) -> bool:
    return head.startswith((b"\x0a", b"{", _ZSTD))


def _plausible_field(head: bytes, at: int) -> bool:
    """Whether a nested message begins here: a length, then a field of ResourceSpans or ResourceLogs."""
    length, start = _varint(head, at)
    return bool(start) and (length == 0 or head[start : start + 1] in (b"\x0a", b"\x12", b"\x1a"))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, offset after it); offset 0 when there is none."""
    value = 0
    for shift, place in enumerate(range(at, min(at + 10, len(data)))):
        value |= (data[place] & 0x7F) << (7 * shift)
        if data[place] < 0x80:
            return value, place + 1
    return 0, 0


def read_messages(shard: Shard, options: ReadOptions, schema: TableSchema) -> Iterator[RawRows]:
    """The rows of an OTLP protobuf file."""
    translator = TelemetryRows(shard.url, schema, options)
    found = _rows(messages(blocks(shard.url, options), shard.url), translator, shard.url, options)
    yield from batches(found, [], schema, options, overlay=True)
    yield from batches(translator.rest(), [], schema, options, overlay=True)


def _rows(
    found: Iterable[tuple[int, bytes]], translator: TelemetryRows, source: str, options: ReadOptions
) -> Iterator[Row | Rejected]:
    for number, message in found:
        try:
            if message.startswith(_ZSTD):
                message = _decompressed(message)  # noqa: PLW2901
            if message.startswith(b"{"):
                yield from translator.rows(decode_object(message), number, message)
                continue
            items = list(items_of(message))
        except RowFault as fault:
            yield rejected(source, number, fault.code, fault.reason, message, options)
            continue
        for item, raw in items:
            try:
                yield from translator.take(item, number, raw)
            except RowFault as fault:
                yield rejected(source, number, fault.code, fault.reason, raw, options)


def _decompressed(message: bytes) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(message), "zstd") as stream:
            plain: bytes = stream.read(MESSAGE_BYTES + 1)
    except (OSError, pa.ArrowInvalid) as error:
        raise RowFault("events.protobuf", f"a message that cannot be decompressed: {error}") from None
    if len(plain) > MESSAGE_BYTES:
        raise RowFault("events.line_size", f"a message of over {MESSAGE_BYTES:,} bytes")
    return plain


def messages(pieces: Iterable[bytes], source: str) -> Iterator[tuple[int, bytes]]:
    """(number, message) of a file in any of the three framings.

    Raises
    ------
    TruncatedError
        The file ends inside a message.
    BrokenFileError, FormatError
        A length makes no sense; a single message is too large to be held.
    """
    held = bytearray()
    framing: str | None = None
    number = 0
    for piece in pieces:
        held += piece
        if framing is None:
            framing = framing_of(bytes(held[:64])) or "single"
        if framing == "single":
            if len(held) > MESSAGE_BYTES:
                raise FormatError(f"{source} is one message of over {MESSAGE_BYTES >> 20} MiB", hint="split it")
            continue
        at = 0
        while (span := _frame(held, at, framing, source)) is not None:
            yield number, bytes(held[span[0] : span[1]])
            number += 1
            at = span[1]
        del held[:at]
    if framing == "single":
        yield 0, bytes(held)
    elif held:
        raise TruncatedError(
            f"{source} ends inside its message number {number}", hint="fetch it again, or wait for its writer"
        )


def _frame(held: bytearray, at: int, framing: str, source: str) -> tuple[int, int] | None:
    """Begin and end of the next message, or None when it is not all there yet."""
    if framing == "four_bytes":
        if len(held) < at + 4:
            return None
        length, start = int.from_bytes(held[at : at + 4], "big"), at + 4
    else:
        length, start = _varint(bytes(held[at : at + 10]), 0)
        if not start:
            if len(held) >= at + 10:
                raise BrokenFileError(f"{source} has something else where a length should be", hint="fetch it again")
            return None
        start += at
    if length > MESSAGE_BYTES:
        raise BrokenFileError(f"{source} has a message of {length:,} bytes", hint="fetch it again; it is damaged")
    return (start, start + length) if len(held) >= start + length else None


def items_of(message: bytes) -> Iterator[tuple[Item, bytes]]:
    """Every span and log record of one request, with its own bytes. Raises RowFault."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    # All three requests have the same outline: a log record read as a span has no trace id of 16 bytes, since
    # its first field is a time; a metric may have one (its name), but no start.
    try:
        traces = ExportTraceServiceRequest.FromString(message)
        spans = [(s, g) for g in traces.resource_spans for scope in g.scope_spans for s in scope.spans]
    except DecodeError:
        spans = []
    starts = any(len(span.span_id) == 8 and span.start_time_unix_nano for span, _ in spans)
    if starts and all(len(span.trace_id) == 16 for span, _ in spans):
        for span, group in spans:
            yield _span(span, group.resource), span.SerializeToString()
        return
    try:
        logs = ExportLogsServiceRequest.FromString(message)
    except DecodeError as error:
        raise RowFault("events.protobuf", f"not an OTLP message: {error}") from None
    records = [(r, g) for g in logs.resource_logs for scope in g.scope_logs for r in scope.log_records]
    if spans and not any(r.time_unix_nano or r.observed_time_unix_nano for r, _ in records):
        raise RowFault("events.protobuf", "neither spans nor log records")
    for record, group in records:
        yield _record(record, group.resource), record.SerializeToString()


def _span(span: Any, resource: Any) -> Item:
    return Item(
        attributes=_attributes(span.attributes),
        resource=_attributes(resource.attributes),
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        time_ns=span.start_time_unix_nano,
        failed=span.status.code == 2,
        events=[(event.name, _attributes(event.attributes)) for event in span.events],
    )


def _record(record: Any, resource: Any) -> Item:
    attributes = _attributes(record.attributes)
    body = _value(record.body)
    if body is not None:
        attributes.setdefault("gen_ai.event.content", body)
    name = getattr(record, "event_name", "") or attributes.get("event.name")
    return Item(
        attributes=attributes,
        resource=_attributes(resource.attributes),
        name=name if isinstance(name, str) else "",
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
        is_log=True,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in held.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in held.values}
    return held.hex() if kind == "bytes_value" else held
