"""What a playbook that is a best practice says of itself, beyond what CACAO has a place for, and its exercise.

It stands in `playbook_extensions` under an extension of ours: who answers for the playbook, when it is begun, what must
hold before, who decides, the most harm it can do, how it is taken back, what evidence is kept, and when it is over.
Its exercise is a story for a table: what each step's answer is, how it ends, and what is learnt.
Comes from `playbooks.shelf`; goes on to the command and the pages of the docs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from spiritsafe.playbooks.model import PlaybookError
from spiritsafe.playbooks.rehearsal import Answer, rehearse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.playbooks.machine import State, Work
    from spiritsafe.playbooks.model import Playbook, Step

EXTENSION: Final = "extension-definition--6f9b1c52-8a57-4f0e-b7a3-0e6f2d1b9a10"


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one step at the table."""

    step: str
    outcome: Literal["done", "failed"]
    values: dict[str, str]


class Exercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A story for a table. `world` composes its traffic; `begins` is the state of the case; `ending` of the run."""

    title: str
    story: str
    world: str
    begins: str
    says: tuple[Saying, ...]
    ending: Literal["succeeded", "failed"]
    lesson: str


class Practice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a best practice says of itself."""

    phase: Literal["identify", "mitigate", "remediate", "respond"]
    owner: str
    trigger: str
    preconditions: tuple[str, ...]
    decision_rights: str
    most_harm: str
    rollback: str
    evidence_kept: str
    exit_criterion: str
    exercise: Exercise


def practice_of(playbook: Playbook) -> Practice | None:
    """What a playbook says of itself as a best practice; None where it does not.

    Raises
    ------
    PlaybookError
        It does, and not as this program reads it.
    """
    said = playbook.document.get("playbook_extensions", {}).get(EXTENSION)
    if said is None:
        return None
    try:
        return msgspec.convert(said, Practice)
    except msgspec.ValidationError as error:
        raise PlaybookError(
            f"/playbook_extensions/{EXTENSION}: {error}", hint="see docs/reference/playbooks.md"
        ) from error


def mitigations(step: Step) -> list[str]:
    """The ids of the mitigations in MITRE ATLAS that a step is one of."""
    known = step.body.get("external_references", ())
    return [str(one["external_id"]) for one in known if one.get("name") == "MITRE ATLAS"]


def exercised(playbook: Playbook, exercise: Exercise, given: dict[str, str]) -> Iterator[tuple[Work | None, State]]:
    """Go through a playbook as its exercise says; raises `PlaybookError` where it asks what the exercise does not say.

    External variables that are not given hold a word of their own.
    """
    says = iter(exercise.says)

    def ask(work: Work) -> Answer:
        said = next(says, None)
        if said is None or said.step != work.name:
            raise PlaybookError(
                f"the exercise {exercise.title!r} says {said.step if said else 'nothing more'!r}, and asked is "
                f"{work.name!r}",
                hint="write the exercise's says again",
            )
        return Answer(said.outcome == "done", dict(said.values))

    variables: dict[str, dict[str, Any]] = playbook.document.get("playbook_variables", {})
    missing = {name: name.strip("_") for name, one in variables.items() if one.get("external")}
    yield from rehearse(playbook, missing | given, ask)
