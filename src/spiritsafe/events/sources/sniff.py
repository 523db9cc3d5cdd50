"""What a file is, by its content: container (Parquet, JSON lines, CSV, protobuf) and dialect.

The name is not asked: exports are called `.json` when they are JSON lines, `.log` when they are CSV, and
nothing at all in object stores. Compression is already off here.
Comes from `events.sources.storage`; goes on to `events.sources.discover`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.events.sources import chat_log, glasswally, litellm_log, otel
from spiritsafe.events.sources.delimited import Header, header_of
from spiritsafe.events.sources.errors import FormatError, FormatNameError
from spiritsafe.events.sources.protobuf import framing_of, items_of, messages
from spiritsafe.events.sources.records import RowFault, decode_object
from spiritsafe.events.sources.storage import content

if TYPE_CHECKING:
    from spiritsafe.events.sources.options import ReadOptions

HEAD_BYTES: Final = 1 << 18
SAMPLE_ROWS: Final = 200
_BOM: Final = b"\xef\xbb\xbf"
_TOPS: Final = (b'"resourceSpans"', b'"resourceLogs"', b'"resource_spans"', b'"resource_logs"')
_TAGS_WITHIN: Final = 128  # 0x7b bytes of a message, and what is before them
FORMATS: Final[dict[str, tuple[str, str]]] = {
    "parquet": ("parquet", ""),
    "jsonl": ("jsonl", ""),
    "json": ("json", ""),
    "csv": ("csv", ""),
    "otlp": ("", "otlp"),
    "litellm": ("jsonl", "litellm"),
    "chat": ("jsonl", "chat"),
    "glasswally": ("", "glasswally"),
}
"""What `--format` may say, as (container, dialect); "" leaves the one to the content."""
_KNOWN_OTHERS: Final = (
    (b"ARROW1", "an Arrow IPC file", "write it as Parquet"),
    (b"Obj\x01", "Avro", "convert it to Parquet or JSON lines"),
    (b"ORC", "ORC", "convert it to Parquet"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV or JSON lines"),
    (b"\xff\xfe", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
    (b"%PDF", "a PDF", "give the log itself"),
    (b"<", "XML or HTML", "give JSON lines, CSV or Parquet"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is. `records` are the first decoded objects (JSON), `header` the CSV's."""

    container: str
    dialect: str
    compression: str | None
    head: bytes = b""
    records: tuple[dict[str, Any], ...] = ()
    header: Header | None = None

    @property
    def name(self) -> str:
        """How it is called in `Shard.format`: `jsonl`, `jsonl:litellm`."""
        return f"{self.container}:{self.dialect}" if self.dialect else self.container


def kind_of(url: str, options: ReadOptions) -> Kind | None:
    """What the file is; None for one with nothing in it.

    Raises
    ------
    FormatError
        It is of no kind that we read; the message says what it looks like.
    FormatNameError
        `options.format` is none of `FORMATS`.
    """
    container, dialect = _wanted(options)
    with content(url, options) as (stream, compression):
        head: bytes = stream.read(HEAD_BYTES)
        text = head.removeprefix(_BOM).lstrip()
        if not text:
            return None
        if head.startswith(b"PAR1"):
            return _agreed(Kind("parquet", dialect, compression), container, url)
        bracket = text[:1] in (b"{", b"[")
        if bracket and not container and _only_looks_like_json(head, dialect) and _is_telemetry(stream, head, url):
            return Kind("protobuf", "otlp", compression)
        if bracket or (container in ("jsonl", "json") and framing_of(head) is None):
            return _agreed(_json_kind(stream, head, compression, url, options), container, url)
        for magic, what, hint in _KNOWN_OTHERS:
            if head.startswith(magic):
                raise FormatError(f"{url} is {what}, which is not read", hint=hint)
        if container != "csv" and framing_of(head) is not None and _is_telemetry(stream, head, url):
            return _agreed(Kind("protobuf", "otlp", compression), container, url)
    if b"\0" in head.partition(b"\n")[0]:
        raise FormatError(
            f"{url} is of no known format",
            hint="Parquet, JSON lines, CSV and OTLP are read, plain or compressed with gzip or zstd",
        )
    header = header_of(head, url)
    if not dialect and glasswally.renamed(header.names) is not None:
        dialect = "glasswally"
    return _agreed(Kind("csv", dialect, compression, head, header=header), container, url)


def _wanted(options: ReadOptions) -> tuple[str, str]:
    if options.format is None:
        return "", ""
    if options.format not in FORMATS:
        raise FormatNameError(f"no format {options.format!r}", hint=f"use one of {', '.join(FORMATS)}")
    return FORMATS[options.format]


def _agreed(kind: Kind, container: str, url: str) -> Kind:
    if container and container != kind.container:
        raise FormatError(f"{url} is {kind.container}, not {container}", hint="leave --format out, or correct it")
    return kind


# --- JSON -------------------------------------------------------------------------------------------------


def _json_kind(stream: Any, head: bytes, compression: str | None, url: str, options: ReadOptions) -> Kind:
    """JSON lines where a line of the head is an object, else one document."""
    while b"\n" not in head.removeprefix(_BOM).lstrip() and len(head) <= options.max_line_bytes:
        more = stream.read(len(head))
        if not more:
            break
        head += more
    container, dialect = _wanted(options)
    records = _first_objects(head)
    is_document = head.removeprefix(_BOM).lstrip()[:1] == b"[" or (not records and _looks_open(head))
    if container == "json" or (is_document and container != "jsonl"):
        return Kind("json", dialect or _document_dialect(head), compression, head)
    if not records and container != "jsonl":
        raise FormatError(
            f"{url} looks like JSON, but none of its first lines is a JSON object",
            hint="one object a line, or one array of objects",
        )
    return Kind("jsonl", dialect or _dialect(records, options), compression, head, records=records)


def _first_objects(head: bytes) -> tuple[dict[str, Any], ...]:
    """The objects in the first lines; the last line is left out unless it is whole."""
    lines = head.removeprefix(_BOM).split(b"\n")
    found: list[dict[str, Any]] = []
    for line in lines[: 4 * SAMPLE_ROWS]:
        if len(found) >= SAMPLE_ROWS:
            break
        if line.strip():
            try:
                found.append(decode_object(line))
            except RowFault:
                continue
    return tuple(found)


def _looks_open(head: bytes) -> bool:
    """Whether the first line opens an object that goes on below: a document, written to be read."""
    first = head.removeprefix(_BOM).lstrip().partition(b"\n")[0].strip()
    return first in (b"{", b"[") or first.endswith((b"{", b"[", b","))


def _dialect(records: tuple[dict[str, Any], ...], options: ReadOptions) -> str:
    if options.format is not None:
        return ""
    for record in records:
        if otel.is_otlp(record):
            return "otlp"
        if litellm_log.is_litellm(record):
            return "litellm"
        if chat_log.is_chat_log(record):
            return "chat"
        if glasswally.renamed(record) is not None:
            return "glasswally"
    return ""


def _document_dialect(head: bytes) -> str:
    if any(top in head[:4096] for top in _TOPS):
        return "otlp"
    # An array: its first object's names say the rest, as far as the head shows them.
    for dialect, marks in _DOCUMENT_MARKS.items():
        if all(mark in head for mark in marks):
            return dialect
    return ""


_DOCUMENT_MARKS: Final[dict[str, tuple[bytes, ...]]] = {
    "litellm": (b'"call_type"', b'"startTime"', b'"model_parameters"'),
    "chat": (b'"request"', b'"response"', b'"model"'),
    "glasswally": (b'"request_id"', b'"ip_address"', b'"header_order"'),
}


def _only_looks_like_json(head: bytes, dialect: str) -> bool:
    """Whether these may be messages whose tag and length are a line end and a bracket (`0a 7b`, or `7b 0a`).

    A message holds tags below 0x20; JSON holds no such byte but tab and line ends (RFC 8259, section 7).
    """
    if framing_of(head) is None:
        return False
    if any(byte < 0x20 and byte not in b"\t\n\r" for byte in head[:_TAGS_WITHIN]):
        return True
    return dialect == "otlp" and not any(top in head for top in _TOPS)


def _is_telemetry(stream: Any, head: bytes, url: str) -> bool:
    """Whether the first message holds spans or log records; protobuf has no magic to go by."""

    def pieces() -> Any:
        yield head
        while more := stream.read(HEAD_BYTES):
            yield more

    try:
        for _, message in messages(pieces(), url):
            if message.startswith((b"{", b"\x28\xb5\x2f\xfd")):
                return True
            list(items_of(message))
            return True
    except RowFault:
        pass
    return False
