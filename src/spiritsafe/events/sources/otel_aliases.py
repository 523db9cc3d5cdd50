"""Which telemetry attribute holds which column of the contract, in four generations of conventions.

Instrumentations disagree about names, and a log keeps the names of the day on which it was written. This
module is data: for each column the attributes that may hold it, best first, each with the convention that it
is from. Messages are not here; `otel_messages` puts them together. No convention has a name for the account
that is billed, so its candidates are what gateways and applications use in practice; a mapping overrides all.
Comes from the documents in `SOURCES`; goes on to `events.sources.otel` and docs/reference/sources.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SOURCES: Final[dict[str, str]] = {
    "genai": "open-telemetry/semantic-conventions-genai, docs/registry/attributes/gen-ai.md (1.37 and later)",
    "genai-1.36": "open-telemetry/semantic-conventions up to v1.36, docs/gen-ai (gen_ai.system, message events)",
    "openllmetry": "traceloop/openllmetry, opentelemetry-semantic-conventions-ai, semconv_ai/__init__.py",
    "openinference": "Arize-ai/openinference, spec/semantic_conventions.md",
    "semconv": "open-telemetry/semantic-conventions, general attributes (http, client, user, user_agent, error)",
    "ecs": "Elastic Common Schema (source.*, client.*, user.*)",
    "litellm": "LiteLLM's OpenTelemetry callback (metadata.user_api_key_*)",
    "practice": "no convention: names seen in applications",
}
"""Where the names come from; the keys are `Alias.origin`."""


class Alias(NamedTuple):
    """One attribute that may hold one column."""

    column: str
    attribute: str
    origin: str


def _aliases(column: str, *pairs: tuple[str, str]) -> tuple[Alias, ...]:
    return tuple(Alias(column, attribute, origin) for attribute, origin in pairs)


_ASSOCIATED: Final = "traceloop.association.properties."

ALIASES: Final[tuple[Alias, ...]] = (
    *_aliases("event_id", ("gen_ai.response.id", "genai"), ("llm.response.id", "openllmetry")),
    *_aliases(
        "account_id",
        ("account_id", "practice"),
        ("account.id", "practice"),
        ("gen_ai.account.id", "practice"),
        ("billing.account.id", "practice"),
        ("user.account.id", "practice"),
        ("customer.id", "practice"),
        ("customer_id", "practice"),
        ("tenant.id", "practice"),
        ("tenant_id", "practice"),
        (f"{_ASSOCIATED}account_id", "openllmetry"),
        (f"{_ASSOCIATED}customer_id", "openllmetry"),
        (f"{_ASSOCIATED}tenant_id", "openllmetry"),
        ("metadata.account_id", "openinference"),
        ("metadata.customer_id", "openinference"),
        ("metadata.tenant_id", "openinference"),
        ("metadata.user_api_key_user_id", "litellm"),
        ("metadata.user_api_key_team_id", "litellm"),
        ("metadata.user_api_key_hash", "litellm"),
    ),
    *_aliases(
        "api_key_id",
        ("api_key_id", "practice"),
        ("api_key.id", "practice"),
        ("gen_ai.api_key.id", "practice"),
        ("metadata.user_api_key_hash", "litellm"),
    ),
    *_aliases(
        "end_user_id",
        ("user.id", "semconv"),
        ("enduser.id", "semconv"),
        ("gen_ai.user", "genai-1.36"),
        ("gen_ai.request.user", "openllmetry"),
        ("llm.user", "openllmetry"),
        (f"{_ASSOCIATED}user_id", "openllmetry"),
    ),
    *_aliases(
        "organization_id",
        ("organization.id", "ecs"),
        ("organization_id", "practice"),
        ("org.id", "practice"),
        ("metadata.user_api_key_org_id", "litellm"),
    ),
    *_aliases(
        "conversation_id",
        ("gen_ai.conversation.id", "genai"),
        ("session.id", "openinference"),
        ("gen_ai.session.id", "practice"),
        (f"{_ASSOCIATED}conversation_id", "openllmetry"),
        (f"{_ASSOCIATED}session_id", "openllmetry"),
        (f"{_ASSOCIATED}thread_id", "openllmetry"),
        (f"{_ASSOCIATED}chat_id", "openllmetry"),
    ),
    *_aliases("operation", ("gen_ai.operation.name", "genai"), ("llm.request.type", "openllmetry")),
    *_aliases(
        "model",
        ("gen_ai.request.model", "genai"),
        ("llm.request.model_name", "openinference"),
        ("llm.request.model", "openllmetry"),
        ("llm.model_name", "openinference"),
        ("embedding.model_name", "openinference"),
        ("gen_ai.response.model", "genai"),
        ("llm.response.model_name", "openinference"),
        ("llm.response.model", "openllmetry"),
    ),
    *_aliases(
        "input_tokens",
        ("gen_ai.usage.input_tokens", "genai"),
        ("gen_ai.usage.prompt_tokens", "genai-1.36"),
        ("llm.usage.prompt_tokens", "openllmetry"),
        ("llm.token_count.prompt", "openinference"),
    ),
    *_aliases(
        "output_tokens",
        ("gen_ai.usage.output_tokens", "genai"),
        ("gen_ai.usage.completion_tokens", "genai-1.36"),
        ("llm.usage.completion_tokens", "openllmetry"),
        ("llm.token_count.completion", "openinference"),
    ),
    *_aliases(
        "max_tokens",
        ("gen_ai.request.max_tokens", "genai"),
        ("llm.request.max_tokens", "openllmetry"),
    ),
    *_aliases(
        "temperature",
        ("gen_ai.request.temperature", "genai"),
        ("llm.request.temperature", "openllmetry"),
        ("llm.temperature", "openllmetry"),
    ),
    *_aliases("choice_count", ("gen_ai.request.choice.count", "genai")),
    *_aliases(
        "stream",
        ("gen_ai.request.stream", "genai"),
        ("gen_ai.is_streaming", "openllmetry"),
        ("llm.is_streaming", "openllmetry"),
    ),
    *_aliases("reasoning", ("gen_ai.request.reasoning", "practice")),
    *_aliases(
        "finish_reason",
        ("gen_ai.response.finish_reasons", "genai"),
        ("gen_ai.response.finish_reason", "genai-1.36"),
        ("gen_ai.completion.0.finish_reason", "openllmetry"),
        ("llm.response.finish_reason", "openllmetry"),
        ("llm.response.stop_reason", "openllmetry"),
        ("llm.finish_reason", "openinference"),
    ),
    *_aliases(
        "status",
        ("http.response.status_code", "semconv"),
        ("http.status_code", "semconv"),
    ),
    *_aliases("error_type", ("error.type", "semconv"), ("exception.type", "semconv")),
    *_aliases(
        "limit_requests_per_minute",
        ("http.response.header.x-ratelimit-limit-requests", "semconv"),
        ("http.response.header.anthropic-ratelimit-requests-limit", "semconv"),
    ),
    *_aliases(
        "limit_remaining",
        ("http.response.header.x-ratelimit-remaining-requests", "semconv"),
        ("http.response.header.anthropic-ratelimit-requests-remaining", "semconv"),
    ),
    *_aliases(
        "client_ip",
        ("client.address", "semconv"),
        ("client.ip", "ecs"),
        ("source.ip", "ecs"),
        ("http.client_ip", "semconv"),
        ("metadata.requester_ip_address", "litellm"),
        ("network.peer.address", "semconv"),
        ("net.peer.ip", "semconv"),
    ),
    *_aliases("asn", ("client.as.number", "ecs"), ("source.as.number", "ecs")),
    *_aliases(
        "country",
        ("client.geo.country_iso_code", "ecs"),
        ("source.geo.country_iso_code", "ecs"),
        ("geo.country.iso_code", "semconv"),
    ),
    *_aliases(
        "user_agent",
        ("user_agent.original", "semconv"),
        ("http.user_agent", "semconv"),
        ("http.request.header.user-agent", "semconv"),
    ),
    *_aliases("ja4", ("tls.client.ja4", "practice"), ("client.ja4", "practice"), ("ja4", "practice")),
    *_aliases("http2_fingerprint", ("http2_fingerprint", "practice"), ("http2.fingerprint", "practice")),
    *_aliases("channel", ("channel", "practice")),
)

BY_COLUMN: Final[dict[str, tuple[str, ...]]] = {
    column: tuple(alias.attribute for alias in ALIASES if alias.column == column)
    for column in dict.fromkeys(alias.column for alias in ALIASES)
}
"""Column to attribute names, best first."""

RANKS: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    attribute: tuple((alias.column, rank) for rank, alias in enumerate(ALIASES) if alias.attribute == attribute)
    for attribute in dict.fromkeys(alias.attribute for alias in ALIASES)
}
"""Attribute to the columns that it may hold, each with its rank (lower is better)."""

OPERATIONS: Final[dict[str, str]] = {
    "chat": "chat",
    "text_completion": "text_completion",
    "completion": "text_completion",
    "generate_content": "chat",
    "embeddings": "embeddings",
    "embedding": "embeddings",
    "LLM": "chat",
    "EMBEDDING": "embeddings",
}
"""What the generations call the operations that are exchanges with a model."""

NOT_EXCHANGES: Final = frozenset(
    {
        "execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "plan", "retrieval", "rerank",
        "workflow", "task", "agent", "tool", "unknown",
        "CHAIN", "TOOL", "AGENT", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT",
    }
)  # fmt: skip
"""Operations and span kinds that wrap exchanges or stand beside them. Their spans are passed over."""

MARKS: Final = (
    "gen_ai.request.model", "gen_ai.response.model", "gen_ai.system", "gen_ai.provider.name", "gen_ai.input.messages",
    "llm.model_name", "llm.request.model_name", "llm.request.model", "llm.input_messages.0.message.role",
)  # fmt: skip
"""Where no operation is named, one of these makes a span an exchange."""

KIND_ATTRIBUTES: Final = ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type")
