"""Answers of each API held against their reasoning: an honest one leaves as it was, its calls of tools too; one that
carries its reasoning ends, wherever in it that stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.guard.gateways.answers import AnswerFilter
from spiritsafe.guard.gateways.leaking import LeakFilter
from tests.guard.test_answers import BODY, VALUES, cut, stream_of
from tests.guard.upstream import SECRET, WORDS, _chat, _messages, _responses, pieces

MEASURES = ("withhold_reasoning", "check_leaks")
HONEST = '{"city": "Oslo", "days": [1, 2, 3]}'
TELLTALE = json.dumps({"query": SECRET})


def filtered(data, *, stream=True, measures=MEASURES):
    one = AnswerFilter(measures, stream=stream, prompt="What is six times seven?")
    return b"".join(one.feed(piece) for piece in data) + one.end(), one.leak


@pytest.mark.parametrize("make", [_chat, _messages, _responses])
@given(places=st.lists(st.integers(0, 10_000), max_size=12))
def test_an_honest_stream_leaves_as_it_does_without_a_look_at_it(make, places):
    data = stream_of(make)
    assert filtered(cut(data, places)) == filtered([data], measures=MEASURES[:1])


@pytest.mark.parametrize("make", [_chat, _messages, _responses])
def test_an_honest_answer_leaves_as_it_does_without_a_look_at_it(make):
    data = [json.dumps(make(BODY)[0]).encode()]
    assert filtered(data, stream=False) == filtered(data, stream=False, measures=MEASURES[:1])


def chat_calls(arguments):
    """A stream and a whole answer of OpenAI's chat that call a tool."""

    def chunk(delta, reason=None):
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def call(**function):
        return {"tool_calls": [{"index": 0, "function": function}]}

    begins = {
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]
    }
    events = [
        *(chunk({"reasoning": part}) for part in pieces(SECRET)),
        chunk(begins),
        *(chunk(call(arguments=part)) for part in pieces(arguments)),
        chunk({}, "tool_calls"),
    ]
    function = {"name": "f", "arguments": arguments}
    message = {
        "content": None,
        "reasoning": SECRET,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    return events, {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def arguments_of(events):
    return "".join(
        call["function"].get("arguments", "")
        for event in events
        for call in event["choices"][0]["delta"].get("tool_calls", ())
    )


def test_openais_calls_of_tools_leave_whole_or_end():
    for arguments, leaks in ((HONEST, False), (TELLTALE, True)):
        events, answer = chat_calls(arguments)
        one, other = LeakFilter(""), LeakFilter("")
        left = [told for event in events for told in one.event(event)]
        whole = other.whole(answer)["choices"][0]
        reasons = {left[-1]["choices"][0]["finish_reason"], whole["finish_reason"]}
        assert (one.leak is not None, other.leak is not None) == (leaks, leaks)
        if leaks:
            assert len(arguments_of(left)) < 60
            assert reasons == {"content_filter"}
            assert "tool_calls" not in whole["message"]
        else:
            assert arguments_of(left) == arguments
            assert reasons == {"tool_calls"}
            assert whole["message"]["tool_calls"] == answer["choices"][0]["message"]["tool_calls"]


def test_anthropics_calls_of_tools_leave_whole_or_end():
    for arguments, leaks in ((HONEST, False), (TELLTALE, True)):
        block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in pieces(arguments)]
        events: list[dict[str, Any]] = [
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": SECRET}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": block},
            *({"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": 1},
            {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "Done."}},
            {"type": "content_block_stop", "index": 2},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        ]
        answer = {
            "content": [{"type": "thinking", "thinking": SECRET}, {**block, "input": json.loads(arguments)}],
            "stop_reason": "tool_use",
        }
        one, other = LeakFilter(""), LeakFilter("")
        left = [told for event in events for told in one.event(event)]
        whole = other.whole(answer)
        reason = "refusal" if leaks else "tool_use"
        assert (left[-1]["delta"]["stop_reason"], whole["stop_reason"]) == (reason, reason)
        said = "".join(
            event["delta"].get("partial_json", "") for event in left if event.get("index") == 1 and "delta" in event
        )
        if leaks:
            assert len(said) < 60
            assert whole["content"][1]["input"] == {}
            assert not [event for event in left if event.get("index") == 2]  # what comes after, does not
        else:
            assert (said, whole) == (arguments, answer)


def test_openais_responses_that_call_functions_leave_whole_or_end():
    for arguments, leaks in ((HONEST, False), (TELLTALE, True)):
        call = {"type": "function_call", "id": "fc_1", "name": "f", "arguments": arguments}
        at = {"output_index": 1, "item_id": "fc_1"}
        kind = "response.function_call_arguments"
        thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": SECRET}]}
        answer = {"status": "completed", "output": [thought, call]}
        events: list[dict[str, Any]] = [
            {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": SECRET},
            *({"type": f"{kind}.delta", **at, "delta": part} for part in pieces(arguments)),
            {"type": f"{kind}.done", **at, "arguments": arguments},
            {"type": "response.output_item.done", "output_index": 1, "item": call},
            {"type": "response.completed", "response": answer},
        ]
        one, other = LeakFilter(""), LeakFilter("")
        left = [told for event in events for told in one.event(event)]
        whole = other.whole(answer)
        said = "".join(event["delta"] for event in left if event["type"] == f"{kind}.delta")
        told = {
            event.get("arguments") or event["item"]["arguments"]
            for event in left if event["type"] in {f"{kind}.done", "response.output_item.done"}
        }  # fmt: skip
        assert told == {said}  # the last word is what came before it
        assert (said == arguments) is not leaks
        for response in (left[-1]["response"], whole):
            assert response["status"] == ("incomplete" if leaks else "completed")
        assert left[-1]["response"]["output"][-1]["arguments"] == said
        told_whole = whole["output"][-1]["arguments"]
        assert len(told_whole) < 20 if leaks else told_whole == arguments
        assert (left[-1]["type"] == "response.incomplete") is leaks


def test_each_choice_is_held_against_its_own_reasoning():
    choices = [
        {"index": 0, "message": {"content": SECRET, "reasoning": SECRET}, "finish_reason": "stop"},
        {"index": 1, "message": {"content": SECRET, "reasoning": "I say what I was told to."}, "finish_reason": "stop"},
    ]
    one = LeakFilter("")
    first, second = one.whole({"choices": choices})["choices"]
    assert (first["finish_reason"], second["finish_reason"]) == ("content_filter", "stop")
    assert (first["message"]["content"], second["message"]["content"]) == ("", SECRET)


def test_parts_of_a_message_are_read_too():
    parts = [{"type": "text", "text": "".join(WORDS)}, {"type": "text", "text": SECRET}]
    answer = {"choices": [{"index": 0, "message": {"content": parts, "reasoning": SECRET}, "finish_reason": "stop"}]}
    left = LeakFilter("").whole(answer)["choices"][0]
    assert [part["text"] for part in left["message"]["content"]] == ["".join(WORDS), ""]
    assert left["finish_reason"] == "content_filter"


EVENTS = st.dictionaries(
    st.sampled_from(["type", "choices", "delta", "index", "response", "item", "part", "output_index", "content_index",
                     "content", "output", "message", "arguments", "text"]), VALUES, max_size=6)  # fmt: skip
TYPES = st.sampled_from(
    ["response.output_text.delta", "response.output_text.done", "response.output_item.done", "response.completed",
     "response.content_part.done", "content_block_delta", "content_block_stop", "message_delta",
     "response.reasoning_text.delta"])  # fmt: skip


@pytest.mark.parametrize("at", [None, "1", [1], {"a": 1}, 1.5])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_start", "content_block": {}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop"},
        {"type": "response.output_text.delta", "delta": "Hello"},
        {"type": "response.output_text.done", "text": "Hello"},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "{}"}}]}, "finish_reason": "stop"}]},
    ],
)
def test_a_place_that_is_no_number_is_the_first(event, at):
    places = {"index": at, "output_index": at, "content_index": at}
    event = {**event, **places, "choices": [{**one, "index": at} for one in event.get("choices", ())]}
    one = LeakFilter("")
    assert list(one.event(event))[-1]["index"] == at
    assert list(one.event({**event, "index": 0}))


@given(st.lists(st.tuples(EVENTS, TYPES), max_size=4))
def test_any_event_is_read_without_fail(events):
    one = LeakFilter("")
    for event, kind in events:
        list(one.event(event))
        list(one.event({**event, "type": kind}))
        one.whole(event)
        list(one.event({"choices": [event, {"delta": event, "message": event}]}))
        one.whole({"choices": [{"message": event}], "index": event})
