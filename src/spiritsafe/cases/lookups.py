"""What the tables say: cases, their accounts, their history, and who vouches for whom.

Every listing comes a page at a time and rests on an index, so that it costs the same among a hundred cases and
among a hundred thousand. Comes from `cases.store`; goes on to the verbs and the command.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from spiritsafe.cases.life import JOINABLE
from spiritsafe.cases.model import (
    Action,
    Appeal,
    Attestation,
    CaseEvent,
    CaseMember,
    CaseState,
    CaseSummary,
    CaseUnknownError,
    MoveError,
    Retraction,
)
from spiritsafe.cases.tables import ACTIONS, APPEALS, ATTESTATIONS, CASES, EVENTS, FINDINGS, MEMBERS, RETRACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

PAGE: Final = 50
_SHORTEST_ID: Final = 8
_SHORTEST_TAIL: Final = 4
_PARAMETERS: Final = 500  # SQLite takes 32,766 in a statement; short ones are planned as quickly


def find_case(tables: Connection, text: str) -> CaseSummary:
    """The case with a number (12, #12), an id, or an id's end; raises `CaseUnknownError`."""
    given = text.strip().removeprefix("#").replace("%", "").replace("_", "")
    if given.isdigit() and len(given) < _SHORTEST_ID:
        which: sa.ColumnElement[bool] = CASES.c.number == int(given)
    elif len(given) == 36:
        which = CASES.c.case_id == given
    else:
        which = CASES.c.case_id.like(f"%{given}")
    found = tables.execute(sa.select(CASES).where(which).limit(2)).mappings().all()
    if len(found) != 1 or (len(given) < _SHORTEST_TAIL and not given.isdigit()):
        what = "two cases have an id that ends so" if len(found) > 1 else f"there is no case {text[:60]}"
        raise CaseUnknownError(what, hint="`spiritsafe case list` shows them; give a number or an id")
    return _summary(found[0])


def case_of_campaign(tables: Connection, campaign_id: str) -> CaseSummary | None:
    """The case under which a scan's campaign was filed, or that it goes on in; None where it was not."""
    numbers = sa.select(FINDINGS.c.number).where(FINDINGS.c.campaign_id == campaign_id)
    rows = tables.execute(sa.select(CASES).where(CASES.c.number.in_(numbers)).order_by(CASES.c.number)).mappings().all()
    found = [_summary(row) for row in rows]
    for one in found:
        if one.joined_to:
            return find_case(tables, str(one.joined_to))
    return found[-1] if found else None


def find_current(tables: Connection, text: str) -> CaseSummary:
    """A case as `find_case` finds it; raises `MoveError` where it was joined to another and goes on there."""
    found = find_case(tables, text)
    if found.joined_to:
        raise MoveError(
            f"case {found.number} was joined to case {found.joined_to}", hint=f"go on with case {found.joined_to}"
        )
    return found


def check_undecided(tables: Connection, number: int, state: CaseState) -> None:
    """Raise `MoveError` where something was decided in a case, or done: that stays where it was decided."""
    confirmed = sa.select(MEMBERS.c.number).where(MEMBERS.c.number == number, MEMBERS.c.confirmed).limit(1)
    done = sa.select(ACTIONS.c.number).where(ACTIONS.c.number == number).limit(1)
    if state in JOINABLE and not any(tables.execute(one).first() for one in (confirmed, done)):
        return
    what = f"is {state}" if state not in JOINABLE else "was confirmed before"
    raise MoveError(
        f"case {number} {what}: it is joined to no other",
        hint="only a case in which nothing was decided yet can be; clear accounts that are in the wrong one",
    )


def list_cases(
    tables: Connection,
    *,
    states: Sequence[CaseState] = (),
    account_id: str | None = None,
    before: tuple[int, int] | None = None,
    limit: int = PAGE,
) -> list[CaseSummary]:
    """Cases, the last changed first.

    Parameters
    ----------
    tables
        As `CaseBook.reading` gives it.
    states
        Only those that stand there.
    account_id
        Only those that this account belongs to.
    before
        `changed_us` and `number` of the last case of the page before.
    limit
        How many.
    """
    query = sa.select(CASES).order_by(CASES.c.changed_us.desc(), CASES.c.number.desc()).limit(limit)
    if states:
        query = query.where(CASES.c.state.in_([state.value for state in states]))
    if account_id is not None:
        mine = sa.select(MEMBERS.c.number).where(MEMBERS.c.account_id == account_id)
        query = query.where(CASES.c.number.in_(mine))
    if before is not None:
        query = query.where(sa.tuple_(CASES.c.changed_us, CASES.c.number) < before)
    return [_summary(row) for row in tables.execute(query).mappings()]


def count_by_state(tables: Connection) -> dict[CaseState, int]:
    """How many cases stand where; states without any are left out."""
    rows = tables.execute(sa.select(CASES.c.state, sa.func.count()).group_by(CASES.c.state)).all()
    found = {CaseState(state): int(count) for state, count in rows}
    return {state: found[state] for state in CaseState if state in found}


def members_of(tables: Connection, number: int, *, after: str = "", limit: int | None = None) -> list[CaseMember]:
    """A case's accounts, by id; `after` is the last of the page before."""
    columns = [MEMBERS.c[name] for name in CaseMember.__slots__]
    query = sa.select(*columns).where(MEMBERS.c.number == number, MEMBERS.c.account_id > after)
    rows = tables.execute(query.order_by(MEMBERS.c.account_id).limit(limit)).mappings()
    return [CaseMember(**row) for row in rows]


def history_of(tables: Connection, number: int) -> list[CaseEvent]:
    """What happened to a case, oldest first."""
    columns = [EVENTS.c[name] for name in CaseEvent.__slots__]
    rows = tables.execute(sa.select(*columns).where(EVENTS.c.number == number).order_by(EVENTS.c.position))
    return [CaseEvent(**row) for row in rows.mappings()]


def findings_of(tables: Connection, number: int) -> list[dict[str, Any]]:
    """A case's findings as they were filed, oldest first, each with `record_id`, `campaign_id` and `position`."""
    rows = tables.execute(sa.select(FINDINGS).where(FINDINGS.c.number == number).order_by(FINDINGS.c.position))
    return [
        {"record_id": row.record_id, "campaign_id": row.campaign_id, "position": row.position, **json.loads(row.body)}
        for row in rows
    ]


def is_scans(finding: dict[str, Any]) -> bool:
    """Whether a scan filed a finding under its case, and not a person who joined another case to it."""
    return "from" not in (finding.get("joined") or {})


def leading(findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of a case's findings the one that it is shown by: the newest that a scan filed."""
    return ([one for one in findings if is_scans(one)] or findings)[-1]


def actions_of(tables: Connection, number: int, *, outcomes: Sequence[str] = ()) -> list[Action]:
    """What was done to a case's accounts, oldest first; only what stands at one of these outcomes."""
    query = sa.select(ACTIONS, CASES.c.case_id).join(CASES, CASES.c.number == ACTIONS.c.number)
    query = query.where(ACTIONS.c.number == number)
    if outcomes:
        query = query.where(ACTIONS.c.outcome.in_(outcomes))
    rows = tables.execute(query.order_by(ACTIONS.c.time_us, ACTIONS.c.action_id, ACTIONS.c.account_id)).mappings()
    return [Action(**{name: row[name] for name in Action.__slots__}) for row in rows]


def appeals_in(tables: Connection, *, number: int | None = None, open_only: bool = False) -> list[Appeal]:
    """Appeals, the one that is due first first; of one case, or of all."""
    query = sa.select(APPEALS, CASES.c.case_id).join(CASES, CASES.c.number == APPEALS.c.number)
    if number is not None:
        query = query.where(APPEALS.c.number == number)
    if open_only:
        query = query.where(APPEALS.c.state.in_(("made", "in_review")))
    rows = tables.execute(query.order_by(APPEALS.c.due_us, APPEALS.c.appeal_id)).mappings()
    return [Appeal(**{name: row[name] for name in Appeal.__slots__}) for row in rows]


def find_appeal(tables: Connection, appeal_id: str) -> tuple[int, Appeal]:
    """The case's number and the appeal with an id, or with an id that ends so; raises `CaseUnknownError`."""
    query = sa.select(APPEALS, CASES.c.case_id).join(CASES, CASES.c.number == APPEALS.c.number)
    tail = appeal_id.replace("%", "").replace("_", "")
    which = APPEALS.c.appeal_id == tail if len(tail) == 36 else APPEALS.c.appeal_id.like(f"%{tail}")
    found = tables.execute(query.where(which).limit(2)).mappings().all()
    if len(found) != 1 or len(tail) < _SHORTEST_TAIL:
        raise CaseUnknownError(f"there is no one appeal {appeal_id[:60]}", hint="`spiritsafe case appeal list`")
    return int(found[0]["number"]), Appeal(**{name: found[0][name] for name in Appeal.__slots__})


def attestations_in(
    tables: Connection, *, subjects: Iterable[str] | None = None, at_us: int | None = None
) -> list[Attestation]:
    """Attestations by subject: of all subjects or of these, ever given or in force at a time."""
    query = sa.select(ATTESTATIONS).order_by(ATTESTATIONS.c.subject, ATTESTATIONS.c.attestation_id)
    if at_us is not None:
        query = query.where(
            ~ATTESTATIONS.c.withdrawn, ATTESTATIONS.c.not_before_us <= at_us, ATTESTATIONS.c.expires_us > at_us
        )
    if subjects is None:
        rows = tables.execute(query).mappings().all()
    else:
        wanted = sorted(set(subjects))
        parts = [wanted[at : at + _PARAMETERS] for at in range(0, len(wanted), _PARAMETERS)]
        rows = [
            row
            for part in parts
            for row in tables.execute(query.where(ATTESTATIONS.c.subject.in_(part))).mappings().all()
        ]
    return [Attestation(**row) for row in rows]


def retractions_in(tables: Connection, *, after: int = -1) -> list[Retraction]:
    """Retractions filed behind a position of the ledger, oldest first."""
    query = sa.select(RETRACTIONS, CASES.c.case_id).join(CASES, CASES.c.number == RETRACTIONS.c.number)
    rows = tables.execute(query.where(RETRACTIONS.c.position > after).order_by(RETRACTIONS.c.position)).mappings()
    return [
        Retraction(
            retraction_id=row["retraction_id"],
            case_id=row["case_id"],
            position=row["position"],
            scope=row["scope"],
            campaign_ids=tuple(json.loads(row["campaign_ids"])),
            account_ids=tuple(json.loads(row["account_ids"])),
            reason=row["reason"],
            time_us=row["time_us"],
        )
        for row in rows
    ]


def _summary(row: Any) -> CaseSummary:
    return CaseSummary(**{**row, "state": CaseState(row["state"])})
