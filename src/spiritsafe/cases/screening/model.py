"""The nouns of screening: a list and its entries, a party that is asked about, a hit.

Comes from nothing; goes on to the readers and to `screen`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from spiritsafe.errors import InputError, UsageError

Kind: TypeAlias = Literal["person", "organization", "other", "unknown"]
Quality: TypeAlias = Literal["primary", "alias", "weak"]
KINDS: Final[tuple[Kind, ...]] = ("person", "organization", "other", "unknown")


class ListError(InputError):
    """A list is truncated, of another version or format than is read, or holds no entry."""

    code = "cases.screening.list"


class PartiesError(InputError):
    """The file of parties to screen cannot be read, or a row has no name."""

    code = "cases.screening.parties"


class ThresholdError(UsageError):
    """A threshold is not between 0 and 1."""

    code = "cases.screening.threshold"


@dataclass(frozen=True, slots=True)
class ListedName:
    """A name of an entry: `primary`, `alias`, or a `weak` alias, which the list's keeper calls broad or generic."""

    text: str
    quality: Quality = "primary"


@dataclass(frozen=True, slots=True)
class Entry:
    """One party on a list. `births` are dates or years as the list has them."""

    entry_id: str
    kind: Kind
    names: tuple[ListedName, ...]
    programs: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    births: tuple[str, ...] = ()
    remarks: str = ""

    @property
    def name(self) -> str:
        """What it is called first."""
        return self.names[0].text


@dataclass(frozen=True, slots=True)
class ScreeningList:
    """A list as it was read. `issued` is the day that it says of itself, else that of its newest file.

    `source` names the format; `refused` counts rows that could not be read, by reason.
    """

    name: str
    source: str
    issued: str
    issued_by_list: bool
    sha256: str
    entries: tuple[Entry, ...] = field(repr=False)
    refused: dict[str, int]

    @property
    def names(self) -> int:
        """How many names it has."""
        return sum(len(entry.names) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who is asked about. `country` and `born` decide nothing; what a list says otherwise is told."""

    name: str
    kind: Kind = "unknown"
    country: str = ""
    born: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """How two parts of a name fit: the same, `variants` of one name, `alike` by spelling, `shortened` (to its first
    letter, its consonants or its beginning), or on one side only.
    """

    asked: str
    listed: str
    how: Literal["same", "variants", "alike", "shortened", "only_asked", "only_listed"]
    share: float


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that a party may be. `score` is no probability: see how often it is right in the docs."""

    party: Party
    list_name: str
    entry: Entry
    matched: ListedName
    score: float
    fits: tuple[Fit, ...]
    beside: tuple[str, ...]

    @property
    def why(self) -> str:
        """How the names fit, in words."""
        told = {
            "same": "{0} is the same",
            "variants": "{0} and {1} are forms of one name",
            "alike": "{0} is spelt like {1}",
            "shortened": "{0} may be short for {1}",
            "only_asked": "{0} is not on the list",
            "only_listed": "{1} is only on the list",
        }
        return "; ".join(told[fit.how].format(fit.asked, fit.listed) for fit in self.fits)
