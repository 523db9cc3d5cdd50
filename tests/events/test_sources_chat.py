"""Request/response logs of the OpenAI and Anthropic shapes: what was newly asked, by whom, with what."""

import json
from pathlib import Path
from typing import Any

import pytest

from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.errors import MissingColumnsError
from spiritsafe.events.sources.messages import asked, tool_schema_hash
from spiritsafe.events.transforms import TRANSFORMS
from tests.events.source_rows import START, options, read_all, write_lines

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
WHO = {"time": "2026-04-01T12:00:00Z", "account_id": "acct-1"}


def read_one(path: Path, record: dict[str, Any], **more: Any) -> dict[str, Any]:
    table, rejected, source = read_all(write_lines(path / "log", [{**WHO, **record}]), **more)
    assert rejected == []
    assert source.format == "chat"
    (row,) = table.to_pylist()
    return {name: value for name, value in row.items() if value is not None}


def openai(messages: list[Any], **request: Any) -> dict[str, Any]:
    answer = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "An answer."}}
    return {
        "request": {"model": "gpt-x", "messages": messages, **request},
        "response": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1775044800, "choices": [answer],
                     "usage": {"prompt_tokens": 11, "completion_tokens": 7}},
    }  # fmt: skip


def test_a_chat_completion(tmp_path: Path):
    history = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "First question"},
        {"role": "assistant", "content": "First answer"},
        {"role": "user", "content": [
            {"type": "text", "text": "Second question,"}, {"type": "image_url", "image_url": {"url": "data:..."}},
            {"type": "text", "text": "with a picture"}]},
    ]  # fmt: skip
    record = openai(
        history,
        temperature=0.2,
        max_completion_tokens=99,
        n=3,
        logprobs=True,
        logit_bias={"5": -100},
        tools=[TOOL],
        stream=True,
        reasoning_effort="high",
        safety_identifier="u-1",
        user="old",
    )
    row = read_one(tmp_path, {**record, "request_id": "req-9", "ip": "192.0.2.1", "status_code": 200, "tier": "gold"})
    assert row == {
        "event_id": "req-9",
        "time": START,
        "account_id": "acct-1",
        "end_user_id": "u-1",
        "turn": 1,
        "operation": "chat",
        "model": "gpt-x",
        "prompt": "Second question,\nwith a picture",
        "system_prompt": "Be brief.",
        "response": "An answer.",
        "tool_schema_hash": tool_schema_hash([TOOL]),
        "image_count": 1,
        "input_tokens": 11,
        "output_tokens": 7,
        "max_tokens": 99,
        "temperature": pytest.approx(0.2),
        "choice_count": 3,
        "logprobs": True,
        "logit_bias": True,
        "tools": True,
        "stream": True,
        "reasoning": True,
        "finish_reason": "stop",
        "refused": False,
        "status": 200,
        "client_ip": "192.0.2.1",
        "tier": "gold",
    }


def test_what_a_whole_request_does_not_ask_for_is_false_not_unknown(tmp_path: Path):
    row = read_one(tmp_path, openai([{"role": "user", "content": "Hi"}]))
    asked_for = ("logprobs", "logit_bias", "tools", "stream", "reasoning")
    assert {name: row[name] for name in asked_for} == dict.fromkeys(asked_for, False)
    assert not {"temperature", "max_tokens", "choice_count", "assistant_prefill", "tool_schema_hash"} & row.keys()
    assert row["event_id"] == "chatcmpl-1"


def test_tool_results_are_not_the_prompt(tmp_path: Path):
    loop = [
        {"role": "user", "content": "What is the weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "w", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rainy"},
    ]
    assert read_one(tmp_path, openai(loop))["prompt"] == "What is the weather?"
    anthropic = [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "w", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "rainy"}]}],
        },
    ]
    heard = asked(anthropic)
    assert (heard.prompt, heard.turn) == ("What is the weather?", 0)


def test_the_responses_api(tmp_path: Path):
    record = {
        "request": {
            "model": "gpt-x", "instructions": "Be kind.", "max_output_tokens": 50, "reasoning": {"effort": "low"},
            "conversation": {"id": "conv_1"},
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"},
                                                                        {"type": "input_image", "image_url": "x"}]},
                      {"type": "function_call_output", "call_id": "c", "output": "42"}],
        },
        "response": {
            "id": "resp_1", "object": "response", "created_at": 1775044800, "status": "completed",
            "output": [{"type": "reasoning", "summary": []},
                       {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}],
            "usage": {"input_tokens": 5, "output_tokens": 2},
        },
    }  # fmt: skip
    row = read_one(tmp_path, record)
    wanted = {"event_id": "resp_1", "prompt": "Hello", "system_prompt": "Be kind.", "response": "Hi.", "image_count": 1,
              "conversation_id": "conv_1", "max_tokens": 50, "reasoning": True, "finish_reason": "completed",
              "input_tokens": 5, "output_tokens": 2, "refused": False, "operation": "chat"}  # fmt: skip
    assert {name: row.get(name) for name in wanted} == wanted
    record["request"]["input"] = "Only text"
    assert read_one(tmp_path, record)["prompt"] == "Only text"


def test_the_messages_api_of_anthropic(tmp_path: Path):
    record = {
        "request": {
            "model": "claude-x",
            "max_tokens": 300,
            "system": [{"type": "text", "text": "You are terse."}],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "metadata": {"user_id": "u-77"},
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {}}, {"type": "text", "text": "What is this?"}],
                },
                {"role": "assistant", "content": "It is a"},
            ],
        },
        "response": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "stop_reason": "end_turn",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": " cat."}],
            "usage": {
                "input_tokens": 10,
                "output_tokens": 4,
                "cache_read_input_tokens": 90,
                "cache_creation_input_tokens": 5,
            },
        },
    }
    row = read_one(tmp_path, record)
    wanted = {
        "event_id": "msg_1",
        "prompt": "What is this?",
        "system_prompt": "You are terse.",
        "reasoning": True,
        "assistant_prefill": "It is a",
        "response": " cat.",
        "end_user_id": "u-77",
        "image_count": 1,
        "turn": 0,
        "max_tokens": 300,
        "input_tokens": 105,
        "output_tokens": 4,
        "finish_reason": "end_turn",
    }
    assert {name: row.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("response", "refused", "source", "text"),
    [
        (
            {"choices": [{"message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}]},
            True,
            "model",
            "I can't.",
        ),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}, True, "filter", ""),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]}, True, "model", "No."),
        ({"content": [], "stop_reason": "refusal"}, True, "model", None),
        ({"choices": [{"text": "plain", "finish_reason": "length"}]}, False, None, "plain"),
        ({"candidates": [{"content": {"parts": [{"text": "gem"}]}, "finishReason": "SAFETY"}]}, True, "filter", "gem"),
    ],
)
def test_refusals_are_told_apart(
    tmp_path: Path, response: dict[str, Any], refused: bool, source: str | None, text: str | None
):
    row = read_one(tmp_path, {"request": {"model": "m", "messages": []}, "response": response, "id": "e"})
    assert (row["refused"], row.get("refusal_source"), row.get("response")) == (refused, source, text)


def test_a_limited_request_is_kept_with_its_error(tmp_path: Path):
    record = {
        "request": {
            "headers": {"User-Agent": "sdk/1", "X-Forwarded-For": "10.0.0.1"},
            "url": "https://h/v1/chat/completions",
            "body": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
        },
        "response": {
            "status_code": 429,
            "headers": {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": ["0"]},
            "body": {"error": {"type": "rate_limit_error", "message": "slow"}},
        },
        "id": "r-1",
    }
    row = read_one(tmp_path, record)
    wanted = {"status": 429, "error_type": "rate_limit_error", "user_agent": "sdk/1", "limit_requests_per_minute": 60,
              "limit_remaining": 0, "operation": "chat", "event_id": "r-1"}  # fmt: skip
    assert {name: row.get(name) for name in wanted} == wanted
    assert "refused" not in row
    assert "client_ip" not in row  # which entry of X-Forwarded-For to believe only the operator knows


@pytest.mark.parametrize(
    ("request_", "more", "operation", "prompt"),
    [
        ({"prompt": "Once upon"}, {}, "text_completion", "Once upon"),
        ({"prompt": ["a", "b"]}, {}, "text_completion", "a\nb"),
        ({"input": ["to embed", "this"]}, {"endpoint": "/v1/embeddings"}, "embeddings", "to embed\nthis"),
        ({"input": "to embed"}, {"response": {"object": "list", "data": []}}, "embeddings", "to embed"),
        ({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}, {}, "chat", "hello"),
    ],
)
def test_other_operations(tmp_path: Path, request_: dict[str, Any], more: dict[str, Any], operation: str, prompt: str):
    row = read_one(tmp_path, {"request": {"model": "m", **request_}, "response": None, "id": "e", **more})
    assert (row["operation"], row["prompt"]) == (operation, prompt)


def test_a_log_without_ids_numbers_its_rows_the_same_wherever_it_lies(tmp_path: Path):
    record = {"request": {"model": "m", "messages": [{"role": "user", "content": "x"}]}, "response": {"choices": []}}
    write_lines(tmp_path / "one", [{**WHO, **record}] * 2)
    (tmp_path / "other").write_bytes((tmp_path / "one").read_bytes())
    ids = read_all(tmp_path / "one")[0]["event_id"].to_pylist()
    assert len(set(ids)) == 2
    assert ids == read_all(tmp_path / "other")[0]["event_id"].to_pylist()


def test_a_log_that_names_no_account_asks_for_a_mapping_and_takes_it(tmp_path: Path):
    record = {**openai([{"role": "user", "content": "Hi"}]), "time": "2026-04-01T12:00:00Z", "tenant": {"code": "t-5"}}
    path = write_lines(tmp_path / "log", [record])
    with pytest.raises(MissingColumnsError, match="account_id"):
        open_source(path, options())
    mapping = parse_mapping(
        '[requests.account_id]\nfrom = "tenant.code"\n[requests.end_user_id]\nfrom = "request.model"\n'
    )
    (row,) = read_all(path, mapping=mapping)[0].to_pylist()
    assert (row["account_id"], row["prompt"], row["event_id"]) == ("t-5", "Hi", "chatcmpl-1")


def test_texts_that_a_logger_withheld_are_not_everyones_template(tmp_path: Path):
    row = read_one(tmp_path, openai([{"role": "user", "content": "redacted-by-litellm"}]))
    assert "prompt" not in row


def test_a_mapping_and_the_reader_hash_tools_to_the_same_number():
    for tools in ([TOOL], [{"b": 1, "a": [2, {"d": "ü", "c": None}]}]):
        assert TRANSFORMS["hash64"].apply(tools, 1) == tool_schema_hash(tools)
        assert TRANSFORMS["hash64"].apply(json.dumps(tools), 1) == tool_schema_hash(tools)


def test_a_mapping_and_the_reader_find_the_same_prompt_in_a_request():
    requests: list[Any] = [
        [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
         {"role": "user", "content": [{"type": "text", "text": "c"}]}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "Sure"}],
    ]  # fmt: skip
    for messages in requests:
        heard = asked(messages)
        names = {
            "last_user_message": heard.prompt,
            "system_message": heard.system_prompt,
            "turn_of_messages": heard.turn,
            "assistant_prefill": heard.assistant_prefill,
            "count_images": heard.image_count,
        }
        assert {name: TRANSFORMS[name].apply(messages, 1) for name in names} == names


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (None, "`request` is a JSON null, not an object"),
        ("notjson", "`request` is a JSON string, not an object"),
        ([1], "`request` is a JSON array, not an object"),
        (..., "no `request`"),
    ],
)
def test_a_record_without_a_request_body_is_refused_by_the_name_of_the_field(
    tmp_path: Path, request_: Any, reason: str
):
    good = {**WHO, **openai([{"role": "user", "content": "hello"}])}
    bad = {**good, "request": request_}
    if request_ is ...:
        del bad["request"]
    table, rejected, _ = read_all(write_lines(tmp_path / "log", [good, bad]))
    assert table.num_rows == 1
    assert [(one.code, one.reason) for one in rejected] == [("events.shape", reason)]
