"""GenAI spans and log records, from OTLP requests, as rows.

An OTLP request (one line of the collector's file exporter, one protobuf message) holds many spans or log
records; each that tells of an exchange with a model is a row. Spans of tools, agents, HTTP and databases are
no exchanges and are passed over. Up to semantic conventions 1.36 an exchange's messages were separate log
records tied together by their span; those are held back until their span is complete.
Comes from `jsonl` and `protobuf`; goes on to `events.sources.records`. Aliases: `otel_aliases`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.events.sources.messages import FILTER_REASONS, decoded
from spiritsafe.events.sources.otel_aliases import ALIASES, KIND_ATTRIBUTES, MARKS, NOT_EXCHANGES, OPERATIONS, RANKS
from spiritsafe.events.sources.otel_messages import MESSAGE_EVENTS, note_messages
from spiritsafe.events.sources.records import Row, RowFault, guarded, rejected, source_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spiritsafe.events.model import Rejected, TableSchema
    from spiritsafe.events.sources.options import ReadOptions

HELD_SPANS: Final = 20_000
"""Spans whose message events may be waiting for more at one time; then the oldest is let go."""
_DEPTH: Final = 32
_STATUS_ERROR: Final = (2, "STATUS_CODE_ERROR")


@dataclass(slots=True)
class Item:
    """One span or log record, as JSON or protobuf had it."""

    attributes: dict[str, Any]
    resource: dict[str, Any]
    name: str
    trace_id: str
    span_id: str
    time_ns: int
    time_unread: Any = None
    """What stands where a number of nanoseconds should, in want of one."""
    failed: bool = False
    is_log: bool = False
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class TelemetryRows:
    """The translator of OTLP JSON requests; `take` serves protobuf as well."""

    def __init__(self, source: str, schema: TableSchema, options: ReadOptions) -> None:
        self._source = source
        self._options = options
        self._paths = tuple(source_paths(options, schema))
        self._held: OrderedDict[tuple[str, str], tuple[Item, int, bytes]] = OrderedDict()

    def rows(self, record: dict[str, Any], position: int, raw: bytes) -> Iterator[Row | Rejected]:
        """The rows of one decoded request; a damaged span costs only itself."""
        del raw  # a line holds many spans: each is kept by itself
        for part, resource in _parts(record):
            encoded = _encoded(part)
            try:
                item = guarded(item_of, part, resource)
                yield from self.take(item, position, encoded)
            except RowFault as fault:
                yield rejected(self._source, position, fault.code, fault.reason, encoded, self._options)

    def take(self, item: Item, position: int, raw: bytes) -> Iterator[Row | Rejected]:
        """The row of one item, if it is an exchange and whole; raises RowFault."""
        if item.is_log and item.name in MESSAGE_EVENTS:
            yield from self._hold(item, position, raw)
        elif is_exchange(item.attributes):
            yield Row(guarded(row_of, item, self._paths), position, raw)

    def _hold(self, item: Item, position: int, raw: bytes) -> Iterator[Row | Rejected]:
        key = (item.trace_id, item.span_id)
        held = self._held.get(key)
        if held is None:
            item.events.append((item.name, item.attributes))
            self._held[key] = (item, position, raw)
        else:
            first = held[0]
            first.events.append((item.name, item.attributes))
            first.attributes = item.attributes | first.attributes
            first.time_ns = min(first.time_ns, item.time_ns) or item.time_ns
            first.time_unread = first.time_unread or item.time_unread
        while len(self._held) > HELD_SPANS:
            _, oldest = self._held.popitem(last=False)
            yield from self._release(*oldest)

    def _release(self, item: Item, position: int, raw: bytes) -> Iterator[Row | Rejected]:
        try:
            yield Row(guarded(row_of, item, self._paths), position, raw)
        except RowFault as fault:
            yield rejected(self._source, position, fault.code, fault.reason, raw, self._options)

    def rest(self) -> Iterator[Row | Rejected]:
        """The rows of spans whose events were waiting when the input ended."""
        while self._held:
            _, oldest = self._held.popitem(last=False)
            yield from self._release(*oldest)


def is_otlp(record: dict[str, Any]) -> bool:
    """Whether a decoded line is an OTLP request of traces or logs."""
    return any(isinstance(record.get(key), list) for key in _TOPS)


_TOPS: Final = {
    "resourceSpans": ("scopeSpans", "spans"),
    "resource_spans": ("scope_spans", "spans"),
    "resourceLogs": ("scopeLogs", "logRecords"),
    "resource_logs": ("scope_logs", "log_records"),
}


def _parts(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every span and log record of a request, with its resource's attributes."""
    for top, (middle, leaf) in _TOPS.items():
        for group in _objects(record.get(top)):
            resource = group.get("resource")
            held = attributes_of(resource.get("attributes")) if isinstance(resource, dict) else {}
            for scope in _objects(group.get(middle) or group.get("instrumentationLibrarySpans")):
                for part in _objects(scope.get(leaf)):
                    yield part, held


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    """The objects of a list. Anything else there is no span, and a row of nothing."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RowFault("events.shape", "an OTLP request with something else than objects in its lists")
    return value


def item_of(part: dict[str, Any], resource: dict[str, Any]) -> Item:
    """A span or log record in OTLP JSON. 64-bit numbers are strings there, ids are hex."""
    attributes = attributes_of(part.get("attributes"))
    is_log = "startTimeUnixNano" not in part and "start_time_unix_nano" not in part
    name = part.get("name")
    if is_log:
        name = part.get("eventName") or part.get("event_name") or attributes.get("event.name")
        body = value_of(part.get("body"))
        if body is not None:
            attributes.setdefault("gen_ai.event.content", body)
    status = part.get("status")
    return Item(
        attributes=attributes,
        resource=resource,
        name=name if isinstance(name, str) else "",
        trace_id=str(part.get("traceId") or part.get("trace_id") or ""),
        span_id=str(part.get("spanId") or part.get("span_id") or ""),
        time_ns=next((number for key in _TIMES if (number := _number(part.get(key)))), 0),
        time_unread=next((value for key in _TIMES if (value := part.get(key)) not in _NO_TIME), None),
        failed=isinstance(status, dict) and status.get("code") in _STATUS_ERROR,
        is_log=is_log,
        events=[(str(event.get("name")), attributes_of(event.get("attributes"))) for event in part.get("events") or ()],
    )


_TIMES: Final = (
    "startTimeUnixNano", "start_time_unix_nano", "timeUnixNano", "time_unix_nano",
    "observedTimeUnixNano", "observed_time_unix_nano",
)  # fmt: skip

_NO_TIME: Final = (None, "", "0", 0)


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isdigit() and len(value) <= 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def attributes_of(pairs: Any) -> dict[str, Any]:
    """OTLP JSON attributes (a list of key and value) as a dict; an object is taken as it is."""
    if isinstance(pairs, dict):
        return dict(pairs)
    return {pair["key"]: value_of(pair.get("value")) for pair in pairs or ()}


def value_of(value: Any, depth: int = 0) -> Any:
    """An OTLP `AnyValue` as a Python value."""
    if not isinstance(value, dict):
        return value
    if depth > _DEPTH:
        raise RecursionError
    for key, held in value.items():
        if key in _SCALARS:
            return held
        kind = key.replace("_v", "V")
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [value_of(item, depth + 1) for item in (held.get("values") or ())]
        if kind == "kvlistValue":
            return {pair["key"]: value_of(pair.get("value"), depth + 1) for pair in (held.get("values") or ())}
    return None


_SCALARS: Final = frozenset(
    f"{kind}{ending}" for kind in ("string", "double", "bool", "bytes") for ending in ("Value", "_value")
)


def is_exchange(attributes: dict[str, Any]) -> bool:
    """Whether a span or record of these attributes tells of one exchange with a model."""
    kinds = [kind for name in KIND_ATTRIBUTES if isinstance(kind := attributes.get(name), str)]
    if any(kind in NOT_EXCHANGES for kind in kinds):
        return False
    return any(kind in OPERATIONS for kind in kinds) or any(mark in attributes for mark in MARKS)


def row_of(item: Item, paths: tuple[str, ...] = ()) -> dict[str, Any]:
    """An exchange as a contract row.

    Parameters
    ----------
    paths
        Source paths of a mapping: attributes of these names go along, for the mapping to take.
    """
    attributes = item.attributes
    metadata = decoded(attributes.get("metadata"))
    if isinstance(metadata, dict):
        attributes = {f"metadata.{key}": value for key, value in metadata.items()} | attributes
    row = _aliased(attributes, item.resource)
    row.setdefault("event_id", f"{item.trace_id}-{item.span_id}" if item.span_id else None)
    row["time"] = item.time_ns // 1000 or item.time_unread
    operation = row.get("operation") or attributes.get("openinference.span.kind")
    if isinstance(operation, str):
        row["operation"] = OPERATIONS.get(operation, operation)
    if item.failed and "error_type" not in row:
        row["error_type"] = "error"
    note_messages(row, attributes, item.events)
    if row.get("finish_reason") in FILTER_REASONS:
        row["refused"], row["refusal_source"] = True, "filter"
    for path in paths:
        _note_path(row, path, attributes, item.resource)
    return row


def _aliased(attributes: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    """The columns that attributes hold under any of their names; of several the best, the span's own first."""
    best: dict[str, tuple[int, Any]] = {}
    for held, behind in ((attributes, 0), (resource, len(ALIASES))):
        for name, value in held.items():
            for column, rank in RANKS.get(name, ()):
                single = (value[0] if value else None) if isinstance(value, list) else value
                known = best.get(column)
                if single is not None and single != "" and (known is None or rank + behind < known[0]):
                    best[column] = (rank + behind, single)
    return {column: value for column, (_, value) in best.items()}


def _note_path(row: dict[str, Any], path: str, attributes: dict[str, Any], resource: dict[str, Any]) -> None:
    """Attributes have dots in their names, and may hold objects: the longest name that fits."""
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        name = ".".join(steps[:length])
        for held in (attributes, resource):
            if name in held:
                row.setdefault(name, held[name])
                return


def _encoded(part: Any) -> bytes:
    try:
        return msgspec.json.encode(part)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return b""
