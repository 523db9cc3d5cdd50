"""What a record type is made of: a name, a version, and fields that are open, sealed, or about a person.

Comes from nothing; goes on to `evidence.record_types`, which lists the types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from spiritsafe.errors import UsageError

Visibility: TypeAlias = Literal["open", "sealed", "personal"]


class RecordError(UsageError):
    """A record is of no type that is known, lacks a field, or has one that its type has not."""

    code = "evidence.record"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a record type. A list of many items commits to each on its own."""

    name: str
    visibility: Visibility
    what: str
    many: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class RecordType:
    """One kind of thing that is filed."""

    name: str
    version: int
    what: str
    fields: tuple[FieldSpec, ...]

    @property
    def full_name(self) -> str:
        """As it stands in the log."""
        return f"{self.name}/{self.version}"


def open_field(name: str, what: str, *, required: bool = True) -> FieldSpec:
    """A field that stands in the log for every reader."""
    return FieldSpec(name, "open", what, required=required)


def sealed_field(name: str, what: str, *, many: bool = False, required: bool = True) -> FieldSpec:
    """A field that the log commits to, and that can be shown by itself."""
    return FieldSpec(name, "sealed", what, many=many, required=required)


def personal_field(name: str, what: str, *, many: bool = False, required: bool = True) -> FieldSpec:
    """A field that is about somebody: committed to, kept under a key of their own, erasable."""
    return FieldSpec(name, "personal", what, many=many, required=required)


BY: Final = (
    open_field("by", "`person`, `rule` or `program`: who did it"),
    sealed_field("name", "the person's name, the rule's or the program's with its version"),
)
"""Who did what is filed: first in every record."""

REASON: Final = sealed_field("reason", "why, in words")
