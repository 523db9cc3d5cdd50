"""What a person judges, claim by claim: likelihood and confidence apart, each piece of evidence graded.

Three claims that are often run together are kept apart: that the accounts act as one, who operates them, and that a
model was trained on what they took. Each has evidence, alternatives and a confidence of its own. Analysts may differ;
the newest word of each stands.
Comes from the command; goes on to `assessment/1` in the ledger.
Source: ICD 203 (likelihood and confidence in separate sentences); NATO AJP-2.1, Admiralty grading: the source's
reliability A to F, the information's credibility 1 to 6, each judged for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.cases.filing import record_of
from spiritsafe.cases.lookups import find_current, findings_of, leading
from spiritsafe.cases.model import CLAIMS
from spiritsafe.errors import UsageError
from spiritsafe.evidence.grading import evidence_of
from spiritsafe.evidence.lint import Judgement, check_release, lint_judgements, lint_text
from spiritsafe.evidence.records import Personal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.model import Claim
    from spiritsafe.keys.persons import Signer

_BASIS: Final = re.compile(r"(?P<what>.+)=(?P<grade>[A-Fa-f][1-6])")
_OWN: Final = re.compile(r"E([1-9][0-9]{0,3})")


class AssessmentError(UsageError):
    """Evidence is named that the finding does not have, or a grade is none."""

    code = "cases.assessment"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What somebody judged of one claim. `basis` has items with `what`, `kind`, `statement` and `grade`."""

    claim: str
    likelihood: str
    confidence: str
    statement: str
    basis: tuple[dict[str, str], ...]
    alternatives: tuple[str, ...]
    operator: str
    by: str
    time_us: int
    record_id: str


def assess(
    book: CaseBook,
    case: str,
    claim: Claim,
    *,
    statement: str,
    likelihood: str,
    confidence: str,
    basis: Sequence[str],
    alternatives: Sequence[str],
    signer: Signer,
    operator: str = "",
) -> str:
    """File what a person judges; the record's id.

    Parameters
    ----------
    book, case
        The cases, and which.
    claim
        Which of the three.
    statement
        The judgement in a sentence or more. It says nothing of the confidence.
    likelihood
        A term of ICD 203, or empty: that accounts act as one can be shown by a test alone.
    confidence
        low, moderate or high.
    basis
        What it rests on, each as `E3=B2`: evidence of the newest finding, or other sources in words (`a partner's
        report=C3`), with its Admiralty grade.
    alternatives
        Other explanations, and what speaks against them.
    signer
        Who judges.
    operator
        Whom it names, with the claim `operated_by`.

    Raises
    ------
    AssessmentError
        The finding has no such evidence, or a grade is none.
    ReleaseError
        The statement mixes likelihood and confidence, reasons from nationality, or has no alternatives.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_current(doing.tables, case)
        if bool(operator) != (claim == "operated_by"):
            raise AssessmentError(
                "an operator is named with the claim operated_by, and only there", hint="name them with --operator"
            )
        shown = evidence_of(leading(findings_of(doing.tables, found.number)))
        items = [_graded(text, shown) for text in basis]
        judgement = Judgement(
            statement, likelihood, confidence, tuple(item["kind"] for item in items), tuple(alternatives)
        )
        text = "\n\n".join([statement, *alternatives])
        check_release([*lint_judgements([judgement]), *lint_text(text, leaves=False)], paper="assessment")
        fields: dict[str, Any] = {
            "claim": claim,
            "likelihood": likelihood,
            "confidence": confidence,
            "statement": statement,
            "basis": tuple(items),
            "alternatives": tuple(alternatives),
        }
        if operator:
            fields["operator"] = Personal(operator, operator)
        return doing.file([record_of(doing, "assessment/1", found.case_id, signer=signer, **fields)])[0].record_id


def assessments_of(book: CaseBook, case_id: str) -> list[Assessment]:
    """The newest word of each person on each claim, by claim; whom an erasure took out is not named."""
    newest: dict[tuple[str, str], Assessment] = {}
    for record in book.ledger.records(case_id=case_id, record="assessment/1"):
        held: dict[str, Any] = dict(record.fields)
        newest[held["claim"], held["name"]] = Assessment(
            claim=held["claim"],
            likelihood=held.get("likelihood", ""),
            confidence=held["confidence"],
            statement=held["statement"],
            basis=tuple(held["basis"]),
            alternatives=tuple(held["alternatives"]),
            operator=held.get("operator", ""),
            by=held["name"],
            time_us=record.time_us,
            record_id=record.record_id,
        )
    return sorted(newest.values(), key=lambda one: (CLAIMS.index(one.claim), one.time_us))


def _graded(text: str, shown: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A piece of evidence with its grade."""
    match = _BASIS.fullmatch(text.strip())
    if match is None:
        raise AssessmentError(
            f"{text[:60]!r} has no Admiralty grade", hint="e.g. E3=B2: the source's reliability A-F, credibility 1-6"
        )
    what, grade = match["what"].strip(), match["grade"].upper()
    own = _OWN.fullmatch(what)
    if own is None:
        return {"what": what, "kind": "other source", "statement": what, "grade": grade}
    if what not in shown:
        raise AssessmentError(
            f"the newest finding has no evidence {what}", hint=f"it has E1 to E{len(shown)}: `spiritsafe case show`"
        )
    return {"what": what, "kind": shown[what]["kind"], "statement": shown[what]["statement"], "grade": grade}
