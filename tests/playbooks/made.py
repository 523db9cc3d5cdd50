"""A playbook with every type of step, for tests to break."""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import Any, Final

VECTORS: Final = Path(__file__).resolve().parents[1] / "vectors" / "cacao"
NOW: Final = "2026-11-30T12:00:00.000Z"


def step_id(kind: str, name: str) -> str:
    return f"{kind}--{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind}/{name}')}"


def action(follows: str, command: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = command or {"type": "manual", "command": "look at case __case__:value"}
    return {"type": "action", "on_completion": follows, "agent": PEOPLE, "commands": [given], **more}


def end() -> dict[str, Any]:
    return {"type": "end"}


PEOPLE: Final = step_id("group", "desk")
GATEWAY: Final = step_id("http-api", "gateway")
START, LAST, FAILED = step_id("start", "x"), step_id("end", "last"), step_id("end", "failed")
FIRST, LOOP, AGAIN, IF, YES, NO = (
    step_id("action", "first"), step_id("while-condition", "x"), step_id("action", "again"),
    step_id("if-condition", "x"), step_id("action", "yes"), step_id("action", "no"),
)  # fmt: skip
BOTH, LEFT, RIGHT, SWITCH, CASE, OTHER = (
    step_id("parallel", "x"), step_id("action", "left"), step_id("action", "right"),
    step_id("switch-condition", "x"), step_id("action", "case"), step_id("playbook-action", "x"),
)  # fmt: skip
ENDS: Final = {name: step_id("end", name) for name in ("again", "yes", "no", "left", "right", "case", "other")}
CALL: Final = {
    "type": "http-api", "command": "POST /v1/cases/__case__:value/limits", "headers": {"Accept": ["application/json"]},
}  # fmt: skip


def playbook() -> dict[str, Any]:
    """Every type of step; whole, and a new copy each time."""
    workflow = {
        START: {"type": "start", "on_completion": FIRST},
        FIRST: action(LOOP, name="look", targets=[GATEWAY]),
        LOOP: {"type": "while-condition", "condition": "__tries__:value < 3", "on_true": AGAIN, "on_completion": IF},
        AGAIN: action(ENDS["again"]),
        IF: {"type": "if-condition", "condition": "__verdict__:value = 'campaign'", "on_true": YES, "on_false": NO,
             "on_completion": BOTH},
        YES: action(ENDS["yes"]), NO: action(ENDS["no"]),
        BOTH: {"type": "parallel", "next_steps": [LEFT, RIGHT], "on_success": SWITCH, "on_failure": LAST},
        LEFT: action(ENDS["left"]), RIGHT: action(ENDS["right"]),
        SWITCH: {"type": "switch-condition", "switch": "__verdict__:value", "cases": {"campaign": CASE, "else": OTHER},
                 "on_completion": LAST},
        CASE: action(ENDS["case"], CALL, agent=GATEWAY),
        OTHER: {"type": "playbook-action", "playbook_id": f"playbook--{uuid.UUID(int=7, version=4)}",
                "on_completion": ENDS["other"]},
        LAST: end(), FAILED: end(), **{key: end() for key in ENDS.values()},
    }  # fmt: skip
    made = {
        "type": "playbook", "spec_version": "cacao-2.0", "id": f"playbook--{uuid.UUID(int=1, version=4)}",
        "name": "contain", "created_by": f"identity--{uuid.UUID(int=2, version=4)}",
        "created": "2026-11-01T00:00:00.000Z", "modified": "2026-11-02T00:00:00.000Z",
        "playbook_variables": {
            "__case__": {"type": "string", "external": True}, "__tries__": {"type": "integer", "value": "0"},
            "__verdict__": {"type": "string", "value": "campaign"},
        },
        "workflow_start": START, "workflow_exception": FAILED, "workflow": workflow,
        "agent_definitions": {
            PEOPLE: {"type": "group", "name": "the abuse desk"},
            GATEWAY: {"type": "http-api", "name": "gateway", "address": {"url": ["https://gateway.example.com"]}},
        },
        "target_definitions": {
            GATEWAY: {"type": "http-api", "name": "gateway", "address": {"url": ["https://gateway.example.com"]}}
        },
    }  # fmt: skip
    return copy.deepcopy(made)


def written(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
