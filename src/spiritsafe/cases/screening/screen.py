"""Parties held against lists: whom might each be?

Comes from `lists` and the command; goes on to `filing`.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Final

from spiritsafe.cases.screening.lookalikes import readings
from spiritsafe.cases.screening.model import Hit, ThresholdError
from spiritsafe.cases.screening.names import NameIndex, take_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.cases.screening.model import Entry, Kind, ListedName, Party, ScreeningList

THRESHOLD: Final = 0.75
"""Chosen on development names of the benchmark (benchmarks/detection/screening.md), where it loses little recall."""
DISCLAIMER: Final = "A hit is a lead, which somebody must follow up. No hit is no clearance."
_CLASH: Final = frozenset({("person", "organization"), ("organization", "person")})


def algorithm(threshold: float) -> str:
    """What matched, as it is recorded."""
    return f"spiritsafe screening/1, rigour {importlib.metadata.version('rigour')}, threshold {threshold:g}"


class Screener:
    """Lists, ready to be asked."""

    def __init__(self, lists: Sequence[ScreeningList]) -> None:
        self.lists = tuple(lists)
        self._rows: list[tuple[ScreeningList, Entry, ListedName]] = [
            (listed, entry, name) for listed in lists for entry in listed.entries for name in entry.names
        ]
        self._index = NameIndex([(name.text, entry.kind) for _, entry, name in self._rows])

    def screen(self, party: Party, *, threshold: float = THRESHOLD) -> list[Hit]:
        """Entries that a party may be, the best first, each once with the name that fits best."""
        if not 0 < threshold <= 1:
            raise ThresholdError(f"a threshold of {threshold:g} is not between 0 and 1", hint=f"e.g. {THRESHOLD}")
        best: dict[tuple[str, str], Hit] = {}
        asked_forms = [form for text in readings(party.name) for form in take_apart(text, party.kind, asked=True)]
        for asked in asked_forms:
            for number in self._index.candidates(asked):
                listed, entry, name = self._rows[number]
                if (party.kind, entry.kind) in _CLASH:
                    continue
                scored = max(
                    (self._index.fit(asked, form) for form in self._index.names[number]), key=lambda one: one.score
                )
                key = (listed.name, entry.entry_id)
                if scored.score >= threshold and (key not in best or scored.score > best[key].score):
                    beside = _beside(party, entry)
                    best[key] = Hit(party, listed.name, entry, name, scored.score, scored.fits, beside)
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.list_name, hit.entry.entry_id))


def _beside(party: Party, entry: Entry) -> tuple[str, ...]:
    """What else is known, and whether the list says the same. It changes no score."""
    told = []
    if party.born and entry.births:
        same = any(party.born[:4] in birth for birth in entry.births)
        told.append(f"born {party.born}, on the list {' or '.join(entry.births)}: {'agrees' if same else 'differs'}")
    if party.country and entry.countries:
        same = party.country.casefold() in {country.casefold() for country in entry.countries}
        listed = ", ".join(entry.countries)
        told.append(f"in {party.country}, on the list {listed}: {'agrees' if same else 'differs, which says little'}")
    return tuple(told)


def kind_of(text: str) -> Kind:
    """A party's kind as a user writes it; unknown where it is none that is known."""
    known: dict[str, Kind] = {
        "person": "person", "individual": "person", "organization": "organization", "organisation": "organization",
        "company": "organization", "entity": "organization",
    }  # fmt: skip
    return known.get(text.strip().casefold(), "unknown")
