"""The nouns of `events`: the tables of the contract, a batch of rows, a row that was refused.

A column's declaration holds all that anyone needs to know of it: its type, the OpenTelemetry attribute it
follows, what it means and what detection loses without it. Readers, `doctor`, the docs and `run.json` all
read it from here. Names and types are the contract: change them only with a decision record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

UTC_US: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract table.

    `cost` is a sentence on what detection loses when the column is missing ("" when nothing much).
    `axis` names the evidence it feeds: content, timing, infrastructure, identity, lifecycle, extraction, "".
    `personal` marks values that are replaced by keyed pseudonyms in anything filed or shared.
    `text` marks prompt text, which never leaves the sketcher.
    """

    name: str
    type: pa.DataType
    note: str
    required: bool = False
    otel: str = ""
    axis: str = ""
    cost: str = ""
    personal: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A contract table: its name, version and columns in order."""

    name: str
    version: str
    columns: tuple[Column, ...]
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.columns})

    @property
    def tag(self) -> str:
        """What the file metadata key `spiritsafe.schema` says, e.g. `requests/1.0`."""
        return f"{self.name}/{self.version}"

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)

    def arrow(self, names: Sequence[str] | None = None) -> pa.Schema:
        """The Arrow schema of all columns, or of those in `names`, in the contract's order."""
        wanted = None if names is None else set(names)
        return pa.schema(
            [
                pa.field(c.name, c.type, nullable=not c.required)
                for c in self.columns
                if wanted is None or c.name in wanted
            ]
        )


def _c(name: str, type_: pa.DataType, note: str, **more: object) -> Column:
    return Column(name, type_, note, **more)  # type: ignore[arg-type]


REQUESTS: Final = TableSchema(
    "requests",
    "1.0",
    (
        _c("event_id", pa.string(), "unique within the log", required=True, otel="gen_ai.response.id"),
        _c("time", UTC_US, "arrival, UTC", required=True),
        _c("account_id", pa.string(), "the billing subject", required=True, personal=True),
        _c("api_key_id", pa.string(), "the key used", axis="identity", personal=True),
        _c("end_user_id", pa.string(), "the customer's own user (OpenAI `user`, Anthropic `metadata.user_id`)",
           otel="user.id", axis="identity", personal=True,
           cost="inside a reseller, innocent end users cannot be told from a distiller"),
        _c("channel", pa.string(), "api, app, batch or cloud", axis="timing"),
        _c("organization_id", pa.string(), "self-made unless verified", axis="identity", personal=True,
           cost="one company's many accounts cannot be recognised as one customer"),
        _c("organization_verified", pa.bool_(), "by contract or KYC; null is not known", axis="identity",
           cost="openness cannot be established: large honest customers look like anyone else"),
        _c("conversation_id", pa.string(), "one conversation", otel="gen_ai.conversation.id", personal=True,
           cost="conversations that move between accounts cannot be seen"),
        _c("turn", pa.int32(), "0 is a conversation's first exchange"),
        _c("operation", pa.string(), "chat, text_completion, embeddings, ...", otel="gen_ai.operation.name"),
        _c("model", pa.string(), "the model asked for", otel="gen_ai.request.model", axis="timing",
           cost="a pivot to a new model cannot be seen"),
        _c("prompt", pa.string(), "the newest user message as text; no tool results, no earlier turns",
           otel="gen_ai.input.messages", axis="content", text=True,
           cost="no content evidence: shared templates, work-sharing and tactics cannot be seen"),
        _c("system_prompt", pa.string(), "", otel="gen_ai.system_instructions", axis="content", text=True,
           cost="a template in the system prompt cannot be seen"),
        _c("assistant_prefill", pa.string(), "an answer begun by the caller", axis="content", text=True),
        _c("response", pa.string(), "the answer", otel="gen_ai.output.messages", text=True),
        _c("prefix_blocks", pa.list_(pa.int64()),
           "hash chain over the whole input; comparable only where algorithm, tokenizer and salt agree",
           axis="content"),
        _c("tool_schema_hash", pa.int64(), "hash of the tool definitions", axis="content"),
        _c("image_count", pa.int32(), ""),
        _c("input_tokens", pa.int32(), "", otel="gen_ai.usage.input_tokens"),
        _c("output_tokens", pa.int32(), "", otel="gen_ai.usage.output_tokens", axis="extraction",
           cost="exposure is told in exchanges only, not in tokens"),
        _c("max_tokens", pa.int32(), "", otel="gen_ai.request.max_tokens"),
        _c("temperature", pa.float32(), "", otel="gen_ai.request.temperature"),
        _c("choice_count", pa.int32(), "answers asked for", otel="gen_ai.request.choice.count",
           axis="extraction"),
        _c("logprobs", pa.bool_(), "asked for", axis="extraction",
           cost="log-probability harvesting cannot be seen"),
        _c("logit_bias", pa.bool_(), "asked for", axis="extraction"),
        _c("tools", pa.bool_(), "asked for"),
        _c("stream", pa.bool_(), "asked for"),
        _c("reasoning", pa.bool_(), "asked for", axis="extraction"),
        _c("finish_reason", pa.string(), "", otel="gen_ai.response.finish_reasons"),
        _c("refused", pa.bool_(), "the model or a filter declined"),
        _c("refusal_source", pa.string(), "model, filter or policy"),
        _c("status", pa.int32(), "HTTP status; 429 marks a limit", otel="http.response.status_code",
           axis="timing", cost="work that goes on over another account when one meets its limit cannot be seen"),
        _c("error_type", pa.string(), "", otel="error.type"),
        _c("limit_requests_per_minute", pa.int32(), "the account's limit then", axis="timing"),
        _c("limit_remaining", pa.int32(), "what was left of it", axis="timing"),
        _c("client_ip", pa.string(), "as the edge saw it", otel="client.address", axis="infrastructure",
           personal=True, cost="no address evidence: shared egress and proxies cannot be seen"),
        _c("asn", pa.int64(), "autonomous system of the address", axis="infrastructure",
           cost="hosting and residential networks cannot be told apart"),
        _c("country", pa.string(), "ISO 3166-1 alpha-2; for fairness checks, never evidence"),
        _c("user_agent", pa.string(), "", otel="user_agent.original", axis="infrastructure"),
        _c("ja4", pa.string(), "TLS client fingerprint", axis="infrastructure",
           cost="one client build behind many addresses is harder to see"),
        _c("http2_fingerprint", pa.string(), "", axis="infrastructure"),
    ),
)  # fmt: skip

ACCOUNTS: Final = TableSchema(
    "accounts",
    "1.0",
    (
        _c("account_id", pa.string(), "the billing subject", required=True, personal=True),
        _c("created_at", UTC_US, "sign-up", axis="lifecycle",
           cost="sign-up bursts and successions cannot be seen"),
        _c("organization_id", pa.string(), "", axis="identity", personal=True),
        _c("organization_verified", pa.bool_(), "by contract or KYC; null is not known", axis="identity"),
        _c("payment_fingerprint", pa.string(), "the processor's fingerprint, never a number",
           axis="identity", personal=True, cost="a shared means of payment cannot be seen"),
        _c("email_domain", pa.string(), "", axis="identity", personal=True),
        _c("email_pattern", pa.string(), "shape of the local part", axis="identity"),
        _c("phone_prefix", pa.string(), "", axis="identity", personal=True),
        _c("country", pa.string(), "for fairness checks, never evidence"),
        _c("plan", pa.string(), "free, pro, enterprise, ..."),
        _c("verified", pa.bool_(), "identity verified", axis="identity"),
    ),
)  # fmt: skip

ACCOUNT_EVENTS: Final = TableSchema(
    "account_events",
    "1.0",
    (
        _c("account_id", pa.string(), "", required=True, personal=True),
        _c("time", UTC_US, "", required=True),
        _c("kind", pa.string(), "created, verified, payment_added, key_created, limit_changed, suspended, "
           "reinstated", required=True),
        _c("value_fingerprint", pa.string(), "", personal=True),
    ),
)  # fmt: skip

ATTESTATIONS: Final = TableSchema(
    "attestations",
    "1.0",
    (
        _c("subject", pa.string(), "an account_id or an organization_id", required=True, personal=True),
        _c("kind", pa.string(), "licensed_distillation, approved_red_team, academic, reseller, "
           "customer_fleet", required=True),
        _c("owner", pa.string(), "who stands for it", required=True),
        _c("reason", pa.string(), "", required=True),
        _c("not_before", UTC_US, "", required=True),
        _c("expires_at", UTC_US, "", required=True),
    ),
)  # fmt: skip

ACTIONS: Final = TableSchema(
    "actions",
    "1.0",
    (
        _c("actor", pa.string(), "who acts: an account, a wallet, a key", required=True, personal=True),
        _c("object", pa.string(), "what is acted on: an address, a repository, a document", required=True,
           personal=True),
        _c("time", UTC_US, "when, UTC", axis="timing",
           cost="acting at the same moment cannot be seen, and people of one taste look like one hand"),
    ),
)  # fmt: skip

QUARANTINE: Final = TableSchema(
    "quarantine",
    "1.0",
    (
        _c("source", pa.string(), "file the row came from", required=True),
        _c("position", pa.int64(), "row number (tables) or line number (text), from 0", required=True),
        _c("code", pa.string(), "stable reason, e.g. events.time", required=True),
        _c("reason", pa.string(), "in words", required=True),
        _c("raw", pa.binary(), "the row as read, cut at 64 KiB; absent where output must hold no text",
           text=True),
    ),
)  # fmt: skip

RAW_LIMIT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that was refused, and why. Becomes a row of `quarantine.parquet`."""

    source: str
    position: int
    code: str
    reason: str
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that passed, in contract columns plus carried extras, and those that did not.

    `table` has the contract's columns that the source can fill (never all-null padding), in the
    contract's order, then carried extras. Types are exactly the contract's. `positions` are where its rows
    stand in the source, as in `Rejected`.
    """

    table: pa.RecordBatch
    positions: NDArray[np.int64]
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a source that one worker reads alone. Picklable; small.

    `first`..`last` are row groups (Parquet) or byte offsets (line formats); None means the whole file.
    """

    url: str
    format: str
    first: int | None = None
    last: int | None = None
    row_offset: int = 0
    size_bytes: int = 0
