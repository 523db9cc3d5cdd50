"""Which properties may an object of a playbook have? One that is misspelt would otherwise count for nothing.

`on_succes` is no error to the schemas, and a step that has it stops where it should go on. The names that each kind of
object may have are read from OASIS' schemas themselves, through what they refer to.
Comes from `playbooks.reading`; goes on to nobody.
"""

from __future__ import annotations

import functools
import json
import posixpath
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.playbooks.model import STEP_TYPES, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

_DEFINITIONS: Final = {
    "agent_definitions": "agent-target", "target_definitions": "agent-target",
    "authentication_info_definitions": "authentication-info", "data_marking_definitions": "data-markings",
}  # fmt: skip


@functools.cache
def all_schemas() -> dict[str, dict[str, Any]]:
    """OASIS' schemas by their `$id`."""
    found = {}
    for path in _files(files(__package__) / "schemas"):
        schema = json.loads(path.read_text("utf-8"))
        found[schema["$id"]] = schema
    return found


def strange_properties(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Properties that no object of their kind has; objects of kinds that the specification leaves open have any."""
    yield from _strange(document, "playbook.json", "")
    for key, step in document["workflow"].items():
        kind = step.get("type")
        if kind not in STEP_TYPES:
            yield Fault(
                f"/workflow/{key}/type", f"{str(kind)[:60]!r} is no type of step; there are {', '.join(STEP_TYPES)}"
            )
            continue
        if key.partition("--")[0] != kind:
            yield Fault(f"/workflow/{key}", f"its id begins as no {kind} does")
        yield from _strange(step, f"workflows/{kind}.json", f"/workflow/{key}")
        for number, command in enumerate(step.get("commands", ())):
            where = f"/workflow/{key}/commands/{number}"
            yield from _strange(command, f"commands/{command['type']}.json", where)
        for name, variable in step.get("step_variables", {}).items():
            yield from _strange(variable, "data-types/variable.json", f"/workflow/{key}/step_variables/{name}")
    for name, variable in document.get("playbook_variables", {}).items():
        yield from _strange(variable, "data-types/variable.json", f"/playbook_variables/{name}")
    for part, folder in _DEFINITIONS.items():
        for key, one in document.get(part, {}).items():
            yield from _strange(one, f"{folder}/{one.get('type')}.json", f"/{part}/{key}")
    for number, signature in enumerate(document.get("signatures", ())):
        yield from _strange(signature, "data-types/signature.json", f"/signatures/{number}")


def _strange(value: Mapping[str, Any], schema: str, where: str) -> Iterator[Fault]:
    known = _known(schema)
    for name in sorted(set(value) - known) if known else ():
        yield Fault(f"{where}/{name}", "there is no such property")


@functools.cache
def _known(path: str) -> frozenset[str]:
    """Names of an object's properties; empty where the specification has no such object."""
    found = next(((name, schema) for name, schema in all_schemas().items() if name.endswith(f"/schemas/{path}")), None)
    return frozenset() if found is None else frozenset(_names(*found))


def _names(base: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from schema.get("properties", {})
    for part in schema.get("allOf", ()):
        reference = part.get("$ref")
        if reference is None:
            yield from _names(base, part)
        else:
            origin, _, path = base.partition("/main/")
            other = f"{origin}/main/{posixpath.normpath(posixpath.join(posixpath.dirname(path), reference))}"
            yield from _names(other, all_schemas()[other])


def _files(folder: Traversable) -> Iterator[Traversable]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_dir():
            yield from _files(path)
        elif path.name.endswith(".json"):
            yield path
