"""Built beside, then swapped in: folders, files and scratch space that a kill cannot leave half done.

A result folder is built beside its destination and swapped in by one `rename`; a kill at any moment leaves
the old folder or the new one. Comes from `files.destinations`, which says what may be replaced.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault
from spiritsafe.files.destinations import MARKER, check_folder, fault_of, is_full

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
        _remove_abandoned(destination)
        staging = Path(tempfile.mkdtemp(prefix=_prefix(destination), suffix=".part", dir=destination.parent))
    except OSError as error:
        raise fault_of(error, destination) from error
    try:
        with _locked(staging):
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


def _prefix(destination: Path) -> str:
    """How names begin of what is built beside `destination`: hidden, the same on every run, never too long."""
    name = os.fsencode(destination.name)
    return f".{destination.name}." if len(name) <= _LONGEST_IN_FULL else f".{hashlib.sha256(name).hexdigest()}."


def _remove_abandoned(destination: Path) -> None:
    """Remove staging folders of runs that were killed. A live run holds a lock, which dies with its process."""
    prefix = _prefix(destination)
    left = [one for one in destination.parent.iterdir() if one.name.startswith(prefix) and one.suffix == ".part"]
    for folder in left:
        with contextlib.suppress(OSError), _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(parent: Path | None, *, prefix: str = "spiritsafe-") -> Iterator[Path]:
    """A folder for work in progress, gone when the block ends.

    Parameters
    ----------
    parent
        Where it goes (the setting `temp_dir`); the system's temporary folder where None.

    Raises
    ------
    ScratchError
        `parent` is not there or cannot be written.
    SpaceError
        The disk became full while the block ran.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
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


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; `OSError` if another process does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


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
def staged_file(destination: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A path to write to; when the block ends well it becomes `destination` in one step, flushed to disk.

    Raises
    ------
    DestinationError, WriteError, SpaceError
        There can be no such file, or it cannot be written; what was there is untouched.
    """
    destination = Path(os.path.realpath(destination))
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_prefix(destination), dir=destination.parent)
    except OSError as error:
        raise fault_of(error, destination) from error
    os.close(descriptor)
    staged = Path(name)
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.chmod(mode)
        staged.replace(destination)
    except OSError as error:
        if is_full(error) or str(error.filename) == name:
            raise fault_of(error, destination) from error
        raise
    finally:
        staged.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace one file's bytes whole, flushed to disk before it is visible. Raises as `staged_file`."""
    with staged_file(path, mode=mode) as staged:
        staged.write_bytes(data)
