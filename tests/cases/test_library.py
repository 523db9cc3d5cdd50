"""Every playbook that ships is whole, can be rehearsed as its exercise says, and ends so when it is really run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
import pytest

from spiritsafe.cases.actions import order_undo, report_undone
from spiritsafe.cli.main import commands
from spiritsafe.playbooks.practice import exercised, mitigations, practice_of
from spiritsafe.playbooks.reading import examine
from spiritsafe.playbooks.shelf import Shelf, shipped
from spiritsafe.playbooks.signatures import PlaybookSignatureError
from spiritsafe.proving.recipes import PRESETS
from tests.cases.chaos import Plan, ends, gone_through, killed_everywhere
from tests.cases.desk import GROUND, Desk, Found, accounts
from tests.playbooks.made import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.playbooks.model import Playbook
    from spiritsafe.playbooks.practice import Practice

LIBRARY = {one.name: one.playbook for one in shipped()}
KNOWN = {
    "AML.M0002": "Passive AI Output Obfuscation", "AML.M0004": "Restrict Number of AI Model Queries",
    "AML.M0015": "Adversarial Input Detection", "AML.M0019": "Control Access to AI Models and Data in Production",
    "AML.M0020": "Generative AI Guardrails", "AML.M0024": "AI Telemetry Logging",
}  # fmt: skip
"""ATLAS 5.6.0."""


def practice(playbook: Playbook) -> Practice:
    found = practice_of(playbook)
    assert found is not None
    return found


@pytest.fixture(params=sorted(LIBRARY))
def name(request):
    return request.param


def plan_of(name: str) -> Plan:
    """What persons say in a real run: as the exercise has it."""
    said = practice(LIBRARY[name]).exercise.says
    variables = LIBRARY[name].document.get("playbook_variables", {})
    given = {key: value for key, value in {"__case__": "1", "__ground__": GROUND}.items() if key in variables}
    values = {one.step: one.values for one in said if one.values}
    if name == "release-day-watch":
        values["look"] = {"__looks_left__": "0", "__found__": "true"}  # once; the table looks three times
    if name == "respond":
        values |= {"judge": {"__verdict__": "campaign"}}
    does: dict[str, Callable[[Any], object]] = {
        "order that it is undone": lambda desk: order_undo(desk.book, "1", reason="a school", signer=desk.ada),
        "undo it at the gateway": lambda desk: report_undone(desk.book, "1", detail="done", signer=desk.ada),
    }
    return Plan(values, frozenset(one.step for one in said if one.outcome == "failed"), given, does=does)


@pytest.fixture
def desk(tmp_path, name):
    made = Desk(tmp_path, "")
    found = Found(accounts("acct", 5))
    prepare: dict[str, Callable[[Found], object]]
    prepare = {"suspected": made.open, "confirmed": made.confirmed, "acted_on": made.acted}
    prepare[practice(LIBRARY[name]).exercise.begins](found)
    yield made
    made.close()


def test_there_are_playbooks_to_identify_mitigate_and_remediate():
    phases = {practice(one.playbook).phase for one in shipped()}
    assert phases == {"identify", "mitigate", "remediate", "respond"}
    assert len({one.playbook.playbook_id for one in shipped()}) == len(shipped()) == 17


def test_a_playbook_that_ships_is_whole_and_says_what_a_best_practice_says(name):
    playbook = LIBRARY[name]
    assert examine(playbook.body)[1] == []
    said_of = practice(playbook)
    for said in (
        said_of.owner, said_of.trigger, said_of.decision_rights, said_of.most_harm, said_of.rollback,
        said_of.evidence_kept, said_of.exit_criterion, *said_of.preconditions,
    ):  # fmt: skip
        assert len(said) > 3
    steps = [step for step in playbook.steps.values() if step.type in {"action", "playbook-action"}]
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        assert mitigations(step), step.name
        assert set(mitigations(step)) <= set(KNOWN)
        for one in step.body["external_references"]:
            assert one["description"] == KNOWN[one["external_id"]]


def test_what_a_step_tells_a_person_to_type_is_there(name):
    """A command that a step names is one of ours, with the options that it names."""
    for text in re.findall(r"`([^`]+)`", LIBRARY[name].body.decode()):
        words = text.removeprefix("spiritsafe ").split()
        command: click.Command = commands
        context = click.Context(command)
        while isinstance(command, click.Group) and words and (found := command.get_command(context, words[0])):
            command, words = found, words[1:]
        if command is commands:
            assert not text.startswith("spiritsafe "), text
            continue
        assert not isinstance(command, click.Group), text
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, text


def test_the_traffic_of_its_exercise_can_be_composed(name):
    words = practice(LIBRARY[name]).exercise.world.split()
    assert words[:3] == ["spiritsafe", "prove", "--preset"]
    assert words[3] in PRESETS


def test_some_step_names_a_command():
    assert sum(body.count(b"`spiritsafe case ") for body in (one.playbook.body for one in shipped())) > 5


def test_its_exercise_goes_through_it_to_the_ending_that_it_says(name):
    playbook, exercise = LIBRARY[name], practice(LIBRARY[name]).exercise
    *_, (_, state) = exercised(playbook, exercise, {})
    assert state.outcome == exercise.ending


def test_one_exercise_accuses_an_innocent_and_ends_in_reversal():
    exercise = practice(LIBRARY["false-positive-reversal"]).exercise
    assert "innocent" in exercise.title.lower()
    assert exercise.begins == "acted_on"
    assert "reversal" in exercise.lesson


def test_it_ends_so_when_it_is_run(desk, name, tmp_path):
    document, home = json.loads(LIBRARY[name].body), desk.office.home
    gone_through(desk, home, document, plan_of(name), None)
    came = ends(desk, home)
    assert (LIBRARY[name].name, practice(LIBRARY[name]).exercise.ending) in came["runs"]
    assert not came["left over"]
    if practice(LIBRARY[name]).phase == "mitigate":
        assert max(came["accounts"].values()) == 5
        assert "notice" in came["outbox"]
    if name == "false-positive-reversal":
        assert {outcome for _, outcome in came["actions"]} == {"undone"}


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_it_ends_so_wherever_a_process_is_killed(desk, name, tmp_path, part):
    """At every boundary of every playbook that ships; in four parts, so that none takes too long."""
    killed_everywhere(desk, tmp_path, json.loads(LIBRARY[name].body), plan_of(name), every=4, first=part)


def test_one_that_ships_needs_no_signature_until_it_is_changed(tmp_path):
    shelf = Shelf(tmp_path)
    playbook = LIBRARY["throttle"]
    assert "ships" in shelf.trusted_as(playbook, (), now=NOW)
    changed, _ = examine(playbook.body.replace(b'"share": 0.1', b'"share": 1.0'))
    assert changed is not None
    with pytest.raises(PlaybookSignatureError):
        shelf.trusted_as(changed, (), now=NOW)
