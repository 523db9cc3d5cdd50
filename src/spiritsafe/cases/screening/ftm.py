"""FollowTheMoney entities, one JSON object a line, as OpenSanctions and others publish lists.

Persons, organisations, companies, vessels and aeroplanes are read; addresses, ownerships and other entities are no
parties and are passed over. Comes from `lists`; goes on to `model`.
Source: followthemoney.tech, the schemata `LegalEntity` and below.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from spiritsafe.cases.screening.model import Entry, Kind, ListedName, ListError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final[Mapping[str, Kind]] = {
    "Person": "person", "Organization": "organization", "Company": "organization", "PublicBody": "organization",
    "LegalEntity": "unknown", "Vessel": "other", "Airplane": "other", "Vehicle": "other",
}  # fmt: skip


class _Entity(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    schema: str
    properties: dict[str, list[str]]
    caption: str = ""


def is_ftm(head: bytes) -> bool:
    """Whether a file begins with an entity."""
    first = head.partition(b"\n")[0]
    return first.lstrip().startswith(b"{") and b'"schema"' in head and b'"properties"' in head


def read_ftm(data: bytes) -> tuple[tuple[Entry, ...], Counter[str]]:
    """Entries, and refused lines by reason; raises `ListError` where the last line is cut off."""
    refused: Counter[str] = Counter()
    entries = []
    lines = data.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entity = msgspec.json.decode(line, type=_Entity)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if number == len(lines) and not data.endswith(b"\n"):
                raise ListError("the list ends in the middle of a line", hint="fetch it again") from error
            refused["not an entity"] += 1
            continue
        held = entity.properties
        names = [ListedName(name) for name in held.get("name", [])[:1]]
        names += [ListedName(name, "alias") for name in (*held.get("name", [])[1:], *held.get("alias", []))]
        names += [ListedName(name, "weak") for name in held.get("weakAlias", [])]
        if entity.schema not in _KINDS:
            continue
        if not names:
            refused["no name"] += 1
            continue
        places = [place for name in ("country", "nationality", "jurisdiction") for place in held.get(name, [])]
        entries.append(
            Entry(
                entry_id=entity.id,
                kind=_KINDS[entity.schema],
                names=tuple(names),
                programs=tuple(held.get("programId", held.get("program", []))),
                countries=tuple(dict.fromkeys(places)),
                births=tuple(held.get("birthDate", [])),
                remarks="; ".join(held.get("notes", [])),
            )
        )
    return tuple(entries), refused
