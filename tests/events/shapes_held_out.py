"""Tables that were written after the scores were set and were not used to set them (see decision 0020)."""

from __future__ import annotations

import json
import random

from tests.events.shapes import SHAPES, Row, Shape, body, milliseconds


def _cloudtrail(r: Row, n: int, rng: random.Random) -> Row:
    account = f"{int(r['account_id'][5:], 16) % 10**12:012d}"
    return {
        "eventVersion": "1.09", "eventTime": r["time"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "models.example.com", "eventName": "CreateCompletion", "awsRegion": "eu-west-1",
        "eventID": f"{r['event_id'][4:12]}-2222-4333-9444-{r['event_id'][4:16]}", "sourceIPAddress": r["client_ip"],
        "userAgent": r["user_agent"], "errorCode": r["error_type"],
        "userIdentity": {"type": "IAMUser", "accountId": account, "accessKeyId": r["api_key_id"], "userName": "svc"},
        "requestParameters": {"modelId": r["model"], "maxTokens": r["max_tokens"], "temperature": r["temperature"],
                              "inputText": r["prompt"], "stream": r["stream"]},
        "responseElements": {"outputText": r["response"], "stopReason": r["finish_reason"],
                             "usage": {"inputTokens": r["input_tokens"], "outputTokens": r["output_tokens"]}},
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    }  # fmt: skip


def _chinese(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "请求编号": r["event_id"], "请求时间": r["time"].strftime("%Y-%m-%d %H:%M:%S"), "账号ID": r["account_id"],
        "密钥ID": r["api_key_id"], "公司": r["organization_id"],
        "是否认证": "是" if r["organization_verified"] else "否",
        "模型名称": r["model"], "提示词": r["prompt"], "模型回复": r["response"], "系统提示词": r["system_prompt"],
        "输入token数": r["input_tokens"], "输出token数": r["output_tokens"], "客户端IP": r["client_ip"],
        "状态码": r["status"], "会话ID": r["conversation_id"], "轮次": r["turn"], "耗时": r["latency_ms"],
        "是否流式": "是" if r["stream"] else "否",
    }  # fmt: skip


def _dotted(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "trace_id": f"{n // 3:032x}", "span_id": f"{rng.getrandbits(64):016x}", "name": f"chat {r['model']}",
        "start_time_unix_nano": int(r["time"].timestamp() * 1000) * 1_000_000,
        "end_time_unix_nano": int(r["time"].timestamp() * 1000 + r["latency_ms"]) * 1_000_000,
        "attributes.gen_ai.operation.name": r["operation"], "attributes.gen_ai.request.model": r["model"],
        "attributes.gen_ai.response.id": f"chatcmpl-{r['event_id'][4:]}",
        "attributes.gen_ai.conversation.id": r["conversation_id"],
        "attributes.gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text",
        "content": r["prompt"]}]}]),
        "attributes.gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": r["response"] or ""}],
            "finish_reason": "stop"}]),
        "attributes.gen_ai.system_instructions": json.dumps([{"type": "text", "content": r["system_prompt"] or ""}]),
        "attributes.gen_ai.usage.input_tokens": r["input_tokens"],
        "attributes.gen_ai.usage.output_tokens": r["output_tokens"],
        "attributes.gen_ai.request.max_tokens": r["max_tokens"],
        "attributes.gen_ai.request.temperature": r["temperature"],
        "attributes.gen_ai.response.finish_reasons": [r["finish_reason"] or "error"],
        "attributes.client.address": r["client_ip"], "attributes.user.id": r["account_id"],
        "attributes.http.response.status_code": r["status"], "resource.service.name": "edge",
    }  # fmt: skip


def _shouty(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "Unnamed: 0": n, "TXN_UUID": f"{r['event_id'][4:12]}-2222-4333-9444-{r['event_id'][4:16]}".upper(),
        "REQ_DTTM": r["time"].strftime("%Y/%m/%d %H:%M:%S"), "CUST_NBR": float(int(r["account_id"][5:11], 16)),
        "KEY_NBR": float(int(r["api_key_id"][4:10], 16)), "MDL_CD": r["model"], "INPUT_TXT": r["prompt"],
        "OUTPUT_TXT": r["response"], "INPUT_TKN_CNT": float(r["input_tokens"]),
        "OUTPUT_TKN_CNT": float(r["output_tokens"]),
        "HTTP_STAT_CD": float(r["status"]), "SRC_IP_ADDR": r["client_ip"], "USR_AGT": r["user_agent"],
        "CTRY_CD": r["country"], "BATCH_LOAD_DT": "2026-03-06", "TEMPERATURE": r["temperature"],
    }  # fmt: skip


def _opaque(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "f_91": r["prompt"], "f_02": int(r["account_id"][5:12], 16), "f_44": r["time"].timestamp(),
        "f_17": f"{r['event_id'][4:12]}-2222-4333-9444-{r['event_id'][4:16]}", "f_63": r["conversation_id"][5:],
        "f_08": r["turn"], "f_55": r["input_tokens"], "f_21": r["output_tokens"], "f_70": r["client_ip"],
        "f_39": r["model"], "f_12": r["response"], "f_86": r["status"], "f_33": r["user_agent"],
        "f_99": round(rng.random(), 4),
    }  # fmt: skip


def _api_gateway(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "requestId": f"{r['event_id'][4:12]}-2222-4333-9444-{r['event_id'][4:16]}",
        "extendedRequestId": f"Q{n:06d}XYZ=",
        "requestTime": r["time"].strftime("%d/%b/%Y:%H:%M:%S +0000"), "requestTimeEpoch": milliseconds(r["time"]),
        "identity": {"sourceIp": r["client_ip"], "userAgent": r["user_agent"], "apiKeyId": r["api_key_id"],
        "caller": None},
        "authorizer": {"principalId": r["account_id"], "claims": {"org": r["organization_id"]}},
        "httpMethod": "POST", "resourcePath": rng.choice(("/v1/messages", "/v1/chat/completions")),
        "status": str(r["status"]), "responseLength": str(rng.randint(100, 9000)), "stage": "prod",
        "requestOverride": {"body": json.dumps(body(r))},
    }  # fmt: skip


def _envelope(r: Row, n: int, rng: random.Random) -> Row:
    action = {
        "user": {"id": r["account_id"], "plan": rng.choice(("free", "pro")), "signup_country": r["country"]},
        "session": {"id": r["conversation_id"], "ip": r["client_ip"], "ja4": r["ja4"], "ua": r["user_agent"]},
        "generation": {"engine": r["model"], "question": r["prompt"], "answer": r["response"],
                       "tokens": {"in": r["input_tokens"], "out": r["output_tokens"]}, "stopped": r["finish_reason"]},
    }  # fmt: skip
    return {
        "send_time": r["time"].isoformat(), "data": json.dumps({"action_id": n + 10_000_000,
        "action_name": "generate",
                                                                "data": action}),
    }  # fmt: skip


def _spanish(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "id_solicitud": r["event_id"], "fecha_hora": r["time"].isoformat(sep=" "), "id_cuenta": r["account_id"],
        "clave_api": r["api_key_id"], "empresa": r["organization_id"],
        "empresa_verificada": "sí" if r["organization_verified"] else "no",
        "modelo": r["model"], "pregunta": r["prompt"], "respuesta": r["response"],
        "tokens_entrada": r["input_tokens"],
        "tokens_salida": r["output_tokens"], "direccion_ip": r["client_ip"], "codigo_estado": r["status"],
        "agente_usuario": r["user_agent"], "pais": r["country"], "temperatura": r["temperature"],
        "duracion_ms": r["latency_ms"],
    }  # fmt: skip


def _edge_gateway(r: Row, n: int, rng: random.Random) -> Row:
    return {
        "id": f"01JNX{n:021d}", "created_at": r["time"].isoformat().replace("+00:00", "Z"), "provider": "workers",
        "model": r["model"], "model_type": "text", "success": r["status"] == 200, "cached": rng.random() < 0.1,
        "tokens_in": r["input_tokens"], "tokens_out": r["output_tokens"], "cost": r["output_tokens"] * 1e-6,
        "duration": int(r["latency_ms"]), "status_code": r["status"], "request_type": "chat_completion",
        "metadata": json.dumps({"customer_id": r["account_id"], "team": r["organization_id"]}),
        "request_head": json.dumps(body(r)), "cf": {"asn": r["asn"], "country": r["country"], "ja4": r["ja4"]},
        "ip": r["client_ip"], "step": 0,
    }  # fmt: skip


def _vertex(r: Row, n: int, rng: random.Random) -> Row:
    body = {"contents": [{"role": "user", "parts": [{"text": r["prompt"]}]}],
            "generationConfig": {"temperature": r["temperature"], "maxOutputTokens": r["max_tokens"],
            "candidateCount": 1}}  # fmt: skip
    if r["system_prompt"]:
        body["systemInstruction"] = {"parts": [{"text": r["system_prompt"]}]}
    reply = {"candidates": [{"content": {"role": "model", "parts": [{"text": r["response"] or ""}]},
                             "finishReason": (r["finish_reason"] or "OTHER").upper()}],
             "usageMetadata": {"promptTokenCount": r["input_tokens"],
             "candidatesTokenCount": r["output_tokens"]}}  # fmt: skip
    return {
        "logging_time": r["time"], "endpoint": "projects/9/locations/eu/endpoints/7", "deployed_model_id": r["model"],
        "request_id": str(rng.getrandbits(62)), "full_request": json.dumps(body), "full_response": json.dumps(reply),
        "metadata": {"caller_project": r["account_id"], "client": r["client_ip"]},
    }  # fmt: skip


HELD_OUT: tuple[Shape, ...] = (
    Shape("cloudtrail", _cloudtrail, {
        "event_id": "eventID", "time": "eventTime", "account_id": "userIdentity.accountId",
        "api_key_id": "userIdentity.accessKeyId", "client_ip": "sourceIPAddress", "user_agent": "userAgent",
        "error_type": "errorCode", "operation": "eventName", "model": "requestParameters.modelId",
        "max_tokens": "requestParameters.maxTokens", "temperature": "requestParameters.temperature",
        "prompt": "requestParameters.inputText", "stream": "requestParameters.stream",
        "response": "responseElements.outputText", "finish_reason": "responseElements.stopReason",
        "input_tokens": "responseElements.usage.inputTokens",
        "output_tokens": "responseElements.usage.outputTokens"}),
    Shape("chinese", _chinese, {
        "event_id": "请求编号", "time": "请求时间", "account_id": "账号ID", "api_key_id": "密钥ID",
        "organization_id": "公司",
        "organization_verified": "是否认证", "model": "模型名称", "prompt": "提示词", "response": "模型回复",
        "system_prompt": "系统提示词", "input_tokens": "输入token数", "output_tokens": "输出token数",
        "client_ip": "客户端IP", "status": "状态码", "conversation_id": "会话ID", "turn": "轮次",
        "stream": "是否流式"},
        language="zh"),
    Shape("dotted", _dotted, {
        "event_id": "attributes.gen_ai.response.id", "time": "start_time_unix_nano",
        "operation": "attributes.gen_ai.operation.name", "model": "attributes.gen_ai.request.model",
        "conversation_id": "attributes.gen_ai.conversation.id",
        "prompt": ("attributes.gen_ai.input.messages", "last_user_message"),
        "turn": ("attributes.gen_ai.input.messages", "turn_of_messages"),
        "response": ("attributes.gen_ai.output.messages", "response_text"),
        "system_prompt": ("attributes.gen_ai.system_instructions", "text"),
        "input_tokens": "attributes.gen_ai.usage.input_tokens",
        "output_tokens": "attributes.gen_ai.usage.output_tokens",
        "max_tokens": "attributes.gen_ai.request.max_tokens", "temperature": "attributes.gen_ai.request.temperature",
        "finish_reason": ("attributes.gen_ai.response.finish_reasons", "first"),
        "client_ip": "attributes.client.address", "account_id": "attributes.user.id",
        "status": "attributes.http.response.status_code"}),
    Shape("shouty", _shouty, {
        "event_id": "TXN_UUID", "time": "REQ_DTTM", "account_id": "CUST_NBR", "api_key_id": "KEY_NBR",
        "model": "MDL_CD",
        "prompt": "INPUT_TXT", "response": "OUTPUT_TXT", "input_tokens": "INPUT_TKN_CNT",
        "output_tokens": "OUTPUT_TKN_CNT", "status": "HTTP_STAT_CD", "client_ip": "SRC_IP_ADDR",
        "user_agent": "USR_AGT",
        "country": "CTRY_CD", "temperature": "TEMPERATURE"}),
    Shape("opaque", _opaque, {
        "prompt": "f_91", "account_id": "f_02", "time": "f_44", "event_id": "f_17", "conversation_id": "f_63",
        "turn": "f_08", "input_tokens": "f_55", "output_tokens": "f_21", "client_ip": "f_70", "model": "f_39",
        "response": "f_12", "status": "f_86", "user_agent": "f_33"}),
    Shape("api_gateway", _api_gateway, {
        "event_id": "requestId", "time": "requestTimeEpoch", "client_ip": "identity.sourceIp",
        "user_agent": "identity.userAgent", "api_key_id": "identity.apiKeyId", "account_id": "authorizer.principalId",
        "organization_id": "authorizer.claims.org", "operation": "resourcePath", "status": "status",
        "model": "requestOverride.body.model", "prompt": ("requestOverride.body.messages", "last_user_message"),
        "system_prompt": ("requestOverride.body.messages", "system_message"),
        "turn": ("requestOverride.body.messages", "turn_of_messages"),
        "temperature": "requestOverride.body.temperature",
        "max_tokens": "requestOverride.body.max_tokens", "stream": "requestOverride.body.stream",
        "tools": ("requestOverride.body.tools", "present"),
        "tool_schema_hash": ("requestOverride.body.tools", "hash64")}),
    Shape("envelope", _envelope, {
        "time": "send_time", "event_id": "data.action_id", "account_id": "data.data.user.id",
        "conversation_id": "data.data.session.id", "client_ip": "data.data.session.ip",
        "ja4": "data.data.session.ja4",
        "user_agent": "data.data.session.ua", "model": "data.data.generation.engine",
        "prompt": "data.data.generation.question", "response": "data.data.generation.answer",
        "input_tokens": "data.data.generation.tokens.in", "output_tokens": "data.data.generation.tokens.out",
        "finish_reason": "data.data.generation.stopped"}),
    Shape("spanish", _spanish, {
        "event_id": "id_solicitud", "time": "fecha_hora", "account_id": "id_cuenta", "api_key_id": "clave_api",
        "organization_id": "empresa", "organization_verified": "empresa_verificada", "model": "modelo",
        "prompt": "pregunta", "response": "respuesta", "input_tokens": "tokens_entrada",
        "output_tokens": "tokens_salida",
        "client_ip": "direccion_ip", "status": "codigo_estado", "user_agent": "agente_usuario", "country": "pais",
        "temperature": "temperatura"}),
    Shape("edge_gateway", _edge_gateway, {
        "event_id": "id", "time": "created_at", "model": "model", "input_tokens": "tokens_in",
        "output_tokens": "tokens_out", "status": "status_code", "operation": "request_type",
        "account_id": "metadata.customer_id", "organization_id": "metadata.team",
        "prompt": ("request_head.messages", "last_user_message"),
        "system_prompt": ("request_head.messages", "system_message"),
        "turn": ("request_head.messages", "turn_of_messages"), "temperature": "request_head.temperature",
        "max_tokens": "request_head.max_tokens", "stream": "request_head.stream",
        "tools": ("request_head.tools", "present"), "tool_schema_hash": ("request_head.tools", "hash64"),
        "asn": "cf.asn", "country": "cf.country", "ja4": "cf.ja4", "client_ip": "ip"}),
    Shape("vertex", _vertex, {
        "event_id": "request_id", "time": "logging_time", "model": "deployed_model_id",
        "account_id": "metadata.caller_project", "client_ip": "metadata.client",
        "prompt": ("full_request.contents", "last_user_message"),
        "turn": ("full_request.contents", "turn_of_messages"),
        "system_prompt": ("full_request.systemInstruction.parts", "text"),
        "temperature": "full_request.generationConfig.temperature",
        "max_tokens": "full_request.generationConfig.maxOutputTokens",
        "choice_count": "full_request.generationConfig.candidateCount",
        "response": ("full_response.candidates", "response_text"),
        "finish_reason": "full_response.candidates.0.finishReason",
        "input_tokens": "full_response.usageMetadata.promptTokenCount",
        "output_tokens": "full_response.usageMetadata.candidatesTokenCount"}),
)  # fmt: skip
ALL: tuple[Shape, ...] = (*SHAPES, *HELD_OUT)
