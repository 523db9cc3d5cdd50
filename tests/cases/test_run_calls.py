"""A playbook calls hosts that the home lists, over TLS, once for each order, and follows nothing."""

from __future__ import annotations

import json

import pytest

from spiritsafe.cases import acting
from spiritsafe.cases.lookups import actions_of
from spiritsafe.cases.moves import clear_account
from spiritsafe.playbooks.deciding import roll_back
from spiritsafe.playbooks.orders import CommandError, RefusedCallError
from tests.cases.desk import Found, accounts
from tests.cases.runs import ACT, MANUAL, RunDesk, gateway, line, step
from tests.playbooks.made import GATEWAY
from tests.playbooks.receiver import body_of, receiver

CALL = {"type": "http-api", "command": "POST /limits/__name__:value", "content": '{"say": "__name__:value"}'}
NAME = {"__name__": {"type": "string", "external": True}, "__limit__": {"type": "integer"}}


@pytest.fixture
def gate(tmp_path, monkeypatch):
    with receiver(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield running


@pytest.fixture
def runs(sqlite_desk, gate):
    return RunDesk(sqlite_desk, playbook_hosts=(f"localhost:{gate.port}",), playbook_approvals=1)


def called(runs, gate, *, name: str = "a/../b?c=d", **more):
    body = step({**CALL, **more.pop("command", {})}, agent=GATEWAY, out_args=["__limit__"])
    document = line(body, variables=NAME, agents=gateway(gate.port, **more.pop("agent", {})), **more)
    return runs.start(document, given={"__name__": name})


def test_a_call_says_who_and_what_and_gives_values(runs, gate):
    run = runs.say(called(runs, gate, command={"headers": {"X-Desk": ["abuse"]}}), runs.desk.ada)
    (asked,) = gate.requests
    assert (asked["method"], asked["path"]) == ("POST", "/gateway.api/limits/a%2F..%2Fb%3Fc%3Dd")
    assert asked["body"] == b'{"say": "a/../b?c=d"}'
    assert asked["headers"]["X-Desk"] == "abuse"
    assert asked["headers"]["Idempotency-Key"].strip('"') == run.keys[0]
    assert run.state.variables["__limit__"] == "7"
    assert run.status == "succeeded"


def test_what_cannot_be_delivered_waits_and_is_tried_again_with_the_same_key(runs, gate):
    gate.answers = [(503, b""), (429, b""), (200, b'{"limit": 9}')]
    run = runs.say(called(runs, gate), runs.desk.ada)
    assert run.waiting
    assert "503; `playbook resume` tries again" in next(iter(run.traces.values())).detail
    assert runs.go_on(run).waiting
    run = runs.go_on(run)
    assert (run.status, run.state.variables["__limit__"]) == ("succeeded", "9")
    assert len({one["headers"]["Idempotency-Key"] for one in gate.requests}) == 1


def test_a_value_stays_where_it_is_put(runs, gate):
    """In a body that is JSON it stays a string; in a header it cannot begin another line."""
    run = runs.say(called(runs, gate, name='", "admin": true, "x": "'), runs.desk.ada)
    assert run.status == "succeeded"
    assert json.loads(gate.requests[0]["body"]) == {"say": '", "admin": true, "x": "'}
    run = called(runs, gate, name="a\r\nX-Evil: 1", command={"headers": {"X-Name": ["__name__:value"]}})
    run = runs.say(run, runs.desk.ada)
    assert run.status == "failed"
    assert "control character" in run.why
    assert len(gate.requests) == 1


@pytest.mark.parametrize(("answer", "why"), [
    ((302, b""), "302"), ((404, b""), "404"), ((200, b"<html>"), "no JSON object"), ((200, b"[1]"), "no JSON object"),
    ((200, b'{"limit": "many"}'), "of the type integer"), ((200, b"{" * 2_000_000), "no JSON object"),
])  # fmt: skip
def test_any_other_answer_fails_the_step(runs, gate, answer, why):
    gate.answers = [answer]
    run = runs.say(called(runs, gate), runs.desk.ada)
    assert run.status == "failed"
    assert why in run.why
    assert len(gate.requests) == 1


def test_a_call_goes_to_the_target_and_not_to_whoever_sends_it(runs, gate):
    """As other programs' playbooks have it: an agent sends, a target receives; its address may be a name and a port."""
    key = GATEWAY.replace("http-api--1", "http-api--2")
    target = {"type": "http-api", "name": "limits", "address": {"dname": ["localhost"]}, "port": str(gate.port)}
    body = step({"type": "http-api", "command": "GET /state"}, targets=[key])
    run = runs.say(runs.start(line(body, target_definitions={key: target})), runs.desk.ada)
    assert (run.status, gate.requests[0]["path"]) == ("succeeded", "/state")
    with pytest.raises(CommandError, match="several targets"):
        runs.start(line(body | {"targets": [key, GATEWAY]}, target_definitions={key: target, **gateway(gate.port)}))
    with pytest.raises(CommandError, match="no address with a port"):
        runs.start(line(body, target_definitions={key: target | {"port": "https"}}))
    with pytest.raises(CommandError, match="one address"):
        runs.start(line(step({"type": "http-api", "command": "GET /state"})))


def test_a_host_that_is_not_listed_is_called_by_nobody(runs, gate):
    runs.settings = runs.settings.__class__(home=runs.settings.home, playbook_hosts=("gateway.example.com",))
    with pytest.raises(RefusedCallError, match="localhost is not among those"):
        called(runs, gate)
    assert not gate.requests


def test_a_certificate_that_nobody_vouches_for_is_no_receiver(runs, gate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    run = runs.say(called(runs, gate), runs.desk.ada)
    assert "cannot be reached (SSLCertVerificationError)" in next(iter(run.traces.values())).detail
    assert not gate.requests


def test_a_secret_comes_from_the_home_and_stands_in_no_record(runs, gate):
    key = "authentication-info--5d6b3b2e-0a5d-4a6f-9d37-3a8f8f3d7f51"
    known = {key: {"type": "oauth2", "kms": True, "kms_key_identifier": "gateway"}}
    folder = runs.desk.office.home / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "gateway").write_text("s3cr3t-token\n")
    (folder / "gateway").chmod(0o600)
    run = called(
        runs, gate, agent={"authentication_info": key}, authentication_info_definitions=known
    )  # fmt: skip
    runs.say(run, runs.desk.ada)
    assert gate.requests[0]["headers"]["Authorization"] == "Bearer s3cr3t-token"
    told = [str(one.fields) for one in runs.desk.ledger.records_of_run(run.run_id)]
    assert not any("s3cr3t" in one for one in told)


@pytest.mark.parametrize("header", ["Idempotency-Key", "authorization", "Host", "Content-Length"])
def test_a_playbook_sets_no_header_of_ours(runs, gate, header):
    with pytest.raises(CommandError, match="set by the program"):
        called(runs, gate, command={"headers": {header: ["x"]}})


def test_an_act_goes_to_the_gateway_and_is_taken_back_there(runs, gate):
    desk = runs.desk
    desk.confirmed(Found(accounts("acct", 4)))
    document = line(step(ACT, agent=GATEWAY), step(MANUAL), agents=gateway(gate.port))
    gate.answers = [(503, b"")]
    run = runs.say(runs.start(document, 1), desk.ada, "one")
    assert run.traces[run.waiting[0].instance].state == "waiting"
    run = runs.go_on(run)
    first, second = (body_of(one) for one in gate.requests)
    assert first == second
    assert first["order"] == "do"
    assert len(first["accounts"]) == 4
    assert set(first["accounts"]) == {desk.name(one) for one in accounts("acct", 4)}
    roll_back(runs.runner(desk.ada), run.run_id, reason="it is one company", signer=desk.ada)
    assert body_of(gate.requests[-1])["order"] == "undo"
    assert gate.requests[-1]["headers"]["Idempotency-Key"] != gate.requests[0]["headers"]["Idempotency-Key"]


def test_a_case_that_is_dismissed_while_the_order_is_under_way_is_undone(runs, gate):
    desk = runs.desk
    desk.confirmed(Found(accounts("acct", 4)))
    gate.answers = [(504, b"")]
    run = runs.say(runs.start(line(step(ACT, agent=GATEWAY), agents=gateway(gate.port)), 1), desk.ada)
    desk.move(1, "in_review")
    desk.move(1, "dismissed")
    run = runs.go_on(run)
    assert len(gate.requests) == 1
    assert "all are spared" in run.traces[next(iter(run.traces))].detail
    with desk.book.reading() as tables:
        assert {one.outcome for one in actions_of(tables, 1)} == {"undo_ordered"}


def test_what_a_gateway_answers_to_an_order_cannot_make_it_fail(runs, gate):
    """It was carried out: what it says beside that is not asked for, even where the step has out_args."""
    desk = runs.desk
    desk.confirmed(Found(accounts("acct", 4)))
    gate.answers = [(200, b"<html>done</html>")]
    body = step(ACT, agent=GATEWAY, out_args=["__limit__"])
    run = runs.start(line(body, variables={"__limit__": {"type": "integer"}}, agents=gateway(gate.port)), 1)
    assert runs.say(run, desk.ada).status == "succeeded"
    with desk.book.reading() as tables:
        assert {one.outcome for one in actions_of(tables, 1)} == {"done"}


def test_an_order_that_was_refused_stays_refused(runs, gate, monkeypatch):
    """Also where the process was gone before it could say so."""
    desk = runs.desk
    desk.confirmed(Found(accounts("acct", 4)))
    gate.answers = [(403, b"")]
    run = runs.start(line(step(ACT, agent=GATEWAY), agents=gateway(gate.port)), 1)
    with monkeypatch.context() as patch:
        patch.setattr(acting, "forget_accounts", _killed)
        with pytest.raises(KeyboardInterrupt):
            runs.say(run, desk.ada)
    run = runs.go_on(run)
    assert run.status == "failed"
    assert len(gate.requests) == 1
    assert not list((desk.office.home / "runs").glob("order-*"))
    with desk.book.reading() as tables:
        assert {one.outcome for one in actions_of(tables, 1)} == {"failed"}


def _killed(*_given: object) -> None:
    raise KeyboardInterrupt


def test_who_is_spared_while_the_order_is_under_way_is_undone(runs, gate):
    """The gateway may have had the order before it could not answer."""
    desk = runs.desk
    desk.confirmed(Found(accounts("acct", 4)))
    gate.answers = [(504, b"")]
    run = runs.say(runs.start(line(step(ACT, agent=GATEWAY), agents=gateway(gate.port)), 1), desk.ada)
    freed = desk.name("acct-002")
    clear_account(desk.book, "1", freed, reason="a school", signer=desk.ada)
    assert runs.go_on(run).status == "succeeded"
    assert freed not in body_of(gate.requests[-1])["accounts"]
    with desk.book.reading() as tables:
        found = {one.account_id: one.outcome for one in actions_of(tables, 1)}
    assert found.pop(freed) == "undo_ordered"
    assert set(found.values()) == {"done"}
