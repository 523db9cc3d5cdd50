"""What the ledger holds of a case, and of that, how much a version of the paper shows.

A version that leaves the firm withholds what competitors do not tell one another, what is about people who are not
concerned, and what holders wrote; each withheld field is named in the paper, and the rest verifies without it.
Comes from `dossier.building`; goes on to `evidence`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.dossier.model import DossierError
from spiritsafe.evidence.exhibits import Exhibits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.reading import FiledRecord, Opening

WITHHELD: Final[Mapping[str, Mapping[str, str]]] = {
    "finding/1": {
        "exposure": "how much was served is a firm's own business",
        "members": "accounts are named to whoever may act on them, by another way",
    },
    "scan_run/1": {
        "settings": "settings name systems of the firm",
        "coverage": "how many accounts and rows there are is a firm's own business",
    },
    "preserved/1": {"parts": "whose rows were kept", "source": "how they were taken names systems of the firm"},
    "look/1": {"accounts": "whose rows were looked at", "reason": "reasons may tell whose account it is"},
    "case_member/1": {"account": "whose account it is", "reason": "reasons may tell whose account it is"},
    "action/1": {"accounts": "whose accounts they are", "detail": "what a gateway answered"},
    "notice/1": {"account": "whose account it is", "text": "a letter is its holder's"},
    "appeal/1": {
        "account": "whose account it is",
        "statement": "what holders write is theirs",
        "reason": "reasons may quote what a holder wrote",
    },
    "retraction/1": {"accounts": "whose accounts they are", "reason": "reasons may quote what a holder wrote"},
    "playbook_step/1": {"detail": "what a system answered", "values": "values are a firm's own"},
    "playbook_run/1": {"variables": "values are a firm's own"},
    "approval/1": {"values": "values are a firm's own"},
}
"""By record type, the fields that a version which leaves the firm does not show, and why."""


_TEXTS: Final = ("prompt", "system_prompt", "assistant_prefill", "response")


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case's records, oldest first, with the scans that its findings came from.

    `irregular` are records that break a rule of the cases and so changed nothing (`case rebuild` lists them).
    `leaves`: of each record, what a version that leaves does not show is not there.
    """

    case_id: str
    leaves: bool
    records: tuple[FiledRecord, ...]
    scans: tuple[FiledRecord, ...]
    irregular: tuple[FiledRecord, ...] = ()

    def of(self, *types: str) -> list[FiledRecord]:
        """The case's records of these types, oldest first."""
        return [record for record in self.records if record.record in types]

    @property
    def findings(self) -> list[FiledRecord]:
        """What scans found, oldest first; what was joined from another case among them."""
        return self.of("finding/1")

    @property
    def leading(self) -> FiledRecord:
        """The finding by which the case is shown: the newest that a scan filed."""
        own = [one for one in self.findings if "from" not in (_joined(one) or {})]
        return (own or self.findings)[-1]

    @property
    def everything(self) -> list[FiledRecord]:
        """The scans and the case's records, as they stand in the log."""
        return sorted([*self.scans, *self.records, *self.irregular], key=lambda record: record.position)

    @property
    def state(self) -> str:
        """Where the case stands, by its last move."""
        moves = self.of("case_move/1")
        return str(moves[-1].fields["after"]) if moves else ""

    @property
    def is_standing(self) -> bool:
        """Whether persons confirmed the case and nobody took that back, before it was closed or since."""
        moves = self.of("case_move/1")
        judged = str(moves[-1].fields["before"]) if self.state == "closed" else self.state
        return judged in {"confirmed", "acted_on", "appealed", "upheld"}


def read_case(ledger: Ledger, case_id: str, *, leaves: bool, irregular: Collection[int] = ()) -> CaseFile:
    """What the ledger holds of a case; raises `DossierError` where nothing was found in it.

    `irregular` are the places of records that break a rule.
    """
    records = list(ledger.records(case_id=case_id))
    runs = {str(record.fields["run_record"]) for record in records if record.record == "finding/1"}
    if not runs:
        raise DossierError(f"the ledger holds no finding of case {case_id[:60]}", hint="`spiritsafe case list`")
    scans = [record for record in ledger.records(record="scan_run/1") if record.record_id in runs]
    shown = [_shown(record) if leaves else record for record in records]
    return CaseFile(
        case_id,
        leaves,
        tuple(record for record in shown if record.position not in irregular),
        tuple(_shown(one) if leaves else one for one in scans),
        tuple(record for record in shown if record.position in irregular),
    )


def prompts_of(ledger: Ledger, case_id: str) -> list[str]:
    """What customers wrote in the rows that were kept for a case, and what they were answered."""
    exhibits = Exhibits(ledger)
    try:
        rows = [json.loads(line) for data in exhibits.rows_of_case(case_id) for line in data.splitlines() if line]
    finally:
        exhibits.close()
    return sorted({str(row[name]) for row in rows for name in _TEXTS if row.get(name)})


def shows(head: dict[str, Any], opening: Opening) -> bool:
    """Whether a version that leaves shows a field of an entry: what the bundle opens is what the paper says."""
    return opening.field not in WITHHELD.get(str(head["record"]), {})


def withheld_in(file: CaseFile) -> Iterator[tuple[FiledRecord, str, str]]:
    """Fields that a version which leaves does not show: the record, the field, why."""
    if file.leaves:
        for record in file.everything:
            for name, why in WITHHELD.get(record.record, {}).items():
                yield record, name, why


def _shown(record: FiledRecord) -> FiledRecord:
    hidden = WITHHELD.get(record.record, {})
    return replace(record, fields={name: value for name, value in record.fields.items() if name not in hidden})


def _joined(record: FiledRecord) -> dict[str, Any] | None:
    found = record.fields.get("joined")
    return found if isinstance(found, dict) else None
