"""Playbooks that a test writes in a few words, and a desk that runs them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from spiritsafe.cases.executors import objections_in
from spiritsafe.cases.lookups import actions_of
from spiritsafe.cases.persons import VaultPersons
from spiritsafe.playbooks.deciding import Said, say
from spiritsafe.playbooks.journal import Journal
from spiritsafe.playbooks.orders import EXECUTORS, Home
from spiritsafe.playbooks.reading import read_playbook
from spiritsafe.playbooks.runner import Runner
from spiritsafe.playbooks.shelf import Shelf
from spiritsafe.playbooks.signatures import public_key_of, sign_playbook
from spiritsafe.settings import Settings
from tests.cases.desk import GROUND
from tests.playbooks.made import GATEWAY, NOW, PEOPLE, step_id, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.runs import Run

MANUAL: dict[str, Any] = {"type": "manual", "command": "Do it."}
ACT: dict[str, Any] = {"type": "spiritsafe-case-act", "kind": "throttle", "ground": GROUND}
LOOK: dict[str, Any] = {"type": "spiritsafe-case-look"}
NOTICE: dict[str, Any] = {"type": "spiritsafe-case-notice", "form": "holder"}
WHY = "as the evidence says"


def step(command: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An action of one command; `line` says what follows."""
    return {"type": "action", "agent": PEOPLE, "commands": [command], **more}


def line(*steps: dict[str, Any], variables: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A playbook of actions one after the other, called one, two, ..."""
    names = ["one", "two", "three", "four", "five"][: len(steps)]
    keys = [step_id(body["type"], name) for name, body in zip(names, steps, strict=True)]
    start, end = step_id("start", "line"), step_id("end", "line")
    workflow: dict[str, Any] = {start: {"type": "start", "on_completion": keys[0]}, end: {"type": "end"}}
    for key, follows, name, body in zip(keys, [*keys[1:], end], names, steps, strict=True):
        workflow[key] = {"name": name, "on_completion": follows, **body}
    return {
        "type": "playbook", "spec_version": "cacao-2.0", "id": f"playbook--{uuid.uuid4()}", "name": "a line",
        "created_by": f"identity--{uuid.UUID(int=2, version=4)}", "created": NOW, "modified": NOW,
        "playbook_variables": variables or {}, "workflow_start": start, "workflow": workflow,
        "agent_definitions": {PEOPLE: {"type": "group", "name": "the desk"}, **more.pop("agents", {})}, **more,
    }  # fmt: skip


def gateway(port: int, **more: Any) -> dict[str, Any]:
    """An agent that is an API on this machine; OASIS' schema asks for a dot somewhere."""
    address = {"url": [f"https://localhost:{port}/gateway.api"]}
    return {GATEWAY: {"type": "http-api", "name": "gateway", "address": address, **more}}


def outbox(desk: Any, kind: str) -> list[dict[str, Any]]:
    """What the outbox holds of a kind: `order` or `notice`."""
    folder = desk.office.home / "outbox"
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob(f"{kind}-*.json"))]


def touched(desk: Any, number: int = 1, outcome: str = "done") -> set[str]:
    """The accounts of a case of which something stands at an outcome."""
    with desk.book.reading() as tables:
        return {one.account_id for one in actions_of(tables, number, outcomes=(outcome,))}


class RunDesk:
    """The runs of a desk. A new one is what another process would be."""

    def __init__(self, desk: Any, *, executors: dict[str, Any] | None = None, **settings: Any) -> None:
        self.desk = desk
        given = {"home": desk.office.home, "appeal_to": "appeals@provider.example", **settings}
        self.settings = Settings(**given)
        self.persons = VaultPersons(desk.office.vault)
        self.journal = Journal(desk.ledger, self.persons, clock_us=desk.clock)
        self.executors = executors or EXECUTORS.load_all(report=_raise)
        self.trusted = {public_key_of(one.public_key) for one in (desk.ada, desk.grace, desk.alan)}

    def runner(self, signer: Signer | None = None) -> Runner:
        book = self.desk.book
        home = Home(
            self.settings, self.desk.ledger, book, signer, lambda case, keys: objections_in(book, case, keys)
        )  # fmt: skip
        return Runner(self.journal, home, self.executors, Shelf(self.desk.office.home))

    def start(
        self, document: dict[str, Any], case: int | None = None, *, signer: Signer | None = None,
        given: Mapping[str, str] | None = None,
    ) -> Run:  # fmt: skip
        by = signer or self.desk.ada
        playbook = read_playbook(sign_playbook(written(document), self.desk.ada, now=NOW))
        case_id = "" if case is None else self.desk.case(case).case_id
        return self.runner(by).start(
            playbook, given or {}, signer=by, reason=WHY, trusted=self.trusted, case_id=case_id, now=NOW
        )  # fmt: skip

    def say(self, run: Run, signer: Signer, step: str = "", *, approved: bool = True, **more: Any) -> Run:
        if most := more.pop("most", None):
            more |= {"accounts": most.accounts, "verified": most.verified, "organizations": most.organizations}
        said = Said(approved, WHY, **more)
        return say(self.runner(signer), run.run_id, step, said, signer=signer, trusted=self.trusted, now=NOW)

    def agree(self, run: Run, step: str = "", **more: Any) -> Run:
        """Ada and grace agree."""
        self.say(run, self.desk.ada, step, **more)
        return self.say(run, self.desk.grace, step, **more)

    def go_on(self, run: Run) -> Run:
        return self.runner().advance(run.run_id, trusted=self.trusted, now=NOW)


def _raise(fault: Exception) -> None:
    raise fault
