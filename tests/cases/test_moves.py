"""A case goes only where it may, by whom it may, and only as far as they could see."""

from __future__ import annotations

import itertools

import pytest

from spiritsafe.cases import life
from spiritsafe.cases.lookups import history_of, members_of
from spiritsafe.cases.model import (
    CaseState,
    CaseUnknownError,
    ChangedError,
    MoveError,
    SecondPersonError,
    StrangerError,
)
from spiritsafe.cases.moves import clear_account, move_case
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
