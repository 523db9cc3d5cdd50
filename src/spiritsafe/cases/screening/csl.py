"""The Consolidated Screening List of the US International Trade Administration, CSV and JSON.

Twelve lists of three departments in one. Comes from `lists`; goes on to `model`.
Source: the files themselves: `consolidated.csv`, 29 columns with a header, and `consolidated.json`, with `results`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from spiritsafe.cases.screening.model import Entry, Kind, ListedName, ListError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDED: Final = frozenset({"source", "name", "type", "programs", "alt_names", "source_list_url"})
_KINDS: Final[Mapping[str, Kind]] = {
    "individual": "person", "entity": "organization", "vessel": "other", "aircraft": "other",
}  # fmt: skip


class _Result(msgspec.Struct):
    """What is read of an entry in JSON; other fields are passed over."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    source: str = ""
    id: str = ""
    type: str | None = None
    programs: list[str] | None = None
    alt_names: list[str] | None = None
    dates_of_birth: list[str] | None = None
    nationalities: list[str] | None = None
    addresses: list[dict[str, Any]] | None = None
    remarks: str | None = None


class _Document(msgspec.Struct):
    results: list[msgspec.Raw]


def is_csl_csv(head: bytes) -> bool:
    """Whether a file begins with the list's header."""
    first = head.decode("utf-8-sig", "replace").partition("\n")[0]
    return set(first.strip().replace('"', "").split(",")) >= NEEDED


def is_csl_json(head: bytes) -> bool:
    """Whether a file begins as the list's JSON does."""
    return head.lstrip().startswith(b"{") and b'"results"' in head


def read_csl_csv(data: bytes) -> tuple[tuple[Entry, ...], Counter[str]]:
    """Entries, and refused rows by reason; raises `ListError` where the file is cut off."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError("the list is no UTF-8", hint="fetch it again") from error
    refused: Counter[str] = Counter()
    entries = []
    for row in _rows(text):
        if None in row or None in row.values():
            refused["another number of columns than the header"] += 1
            continue
        if not row["name"].strip():
            refused["no name"] += 1
            continue
        many = {name: _split(row.get(name, "")) for name in ("programs", "alt_names", "dates_of_birth")}
        places = (*_split(row.get("nationalities", "")), *_split(row.get("citizenships", "")))
        number = row.get("entity_number") or row.get("_id") or ""
        entries.append(_entry(number, row["source"], row["type"], row["name"], many, places, row.get("remarks", "")))
    if text and not text.endswith("\n") and refused:
        raise ListError("the list ends in the middle of a row", hint="fetch it again; it was cut off")
    return tuple(entries), refused


def read_csl_json(data: bytes) -> tuple[tuple[Entry, ...], Counter[str]]:
    """Entries, and refused ones by reason; raises `ListError` where it is no whole JSON."""
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ListError(f"the list is no whole JSON: {error}", hint="fetch it again; it was cut off") from error
    refused: Counter[str] = Counter()
    entries = []
    for raw in document.results:
        try:
            one = msgspec.json.decode(raw, type=_Result)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            refused["not as the list has entries"] += 1
            continue
        many = {name: getattr(one, name) or [] for name in ("programs", "alt_names", "dates_of_birth")}
        places = [*(one.nationalities or []), *(str(place.get("country") or "") for place in one.addresses or [])]
        entries.append(_entry(one.id, one.source, one.type or "", one.name, many, places, one.remarks or ""))
    return tuple(entries), refused


def _rows(text: str) -> list[dict[str, Any]]:
    try:
        return list(csv.DictReader(io.StringIO(text, newline=None)))
    except csv.Error as error:
        raise ListError(f"the list is no CSV: {error}", hint="fetch it again") from error


def _entry(
    number: str, source: str, kind: str, name: str, many: Mapping[str, list[str]], places: Iterable[str], remarks: str
) -> Entry:
    return Entry(
        entry_id=number,
        kind=_KINDS.get(kind.casefold(), "unknown"),
        names=(ListedName(name.strip()), *(ListedName(alias, "alias") for alias in many["alt_names"])),
        programs=tuple(dict.fromkeys([*many["programs"], source])),
        countries=tuple(dict.fromkeys(place for place in places if place)),
        births=tuple(many["dates_of_birth"]),
        remarks=remarks,
    )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
