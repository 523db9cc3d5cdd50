"""LiteLLM's standard logging payload, one JSON object a line.

LiteLLM, the gateway, gives every logging callback the same record, `StandardLoggingPayload`; its S3, GCS and
file loggers write it as it is. The fields used here are checked against the installed library by the tests.
Who pays is not a field of its own: in a proxy it is the internal user that a key belongs to, else the team,
else the key.
Comes from `events.sources.jsonl`; goes on to `events.validate`. See docs/reference/sources.md.
"""

from __future__ import annotations

from typing import Any, Final

from spiritsafe.events.sources.messages import asked, note_answer, note_parameters

TOP_FIELDS: Final = frozenset(
    {
        "id", "call_type", "stream", "status", "prompt_tokens", "completion_tokens", "startTime", "model",
        "model_group", "metadata", "end_user", "requester_ip_address", "user_agent", "messages", "response",
        "error_information", "model_parameters", "session_id", "trace_id",
    }
)  # fmt: skip
"""Fields of `StandardLoggingPayload` that are read."""
METADATA_FIELDS: Final = frozenset(
    {
        "user_api_key_hash", "user_api_key_user_id", "user_api_key_team_id", "user_api_key_org_id",
        "user_api_key_end_user_id", "requester_ip_address", "user_agent",
    }
)  # fmt: skip
"""Fields of `StandardLoggingMetadata` that are read."""

_OPERATIONS: Final = {
    "completion": "chat",
    "acompletion": "chat",
    "responses": "chat",
    "aresponses": "chat",
    "anthropic_messages": "chat",
    "generate_content": "chat",
    "agenerate_content": "chat",
    "text_completion": "text_completion",
    "atext_completion": "text_completion",
    "embedding": "embeddings",
    "aembedding": "embeddings",
}
_NOBODY: Final = frozenset({"", "default_user_id"})
"""The owner of every key that the administrator makes: an account of this name would be everybody."""


def is_litellm(record: dict[str, Any]) -> bool:
    """Whether a decoded line is of this form."""
    return {"call_type", "startTime", "model_parameters", "metadata"} <= record.keys()


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """One payload as a contract row."""
    metadata = _object(record.get("metadata"))
    parameters = _object(record.get("model_parameters"))
    call = record.get("call_type")
    row: dict[str, Any] = {
        "event_id": record.get("id"),
        "time": record.get("startTime"),
        "account_id": account_of(metadata),
        "api_key_id": metadata.get("user_api_key_hash"),
        "end_user_id": record.get("end_user") or metadata.get("user_api_key_end_user_id") or parameters.get("user"),
        "organization_id": metadata.get("user_api_key_org_id") or metadata.get("user_api_key_team_id"),
        "conversation_id": _conversation(record),
        "operation": _OPERATIONS.get(call, call) if isinstance(call, str) else None,
        "model": record.get("model_group") or record.get("model"),
        "input_tokens": record.get("prompt_tokens"),
        "output_tokens": record.get("completion_tokens"),
        "client_ip": record.get("requester_ip_address") or metadata.get("requester_ip_address"),
        "user_agent": record.get("user_agent") or metadata.get("user_agent"),
    }
    asked(record.get("messages")).into(row)
    # Only what the caller set is in it, so what is absent was not asked for.
    note_parameters(row, parameters, whole=True)
    if record.get("stream") is True:
        row["stream"] = True
    _note_outcome(row, record)
    return {name: value for name, value in row.items() if value is not None and value != ""}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def account_of(metadata: dict[str, Any]) -> Any:
    """Whose a call is: the key's user, else its team, else the key."""
    for name in ("user_api_key_user_id", "user_api_key_team_id", "user_api_key_hash"):
        value = metadata.get(name)
        if value is not None and value not in _NOBODY:
            return value
    return None


def _conversation(record: dict[str, Any]) -> Any:
    """The session, where the client named one; else LiteLLM writes the trace's or call's own id there."""
    session = record.get("session_id")
    return None if session in (record.get("trace_id"), record.get("id"), record.get("litellm_call_id")) else session


def _note_outcome(row: dict[str, Any], record: dict[str, Any]) -> None:
    if record.get("status") == "failure":
        error = _object(record.get("error_information"))
        code = error.get("error_code")
        if isinstance(code, int) or (isinstance(code, str) and code.isdigit()):
            row["status"] = code
        row["error_type"] = error.get("error_class") or "failure"
        return
    if record.get("status") == "success":
        row["status"] = 200
    note_answer(row, record.get("response"))
