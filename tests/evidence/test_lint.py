"""What may not be said is found; what may be said is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.evidence.lint import (
    ROWS,
    Judgement,
    ReleaseError,
    check_release,
    lint_judgements,
    lint_text,
)

ME, OTHER = "p1_" + "a" * 32, "p1_" + "b" * 32
PROMPT = "Please translate the following internal memo about our merger into plain words for the staff"


def rules(text, *, leaves=True, **more):
    return {one.rule for one in lint_text(text, leaves=leaves, **more)}


@pytest.mark.parametrize("term", [term for row in ROWS for term in row if term != "remote"])
def test_a_likelihood_and_a_confidence_do_not_stand_in_one_sentence(term):
    assert rules(f"It is {term} that they act as one, with high confidence.") == {"likelihood-and-confidence"}
    assert rules(f"It is {term} that they act as one. Our confidence in this is high.") == set()
    assert rules(f"It is {term} that they act as one.\n\nConfidence: high.") == set()


def test_one_row_of_terms_is_used():
    assert rules("It is likely. The other is improbable.") == {"two-rows"}
    assert rules("A remote server answered; it is likely theirs.") == set()
    assert rules("There is a remote chance; it is likely theirs.") == {"two-rows"}


@pytest.mark.parametrize(
    "sentence",
    [
        "The operator is Chinese because the prompts are Mandarin.",
        "The addresses suggest that they sit in North Korea.",
        "Since the accounts were opened in Iran, they belong together.",
        "It is likely a Russian firm.",
    ],
)
def test_nobody_is_judged_by_where_they_are_or_how_they_speak(sentence):
    assert rules(sentence, leaves=False) == {"nationality-alone"}


@pytest.mark.parametrize(
    "sentence",
    [
        "The firm's registered office is in China.",
        "It is likely one operator: payments [E3], and a holding in Singapore [E7].",
        "The office is in the United States.",
        "They polish each answer because it is checked.",
        "You may turn to a body in the European Union.",
    ],
)
def test_a_place_that_is_named_or_that_comes_with_evidence_is_left_alone(sentence):
    assert rules(sentence, leaves=False) == set()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("They paid $5 a month.", "business-data"),
        ("They paid 500 EUR.", "business-data"),
        ("Our pricing was known to them.", "business-data"),
        ("We have 12,000 enterprise customers.", "business-data"),
        ("It was used before the launch plan was told.", "business-data"),
        ("Write to jo.doe@mail.acme.example now.", "identifier"),
        ("It came from 203.0.113.9 and others.", "identifier"),
        ("It came from 2001:db8:0:0:1::7 and others.", "identifier"),
        ("Card 4111 1111 1111 1111 was used.", "identifier"),
        (f"The account {OTHER} did the same.", "identifier"),
        ("They asked to translate the following internal memo about our merger into plain words.", "prompt-text"),
    ],
)
def test_what_leaves_tells_no_business_no_identity_and_no_prompt(text, rule):
    assert rules(text, secrets=[PROMPT], concerns=[ME]) == {rule}
    assert rules(text, leaves=False, secrets=[PROMPT]) == set()


@pytest.mark.parametrize(
    "text",
    [
        f"Your account {ME} was suspended on 2026-11-30.",
        "Case 01a22cfe-4834-7118-ba49-9e30da222d8e, entry 4,111 of 1,111,111.",
        "p1_203.0.113.9 is a stand-in.",
        "The digest is 0123456789abcdef0123456789abcdef.",
        "The margin of error is 3 %, at 12:30:15.",
        "Order 4111 1111 1111 1112 has no check digit.",
        "They asked to translate an internal memo.",
    ],
)
def test_what_looks_like_it_and_is_none_is_left_alone(text):
    assert rules(text, secrets=[PROMPT], concerns=[ME]) == set()


def test_a_claim_names_its_basis_its_terms_and_what_else_it_could_be():
    good = Judgement("They act as one.", "very likely", "moderate", ("payment", "country"), ("a reseller",))
    assert lint_judgements([good]) == []
    bad = Judgement("They are spies.", "certain", "total", ("country", "language"), ())
    assert {one.rule for one in lint_judgements([bad])} == {
        "no-alternatives", "nationality-alone", "likelihood-term", "confidence-term",
    }  # fmt: skip
    (none,) = lint_judgements([Judgement("They act as one.", "", "low", (), ("a class",))])
    assert none.rule == "no-basis"


def test_a_breach_is_an_error_that_quotes_it():
    check_release([], paper="notice")
    with pytest.raises(ReleaseError, match="a sum of money") as caught:
        check_release(lint_text("It cost $5, then $6.", leaves=True), paper="notice")
    assert "1 more places" in str(caught.value)


@given(st.integers(0, (1 << 128) - 1), st.uuids())
def test_pseudonyms_and_ids_are_never_taken_for_cards(number, case_id):
    mine = f"p1_{number:032x}"
    assert lint_text(f"Account {mine}, case {case_id}.", leaves=True, concerns=[mine]) == []
    digits = f"p1_{number % 10**32:032d}"
    assert (
        lint_text(f"Account {digits} in 4111-1111-1111-4111-a111-111111111111.", leaves=True, concerns=[digits]) == []
    )


@given(st.text(max_size=400), st.text(max_size=100))
def test_any_text_is_read_to_its_end(text, secret):
    for one in lint_text(text, leaves=True, secrets=[secret]):
        assert one.rule
        assert one.what
