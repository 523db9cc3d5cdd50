"""roster: what must the request path know of accounts, campaigns and fingerprints, in a file that it can look up in?

In come tables of accounts, campaigns and their fingerprints, from whichever room above knows them; out goes one
immutable, checksummed file, and a `Roster` that reads it in place. It holds keyed hashes and no names. Read `model` for
the nouns, `layout` for the file, `writing` and `reading`; then go on to `guard`. Loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.roster.model import Campaign, Kind, Role, Source, Standing
    from spiritsafe.roster.names import Names
    from spiritsafe.roster.reading import Roster, RosterError
    from spiritsafe.roster.writing import Contents, write_roster

_HOMES = {
    "Campaign": "model",
    "Contents": "writing",
    "Kind": "model",
    "Names": "names",
    "Role": "model",
    "Roster": "reading",
    "RosterError": "reading",
    "Source": "model",
    "Standing": "model",
    "write_roster": "writing",
}
__all__ = [
    "Campaign",
    "Contents",
    "Kind",
    "Names",
    "Role",
    "Roster",
    "RosterError",
    "Source",
    "Standing",
    "write_roster",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
