"""Killed at any boundary and taken up again: no effect twice, none lost, no word of anybody forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from spiritsafe.playbooks.signatures import sign_playbook
from tests.cases.chaos import Plan, killed_everywhere
from tests.cases.desk import Desk, Found, accounts
from tests.cases.runs import ACT, MANUAL, line, step
from tests.playbooks.made import AGAIN, NOW, YES, playbook, step_id, written

VARIABLES = {"__said__": {"type": "string"}}


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path, "")
    made.confirmed(Found(accounts("acct", 4)))
    yield made
    made.close()


def every_type() -> dict[str, Any]:
    """The playbook with every type of step; its loop goes round once, its API calls are done by hand here."""
    document = playbook()
    for body in document["workflow"].values():
        for command in body.get("commands", ()):
            command.clear()
            command.update(MANUAL)
    document["workflow"][AGAIN]["out_args"] = ["__tries__"]
    document["workflow"][YES]["commands"] = [{**ACT, "share": 0.5}, dict(MANUAL), dict(ACT)]
    document["workflow"][step_id("switch-condition", "x")]["cases"] = {
        "campaign": step_id("playbook-action", "x"), "else": step_id("action", "case")
    }  # fmt: skip
    return document


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.soak)])
def test_a_run_is_taken_up_wherever_a_process_was_killed(desk, tmp_path, every):
    """Each type of step, orders, notices, a run that starts another, steps of several commands."""
    other = line(step({"type": "spiritsafe-case-notice"}), step(MANUAL, out_args=["__said__"]), variables=VARIABLES)
    document = every_type()
    other["id"] = document["workflow"][step_id("playbook-action", "x")]["playbook_id"]
    folder = desk.office.home / "playbooks"
    folder.mkdir()
    (folder / "other.json").write_bytes(sign_playbook(written(other), desk.ada, now=NOW))
    plan = Plan({AGAIN: {"__tries__": "3"}, "two": {"__said__": "yes"}}, given={"__case__": "1"})
    assert killed_everywhere(desk, tmp_path, document, plan, every=every) > 60
