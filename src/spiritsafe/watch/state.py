"""What a watch knows already: sketches of all requests of its window, by day, and which files they came from.

A folder that can be looked into: `manifest.json` says what counts, Parquet files by day hold the rows, and what the
manifest does not name is left over from a killed run and removed. The manifest is replaced whole, by one rename, after
the files that it names are on disk: a kill at any moment leaves the state before or the state after. One process at
a time. Comes from `watch.increments`, which fills it; goes on to `watch.looking`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from spiritsafe.errors import EnvironmentFault, InputError, UsageError
from spiritsafe.files import MARKER, check_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = "watch_state/1.0"
KIND: Final = "state"
DAY_S: Final = 86_400


class StateBusyError(UsageError):
    """Another process works on this state."""

    code: ClassVar[str] = "watch.busy"


class StateBrokenError(InputError):
    """A state's manifest cannot be read, is of another version, or names a file that is not there."""

    code: ClassVar[str] = "watch.state"


class StateFolderFault(EnvironmentFault):
    """A state folder cannot be made or written to."""

    code: ClassVar[str] = "watch.state_folder"


class Part(msgspec.Struct, frozen=True):
    """Two files of one day (since 1970, UTC), within the folder: sketches, and the counts of what they say."""

    name: str
    keys: str
    day: int
    rows: int
    bytes: int


class Seen(msgspec.Struct, frozen=True):
    """A file of the log that was taken in, as it was then; or why it could not be."""

    size_bytes: int
    modified_ns: int
    fault: str = ""


class Look(msgspec.Struct, frozen=True):
    """One look at the state: after how many rows had been taken in, up to which event time, and what came of it."""

    look_id: str
    taken: int
    at_us: int
    until_us: int
    groups: int
    campaigns: int
    shared_by: int = 1
    """Its share of the level is that of one look in so many."""
    cases: tuple[str, ...] = ()
    """Of the campaigns that it found, the cases."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What counts. `version` grows by one with every change; `made` says how the sketches were made; `rows` are in
    the parts, `repeated` came more than once, `late` came after a look had seen their day's end, `refused` could not be
    used, `expired` were older than is kept. `news` are accounts of which the last look could not know what they share
    (`watch.news`); `daily_us` is when a look of the day was made last; `often` is the file of what is said often, if it
    has been needed since days were forgotten."""

    schema: str = SCHEMA
    version: int = 0
    made: dict[str, str] = {}
    parts: tuple[Part, ...] = ()
    seen: dict[str, Seen] = {}
    rows: int = 0
    repeated: int = 0
    late: int = 0
    refused: int = 0
    expired: int = 0
    last_us: int = 0
    looks: tuple[Look, ...] = ()
    news: tuple[str, ...] = ()
    daily_us: int = 0
    often: str = ""

    @property
    def taken(self) -> int:
        """Rows that were ever taken in, each once."""
        return self.rows + self.expired


class State:
    """A state folder, held by one process. Made by `open_state`."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest

    def path(self, part: Part) -> Path:
        """Where a part's sketches are."""
        return self.folder / part.name

    def key_files(self) -> list[Path]:
        """Where the counts of all parts are."""
        return [self.folder / part.keys for part in self.manifest.parts]

    def parts(self, *, from_day: int = -(1 << 40)) -> list[Path]:
        """The files of all days from one on, by day."""
        found = sorted(self.manifest.parts, key=lambda part: (part.day, part.name))
        return [self.path(part) for part in found if part.day >= from_day]

    def of_days(self, days: set[int]) -> list[Part]:
        """The parts of these days."""
        return [part for part in self.manifest.parts if part.day in days]

    def fresh(self, day: int, name: str) -> tuple[str, str]:
        """The names for a new part of a day, sketches and counts, its folders made."""
        for kind in ("parts", "keys"):
            (self.folder / kind / str(day)).mkdir(mode=0o700, parents=True, exist_ok=True)
        return f"parts/{day}/{name}.parquet", f"keys/{day}/{name}.parquet"

    def fresh_often(self, name: str) -> str:
        """The name for a new file of what is said often, its folder made."""
        (self.folder / "often").mkdir(mode=0o700, exist_ok=True)
        return f"often/{name}.parquet"

    def commit(self, manifest: Manifest) -> None:
        """Make this the state; its files are on disk. What it no longer names is removed."""
        manifest = msgspec.structs.replace(manifest, version=self.manifest.version + 1)
        data = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
        write_atomically(self.folder / "manifest.json", data, mode=0o600)
        self.manifest = manifest
        self.sweep()

    def sweep(self) -> None:
        """Remove what the manifest does not name."""
        named = {name for part in self.manifest.parts for name in (part.name, part.keys)} | {self.manifest.often}
        named |= {f"looks/{look.look_id}" for look in self.manifest.looks}
        for kind in ("parts/*/*", "keys/*/*", "often/*", "looks/*"):
            for path in self.folder.glob(kind):
                if str(path.relative_to(self.folder)) not in named:
                    _remove(path)


def _remove(path: Path) -> None:
    """A file, or the folder of one that was being written."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest:
    """A state's manifest, as it is now; raises `StateBrokenError`. Empty where there is none yet."""
    path = folder / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateBrokenError(
            f"{path} cannot be read: {error}", hint="move the folder away: a new one is made from the logs"
        ) from error
    if manifest.schema.partition(".")[0] != SCHEMA.partition(".")[0]:
        raise StateBrokenError(
            f"{path} is a {manifest.schema[:40]!r}", hint=f"this version works on {SCHEMA}; choose another --state"
        )
    return manifest


@contextlib.contextmanager
def open_state(folder: Path) -> Iterator[State]:
    """A state folder, made where there is none, while the block lasts.

    Raises
    ------
    StateBusyError
        Another process holds it.
    StateBrokenError
        It is broken.
    StateFolderFault
        It cannot be written to.
    DestinationError
        The folder is something else.
    """
    folder = check_folder(folder, kind=KIND)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / MARKER).write_text(f"{KIND}\n", encoding="utf-8")
        held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateFolderFault(f"cannot work in {folder}: {error.strerror}", hint="choose another --state") from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateBusyError(
                f"another process works on {folder}", hint="stop it, or choose another --state"
            ) from error
        state = State(folder, read_manifest(folder))
        files = [*state.parts(), *state.key_files()]
        if state.manifest.often:
            files.append(folder / state.manifest.often)
        missing = [path for path in files if not path.exists()]
        if missing:
            raise StateBrokenError(
                f"{missing[0]} is gone, which the manifest names",
                hint="move the folder away: a new one is made from the logs",
            )
        state.sweep()
        yield state
    finally:
        os.close(held)
