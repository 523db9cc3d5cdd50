"""A case goes only where it may, by whom it may, and only as far as they could see."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from spiritsafe.cases import life
from spiritsafe.cases.lookups import findings_of, history_of, members_of
from spiritsafe.cases.model import (
    CaseState,
    CaseUnknownError,
    ChangedError,
    MoveError,
    SecondPersonError,
    StrangerError,
)
from spiritsafe.cases.moves import clear_account, join_case, move_case
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.records import Personal, Record
from tests.cases.desk import WHY, Found, accounts


def test_a_person_may_make_these_moves_and_no_others():
    allowed = {
        ("suspected", "in_review"), ("in_review", "confirmed"), ("in_review", "dismissed"),
        ("confirmed", "confirmed"), ("confirmed", "in_review"), ("dismissed", "in_review"), ("dismissed", "closed"),
        ("acted_on", "confirmed"), ("acted_on", "closed"), ("upheld", "confirmed"), ("upheld", "closed"),
        ("overturned", "in_review"), ("overturned", "closed"), ("closed", "in_review"),
    }  # fmt: skip
    found = set()
    for before, after in itertools.product(CaseState, CaseState):
        try:
            life.check_move(before, after, by="person", name="ada")
        except MoveError:
            continue
        found.add((str(before), str(after)))
    assert found == allowed


def test_every_state_can_be_reached_and_left():
    moves = life.PERSONS_MOVES.items()
    arrows: set[tuple[CaseState | None, CaseState]] = {(before, after) for before, afters in moves for after in afters}
    arrows |= {pair for pairs in life.RULES_MOVES.values() for pair in pairs if pair[0] is not None}
    assert {after for _, after in arrows} | {CaseState.SUSPECTED} == set(CaseState)
    assert {before for before, _ in arrows} == set(CaseState)


def test_a_rule_that_is_none_and_a_program_move_nothing():
    with pytest.raises(MoveError, match="takes no case"):
        life.check_move(CaseState.SUSPECTED, CaseState.CONFIRMED, by="rule", name="score-above-0.9/1")
    with pytest.raises(MoveError, match="only a person or a rule"):
        life.check_move(CaseState.SUSPECTED, CaseState.IN_REVIEW, by="program", name="bot")


def test_two_different_persons_confirm_and_both_are_named(desk):
    desk.open(Found(accounts("acct", 6)))
    desk.move(1, "in_review")
    assert desk.move(1, "confirmed").waiting
    assert desk.case().state is CaseState.IN_REVIEW
    with pytest.raises(SecondPersonError, match="proposed it already"):
        desk.move(1, "confirmed")
    assert not desk.move(1, "confirmed", signer=desk.grace).waiting
    assert (desk.case().state, desk.case().unconfirmed) == (CaseState.CONFIRMED, 0)
    with desk.book.reading() as tables:
        told = [(one.what, one.who) for one in history_of(tables, 1)]
    assert told[-2:] == [("confirmed proposed", "ada"), ("in_review → confirmed", "grace")]


def test_where_one_person_suffices_one_confirms_and_the_log_says_that_one_was_asked_for(desk):
    desk.open(Found(accounts("acct", 6)))
    desk.move(1, "in_review")
    assert not desk.move(1, "confirmed", two_persons=()).waiting
    moves = [record for record in desk.ledger.records() if record.record == "case_move/1"]
    assert moves[-1].fields["persons_required"] == 1


def test_a_proposal_ends_with_the_state_in_which_it_was_made(desk):
    desk.open(Found(accounts("acct", 6)))
    desk.move(1, "in_review")
    desk.move(1, "confirmed")
    desk.move(1, "dismissed")
    desk.move(1, "in_review")
    assert desk.move(1, "confirmed", signer=desk.grace).waiting


def test_who_joined_after_a_person_looked_is_not_confirmed_by_them(desk):
    desk.open(Found(accounts("acct", 6)))
    desk.move(1, "in_review")
    desk.move(1, "confirmed")
    desk.open(Found(accounts("acct", 8)))
    desk.move(1, "confirmed", signer=desk.grace)
    with desk.book.reading() as tables:
        late = {one.account_id for one in members_of(tables, 1) if not one.confirmed}
    assert late == {desk.name("acct-006"), desk.name("acct-007")}
    desk.move(1, "confirmed")
    desk.move(1, "confirmed", signer=desk.grace)
    assert desk.case().unconfirmed == 0


def test_a_decision_about_a_case_that_changed_meanwhile_is_refused(desk):
    desk.open(Found(accounts("acct", 6)))
    seen = desk.case().as_of
    desk.move(1, "in_review", as_of=seen)
    with pytest.raises(ChangedError, match="changed after you looked"):
        desk.move(1, "dismissed", as_of=seen)
    desk.move(1, "dismissed", as_of=desk.case().as_of)


def test_whoever_is_not_registered_or_was_retired_decides_nothing(desk):
    desk.open(Found(accounts("acct", 6)))
    with pytest.raises(StrangerError, match="eve is not registered"):
        desk.move(1, "in_review", signer=desk.eve)
    desk.office.vault.retire_person("alan", by=desk.ada, reason="left the firm")
    desk.clock.us += 2_000_000
    with pytest.raises(StrangerError):
        desk.move(1, "in_review", signer=desk.alan)
    assert desk.case().state is CaseState.SUSPECTED


def test_a_case_is_found_by_number_by_id_and_by_the_end_of_its_id(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    for name in ("1", "#1", opened.case_id, opened.case_id[-8:]):
        assert move_case(desk.book, name, CaseState.IN_REVIEW, signer=desk.ada, **WHY).case.number == 1
        desk.move(1, "dismissed")
    for name in ("2", "", "%", "0190b0f6-0000-7000-8000-000000000001", "zz"):
        with pytest.raises(CaseUnknownError):
            desk.move(name, "in_review")


WRITES = {("phrase", "77"): 9.5}


def test_a_person_joins_what_a_scan_did_not_and_it_goes_on_there(desk):
    desk.open(Found(accounts("acct", 6), WRITES))
    (second,) = desk.open(Found(accounts("new", 4), WRITES))
    assert (second.outcome, [one.number for one in second.related]) == ("opened", [1])
    join_case(desk.book, "2", "1", signer=desk.ada, **WHY)
    assert (desk.case(2).state, desk.case(2).joined_to) == (CaseState.CLOSED, 1)
    assert (desk.case(1).members, desk.case(1).unconfirmed) == (10, 10)
    assert desk.case(1).exchanges == 20
    assert desk.case(1).headline == "6 accounts act as one"  # it is shown by what a scan found
    with desk.book.reading() as tables:
        assert findings_of(tables, 1)[-1]["joined"] == {"by": "ada", "from": second.case_id}
        assert history_of(tables, 2)[-1].what == "joined to case 1"
    with pytest.raises(MoveError, match="joined to case 1"):
        desk.move(2, "in_review")
    (later,) = desk.open(Found([*accounts("new", 4), "new-9"], WRITES))
    assert (later.outcome, later.number) == ("joined", 1)
    assert desk.book.irregular() == []


def test_who_is_erased_from_a_case_that_was_joined_is_erased_from_the_other_by_itself(desk):
    first, second = desk.open(Found(accounts("acct", 6)), Found(accounts("new", 4)))
    join_case(desk.book, "2", "1", signer=desk.ada, **WHY)
    gone = desk.name("new-001")
    for case_id, left in ((second.case_id, 10), (first.case_id, 9)):
        erase_subject(desk.ledger, case_id, gone, basis="asked", signer=desk.ada, at_us=desk.clock())
        assert desk.case(1).members == left
    assert desk.case(2).members == 3


def test_who_was_cleared_stays_cleared_where_a_case_is_joined(desk):
    desk.open(Found(accounts("acct", 6)), Found(accounts("new", 2)), Found(accounts("old", 1)))
    for case, account in (("2", "new-000"), ("3", "old-000")):
        clear_account(desk.book, case, desk.name(account), signer=desk.ada, **WHY)
        join_case(desk.book, case, "1", signer=desk.ada, **WHY)
    desk.open(Found([*accounts("acct", 6), *accounts("new", 2)]))  # nor does a later scan bring them in again
    with desk.book.reading() as tables:
        cleared = {one.account_id for one in members_of(tables, 1) if one.cleared}
    assert cleared == {desk.name("new-000"), desk.name("old-000")}
    assert (desk.case(1).members, desk.case(1).unconfirmed, desk.case(1).cleared) == (9, 7, 2)
    assert desk.case(1).exchanges == 14  # of those who are not cleared
    assert desk.book.irregular() == []


def test_what_was_decided_somewhere_is_joined_to_nothing(desk):
    desk.open(Found(accounts("acct", 6)), Found(accounts("new", 4)), Found(accounts("other", 4)))
    for state in ("in_review", "confirmed"):
        desk.move(1, state, two_persons=())
    join_case(desk.book, "2", "1", signer=desk.ada, **WHY)
    assert (desk.case(1).state, desk.case(1).unconfirmed) == (CaseState.CONFIRMED, 4)
    for case, into, told in (("1", "3", "is confirmed"), ("3", "3", "joined to itself"), ("2", "3", "joined to case 1"),
                             ("3", "2", "joined to case 1")):  # fmt: skip
        with pytest.raises(MoveError, match=told):
            join_case(desk.book, case, into, signer=desk.ada, **WHY)
    with pytest.raises(MoveError, match="joined to case 1"):
        clear_account(desk.book, "2", desk.name("new-000"), signer=desk.ada, **WHY)
    with pytest.raises(StrangerError):
        join_case(desk.book, "3", "1", signer=desk.eve, **WHY)


def test_a_case_that_was_confirmed_once_and_is_in_review_again_is_joined_to_nothing(desk):
    desk.open(Found(accounts("acct", 6)), Found(accounts("new", 4)))
    for state in ("in_review", "confirmed", "in_review"):
        desk.move(1, state, two_persons=())
    with pytest.raises(MoveError, match="was confirmed before"):
        join_case(desk.book, "1", "2", signer=desk.ada, **WHY)


def test_what_is_filed_under_a_case_that_was_joined_changes_neither(desk):
    first, second = desk.open(Found(accounts("acct", 6)), Found(accounts("new", 4)))
    join_case(desk.book, "2", "1", signer=desk.ada, **WHY)
    by = {"by": "person", "name": "ada"}
    for record, fields in (
        ("case_join/1", {"into": first.case_id, "reason": "again"}),
        ("case_move/1", {"before": "closed", "after": "in_review", "as_of": 99, "reason": "again"}),
        ("case_member/1", {"state": "cleared", "reason": "x", "account": Personal("a", desk.name("new-000"))}),
    ):
        given: dict[str, Any] = by | fields
        desk.ledger.append([Record(record, given, case_id=second.case_id, time_us=desk.clock(), signer=desk.ada)])
    assert [one[1] for one in desk.book.irregular()] == ["case_join/1", "case_move/1", "case_member/1"]
    assert (desk.case(2).state, desk.case(2).members, desk.case(2).cleared) == (CaseState.CLOSED, 4, 0)
    assert desk.case(1).members == 10


def test_who_is_in_both_cases_stays_what_they_are_in_the_one_that_goes_on(desk):
    desk.open(Found(accounts("acct", 6)), Found([*accounts("new", 4), "acct-000"]))
    for state in ("in_review", "confirmed"):
        desk.move(1, state, two_persons=())
    clear_account(desk.book, "2", desk.name("acct-000"), signer=desk.ada, **WHY)
    join_case(desk.book, "2", "1", signer=desk.ada, **WHY)
    with desk.book.reading() as tables:
        (both,) = [one for one in members_of(tables, 1) if one.account_id == desk.name("acct-000")]
    assert (both.confirmed, both.cleared) == (True, False)


def test_a_case_of_which_every_account_was_cleared_cannot_be_confirmed(desk):
    desk.open(Found(accounts("acct", 2)))
    desk.move(1, "in_review")
    for account in accounts("acct", 2):
        clear_account(desk.book, "1", desk.name(account), signer=desk.ada, **WHY)
    with pytest.raises(MoveError, match="every account"):
        desk.move(1, "confirmed")
    clear_account(desk.book, "1", desk.name("acct-000"), signer=desk.ada, restore=True, **WHY)
    assert desk.move(1, "confirmed").waiting
    with pytest.raises(CaseUnknownError):
        clear_account(desk.book, "1", "p1_nobody", signer=desk.ada, **WHY)
