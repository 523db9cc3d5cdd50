"""Something is done only to whom a person confirmed, and all of it can be undone."""

from __future__ import annotations

import pytest

from spiritsafe.cases.actions import SparedError, act, order_undo, report_undone
from spiritsafe.cases.attestations import (
    AttestationError,
    Terms,
    attest,
    attestations_table,
    change_attestation,
    withdraw_attestation,
)
from spiritsafe.cases.lookups import actions_of, attestations_in
from spiritsafe.cases.model import CaseState, CaseUnknownError, MoveError
from spiritsafe.cases.moves import clear_account
from spiritsafe.events.model import ATTESTATIONS
from spiritsafe.events.tables import read_table
from spiritsafe.files import write_parquet
from tests.cases.desk import DAY_US, GROUND, WHY, Found, accounts


def doing(desk, **more):
    return act(desk.book, "1", "suspend", ground=GROUND, detail="at the gateway", signer=desk.ada, **more)


def terms(desk, days=30, **more):
    given = {"kind": "academic", "owner": "Dr Lee", "reason": "a course", "not_before_us": desk.clock()}
    return Terms(**{**given, "expires_us": desk.clock() + days * DAY_US, **more})


def outcomes(desk):
    with desk.book.reading() as tables:
        return [one.outcome for one in actions_of(tables, 1)]


def test_nothing_is_done_before_persons_confirmed(desk):
    desk.open(Found(accounts("acct", 6)))
    with pytest.raises(MoveError, match="suspected"):
        doing(desk)
    desk.move(1, "in_review")
    with pytest.raises(MoveError, match="in_review"):
        doing(desk)


def test_an_action_reaches_every_confirmed_account_and_moves_the_case(desk):
    desk.confirmed()
    acted = doing(desk)
    assert (len(acted.reach.accounts), desk.case().state) == (6, CaseState.ACTED_ON)
    assert outcomes(desk) == ["done"] * 6


def test_spared_are_those_who_joined_later_were_cleared_or_are_attested(desk):
    firm = desk.hide.value("organization_id", "Acme")
    desk.confirmed(Found(accounts("acct", 6), verified={"acct-003": "Acme"}))
    desk.open(Found(accounts("acct", 7), verified={"acct-003": "Acme"}))
    clear_account(desk.book, "1", desk.name("acct-001"), signer=desk.ada, **WHY)
    attest(desk.book, desk.name("acct-002"), terms(desk), signer=desk.ada)
    attest(desk.book, firm, terms(desk, kind="reseller"), signer=desk.ada)
    acted = doing(desk)
    assert {desk.name(f"acct-00{n}") for n in (0, 4, 5)} == set(acted.reach.accounts)
    assert acted.reach.spared == {
        desk.name("acct-001"): "cleared",
        desk.name("acct-002"): "attested as academic by Dr Lee",
        desk.name("acct-003"): "attested as reseller by Dr Lee",
        desk.name("acct-006"): "not confirmed",
    }
    with pytest.raises(SparedError, match="attested as academic"):
        doing(desk, only=[desk.name("acct-002")])
    with pytest.raises(CaseUnknownError):
        doing(desk, only=["p1_nobody"])


def test_an_attestation_protects_from_its_first_day_to_its_last_and_while_it_is_not_withdrawn(desk):
    desk.confirmed(Found(accounts("acct", 1)))
    subject = desk.name("acct-000")
    given = attest(desk.book, subject, terms(desk, not_before_us=desk.clock() + DAY_US), signer=desk.ada)
    doing(desk)
    desk.clock.us += DAY_US
    with pytest.raises(MoveError, match="nobody"):
        doing(desk)
    change_attestation(desk.book, given, terms(desk, days=1, kind="reseller"), signer=desk.grace)
    with desk.book.reading() as tables:
        assert [(one.kind, one.owner) for one in attestations_in(tables, at_us=desk.clock())] == [
            ("reseller", "Dr Lee")
        ]
    desk.clock.us += DAY_US
    doing(desk)
    change_attestation(desk.book, given, terms(desk), signer=desk.grace)
    withdraw_attestation(desk.book, given, reason="it ended", signer=desk.ada)
    doing(desk)
    with pytest.raises(AttestationError):
        attest(desk.book, subject, terms(desk, days=-1), signer=desk.ada)
    with pytest.raises(CaseUnknownError):
        withdraw_attestation(desk.book, "none", reason="x", signer=desk.ada)


def test_exported_attestations_are_read_by_scan(desk, tmp_path):
    attest(desk.book, desk.name("acct-000"), terms(desk), signer=desk.ada)
    gone = attest(desk.book, desk.name("acct-001"), terms(desk), signer=desk.ada)
    withdraw_attestation(desk.book, gone, reason="it ended", signer=desk.ada)
    with desk.book.reading() as tables:
        table = attestations_table(attestations_in(tables))
    write_parquet(table, tmp_path / "attestations.parquet", "attestations/1.0")
    read, refused = read_table(tmp_path / "attestations.parquet", ATTESTATIONS)
    assert not refused
    assert read["subject"].to_pylist() == [desk.name("acct-000")]
    assert read["kind"].to_pylist() == ["academic"]


def test_what_was_done_is_ordered_to_be_undone_and_the_case_stays_open_until_it_is(desk):
    desk.acted()
    only = [desk.name("acct-000")]
    assert order_undo(desk.book, "1", reason="wrong account", signer=desk.grace, only=only) == 1
    assert order_undo(desk.book, "1", reason="all of it", signer=desk.grace) == 5
    assert desk.case().owed == 6
    with pytest.raises(MoveError, match="still to be undone"):
        desk.move(1, "closed")
    assert report_undone(desk.book, "1", detail="reinstated", signer=desk.ada) == 6
    assert outcomes(desk) == ["undone"] * 6
    for again in (report_undone, order_undo):
        word = {"detail": "x"} if again is report_undone else {"reason": "x"}
        with pytest.raises(MoveError):
            again(desk.book, "1", signer=desk.ada, **word)
    desk.move(1, "closed")


def test_an_action_that_failed_moves_nothing_and_is_tried_again_under_its_id(desk):
    desk.confirmed()
    first = doing(desk, outcome="failed")
    assert (desk.case().state, set(outcomes(desk))) == (CaseState.CONFIRMED, {"failed"})
    doing(desk, action_id=first.action_id)
    assert (desk.case().state, outcomes(desk)) == (CaseState.ACTED_ON, ["done"] * 6)
