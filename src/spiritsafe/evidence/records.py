"""Records: one thing each that was found, decided or done, as it is handed to the ledger.

Comes from the rooms that do things; goes on to `evidence.writing`, which files. What a record may hold is in
`evidence.record_types`.
"""

from __future__ import annotations

import datetime
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spiritsafe.evidence.record_spec import RecordError
from spiritsafe.evidence.record_types import type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.record_spec import FieldSpec, RecordType
    from spiritsafe.keys.persons import Signer


def new_id() -> str:
    """A UUIDv7: sorts by the time it was made (RFC 9562 section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    number = (
        (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    )
    text = f"{number:032x}"
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


def now_us() -> int:
    """The machine's clock, UTC microseconds."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Personal:
    """A value that is about somebody. `subject` is the account, organisation or person as it is known here."""

    subject: str
    value: Json


@dataclass(frozen=True, slots=True)
class Record:
    """One thing to file. `case_id` ties it to a case; personal fields need one: keys are a person's in a case.

    What a person does they sign (`signer`), so that nobody can have written it in their name.
    """

    type_name: str
    fields: Mapping[str, Json | Personal | tuple[Json | Personal, ...]] = field(repr=False)
    case_id: str | None = None
    record_id: str = field(default_factory=new_id)
    time_us: int = field(default_factory=now_us)
    signer: Signer | None = field(default=None, repr=False)


def check_record(record: Record) -> RecordType:
    """The record's type, once it is seen to hold what that type holds; raises `RecordError`."""
    kind = type_of(record.type_name)
    known = {spec.name: spec for spec in kind.fields}
    strange = sorted(set(record.fields) - set(known))
    lacking = sorted(name for name, spec in known.items() if spec.required and name not in record.fields)
    if strange or lacking:
        said = [f"has {', '.join(strange)}"] * bool(strange) + [f"lacks {', '.join(lacking)}"] * bool(lacking)
        raise RecordError(f"a record {kind.full_name} {' and '.join(said)}", hint=f"it holds {', '.join(known)}")
    for name, value in record.fields.items():
        _check_value(kind, known[name], value)
    if record.case_id is None and any(known[name].visibility == "personal" for name in record.fields):
        raise RecordError(f"a record {kind.full_name} is about somebody and belongs to no case", hint="name its case")
    _check_signer(record, kind)
    return kind


def _check_signer(record: Record, kind: RecordType) -> None:
    if (record.fields["by"] == "person") != (record.signer is not None):
        found = "signed by nobody" if record.signer is None else "signed, and no person did it"
        raise RecordError(
            f"a record {kind.full_name} is {found}",
            hint="what a person does they sign; what a rule or a program does nobody signs",
        )
    if record.signer is not None and record.fields["name"] != record.signer.name:
        raise RecordError(
            f"a record {kind.full_name} is signed by {record.signer.name} and done by another",
            hint="whoever does it signs it",
        )


def _check_value(kind: RecordType, spec: FieldSpec, value: object) -> None:
    if spec.many != isinstance(value, tuple):
        wanted = "a tuple of items" if spec.many else "one value"
        raise RecordError(f"{spec.name} of {kind.full_name} is not {wanted}", hint=spec.what)
    items: Iterable[object] = value if isinstance(value, tuple) else (value,)
    if any(isinstance(item, Personal) != (spec.visibility == "personal") for item in items):
        wanted = "says whose it is" if spec.visibility == "personal" else "is about nobody"
        raise RecordError(f"a value of {spec.name} of {kind.full_name} {wanted}, and this one not", hint=spec.what)


def utc_text(time_us: int) -> str:
    """A time as it stands in records.

    Examples
    --------
    >>> utc_text(1_764_504_000_000_000)
    '2025-11-30T12:00:00.000000Z'
    """
    moment = datetime.datetime.fromtimestamp(time_us // 1_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
