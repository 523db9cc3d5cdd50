"""Moving a case, and clearing an account of one: by a named person, with a reason.

Where the home says that two persons must agree (`two_persons`), the first one's word is a proposal, and the
second one's makes the move; what neither of them had seen is not covered by it.
Comes from the command; goes on to `cases.filing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from spiritsafe.cases import life
from spiritsafe.cases.filing import move_of, record_of
from spiritsafe.cases.lookups import check_undecided, find_current, members_of
from spiritsafe.cases.model import CaseState, CaseUnknownError, ChangedError, MoveError, SecondPersonError
from spiritsafe.cases.tables import PROPOSALS
from spiritsafe.cases.telling import check_second
from spiritsafe.evidence.records import Personal, Record
from spiritsafe.evidence.records import utc_text as utc

if TYPE_CHECKING:
    from collections.abc import Collection

    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.model import CaseSummary
    from spiritsafe.keys.persons import Signer


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a move: made, or proposed and waiting for a second person."""

    case: CaseSummary
    after: CaseState
    waiting: bool
    record_id: str


def move_case(
    book: CaseBook,
    case: str,
    after: CaseState,
    *,
    reason: str,
    signer: Signer,
    as_of: int | None = None,
    two_persons: Collection[str] = (),
) -> Moved:
    """Move a case, or propose it where a second person must agree.

    Parameters
    ----------
    book, case
        The cases, and which: a number or an id.
    after
        Where to.
    reason
        Why, in words that can be shown to whom it concerns.
    signer
        Who decides.
    as_of
        How many entries the ledger held when they looked (`case show` says it); refused if the case changed since.
    two_persons
        States that need two persons.

    Raises
    ------
    MoveError
        The case cannot go there from where it stands.
    ChangedError
        It changed after `as_of`.
    SecondPersonError
        The same person proposed it.
    StrangerError
        The person is not registered.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_current(doing.tables, case)
        life.check_move(found.state, after, by="person", name=signer.name)
        _check_seen(found, as_of)
        _check_ready(doing, found, after)
        seen = {"as_of": min(as_of, doing.as_of)} if as_of is not None else {}
        proposal = None
        if after in two_persons:
            proposal = _proposal(doing, found, after, signer)
            if proposal is None:
                record = _propose(doing, found, after, reason, signer, **seen)
                return Moved(found, after, True, doing.file([record])[0].record_id)
        more: dict[str, Any] = {"persons_required": 2 if after in two_persons else 1, **seen}
        more |= {"proposal": proposal} if proposal else {}
        record = move_of(doing, found.case_id, found.state, after, reason=reason, signer=signer, **more)
        return Moved(found, after, False, doing.file([record])[0].record_id)


def join_case(book: CaseBook, case: str, into: str, *, reason: str, signer: Signer) -> tuple[CaseSummary, CaseSummary]:
    """Say that a case is another's campaign: its findings are filed there as well, and it is closed.

    What a scan joins by itself needs two kinds of evidence; a person may see it with one. Its accounts are confirmed
    there like any that join later.

    Raises
    ------
    MoveError
        Something was decided in the case, it was joined already, or the other was, or both are one.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found, other = find_current(doing.tables, case), find_current(doing.tables, into)
        if found.number == other.number:
            raise MoveError(f"case {found.number} cannot be joined to itself", hint="name two cases: CASE and INTO")
        check_undecided(doing.tables, found.number, found.state)
        records = _again(doing, found, other, signer)
        records.append(record_of(doing, "case_join/1", found.case_id, signer=signer, into=other.case_id, reason=reason))
        doing.file(records)
    return found, other


def _again(doing: Doing, found: CaseSummary, other: CaseSummary, signer: Signer) -> list[Record]:
    """A case's findings once more, under the other case: there its accounts can be erased by themselves.

    Who was cleared is cleared there too, so that no later scan brings them in again; who is in the other case already
    stays what they are in it.
    """
    there = {one.account_id for one in members_of(doing.tables, other.number)}
    ours = members_of(doing.tables, found.number)
    cleared = [one.account_id for one in ours if one.cleared and one.account_id not in there]
    records = []
    for finding in doing.records(found.case_id, "finding/1"):
        fields: dict[str, Any] = {name: value for name, value in finding.fields.items() if name not in {"by", "name"}}
        named = [one for one in fields["members"] if isinstance(one, dict)]
        fields["joined"] = {"by": signer.name, "from": found.case_id}
        fields["members"] = tuple(Personal(str(one["account"]), one) for one in named)
        records.append(record_of(doing, "finding/1", other.case_id, signer=signer, **fields))
    stays: dict[str, Any] = {"state": "cleared", "reason": f"cleared in case {found.number}, which was joined"}
    for account_id in cleared:
        account = Personal(account_id, account_id)
        records.append(record_of(doing, "case_member/1", other.case_id, signer=signer, account=account, **stays))
    return records


def clear_account(
    book: CaseBook, case: str, account_id: str, *, reason: str, signer: Signer, restore: bool = False
) -> CaseSummary:
    """Say that an account is none of the campaign's, or take that back. A later scan does not bring it in again."""
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_current(doing.tables, case)
        state = "restored" if restore else "cleared"
        if not any(one.account_id == account_id for one in members_of(doing.tables, found.number)):
            raise CaseUnknownError(
                f"case {found.number} has no account {account_id[:60]}", hint=f"`spiritsafe case show {found.number}`"
            )
        record = record_of(
            doing,
            "case_member/1",
            found.case_id,
            signer=signer,
            state=state,
            reason=reason,
            account=Personal(account_id, account_id),
        )
        doing.file([record])
    return found


def _check_seen(found: CaseSummary, as_of: int | None) -> None:
    if as_of is not None and found.as_of > as_of:
        raise ChangedError(
            f"case {found.number} changed after you looked ({utc(found.changed_us)})",
            hint=f"look again: `spiritsafe case show {found.number}`",
        )


def _check_ready(doing: Doing, found: CaseSummary, after: CaseState) -> None:
    if after is CaseState.CLOSED and (found.open_appeals or found.owed):
        raise MoveError(
            f"case {found.number} has {found.open_appeals} open appeals, and what was done to {found.owed} accounts is "
            "still to be undone",
            hint="decide the appeals; report what was undone with `spiritsafe case undone`",
        )
    if after is CaseState.CONFIRMED and all(one.cleared for one in members_of(doing.tables, found.number)):
        raise MoveError(f"every account of case {found.number} was cleared", hint="dismiss it")


def _proposal(doing: Doing, found: CaseSummary, after: CaseState, signer: Signer) -> str | None:
    """The open proposal of somebody else; None where there is none."""
    rows = doing.tables.execute(
        sa.select(PROPOSALS).where(PROPOSALS.c.number == found.number, PROPOSALS.c.after == after.value)
    ).all()
    for row in rows:
        try:
            check_second((signer.name, signer.public_key), row.who, row.public_key)
        except SecondPersonError as error:
            raise SecondPersonError(
                f"{signer.name} proposed it already", hint="another registered person runs the same command"
            ) from error
        return str(row.record_id)
    return None


def _propose(
    doing: Doing, found: CaseSummary, after: CaseState, reason: str, signer: Signer, *, as_of: int | None = None
) -> Record:
    return record_of(
        doing,
        "case_proposal/1",
        found.case_id,
        signer=signer,
        before=found.state.value,
        after=after.value,
        as_of=doing.as_of if as_of is None else as_of,
        reason=reason,
    )
