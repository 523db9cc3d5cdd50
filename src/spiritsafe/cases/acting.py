"""Acts on accounts by a playbook: whom one touches, no further than it may, and what became of it.

Comes from `cases.executors`; goes on to `cases.outbox` and to `action/1` in the ledger.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from spiritsafe.cases import life
from spiritsafe.cases.actions import order_undo, reach_of
from spiritsafe.cases.commands import ActCommand, CaseExecutor, counted, decoded, keys_of_run
from spiritsafe.cases.filing import action_of, move_of
from spiritsafe.cases.lookups import actions_of, find_current, members_of
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.outbox import fix_accounts, fixed_accounts, forget_accounts, place
from spiritsafe.cases.tables import ACTIONS
from spiritsafe.playbooks.agreements import told_reach
from spiritsafe.playbooks.orders import NOTHING, Reach, RefusedCallError, Result

if TYPE_CHECKING:
    from collections.abc import Collection

    from spiritsafe.cases.book import Doing
    from spiritsafe.cases.model import CaseSummary
    from spiritsafe.playbooks.orders import Home, Order, Touches


class ActExecutor(CaseExecutor):
    """Does something to accounts: the order goes to the receiver's API or to the outbox, and `action/1` is filed.

    Accounts of verified customers are left out, unless the playbook's `most` has some. A share below 1 takes the same
    accounts however often it is asked, and a later, larger share all of those too. Who is touched already by this run
    in the same way is not touched again.
    """

    touches: Touches = "accounts"
    shape = ActCommand

    def reach(self, order: Order, home: Home) -> Reach:
        """Whom it would touch now."""
        command, keys = decoded(order.command, ActCommand), keys_of_run(home, order)
        with home.cases.doing() as doing:
            found = find_current(doing.tables, order.case_id)
            return counted(doing, found, _chosen(doing, found, order, command, keys))

    def execute(self, order: Order, home: Home) -> Result:
        """Fix whom it touches, place the order, file it; once, however often it is tried."""
        command, keys = decoded(order.command, ActCommand), keys_of_run(home, order)
        named = fixed_accounts(order, home)
        with home.cases.doing() as doing:
            found = find_current(doing.tables, order.case_id)
            if filed := _filed(doing, order):
                forget_accounts(order, home)
                return Result("done" if filed == "done" else "failed", "filed before")
            stands = found.state in life.UNDER_ACTION
            if not stands and named is None:
                return Result(
                    "waiting", f"case {found.number} is {found.state}: nothing may be done to its accounts now"
                )
            accounts = _chosen(doing, found, order, command, keys) if named is None else named
            if not accounts:
                return self._nobody(doing, found, command, keys)
            _check_most(doing, found, order, command, accounts)
            spared = sorted(reach_of(doing, found, accounts).spared if stands else accounts)
        if named is None:
            fix_accounts(order, home, accounts)
        wanted = [one for one in accounts if one not in spared]
        if wanted:
            result = place(order, home, command.kind, wanted)
        else:  # it may have gone out before, and nobody is left to whom it may be done
            result = Result("done", f"not sent again: case {found.number} is {found.state}, all are spared")
        if result.outcome == "waiting":
            return result
        self._file(order, home, command, accounts, spared, result)
        forget_accounts(order, home)
        said = f"{command.kind}: {len(wanted):,} accounts ({result.detail})"
        return replace(result, detail=said, values={})

    @staticmethod
    def _nobody(doing: Doing, found: CaseSummary, command: ActCommand, keys: Collection[str]) -> Result:
        """Nobody further is to be touched: the share is touched already, or nobody may be."""
        if _touched(doing, found, command, keys):
            return Result("done", "nobody further: as many as this share are touched already")
        return Result("waiting", f"nobody in case {found.number} may be touched now: not confirmed, or spared")

    def undo(self, order: Order, home: Home, *, reason: str) -> str:
        """Order that it is undone; whoever carried it out is told, and reports it with `case undone`."""
        assert home.signer is not None
        command = decoded(order.command, ActCommand)
        named = fixed_accounts(order, home)
        if named is not None:  # it went out, or may have, and nobody filed it
            self._file(
                order, home, command, named, [], Result("done", "may have been under way when it was taken back")
            )
            forget_accounts(order, home)
        with home.cases.reading() as tables:
            found = find_current(tables, order.case_id)
            standing = actions_of(tables, found.number, outcomes=("done", "undo_ordered"))
        accounts = [one.account_id for one in standing if one.action_id == order.key]
        if not accounts:
            return NOTHING
        if any(one.action_id == order.key and one.outcome == "done" for one in standing):
            order_undo(home.cases, order.case_id, reason=reason, signer=home.signer, actions={order.key})
        result = place(order, home, command.kind, accounts, undo=True)
        return f"undoing {command.kind} of {len(accounts):,} accounts is ordered ({result.detail})"

    @staticmethod
    def _file(
        order: Order, home: Home, command: ActCommand, accounts: list[str], spared: list[str], result: Result
    ) -> None:
        """File what was done. Who was spared only after the order had gone out may have been touched: undo it."""
        rule = f"playbook {order.playbook_name}: {order.step_name}"
        outcome = "done" if result.outcome == "done" else "failed"
        with home.cases.doing() as doing:
            if _filed(doing, order):
                return
            found = find_current(doing.tables, order.case_id)
            told: dict[str, Any] = {
                "action": order.key,
                "kind": command.kind,
                "ground": command.ground,
                "automated": False,
            }
            records = [
                action_of(
                    doing, found.case_id, accounts, rule=rule, outcome=outcome, **told, detail=result.detail
                )
            ]  # fmt: skip
            if spared and outcome == "done":
                why = "spared after the order had gone out"
                records.append(
                    action_of(doing, found.case_id, spared, rule=rule, outcome="undo_ordered", **told, detail=why)
                )
            if found.state is CaseState.CONFIRMED and outcome == "done":
                why = f"{command.kind} was done"
                records.append(
                    move_of(doing, found.case_id, found.state, CaseState.ACTED_ON, reason=why, rule=life.ACTED)
                )
            doing.file(records)


def _filed(doing: Doing, order: Order) -> str:
    """Whether an order is filed, and how it went: `done` or `failed`; empty where it is not."""
    filed = sa.select(ACTIONS.c.outcome).where(ACTIONS.c.action_id == order.key).distinct()
    outcomes = set(doing.tables.execute(filed).scalars())
    return "" if not outcomes else "failed" if outcomes == {"failed"} else "done"


def _chosen(doing: Doing, found: CaseSummary, order: Order, command: ActCommand, keys: Collection[str]) -> list[str]:
    """Whom an act touches: of all who may be touched and those whom this run touched so, the first share; the rest."""
    touched = _touched(doing, found, command, keys)
    may = set(reach_of(doing, found).accounts)
    if not command.most.verified:  # nobody can agree to touch them, so they are left out and not in the way
        may -= {one.account_id for one in members_of(doing.tables, found.number) if one.organization_id}
    everybody = sorted(may | touched, key=lambda one: _place(order.run_id, one))
    wanted = everybody[: math.ceil(round(command.share * len(everybody), 9))]
    return [one for one in wanted if one not in touched]


def _touched(doing: Doing, found: CaseSummary, command: ActCommand, keys: Collection[str]) -> set[str]:
    """Whom this run touched in the same way before."""
    return {
        one.account_id
        for one in actions_of(doing.tables, found.number)
        if one.action_id in keys and one.kind == command.kind and one.outcome != "failed"
    }


def _place(run_id: str, account: str) -> bytes:
    return hashlib.sha256(f"{run_id}|{account}".encode()).digest()


def _check_most(doing: Doing, found: CaseSummary, order: Order, command: ActCommand, accounts: Collection[str]) -> None:
    """Raise `RefusedCallError` where it goes further than the playbook or those who agreed let it."""
    reach = counted(doing, found, accounts)
    playbook = Reach(command.most.accounts, command.most.verified, command.most.organizations)
    for most, who in ((playbook, "the playbook lets it"), (order.most, "was agreed to")):
        if most is not None and not reach.within(most):
            raise RefusedCallError(
                f"it would touch {told_reach(reach)}, more than {who}: {told_reach(most)}",
                hint="see whom it would touch, and start a run that may",
            )
