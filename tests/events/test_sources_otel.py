"""Telemetry of every generation tells of the same exchange in the same row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.model import REQUESTS
from spiritsafe.events.sources import open_source, otel_aliases
from spiritsafe.events.sources.errors import FormatError, MissingColumnsError, TruncatedError
from tests.events.source_rows import START, options, read_all

VECTORS: Final = Path(__file__).parent.parent / "vectors" / "telemetry"
GENERATIONS: Final = sorted(path.name for path in VECTORS.glob("*.jsonl"))
SAME: Final = {
    "time": START,
    "account_id": "acct-7",
    "end_user_id": "user-1",
    "turn": 0,
    "operation": "chat",
    "model": "gpt-4",
    "prompt": "Tell me a joke about OpenTelemetry",
    "system_prompt": "You are a helpful bot",
    "response": " Why did the developer bring OpenTelemetry to the party?"
    " Because it always knows how to trace the fun!",
    "image_count": 0,
    "input_tokens": 52,
    "output_tokens": 47,
    "max_tokens": 200,
    "temperature": 0.5,
    "finish_reason": "stop",
    "refused": False,
    "client_ip": "203.0.113.9",
    "user_agent": "python-httpx/0.28",
}


def in_protobuf(line: str) -> bytes:
    """An OTLP/JSON request in protobuf. OTLP writes ids in hex, protobuf's own JSON in base64."""
    import base64

    def ids(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ("traceId", "spanId") else ids(v)
                    for k, v in value.items()}  # fmt: skip
        return [ids(item) for item in value] if isinstance(value, list) else value

    record = json.loads(line)
    kind = ExportTraceServiceRequest if "resourceSpans" in record else ExportLogsServiceRequest
    return bytes(json_format.ParseDict(ids(record), kind()).SerializeToString())


def messages_of(name: str) -> list[bytes]:
    return [in_protobuf(line) for line in (VECTORS / name).read_text().splitlines()]


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_tells_of_the_same_exchange(name: str):
    table, rejected, source = read_all(VECTORS / name)
    assert rejected == []
    assert source.format == "otlp"
    (row,) = table.to_pylist()
    assert {key: row.get(key) for key in SAME} == SAME
    known = name.startswith("openinference")
    assert row["event_id"] == ("4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7" if known else "chatcmpl-1")
    assert row.get("conversation_id") == ("session-1" if known else None)


@pytest.mark.parametrize("framing", ["four_bytes", "varint", "single", "each_zstd", "whole_zstd", "each_zstd_json"])
@pytest.mark.parametrize("name", GENERATIONS)
def test_protobuf_files_tell_the_same_as_json(tmp_path: Path, name: str, framing: str):
    pack = zstandard.ZstdCompressor().compress
    parts = messages_of(name)
    if framing == "single":  # repeated fields of concatenated messages add up: that is protobuf's own rule
        data = b"".join(parts)
    elif framing == "varint":
        data = b"".join(varint(len(part)) + part for part in parts)
    else:
        if framing == "each_zstd_json":
            parts = [line.encode() for line in (VECTORS / name).read_text().splitlines()]
        if framing.startswith("each_zstd"):
            parts = [pack(part) for part in parts]
        data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        data = pack(data) if framing == "whole_zstd" else data
    (tmp_path / "traces").write_bytes(data)
    table, rejected, source = read_all(tmp_path / "traces")
    assert rejected == []
    assert source.format == "otlp"
    assert table.equals(read_all(VECTORS / name)[0])


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_request_written_to_be_read_is_one_document(tmp_path: Path, name: str):
    lines = (VECTORS / name).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    (top,) = records[0]
    merged = {top: [group for record in records for group in record[top]]}
    (tmp_path / "traces.json").write_text(json.dumps(merged, indent=2))
    assert read_all(tmp_path / "traces.json")[0].equals(read_all(VECTORS / name)[0])


def test_field_names_in_snake_case_are_read_too(tmp_path: Path):
    text = (VECTORS / "semconv-1.37-span.jsonl").read_text()
    for camel, snake in [
        ("resourceSpans", "resource_spans"),
        ("scopeSpans", "scope_spans"),
        ("traceId", "trace_id"),
        ("spanId", "span_id"),
        ("startTimeUnixNano", "start_time_unix_nano"),
        ("stringValue", "string_value"),
        ("intValue", "int_value"),
    ]:
        text = text.replace(f'"{camel}"', f'"{snake}"')
    (tmp_path / "traces").write_text(text)
    assert read_all(tmp_path / "traces")[0].equals(read_all(VECTORS / "semconv-1.37-span.jsonl")[0])


# --- accounts ---------------------------------------------------------------------------------------------


def one_span(**attributes: Any) -> dict[str, Any]:
    held = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    pairs = [{"key": k, "value": {"stringValue": v} if isinstance(v, str) else v} for k, v in held.items()]
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "startTimeUnixNano": "1775044800000000000", "attributes": pairs}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [span]}]}]}


def test_telemetry_that_names_no_account_asks_for_the_attribute(tmp_path: Path):
    (tmp_path / "t").write_text(json.dumps(one_span(**{"acme.customer": "c-1"})))
    with pytest.raises(MissingColumnsError, match="no attribute or field for account_id") as caught:
        open_source(tmp_path / "t", options())
    assert "--map" in caught.value.hint


def test_a_mapping_names_the_accounts_attribute_and_leaves_the_rest_to_the_aliases(tmp_path: Path):
    (tmp_path / "t").write_text(
        json.dumps(one_span(**{"acme.customer": "c-1", "account_id": "wrong", "acme.tier": "gold"}))
    )
    mapping = parse_mapping('[requests.account_id]\nfrom = "acme.customer"\n')
    (row,) = read_all(tmp_path / "t", mapping=mapping)[0].to_pylist()
    assert (row["account_id"], row["model"], row["time"]) == ("c-1", "m", START)


def test_the_account_may_stand_on_the_resource(tmp_path: Path):
    record = one_span()
    record["resourceSpans"][0]["resource"]["attributes"] = [{"key": "tenant.id", "value": {"stringValue": "t-1"}}]
    (tmp_path / "t").write_text(json.dumps(record))
    assert read_all(tmp_path / "t")[0]["account_id"].to_pylist() == ["t-1"]


# --- odds and ends ----------------------------------------------------------------------------------------


def test_a_span_without_answer_tells_of_its_failure(tmp_path: Path):
    limited = {"account_id": "a", "error.type": "RateLimitError", "http.response.status_code": {"intValue": "429"}}
    record = one_span(**limited)
    record["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"] = {"code": 2}
    (tmp_path / "t").write_text(json.dumps(record))
    (row,) = read_all(tmp_path / "t")[0].to_pylist()
    assert (row["status"], row["error_type"], row.get("refused")) == (429, "RateLimitError", None)


def test_a_filtered_answer_is_a_refusal_of_the_filter(tmp_path: Path):
    reasons = {"arrayValue": {"values": [{"stringValue": "content_filter"}]}}
    (tmp_path / "t").write_text(json.dumps(one_span(account_id="a", **{"gen_ai.response.finish_reasons": reasons})))
    (row,) = read_all(tmp_path / "t")[0].to_pylist()
    assert (row["refused"], row["refusal_source"]) == (True, "filter")


def test_tools_are_hashed_the_same_whatever_their_keys_order(tmp_path: Path):
    hashes = []
    for text in ('[{"name": "f", "type": "function"}]', '[{"type": "function", "name": "f"}]'):
        (tmp_path / "t").write_text(json.dumps(one_span(account_id="a", **{"gen_ai.tool.definitions": text})))
        (row,) = read_all(tmp_path / "t")[0].to_pylist()
        assert row["tools"] is True
        hashes.append(row["tool_schema_hash"])
    assert hashes[0] == hashes[1]


def test_a_redacted_prompt_is_no_prompt(tmp_path: Path):
    messages = json.dumps([{"role": "user", "content": "redacted-by-litellm"}])
    (tmp_path / "t").write_text(json.dumps(one_span(account_id="a", **{"gen_ai.prompt": messages})))
    assert "prompt" not in read_all(tmp_path / "t")[0].column_names


def test_one_damaged_span_costs_itself_only(tmp_path: Path):
    record = one_span(account_id="a")
    spans = record["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.append({**spans[0], "attributes": [{"no": "key"}]})
    spans.append({**spans[0], "startTimeUnixNano": "0"})
    (tmp_path / "t").write_text(json.dumps(record) + "\n{broken\n")
    table, rejected, _ = read_all(tmp_path / "t")
    assert table.num_rows == 1
    codes = [(r.position, r.code) for r in rejected]
    assert sorted(codes) == [(0, "events.missing_value"), (0, "events.shape"), (1, "events.json")]


def test_message_events_of_many_spans_are_put_together_span_by_span(tmp_path: Path):
    def events() -> Iterator[dict[str, Any]]:
        for n in (0, 1, 2):
            yield _event(n, "gen_ai.user.message", {"content": f"question {n}"})
        for n in (2, 0, 1):
            yield _event(n, "gen_ai.choice", {"index": "0", "message": {"content": f"answer {n}"}})

    (tmp_path / "t").write_text("\n".join(json.dumps(event) for event in events()))
    rows = read_all(tmp_path / "t")[0].to_pylist()
    assert [(r["prompt"], r["response"]) for r in rows] == [(f"question {n}", f"answer {n}") for n in range(3)]


def _event(n: int, name: str, body: dict[str, Any]) -> dict[str, Any]:
    def any_value(value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return {"kvlistValue": {"values": [{"key": k, "value": any_value(v)} for k, v in value.items()]}}
        return {"stringValue": value}

    attributes = [
        {"key": "account_id", "value": {"stringValue": "a"}},
        {"key": "event.name", "value": {"stringValue": name}},
    ]
    record = {
        "timeUnixNano": "1775044800000000000",
        "traceId": "ab" * 16,
        "spanId": f"{n:016x}",
        "attributes": attributes,
        "body": any_value(body),
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def test_a_protobuf_file_that_was_cut_off(tmp_path: Path):
    data = b"".join(len(m).to_bytes(4, "big") + m for m in messages_of("semconv-1.37-span.jsonl") * 3)
    (tmp_path / "t").write_bytes(data[:-7])
    with pytest.raises(TruncatedError, match="ends inside its message number 2"):
        read_all(tmp_path / "t")


def test_one_damaged_message_costs_itself_only(tmp_path: Path):
    good = messages_of("semconv-1.37-span.jsonl")[0]
    parts = [good, b"\x0a\xff\xff\xff", good]
    (tmp_path / "t").write_bytes(b"".join(len(m).to_bytes(4, "big") + m for m in parts))
    table, rejected, _ = read_all(tmp_path / "t")
    assert table.num_rows == 2
    assert [(r.position, r.code) for r in rejected] == [(1, "events.protobuf")]


def test_metrics_are_not_taken_for_spans(tmp_path: Path):
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name = "sixteen.letters."
    metric.gauge.data_points.add().as_int = 5
    (tmp_path / "m").write_bytes(request.SerializeToString())
    with pytest.raises(FormatError):
        open_source(tmp_path / "m", options())


# --- the alias table --------------------------------------------------------------------------------------


def test_the_alias_table_is_sound():
    pairs = [(alias.column, alias.attribute) for alias in otel_aliases.ALIASES]
    assert len(pairs) == len(set(pairs))
    assert {alias.column for alias in otel_aliases.ALIASES} <= set(REQUESTS.by_name)
    assert {alias.origin for alias in otel_aliases.ALIASES} <= set(otel_aliases.SOURCES)


def test_every_column_that_follows_an_attribute_knows_that_attribute():
    by_messages = {"prompt", "system_prompt", "response"}
    for column in REQUESTS.columns:
        if column.otel and column.name not in by_messages:
            assert column.otel in otel_aliases.BY_COLUMN[column.name]


def test_the_reference_page_lists_every_alias():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")
    for column, attributes in otel_aliases.BY_COLUMN.items():
        assert f"| `{column}` | {', '.join(f'`{a}`' for a in attributes)} |" in page


def of_length(length: int) -> bytes:
    """A request of one exchange whose only group is `length` bytes long."""
    span = {
        "traceId": "ab" * 16, "spanId": "cd" * 8, "startTimeUnixNano": "1775044800000000000",
        "attributes": [{"key": "llm.request.type", "value": {"stringValue": "chat"}}],
    }  # fmt: skip
    for size in range(1, length):
        who = [{"key": "tenant.id", "value": {"stringValue": "a" * size}}]
        line = {"resourceSpans": [{"resource": {"attributes": who}, "scopeSpans": [{"spans": [span]}]}]}
        message = in_protobuf(json.dumps(line))
        if message[1] == length:
            return message
    raise AssertionError(length)


@pytest.mark.parametrize("bracket", ["{", "["])
@pytest.mark.parametrize("framing", ["single", "varint"])
@pytest.mark.parametrize("stated", [None, "otlp"])
def test_a_message_that_begins_like_json_is_a_message(tmp_path: Path, bracket: str, framing: str, stated: str | None):
    if framing == "single":
        data = of_length(ord(bracket))
        assert data.startswith(b"\n" + bracket.encode())
    else:
        message = of_length(ord(bracket) - 2)
        data = (bytes([len(message)]) + message) * 3
        assert data.startswith(bracket.encode() + b"\n")
    path = tmp_path / "export"
    path.write_bytes(data)
    table, rejected, source = read_all(path, format=stated)
    assert source.format == "otlp"
    assert [row.code for row in rejected] == []
    assert table.num_rows == (1 if framing == "single" else 3)


@pytest.mark.parametrize("lead", ["", "\n", "\n\n  "])
def test_a_document_that_begins_with_a_line_end_is_json(tmp_path: Path, lead: str):
    line = (VECTORS / "semconv-1.37-span.jsonl").read_text()
    path = tmp_path / "export"
    path.write_text(lead + json.dumps(json.loads(line), indent=2))
    for stated in (None, "otlp"):
        assert read_all(path, format=stated)[0].num_rows == 1


@pytest.mark.parametrize("name", ["startTimeUnixNano", "timeUnixNano"])
def test_a_time_of_telemetry_that_is_no_number_is_told_as_it_is(tmp_path: Path, name: str):
    def line(time: Any) -> str:
        attributes = {"gen_ai.request.model": "m", "gen_ai.response.id": "e", "account_id": "a"}
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{name: time, "attributes": attributes}]}]}]})

    good = int(START.timestamp()) * 10**9
    (tmp_path / "log").write_text("\n".join(map(line, [str(good), "zzz", "0", None])))
    table, rejected, _ = read_all(tmp_path / "log")
    assert table["time"].to_pylist() == [START]
    assert [(one.code, one.reason) for one in rejected] == [
        ("events.time", "time is 'zzz', not an ISO 8601 time"),
        ("events.missing_value", "time is missing"),
        ("events.missing_value", "time is missing"),
    ]
