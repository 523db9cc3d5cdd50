"""Where bytes come from: local files and object stores, plain or compressed, whole or by range.

Local paths go straight to Arrow; anything with a scheme (`s3://`, `gs://`, `abfs://`, `https://`) goes through
fsspec, which is loaded only then. Compression is recognised by the first bytes, never by the name.
Comes from `cli`; goes on to `events.sources.sniff` and the readers.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.sources.errors import BrokenFileError, FormatError, PathError, StorageError, TruncatedError
from spiritsafe.events.sources.local_files import found_at, identity_of, no_log, why_passed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spiritsafe.events.sources.options import ReadOptions

BLOCK_BYTES: Final = 4 << 20
_CLIENTS: Final = frozenset({"botocore", "aiohttp", "aiobotocore", "gcsfs", "adlfs"})
_SCHEME: Final = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    *((bytes([low, 0x2A, 0x4D, 0x18]), "zstd") for low in range(0x50, 0x60)),  # skippable frames, as pzstd writes
)
_OTHER_COMPRESSION: Final[tuple[tuple[bytes, str], ...]] = (
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
)


@dataclass(frozen=True, slots=True)
class File:
    """One file to read: where it is and how large."""

    url: str
    size_bytes: int


def is_remote(url: str) -> bool:
    """Whether fsspec has to fetch it."""
    return _SCHEME.match(url) is not None and not url.startswith("file://")


def expand(paths: str | Path | Sequence[str | Path], options: ReadOptions) -> list[File]:
    """Every file that the paths, folders, globs and URLs stand for, once each, in order.

    Folders are walked to the bottom, through links too. What is plainly no log by its name is passed over there: see
    `no_log`; so are links that lead nowhere, pipes and devices. A local file is known by what it is: however often and
    under whatever names it is reached, it is read once, under the first.

    Raises
    ------
    PathError
        A path leads to no file.
    NoFileError
        A path is a pipe, a device or a socket.
    FileNameError
        A file's name is no UTF-8.
    StorageError
        A store or folder cannot be listed.
    """
    return expand_told(paths, options)[0]


def expand_told(paths: str | Path | Sequence[str | Path], options: ReadOptions) -> tuple[list[File], tuple[str, ...]]:
    """`expand`, and what was passed over in folders, globs and stores, so that it can be said."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files: dict[object, File] = {}
    passed: dict[str, None] = {}
    for path in map(str, given):
        found, others = _expand_remote(path, options) if is_remote(path) else _expand_local(path)
        if not found:
            besides = f" but {passed_over(others)}" if others else ""
            raise PathError(f"nothing to read at {path}{besides}", hint="give a file, a folder, a quoted glob or a URL")
        for file in found:
            files.setdefault(_identity(file.url), file)  # the first spelling stays
        passed |= dict.fromkeys(others)
    if not files:
        raise PathError("no path was given", hint="give a file, a folder, a quoted glob or a URL")
    return list(files.values()), tuple(name for name in passed if _identity(name) not in files)


def _identity(url: str) -> object:
    return url if is_remote(url) else identity_of(url)


def passed_over(names: Sequence[str]) -> str:
    """How many files were passed over, which and why, for a person.

    Examples
    --------
    >>> passed_over(["logs/README.txt"])
    '1 file that is no log by its name: README.txt'
    >>> passed_over([f"logs/.{n}.crc" for n in range(9)])
    '9 files that are no logs by their names: .0.crc, .1.crc, .2.crc ...'
    """
    reasons: dict[tuple[str, str], list[str]] = {}
    for name in names:
        reasons.setdefault(why_passed(name), []).append(Path(name).name)
    told = []
    for (one, many), group in reasons.items():
        shown = ", ".join(group[:3]) + (" ..." if len(group) > 3 else "")
        told.append(f"{len(group):,} {one if len(group) == 1 else many}: {shown}")
    return "; ".join(told)


def _expand_local(path: str) -> tuple[list[File], list[str]]:
    try:
        found, passed = found_at(Path(path.removeprefix("file://")))
        return [File(str(place), place.stat().st_size) for place in found], passed
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot look at {path}: {reason}", hint="check the path and its permissions") from error


def _expand_remote(url: str, options: ReadOptions) -> tuple[list[File], list[str]]:
    with _translated(url, listing=True):
        system, path = _filesystem(url, options.storage_options)
        if any(mark in path for mark in "*?["):
            details = system.glob(path, detail=True)
        elif system.isfile(path):
            details = {path: system.info(path)}
        else:
            details = system.find(path, detail=True)
        root = path.rstrip("/")
        files, passed = [], []
        for name, info in sorted(details.items()):
            if info["type"] != "file":
                continue
            if name != path and no_log(Path(name.removeprefix(root).lstrip("/"))):
                passed.append(system.unstrip_protocol(name))
            else:
                files.append(File(system.unstrip_protocol(name), int(info["size"] or 0)))
        return files, passed


def _filesystem(url: str, storage_options: Mapping[str, str]) -> tuple[Any, str]:
    import fsspec

    system, path = fsspec.core.url_to_fs(url, **storage_options)
    return system, path


@contextlib.contextmanager
def _translated(url: str, *, listing: bool = False) -> Iterator[None]:
    """What disks, stores and decoders throw, as our errors.

    While listing, nothing of ours runs within, so whatever is thrown is the store's.
    """
    try:
        yield
    except SpiritsafeError:
        raise
    except FileNotFoundError as error:
        raise PathError(f"nothing to read at {url}", hint="check the name; was it moved while we read?") from error
    except ImportError as error:
        raise StorageError(
            f"{url} needs a client library that is not installed ({error})",
            hint='for S3: pip install "spiritsafe[s3]"; for others the fsspec library of that store',
        ) from error
    except pa.ArrowInvalid as error:
        raise BrokenFileError(f"{url} cannot be decoded: {first_line(error)}", hint="fetch it again") from error
    except OSError as error:
        raise _decoded(url, error) from error
    except Exception as error:
        # Object stores bring their own exception families (botocore, aiohttp, gcsfs).
        if listing or type(error).__module__.partition(".")[0] in _CLIENTS:
            raise _unreachable(url, error) from error
        raise


def _decoded(url: str, error: Exception) -> SpiritsafeError:
    text = first_line(error)
    if "Truncated compressed stream" in text:
        return TruncatedError(
            f"{url} ends in the middle of its compressed data",
            hint="fetch it again, or wait until its writer has closed it",
        )
    if any(word in text for word in ("inflate failed", "ZSTD decompress failed", "zlib", "Corrupt")):
        return BrokenFileError(f"{url} cannot be decompressed: {text}", hint="fetch it again; its copy is damaged")
    return _unreachable(url, error)


def _unreachable(url: str, error: Exception) -> StorageError:
    return StorageError(
        f"cannot read {url}: {first_line(error)}",
        hint="check permissions, credentials and, for a store, the endpoint",
    )


def first_line(error: BaseException) -> str:
    """An exception's message, fit for one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


@contextlib.contextmanager
def opened(url: str, options: ReadOptions) -> Iterator[pa.NativeFile]:
    """The file's bytes as they lie, seekable. Errors inside the block come out as ours."""
    with _translated(url), contextlib.ExitStack() as stack:
        if is_remote(url):
            system, path = _filesystem(url, options.storage_options)
            handle = stack.enter_context(system.open(path, "rb", cache_type="readahead"))
            yield stack.enter_context(pa.PythonFile(handle, mode="r"))
        else:
            yield stack.enter_context(pa.OSFile(url.removeprefix("file://"), "rb"))


def compression_of(head: bytes, where: str) -> str | None:
    """`gzip`, `zstd` or None, by the first bytes.

    Raises
    ------
    FormatError
        It is compressed in another way.
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    for magic, name in _OTHER_COMPRESSION:
        if head.startswith(magic):
            raise FormatError(
                f"{where} is compressed with {name}, which is not read", hint="compress it with gzip or zstd instead"
            )
    return None


@contextlib.contextmanager
def content(url: str, options: ReadOptions) -> Iterator[tuple[pa.NativeFile, str | None]]:
    """The file's content, decompressed, as a stream from its beginning; and how it was compressed."""
    with opened(url, options) as file:
        head = file.read(16)
        file.seek(0)
        compression = compression_of(head, url)
        if compression is None:
            yield file, None
        else:
            with pa.CompressedInputStream(file, compression) as stream:
                yield stream, compression


def blocks(
    url: str, options: ReadOptions, *, first: int | None = None, last: int | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The content in pieces of about `block_bytes`; of a plain file, the bytes `first` to `last` only.

    Raises
    ------
    TruncatedError, BrokenFileError, StorageError
        The file ends early, is damaged or cannot be read.
    """
    with content(url, options) as (stream, compression):
        left = None
        if compression is None and first is not None and last is not None:
            stream.seek(first)
            left = last - first
        while left is None or left > 0:
            piece = stream.read(block_bytes if left is None else min(block_bytes, left))
            if not piece:
                if left:
                    raise TruncatedError(f"{url} became shorter while we read it", hint="read a copy, or a closed file")
                return
            if left is not None:
                left -= len(piece)
            yield piece


def sha256(url: str, options: ReadOptions) -> str:
    """SHA-256 of the file as it lies, in hex."""
    digest = hashlib.sha256()
    with opened(url, options) as file:
        while piece := file.read(BLOCK_BYTES):
            digest.update(piece)
    return digest.hexdigest()
