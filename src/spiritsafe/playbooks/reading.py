"""A playbook read from bytes: as JSON, against OASIS' schemas, then for what schemas cannot say.

Each stage is gone through only where the one before it found nothing; a playbook with any fault is not read.
Comes from the command and `cases`; goes on to `playbooks.checks`.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.playbooks.checks import faults_in
from spiritsafe.playbooks.model import Fault, Playbook, PlaybookError
from spiritsafe.playbooks.properties import all_schemas, strange_properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

MOST_BYTES: Final = 1 << 20
"""A playbook is written by people; what is longer is none."""
DEEPEST: Final = 40


def read_playbook(body: bytes) -> Playbook:
    """A playbook without a fault.

    Raises
    ------
    PlaybookError
        With the first fault, and how many there are.
    """
    found, faults = examine(body)
    if faults or found is None:
        raise PlaybookError(
            f"{faults[0].where or 'the document'}: {faults[0].what}"
            + (f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""),
            hint="`spiritsafe playbook validate` lists every fault with its place",
        )
    return found


def examine(body: bytes) -> tuple[Playbook | None, list[Fault]]:
    """A playbook as far as it can be read, and every fault of the first stage that finds one."""
    try:
        document = _parsed(body)
    except PlaybookError as error:
        return None, [Fault("", str(error))]
    faults = sorted(_schema_faults(document), key=lambda fault: fault.where)
    if faults:
        return None, faults
    strange = list(strange_properties(document))
    if any(fault.where.endswith("/type") for fault in strange):
        return None, strange
    return Playbook(body, document, hashlib.sha256(body).hexdigest()), [*strange, *faults_in(document)]


def _parsed(body: bytes) -> dict[str, Any]:
    """The JSON object; raises `PlaybookError`."""
    if len(body) > MOST_BYTES:
        raise PlaybookError(f"it has {len(body):,} bytes, more than {MOST_BYTES:,}", hint="is it a playbook?")
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PlaybookError(f"it is no JSON: {error}", hint="see the place that is named") from error
    if not isinstance(document, dict):
        raise PlaybookError("it is no JSON object", hint="a playbook begins with {")
    if _depth(document) > DEEPEST:
        raise PlaybookError(f"it is nested deeper than {DEEPEST}", hint="is it a playbook?")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once: of two, programs disagree which counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands in one object twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(item, dict | list)
        ]
        if deepest > DEEPEST:
            break
    return deepest


def _schema_faults(document: dict[str, Any]) -> Iterator[Fault]:
    for error in _validator().iter_errors(document):
        where = "".join(f"/{part}" for part in error.absolute_path)
        yield Fault(where, error.message[:300])


@functools.cache
def _validator() -> Validator:
    """OASIS' schemas, every one of them from our own files: none is fetched.

    They say draft-07, in which `unevaluatedProperties` means nothing, and cannot be read otherwise: as a later draft
    they would refuse every command. What they mean to forbid by it is checked in `playbooks.properties`.
    """
    from jsonschema import Draft7Validator
    from referencing import Registry, Resource

    schemas = all_schemas()
    registry: Registry[Any] = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    )
    top = next(name for name in schemas if name.endswith("/playbook.json"))
    return Draft7Validator({"$ref": top}, registry=registry)
