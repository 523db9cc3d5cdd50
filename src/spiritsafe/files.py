"""Files that are whole or not there: atomic folders and files, and the schema tag they carry.

A result folder is built beside its destination and swapped in by one `rename`; a kill at any moment leaves
the old folder or the new one. `staged_folder` also refuses to replace a folder that we did not make.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
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
        _remove_abandoned(destination)
        staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".part", dir=destination.parent))
    except OSError as error:
        raise DestinationError(
            f"cannot write beside {destination}: {error.strerror}", hint="choose a folder you may write to"
        ) from error
    try:
        with _locked(staging):
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


def _remove_abandoned(destination: Path) -> None:
    """Remove staging folders of runs that were killed. A live run holds a lock, which dies with its process."""
    for folder in destination.parent.glob(f".{destination.name}.*.part"):
        with contextlib.suppress(OSError), _locked(folder):
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
def staged_file(destination: Path) -> Iterator[Path]:
    """A path to write to; when the block ends well it becomes `destination` in one step, flushed to disk."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{destination.name}.", dir=destination.parent)
    os.close(descriptor)
    staged = Path(name)
    try:
        yield staged
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.chmod(0o644)
        staged.replace(destination)
    finally:
        staged.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace one file's bytes whole, flushed to disk before it is visible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
