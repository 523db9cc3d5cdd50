"""Whoever was wronged is heard by somebody else, in time, and what was done to them is undone everywhere."""

from __future__ import annotations

import pytest

from spiritsafe.cases.actions import act, report_undone
from spiritsafe.cases.appeals import decide_appeal, make_appeal, run_clock, take_appeal
from spiritsafe.cases.lookups import actions_of, appeals_in, members_of, retractions_in
from spiritsafe.cases.model import CaseState, CaseUnknownError, MoveError, SecondPersonError, StrangerError
from tests.cases.desk import DAY_US, GROUND, WHY, Found, accounts


def appealed(desk, account="acct-000"):
    return make_appeal(desk.book, "1", desk.name(account), statement="I run a school", days=14)


def outcome(desk, account):
    with desk.book.reading() as tables:
        return [one.outcome for one in actions_of(tables, 1) if one.account_id == desk.name(account)]


def test_a_granted_appeal_undoes_what_was_done_clears_the_account_and_leaves_a_retraction(desk):
    desk.acted()
    appeal = appealed(desk)
    assert desk.case().state is CaseState.APPEALED
    take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
    done = decide_appeal(desk.book, appeal.appeal_id, granted=True, reason="a school", signer=desk.alan)
    assert (done.undo, done.state, desk.case().state) == (1, CaseState.UPHELD, CaseState.UPHELD)
    assert (outcome(desk, "acct-000"), outcome(desk, "acct-001")) == (["undo_ordered"], ["done"])
    with desk.book.reading() as tables:
        (told,) = retractions_in(tables)
        assert [one.account_id for one in members_of(tables, 1) if one.cleared] == [desk.name("acct-000")]
        assert retractions_in(tables, after=told.position) == []
    assert (told.scope, told.account_ids) == ("account", (desk.name("acct-000"),))
    assert told.campaign_ids == (Found(accounts("acct", 6)).id,)
    report_undone(desk.book, "1", detail="reinstated", signer=desk.ada)
    assert outcome(desk, "acct-000") == ["undone"]


def test_an_appeal_that_is_not_granted_leaves_things_as_they_are(desk):
    desk.acted()
    appeal = appealed(desk)
    done = decide_appeal(desk.book, appeal.appeal_id, granted=False, reason="no contract", signer=desk.alan)
    assert (done.undo, done.state) == (0, CaseState.UPHELD)
    assert outcome(desk, "acct-000") == ["done"]
    with pytest.raises(MoveError, match="upheld"):
        take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
    assert appealed(desk).state == "made"


def test_whoever_had_a_part_in_it_does_not_review_it(desk):
    desk.acted()
    appeal = appealed(desk)
    for person in (desk.ada, desk.grace):
        with pytest.raises(SecondPersonError, match="acted on it"):
            take_appeal(desk.book, appeal.appeal_id, signer=person)
        with pytest.raises(SecondPersonError):
            decide_appeal(desk.book, appeal.appeal_id, granted=False, reason="x", signer=person)
    with pytest.raises(StrangerError):
        take_appeal(desk.book, appeal.appeal_id, signer=desk.eve)


def test_the_reviewer_who_took_it_decides_it(desk):
    number = desk.open(Found(accounts("acct", 6)))[0].number
    desk.move(number, "in_review")
    desk.move(number, "confirmed", two_persons=(), signer=desk.grace)
    act(desk.book, "1", "suspend", ground=GROUND, detail="x", rule="playbook/1", automated=True)
    appeal = appealed(desk)
    take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
    with pytest.raises(SecondPersonError, match="alan took this appeal"):
        decide_appeal(desk.book, appeal.appeal_id, granted=True, reason="x", signer=desk.ada)


def test_relief_comes_by_itself_when_nobody_decides_in_time_and_once(desk):
    desk.acted()
    appeal = appealed(desk)
    desk.clock.us += 14 * DAY_US - 1
    assert run_clock(desk.book) == []
    desk.clock.us += 1
    assert [one.appeal_id for one in run_clock(desk.book)] == [appeal.appeal_id]
    assert (outcome(desk, "acct-000"), outcome(desk, "acct-001")) == (["undo_ordered"], ["done"])
    assert run_clock(desk.book) == []
    with desk.book.reading() as tables:
        (late,) = appeals_in(tables, open_only=True)
    assert (late.relief, late.state) == (True, "made")
    report_undone(desk.book, "1", detail="reinstated", signer=desk.ada)
    decide_appeal(desk.book, appeal.appeal_id, granted=False, reason="no", signer=desk.alan)
    act(desk.book, "1", "suspend", ground=GROUND, detail="again", signer=desk.ada)
    assert outcome(desk, "acct-000") == ["undone", "done"]


def test_while_an_appeal_is_open_nothing_more_is_done_to_that_account_and_the_others_can_be_reached(desk):
    desk.acted()
    appealed(desk)
    acted = act(desk.book, "1", "block", ground=GROUND, detail="x", signer=desk.ada)
    assert acted.reach.spared == {desk.name("acct-000"): "its appeal is open"}


def test_who_shows_that_there_is_no_campaign_frees_everybody(desk):
    desk.acted()
    first, second = appealed(desk), appealed(desk, "acct-001")
    done = decide_appeal(
        desk.book, first.appeal_id, granted=True, whole_case=True, reason="one school district", signer=desk.alan
    )
    assert (done.undo, done.state) == (6, CaseState.OVERTURNED)
    with desk.book.reading() as tables:
        assert {one.state for one in appeals_in(tables)} == {"granted"}
        assert retractions_in(tables)[0].scope == "case"
    assert desk.case().cleared == 6
    with pytest.raises(MoveError):
        act(desk.book, "1", "suspend", ground=GROUND, detail="x", signer=desk.ada)
    assert second.appeal_id != first.appeal_id


def test_the_last_account_that_is_freed_overturns_the_case(desk):
    desk.acted(Found(accounts("acct", 2)))
    for account, state in (("acct-000", CaseState.UPHELD), ("acct-001", CaseState.OVERTURNED)):
        appeal = appealed(desk, account)
        done = decide_appeal(desk.book, appeal.appeal_id, granted=True, reason="a school", signer=desk.alan)
        assert done.state is state


def test_a_case_is_not_closed_over_an_open_appeal_and_a_closed_one_can_be_appealed(desk):
    desk.acted()
    desk.move(1, "closed")
    appeal = appealed(desk)
    assert desk.case().state is CaseState.APPEALED
    decide_appeal(desk.book, appeal.appeal_id, granted=False, reason="no", signer=desk.alan)
    desk.move(1, "closed")


def test_what_cannot_be_appealed_says_what_to_do_instead(desk):
    desk.open(Found(accounts("acct", 6)))
    with pytest.raises(MoveError, match="nothing was decided") as caught:
        appealed(desk)
    assert "case clear" in caught.value.hint
    desk.move(1, "in_review")
    desk.move(1, "confirmed", two_persons=(), **{**WHY})
    with pytest.raises(CaseUnknownError):
        appealed(desk, "somebody else")
    appealed(desk)
    with pytest.raises(MoveError, match="is open"):
        appealed(desk)
    with pytest.raises(CaseUnknownError):
        take_appeal(desk.book, "none", signer=desk.alan)
