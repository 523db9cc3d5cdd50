"""Part 5: what else it could be, against which evidence each explanation holds, and what would change our mind.

An analysis of competing hypotheses: what tells is evidence that an explanation does not account for; what every
explanation accounts for says nothing. Which kinds of evidence an explanation would bring about by itself is our
judgement, and stands here to be disagreed with; whether it was seen to hold is the program's check.
Comes from `dossier.building`; goes on to nobody.
Source: R. Heuer, Psychology of Intelligence Analysis (1999), chapter 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.dossier.judging import CLAIMS, assessments
from spiritsafe.dossier.model import Block, Heading, Items, Paragraph, Part, Table
from spiritsafe.evidence.grading import evidence_of

if TYPE_CHECKING:
    from spiritsafe.dossier.filing import CaseFile

KINDS: Final = ("content", "work", "timing", "infrastructure", "identity", "lifecycle")
EXPLAINS: Final[dict[str, frozenset[str]]] = {
    "one customer with many accounts": frozenset(KINDS),
    "people on one network": frozenset({"infrastructure"}),
    "one popular application": frozenset({"content"}),
    "licensed distillation, red team, reseller or programme": frozenset(KINDS),
    "published recipe or viral template": frozenset({"content"}),
    "benchmark, homework or recipe": frozenset({"content", "timing"}),
}
"""By explanation, the kinds of evidence that it would bring about by itself, were it so."""
OUTCOMES: Final = {
    "fits": "is not ruled out",
    "does_not_fit": "does not fit",
    "not_checkable": "could not be checked",
}


def alternatives(file: CaseFile) -> Part:
    """Part 5."""
    found: Any = file.leading.fields["alternatives"]
    checked: list[dict[str, Any]] = list(found["checked"])
    rows = tuple(
        (f"H{number}", one["name"], one["question"], one["finding"], OUTCOMES.get(one["outcome"], one["outcome"]))
        for number, one in enumerate(checked, start=1)
    )
    evidence = evidence_of(file.leading.fields)
    innocent = tuple((name, one["statement"], one["innocent_explanation"]) for name, one in evidence.items())
    said = tuple(
        f"{CLAIMS[claim]}: {text}"
        for claim in CLAIMS
        for one in assessments(file, claim)
        for text in _texts(one.fields["alternatives"])
    )
    blocks: list[Block] = [
        Heading("Checked by the program"),
        Table(("", "explanation", "the question", "what was seen", "so it"), rows, (1, 4, 5, 6, 3)),
        Heading("Which evidence each accounts for"),
        Paragraph(
            "Evidence that an explanation does not account for speaks against it; what all of them account for says "
            "nothing. "
            "Which kinds each would bring about by itself is a judgement of the program's authors.",
            is_note=True,
        ),
        matrix([str(one["name"]) for one in checked], sorted({one["kind"] for one in evidence.values()} & set(KINDS))),
        Heading("What could explain each piece of evidence by itself"),
        Table(("", "what was found", "an innocent explanation"), innocent, (1, 7, 6)),
    ]
    if said:
        blocks += [Heading("Weighed by whoever judged"), Items(said)]
    blocks += [Heading("What would change our mind"), Items(tuple(map(str, found["would_change_our_mind"])))]
    return Part(5, "Alternative hypotheses", tuple(blocks))


def matrix(names: list[str], kinds: list[str]) -> Table:
    """Kinds of evidence that were found against explanations: consistent, inconsistent, or not judged."""
    columns = ("evidence of", "one operator", *(f"H{number}" for number in range(1, len(names) + 1)))
    rows = tuple((kind, "consistent", *(_fits(name, kind) for name in names)) for kind in kinds)
    return Table(columns, rows, (3, *[2] * (len(names) + 1)))


def _fits(name: str, kind: str) -> str:
    if name not in EXPLAINS:
        return "not judged"
    return "consistent" if kind in EXPLAINS[name] else "inconsistent"


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value]
