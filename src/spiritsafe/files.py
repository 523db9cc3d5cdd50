"""Files that are whole or not there: atomic folders and files, scratch, and the schema tag they carry.

A result folder is built beside its destination and swapped in by one `rename`; a kill at any moment leaves
the old folder or the new one. `staged_folder` also refuses to replace a folder that we did not make. What a
killed run was working on holds raw rows: the next run removes it, and knows by a lock, which dies with its
process, that nobody is working on it any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

SCHEMA_KEY: Final = b"spiritsafe.schema"
MARKER: Final = ".spiritsafe"
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


class DestinationError(UsageError):
    """The output folder exists and was not made by us, or cannot be written."""

    code = "files.destination"


class SchemaError(InputError):
    """A file carries no schema tag, another name or an unknown major version."""

    code = "files.schema"


class SpaceError(EnvironmentFault):
    """The disk is full."""

    code = "files.space"


@contextlib.contextmanager
def staged_folder(destination: Path, *, kind: str) -> Iterator[Path]:
    """Build a result folder that appears at `destination` whole, or not at all.

    Parameters
    ----------
    destination
        Where the folder shall be. An earlier result of ours is replaced in one step; anything else is refused.
    kind
        What the folder holds (`scan`, `prove`); written into its marker file.

    Yields
    ------
    The staging folder, on the same file system. Written files are flushed to disk before the swap.

    Raises
    ------
    DestinationError
        `destination` exists and is not a result of ours.
    """
    destination = destination.absolute()
    if destination.exists() and not (destination / MARKER).is_file():
        if not destination.is_dir() or any(destination.iterdir()):
            raise DestinationError(
                f"{destination} exists and is not a spiritsafe result",
                hint="choose a new folder for --out, or move that one away",
            )
        destination.rmdir()
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        staging, lock = _fresh_folder(destination.parent, f".{destination.name}.", ".part")
    except OSError as error:
        raise DestinationError(
            f"cannot write beside {destination}: {error.strerror}", hint="choose a folder you may write to"
        ) from error
    try:
        (staging / MARKER).write_text(f"{kind}\n", encoding="utf-8")
        yield staging
        _flush_tree(staging)
        _swap_in(staging, destination)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SpaceError(
                f"no space left while writing {destination}",
                hint="free some space or point --out and TMPDIR at another disk; the old result is untouched",
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for work in progress that only we may enter (0700), gone when the block ends.

    What killed runs left in the same place is removed first.

    Parameters
    ----------
    parent
        Where; made when it is not there. None is the system's temporary folder.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder, lock = _fresh_folder(parent, "spiritsafe-", ".scratch")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _fresh_folder(parent: Path, prefix: str, suffix: str) -> tuple[Path, int]:
    """A new folder of ours (0700) and the descriptor that holds its lock. Abandoned ones of its kind go first."""
    for folder in parent.glob(f"{glob.escape(prefix)}*{suffix}"):
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=parent))
        # Another run that sweeps may take a folder that is not locked yet for abandoned; then we make another.
        with contextlib.suppress(FileNotFoundError):
            lock = _lock(folder)
            if lock is not None:
                return folder, lock


def _lock(folder: Path) -> int | None:
    """The descriptor that holds the lock of a folder of ours; None while another process holds it.

    The lock is on the marker file: not every network file system locks folders. It goes with the descriptor.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode) or folder.lstat().st_uid != os.geteuid():
        return None
    marker = folder / MARKER
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if marker.lstat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _flush_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _swap_in(staging: Path, destination: Path) -> None:
    """Put `staging` at `destination` in one step; on return `staging` may hold the old folder."""
    if destination.exists():
        _exchange(staging, destination)
    else:
        staging.rename(destination)
    parent = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders atomically with Linux's renameat2(RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done == 0:
        return
    # File systems without RENAME_EXCHANGE (some network mounts): two renames, the old one kept until the end.
    aside = other.with_name(f".{other.name}.{os.getpid()}.old")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)


@contextlib.contextmanager
def staged_file(destination: Path) -> Iterator[Path]:
    """A path to write to; when the block ends well it becomes `destination` in one step, flushed to disk.

    Its mode is what the umask leaves, and never wider than that of the file that it replaces.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    # A folder and not a file: engines write beside the path they are given, and that too must be swept up.
    folder, lock = _fresh_folder(destination.parent, f".{destination.name}.", ".part")
    staged = folder / destination.name
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        if destination.exists():
            staged.chmod(stat.S_IMODE(staged.stat().st_mode) & stat.S_IMODE(destination.stat().st_mode))
        staged.replace(destination)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace one file's bytes whole, flushed to disk before it is visible. The umask applies to `mode`."""
    with staged_file(path) as staged, os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT, mode), "wb") as file:
        file.write(data)


def tagged(schema: pa.Schema, tag: str, extra: dict[str, str] | None = None) -> pa.Schema:
    """`schema` with `spiritsafe.schema=tag` and further metadata."""
    metadata = {SCHEMA_KEY: tag.encode()}
    metadata |= {key.encode(): value.encode() for key, value in (extra or {}).items()}
    return schema.with_metadata({**(schema.metadata or {}), **metadata})


def write_parquet(table: pa.Table, path: Path, tag: str, extra: dict[str, str] | None = None) -> None:
    """Write one tagged Parquet file (zstd)."""
    import pyarrow.parquet as pq

    pq.write_table(table.replace_schema_metadata(tagged(table.schema, tag, extra).metadata), path, compression="zstd")


def check_tag(metadata: dict[bytes, bytes] | None, name: str, major: int, *, where: str) -> None:
    """Refuse a file whose tag is of another table or of a major version that we do not know.

    Raises
    ------
    SchemaError
        With what the file says and what was wanted.
    """
    tag = (metadata or {}).get(SCHEMA_KEY, b"").decode("utf-8", "replace")
    found_name, _, version = tag.partition("/")
    if found_name != name or version.partition(".")[0] != str(major):
        raise SchemaError(
            f"{where} says it is {tag or 'nothing we wrote'!r}; wanted {name}/{major}.x",
            hint=f"give a {name} file written by this version, or update spiritsafe",
        )
