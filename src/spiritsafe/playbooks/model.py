"""The nouns of `playbooks`: a playbook as it was read, its steps, and what may be wrong with it.

Source: OASIS CACAO Security Playbooks 2.0, committee specification 01 (2023-11-27).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEP_TYPES: Final = (
    "start", "end", "action", "playbook-action", "parallel", "if-condition", "while-condition", "switch-condition",
)  # fmt: skip
NEXT: Final = ("on_completion", "on_success", "on_failure")
VARIABLE: Final = re.compile(r"__[a-zA-Z_][a-zA-Z0-9_-]{0,199}?__(?=:value\b|[^a-zA-Z0-9_]|$)")


class PlaybookError(InputError):
    """A playbook is not what the specification says: the message tells the first place, `faults` all of them."""

    code = "playbooks.playbook"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where in the document (a JSON pointer), and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the workflow: its id, its type, and the step as it stands in the document."""

    step_id: str
    type: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """What it is called; its id where it is not."""
        return str(self.body.get("name", self.step_id))

    @property
    def follows(self) -> tuple[str, ...]:
        """Steps that may come after this one in the same branch."""
        return tuple(str(self.body[name]) for name in NEXT if name in self.body)

    @property
    def branches(self) -> tuple[str, ...]:
        """First steps of the branches that this one opens."""
        body = self.body
        found = [body[name] for name in ("on_true", "on_false") if name in body]
        return tuple(map(str, [*found, *body.get("next_steps", ()), *body.get("cases", {}).values()]))


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook that was read whole. `body` is the bytes as they were given, and what is kept with a run."""

    body: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    sha256: str

    @property
    def playbook_id(self) -> str:
        """`playbook--` and a UUID."""
        return str(self.document["id"])

    @property
    def version(self) -> str:
        """When it was last changed: of two with one id, the later is the newer version."""
        return str(self.document["modified"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.document["name"])

    @property
    def steps(self) -> dict[str, Step]:
        """Every step by its id."""
        return {key: Step(key, body["type"], body) for key, body in self.document["workflow"].items()}

    @property
    def commands(self) -> tuple[str, ...]:
        """The types of its commands: each needs an executor."""
        types = [command["type"] for step in self.steps.values() for command in step.body.get("commands", ())]
        return tuple(dict.fromkeys(types))


def texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, f"{where}/{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts(item, f"{where}/{number}")
