"""What playbooks do with cases: look, move, act on accounts, give notice.

Each is one type of command (`spiritsafe-case-look`, `-move`, `-act`, `-notice`) that comes through the door
`spiritsafe.executors` like anybody's. What is done is filed as if a person had done it at the desk, with the playbook's
step as the rule; a move is made by the persons at the desk, each with their own signature.
Comes from `playbooks.runner`; goes on to the verbs of `cases`.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from spiritsafe.cases import life
from spiritsafe.cases.actions import order_undo, reach_of
from spiritsafe.cases.filing import action_of, move_of
from spiritsafe.cases.lookups import actions_of, find_current, members_of
from spiritsafe.cases.model import CaseState, MoveError, SecondPersonError
from spiritsafe.cases.moves import move_case
from spiritsafe.cases.notices import Form, give_notice
from spiritsafe.cases.outbox import fix_accounts, fixed_accounts, forget_accounts, place, put
from spiritsafe.cases.tables import ACTIONS, APPEALS, CASES
from spiritsafe.playbooks.agreements import told_reach
from spiritsafe.playbooks.model import VARIABLE
from spiritsafe.playbooks.orders import NOTHING, CommandError, Objections, Reach, RefusedCallError, Result

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.model import CaseMember, CaseSummary
    from spiritsafe.playbooks.orders import Home, Order, Touches

_T = TypeVar("_T", bound="_Command")
Share = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=0)]


class _Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field=None):
    """What CACAO lets any command say."""

    type: str
    description: str = ""
    version: str = ""
    playbook_activity: str = ""
    external_references: tuple[dict[str, Any], ...] = ()


class Most(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The furthest that a playbook lets an act go, whoever agrees to more."""

    accounts: Count = 10_000
    verified: Count = 0
    organizations: Count = 0


class LookCommand(_Command, frozen=True):
    """`spiritsafe-case-look` has no properties of its own."""


class MoveCommand(_Command, frozen=True, kw_only=True):
    """`spiritsafe-case-move`: the state."""

    state: Literal["in_review", "confirmed", "dismissed", "closed"]


class ActCommand(_Command, frozen=True, kw_only=True):
    """`spiritsafe-case-act`: what is done, by which rule of the terms, to which share of the accounts, and at most."""

    kind: Literal["throttle", "challenge", "degrade", "suspend", "block", "revoke_keys"]
    ground: Annotated[str, Meta(min_length=1, max_length=500)]
    share: Share = 1.0
    most: Most = Most()


class NoticeCommand(_Command, frozen=True, kw_only=True):
    """`spiritsafe-case-notice`: to every account to which something is done and which was not told since."""

    form: Literal["holder", "regulator"] = "holder"


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


class _CaseExecutor:
    """What they have in common: a book of cases, and a case that the run is about."""

    api_version: ClassVar[int] = 1
    shape: ClassVar[type[_Command]]

    def check(self, command: Mapping[str, Any], receiver: Mapping[str, Any], home: Home, case_id: str) -> None:  # noqa: ARG002 - the Protocol's
        """Raise `CommandError` unless the command is whole and the run is about a case."""
        if home.cases is None or not case_id:
            raise CommandError(f"{command['type']} is about a case, and this run is about none", hint="--case NUMBER")
        # A variable has its value only when the step is come to; what it may hold is checked then.
        plain = {name: value for name, value in command.items() if not VARIABLE.search(str(value))}
        missing = {name: "x" for name in command.keys() - plain.keys() if name == "ground"}
        _decoded(plain | missing, self.shape)


class LookExecutor(_CaseExecutor):
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
            reach = _counted(doing, found, whom.accounts)
        told = {
            "case_state": found.state.value,
            "accounts": str(reach.accounts),
            "spared": str(len(whom.spared)),
            "verified": str(reach.verified),
            "organizations": str(reach.organizations),
            "open_appeals": str(found.open_appeals),
            "owed": str(found.owed),
        }
        seen = objections_in(home.cases, order.case_id, _keys(home, order))
        told |= {"objections": str(seen.objected), "touched": str(seen.touched)}
        values = {name: told[name.strip("_")] for name in order.out_args if name.strip("_") in told}
        shown = ", ".join(f"{name} {value}" for name, value in told.items())
        return Result("done", f"case {found.number}: {shown}", values)

    def undo(self, order: Order, home: Home, *, reason: str) -> str:  # noqa: ARG002 - the Protocol's
        """Nothing was done."""
        return "only looked"


class MoveExecutor(_CaseExecutor):
    """Moves a case, by the persons at the desk, as many of them as the home asks for that state."""

    touches: Touches = "nothing"
    shape = MoveCommand

    def reach(self, order: Order, home: Home) -> Reach:  # noqa: ARG002 - the Protocol's
        """A move touches nobody by itself."""
        return Reach()

    def execute(self, order: Order, home: Home) -> Result:
        """Move it with the signature of whoever is at the desk; wait for them, and for a second person."""
        command = _decoded(order.command, MoveCommand)
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


class ActExecutor(_CaseExecutor):
    """Does something to accounts: the order goes to the agent's API or to the outbox, and `action/1` is filed.

    Accounts of verified customers are left out, unless the playbook's `most` has some. A share below 1 takes the same
    accounts however often it is asked, and a later, larger share all of those too. Who is touched already by this run
    in the same way is not touched again.
    """

    touches: Touches = "accounts"
    shape = ActCommand

    def reach(self, order: Order, home: Home) -> Reach:
        """Whom it would touch now."""
        command, keys = _decoded(order.command, ActCommand), _keys(home, order)
        with home.cases.doing() as doing:
            found = find_current(doing.tables, order.case_id)
            return _counted(doing, found, _chosen(doing, found, order, command, keys))

    def execute(self, order: Order, home: Home) -> Result:
        """Fix whom it touches, place the order, file it; once, however often it is tried."""
        command, keys = _decoded(order.command, ActCommand), _keys(home, order)
        named = fixed_accounts(order, home)
        with home.cases.doing() as doing:
            found = find_current(doing.tables, order.case_id)
            if filed := _filed(doing, order):
                return Result("done" if filed == "done" else "failed", "filed before")
            stands = found.state in life.UNDER_ACTION
            if not stands and named is None:
                raise MoveError(
                    f"case {found.number} is {found.state}: nothing may be done to its accounts",
                    hint="confirm it first",
                )
            accounts = _chosen(doing, found, order, command, keys) if named is None else named
            if not accounts:
                raise MoveError(
                    f"there is nobody in case {found.number} to whom it could be done", hint="see its members"
                )
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

    def undo(self, order: Order, home: Home, *, reason: str) -> str:
        """Order that it is undone; whoever carried it out is told, and reports it with `case undone`."""
        assert home.signer is not None
        command = _decoded(order.command, ActCommand)
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


class NoticeExecutor(_CaseExecutor):
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
        form: Form = _decoded(order.command, NoticeCommand).form
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


def _decoded(command: Mapping[str, Any], shape: type[_T]) -> _T:
    try:
        return msgspec.convert(dict(command), shape)
    except msgspec.ValidationError as error:
        raise CommandError(
            f"the command {command.get('type')} is not whole: {error}", hint="see docs/reference/playbooks.md"
        ) from error


def _keys(home: Home, order: Order) -> set[str]:
    """The idempotency keys of what this run did so far."""
    records = home.ledger.records_of_run(order.run_id)
    return {str(one.fields["idempotency_key"]) for one in records if one.fields.get("idempotency_key")}


def _filed(doing: Doing, order: Order) -> str:
    """Whether an order is filed, and how it went: `done` or `failed`; empty where it is not."""
    filed = sa.select(ACTIONS.c.outcome).where(ACTIONS.c.action_id == order.key).distinct()
    outcomes = set(doing.tables.execute(filed).scalars())
    return "" if not outcomes else "failed" if outcomes == {"failed"} else "done"


def _chosen(doing: Doing, found: CaseSummary, order: Order, command: ActCommand, keys: Collection[str]) -> list[str]:
    """Whom an act touches: of all who may be touched and those whom this run touched so, the first share; the rest."""
    touched = {
        one.account_id
        for one in actions_of(doing.tables, found.number)
        if one.action_id in keys and one.kind == command.kind and one.outcome != "failed"
    }
    may = set(reach_of(doing, found).accounts)
    if not command.most.verified:  # nobody can agree to touch them, so they are left out and not in the way
        may -= {one.account_id for one in members_of(doing.tables, found.number) if one.organization_id}
    everybody = sorted(may | touched, key=lambda one: _place(order.run_id, one))
    wanted = everybody[: math.ceil(round(command.share * len(everybody), 9))]
    return [one for one in wanted if one not in touched]


def _place(run_id: str, account: str) -> bytes:
    return hashlib.sha256(f"{run_id}|{account}".encode()).digest()


def _counted(doing: Doing, found: CaseSummary, accounts: Iterable[str]) -> Reach:
    wanted = set(accounts)
    members: list[CaseMember] = [one for one in members_of(doing.tables, found.number) if one.account_id in wanted]
    verified = [one.organization_id for one in members if one.organization_id]
    return Reach(len(members), len(verified), len(set(verified)))


def _check_most(doing: Doing, found: CaseSummary, order: Order, command: ActCommand, accounts: Collection[str]) -> None:
    """Raise `RefusedCallError` where it goes further than the playbook or those who agreed let it."""
    reach = _counted(doing, found, accounts)
    playbook = Reach(command.most.accounts, command.most.verified, command.most.organizations)
    for most, who in ((playbook, "the playbook lets it"), (order.most, "was agreed to")):
        if most is not None and not reach.within(most):
            raise RefusedCallError(
                f"it would touch {told_reach(reach)}, more than {who}: {told_reach(most)}",
                hint="see whom it would touch, and start a run that may",
            )
