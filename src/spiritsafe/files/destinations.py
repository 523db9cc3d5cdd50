"""Where results may go: what `--out` may replace, and what a disk has to say, as errors with a way out.

One rule for every verb. A folder is replaced only by a result of its own kind, a file only by one of its own
table, and nothing that the run reads may lie where it writes. Asked before the work and not after it.
Comes from `cli` and `pipeline`, through `files`.
"""

from __future__ import annotations

import errno
import glob
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault, SpiritsafeError, UsageError
from spiritsafe.files.names import is_plain, plain_hint, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA_KEY: Final = b"spiritsafe.schema"
MARKER: Final = ".spiritsafe"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_IMPOSSIBLE: Final = {
    errno.ENOTDIR: "a part of its path is a file",
    errno.EEXIST: "a part of its path is a file",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead round in a circle",
    errno.EINVAL: "no file can have that name",
}
_NEW: Final = "choose a new --out, or move that one away"


class DestinationError(UsageError):
    """The output path is taken by something else, holds what is read, or cannot be one."""

    code = "files.destination"


class WriteError(EnvironmentFault):
    """The output cannot be written: no permission, a read-only disk, a disk that fails."""

    code = "files.write"


class SpaceError(EnvironmentFault):
    """The disk is full."""

    code = "files.space"


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is used up."""
    return error.errno in _FULL


def fault_of(error: OSError, destination: Path | None) -> SpiritsafeError:
    """What the disk said while `destination` was written, as an error of ours; None where that is not known."""
    if is_full(error):
        return SpaceError(
            f"no space left while writing {error.filename or destination or 'results or work in progress'}",
            hint="free some space, or point --out and SPIRITSAFE_TEMP_DIR at another disk; what was there is untouched",
        )
    assert destination is not None
    if error.errno in _IMPOSSIBLE:
        return DestinationError(f"cannot write {_short(destination)}: {_IMPOSSIBLE[error.errno]}", hint=_NEW)
    return WriteError(f"cannot write {destination}: {error.strerror or error}", hint="choose a place you may write to")


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:100]}...{text[-40:]}"


def check_folder(destination: Path, *, kind: str, inputs: Iterable[str | Path] = ()) -> Path:
    """Where a result folder of `kind` may go: `destination` with its links followed.

    Raises
    ------
    DestinationError
        Something else is there, or it holds one of `inputs`.
    """
    found = _resolved(destination)
    try:
        if found.is_dir():
            _refuse_other_kind(destination, found, kind)
        elif os.path.lexists(found):
            raise DestinationError(f"{destination} is a file, not a folder", hint=_NEW)
    except OSError as error:
        raise fault_of(error, destination) from error
    for given in inputs:
        for place in _places(given):
            if place == found or found in place.parents:
                raise DestinationError(
                    f"{destination} holds {given}, which is read: replacing it would destroy it",
                    hint="choose a new folder for --out",
                )
    return found


def _refuse_other_kind(destination: Path, found: Path, kind: str) -> None:
    marker = found / MARKER
    if not marker.is_file():
        if any(found.iterdir()):
            raise DestinationError(f"{destination} exists and is not a spiritsafe result", hint=_NEW)
        return
    there = marker.read_bytes()[:40].decode("utf-8", "replace").strip()
    if there != kind:
        raise DestinationError(f"{destination} is a result of another command ({there!r}, not {kind!r})", hint=_NEW)


def check_file(destination: Path, *, table: str, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a file that we may not replace or cannot write, before the work.

    Parameters
    ----------
    destination
        Where the Parquet file shall be.
    table
        The name in the tag of what may be replaced (`sketches`).
    inputs
        What is read meanwhile.

    Raises
    ------
    DestinationError
        Something else is there, or it is one of `inputs`.
    WriteError, SpaceError
        It could not be written.
    """
    found = _resolved(destination)
    for given in inputs:
        for place in _places(given):
            if place == found or (found.exists() and place.is_dir() and place in found.parents):
                raise DestinationError(
                    f"{destination} is what is read: replacing it would destroy it",
                    hint="choose a new file for --out",
                )
    if found.is_file() and _table_of(found) != table:
        raise DestinationError(f"{destination} exists and holds no {table} of ours", hint=_NEW)
    check_writable(destination)


def check_writable(destination: Path) -> None:
    """Refuse, before the work, a file that could not be written after it; leaves nothing behind, even when killed.

    Raises
    ------
    DestinationError, WriteError, SpaceError
        There can be no such file, or its folder cannot be written.
    """
    found = _resolved(destination)
    try:
        if os.path.lexists(found) and not found.is_file():
            raise DestinationError(f"{destination} is not a file", hint=_NEW)
        above = next(folder for folder in found.parents if folder.exists())
        with tempfile.TemporaryFile(dir=above) as probe:
            probe.write(b"spiritsafe")
            probe.flush()
    except OSError as error:
        raise fault_of(error, destination) from error


def _table_of(path: Path) -> str:
    """The table that our tag names in a Parquet file; "" for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return ""
    tag: bytes = metadata.get(SCHEMA_KEY, b"")
    return tag.decode("utf-8", "replace").partition("/")[0]


def _resolved(destination: Path) -> Path:
    """The destination with its links followed; one that leads nowhere is a mistake and not a wish."""
    _refuse_odd(destination)
    _refuse_impossible(destination)
    found = Path(os.path.realpath(destination))
    _refuse_odd(found)
    if destination.is_symlink() and not os.path.lexists(found):
        raise DestinationError(f"{destination} is a link to {found}, which is not there", hint="make it, or name it")
    if found.is_symlink():
        raise DestinationError(f"{destination}: its links lead round in a circle", hint=_NEW)
    return found


def _refuse_odd(destination: Path) -> None:
    if not is_plain(destination):
        raise DestinationError(f"cannot write there: {told(destination)}", hint=plain_hint(_NEW))


def _refuse_impossible(destination: Path) -> None:
    """A name that is too long, or a path that goes through a file, is told now; what is missing can be made."""
    there = Path(destination.anchor or ".")
    for part in destination.parts[bool(destination.anchor) :]:
        try:
            os.lstat(there / part)
            there = there / part
        except FileNotFoundError:
            continue  # the next part is asked for in the last folder that is there: any will do for a name
        except OSError as error:
            raise fault_of(error, destination) from error


def _places(given: str | Path) -> Iterator[Path]:
    """Where an input lies: the path itself, what a glob finds, and what links in a folder lead to."""
    text = str(given).removeprefix("file://")
    if "://" in text or "\0" in text:
        return
    hits = glob.glob(text, recursive=True) if glob.has_magic(text) else []  # noqa: PTH207 - an absolute pattern
    reached: set[str] = set()
    waiting = [text, *hits]
    while waiting:
        place = os.path.realpath(waiting.pop())
        if place in reached:
            continue
        reached.add(place)
        yield Path(place)
        for folder, folders, names in os.walk(place):
            waiting += [str(one) for name in (*folders, *names) if (one := Path(folder, name)).is_symlink()]
