"""The doors, called by the real clients: what passes passes unchanged, what is refused is refused in the API's own
words."""

from __future__ import annotations

import json
import threading
import time

import anthropic
import openai
import pytest

from spiritsafe.guard.gateways.callers import Trust
from spiritsafe.guard.gateways.door import Door, DoorOptions
from tests.guard.clients import ANSWER, BODY, REASONING, TRUST, anthropic_of, chat, message, openai_of, raw
from tests.guard.guards import RULES, TEMPLATE, guard_of, policy
from tests.guard.upstream import WORDS, Upstream, guarded, running

ADDRESS = {"X-Forwarded-For": "6.6.6.6, 192.0.2.1"}


def test_openais_client_gets_its_answer(place):
    address, upstream, door = place()
    with openai_of(address) as client:
        answer = chat(client, logprobs=True)
        assert answer.choices[0].message.content == ANSWER
        assert answer.choices[0].message.reasoning_content == REASONING
        assert [model.id for model in client.models.list()] == ["m-1"]
        assert client.responses.create(model="m-1", input="Hello").output_text == ANSWER
    assert upstream.bodies[0]["logprobs"] is True
    assert door.counts["acted_allow"] == 2


def test_openais_client_streams(place):
    address, _, door = place()
    with openai_of(address) as client:
        chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
        said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert (said, chunks[-1].usage.completion_tokens) == (ANSWER, 7)
        with client.responses.stream(model="m-1", input="Hello") as stream:
            assert stream.get_final_response().output_text == ANSWER
    assert door.counts["acted_allow"] == 2


def test_anthropics_client_gets_its_answer_and_streams(place):
    address, _, _ = place()
    with anthropic_of(address) as client:
        answer = message(client)
        assert [block.type for block in answer.content] == ["thinking", "text"]
        with client.messages.stream(model="m-1", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]) as stream:
            final = stream.get_final_message()
    assert (final.content[0].thinking, final.content[1].text) == (REASONING, ANSWER)
    assert final.usage.output_tokens == 7


def test_a_member_is_blocked_in_the_words_of_the_api(place):
    address, upstream, door = place()
    with openai_of(address, "member") as client, pytest.raises(openai.PermissionDeniedError) as caught:
        chat(client)
    assert caught.value.code == "request_refused"
    assert "here" in str(caught.value)  # where to appeal
    assert caught.value.response.headers["x-spiritsafe-reference"] in str(caught.value)
    with anthropic_of(address, "member") as client, pytest.raises(anthropic.PermissionDeniedError) as caught2:
        message(client)
    assert json.loads(caught2.value.response.text)["error"]["type"] == "permission_error"
    assert (upstream.bodies, door.counts["acted_block"]) == ([], 2)
    assert "template" not in str(caught.value) + str(caught2.value)


def test_a_newcomer_is_challenged_by_wording_and_address_together(place):
    address, upstream, _ = place()
    with openai_of(address, "new") as client:
        assert chat(client, TEMPLATE).choices[0].message.content == ANSWER
        with pytest.raises(openai.PermissionDeniedError) as caught:
            chat(client, TEMPLATE, extra_headers=ADDRESS)
    assert caught.value.code == "verification_required"
    assert len(upstream.bodies) == 1


def test_a_throttled_client_is_told_when_to_come_again(place):
    rules = '[[rule]]\nname = "slow"\nanswer = "throttle"\nfree_per_hour = 2\n'
    address, _, _ = place(policy(rules))
    with openai_of(address, "member") as client:
        for _ in range(2):
            chat(client)
        with pytest.raises(openai.RateLimitError) as caught:
            chat(client)
    assert int(caught.value.response.headers["retry-after"]) >= 1
    with anthropic_of(address, "member") as client, pytest.raises(anthropic.RateLimitError):
        message(client)


def test_in_shadow_mode_nobody_notices(place):
    address, upstream, door = place(policy(mode="shadow"))
    with openai_of(address, "member") as client:
        assert chat(client).choices[0].message.content == ANSWER
    assert (len(upstream.bodies), door.answers["block"], door.counts["acted_allow"]) == (1, 1, 1)


def test_streamed_words_pass_as_they_come(place):
    """Each word is sent only once the one before has arrived: whoever held one back would wait for ever."""
    gate = threading.Semaphore(1)
    address, _, _ = place(gate=gate)
    said = []
    with openai_of(address) as client:
        for chunk in chat(client, stream=True, timeout=60):
            said += [choice.delta.content for choice in chunk.choices if choice.delta.content]
            gate.release()
    assert said == WORDS


def test_a_forwarding_header_is_believed_as_far_as_hops_are_ours(place):
    address, _, door = place()
    with openai_of(address, "new") as client:
        spoofed = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9"}  # the campaign's address, written by the client itself
        assert chat(client, TEMPLATE, extra_headers=spoofed).choices[0].message.content == ANSWER
    assert door.counts["acted_observe"] == 1


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions/", "//v1//chat/completions", "/V1/Chat/Completions", "/v1/chat%2Fcompletions",
     "/v1/./chat/completions", "/v1/chat/completions?x=1", "/openai/deployments/d/chat/completions",
     "/v2beta/messages"],
)  # fmt: skip
def test_no_way_of_writing_the_path_leads_past_the_guard(place, path):
    address, upstream, _ = place()
    assert raw(address, BODY, path=path)[0] == 403
    assert upstream.bodies == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"a":' * 100_000, 400),
        (BODY.replace(b'"Hi"', b'"\\ud800 half a character"'), 403),
        (BODY.replace(b'"Hi"', b"NaN"), 403),
        (b"\xef\xbb\xbf" + BODY, 403),
        (BODY.replace(b'"m-1"', b"17"), 403),
        (BODY.replace(b'"Hi"', b'{"x": [[[1]]]}'), 403),
    ],
    ids=["cut", "a list", "nothing", "no text", "deep", "half a pair", "NaN", "a mark", "a model of 17", "odd content"],
)
def test_what_cannot_be_read_here_is_not_passed_on_to_be_read_otherwise(place, data, status):
    address, upstream, door = place()
    assert raw(address, data)[0] == status
    assert (upstream.bodies, door.counts["errors"]) == ([], 0)


def test_a_compressed_body_is_not_let_through_unread(place):
    address, upstream, _ = place()
    assert raw(address, BODY, headers={"content-encoding": "gzip"})[0] == 415
    assert upstream.bodies == []


def test_a_gigantic_body_is_turned_away_before_it_is_held(place):
    address, upstream, _ = place(most_body_bytes=1000)
    assert raw(address, BODY + b" " * 2000)[0] == 413
    assert upstream.bodies == []


def test_a_body_that_never_ends_is_not_waited_for(place):
    import socket

    address, upstream, _ = place(body_seconds=0.3)
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        answer = b""
        for _ in range(3):
            line.sendall(b" ")
            time.sleep(0.05)
        while b"\r\n\r\n" not in answer:
            answer += line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")
    assert upstream.bodies == []


@pytest.mark.parametrize(("fail", "status"), [("open", 200), ("closed", 503)])
def test_when_the_guard_fails_the_request_is_let_through_or_not_as_set(place, monkeypatch, fail, status):
    address, upstream, door = place(fail=fail)

    def broken(*_given):
        raise RuntimeError("no")

    monkeypatch.setattr(door.guard, "decide", broken)
    assert raw(address, BODY)[0] == status
    assert (len(upstream.bodies), door.counts["errors"]) == (int(status == 200), 1)


@pytest.mark.parametrize(("without", "status"), [("open", 200), ("closed", 401)])
def test_without_an_account_it_is_decided_on_or_turned_away_as_set(place, without, status):
    address, upstream, door = place(without_account=without)
    assert raw(address, BODY, headers={"authorization": ""})[0] == status
    assert (len(upstream.bodies), door.counts["without_account"]) == (int(status == 200), 1)


def test_an_unknown_key_is_an_account_of_its_own(place):
    address, upstream, _ = place()
    assert raw(address, BODY, headers={"authorization": "Bearer sk-nobody"})[0] == 200
    assert len(upstream.bodies) == 1


def test_a_gateways_header_says_whose_it_is(place):
    address, _, _ = place(trust=Trust(account_header="x-account"))
    assert raw(address, BODY, headers={"x-account": "core"})[0] == 403
    assert raw(address, BODY, headers={"x-account": "somebody", "x-api-key": "sk-member"})[0] == 200


def test_an_answer_of_the_server_behind_passes_as_it_is(place):
    address, _, _ = place()
    status, body = raw(address, BODY, path="/v1/embeddings", headers={"authorization": "Bearer sk-other"})
    assert (status, json.loads(body)["error"]["type"]) == (404, "not_found")


def test_a_server_that_is_gone_is_told(tmp_path):
    door = Door(guard_of(tmp_path), DoorOptions(trust=TRUST))
    with guarded(door, "http://127.0.0.1:9") as address:
        status, body = raw(address, BODY, headers={"authorization": "Bearer sk-other"})
    assert (status, json.loads(body)["error"]["code"]) == (502, "upstream")


def test_the_proxy_says_whom_it_speaks_for_and_keeps_what_is_of_one_connection(tmp_path):
    upstream = Upstream()
    door = Door(guard_of(tmp_path), DoorOptions(trust=TRUST))
    with running(upstream) as behind, guarded(door, behind) as address:
        headers = {
            "authorization": "Bearer sk-other", "x-forwarded-for": "198.51.100.1", "connection": "x-mine",
            "x-mine": "1", "x-kept": "é".encode(),
        }  # fmt: skip
        raw(address, BODY, headers=headers)
        raw(address, None, path="/v1/models?a=1%202", method="GET")
    sent = upstream.headers[0]
    assert sent["x-forwarded-for"] == "198.51.100.1, 127.0.0.1"
    assert sent["x-kept"].encode("latin-1") == "é".encode()
    assert {"x-mine"} & sent.keys() == set()
    assert sent["host"] == behind.removeprefix("http://")
    assert upstream.paths == ["/v1/chat/completions", "/v1/models"]


def test_rules_of_the_policy_hold_for_models_that_nobody_knows(place):
    address, _, _ = place(policy(RULES + '[[rule]]\nname = "x"\nanswer = "block"\nmodels = ["m-9"]\n'))
    with openai_of(address) as client:
        made = client.chat.completions.create(model="no such model", messages=[{"role": "user", "content": "Hi"}])
    assert made.choices[0].message.content == ANSWER
