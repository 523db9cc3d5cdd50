"""Answers on their way back: however the network cuts them, the same leaves; and nothing of what is withheld."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.guard.gateways.answers import AnswerFilter, UsageCounter
from spiritsafe.guard.gateways.degrading import degraded_request, without_reasoning
from spiritsafe.guard.gateways.exchanges import BodyError, body_of, endpoint_of, request_of
from tests.guard.upstream import THOUGHT, USAGE, WORDS, _chat, _messages, _responses

WITHHOLD = ("withhold_reasoning",)
BODY = {"model": "m-1"}


def stream_of(make) -> bytes:
    events = [(name, event if isinstance(event, str) else json.dumps(event)) for name, event in make(BODY)[1]]
    return "".join((f"event: {name}\n" if name else "") + f"data: {text}\n\n" for name, text in events).encode()


def cut(data: bytes, places) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def filtered(pieces, *, stream=True) -> bytes:
    kept = AnswerFilter(WITHHOLD, stream=stream)
    return b"".join(kept.feed(piece) for piece in pieces) + kept.end()


@pytest.mark.parametrize("make", [_chat, _messages, _responses])
@given(places=st.lists(st.integers(0, 10_000), max_size=12))
def test_where_a_stream_is_cut_makes_no_difference(make, places):
    data = stream_of(make)
    whole = filtered([data])
    assert filtered(cut(data, places)) == whole
    assert not any(word.strip().encode() in whole for word in THOUGHT)
    assert all(json.dumps(word)[1:-1].encode() in whole for word in WORDS)


@pytest.mark.parametrize("make", [_chat, _messages, _responses])
@given(places=st.lists(st.integers(0, 10_000), max_size=5))
def test_a_whole_answer_leaves_when_it_has_ended(make, places):
    data = json.dumps(make(BODY)[0]).encode()
    left = json.loads(filtered(cut(data, places), stream=False))
    assert left == without_reasoning(make(BODY)[0])
    assert "recall" not in json.dumps(left)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_both_ways_to_end_a_line_are_read(end):
    data = stream_of(_chat).replace(b"\n", end.encode())
    assert b"recall" not in filtered([data])


@given(st.binary(max_size=300))
def test_what_cannot_be_read_does_not_leave_where_reasoning_is_withheld(data):
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if answer is None:
        assert filtered([data], stream=False) == b""
    filtered([b"data: " + data + b"\n\n"])  # whatever it is, it does not fail


def test_an_answer_that_nothing_is_withheld_of_passes_byte_for_byte():
    untouched = AnswerFilter(("no_logprobs",), stream=True)
    data = stream_of(_chat)
    assert untouched.feed(data) + untouched.end() == data


@pytest.mark.parametrize(
    ("make", "stream"), [(_chat, False), (_chat, True), (_messages, False), (_messages, True), (_responses, True)]
)
@given(places=st.lists(st.integers(0, 10_000), max_size=12))
def test_use_is_counted_however_it_comes(make, stream, places):
    data = stream_of(make) if stream else json.dumps(make(BODY)[0]).encode()
    counter = UsageCounter()
    for piece in cut(data, places):
        counter.feed(piece)
    wanted = {"input_tokens": USAGE["prompt_tokens"], "output_tokens": USAGE["completion_tokens"]}
    assert counter.usage() == wanted


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["model", "messages", "prompt", "input", "system", "user", "metadata", "n", "max_tokens", "temperature", "tools",
     "logprobs", "logit_bias", "stream", "thinking", "reasoning", "functions", "choices", "content", "output"]
)  # fmt: skip


@given(st.dictionaries(KEYS, VALUES, max_size=8), st.sampled_from(["/v1/messages", "/v1/responses", "/v1/completions"]))
def test_any_body_is_read_without_fail(body, path):
    endpoint = endpoint_of(path)
    assert endpoint is not None
    read = request_of(endpoint, body, account_id="a", time_us=1)
    assert read.prompt is None or isinstance(read.prompt, str)
    degraded_request(body, endpoint, ("no_logprobs", "no_logit_bias", "limit_tokens"), 10)
    without_reasoning(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_an_error(data):
    try:
        assert isinstance(body_of(data), dict)
    except BodyError:
        return


@given(st.text(max_size=60))
def test_any_path_is_told(path):
    endpoint_of(path)


@pytest.mark.parametrize(
    ("path", "given_", "limited"),
    [
        ("/v1/chat/completions", {}, {"max_tokens": 7}),
        ("/v1/chat/completions", {"max_completion_tokens": 3}, {"max_completion_tokens": 3}),
        ("/v1/messages", {"max_tokens": 900}, {"max_tokens": 7}),
        ("/v1/responses", {}, {"max_output_tokens": 7}),
        ("/v1/completions", {"max_tokens": "many"}, {"max_tokens": 7}),
        ("/v1/embeddings", {}, {}),
    ],
)
def test_tokens_are_limited_in_each_apis_own_way(path, given_, limited):
    endpoint = endpoint_of(path)
    assert endpoint is not None
    assert degraded_request({"model": "m", **given_}, endpoint, ("limit_tokens",), 7) == {"model": "m", **limited}


def test_nothing_of_a_request_is_changed_but_what_is_named():
    endpoint = endpoint_of("/v1/chat/completions")
    assert endpoint is not None
    body = {"model": "m", "messages": [], "logprobs": True, "logit_bias": {"1": 1}, "n": 3}
    kept = {key: value for key, value in body.items() if key != "logprobs"}
    assert degraded_request(body, endpoint, ("no_logprobs",), 0) == kept
