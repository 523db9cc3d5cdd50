"""A statement of reasons says what its reader is owed, and nothing that its reader must not learn."""

from __future__ import annotations

import re
from typing import Any

import pytest

from spiritsafe.cases.actions import act
from spiritsafe.cases.lookups import history_of
from spiritsafe.cases.model import CaseUnknownError
from spiritsafe.cases.notices import FORMS, NoticeError, give_notice, render, statement_of
from spiritsafe.evidence.lint import ReleaseError
from tests.cases.desk import GROUND, Found, accounts

REDRESS: dict[str, Any] = {"appeal_to": "appeals@provider.example", "appeal_days": 14}


def notice(desk, form, account="acct-000", **more):
    return give_notice(desk.book, "1", desk.name(account), form, signer=desk.ada, **{**REDRESS, **more})


def test_the_holder_reads_facts_rule_whether_a_machine_decided_and_how_to_appeal(desk):
    desk.acted()
    text = notice(desk, "holder")
    for said in (
        "suspended on 2023-11-14", "payment or registration data in common", GROUND, "decided by two persons",
        "appeals@provider.example", "14 days", desk.name("acct-000"), "innocent reasons",
    ):  # fmt: skip
        assert said in text
    assert "wording that is rare" not in text  # it has no bits of that kind


def test_what_a_machine_decided_is_said_to_be_decided_by_a_machine(desk):
    desk.confirmed()
    act(desk.book, "1", "throttle", ground=GROUND, detail="x", rule="playbook/1", automated=True)
    assert "decided by a program as well" in notice(desk, "holder")
    assert "Decided by automated means: yes" in notice(desk, "regulator")


@pytest.mark.parametrize("form", ["holder", "regulator"])
def test_what_leaves_names_nobody_else_and_teaches_nobody_how_the_group_was_found(desk, form):
    desk.acted()
    text = notice(desk, form)
    names = set(re.findall(r"p1_[0-9a-f]{32}", text))
    assert names == ({desk.name("acct-000")} if form == "holder" else set())
    for secret in ("ada", "grace", "bits", "they pay alike"):
        assert not re.search(rf"\b{secret}\b", text)


def test_the_reviewer_reads_who_decided_and_on_what_and_what_else_it_could_be(desk):
    desk.acted()
    text = notice(desk, "reviewer")
    for said in ("ada: as the evidence says", "grace", "[E1] they pay alike (7.0 bits)", "No contract.", "work 9.0"):
        assert said in text


def test_a_reason_is_the_newest_finding_that_names_the_account(desk):
    desk.acted(Found(accounts("acct", 6)))
    desk.open(Found([*accounts("acct", 4), "new-000"]))
    assert "The group: 5 accounts act as one" in notice(desk, "reviewer", "acct-001")
    assert "The group: 6 accounts act as one" in notice(desk, "reviewer", "acct-005")


def test_a_notice_is_filed_with_its_text_and_stands_in_the_history(desk):
    desk.acted()
    text = notice(desk, "holder")
    (filed,) = [record for record in desk.ledger.records() if record.record == "notice/1"]
    assert (filed.fields["text"], filed.fields["form"], filed.fields["automated"]) == (text, "holder", False)
    with desk.book.reading() as tables:
        assert history_of(tables, 1)[-1].what == "notice: holder"


@pytest.mark.parametrize(
    ("ground", "rule"),
    [
        ("Terms 4.2, since the holder is Chinese.", "nationality-alone"),
        ("Terms 4.2; revenue of $5,000 was lost", "business-data"),
        ("Terms 4.2; see jo@acme.example", "identifier"),
        ("Terms 4.2. It is very likely, with high confidence, a breach.", "likelihood-and-confidence"),
    ],
)
def test_a_notice_that_says_what_it_may_not_is_refused_and_not_filed(desk, ground, rule):
    desk.confirmed()
    act(desk.book, "1", "suspend", ground=ground, detail="x", signer=desk.ada)
    with pytest.raises(ReleaseError, match=rule):
        notice(desk, "holder")
    assert not [record for record in desk.ledger.records() if record.record == "notice/1"]


def test_without_redress_without_an_action_or_of_a_stranger_there_is_no_notice(desk):
    desk.confirmed()
    with pytest.raises(NoticeError, match="nothing was done"):
        notice(desk, "holder")
    with pytest.raises(NoticeError, match="nowhere to appeal"):
        notice(desk, "holder", appeal_to="")
    with pytest.raises(CaseUnknownError):
        notice(desk, "holder", account="nobody")


def test_a_draft_files_nothing(desk):
    desk.acted()
    size = desk.ledger.size
    with desk.book.reading() as tables:
        statement = statement_of(tables, "1", desk.name("acct-000"), **REDRESS)
    assert all(render(statement, form) for form in FORMS)
    assert desk.ledger.size == size
