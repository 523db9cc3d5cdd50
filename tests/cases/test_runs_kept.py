"""Runs in time, in the ledger and among others: what waits, what is kept, what another process sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spiritsafe.cases.lookups import actions_of
from spiritsafe.cases.moves import clear_account
from spiritsafe.evidence.exhibits import Exhibits
from spiritsafe.playbooks import runner
from spiritsafe.playbooks.deciding import asked_now, roll_back
from spiritsafe.playbooks.machine import RunStateError
from spiritsafe.playbooks.model import PlaybookError
from spiritsafe.playbooks.orders import RefusedCallError
from spiritsafe.playbooks.runner import RunBusyFault
from spiritsafe.playbooks.runs import RunUnknownError
from spiritsafe.playbooks.shelf import PlaybookOutdatedError, PlaybookUnknownError, Shelf
from spiritsafe.playbooks.signatures import PlaybookSignatureError, sign_playbook
from spiritsafe.playbooks.variables import VariableError
from tests.cases.desk import Found, accounts
from tests.cases.runs import ACT, MANUAL, WHY, RunDesk, line, outbox, step, touched
from tests.playbooks.made import NOW, step_id, written

TEN = Found(accounts("acct", 10), verified={"acct-000": "org-a", "acct-001": "org-a"})


@pytest.fixture
def runs(desk):
    return RunDesk(desk)


def test_a_step_waits_for_its_time_and_fails_when_it_is_over(desk, runs):
    desk.confirmed()
    late = step(MANUAL, delay=60_000, timeout=120_000)
    run = runs.start(line(late, step(MANUAL)), 1)
    with pytest.raises(RunUnknownError):
        runs.say(run, desk.ada)  # nobody is asked before its time
    desk.clock.us += 60_000_000
    assert asked_now(runs.runner(), runs.go_on(run))[0].work.name == "one"
    desk.clock.us += 119_999_999
    assert runs.go_on(run).status == "running"
    desk.clock.us += 1
    run = runs.go_on(run)
    assert (run.status, run.why) == ("failed", "its time of 120 s was over")


def test_what_a_run_is_made_of_is_kept_with_it(desk, runs):
    desk.confirmed()
    document = line(step(MANUAL))
    run = runs.start(document, 1)
    first = desk.ledger.records_of_run(run.run_id)[0]
    assert first.fields["interpreter"].startswith("spiritsafe ")
    exhibits = Exhibits(desk.ledger)
    assert json.loads(exhibits.read(first.fields["playbook_sha256"]))["id"] == document["id"]
    exhibits.close()
    assert first.signer[0] == "ada"


def test_a_run_that_another_process_goes_on_with_is_left_to_it(desk, runs, monkeypatch):
    desk.confirmed()
    run = runs.start(line(step(MANUAL)), 1)
    monkeypatch.setattr(runner, "_WAIT_S", 0.1)
    with runs.runner().held(run.run_id), pytest.raises(RunBusyFault):
        runs.say(run, desk.ada)
    assert runs.say(run, desk.ada).status == "succeeded"


def test_a_ledger_that_tells_what_cannot_be_is_refused(desk, runs):
    desk.confirmed()
    run = runs.start(line(step(MANUAL), step(MANUAL)), 1)
    runs.journal.file_step(run, "action--00000000-0000-4000-8000-000000000000.1", "one", "done")
    with pytest.raises(RunStateError, match="what cannot be"):
        runs.go_on(run)


def test_no_account_stands_in_a_variable(desk, runs):
    desk.confirmed()
    variables = {"__who__": {"type": "string", "external": True}}
    with pytest.raises(VariableError, match="names an account"):
        runs.start(line(step(MANUAL), variables=variables), 1, given={"__who__": desk.name("acct-001")})


def test_a_rollback_reaches_what_nobody_filed_yet(desk, runs, monkeypatch):
    """The order went out, and the process was gone before it could say so: taking it back files both."""
    desk.confirmed()
    run = runs.say(runs.start(line(step(ACT)), 1), desk.ada)

    def killed(*_given: Any, **_more: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(runs.executors["spiritsafe-case-act"]), "_file", staticmethod(killed))
        with pytest.raises(KeyboardInterrupt):
            runs.say(run, desk.grace)
    assert outbox(desk, "order")
    assert not touched(desk)
    told = roll_back(runs.runner(desk.ada), run.run_id, reason="it is one company", signer=desk.ada)
    assert [one.partition(": ")[0] for one in told] == ["one (may have been under way)"]
    assert len(touched(desk, outcome="undo_ordered")) == 6
    assert sorted(one["order"] for one in outbox(desk, "order")) == ["do", "undo"]
    assert not list((desk.office.home / "runs").glob("order-*"))


def test_accounts_of_verified_customers_are_left_out_where_the_playbook_has_none(desk, runs):
    desk.confirmed(TEN)
    run = runs.agree(runs.start(line(step(ACT)), 1))
    assert run.status == "succeeded"
    assert touched(desk) == {desk.name(one) for one in TEN.accounts[2:]}


def test_a_playbook_that_plays_one_that_nobody_answers_for_is_not_begun(desk, runs):
    desk.confirmed()
    other = line(step(MANUAL))
    folder = desk.office.home / "playbooks"
    folder.mkdir()
    (folder / "other.json").write_bytes(written(other))
    size = desk.ledger.size
    play = {"type": "playbook-action", "playbook_id": other["id"]}
    with pytest.raises(PlaybookSignatureError):
        runs.start(line(play), 1)
    with pytest.raises(PlaybookUnknownError):
        runs.start(
            line({"type": "playbook-action", "playbook_id": "playbook--00000000-0000-4000-8000-0000000000ff"}), 1
        )
    assert desk.ledger.size == size


def test_many_runs_are_listed_and_found(desk, runs):
    desk.confirmed()
    made = [runs.start(line(step(MANUAL)), 1).run_id for _ in range(3)]
    runs.say(runs.journal.read(made[0]), desk.ada)
    assert [one.run_id for one in runs.journal.lines()] == [made[1], made[2], made[0]]
    assert [one.run_id for one in runs.journal.lines(limit=1)] == [made[0]]
    assert runs.journal.unfinished() == made[1:]
    assert runs.journal.find(made[2][-10:]).run_id == made[2]
    assert runs.journal.lines()[0].title == "a line"


def test_an_agreement_holds_for_exactly_what_was_asked(desk, runs):
    """Beside the act a step changes the rule that it names: who agreed to the rule before is asked again."""
    desk.confirmed()
    ground = {"__ground__": {"type": "string", "value": "Terms 1"}}
    document = line(step({**ACT, "ground": "__ground__:value"}), variables=ground)
    both, other, ends = step_id("parallel", "both"), step_id("action", "other"), [step_id("end", one) for one in "ab"]
    workflow = document["workflow"]
    act_key, last = step_id("action", "one"), step_id("end", "line")
    workflow[step_id("start", "line")]["on_completion"] = both
    workflow[both] = {"type": "parallel", "next_steps": [act_key, other], "on_completion": last}
    workflow[act_key]["on_completion"] = ends[0]
    workflow[other] = {"name": "other", "on_completion": ends[1], **step(MANUAL, out_args=["__ground__"])}
    workflow |= {one: {"type": "end"} for one in ends}
    run = runs.say(runs.start(document, 1), desk.ada, "one")
    run = runs.say(run, desk.grace, "other", values={"__ground__": "Terms 2"})
    run = runs.say(run, desk.grace, "one")
    assert run.traces[f"{act_key}.1"].detail == "1 more must agree"
    assert not touched(desk)
    assert runs.say(run, desk.ada, "one").status == "succeeded"
    with desk.book.reading() as tables:
        assert {one.ground for one in actions_of(tables, 1)} == {"Terms 2"}


def test_an_act_on_a_case_that_nobody_confirmed_waits_until_it_is(desk, runs):
    desk.open(Found(accounts("acct", 4)))
    run = runs.start(line(step(ACT)), 1)
    assert "is suspected: nothing may be done" in run.traces[run.waiting[0].instance].detail
    with pytest.raises(RefusedCallError, match="would touch nobody now"):
        runs.say(run, desk.ada)
    desk.move(1, "in_review")
    desk.move(1, "confirmed")
    desk.move(1, "confirmed", signer=desk.grace)
    assert runs.agree(run).status == "succeeded"
    assert len(touched(desk)) == 4


def test_a_stage_that_adds_nobody_is_done_and_asks_nobody(desk, runs):
    """Of two accounts a tenth is one, and a half is the same one."""
    desk.confirmed(Found(accounts("acct", 2)))
    run = runs.start(line(*(step({**ACT, "share": share}) for share in (0.1, 0.5, 1.0))), 1)
    run = runs.agree(run, "one")
    assert [one.work.name for one in asked_now(runs.runner(), run)] == ["three"]
    assert "nobody further" in next(one.detail for one in run.traces.values() if one.title == "two")
    assert runs.agree(run, "three").status == "succeeded"
    assert len(touched(desk)) == 2


def test_where_all_are_spared_nobody_is_touched(desk, runs):
    desk.confirmed(Found(accounts("acct", 2)))
    for one in accounts("acct", 2):
        clear_account(desk.book, "1", desk.name(one), signer=desk.ada, reason=WHY)
    run = runs.start(line(step(ACT)), 1)
    assert "may be touched now" in run.traces[run.waiting[0].instance].detail
    assert not outbox(desk, "order")


@pytest.mark.parametrize("more", [
    {"revoked": True}, {"valid_until": "2026-11-29T00:00:00.000Z"}, {"valid_from": "2027-01-01T00:00:00.000Z"},
])  # fmt: skip
def test_a_playbook_that_does_not_hold_is_not_begun(desk, runs, more):
    """Signed or not: whoever made it took it back, or it is out of its time. Played by another one neither."""
    desk.confirmed()
    size = desk.ledger.size
    other = line(step(MANUAL), **more)
    with pytest.raises(PlaybookOutdatedError):
        runs.start(other, 1)
    folder = desk.office.home / "playbooks"
    folder.mkdir()
    (folder / "other.json").write_bytes(sign_playbook(written(other), desk.ada, now=NOW))
    with pytest.raises(PlaybookOutdatedError):
        runs.start(line({"type": "playbook-action", "playbook_id": other["id"]}), 1)
    assert desk.ledger.size == size
    assert runs.start(line(step(MANUAL), valid_from="2026-01-01T00:00:00.000Z"), 1).status == "running"


def test_a_faulty_file_keeps_nobody_from_the_other_playbooks(sqlite_desk):
    folder = sqlite_desk.office.home / "playbooks"
    folder.mkdir()
    (folder / "cut.json").write_bytes(b'{"type": "playbook"')
    shelf, told = Shelf(sqlite_desk.office.home), []
    names = {one.name for one in shelf.all(report=lambda path, error: told.append((path.name, error.code)))}
    assert "throttle" in names
    assert told == [("cut.json", "playbooks.playbook")]
    assert shelf.find("throttle").ships
    with pytest.raises(PlaybookError):
        shelf.find("cut")
    with pytest.raises(PlaybookUnknownError):
        shelf.find("nothing-like-it")
