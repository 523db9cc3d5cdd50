"""Appeals: a clock, a reviewer who had no part in it, and relief where nobody decides in time.

A granted appeal undoes whatever was done to the account, clears it, and leaves a retraction for those who were
told. An appeal that is not decided in time suspends what was done until it is.
Comes from the command; goes on to `cases.filing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spiritsafe.cases import life
from spiritsafe.cases.actions import undo_records
from spiritsafe.cases.filing import move_of, record_of, retraction_of
from spiritsafe.cases.lookups import actions_of, appeals_in, find_appeal, find_case, find_current, members_of
from spiritsafe.cases.model import CaseState, CaseUnknownError, MoveError, SecondPersonError
from spiritsafe.cases.telling import check_independent
from spiritsafe.evidence.records import Personal, new_id, utc_text

if TYPE_CHECKING:
    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.model import Appeal, CaseSummary
    from spiritsafe.evidence.records import Record
    from spiritsafe.keys.persons import Signer

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision led to: how many accounts have something undone, and where the case stands then."""

    appeal: Appeal
    undo: int
    state: CaseState


def make_appeal(
    book: CaseBook, case: str, account_id: str, *, statement: str, days: int, signer: Signer | None = None
) -> Appeal:
    """File a holder's appeal; its clock runs from now.

    `signer` is whoever took it in; without one a program did (a form).

    Raises
    ------
    CaseUnknownError
        The account is none of the case's.
    MoveError
        Nothing was decided about it that could be appealed, or an appeal of it is open.
    """
    with book.doing() as doing:
        if signer is not None:
            doing.check_person(signer)
        found = find_current(doing.tables, case)
        _check_appealable(doing, found, account_id)
        appeal, due_us = new_id(), doing.now_us + days * _DAY_US
        fields = {
            "appeal": appeal,
            "state": "made",
            "due_at": utc_text(due_us),
            "reason": "the holder asks for it",
            "account": Personal(account_id, account_id),
            "statement": Personal(account_id, statement),
        }
        records = [record_of(doing, "appeal/1", found.case_id, signer=signer, rule=life.APPEALED, **fields)]
        if found.state is not CaseState.APPEALED:
            why = "a holder appeals"
            records.append(
                move_of(doing, found.case_id, found.state, CaseState.APPEALED, reason=why, rule=life.APPEALED)
            )
        doing.file(records)
    with book.reading() as tables:
        return find_appeal(tables, appeal)[1]


def take_appeal(book: CaseBook, appeal_id: str, *, signer: Signer) -> Appeal:
    """Become an appeal's reviewer; raises `SecondPersonError` where the person had a part in what is appealed."""
    with book.doing() as doing:
        number, appeal = _open_appeal(doing, appeal_id, signer)
        record = _step(doing, number, appeal, "in_review", "takes it", signer)
        doing.file([record])
    return appeal


def decide_appeal(
    book: CaseBook, appeal_id: str, *, granted: bool, reason: str, signer: Signer, whole_case: bool = False
) -> Decided:
    """Decide an appeal: what was done stands, or is undone.

    Parameters
    ----------
    book, appeal_id
        The cases, and which appeal.
    granted
        Whether the holder is right.
    reason
        Why; it is told to the holder.
    signer
        A person who had no part in what is appealed; the one who took the appeal, if somebody did.
    whole_case
        With `granted`: there is no campaign at all. Everything done to anybody is undone, every appeal granted.

    Raises
    ------
    SecondPersonError
        The person confirmed the case, acted on it, or is not the one who took the appeal.
    """
    with book.doing() as doing:
        number, appeal = _open_appeal(doing, appeal_id, signer)
        if appeal.reviewer and appeal.reviewer != signer.name:
            raise SecondPersonError(f"{appeal.reviewer} took this appeal", hint="the reviewer decides it")
        found = find_case(doing.tables, str(number))
        state = "granted" if granted else "upheld"
        opened = appeals_in(doing.tables, number=number, open_only=True)
        whole = granted and whole_case
        decided = opened if whole else [appeal]
        records = [_step(doing, number, one, state, reason, signer, whole_case=whole) for one in decided]
        undo = []
        if granted:
            touched = None if whole else {appeal.account_id}
            done = actions_of(doing.tables, number, outcomes=("done",))
            undo = [one for one in done if touched is None or one.account_id in touched]
            records += undo_records(doing, found, undo, outcome="undo_ordered", detail=reason, signer=signer)
            accounts = {one.account_id for one in members_of(doing.tables, number)} if whole else {appeal.account_id}
            scope = "case" if whole else "account"
            records.append(
                retraction_of(doing, number, found.case_id, accounts, scope=scope, reason=reason, signer=signer)
            )
        after = found.state
        if len(decided) == len(opened):
            after = _outcome(doing, number, {appeal.account_id} if granted else set(), whole=whole)
            why = "every appeal is decided"
            records.append(move_of(doing, found.case_id, found.state, after, reason=why, rule=life.DECIDED))
        doing.file(records)
    return Decided(appeal, len(undo), after)


def run_clock(book: CaseBook) -> list[Appeal]:
    """Give interim relief to every appeal that nobody decided in time; which."""
    with book.reading() as tables:
        due = [one for one in appeals_in(tables, open_only=True) if one.due_us <= book.now_us and not one.relief]
    relieved = []
    for appeal in due:
        with book.doing() as doing:
            number, now = find_appeal(doing.tables, appeal.appeal_id)
            if not now.is_open or now.relief:
                continue
            found = find_case(doing.tables, str(number))
            done = actions_of(doing.tables, number, outcomes=("done",))
            mine = [one for one in done if one.account_id == now.account_id]
            why = "nobody decided the appeal in time"
            records = [_step(doing, number, now, "interim_relief", why, None)]
            records += undo_records(doing, found, mine, outcome="undo_ordered", detail=why, rule=life.RAN_OUT)
            doing.file(records)
        relieved.append(appeal)
    return relieved


def _check_appealable(doing: Doing, found: CaseSummary, account_id: str) -> None:
    if not any(one.account_id == account_id for one in members_of(doing.tables, found.number)):
        raise CaseUnknownError(
            f"case {found.number} has no account {account_id[:60]}", hint="`spiritsafe case list --account` finds it"
        )
    if found.state not in life.APPEALABLE:
        raise MoveError(
            f"case {found.number} is {found.state}: nothing was decided that could be appealed",
            hint="take what the holder says into the review: `spiritsafe case clear` if they are innocent",
        )
    if any(one.account_id == account_id for one in appeals_in(doing.tables, number=found.number, open_only=True)):
        raise MoveError("an appeal of this account is open", hint="`spiritsafe case appeal list`")


def _open_appeal(doing: Doing, appeal_id: str, signer: Signer) -> tuple[int, Appeal]:
    doing.check_person(signer)
    number, appeal = find_appeal(doing.tables, appeal_id)
    if not appeal.is_open:
        raise MoveError(f"the appeal is {appeal.state}", hint="a holder may appeal again")
    check_independent(doing.tables, number, (signer.name, signer.public_key))
    return number, appeal


def _step(
    doing: Doing, number: int, appeal: Appeal, state: str, reason: str, signer: Signer | None, *,
    whole_case: bool = False,
) -> Record:  # fmt: skip
    return record_of(
        doing,
        "appeal/1",
        find_case(doing.tables, str(number)).case_id,
        signer=signer,
        rule=life.RAN_OUT,
        appeal=appeal.appeal_id,
        state=state,
        whole_case=whole_case,
        reason=reason,
        account=Personal(appeal.account_id, appeal.account_id),
    )


def _outcome(doing: Doing, number: int, freed: set[str], *, whole: bool) -> CaseState:
    """Overturned where nobody is left against whom the case stands."""
    left = [one for one in members_of(doing.tables, number) if not one.cleared and one.account_id not in freed]
    return CaseState.OVERTURNED if whole or not left else CaseState.UPHELD
