"""What is done to accounts of a case, and how it is undone.

Nothing is done to whom nobody confirmed, who was cleared, who has an open appeal with interim relief, or for whom
somebody with a name vouches. `act` files what a person did at the gateway, or what a playbook's step did.
Comes from the command and `playbooks`; goes on to `cases.filing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.cases import life
from spiritsafe.cases.filing import action_of, move_of
from spiritsafe.cases.lookups import actions_of, appeals_in, attestations_in, find_case, find_current, members_of
from spiritsafe.cases.model import CaseState, CaseUnknownError, MoveError
from spiritsafe.errors import VerificationError
from spiritsafe.evidence.records import new_id

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.model import Action, CaseSummary
    from spiritsafe.evidence.records import Record
    from spiritsafe.keys.persons import Signer


class SparedError(VerificationError):
    """An account that was named may not be touched: unconfirmed, cleared, attested, or under interim relief."""

    code = "cases.spared"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an action reaches, and whom it spares for which reason."""

    accounts: tuple[str, ...]
    spared: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Acted:
    """What was filed."""

    action_id: str
    case: CaseSummary
    reach: Reach


def reach_of(doing: Doing, found: CaseSummary, only: Collection[str] | None = None) -> Reach:
    """Whom an action on a case may touch now, of all its accounts or of `only` these.

    Raises
    ------
    CaseUnknownError
        One of `only` is no account of the case.
    """
    members = members_of(doing.tables, found.number)
    strange = sorted(set(only or ()) - {one.account_id for one in members})
    if strange:
        raise CaseUnknownError(
            f"case {found.number} has no account {strange[0][:60]} ({len(strange)} of those named)",
            hint=f"`spiritsafe case members {found.number}`",
        )
    subjects = {one.account_id for one in members} | {one.organization_id for one in members if one.organization_id}
    vouched = {one.subject: one for one in attestations_in(doing.tables, subjects=subjects, at_us=doing.now_us)}
    relieved = {one.account_id for one in appeals_in(doing.tables, number=found.number, open_only=True)}
    reached, spared = [], {}
    for one in members:
        if only is not None and one.account_id not in only:
            continue
        attested = vouched.get(one.account_id) or vouched.get(one.organization_id or one.account_id)
        if one.cleared:
            spared[one.account_id] = "cleared"
        elif not one.confirmed:
            spared[one.account_id] = "not confirmed"
        elif attested is not None:
            spared[one.account_id] = f"attested as {attested.kind} by {attested.owner}"
        elif one.account_id in relieved:
            spared[one.account_id] = "its appeal is open"
        else:
            reached.append(one.account_id)
    return Reach(tuple(reached), spared)


def act(
    book: CaseBook,
    case: str,
    kind: str,
    *,
    ground: str,
    detail: str,
    signer: Signer | None = None,
    rule: str = "",
    only: Collection[str] | None = None,
    automated: bool = False,
    action_id: str | None = None,
    outcome: str = "done",
) -> Acted:
    """File that something was done to a case's accounts.

    Parameters
    ----------
    book, case
        The cases, and which.
    kind
        suspend, throttle, challenge, ...
    ground
        The rule of the terms that was broken; it stands in the notice.
    detail
        What was called, and what it answered.
    signer, rule
        The person, or the rule.
    only
        These accounts. Without it, all that may be touched, and the others are told as spared.
    automated
        Whether no person decided it for these accounts.
    action_id
        The same when it is tried again.
    outcome
        `done` or `failed`.

    Raises
    ------
    MoveError
        The case is not confirmed, or there is nobody whom it could touch.
    SparedError
        One of `only` may not be touched; nothing was filed.
    """
    with book.doing() as doing:
        if signer is not None:
            doing.check_person(signer)
        found = find_current(doing.tables, case)
        if found.state not in life.UNDER_ACTION:
            raise MoveError(
                f"case {found.number} is {found.state}: nothing may be done to its accounts",
                hint=f"confirm it first: `spiritsafe case move {found.number} confirmed`",
            )
        reach = reach_of(doing, found, only)
        if only is not None and reach.spared:
            account, why = next(iter(reach.spared.items()))
            raise SparedError(
                f"{account} may not be touched: {why} ({len(reach.spared)} of those named)",
                hint="leave it out, or see to the reason first",
            )
        if not reach.accounts:
            raise MoveError(
                f"there is nobody in case {found.number} to whom it could be done",
                hint="those who joined later must be confirmed; the others are cleared, attested or appeal",
            )
        action = action_id or new_id()
        told = {"action": action, "kind": kind, "ground": ground, "automated": automated, "detail": detail}
        records = [
            action_of(doing, found.case_id, reach.accounts, signer=signer, rule=rule, outcome=outcome, **told),
        ]
        if found.state is CaseState.CONFIRMED and outcome == "done":
            why = f"{kind} was done"
            records.append(move_of(doing, found.case_id, found.state, CaseState.ACTED_ON, reason=why, rule=life.ACTED))
        doing.file(records)
    return Acted(action, found, reach)


def report_undone(
    book: CaseBook, case: str, *, detail: str, signer: Signer, only: Collection[str] | None = None
) -> int:
    """File that what had to be undone was undone; to how many accounts."""
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_case(doing.tables, case)
        owed = _standing(doing, found, "undo_ordered", only)
        if not owed:
            raise MoveError(f"nothing of case {found.number} is to be undone", hint="see what was done to its accounts")
        doing.file(undo_records(doing, found, owed, outcome="undone", detail=detail, signer=signer))
    return len(owed)


def report_passed(book: CaseBook, case: str, accounts: Collection[str], *, detail: str, signer: Signer) -> int:
    """File that holders passed the challenge that was put to their accounts; of how many accounts.

    A passed challenge is over, and counts as an objection against whatever playbook put it.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_case(doing.tables, case)
        passed = [one for one in _standing(doing, found, "done", accounts) if one.kind == "challenge"]
        if not passed:
            raise MoveError(
                f"no challenge of case {found.number} waits for these accounts", hint="`spiritsafe case members`"
            )
        doing.file(undo_records(doing, found, passed, outcome="passed", detail=detail, signer=signer))
    return len(passed)


def order_undo(
    book: CaseBook, case: str, *, reason: str, signer: Signer, only: Collection[str] | None = None,
    actions: Collection[str] | None = None,
) -> int:  # fmt: skip
    """Order that what was done to a case's accounts is undone; for how many accounts.

    `only` that of these accounts, and only these `actions`, by id.
    """
    with book.doing() as doing:
        doing.check_person(signer)
        found = find_case(doing.tables, case)
        live = [one for one in _standing(doing, found, "done", only) if actions is None or one.action_id in actions]
        if not live:
            raise MoveError(
                f"nothing that was done in case {found.number} is in force", hint="there is nothing to undo"
            )
        doing.file(undo_records(doing, found, live, outcome="undo_ordered", detail=reason, signer=signer))
    return len(live)


def undo_records(
    doing: Doing, found: CaseSummary, actions: Collection[Action], *, outcome: str, detail: str,
    signer: Signer | None = None, rule: str = "",
) -> list[Record]:  # fmt: skip
    """One `action/1` for each action that is to be undone or was."""
    by_action: dict[tuple[str, str, str], list[str]] = {}
    for one in actions:
        by_action.setdefault((one.action_id, one.kind, one.ground), []).append(one.account_id)
    return [
        action_of(
            doing, found.case_id, accounts, signer=signer, rule=rule, action=action, kind=kind, outcome=outcome,
            automated=signer is None, ground=ground, detail=detail,
        )
        for (action, kind, ground), accounts in sorted(by_action.items())
    ]  # fmt: skip


def _standing(doing: Doing, found: CaseSummary, outcome: str, only: Collection[str] | None) -> list[Action]:
    """What stands at an outcome in a case; only that of some accounts."""
    standing = actions_of(doing.tables, found.number, outcomes=(outcome,))
    return [one for one in standing if only is None or one.account_id in only]
