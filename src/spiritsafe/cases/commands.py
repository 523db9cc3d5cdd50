"""What a playbook's command about a case may say, and what all who carry one out have in common.

Comes from `cases.executors` and `cases.acting`; goes on to `playbooks.orders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from spiritsafe.cases.lookups import members_of
from spiritsafe.playbooks.model import VARIABLE
from spiritsafe.playbooks.orders import CommandError, Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spiritsafe.cases.book import Doing
    from spiritsafe.cases.model import CaseMember, CaseSummary
    from spiritsafe.playbooks.orders import Home, Order

_T = TypeVar("_T", bound="Command")
Share = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=0)]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field=None):
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


class LookCommand(Command, frozen=True):
    """`spiritsafe-case-look` has no properties of its own."""


class MoveCommand(Command, frozen=True, kw_only=True):
    """`spiritsafe-case-move`: the state."""

    state: Literal["in_review", "confirmed", "dismissed", "closed"]


class ActCommand(Command, frozen=True, kw_only=True):
    """`spiritsafe-case-act`: what is done, by which rule of the terms, to which share of the accounts, and at most."""

    kind: Literal["throttle", "challenge", "degrade", "suspend", "block", "revoke_keys"]
    ground: Annotated[str, Meta(min_length=1, max_length=500)]
    share: Share = 1.0
    most: Most = Most()


class NoticeCommand(Command, frozen=True, kw_only=True):
    """`spiritsafe-case-notice`: to every account to which something is done and which was not told since."""

    form: Literal["holder", "regulator"] = "holder"


class CaseExecutor:
    """What they have in common: a book of cases, and a case that the run is about."""

    api_version: ClassVar[int] = 1
    shape: ClassVar[type[Command]]

    def check(self, command: Mapping[str, Any], receiver: Mapping[str, Any], home: Home, case_id: str) -> None:  # noqa: ARG002 - the Protocol's
        """Raise `CommandError` unless the command is whole and the run is about a case."""
        if home.cases is None or not case_id:
            raise CommandError(f"{command['type']} is about a case, and this run is about none", hint="--case NUMBER")
        # A variable has its value only when the step is come to; what it may hold is checked then.
        plain = {name: value for name, value in command.items() if not VARIABLE.search(str(value))}
        missing = {name: "x" for name in command.keys() - plain.keys() if name == "ground"}
        decoded(plain | missing, self.shape)


def decoded(command: Mapping[str, Any], shape: type[_T]) -> _T:
    """A command as its type has it; raises `CommandError`."""
    try:
        return msgspec.convert(dict(command), shape)
    except msgspec.ValidationError as error:
        raise CommandError(
            f"the command {command.get('type')} is not whole: {error}", hint="see docs/reference/playbooks.md"
        ) from error


def keys_of_run(home: Home, order: Order) -> set[str]:
    """The idempotency keys of what this run did so far."""
    records = home.ledger.records_of_run(order.run_id)
    return {str(one.fields["idempotency_key"]) for one in records if one.fields.get("idempotency_key")}


def counted(doing: Doing, found: CaseSummary, accounts: Iterable[str]) -> Reach:
    """How many of a case's accounts these are, of verified customers and of how many organisations."""
    wanted = set(accounts)
    members: list[CaseMember] = [one for one in members_of(doing.tables, found.number) if one.account_id in wanted]
    verified = [one.organization_id for one in members if one.organization_id]
    return Reach(len(members), len(verified), len(set(verified)))
