"""Which files of this machine a path, a folder or a glob stands for.

A log must not be lost unsaid: folders are walked to the bottom, through links too, and what is not read there is
named. A name that one library would write otherwise than the next is refused, so that all of them open one file.
Comes from `events.sources.storage`, and goes back to it.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Final

from spiritsafe.events.sources.errors import FileNameError, NoFileError, PathError
from spiritsafe.files.names import is_plain, plain_hint, told

_NO_LOGS: Final = frozenset({".md", ".rst", ".crc", ".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig"})
_SUMS: Final = frozenset({"MD5SUMS", "SHA1SUMS", "SHA256SUMS", "SHA512SUMS"})
_FOR_PEOPLE: Final = frozenset({"README", "LICENSE", "LICENCE", "NOTICE", "CHANGELOG", "COPYING"})
_PROSE: Final = frozenset({"", ".txt", ".html", ".pdf"})
_WHY: Final = {
    "name": ("file that is no log by its name", "files that are no logs by their names"),
    "link": ("link that leads nowhere", "links that lead nowhere"),
    "other": ("pipe or device", "pipes or devices"),
    "closed": ("folder that cannot be opened", "folders that cannot be opened"),
}


def found_at(place: Path) -> tuple[list[Path], list[str]]:
    """The files that `place` stands for, in order, and what was passed over in a folder or a glob.

    Raises
    ------
    PathError
        It is a link that leads nowhere. A path or glob at which nothing is gives two empty lists.
    NoFileError
        It is neither a file nor a folder.
    FileNameError
        The name of a file to read is no UTF-8.
    OSError, ValueError
        The disk does not let us look, or there can be no such path.
    """
    if place.exists() or place.is_symlink():
        if not place.is_dir():
            _refuse_no_file(place)
        found, passed = _reached(place)
    else:
        found, passed = [], []
        for hit in sorted(glob.glob(str(place), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if no_log(Path(Path(hit).name)):
                passed.append(hit)
                continue
            files, others = _reached(Path(hit))
            found += files
            passed += others
    odd = next((path for path in found if not is_plain(path)), None)
    if odd is not None:
        raise FileNameError(
            f"cannot open it: {told(odd)}",
            hint=plain_hint("rename it, or name a link to it"),
        )
    return found, [
        name if is_plain(name) else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for name in passed
    ]


def _refuse_no_file(place: Path) -> None:
    if not place.exists():
        raise PathError(
            f"{place} is a link to {place.readlink()}, and nothing is there",
            hint="correct the link, or name the file",
        )
    if not place.is_file():
        raise NoFileError(
            f"{place} is a pipe or a device, and a log is read more than once",
            hint="write what comes out of it to a file first, and give that",
        )


def _reached(place: Path) -> tuple[list[Path], list[str]]:
    """What a named path or a hit of a glob leads to."""
    if place.is_dir():
        return _walked(place)
    return ([place], []) if place.is_file() else ([], [str(place)])


def _walked(top: Path) -> tuple[list[Path], list[str]]:
    """Every file below a folder. Each folder is entered once, by its own path rather than by a link to it.

    What lies below a folder that is passed over is counted apart: a hidden link must not keep us from a folder.
    """
    found: list[Path] = []
    passed: list[Path] = []
    entered: set[tuple[bool, str]] = set()
    folders, links = [top], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        hidden = no_log(folder.relative_to(top))
        here = (hidden, os.path.realpath(folder))
        if here in entered:
            continue
        entered.add(here)
        try:
            below = sorted(folder.iterdir())
        except PermissionError:
            if folder == top:
                raise
            passed.append(folder)
            continue
        for path in below:
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.is_file() and not no_log(path.relative_to(top)):
                found.append(path)
            else:
                passed.append(path)
    return sorted(found), [str(path) for path in sorted(passed)]


def no_log(relative: Path) -> bool:
    """Whether a path below a folder is plainly no log by its name.

    Hidden, a writer's mark (`_SUCCESS`), a check sum, or prose for people (README, LICENSE, Markdown). Everything
    else is looked into, and stops the command where it is of no known kind: a log must not be lost unsaid.

    Examples
    --------
    >>> [name for name in ("a.jsonl", "README", "notes.md", "README.jsonl", "_SUCCESS", "a.txt", ".a.crc", "x/.git/y")
    ...  if not no_log(Path(name))]
    ['a.jsonl', 'README.jsonl', 'a.txt']
    """
    if any(part.startswith((".", "_")) for part in relative.parts):
        return True
    name, suffix = relative.name.upper(), relative.suffix.lower()
    if suffix in _NO_LOGS or name in _SUMS:
        return True
    return suffix in _PROSE and name.partition(".")[0] in _FOR_PEOPLE


def why_passed(name: str) -> tuple[str, str]:
    """Why a file was not read, in words for one and for many.

    Examples
    --------
    >>> why_passed("s3://bucket/logs/_SUCCESS")[0]
    'file that is no log by its name'
    """
    if os.path.isdir(name):  # noqa: PTH112 - a name may be a URL
        return _WHY["closed"]
    if not os.path.lexists(name) or os.path.isfile(name):  # noqa: PTH113
        return _WHY["name"]
    return _WHY["other" if os.path.exists(name) else "link"]  # noqa: PTH110


def identity_of(name: str) -> object:
    """What a file is known by, whatever it is called: its real path, or its inode where it has several names.

    An inode alone is not enough: some network file systems give two files the same one.
    """
    path = name.removeprefix("file://")
    try:
        status = os.stat(path)  # noqa: PTH116 - a name that was shown may be no path
    except (OSError, ValueError):
        return name
    return (status.st_dev, status.st_ino) if status.st_nlink > 1 else os.path.realpath(path)
