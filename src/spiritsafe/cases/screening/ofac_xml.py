"""OFAC's advanced XML (`sdn_advanced.xml`, `cons_advanced.xml`): the UN's model of sanctions lists.

A party has a profile, whose identities have aliases, whose documented names have parts in one script each; what a
number stands for is in the reference values at the beginning. It is read element by element, whatever its size; a
document with a DTD is refused, since entities in it could be made to grow without bound.
Comes from `lists`; goes on to `model`.
Source: OFAC, "Advanced Sanctions Data Model" (the `Sanctions` schema of 2015; namespaces have changed since).
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from spiritsafe.cases.screening.model import Entry, Kind, ListedName, ListError, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

_PART_ORDER: Final = {
    "First Name": 1, "Middle Name": 2, "Patronymic": 3, "Matronymic": 4, "Maiden Name": 5, "Last Name": 6,
}  # fmt: skip
_KINDS: Final[Mapping[str, Kind]] = {"Individual": "person", "Entity": "organization"}
_BIRTH: Final = "Birthdate"


def is_advanced(head: bytes) -> bool:
    """Whether a file begins as the advanced XML does."""
    return b"<Sanctions" in head


def read_advanced(data: bytes) -> tuple[tuple[Entry, ...], Counter[str], str]:
    """Entries, refused parties by reason, and the day of issue (ISO 8601, or empty).

    Raises
    ------
    ListError
        It has a DTD, is no well-formed XML (cut off), or is of another schema.
    """
    before = data[: data.find(b"<Sanctions")]
    if b"<!DOCTYPE" in before or b"<!ENTITY" in before:
        raise ListError("the list has a DTD, which OFAC's has not", hint="fetch it from OFAC itself")
    reading = _Reading()
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(data), events=("start", "end")):  # noqa: S314 - no DTD
            reading.take(event, element)
    except ElementTree.ParseError as error:
        raise ListError(f"the list is no whole XML: {error}", hint="fetch it again; it was cut off") from error
    if not reading.parties:
        raise ListError("the list has no DistinctParty", hint="give OFAC's sdn_advanced.xml or cons_advanced.xml")
    return reading.entries(), reading.refused, reading.issued


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self.party_types: dict[str, str] = {}
        self.programs: dict[str, list[str]] = defaultdict(list)
        self.parties: list[tuple[str, Kind, tuple[ListedName, ...], tuple[str, ...]]] = []
        self.refused: Counter[str] = Counter()
        self.issued = ""
        self._inside = ""

    def take(self, event: str, element: Element) -> None:
        """An element that begins or ends."""
        tag = _local(element)
        if event == "start":
            self._inside = tag if tag in {"ReferenceValueSets", "DistinctParties", "SanctionsEntries"} else self._inside
            return
        if self._inside == "ReferenceValueSets" and element.get("ID") and element.text:
            self.values[tag, element.get("ID", "")] = element.text.strip()
            if tag == "PartySubType":
                self.party_types[element.get("ID", "")] = element.get("PartyTypeID", "")
        elif tag == "DateOfIssue" and not self._inside:
            self.issued = _day(element)
        elif tag == "DistinctParty":
            self._party(element)
            element.clear()
        elif tag == "SanctionsEntry":
            self._entry(element)
            element.clear()

    def entries(self) -> tuple[Entry, ...]:
        """The parties with their programmes, which stand behind them in the file."""
        return tuple(
            Entry(number, kind, names, programs=tuple(dict.fromkeys(self.programs.get(number, ()))), births=births)
            for number, kind, names, births in self.parties
        )

    def _party(self, party: Element) -> None:
        profile = _child(party, "Profile")
        names = [] if profile is None else self._names(profile)
        if profile is None or not names:
            self.refused["a party without a profile or a name"] += 1
            return
        type_id = self.party_types.get(profile.get("PartySubTypeID", ""), "")
        kind = _KINDS.get(self.values.get(("PartyType", type_id), ""), "other")
        births = [
            _day(point)
            for feature in _all(profile, "Feature")
            if self.values.get(("FeatureType", feature.get("FeatureTypeID", "")), "") == _BIRTH
            for point in _all(feature, "From")[:1]
        ]
        self.parties.append((profile.get("ID", ""), kind, tuple(names), tuple(day for day in births if day)))

    def _names(self, profile: Element) -> list[ListedName]:
        """Every documented name, the primary one first; parts in the order in which they are spoken."""
        groups = {
            group.get("ID", ""): self.values.get(("NamePartType", group.get("NamePartTypeID", "")), "")
            for group in _all(profile, "NamePartGroup")
        }
        found: list[tuple[int, ListedName]] = []
        for alias in _all(profile, "Alias"):
            primary, weak = alias.get("Primary") == "true", alias.get("LowQuality") == "true"
            for name in _all(alias, "DocumentedName"):
                parts = sorted(
                    (_PART_ORDER.get(groups.get(part.get("NamePartGroupID", ""), ""), 0), number, part.text.strip())
                    for number, part in enumerate(_all(name, "NamePartValue"))
                    if part.text and part.text.strip()
                )
                text = " ".join(part for *_, part in parts)
                first = primary and not weak and not any(at == 0 for at, _ in found)
                if text:
                    found.append((0 if first else 1, ListedName(text, _quality(weak=weak, first=first))))
        return [name for _, name in sorted(found, key=lambda one: one[0])]

    def _entry(self, entry: Element) -> None:
        for measure in _all(entry, "SanctionsMeasure"):
            comment = _child(measure, "Comment")
            if comment is not None and comment.text and comment.text.strip():
                self.programs[entry.get("ProfileID", "")].append(comment.text.strip())


def _quality(*, weak: bool, first: bool) -> Quality:
    if weak:
        return "weak"
    return "primary" if first else "alias"


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: Element, tag: str) -> Element | None:
    return next((one for one in element if _local(one) == tag), None)


def _all(element: Element, tag: str) -> list[Element]:
    return [one for one in element.iter() if _local(one) == tag]


def _day(element: Element) -> str:
    """A date of the model, as ISO 8601 has it."""
    told = {_local(one): (one.text or "").strip() for one in element}
    if not told.get("Year"):
        return ""
    parts = [told["Year"].zfill(4), *(told[name].zfill(2) for name in ("Month", "Day") if told.get(name))]
    return "-".join(parts)
