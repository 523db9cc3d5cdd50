"""Records of `cases`, put together: who did it, under which case, at which time.

Comes from the verbs; goes on to `evidence.records`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spiritsafe.cases.lookups import findings_of
from spiritsafe.evidence.records import Personal, Record, new_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spiritsafe.cases.book import Doing
    from spiritsafe.cases.model import CaseState
    from spiritsafe.keys.persons import Signer


def record_of(
    doing: Doing, record: str, case_id: str, /, *, signer: Signer | None = None, rule: str = "", **fields: Any
) -> Record:
    """A record by a person who signs it, or by a rule."""
    by = {"by": "person", "name": signer.name} if signer else {"by": "rule", "name": rule}
    return Record(record, {**by, **fields}, case_id=case_id, time_us=doing.now_us, signer=signer)


def move_of(
    doing: Doing, case_id: str, before: str, after: CaseState, *, reason: str, signer: Signer | None = None,
    rule: str = "", **more: Any,
) -> Record:  # fmt: skip
    """A `case_move/1`."""
    told = {"before": before, "after": after.value, "as_of": doing.as_of, "reason": reason}
    return record_of(doing, "case_move/1", case_id, signer=signer, rule=rule, **(told | more))


def action_of(
    doing: Doing, case_id: str, accounts: Iterable[str], *, signer: Signer | None = None, rule: str = "", **fields: Any
) -> Record:
    """An `action/1` on these accounts."""
    touched = tuple(Personal(account, account) for account in sorted(accounts))
    return record_of(doing, "action/1", case_id, signer=signer, rule=rule, accounts=touched, **fields)


def retraction_of(
    doing: Doing, number: int, case_id: str, accounts: Iterable[str], *, scope: str, reason: str, signer: Signer
) -> Record:
    """A `retraction/1` of what was found of these accounts, or of the whole case."""
    return record_of(
        doing,
        "retraction/1",
        case_id,
        signer=signer,
        retraction=new_id(),
        scope=scope,
        campaign_ids=sorted({found["campaign_id"] for found in findings_of(doing.tables, number)}),
        reason=reason,
        accounts=tuple(Personal(account, account) for account in sorted(accounts)),
    )
