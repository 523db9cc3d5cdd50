"""What playbooks do with cases: look, move, act on accounts, give notice.

Each is one type of command (`spiritsafe-case-look`, `-move`, `-act`, `-notice`) that comes through the door
`spiritsafe.executors` like anybody's. What is done is filed as if a person had done it at the desk, with the playbook's
step as the rule; a move is made by the persons at the desk, each with their own signature.
Comes from `playbooks.runner`; goes on to the verbs of `cases`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from spiritsafe.cases.acting import ActExecutor
from spiritsafe.cases.actions import reach_of
from spiritsafe.cases.commands import (
    CaseExecutor,
    LookCommand,
    MoveCommand,
    NoticeCommand,
    counted,
    decoded,
    keys_of_run,
)
from spiritsafe.cases.lookups import actions_of, find_current
from spiritsafe.cases.model import CaseState, SecondPersonError
from spiritsafe.cases.moves import move_case
from spiritsafe.cases.notices import Form, give_notice
from spiritsafe.cases.outbox import put
from spiritsafe.cases.tables import ACTIONS, APPEALS, CASES
from spiritsafe.playbooks.orders import Objections, Reach, Result

if TYPE_CHECKING:
    from collections.abc import Collection

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.playbooks.orders import Home, Order, Touches


def objections_in(book: CaseBook, case_id: str, actions: Collection[str]) -> Objections:
    """Of a case's actions with these ids, how many accounts they touched, and how many of those object since."""
    touched = sa.and_(
        ACTIONS.c.action_id.in_(sorted(actions)), ACTIONS.c.outcome != "failed", CASES.c.case_id == case_id
    )
    with book.reading() as tables:
        rows = tables.execute(
            sa.select(ACTIONS.c.account_id, ACTIONS.c.outcome, APPEALS.c.appeal_id)
            .join(CASES, CASES.c.number == ACTIONS.c.number)
            .outerjoin(
                APPEALS,
                sa.and_(
                    APPEALS.c.number == ACTIONS.c.number,
                    APPEALS.c.account_id == ACTIONS.c.account_id,
                    APPEALS.c.made_us >= ACTIONS.c.time_us,
                ),
            )
            .where(touched)
        ).all()
    objected = {row.account_id for row in rows if row.outcome == "passed" or row.appeal_id is not None}
    return Objections(len({row.account_id for row in rows}), len(objected))


class LookExecutor(CaseExecutor):
    """Tells how a case stands: `__case_state__`, `__accounts__` (that may be touched), `__spared__`, `__verified__`,
    `__organizations__`, `__open_appeals__`, `__owed__`, `__objections__` and `__touched__` (of this run's acts).
    """

    touches: Touches = "nothing"
    shape = LookCommand

    def reach(self, order: Order, home: Home) -> Reach:  # noqa: ARG002 - the Protocol's
        """Nobody."""
        return Reach()

    def execute(self, order: Order, home: Home) -> Result:
        """Look."""
        with home.cases.doing() as doing:
            found = find_current(doing.tables, order.case_id)
            whom = reach_of(doing, found)
            reach = counted(doing, found, whom.accounts)
        told = {
            "case_state": found.state.value,
            "accounts": str(reach.accounts),
            "spared": str(len(whom.spared)),
            "verified": str(reach.verified),
            "organizations": str(reach.organizations),
            "open_appeals": str(found.open_appeals),
            "owed": str(found.owed),
        }
        seen = objections_in(home.cases, order.case_id, keys_of_run(home, order))
        told |= {"objections": str(seen.objected), "touched": str(seen.touched)}
        values = {name: told[name.strip("_")] for name in order.out_args if name.strip("_") in told}
        shown = ", ".join(f"{name} {value}" for name, value in told.items())
        return Result("done", f"case {found.number}: {shown}", values)

    def undo(self, order: Order, home: Home, *, reason: str) -> str:  # noqa: ARG002 - the Protocol's
        """Nothing was done."""
        return "only looked"


class MoveExecutor(CaseExecutor):
    """Moves a case, by the persons at the desk, as many of them as the home asks for that state."""

    touches: Touches = "nothing"
    shape = MoveCommand

    def reach(self, order: Order, home: Home) -> Reach:  # noqa: ARG002 - the Protocol's
        """A move touches nobody by itself."""
        return Reach()

    def execute(self, order: Order, home: Home) -> Result:
        """Move it with the signature of whoever is at the desk; wait for them, and for a second person."""
        command = decoded(order.command, MoveCommand)
        with home.cases.reading() as tables:
            found = find_current(tables, order.case_id)
        if found.state == command.state:
            return Result("done", f"case {found.number} is {found.state}")
        if home.signer is None:
            return Result("waiting", f"a person must move case {found.number} from {found.state} to {command.state}")
        second = Result("waiting", f"a second person must agree that case {found.number} is {command.state}")
        try:
            moved = move_case(
                home.cases, order.case_id, CaseState(command.state), signer=home.signer,
                reason=f"playbook {order.playbook_name}: {order.step_name}", two_persons=home.settings.two_persons,
            )  # fmt: skip
        except SecondPersonError:  # whoever proposed it says yes again: it still waits for another
            return second
        if moved.waiting:
            return second
        return Result("done", f"case {found.number}: {found.state} → {command.state} by {home.signer.name}")

    def undo(self, order: Order, home: Home, *, reason: str) -> str:  # noqa: ARG002 - the Protocol's
        """A judgement is taken back by another."""
        return "the case stays where it is: move it with `spiritsafe case move`"


class NoticeExecutor(CaseExecutor):
    """Gives every account to which something is done, and which was not told since, its statement of reasons.

    Each is filed, and put into the outbox.
    """

    touches: Touches = "nothing"
    shape = NoticeCommand

    def reach(self, order: Order, home: Home) -> Reach:  # noqa: ARG002 - the Protocol's
        """To be told why touches nobody further."""
        return Reach()

    def execute(self, order: Order, home: Home) -> Result:
        """One notice an account, each filed once."""
        form: Form = decoded(order.command, NoticeCommand).form
        with home.cases.reading() as tables:
            found = find_current(tables, order.case_id)
            standing = actions_of(tables, found.number, outcomes=("done",))
        done_us = {one.account_id: one.time_us for one in standing}  # oldest first: the last one counts
        accounts = {account: str(uuid.uuid5(uuid.UUID(order.key), account)) for account in sorted(done_us)}
        for record in home.ledger.records(case_id=order.case_id, record="notice/1"):
            account = str(record.fields.get("account"))
            is_told = record.fields["form"] == form and record.time_us >= done_us.get(account, 0)
            if is_told and record.record_id != accounts.get(account):
                accounts.pop(account, None)
        for account, notice_id in accounts.items():
            text = give_notice(
                home.cases, order.case_id, account, form, appeal_to=home.settings.appeal_to,
                appeal_days=home.settings.appeal_days, rule=f"playbook {order.playbook_name}: {order.step_name}",
                notice_id=notice_id,
            )  # fmt: skip
            body = {"schema": "notice/1.0", "key": notice_id, "form": form, "account": account, "text": text}
            put(home, f"notice-{notice_id}.json", body)
        return Result("done", f"{len(accounts):,} notices in the outbox")

    def undo(self, order: Order, home: Home, *, reason: str) -> str:  # noqa: ARG002 - the Protocol's
        """What was said cannot be unsaid."""
        return "the notices stand: tell the holders that it is undone"


LOOK: Final = LookExecutor()
MOVE: Final = MoveExecutor()
ACT: Final = ActExecutor()
NOTICE: Final = NoticeExecutor()
