"""Three claims are judged apart, by persons, on graded evidence, with what else it could be."""

from __future__ import annotations

from typing import Any

import pytest

from spiritsafe.cases.assessments import AssessmentError, assess, assessments_of
from spiritsafe.cases.lookups import findings_of, history_of
from spiritsafe.cases.model import StrangerError
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.grading import evidence_of
from spiritsafe.evidence.lint import ReleaseError
from tests.cases.desk import Found, accounts

GOOD: dict[str, Any] = {
    "statement": "The accounts act as one.",
    "likelihood": "very likely",
    "confidence": "moderate",
    "basis": ["E1=A1", "a partner's report=c3"],
    "alternatives": ["One customer with many keys: no contract names them."],
}


def judged(desk, claim="accounts_act_as_one", **more):
    return assess(desk.book, "1", claim, **{**GOOD, "signer": desk.ada, **more})


@pytest.fixture
def case_id(desk):
    return desk.open(Found(accounts("acct", 6)))[0].case_id


def test_a_judgement_is_filed_with_its_grades_and_stands_in_the_history(desk, case_id):
    judged(desk)
    (one,) = assessments_of(desk.book, case_id)
    assert (one.likelihood, one.confidence, one.by) == ("very likely", "moderate", "ada")
    assert [(item["what"], item["kind"], item["grade"]) for item in one.basis] == [
        ("E1", "identity", "A1"), ("a partner's report", "other source", "C3"),
    ]  # fmt: skip
    assert one.basis[0]["statement"] == "they pay alike"
    with desk.book.reading() as tables:
        assert history_of(tables, 1)[-1].what == "assessment: accounts_act_as_one"
        assert list(evidence_of(findings_of(tables, 1)[0])) == ["E1", "E2", "E3"]


def test_the_newest_word_of_each_person_on_each_claim_stands(desk, case_id):
    judged(desk)
    judged(desk, confidence="low")
    judged(desk, signer=desk.grace, likelihood="unlikely")
    judged(desk, "outputs_trained_model", likelihood="roughly even chance")
    told = [(one.claim, one.by, one.likelihood, one.confidence) for one in assessments_of(desk.book, case_id)]
    assert told == [
        ("accounts_act_as_one", "ada", "very likely", "low"),
        ("accounts_act_as_one", "grace", "unlikely", "moderate"),
        ("outputs_trained_model", "ada", "roughly even chance", "moderate"),
    ]


def test_whom_a_judgement_names_can_be_erased_and_the_judgement_stays(desk, case_id):
    judged(desk, "operated_by", operator="Northwind Holdings", statement="One firm operates them.")
    assert assessments_of(desk.book, case_id)[0].operator == "Northwind Holdings"
    erase_subject(desk.ledger, case_id, "Northwind Holdings", basis="asked", signer=desk.ada, at_us=desk.clock())
    assert assessments_of(desk.book, case_id)[0].operator == ""


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"statement": "It is very likely, with high confidence."}, "likelihood-and-confidence"),
        ({"statement": "They are Chinese because the prompts are."}, "nationality-alone"),
        ({"alternatives": []}, "no-alternatives"),
        ({"likelihood": "certain"}, "likelihood-term"),
        ({"confidence": "total"}, "confidence-term"),
        ({"basis": []}, "no-basis"),
        ({"statement": "It is likely.", "alternatives": ["A class is improbable."]}, "two-rows"),
    ],
)
def test_what_the_standard_forbids_is_refused_and_not_filed(desk, case_id, more, rule):
    with pytest.raises(ReleaseError, match=rule):
        judged(desk, **more)
    assert assessments_of(desk.book, case_id) == []


@pytest.mark.parametrize(
    "more",
    [
        {"basis": ["E1"]},
        {"basis": ["E1=G1"]},
        {"basis": ["E1=A7"]},
        {"basis": ["E4=A1"]},
        {"basis": ["=A1"]},
        {"operator": "Northwind"},
        {"claim": "operated_by"},
    ],
)
def test_evidence_that_is_not_there_and_grades_that_are_none_are_refused(desk, case_id, more):
    with pytest.raises(AssessmentError) as caught:
        judged(desk, **more)
    assert caught.value.hint


def test_a_stranger_judges_nothing(desk, case_id):
    with pytest.raises(StrangerError):
        judged(desk, signer=desk.eve)
