"""Built beside, then swapped in: folders, files and scratch space that a kill cannot leave half done.

A result folder is built beside its destination and swapped in by one `rename`; a kill at any moment leaves
the old folder or the new one. What a killed run was working on holds raw rows: the next run removes it, and knows
by a lock, which dies with its process, that nobody is working on it any more. Comes from `files.destinations`, which
says what may be replaced.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault
from spiritsafe.files.destinations import MARKER, check_folder, fault_of, is_full
from spiritsafe.files.names import is_plain, plain_hint, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_LONGEST_IN_FULL: Final = 200  # bytes of a name; 255 hold it and what tempfile adds


class ScratchError(EnvironmentFault):
    """The folder for work in progress is not there or cannot be written."""

    code = "files.scratch"


@contextlib.contextmanager
def staged_folder(destination: Path, *, kind: str, inputs: Iterable[str | Path] = ()) -> Iterator[Path]:
    """Build a result folder that appears at `destination` whole, or not at all.

    Parameters
    ----------
    destination
        Where the folder shall be. An earlier result of the same kind is replaced in one step, an empty folder
        used; anything else is refused. A link is followed, and stays.
    kind
        What the folder holds (`scan`, `prove`); written into its marker file.
    inputs
        What is read meanwhile: paths, folders, globs. A destination that holds any of it is refused.

    Yields
    ------
    The staging folder, on the same file system. Written files are flushed to disk before the swap.

    Raises
    ------
    DestinationError
        `destination` may not be replaced, or cannot be a folder. Nothing was done yet.
    WriteError, SpaceError
        It cannot be written; what was there is untouched.
    """
    destination = check_folder(destination, kind=kind, inputs=inputs)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        staging, lock = _fresh_folder(destination.parent, _prefix(destination), ".part")
    except OSError as error:
        raise fault_of(error, destination) from error
    try:
        (staging / MARKER).write_text(f"{kind}\n", encoding="utf-8")
        yield staging
        _flush_tree(staging)
        _swap_in(staging, destination)
    except OSError as error:
        # The block also reads; only what is said of our own folder, or of a full disk, is the destination's fault.
        if is_full(error) or str(error.filename).startswith(str(staging)):
            raise fault_of(error, destination) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def _prefix(destination: Path) -> str:
    """How names begin of what is built beside `destination`: hidden, the same on every run, never too long."""
    name = os.fsencode(destination.name)
    return f".{destination.name}." if len(name) <= _LONGEST_IN_FULL else f".{hashlib.sha256(name).hexdigest()}."


@contextlib.contextmanager
def scratch_folder(parent: Path | None, *, prefix: str = "spiritsafe-") -> Iterator[Path]:
    """A folder for work in progress that only we may enter (0700), gone when the block ends.

    What killed runs left in the same place is removed first.

    Parameters
    ----------
    parent
        Where it goes (the setting `temp_dir`); the system's temporary folder where None.
    prefix
        How its name begins.

    Raises
    ------
    ScratchError
        `parent` is not there, cannot be written, or has a name that is no UTF-8.
    SpaceError
        The disk became full while the block ran.
    """
    try:
        place = Path(tempfile.gettempdir()) if parent is None else parent
        if not is_plain(os.path.realpath(place)):
            raise ScratchError(
                f"cannot work in a folder of that name: {told(place)}",
                hint=plain_hint("set SPIRITSAFE_TEMP_DIR, or TMPDIR, to another folder"),
            )
        folder, lock = _fresh_folder(place, prefix, ".scratch")
    except OSError as error:
        raise ScratchError(
            f"cannot make a work folder in {parent or 'the temporary folder'}: {error.strerror}",
            hint="set SPIRITSAFE_TEMP_DIR, or TMPDIR, to a folder that is there and that you may write to",
        ) from error
    try:
        yield folder
    except OSError as error:
        if is_full(error):
            raise fault_of(error, None) from error
        raise
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
        try:
            lock = _lock(folder)
        except FileNotFoundError:
            continue
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
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

    Raises
    ------
    DestinationError, WriteError, SpaceError
        There can be no such file, or it cannot be written; what was there is untouched.
    """
    destination = Path(os.path.realpath(destination))
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        # A folder and not a file: engines write beside the path they are given, and that too must be swept up.
        folder, lock = _fresh_folder(destination.parent, _prefix(destination), ".part")
    except OSError as error:
        raise fault_of(error, destination) from error
    staged = folder / destination.name
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        if destination.exists():
            staged.chmod(stat.S_IMODE(staged.stat().st_mode) & stat.S_IMODE(destination.stat().st_mode))
        staged.replace(destination)
    except OSError as error:
        if is_full(error) or str(error.filename).startswith(str(folder)):
            raise fault_of(error, destination) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace one file's bytes whole, flushed to disk before it is visible. The umask applies to `mode`.

    Raises as `staged_file`.
    """
    with staged_file(path) as staged, os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT, mode), "wb") as file:
        file.write(data)
