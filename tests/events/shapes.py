"""Eight tables as providers really keep them, each with the truth: which column is which.

The scores of `events.scores` were set on these; `shapes_held_out` has the ones they were measured on.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tests.events.traffic import traffic

Row = dict[str, Any]
# Contract column -> path, or (path, transform). Columns that the table does not hold are absent.
Truth = dict[str, str | tuple[str, str]]


@dataclass(frozen=True)
class Shape:
    """A bespoke table: how its rows come from the contract's, and where each column went."""

    name: str
    row: Callable[[Row, int, random.Random], Row]
    truth: Truth
    language: str = "en"

    def table(self, rows: int = 1200, *, seed: int = 7) -> pa.Table:
        """The table, as Arrow infers it from the rows."""
        rng = random.Random(seed)
        made = [self.row(row, n, rng) for n, row in enumerate(traffic(rows, seed=seed, language=self.language))]
        names = list(dict.fromkeys(name for row in made for name in row))
        return pa.table({name: [row.get(name) for row in made] for name in names})


def milliseconds(time: dt.datetime) -> int:
    return int(time.timestamp() * 1000)


# --- tuned ------------------------------------------------------------------------------------------------


def _warehouse(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "req_id": r["event_id"], "ts": r["time"].isoformat(), "acct_id": r["account_id"], "key_id": r["api_key_id"],
        "org": r["organization_id"], "org_verified": "yes" if r["organization_verified"] else "no",
        "session": r["conversation_id"], "model_name": r["model"], "prompt_text": r["prompt"],
        "completion": r["response"], "sys_prompt": r["system_prompt"], "in_tok": r["input_tokens"],
        "out_tok": r["output_tokens"], "max_tok": r["max_tokens"], "temp": r["temperature"],
        "http_code": r["status"], "stop_reason": r["finish_reason"], "ip": r["client_ip"], "ua": r["user_agent"],
        "ja4": r["ja4"], "asn": r["asn"], "cc": r["country"], "latency_ms": r["latency_ms"],
        "cost_usd": r["output_tokens"] * 1.5e-5, "region": rng.choice(("eu-1", "us-2")),
    }  # fmt: skip


def _camel(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "requestId": r["event_id"], "createdAtMs": milliseconds(r["time"]),
        "completedAtMs": milliseconds(r["time"]) + int(r["latency_ms"]),
        "userId": r["account_id"], "apiKeyId": r["api_key_id"], "workspaceId": r["organization_id"],
        "threadId": r["conversation_id"], "messageIndex": r["turn"], "modelName": r["model"],
        "userMessage": r["prompt"], "assistantMessage": r["response"], "systemPrompt": r["system_prompt"],
        "promptTokens": r["input_tokens"], "completionTokens": r["output_tokens"],
        "totalTokens": r["input_tokens"] + r["output_tokens"], "isStreaming": r["stream"],
        "statusCode": r["status"], "errorCode": r["error_type"], "clientIp": r["client_ip"],
        "userAgent": r["user_agent"], "countryCode": r["country"], "costMicros": r["output_tokens"] * 15,
    }  # fmt: skip


def body(r: Row) -> Row:
    messages = [{"role": "user", "content": "Hello there, earlier question"}, {"role": "assistant", "content": "Hi."}]
    history = messages * r["turn"] + [{"role": "user", "content": [{"type": "text", "text": r["prompt"]}]}]
    if r["system_prompt"]:
        history.insert(0, {"role": "system", "content": r["system_prompt"]})
    body: Row = {"model": r["model"], "messages": history, "temperature": r["temperature"],
                 "max_tokens": r["max_tokens"],
                 "stream": r["stream"]}  # fmt: skip
    if r["tools"]:
        body["tools"] = [{"type": "function", "function": {"name": f"search_{r['asn'] % 3}", "parameters": {}}}]
    return body


def _answer(r: Row) -> Row | None:
    if r["response"] is None:
        return None
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": r["response"]},
        "finish_reason": r["finish_reason"],
    }
    usage = {"prompt_tokens": r["input_tokens"], "completion_tokens": r["output_tokens"]}
    return {"id": f"chatcmpl-{r['event_id'][4:]}", "object": "chat.completion", "choices": [choice], "usage": usage}


def _json_body(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "log_id": r["event_id"], "logged_at": r["time"].strftime("%Y-%m-%d %H:%M:%S.%f+00:00"),
        "customer": r["account_id"], "credential": r["api_key_id"], "path": "/v1/chat/completions",
        "status": r["status"], "body": json.dumps(body(r)),
        "reply": json.dumps(_answer(r)) if r["response"] else None,
        "peer": f"{r['client_ip']}:{rng.randint(1024, 65000)}", "agent": r["user_agent"],
        "bytes_out": rng.randint(200, 9000),
    }  # fmt: skip


def _obfuscated(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "c0": r["time"].isoformat().replace("+00:00", "Z"), "c1": r["event_id"][4:], "c2": r["account_id"][5:],
        "c3": r["api_key_id"][4:], "c4": r["organization_id"][4:], "c5": r["model"], "c6": r["prompt"],
        "c7": r["response"], "c8": r["system_prompt"], "c9": r["input_tokens"], "c10": r["output_tokens"],
        "c11": r["client_ip"], "c12": r["user_agent"], "c13": r["ja4"], "c14": r["status"], "c15": r["finish_reason"],
        "c16": r["latency_ms"], "c17": r["country"],
    }  # fmt: skip


def _nginx(r: Row, n: int, rng: random.Random) -> Row:
    hops = f"{rng.randint(1, 220)}.9.9.9, {r['client_ip']}" if rng.random() < 0.2 else r["client_ip"]
    return {
        "time_local": r["time"].strftime("%d/%b/%Y:%H:%M:%S +0000"), "msec": f"{r['time'].timestamp():.3f}",
        "remote_addr": rng.choice(("10.0.3.7", "10.0.3.8")), "http_x_forwarded_for": hops,
        "request_id": r["event_id"][4:], "request": "POST /v1/chat/completions HTTP/1.1", "status": str(r["status"]),
        "body_bytes_sent": rng.randint(100, 30_000), "request_time": f"{r['latency_ms'] / 1000:.3f}",
        "http_user_agent": r["user_agent"],
        "http_authorization": f"Bearer sk-live-{r['api_key_id'][4:]}{r['api_key_id'][4:]}",
        "http_x_account": r["account_id"], "ssl_ja4": r["ja4"], "request_body": json.dumps(body(r)),
    }  # fmt: skip


def _german(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "Vorgangsnummer": r["event_id"], "Zeitstempel": r["time"].strftime("%d.%m.%Y %H:%M:%S"),
        "Konto-Nr": r["account_id"], "Schlüssel-ID": r["api_key_id"], "Firma": r["organization_id"],
        "Modell": r["model"], "Eingabetext": r["prompt"], "Antworttext": r["response"],
        "Systemanweisung": r["system_prompt"], "Eingabe-Token": r["input_tokens"],
        "Ausgabe-Token": r["output_tokens"],
        "IP-Adresse": r["client_ip"], "Statuscode": r["status"], "Land": r["country"], "Dauer (ms)": r["latency_ms"],
        "Sitzung": r["conversation_id"],
    }  # fmt: skip


def _bedrock(r: Row, n: int, rng: random.Random) -> Row:
    text = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": r["max_tokens"], "system": r["system_prompt"],
            "messages": [{"role": "user", "content": [{"type": "text", "text": r["prompt"]}]}],
            "temperature": r["temperature"]}  # fmt: skip
    out = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": r["response"]}],
           "stop_reason": r["finish_reason"]} if r["response"] else None  # fmt: skip
    return {
        "schemaType": "ModelInvocationLog", "timestamp": r["time"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "accountId": f"{int(r['account_id'][5:], 16) % 10**12:012d}",
        "identity": {"arn": f"arn:aws:iam::123:user/{r['api_key_id']}"},
        "region": "us-east-1", "requestId": f"{r['event_id'][4:12]}-1111-4222-8333-{r['event_id'][4:16]}",
        "operation": "InvokeModel", "modelId": f"anthropic.{r['model']}-v1:0",
        "input": {"inputContentType": "application/json", "inputBodyJson": text,
        "inputTokenCount": r["input_tokens"]},
        "output": {"outputBodyJson": out, "outputTokenCount": r["output_tokens"]},
    }  # fmt: skip


def _spend_logs(r: Row, n: int, rng: random.Random) -> Row:
    start = r["time"].replace(tzinfo=None)
    return {
        "request_id": f"chatcmpl-{r['event_id'][4:]}", "call_type": "acompletion", "api_key": r["api_key_id"] * 3,
        "spend": r["output_tokens"] * 2e-6, "total_tokens": r["input_tokens"] + r["output_tokens"],
        "prompt_tokens": r["input_tokens"], "completion_tokens": r["output_tokens"],
        "startTime": start, "endTime": start + dt.timedelta(milliseconds=r["latency_ms"]),
        "completionStartTime": start + dt.timedelta(milliseconds=r["latency_ms"] / 3),
        "model": r["model"], "model_group": r["model"].split("-")[0], "api_base": "https://upstream.example/v1",
        "user": r["account_id"], "team_id": r["organization_id"], "end_user": f"eu{rng.randint(1, 400)}",
        "requester_ip_address": r["client_ip"], "messages": json.dumps(body(r)["messages"]),
        "response": json.dumps(_answer(r)) if r["response"] else "{}", "session_id": r["conversation_id"],
        "cache_hit": rng.choice(("True", "False")), "status": "success" if r["status"] == 200 else "failure",
        "metadata": json.dumps({"user_api_key_alias": "k", "usage_object": None}),
    }  # fmt: skip


SHAPES: tuple[Shape, ...] = (
    Shape("warehouse", _warehouse, {
        "event_id": "req_id", "time": "ts", "account_id": "acct_id", "api_key_id": "key_id", "organization_id": "org",
        "organization_verified": "org_verified", "conversation_id": "session", "model": "model_name",
        "prompt": "prompt_text", "response": "completion", "system_prompt": "sys_prompt", "input_tokens": "in_tok",
        "output_tokens": "out_tok", "max_tokens": "max_tok", "temperature": "temp", "status": "http_code",
        "finish_reason": "stop_reason", "client_ip": "ip", "user_agent": "ua", "ja4": "ja4", "asn": "asn",
        "country": "cc"}),
    Shape("camel_ms", _camel, {
        "event_id": "requestId", "time": "createdAtMs", "account_id": "userId", "api_key_id": "apiKeyId",
        "organization_id": "workspaceId", "conversation_id": "threadId", "turn": "messageIndex", "model": "modelName",
        "prompt": "userMessage", "response": "assistantMessage", "system_prompt": "systemPrompt",
        "input_tokens": "promptTokens", "output_tokens": "completionTokens", "stream": "isStreaming",
        "status": "statusCode", "error_type": "errorCode", "client_ip": "clientIp", "user_agent": "userAgent",
        "country": "countryCode"}),
    Shape("json_body", _json_body, {
        "event_id": "log_id", "time": "logged_at", "account_id": "customer", "api_key_id": "credential",
        "operation": "path", "status": "status", "model": "body.model",
        "prompt": ("body.messages", "last_user_message"),
        "system_prompt": ("body.messages", "system_message"), "turn": ("body.messages", "turn_of_messages"),
        "temperature": "body.temperature", "max_tokens": "body.max_tokens", "stream": "body.stream",
        "tools": ("body.tools", "present"), "tool_schema_hash": ("body.tools", "hash64"),
        "response": ("reply.choices", "response_text"), "finish_reason": "reply.choices.0.finish_reason",
        "input_tokens": "reply.usage.prompt_tokens", "output_tokens": "reply.usage.completion_tokens",
        "client_ip": ("peer", "without_port"), "user_agent": "agent"}),
    Shape("obfuscated", _obfuscated, {
        "time": "c0", "event_id": "c1", "account_id": "c2", "api_key_id": "c3", "organization_id": "c4",
        "model": "c5",
        "prompt": "c6", "response": "c7", "system_prompt": "c8", "input_tokens": "c9", "output_tokens": "c10",
        "client_ip": "c11", "user_agent": "c12", "ja4": "c13", "status": "c14", "finish_reason": "c15",
        "country": "c17"}),
    Shape("nginx", _nginx, {
        "time": "msec", "client_ip": ("http_x_forwarded_for", "forwarded_for"), "event_id": "request_id",
        "operation": "request", "status": "status", "user_agent": "http_user_agent",
        "api_key_id": ("http_authorization", "fingerprint"), "account_id": "http_x_account", "ja4": "ssl_ja4",
        "model": "request_body.model", "prompt": ("request_body.messages", "last_user_message"),
        "system_prompt": ("request_body.messages", "system_message"),
        "turn": ("request_body.messages", "turn_of_messages"), "temperature": "request_body.temperature",
        "max_tokens": "request_body.max_tokens", "stream": "request_body.stream",
        "tools": ("request_body.tools", "present"), "tool_schema_hash": ("request_body.tools", "hash64")}),
    Shape("german", _german, {
        "event_id": "Vorgangsnummer", "time": "Zeitstempel", "account_id": "Konto-Nr", "api_key_id": "Schlüssel-ID",
        "organization_id": "Firma", "model": "Modell", "prompt": "Eingabetext", "response": "Antworttext",
        "system_prompt": "Systemanweisung", "input_tokens": "Eingabe-Token", "output_tokens": "Ausgabe-Token",
        "client_ip": "IP-Adresse", "status": "Statuscode", "country": "Land", "conversation_id": "Sitzung"},
        language="de"),
    Shape("bedrock", _bedrock, {
        "time": "timestamp", "account_id": "accountId", "event_id": "requestId", "operation": "operation",
        "model": "modelId", "api_key_id": "identity.arn",
        "prompt": ("input.inputBodyJson.messages", "last_user_message"),
        "system_prompt": "input.inputBodyJson.system", "temperature": "input.inputBodyJson.temperature",
        "max_tokens": "input.inputBodyJson.max_tokens", "input_tokens": "input.inputTokenCount",
        "turn": ("input.inputBodyJson.messages", "turn_of_messages"), "output_tokens": "output.outputTokenCount",
        "response": ("output.outputBodyJson.content", "text"),
        "finish_reason": "output.outputBodyJson.stop_reason"}),
    Shape("spend_logs", _spend_logs, {
        "event_id": "request_id", "operation": "call_type", "api_key_id": "api_key", "time": "startTime",
        "input_tokens": "prompt_tokens", "output_tokens": "completion_tokens", "model": "model", "account_id": "user",
        "organization_id": "team_id", "end_user_id": "end_user", "client_ip": "requester_ip_address",
        "prompt": ("messages", "last_user_message"), "system_prompt": ("messages", "system_message"),
        "turn": ("messages", "turn_of_messages"), "response": ("response.choices", "response_text"),
        "finish_reason": "response.choices.0.finish_reason", "conversation_id": "session_id"}),
)  # fmt: skip
