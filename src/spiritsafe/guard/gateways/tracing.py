"""A span for each decision, for whoever follows a request through their systems with OpenTelemetry.

Switched on as OpenTelemetry's own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`, or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); the libraries are an extra, `spiritsafe[telemetry]`. A span hangs below the
caller's, where the call has a `traceparent` (W3C Trace Context). No account, address or text stands in it. Comes from
`door`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from spiritsafe import __version__
from spiritsafe.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.guard.gateways.door import Passage

SPAN: Final = "spiritsafe.guard.decide"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class TelemetryMissingFault(EnvironmentFault):
    """Traces are asked for and OpenTelemetry's libraries are not installed."""

    code: ClassVar[str] = "guard.telemetry"


class Tracing:
    """Makes spans and sends them in batches, from a thread of its own."""

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise TelemetryMissingFault(
                f"traces are asked for and a library is missing: {error}", hint="pip install 'spiritsafe[telemetry]'"
            ) from error
        name = os.environ.get("OTEL_SERVICE_NAME") or "spiritsafe-guard"
        resource = Resource.create({"service.name": name, "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("spiritsafe.guard", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[str, str]) -> Any:
        """A span that begins now, below the caller's."""
        return self._tracer.start_span(SPAN, context=self._propagator.extract(headers))

    @staticmethod
    def end(span: Any, passage: Passage) -> None:
        """What was decided, and the span is over."""
        request, decision = passage.request, passage.decision
        span.set_attribute("spiritsafe.reference", passage.reference)
        if request is not None:
            span.set_attribute("gen_ai.operation.name", request.operation or "")
            span.set_attribute("gen_ai.request.model", request.model or "")
        if decision is not None:
            told = {
                "answer": decision.answer.word, "acted": decision.acted.word, "rule": decision.rule,
                "policy": decision.policy, "roster": decision.roster, "campaign": decision.campaign_id,
                "reasons": [reason.kind for reason in decision.reasons], "tactics": list(decision.shown),
            }  # fmt: skip
            span.set_attributes({f"spiritsafe.{name}": value for name, value in told.items()})
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def tracing_from_environment() -> Tracing | None:
    """Tracing, if OpenTelemetry's variables ask for it; raises `TelemetryMissingFault`."""
    return Tracing() if any(os.environ.get(name) for name in _ENDPOINTS) else None
