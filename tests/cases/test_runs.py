"""Playbooks act on a case no further than two persons agreed, halt when holders object, and are taken back whole."""

from __future__ import annotations

import pytest

from spiritsafe.cases.actions import act, report_passed, report_undone
from spiritsafe.cases.appeals import decide_appeal, make_appeal, take_appeal
from spiritsafe.cases.attestations import Terms, attest
from spiritsafe.cases.lookups import actions_of, history_of, members_of
from spiritsafe.cases.model import SecondPersonError, StrangerError
from spiritsafe.cases.moves import clear_account
from spiritsafe.playbooks.deciding import RunStandsError, halt, played_now, resume, roll_back
from spiritsafe.playbooks.orders import CommandError, Reach, RefusedCallError
from spiritsafe.playbooks.runs import RunUnknownError
from spiritsafe.playbooks.signatures import PlaybookSignatureError, sign_playbook
from tests.cases.desk import Found, accounts
from tests.cases.runs import ACT, LOOK, MANUAL, NOTICE, WHY, RunDesk, line, outbox, step, touched
from tests.playbooks.made import NOW, written

TEN = Found(accounts("acct", 10), verified={"acct-000": "org-a", "acct-001": "org-a"})


@pytest.fixture
def runs(desk):
    return RunDesk(desk)


def test_an_act_waits_for_two_persons_and_touches_whom_they_let_it(desk, runs):
    desk.confirmed(TEN)
    some = step({**ACT, "most": {"accounts": 10, "verified": 2, "organizations": 1}})
    run = runs.start(line(some, step(NOTICE)), 1)
    assert run.status == "running"
    assert not touched(desk)
    with pytest.raises(RefusedCallError, match="2 of verified customers"):
        runs.say(run, desk.ada)
    most = Reach(10, 2, 1)
    run = runs.say(run, desk.ada, most=most)
    run = runs.say(run, desk.ada, most=most)  # the same person twice is one person
    assert not touched(desk)
    run = runs.say(run, desk.grace, most=most)
    assert run.status == "succeeded"
    assert len(touched(desk)) == 10
    (order,) = outbox(desk, "order")
    assert set(order["accounts"]) == touched(desk)
    assert {one["account"] for one in outbox(desk, "notice")} == touched(desk)
    assert "throttled" not in outbox(desk, "notice")[0]["text"]
    assert "limited in how many requests" in outbox(desk, "notice")[0]["text"]
    assert desk.case().state == "acted_on"
    assert not desk.book.irregular()


def test_who_agreed_reviews_no_appeal(desk, runs):
    desk.confirmed()
    runs.say(runs.start(line(step(ACT)), 1), desk.alan)
    run = runs.say(runs.go_on(runs.journal.find(runs.journal.lines()[0].run_id)), desk.ada)
    assert run.status == "succeeded"
    one = min(touched(desk))
    appeal = make_appeal(desk.book, "1", one, statement="we are a school", days=14)
    with pytest.raises(SecondPersonError):
        take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)


def test_what_was_agreed_to_is_not_stretched(desk, runs):
    """Four more accounts are confirmed between the agreement and the act: it is asked for again."""
    desk.confirmed()
    run = runs.start(line(step(ACT)), 1)
    run = runs.say(run, desk.ada)
    desk.open(Found([*accounts("acct", 6), *accounts("more", 4)]))
    desk.move(1, "confirmed")
    desk.move(1, "confirmed", signer=desk.grace)
    run = runs.say(run, desk.grace)
    assert run.waiting
    assert "more than was agreed to" in next(iter(run.traces.values())).detail
    assert not touched(desk)
    run = runs.say(run, desk.ada)
    assert run.status == "succeeded"
    assert len(touched(desk)) == 10


def test_the_spared_stay_spared(desk, runs):
    desk.confirmed(TEN)
    names = [desk.name(one) for one in TEN.accounts]
    clear_account(desk.book, "1", names[3], signer=desk.ada, reason=WHY)
    until = desk.clock.us + 86_400_000_000
    terms = Terms("academic", "Dr Lee", WHY, desk.clock.us, until)
    attest(desk.book, names[4], terms, signer=desk.ada)
    most = {"accounts": 10, "verified": 2, "organizations": 1}
    run = runs.agree(runs.start(line(step({**ACT, "most": most})), 1), most=Reach(10, 2, 1))
    assert run.status == "succeeded"
    assert touched(desk) == set(names) - {names[3], names[4]}


def test_a_share_is_the_same_accounts_and_a_larger_one_adds_to_them(desk, runs):
    desk.confirmed(Found(accounts("acct", 10)))
    document = line(*(step({**ACT, "share": share}) for share in (0.25, 0.5, 1.0)), step(LOOK))
    run = runs.start(document, 1)
    sizes = []
    for name in ("one", "two", "three"):
        run = runs.agree(run, name)
        sizes.append(len(touched(desk)))
    assert sizes == [3, 5, 10]
    assert sorted(len(one["accounts"]) for one in outbox(desk, "order")) == [2, 3, 5]
    assert run.status == "succeeded"


def test_a_playbook_says_the_most_that_anybody_can_agree_to(desk, runs):
    desk.confirmed(Found(accounts("acct", 10)))
    run = runs.agree(runs.start(line(step({**ACT, "most": {"accounts": 9}})), 1))
    assert run.status == "failed"
    assert "more than the playbook lets it" in run.why
    assert not touched(desk)


@pytest.mark.parametrize("how", ["appeal", "passed"])
def test_more_objections_than_predicted_halt_the_run(desk, runs, how):
    desk.confirmed(Found(accounts("acct", 10)))
    kind = "challenge"
    document = line(step({**ACT, "kind": kind, "share": 0.5}), step(MANUAL), step({**ACT, "kind": kind}))
    run = runs.agree(runs.start(document, 1), "one", objections_share=0.2)
    first, second = sorted(touched(desk))[:2]
    object_to = {
        "appeal": lambda who: make_appeal(desk.book, "1", who, statement="we are a school", days=14),
        "passed": lambda who: report_passed(desk.book, "1", [who], detail="asked for an invoice", signer=desk.ada),
    }[how]
    object_to(first)
    assert runs.go_on(run).status == "running"  # one of five is what was predicted
    object_to(second)
    run = runs.go_on(run)
    assert run.status == "halted"
    assert "2 of 5 accounts object" in run.why
    with pytest.raises(RunStandsError, match="is halted"):
        runs.say(run, desk.ada, "two")
    resume(runs.runner(desk.ada), run.run_id, reason="a school, attested", signer=desk.ada)
    assert runs.go_on(run).status == "running"
    run = runs.say(run, desk.ada, "two")
    run = runs.agree(run, "three", objections_share=0.5)
    assert run.status == "succeeded"
    assert len(touched(desk)) == (9 if how == "appeal" else 8) + (how == "appeal")


def test_a_rollback_takes_back_all_that_the_run_did_and_no_more(desk, runs):
    desk.confirmed(Found(accounts("acct", 4)))
    act(desk.book, "1", "degrade", ground="before", detail="by hand", signer=desk.ada)
    run = runs.agree(runs.start(line(step(ACT), step(NOTICE), step(MANUAL)), 1), "one")
    told = roll_back(runs.runner(desk.alan), run.run_id, reason="it is one company", signer=desk.alan)
    assert any("undoing throttle of 4 accounts is ordered" in one for one in told)
    assert any("notices stand" in one for one in told)
    with desk.book.reading() as tables:
        found = {(one.kind, one.outcome) for one in actions_of(tables, 1)}
    assert found == {("degrade", "done"), ("throttle", "undo_ordered")}
    assert {one["order"] for one in outbox(desk, "order")} == {"do", "undo"}
    assert roll_back(runs.runner(desk.alan), run.run_id, reason="again", signer=desk.alan)
    assert runs.go_on(run).status == "rolled_back"
    with pytest.raises(RunStandsError):
        runs.say(run, desk.ada)
    assert report_undone(desk.book, "1", detail="at the gateway", signer=desk.ada) == 4
    assert not desk.book.irregular()


def test_a_granted_appeal_undoes_what_a_playbook_did(desk, runs):
    desk.confirmed(Found(accounts("acct", 4)))
    runs.say(runs.say(runs.start(line(step(ACT)), 1), desk.ada), desk.grace)
    one = min(touched(desk))
    appeal = make_appeal(desk.book, "1", one, statement="we are a school", days=14)
    take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
    decide_appeal(desk.book, appeal.appeal_id, granted=True, reason=WHY, signer=desk.alan)
    assert touched(desk, outcome="undo_ordered") == {one}


def test_a_move_is_made_by_persons_with_their_own_signatures(desk, runs):
    desk.open(Found(accounts("acct", 4)))
    move = {"type": "spiritsafe-case-move"}
    document = line(step({**move, "state": "in_review"}), step({**move, "state": "confirmed"}))
    run = runs.start(document, 1, signer=desk.ada)
    assert desk.case().state == "suspected"  # to start a playbook is not to sign what it asks
    run = runs.say(run, desk.ada)
    assert desk.case().state == "in_review"
    assert "a person must move" in run.traces[run.waiting[0].instance].detail
    run = runs.say(run, desk.ada)
    assert desk.case().state == "in_review"
    run = runs.say(run, desk.grace)
    assert (run.status, desk.case().state) == ("succeeded", "confirmed")
    with desk.book.reading() as tables:
        assert "in_review → confirmed" in [one.what for one in history_of(tables, 1)]
    assert not desk.book.irregular()


def test_a_look_gives_what_a_condition_needs(desk, runs):
    desk.confirmed(TEN)
    names = {f"__{name}__": {"type": "string"} for name in ("case_state", "accounts", "verified", "spared")}
    run = runs.start(line(step(LOOK, out_args=list(names)), variables=names), 1)
    assert run.state.variables == {
        "__case_state__": "confirmed", "__accounts__": "10", "__verified__": "2", "__spared__": "0"
    }  # fmt: skip


def test_what_may_not_be_run_is_refused_before_anything_is_filed(desk, runs):
    desk.confirmed()
    size = desk.ledger.size
    with pytest.raises(CommandError, match="spiritsafe-case-act is about a case"):
        runs.start(line(step(ACT)))
    with pytest.raises(CommandError, match="not whole"):
        runs.start(line(step({**ACT, "shre": 0.1})), 1)
    with pytest.raises(CommandError, match="nobody here carries out commands of the type bash"):
        runs.start(line(step({"type": "bash", "command": "rm -rf /"})), 1)
    runs.trusted = set()
    with pytest.raises(PlaybookSignatureError):
        runs.start(line(step(ACT)), 1)
    assert desk.ledger.size == size
    with pytest.raises(RunUnknownError):
        runs.journal.find("0000000")


def test_nobody_but_registered_persons_counts(desk, runs):
    desk.confirmed()
    run = runs.start(line(step(ACT)), 1)
    runs.say(run, desk.eve)  # the command refuses her; whoever writes to the ledger past it gains nothing
    run = runs.say(run, desk.ada)
    assert run.strangers
    assert not touched(desk)
    with pytest.raises(StrangerError), desk.book.doing() as doing:
        doing.check_person(desk.eve)


def test_a_refusal_fails_the_step_and_a_halt_stops_the_run(desk, runs):
    desk.confirmed()
    run = runs.start(line(step(ACT)), 1)
    runs.say(run, desk.ada)
    run = runs.say(run, desk.grace, approved=False)
    assert run.status == "failed"
    assert "grace refused" in run.why
    run = runs.start(line(step(MANUAL)), 1)
    assert halt(runs.runner(desk.ada), run.run_id, reason="a customer called", signer=desk.ada).status == "halted"
    assert not touched(desk)


def test_persons_look_at_a_case_without_being_held_up_by_a_playbook(desk, runs):
    desk.confirmed()
    seen = desk.case().as_of
    runs.start(line(step(MANUAL)), 1)
    assert desk.case().as_of == seen
    with desk.book.reading() as tables:
        assert [one.what for one in history_of(tables, 1)][-1] == "playbook a line: started"
        assert members_of(tables, 1)


def test_a_playbook_runs_another_and_waits_for_it(desk, runs):
    desk.confirmed(Found(accounts("acct", 4)))
    other = line(step(MANUAL, out_args=["__said__"]), variables={"__said__": {"type": "string"}})
    folder = desk.office.home / "playbooks"
    folder.mkdir()
    (folder / "other.json").write_bytes(sign_playbook(written(other), desk.ada, now=NOW))
    play = {"type": "playbook-action", "playbook_id": other["id"], "out_args": ["__said__"]}
    run = runs.start(line(play, step(ACT), variables={"__said__": {"type": "string"}}), 1)
    (child,) = [one.run_id for one in runs.journal.lines() if one.run_id != run.run_id]
    assert [one.run_id for one in played_now(runs.runner(), run)] == [child]
    assert runs.say(runs.journal.read(child), desk.grace, values={"__said__": "yes"}).run_id == child
    run = runs.journal.read(run.run_id)  # it has gone on by itself
    assert run.state.variables["__said__"] == "yes"
    assert runs.agree(run).status == "succeeded"
    assert runs.journal.read(child).parent.startswith(run.run_id)
