"""Which playbooks are there, and which of them may be run?

Those that ship with the program, and those in the folder `playbooks` of the home. One that ships is trusted as the
program is, as long as its bytes are those that shipped; any other must be signed by somebody who is trusted here.
Comes from the command and `playbooks.runner`; goes on to `playbooks.reading` and `playbooks.signatures`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.playbooks.model import PlaybookError
from spiritsafe.playbooks.reading import read_playbook
from spiritsafe.playbooks.signatures import check_signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from spiritsafe.playbooks.model import Playbook


class PlaybookUnknownError(UsageError):
    """No playbook has this name or id."""

    code = "playbooks.missing"


class PlaybookOutdatedError(VerificationError):
    """A playbook was revoked by whoever made it, does not hold yet, or does not hold any more."""

    code = "playbooks.outdated"


@dataclass(frozen=True, slots=True)
class Shelved:
    """A playbook and the short name under which it is found."""

    name: str
    playbook: Playbook
    ships: bool


class Shelf:
    """The playbooks of a home and those that ship."""

    def __init__(self, home: Path | None) -> None:
        self._folder = None if home is None else home / "playbooks"

    def all(self, *, report: Callable[[Path, PlaybookError], None] = lambda _path, _error: None) -> Iterator[Shelved]:
        """Every playbook, by name: those that ship first. `report` is told of each file that has a fault."""
        yield from shipped()
        if self._folder is not None and self._folder.is_dir():
            for path in sorted(self._folder.glob("*.json")):
                try:
                    yield Shelved(path.stem, read_playbook(path.read_bytes()), ships=False)
                except PlaybookError as error:
                    report(path, error)

    def find(self, text: str, *, version: str = "") -> Shelved:
        """A playbook by its short name or its CACAO id, of a version or the newest.

        Raises
        ------
        PlaybookUnknownError
            There is none.
        PlaybookError
            There is none, and the file of that name in the home has a fault.
        """
        faulty: dict[str, PlaybookError] = {}
        found = [
            one
            for one in self.all(report=lambda path, error: faulty.update({path.stem: error}))
            if text in {one.name, one.playbook.playbook_id} and version in {"", one.playbook.version}
        ]
        if not found and text in faulty:
            raise faulty[text]
        if not found:
            of = f" of version {version}" if version else ""
            raise PlaybookUnknownError(
                f"there is no playbook {text[:80]}{of}", hint="`spiritsafe playbook list --library` shows them"
            )
        return max(found, key=lambda one: one.playbook.version)

    def trusted_as(self, playbook: Playbook, keys: Collection[str], *, now: str) -> str:
        """By what a playbook may be run, in words.

        Raises
        ------
        PlaybookOutdatedError
            It is revoked, or `now` (as CACAO writes times) is not within its time.
        PlaybookSignatureError
            It neither ships nor is signed by anybody with one of these keys.
        """
        _check_in_time(playbook, now)
        if any(one.playbook.sha256 == playbook.sha256 for one in shipped()):
            return "ships with the program, unchanged"
        return f"signed by {', '.join(one.signee for one in check_signatures(playbook, keys, now=now))}"


def _check_in_time(playbook: Playbook, now: str) -> None:
    document = playbook.document
    first, last = str(document.get("valid_from", "")), str(document.get("valid_until", "9999"))
    if document.get("revoked"):
        what = "was revoked"
    elif not first <= now < last:
        what = f"holds from {first or 'ever'} to {last}"
    else:
        return
    raise PlaybookOutdatedError(f"the playbook {playbook.name!r} {what}", hint="ask who made it for one that holds")


@functools.cache
def shipped() -> tuple[Shelved, ...]:
    """The library of best practices, by name."""
    folder = files(__package__) / "library"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda path: path.name)
    return tuple(
        Shelved(path.name.removesuffix(".json"), read_playbook(path.read_bytes()), ships=True) for path in paths
    )
