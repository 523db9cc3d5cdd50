"""A playbook is read whole or not at all, and every fault is told with its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.playbooks.model import STEP_TYPES, PlaybookError
from spiritsafe.playbooks.properties import all_schemas
from spiritsafe.playbooks.reading import MOST_BYTES, examine, read_playbook
from tests.playbooks.made import (
    AGAIN,
    BOTH,
    CALL,
    CASE,
    ENDS,
    FIRST,
    GATEWAY,
    IF,
    LAST,
    LEFT,
    LOOP,
    NO,
    PEOPLE,
    RIGHT,
    START,
    SWITCH,
    VECTORS,
    YES,
    action,
    playbook,
    step_id,
    written,
)


def faults(document):
    return [f"{fault.where}: {fault.what}" for fault in examine(written(document))[1]]


def test_a_playbook_with_every_type_of_step_is_read():
    found = read_playbook(written(playbook()))
    assert {step.type for step in found.steps.values()} == set(STEP_TYPES)
    assert (found.name, found.commands) == ("contain", ("manual", "http-api"))
    assert found.steps[BOTH].branches == (LEFT, RIGHT)
    assert found.steps[SWITCH].follows == (LAST,)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("manual-playbook", []),
        ("openc2-playbook", []),
        ("fin-playbook", ["does not match"]),
        ("http-playbook", ["it is no request"]),
        ("powershell-playbook", ["no such property", "a secret stands in it"]),
        ("test-invalid_playbook", ["is not one of"]),
        ("test-missing_step_playbook", ["which is not there"]),
        ("test-infinite_playbook", ["runs in a circle"]),
        ("test-parallels_playbook", ["no such property", "is not defined"]),
    ],
)
def test_another_programs_playbooks_are_judged_as_they_are(name, told):
    _, found = examine((VECTORS / f"{name}.json").read_bytes())
    assert bool(found) == bool(told)
    for what in told:
        assert any(what in fault.what for fault in found), what


def change(document, key, **more):
    document["workflow"][key] = {**document["workflow"][key], **more}


def removed(document, *path):
    for name in path[:-1]:
        document = document[name]
    del document[path[-1]]


BREAKS = {
    "leads to": lambda d: change(d, FIRST, on_completion=step_id("action", "nowhere")),
    "there is no start step": lambda d: d.update(workflow_start=FIRST),
    "there is no step": lambda d: d.update(workflow_exception=step_id("end", "nowhere")),
    "it leads back to the start": lambda d: change(d, FIRST, on_completion=START),
    "several start steps": lambda d: d["workflow"].update(
        {step_id("start", "2"): {"type": "start", "on_completion": FIRST}}
    ),
    "does not say what follows": lambda d: removed(d, "workflow", FIRST, "on_completion"),
    "runs in a circle of 2": lambda d: change(d, AGAIN, on_completion=LOOP),
    "runs in a circle of 4": lambda d: change(d, YES, on_completion=FIRST),
    "is never reached": lambda d: d["workflow"].update({step_id("action", "lost"): action(ENDS["yes"])}),
    "on which another ends as well": lambda d: change(d, RIGHT, on_completion=ENDS["left"]),
    "is not in agent_definitions": lambda d: change(d, FIRST, agent=step_id("group", "strangers")),
    "is not in target_definitions": lambda d: change(d, FIRST, targets=[step_id("group", "strangers")]),
    "is not in data_marking_definitions": lambda d: d.update(markings=[step_id("marking-tlp", "x")]),
    "is not in authentication_info_definitions": lambda d: d["agent_definitions"][GATEWAY].update(
        authentication_info=step_id("oauth2", "x")
    ),
    "it was changed before it was made": lambda d: d.update(modified="2026-10-01T00:00:00.000Z"),
    "it ends before it begins": lambda d: d.update(
        valid_from="2026-11-01T00:00:00.000Z", valid_until="2026-10-01T00:00:00.000Z"
    ),
    "a comparison was expected": lambda d: change(d, IF, condition="__verdict__:value"),
    "it looks at no variable": lambda d: change(d, IF, condition="1 = 1"),
    "__accounts__ is not defined": lambda d: change(d, IF, condition="__accounts__:value > 5"),
    "__who__ is not defined": lambda d: change(d, FIRST, commands=[{"type": "manual", "command": "ask __who__:value"}]),
    "the playbook has a variable of that name": lambda d: change(
        d, FIRST, step_variables={"__case__": {"type": "string"}}
    ),
    "is put together from a variable": lambda d: d["agent_definitions"][GATEWAY].update(
        address={"url": ["https://__case__:value.example.com"]}
    ),
    "without TLS": lambda d: d["agent_definitions"][GATEWAY].update(address={"url": ["http://gateway.example.com"]}),
    "name or password in it": lambda d: d["agent_definitions"][GATEWAY].update(
        address={"url": ["https://user:word@gateway.example.com"]}
    ),
    "is no URL": lambda d: d["agent_definitions"][GATEWAY].update(address={"url": ["https://[gateway.example.com/"]}),
    "it is no request": lambda d: change(d, CASE, commands=[{**CALL, "command": "POST /x\r\nHost: y"}]),
    "control character": lambda d: change(d, CASE, commands=[{**CALL, "headers": {"A": ["b\r\nC: d"]}}]),
    "a secret stands in it": lambda d: d.update(
        authentication_info_definitions={step_id("oauth2", "x"): {"type": "oauth2", "oauth_header": "x", "token": "ey"}}
    ),
    "is no type of step": lambda d: d["workflow"].update({step_id("jump", "x"): {"type": "jump"}}),
    "its id begins as no": lambda d: d["workflow"].update({step_id("foo", "x"): {"type": "end"}}),
    "/on_succes: there is no such property": lambda d: change(d, BOTH, on_succes=LAST),
    "/descripton: there is no such property": lambda d: d.update(descripton="x"),
    "/colour: there is no such property": lambda d: d["agent_definitions"][PEOPLE].update(colour="red"),
    "/commands/0/comand: there is no such property": lambda d: change(
        d, NO, commands=[{"type": "manual", "command": "x", "comand": "y"}]
    ),
    "'workflow' is a required property": lambda d: removed(d, "workflow"),
    "is not one of ['cacao-2.0']": lambda d: d.update(spec_version="cacao-1.0"),
    "is too short": lambda d: change(d, BOTH, next_steps=[LEFT]),
}  # fmt: skip


@pytest.mark.parametrize("told", BREAKS)
def test_what_is_wrong_is_told(told):
    document = playbook()
    BREAKS[told](document)
    found = faults(document)
    assert any(told in fault or told in fault.replace("non-empty", "too short") for fault in found), found
    with pytest.raises(PlaybookError) as caught:
        read_playbook(written(document))
    assert "playbook validate" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{", "no JSON"),
        (b"\xff{}", "no JSON"),
        (b'{"type": "playbook", "type": "playbook"}', "twice"),
        (b'{"priority": NaN}', "NaN"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "deeper"),
        (b"[" * 100_000, "no JSON"),
        (b" " * (MOST_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_playbook_is_told(body, told):
    found, (fault, *_) = examine(body)
    assert found is None
    assert told in fault.what


def test_every_schema_of_oasis_is_there():
    assert len(all_schemas()) == 51


@given(st.data())
def test_whatever_is_changed_in_a_playbook_it_is_read_or_its_faults_are_told(data):
    document = playbook()
    place: object = document
    while isinstance(place, dict) and place and data.draw(st.booleans()):
        parent, name = place, data.draw(st.sampled_from(sorted(place)))
        place = parent[name]
        if data.draw(st.booleans()):
            parent[name] = data.draw(st.one_of(st.none(), st.integers(), st.text(max_size=9), st.just({}), st.just([])))
            place = None
    found, told = examine(written(document))
    assert bool(told) or (found is not None and json.loads(found.body) == document)
