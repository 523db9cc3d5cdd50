"""Decisions as spans: sent to a real OTLP receiver, below the caller's span, and without anything about anybody."""

from __future__ import annotations

import http.server
import threading
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spiritsafe.guard.gateways.asgi import GuardMiddleware
from spiritsafe.guard.gateways.door import Door, DoorOptions
from spiritsafe.guard.gateways.tracing import TelemetryMissingFault, Tracing, tracing_from_environment
from tests.guard.clients import BODY, TRUST, raw
from tests.guard.guards import guard_of
from tests.guard.upstream import Upstream, running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def received(monkeypatch):
    """An OTLP receiver; the spans that reached it."""
    spans: list[Any] = []
    services: list[str] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told = ExportTraceServiceRequest()
            told.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            for resource in told.resource_spans:
                named = resource.resource.attributes
                services.extend(one.value.string_value for one in named if one.key == "service.name")
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_given):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield spans, services
    server.shutdown()


def test_a_decision_is_a_span_below_the_callers(tmp_path, received):
    spans, services = received
    door = Door(guard_of(tmp_path), DoorOptions(trust=TRUST), tracing=tracing_from_environment())
    with running(GuardMiddleware(Upstream(), door)) as address:
        assert raw(address, BODY, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})[0] == 403
        assert raw(address, BODY, headers={"authorization": "Bearer sk-other"})[0] == 200
    door.close()
    assert services[0] == "spiritsafe-guard"
    blocked, allowed = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert (blocked.trace_id.hex(), blocked.parent_span_id.hex()) == (TRACE, PARENT)
    assert allowed.parent_span_id == b""
    told = {one.key: one.value for one in blocked.attributes}
    assert told["spiritsafe.answer"].string_value == "block"
    assert told["spiritsafe.rule"].string_value == "members"
    assert told["gen_ai.request.model"].string_value == "m-1"
    assert "core" not in str(spans)
    assert "127.0.0.1" not in str(spans)


def test_without_the_variables_there_are_no_traces(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert tracing_from_environment() is None


def test_a_missing_library_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TelemetryMissingFault, match="telemetry") as caught:
        Tracing()
    assert "telemetry" in caught.value.hint
