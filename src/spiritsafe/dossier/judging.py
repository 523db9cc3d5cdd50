"""Parts 2 to 4: what is judged, claim by claim, on which evidence, and how good its sources are.

Three claims are kept apart, since most that goes wrong in public slides from one to the next: that accounts act as one
is shown by a test; who operates them, and what was trained on what they took, are judged by persons.
Comes from `dossier.building`; goes on to nobody.
Source: ICD 203 (2015): likelihood and confidence in separate sentences; NATO AJP-2.1, Admiralty grades; STIX 2.1,
appendix A: credibility as confidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.dossier.drawing import MOST_DRAWN, MOST_THINGS, draw_kinds, draw_ties
from spiritsafe.dossier.model import Block, Figure, Heading, Items, Paragraph, Part, Table
from spiritsafe.evidence.grading import CREDIBILITY, LIKELIHOOD_SHARES, RELIABILITY, STIX_CONFIDENCE, evidence_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.dossier.filing import CaseFile
    from spiritsafe.evidence.reading import FiledRecord

CLAIMS: Final = {
    "accounts_act_as_one": "The accounts act as one",
    "operated_by": "Who operates them",
    "outputs_trained_model": "Their answers trained a model",
}


def judgements(file: CaseFile) -> Part:
    """Part 2: the newest word of each person on each claim; of a claim that nobody judged, that."""
    blocks: list[Block] = [
        Paragraph(_standing(file)),
        Paragraph(
            "A likelihood is one of seven terms: "
            + "; ".join(f"{term} ({share})" for term, share in LIKELIHOOD_SHARES.items())
            + ". Confidence tells how good the ground of a judgement is, and stands in a sentence of its own.",
            is_note=True,
        ),
    ]
    for claim, title in CLAIMS.items():
        blocks.append(Heading(title))
        said = assessments(file, claim)
        if not said:
            blocks.append(Paragraph("Nothing is claimed here."))
        blocks += [block for one in said for block in _judged(one)]
    return Part(2, "Key judgements", tuple(blocks))


def claims(file: CaseFile) -> Part:
    """Part 3: each claim with its own evidence."""
    finding = file.leading
    blocks: list[Block] = [Heading("(i) " + CLAIMS["accounts_act_as_one"]), Paragraph(f"{_said(finding, 'headline')}.")]
    blocks += _tested(finding)
    rows = tuple(
        (name, one["kind"], one["statement"], f"{one['bits']:.1f}" if one["bits"] else "", _rarity(file, one))
        for name, one in evidence_of(finding.fields).items()
    )
    blocks.append(Table(("", "kind", "what was found", "bits", "how rare"), rows, (1, 3, 9, 1, 4)))
    blocks.append(
        Paragraph(
            "A bit halves the probability that it is chance; what many unrelated accounts share weighs little.",
            is_note=True,
        )
    )
    members: Any = finding.fields.get("members")
    if members:
        blocks.append(
            Figure(draw_kinds(members), "Kinds of evidence: of how many accounts each holds, and how strongly.")
        )
        some = f"; the {MOST_DRAWN} with the rarest things" if len(members) > MOST_DRAWN else ""
        caption = (
            f"Accounts (dots{some}) and the {MOST_THINGS} rarest things that at least two of them share (squares, "
            "larger "
            "where rarer)."
        )
        blocks.append(Figure(draw_ties(members), caption))
    missing = finding.fields.get("missing")
    if isinstance(missing, list) and missing:
        blocks += [Heading("What could not be looked at"), Items(tuple(map(str, missing)))]
    for numeral, claim in (("(ii)", "operated_by"), ("(iii)", "outputs_trained_model")):
        blocks.append(Heading(f"{numeral} {CLAIMS[claim]}"))
        said = assessments(file, claim)
        if not said:
            blocks.append(Paragraph("Nothing is claimed here, and nothing follows from the claim before."))
        blocks += [_basis_table(one) for one in said]
    return Part(3, "Three claims, each with its own evidence", tuple(blocks))


def grades(file: CaseFile) -> Part:
    """Part 4: how good each piece of evidence is, by whom it was graded."""
    rows = tuple(
        (
            str(item["what"]),
            CLAIMS[str(one.fields["claim"])],
            item["grade"],
            RELIABILITY[item["grade"][0]],
            CREDIBILITY[item["grade"][1]],
            STIX_CONFIDENCE[item["grade"][1]],
            str(one.fields.get("name", "")),
        )
        for claim in CLAIMS
        for one in assessments(file, claim)
        for item in _basis(one)
    )
    columns = ("evidence", "for the claim", "grade", "the source", "the information", "STIX confidence", "graded by")
    blocks: list[Block] = [
        Paragraph(
            "Admiralty grades: the letter is the source's reliability, the digit the information's credibility, each "
            "judged for itself. The STIX confidence is that of the credibility (STIX 2.1, appendix A).",
            is_note=True,
        )
    ]
    blocks.append(Table(columns, rows, (4, 4, 1, 4, 4, 2, 2)) if rows else Paragraph("No evidence was graded."))
    return Part(4, "Source grading", tuple(blocks))


def assessments(file: CaseFile, claim: str) -> list[FiledRecord]:
    """The newest word of each person on a claim."""
    newest = {
        str(one.fields.get("name")): one for one in file.of("assessment/1") if one.fields["claim"] == claim
    }  # fmt: skip
    return list(newest.values())


def _standing(file: CaseFile) -> str:
    """Where the case stands, and who confirmed it."""
    state = file.state.replace("_", " ")
    moves = [one for one in file.of("case_move/1", "case_proposal/1") if one.fields["after"] == "confirmed"]
    persons = sorted({str(one.fields.get("name", "")) for one in moves if one.fields["by"] == "person"})
    if not persons:
        return f"The case is {state}. No person has confirmed it: what follows is what a program found."
    entries = ", ".join(str(one.position) for one in moves)
    return f"The case is {state}. It was confirmed by {' and '.join(persons)} (entries {entries})."


def _judged(one: FiledRecord) -> Iterator[Block]:
    likelihood = str(one.fields.get("likelihood") or "")
    yield Paragraph(str(one.fields["statement"]))
    if likelihood:
        yield Paragraph(f"Likelihood: {likelihood} ({LIKELIHOOD_SHARES[likelihood]}).")
    yield Paragraph(f"Confidence: {one.fields['confidence']}.")
    yield Paragraph(f"Judged by {one.fields.get('name', 'a person')}, entry {one.position}.", is_note=True)


def _tested(finding: FiledRecord) -> Iterator[Block]:
    significance: Any = finding.fields["significance"]
    yield Paragraph(significance["statement"])
    yield Paragraph(f"Method: {significance['method']}. Null: {significance['null']}.", is_note=True)
    axes: Any = finding.fields["evidence"]
    yield Table(
        ("axis", "is", "because"),
        tuple((axis["name"], axis["status"].replace("_", " "), axis["reason"]) for axis in axes["axes"]),
        (2, 2, 8),
    )


def _basis_table(one: FiledRecord) -> Table:
    rows = tuple(
        (item["what"], item["kind"], "" if item["statement"] == item["what"] else item["statement"], item["grade"])
        for item in _basis(one)
    )
    return Table(("evidence", "kind", "what it says", "grade"), rows, (3, 2, 8, 1))


def _basis(one: FiledRecord) -> list[dict[str, str]]:
    held: Any = one.fields["basis"]
    return list(held)


def _rarity(file: CaseFile, one: dict[str, Any]) -> str:
    """How rare a thing is; among how many, a version that leaves does not say."""
    rarity = str(one["rarity"])
    return rarity.partition(" of ")[0] + " accounts" if file.leaves and " of " in rarity else rarity


def _said(record: FiledRecord, name: str) -> str:
    return str(record.fields.get(name, "")).rstrip(".")
