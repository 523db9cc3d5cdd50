"""A screening on record: which list, of which day and digest, what was asked, by what it was matched, what came out.

Comes from the command; goes on to `screening/1` in the ledger, under the case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.cases.filing import record_of
from spiritsafe.cases.lookups import find_case
from spiritsafe.cases.screening.screen import algorithm
from spiritsafe.evidence.records import Personal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.screening.model import Hit, Party, ScreeningList
    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.keys.persons import Signer


def file_screening(
    book: CaseBook,
    case: str,
    lists: Sequence[ScreeningList],
    parties: Sequence[Party],
    hits: Sequence[Hit],
    *,
    threshold: float,
    signer: Signer,
) -> int:
    """One record a list, with hits and without; the case's number.

    Who was asked about can be erased, and so can what was found of them: both are encrypted under the name.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_case(doing.tables, case)
        records = []
        for listed in lists:
            mine = [hit for hit in hits if hit.list_name == listed.name]
            records.append(
                record_of(
                    doing,
                    "screening/1",
                    found.case_id,
                    signer=signer,
                    list_name=listed.name,
                    list_version=listed.issued,
                    list_sha256=listed.sha256,
                    algorithm=algorithm(threshold),
                    hit_count=len(mine),
                    query=tuple(Personal(party.name, _asked(party)) for party in parties),
                    hits=tuple(Personal(hit.party.name, told(hit)) for hit in mine),
                )
            )
        doing.file(records)
    return found.number


def told(hit: Hit) -> dict[str, Json]:
    """A hit as JSON has it."""
    return {
        "asked": hit.party.name,
        "list": hit.list_name,
        "entry": hit.entry.entry_id,
        "name": hit.entry.name,
        "matched": hit.matched.text,
        "quality": hit.matched.quality,
        "score": round(hit.score, 3),
        "why": hit.why,
        "beside": [*hit.beside],
        "programs": [*hit.entry.programs],
    }


def _asked(party: Party) -> dict[str, Json]:
    return {"name": party.name, "kind": party.kind, "country": party.country, "born": party.born}
