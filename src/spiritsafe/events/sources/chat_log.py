"""Request/response logs: one JSON object a line that holds the request's body and the response's.

`{"request": {...}, "response": {...}, ...}` is what a proxy or a middleware writes: the bodies as the OpenAI
(chat completions, responses, completions, embeddings) or Anthropic (messages) API has them, and beside them
whatever the writer knew: who, when, from where. Keys of the contract's names are taken as they are.
Comes from `events.sources.jsonl`; goes on to `events.validate`.
"""

from __future__ import annotations

from typing import Any, Final

from spiritsafe.events.sources.messages import asked, note_answer, note_parameters, note_usage
from spiritsafe.events.sources.records import RowFault, kind_of_json

BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "event_id": ("request_id", "id", "log_id", "uuid"),
    "time": ("timestamp", "ts", "@timestamp", "request_time", "received_at", "created_at", "started_at"),
    "account_id": ("account", "customer_id", "tenant_id", "user_id"),
    "api_key_id": ("key_id", "api_key_hash", "token_id"),
    "organization_id": ("organization", "org_id", "org"),
    "conversation_id": ("session_id", "thread_id", "conversation"),
    "client_ip": ("ip", "ip_address", "remote_addr", "client_address"),
    "country": ("country_code",),
    "user_agent": ("ua",),
    "asn": ("asn_number",),
    "status": ("status_code", "http_status"),
}
"""Contract column to the names under which such logs keep it beside the bodies; the first that is there."""

_PATHS: Final = (
    ("/chat/completions", "chat"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/embeddings", "embeddings"),
    ("/completions", "text_completion"),
)
_OBJECTS: Final = {"text_completion": "text_completion", "list": "embeddings"}
_HEADERS: Final = {
    "user-agent": "user_agent",
    "x-ratelimit-remaining-requests": "limit_remaining",
    "x-ratelimit-limit-requests": "limit_requests_per_minute",
    "anthropic-ratelimit-requests-remaining": "limit_remaining",
    "anthropic-ratelimit-requests-limit": "limit_requests_per_minute",
    "openai-organization": "organization_id",
}


def is_chat_log(record: dict[str, Any]) -> bool:
    """Whether a decoded line is of this form."""
    request = record.get("request")
    if not isinstance(request, dict):
        return False
    body = _body(request)
    return any(key in body for key in ("messages", "input", "prompt", "contents")) and "model" in body


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """One line as a contract row; extras are what stands beside the bodies and is not of the contract.

    Raises RowFault where `request` is no object.
    """
    row: dict[str, Any] = {k: v for k, v in record.items() if k not in ("request", "response", "error")}
    request = record.get("request")
    if not isinstance(request, dict):
        reason = (
            f"`request` is a JSON {kind_of_json(request)}, not an object" if "request" in record else "no `request`"
        )
        raise RowFault("events.shape", reason)
    response = record.get("response")
    body = _body(request)
    answer = _body(response) if isinstance(response, dict) else response
    for source in (request, response):
        _note_headers(row, source)
    for column, names in BESIDE.items():
        if row.get(column) is None:
            name = next((n for n in names if row.get(n) is not None), None)
            if name is not None:
                row[column] = row.pop(name)
    _note_request(row, body, record)
    _note_response(row, answer, record)
    return row


def _body(envelope: dict[str, Any]) -> dict[str, Any]:
    body = envelope.get("body")
    return body if isinstance(body, dict) else envelope


def _note_headers(row: dict[str, Any], envelope: Any) -> None:
    headers = envelope.get("headers") if isinstance(envelope, dict) else None
    if not isinstance(headers, dict):
        return
    for name, value in headers.items():
        column = _HEADERS.get(name.lower())
        if column is not None and row.get(column) is None:
            row[column] = value[0] if isinstance(value, list) and value else value


def _note_request(row: dict[str, Any], body: dict[str, Any], record: dict[str, Any]) -> None:
    row.setdefault("model", body.get("model"))
    for key in ("messages", "input", "contents", "prompt"):
        if body.get(key) is not None:
            system = next((body[k] for k in ("system", "instructions", "systemInstruction") if body.get(k)), None)
            inputs = body[key]
            if key == "prompt" or (isinstance(inputs, list) and all(isinstance(i, str) for i in inputs)):
                inputs = "\n".join(inputs) if isinstance(inputs, list) and inputs else inputs
            heard = asked(inputs, system=system)
            heard.into(row)
            break
    note_parameters(row, body, whole=True)
    metadata = body.get("metadata")
    inner_user = metadata.get("user_id") if isinstance(metadata, dict) else None
    end_user = body.get("safety_identifier") or body.get("user") or inner_user
    if end_user is not None and row.get("end_user_id") is None:
        row["end_user_id"] = end_user
    if row.get("conversation_id") is None and body.get("conversation") is not None:
        conversation = body["conversation"]
        row["conversation_id"] = conversation.get("id") if isinstance(conversation, dict) else conversation
    if row.get("operation") is None:
        row["operation"] = _operation(body, record)


def _operation(body: dict[str, Any], record: dict[str, Any]) -> str:
    request = record["request"]
    places = (record.get("endpoint"), record.get("path"), record.get("url"), request.get("url"), request.get("path"))
    for place in places:
        for ending, operation in _PATHS:
            if isinstance(place, str) and place.partition("?")[0].rstrip("/").endswith(ending):
                return operation
    response = record.get("response")
    kind = response.get("object") if isinstance(response, dict) else None
    if isinstance(kind, str) and kind in _OBJECTS:
        return _OBJECTS[kind]
    return "text_completion" if "prompt" in body and "messages" not in body else "chat"


def _note_response(row: dict[str, Any], answer: Any, record: dict[str, Any]) -> None:
    response = record.get("response")
    error = record.get("error") or (answer.get("error") if isinstance(answer, dict) else None)
    if isinstance(answer, dict):
        note_usage(row, answer.get("usage"))
        if row.get("event_id") is None:
            row["event_id"] = answer.get("id")
        if row.get("time") is None:
            row["time"] = next((answer[k] for k in ("created", "created_at") if answer.get(k) is not None), None)
    if isinstance(response, dict) and response is not answer and row.get("status") is None:
        row["status"] = next((response[k] for k in ("status_code", "status") if k in response), None)
    if error:
        kind = next((error[k] for k in ("type", "code") if error.get(k)), None) if isinstance(error, dict) else error
        row.setdefault("error_type", kind if isinstance(kind, str) else str(kind))
    elif answer is not None and row.get("response") is None:
        note_answer(row, answer)
