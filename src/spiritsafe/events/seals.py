"""How is one identity sealed, so that it can be opened, moved to a newer key, or destroyed alone?

Envelope encryption: the identity under a key of its own (used once), that key under the vault key of an
epoch. The seals bind pseudonym, column and epoch, so no entry can stand in for another.
Comes from `events.vault`; the bytes go on to `events.vault_file`.

Source: AES-256-GCM, NIST SP 800-38D. Its section 8.3 allows 2^32 random nonces a key: rotate the vault key
long before four billion identities.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spiritsafe.errors import VerificationError
from spiritsafe.keys import ensure_key

if TYPE_CHECKING:
    from spiritsafe.keys import KeyProvider

_EPOCH: Final = struct.Struct(">I")
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_USED_ONCE: Final = bytes(_NONCE_BYTES)  # the identity's own key seals one message, so its nonce may be zero


class SealError(VerificationError):
    """An entry of the vault was changed, or belongs to another pseudonym or key."""

    code = "events.vault.seal"


class Sealer:
    """Seals and opens with the `vault` keys of a provider. Picklable: a copy asks the provider itself."""

    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys
        self._wrapping: dict[int, AESGCM] = {}
        self._newest = 0

    def __getstate__(self) -> dict[str, object]:
        return {"_keys": self._keys, "_wrapping": {}, "_newest": 0}

    def refresh(self) -> None:
        """Look again which vault key is the newest (another process may have rotated it); make the first one."""
        self._newest = ensure_key(self._keys, "vault").epoch

    def seal(self, pseudonym: str, column: str, original: str) -> tuple[bytes, bytes]:
        """The wrapped key and the ciphertext of one identity, under the newest vault key."""
        own = os.urandom(_KEY_BYTES)
        content = AESGCM(own).encrypt(_USED_ONCE, original.encode(), _bound(pseudonym, column))
        return self._wrap(own, pseudonym, column), content

    def open(self, pseudonym: str, column: str, wrapped: bytes, content: bytes) -> str:
        """The identity; raises `SealError`, or the provider's error when the epoch's key is gone."""
        try:
            own = self._unwrap(wrapped, pseudonym, column)
            return AESGCM(own).decrypt(_USED_ONCE, content, _bound(pseudonym, column)).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise SealError(
                f"the vault's entry for {pseudonym} was changed, or is another's",
                hint="keep the file for whoever investigates, and compare with a backup",
            ) from error

    def rewrapped(self, pseudonym: str, column: str, wrapped: bytes) -> bytes | None:
        """The same key under the newest vault key; None when it is already, or was destroyed."""
        if epoch_of(wrapped) in {0, self._newest_epoch()}:
            return None
        try:
            return self._wrap(self._unwrap(wrapped, pseudonym, column), pseudonym, column)
        except InvalidTag as error:
            raise SealError(
                f"the vault's entry for {pseudonym} was changed", hint="compare the file with a backup"
            ) from error

    def _wrap(self, own: bytes, pseudonym: str, column: str) -> bytes:
        epoch = self._newest_epoch()
        nonce = os.urandom(_NONCE_BYTES)
        return epoch_mark(epoch) + nonce + self._key(epoch).encrypt(nonce, own, _bound(pseudonym, column, epoch))

    def _unwrap(self, wrapped: bytes, pseudonym: str, column: str) -> bytes:
        epoch = epoch_of(wrapped)
        nonce, sealed = wrapped[_EPOCH.size :][:_NONCE_BYTES], wrapped[_EPOCH.size + _NONCE_BYTES :]
        return self._key(epoch).decrypt(nonce, sealed, _bound(pseudonym, column, epoch))

    def _newest_epoch(self) -> int:
        if not self._newest:
            self.refresh()
        return self._newest

    def _key(self, epoch: int) -> AESGCM:
        if epoch not in self._wrapping:
            self._wrapping[epoch] = AESGCM(self._keys.key("vault", epoch).derive("vault wrapping"))
        return self._wrapping[epoch]


def epoch_of(wrapped: bytes) -> int:
    """The epoch of the vault key that wraps; 0 when the wrapped key was destroyed."""
    return int(_EPOCH.unpack(wrapped[: _EPOCH.size])[0])


def epoch_mark(epoch: int) -> bytes:
    """How an epoch stands at the head of a wrapped key."""
    return _EPOCH.pack(epoch)


def _bound(pseudonym: str, column: str, epoch: int | None = None) -> bytes:
    parts = ["spiritsafe vault v1", pseudonym, column, "" if epoch is None else str(epoch)]
    return "|".join(parts).encode()
