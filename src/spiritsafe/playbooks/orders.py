"""What a playbook's command asks of whom: the order, who carries it out, and how far it may reach.

An `Executor` carries out one type of command. Rooms above and other packages bring theirs through the door
`spiritsafe.executors`; whoever runs playbooks gives them a `Home` with what there is here.
Comes from `playbooks.runner`; goes on to executors.
Source: CACAO 2.0 section 5 (commands), section 7 (agents); the idempotency key is that of the IETF draft
"The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import quote

from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.evidence.disclosures import canonical
from spiritsafe.playbooks.model import VARIABLE
from spiritsafe.playbooks.variables import filled
from spiritsafe.plugins import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.machine import Work
    from spiritsafe.playbooks.model import Playbook
    from spiritsafe.settings import Settings

Touches: TypeAlias = Literal["nothing", "outside", "accounts"]
"""What carrying out a command changes: nothing but our own record, somebody else's system, or accounts."""
NOTHING: Final = "nothing of it is in force"
Outcome: TypeAlias = Literal["done", "failed", "waiting"]
_KEYS: Final = uuid.UUID("5d3c0b1a-8a0e-5b7e-9d55-1f6f0a4c9e21")


class CommandError(UsageError):
    """A playbook has a command that nobody here can carry out, or one that says what its type does not have."""

    code = "playbooks.command"


class RefusedCallError(VerificationError):
    """A command calls a host that is not on this home's list, or touches more than it may."""

    code = "playbooks.refused"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an order would go: accounts, those of them that are verified customers', and how many organisations."""

    accounts: int = 0
    verified: int = 0
    organizations: int = 0

    def within(self, most: Reach) -> bool:
        """Whether it goes no further than another."""
        return (
            self.accounts <= most.accounts
            and self.verified <= most.verified
            and self.organizations <= most.organizations
        )


@dataclass(frozen=True, slots=True)
class Order:
    """One command of one visit to a step, every value in its place.

    `receiver` is the step's target, or its agent where it has none. `key` is the idempotency key: the same however
    often the order is tried. `asked` names it for approvals, and `most` is how far those who agreed let it go.
    """

    run_id: str
    case_id: str
    asked: str
    key: str
    playbook_name: str
    step_name: str
    command: Mapping[str, Any]
    receiver: Mapping[str, Any]
    authentication: Mapping[str, Any]
    out_args: tuple[str, ...]
    most: Reach | None = None

    @property
    def type(self) -> str:
        """The command's type."""
        return str(self.command["type"])

    @property
    def sha256(self) -> str:
        """Digest of what is asked of whom: an approval holds for exactly this."""
        return hashlib.sha256(canonical({"command": dict(self.command), "receiver": dict(self.receiver)})).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """How an order went: `values` of its out_args, and a line for the log. `waiting`: nothing was done yet."""

    outcome: Outcome
    detail: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Objections:
    """Of accounts that a run's actions touched: how many there are, and of how many the holder objected.

    An appeal is an objection, and so is a challenge that was passed.
    """

    touched: int
    objected: int


@dataclass(frozen=True, slots=True)
class Home:
    """What there is for executors here. `cases` is the book of cases, where the room above gave it.

    `signer`: the person who is at the desk now, if any. `objections` counts, of a case's actions with these ids, whom
    they touched and who objected.
    """

    settings: Settings
    ledger: Ledger
    cases: Any = None
    signer: Signer | None = None
    objections: Callable[[str, Collection[str]], Objections] = lambda _case_id, _actions: Objections(0, 0)


class Executor(Protocol):
    """Carries out one type of command. `api_version` is 1.

    `execute` may be called again with the same order after a crash: its key is what makes that one effect.
    """

    api_version: int
    touches: Touches

    def check(self, command: Mapping[str, Any], receiver: Mapping[str, Any], home: Home, case_id: str) -> None:
        """Raise `CommandError` or `RefusedCallError` for a command that could never be carried out in such a run."""

    def reach(self, order: Order, home: Home) -> Reach:
        """How far it would go now."""

    def execute(self, order: Order, home: Home) -> Result:
        """Carry it out."""

    def undo(self, order: Order, home: Home, *, reason: str) -> str:
        """Take it back as far as can be, with `home.signer` as who decides.

        Says what was done or is left to do, `NOTHING` where nothing is. Also called for what may be under way.
        """


EXECUTORS: Final[Door[Executor]] = Door("spiritsafe.executors", Executor, api_version=1)


def order_of(playbook: Playbook, work: Work, number: int, *, run_id: str, case_id: str) -> Order:
    """One command of an action, with its variables' values in their places; raises `VariableError`.

    Of a request each value is percent-encoded in the path and the query, and escaped in a body that is JSON, so that
    none can change whom it calls or what it asks.
    """
    document = playbook.document
    receiver = receiver_of(document, playbook.steps[work.step_id].body)
    authentication = document.get("authentication_info_definitions", {}).get(
        receiver.get("authentication_info", ""), {}
    )
    asked = f"{work.instance}/{number}"
    return Order(
        run_id=run_id,
        case_id=case_id,
        asked=asked,
        key=str(uuid.uuid5(_KEYS, f"{run_id}/{asked}")),
        playbook_name=playbook.name,
        step_name=work.name,
        command=_with_values(work.commands[number], work.variables),
        receiver=receiver,
        authentication=authentication,
        out_args=work.out_args,
    )


def receiver_of(document: Mapping[str, Any], step: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whom a step's commands are for: its target, else its agent. Raises `CommandError` for several targets."""
    targets = step.get("targets", ())
    if len(targets) > 1:
        raise CommandError("a step has several targets, which is not run here", hint="make a step for each of them")
    found: Mapping[str, Any] = (
        document.get("target_definitions", {}).get(targets[0], {})
        if targets
        else document.get("agent_definitions", {}).get(step.get("agent", ""), {})
    )
    return found


def _with_values(command: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    is_call = command["type"] == "http-api"

    def put(value: Any, name: str) -> Any:
        if isinstance(value, str):
            put_in = _QUOTES[name] if is_call and name in _QUOTES else _as_it_is
            return filled(value, values, quote=put_in(value)) if VARIABLE.search(value) else value
        if isinstance(value, dict):
            return {key: put(item, name) for key, item in value.items()}
        return [put(item, name) for item in value] if isinstance(value, list) else value

    return {name: item if name == "description" else put(item, name) for name, item in command.items()}


def _as_it_is(_template: str) -> Callable[[str], str]:
    return str


def _in_request(_template: str) -> Callable[[str], str]:
    return lambda text: quote(text, safe="")


def _in_body(template: str) -> Callable[[str], str]:
    """Within a body that is JSON a value stays within its string."""
    try:
        json.loads(VARIABLE.sub("0", template))
    except ValueError:
        return str
    return lambda text: json.dumps(text)[1:-1]


_QUOTES: Final = {"command": _in_request, "content": _in_body}
