"""Traffic whose truth is known, sent to a guard on this machine, and to no other."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.proving import model_server
from spiritsafe.proving.sending import NotHereError, SendingError, send_log
from tests.guard.clients import raw
from tests.guard.upstream import Upstream, running

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
ROWS = [
    {
        "event_id": f"e{at}", "time": START - datetime.timedelta(seconds=at), "account_id": f"a{at % 2}",
        "model": "m-1", "operation": "chat", "prompt": None if at == 5 else f"question {at}",
        "system_prompt": "Be brief.",
        "client_ip": "192.0.2.9", "user_agent": "sdk/1", "logprobs": at == 0, "max_tokens": 7,
    }
    for at in range(6)
]  # fmt: skip


@pytest.fixture
def log(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    at = table.schema.get_field_index("time")
    pq.write_table(table.set_column(at, "time", table["time"].cast(pa.timestamp("us", "UTC"))), tmp_path / "r.parquet")
    return tmp_path / "r.parquet"


def test_requests_are_sent_by_their_time_as_their_accounts_would(log):
    upstream = Upstream()
    with running(upstream) as address:
        sent = send_log(log, address)
    assert (sent.statuses, sent.stopped()) == ({200: 5}, {})
    assert {name: counts.total() for name, counts in sent.accounts.items()} == {"a0": 3, "a1": 2}
    both = zip(upstream.bodies, upstream.headers, strict=True)
    asked = {body["messages"][-1]["content"]: (body, head) for body, head in both}
    body, head = asked["question 0"]
    assert (body["messages"][0]["content"], body["logprobs"], body["max_tokens"]) == ("Be brief.", True, 7)
    assert (head["x-account"], head["x-forwarded-for"], head["user-agent"]) == ("a0", "192.0.2.9", "sdk/1")
    assert upstream.bodies[0]["messages"][-1]["content"] in {"question 4", "question 3"}


def test_only_some_accounts_or_so_many_may_be_sent(log):
    with running(Upstream()) as address:
        assert set(send_log(log, address, accounts=["a1"]).accounts) == {"a1"}
        assert send_log(log, address, limit=2).statuses.total() == 2


@pytest.mark.parametrize(
    "to", ["http://192.0.2.1:80", "https://127.0.0.1:8080", "http://model.example", "127.0.0.1:8080", "http://", ""]
)
def test_nothing_is_sent_to_another_machine(log, to):
    with pytest.raises(NotHereError, match="this machine"):
        send_log(log, to)


def test_a_log_that_cannot_be_read_and_a_guard_that_is_not_there_are_told(log, tmp_path):
    (tmp_path / "x").write_bytes(b"no parquet")
    with pytest.raises(SendingError, match="cannot read"):
        send_log(tmp_path / "x", "http://127.0.0.1:9")
    with pytest.raises(SendingError, match="nothing answers"):
        send_log(log, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b'{"model": "m-9", "messages": []}', 200),
        ("/v1/messages", b"[]", 200),
        ("/v1/chat/completions", b"{", 404),
        ("/v1/models", b"", 404),
    ],
)
def test_the_stand_in_says_the_same_to_everybody(path, body, status):
    with running(model_server.app) as address:
        found, text = raw(address, body, path=path)
    assert found == status
    assert (model_server.ANSWER.encode() in text) == (status == 200)
