"""Keys as files that only their owner can read, and how they appear, age and die.

Comes from `SPIRITSAFE_HOME/keys`; goes on to `keys.command`, which wraps what is written here.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from spiritsafe.keys.guarded import create_whole, make_private_folder, names_in, read_guarded, wipe
from spiritsafe.keys.model import SECRET_BYTES, Key, KeyFileError, KeyInfo, checked_purpose, key_id_of, no_key

if TYPE_CHECKING:
    from pathlib import Path

KEY_SCHEMA: Final = "spiritsafe.key/1.0"

_KEY_FILE: Final = re.compile(r"([1-9][0-9]{0,5})\.(key|destroyed)")

T = TypeVar("T")


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in `<purpose>/<epoch>.key`. `sealed` is the secret, or what a command made of it."""

    schema: str
    purpose: str
    epoch: int
    key_id: str
    created_us: int
    wrapped: bool
    sealed: bytes


class _Tombstone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in `<purpose>/<epoch>.destroyed`."""

    schema: str
    purpose: str
    epoch: int
    key_id: str
    created_us: int
    destroyed_us: int


class FileKeys:
    """Keys as files that only their owner can read: `<folder>/<purpose>/<epoch>.key`, mode 0600.

    A file appears whole or not at all. Files or folders that others may read or write are refused, as are
    symbolic links and files of another user. Destruction writes the tombstone first, so that a crash leaves
    a key that counts as destroyed; the next look at the folder finishes the job.
    """

    _wrapped = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, purpose: str, epoch: int | None = None) -> Key:
        """The key of an epoch, or the newest that was not destroyed; checked against its `key_id`."""
        known = self.epochs(purpose)
        live = [info for info in known if info.destroyed_us is None and epoch in {None, info.epoch}]
        if not live:
            raise no_key(purpose, epoch, known, f"`spiritsafe identity init` makes the keys in {self._folder}")
        held = self._read(self._path(purpose, live[-1].epoch), purpose, live[-1].epoch)
        secret = self._open(held)
        if len(secret) != SECRET_BYTES or not _same_id(key_id_of(secret, purpose), held.key_id):
            raise KeyFileError(
                f"the {purpose} key of epoch {held.epoch} is not the key {held.key_id} that its file names",
                hint="restore the file from a backup; nothing was read or written with it",
            )
        return Key(held.key_id, held.epoch, secret, purpose, held.created_us)

    def epochs(self, purpose: str) -> tuple[KeyInfo, ...]:
        """Every epoch that was ever made, destroyed ones included, oldest first."""
        folder = self._folder / checked_purpose(purpose)
        names_in(self._folder)  # refuses a folder in which others could swap the one below
        found: dict[int, KeyInfo] = {}
        for name in sorted(names_in(folder), key=lambda name: name.endswith(".key")):
            match = _KEY_FILE.fullmatch(name)
            if not match:
                continue
            epoch = int(match[1])
            if match[2] == "destroyed":
                grave = _decoded(read_guarded(folder / name), _Tombstone, folder / name)
                _check_identity(grave, purpose, epoch, folder / name)
                found[epoch] = KeyInfo(purpose, epoch, grave.key_id, grave.created_us, grave.destroyed_us)
            elif epoch in found:
                wipe(folder / name)  # a crash came between tombstone and wiping
            else:
                held = self._read(folder / name, purpose, epoch)
                found[epoch] = KeyInfo(purpose, epoch, held.key_id, held.created_us)
        return tuple(found[epoch] for epoch in sorted(found))

    def rotate(self, purpose: str, *, after: int | None = None) -> Key:
        """Make the next epoch; with `after`, only if `after` is still the newest, else answer the newest."""
        known = self.epochs(purpose)
        last = known[-1].epoch if known else 0
        if after is not None and after != last:
            return self.key(purpose)
        # Epochs only ever grow, and so do their times, whatever the clock does.
        newest_us = max((info.created_us or 0 for info in known), default=0)
        secret = os.urandom(SECRET_BYTES)
        held = KeyFile(
            schema=KEY_SCHEMA,
            purpose=purpose,
            epoch=last + 1,
            key_id=key_id_of(secret, purpose),
            created_us=max(time.time_ns() // 1000, newest_us + 1),
            wrapped=self._wrapped,
            sealed=self._seal(secret, purpose, last + 1),
        )
        path = self._path(purpose, held.epoch)
        for folder in (self._folder, path.parent):
            make_private_folder(folder)
        if not create_whole(path, msgspec.json.encode(held)):
            return self.key(purpose)  # another process made this epoch a moment ago
        return Key(held.key_id, held.epoch, secret, purpose, held.created_us)

    def destroy(self, purpose: str, epoch: int) -> KeyInfo:
        """Leave a tombstone, overwrite the key, remove it. Destroying twice changes nothing."""
        known = {info.epoch: info for info in self.epochs(purpose)}
        if epoch not in known:
            raise no_key(purpose, epoch, (), "`spiritsafe identity keys list` shows what there is")
        info = known[epoch]
        if info.destroyed_us is not None:
            return info
        now_us = max(time.time_ns() // 1000, info.created_us or 0)
        grave = _Tombstone(KEY_SCHEMA, purpose, epoch, info.key_id, info.created_us or 0, now_us)
        path = self._path(purpose, epoch)
        create_whole(path.with_suffix(".destroyed"), msgspec.json.encode(grave))
        wipe(path)
        return KeyInfo(purpose, epoch, info.key_id, info.created_us, now_us)

    def _path(self, purpose: str, epoch: int) -> Path:
        return self._folder / purpose / f"{epoch}.key"

    def _read(self, path: Path, purpose: str, epoch: int) -> KeyFile:
        held = _decoded(read_guarded(path), KeyFile, path)
        _check_identity(held, purpose, epoch, path)
        if held.wrapped != self._wrapped:
            kind = "command" if held.wrapped else "file"
            raise KeyFileError(f"{path} was written by the key provider `{kind}`", hint=f"set key_provider to {kind}")
        return held

    def _seal(self, secret: bytes, purpose: str, epoch: int) -> bytes:  # noqa: ARG002
        return secret

    def _open(self, held: KeyFile) -> bytes:
        return held.sealed


def _decoded(data: bytes, kind: type[T], path: Path) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"{path} is not a key file", hint="restore it from a backup; do not edit key files by hand"
        ) from error


def _check_identity(held: KeyFile | _Tombstone, purpose: str, epoch: int, path: Path) -> None:
    if (held.schema, held.purpose, held.epoch) != (KEY_SCHEMA, purpose, epoch):
        raise KeyFileError(
            f"{path} says it is {held.schema} for {held.purpose}, epoch {held.epoch}",
            hint="a key file must stay where it was made; move it back or restore a backup",
        )


def _same_id(one: str, other: str) -> bool:
    # As bytes: of text, letters beyond ASCII (in a damaged file) are refused with a TypeError.
    return hmac.compare_digest(one.encode(), other.encode())
