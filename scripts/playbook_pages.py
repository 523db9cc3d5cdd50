"""The pages of the playbooks that ship, written from the playbooks themselves.

Comes from `scripts/docs.py`; goes on to `docs/playbooks/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.playbooks.practice import exercised, mitigations, practice_of
from spiritsafe.playbooks.shelf import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.playbooks.model import Playbook, Step
    from spiritsafe.playbooks.practice import Practice
    from spiritsafe.playbooks.shelf import Shelved

PHASES = {
    "respond": "The whole way",
    "identify": "Identify",
    "mitigate": "Mitigate",
    "remediate": "Remediate",
}
INDEX = """# Playbooks

Best practices to identify, mitigate and remediate a campaign: each a CACAO 2.0 playbook that the program runs
(`spiritsafe playbook run NAME`), that any other CACAO program can read (`src/spiritsafe/playbooks/library`), and that
a table can go through (`spiritsafe playbook rehearse NAME --exercise`). Copy one, change it, sign it: what ships is a
beginning. How they are run is in the [reference](../reference/playbooks.md); step by step in
[run a playbook](../how-to/run-a-playbook.md).

"""


def playbook_pages() -> dict[str, str]:
    """Each page by its name."""
    pages = {f"{one.name}.md": _page(one) for one in shipped()}
    return pages | {"README.md": INDEX + "\n".join(_index())}


def _index() -> Iterator[str]:
    for phase, title in PHASES.items():
        yield f"## {title}\n"
        yield "| playbook | what for | who answers |"
        yield "| --- | --- | --- |"
        for one in shipped():
            practice = practice_of(one.playbook)
            if practice is not None and practice.phase == phase:
                what = one.playbook.document["description"]
                yield f"| [{one.name}]({one.name}.md) | {what} | {practice.owner} |"
        yield ""


def _page(one: Shelved) -> str:
    practice = practice_of(one.playbook)
    assert practice is not None
    return "\n".join(
        [*_head(one.playbook, practice), *_flow(one.playbook), *_steps(one.playbook), *_exercise(one, practice)]
    )


def _head(playbook: Playbook, practice: Practice) -> list[str]:
    facts = {
        "Who answers": practice.owner,
        "When": practice.trigger,
        "Before": " ".join(practice.preconditions),
        "Who decides": practice.decision_rights,
        "Most harm": practice.most_harm,
        "Taken back by": practice.rollback,
        "Evidence kept": practice.evidence_kept,
        "Over when": practice.exit_criterion,
    }
    rows = [f"| {name} | {_cell(what)} |" for name, what in facts.items()]
    return [f"# {playbook.name}", "", str(playbook.document["description"]), "", "| | |", "| --- | --- |", *rows, ""]


def _flow(playbook: Playbook) -> list[str]:
    """The workflow as a Mermaid flow chart."""
    steps = playbook.steps
    names = {key: f"s{number}" for number, key in enumerate(steps)}
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"  {names[key]}{_shape(step)}" for key, step in steps.items()]
    for key, step in steps.items():
        lines += [f"  {names[key]} {arrow} {names[other]}" for arrow, other in _arrows(step)]
    return ["## The way", "", *lines, "```", ""]


def _shape(step: Step) -> str:
    name = step.name.replace('"', "'") if step.name != step.step_id else step.type
    return {
        "start": f'(["{name}"])',
        "end": f'(["{name}"])',
        "if-condition": f'{{"{name}"}}',
        "while-condition": f'{{"{name}"}}',
        "switch-condition": f'{{"{name}"}}',
        "parallel": f'[/"{name}"/]',
        "playbook-action": f'[["{name}"]]',
    }.get(step.type, f'["{name}"]')


def _arrows(step: Step) -> Iterator[tuple[str, str]]:
    body = step.body
    for key, value in body.get("cases", {}).items():
        yield f'-- "{key}" -->', value
    for other in body.get("next_steps", ()):
        yield "-->", other
    for name, word in (("on_true", "yes"), ("on_false", "no"), ("on_failure", "it went wrong")):
        if name in body:
            yield f'-- "{word}" -->', body[name]
    then = "-. then .->" if step.branches else "-->"
    for name in ("on_completion", "on_success"):
        if name in body:
            yield then, body[name]


def _steps(playbook: Playbook) -> list[str]:
    agents = playbook.document.get("agent_definitions", {})
    lines = ["## Steps", "", "| step | who | what | [ATLAS](https://atlas.mitre.org) |", "| --- | --- | --- | --- |"]
    for step in playbook.steps.values():
        if step.type not in {"action", "playbook-action"}:
            continue
        who = agents.get(step.body.get("agent", ""), {}).get("name", "")
        what = "; ".join(_told(command) for command in step.body.get("commands", ()))
        if step.type == "playbook-action":
            name = next(one.name for one in shipped() if one.playbook.playbook_id == step.body["playbook_id"])
            what = f"plays [{name}]({name}.md)"
        wait = f" After {step.body['delay'] // 86_400_000} days." if step.body.get("delay") else ""
        lines.append(f"| {step.name} | {who} | {_cell(what)}{wait} | {', '.join(mitigations(step))} |")
    return [*lines, ""]


def _told(command: dict[str, object]) -> str:
    if command["type"] == "manual":
        return str(command["command"])
    known = {"type", "description", "ground"}
    more = ", ".join(f"{name} {_plain(value)}" for name, value in command.items() if name not in known)
    return f"`{command['type']}`" + (f": {more}" if more else "")


def _plain(value: object) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in value.items()) if isinstance(value, dict) else str(value)


def _exercise(one: Shelved, practice: Practice) -> list[str]:
    exercise = practice.exercise
    gone = [work.name for work, _ in exercised(one.playbook, exercise, {}) if work is not None]
    end = "the end: failed (so it was said)" if exercise.ending == "failed" else "the end: succeeded"
    return [
        f"## Exercise: {exercise.title}", "",
        f"The traffic: `{exercise.world}`, then scan it and open a case. It begins with a case that is "
        f"{exercise.begins}.", "",
        "```console",
        f"$ spiritsafe playbook rehearse {one.name} --exercise",
        f"{exercise.title}: {exercise.story}",
        *gone,
        end,
        exercise.lesson,
        "```", "",
    ]  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
