"""Files that only their owner may touch: made whole, read with suspicion, wiped before they are removed.

Comes from nothing; goes on to `keys.store`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from spiritsafe.keys.model import KeyAccessFault, KeyFileError

MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = 0o077


def make_private_folder(folder: Path) -> None:
    """Make `folder` with mode 0700, or refuse it when it is there and others may enter."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyAccessFault(
            f"cannot make the folder {folder}: {error.strerror}",
            hint="choose another home with SPIRITSAFE_HOME",
        ) from error
    _refuse_others(folder.lstat(), folder, "700")


def names_in(folder: Path) -> list[str]:
    """The names in a private folder; empty when it is not there."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeyAccessFault(f"cannot look at {folder}: {error.strerror}", hint="run as its owner") from error
    _refuse_others(found, folder, "700")
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise KeyAccessFault(f"cannot list {folder}: {error.strerror}", hint="run as its owner") from error


def read_guarded(path: Path) -> bytes:
    """The bytes of a small private file.

    Raises
    ------
    KeyAccessFault
        Others may read or write it, it belongs to another user, it is a link, or it cannot be read.
    KeyFileError
        It is larger than any key file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KeyAccessFault(
            f"cannot read {path}: {error.strerror}", hint="a key is a plain file of yours, not a link"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        _refuse_others(os.fstat(descriptor), path, "600")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise KeyFileError(f"{path} is too large for a key file", hint="restore it from a backup")
    return data


def create_whole(path: Path, data: bytes) -> bool:
    """Write `path` with mode 0600 unless it is there already; False when it is. Whole or not at all."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike rename, refuses to replace
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)
    except OSError as error:
        raise KeyAccessFault(
            f"cannot write {path}: {error.strerror}",
            hint="the folder must be yours, on a disk with hard links",
        ) from error
    return True


def wipe(path: Path) -> None:
    """Overwrite a file in place, flush, remove it. Copies elsewhere (backups, snapshots) are not reached."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(descriptor, os.urandom(max(os.fstat(descriptor).st_size, 1)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_others(found: os.stat_result, path: Path, mode: str) -> None:
    wanted = stat.S_ISDIR if mode == "700" else stat.S_ISREG
    if not wanted(found.st_mode):
        raise KeyAccessFault(
            f"{path} is not a plain {'folder' if mode == '700' else 'file'}",
            hint="remove it, or set SPIRITSAFE_HOME",
        )
    if found.st_uid != os.geteuid():
        raise KeyAccessFault(
            f"{path} belongs to another user (uid {found.st_uid})",
            hint="run as that user, or set SPIRITSAFE_HOME",
        )
    if found.st_mode & _OTHERS:
        raise KeyAccessFault(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"if nobody can have read it: `chmod {mode} {path}`; otherwise rotate the key as well",
        )
