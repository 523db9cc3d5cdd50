"""How is one identity sealed, so that it can be opened, moved to a newer key, or destroyed alone?

Envelope encryption: the identity under a key of its own (used once), that key under the vault key of an
epoch. The seals bind pseudonym, column and epoch, so no entry can stand in for another.
Comes from `events.vault`; the bytes go on to `events.vault_file`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spiritsafe.errors import VerificationError
from spiritsafe.keys.envelope import Envelope, epoch_of

if TYPE_CHECKING:
    from spiritsafe.keys import KeyProvider

_KEY_BYTES: Final = 32
_USED_ONCE: Final = bytes(12)  # the identity's own key seals one message, so its nonce may be zero


class SealError(VerificationError):
    """An entry of the vault was changed, or belongs to another pseudonym or key."""

    code = "events.vault.seal"


class Sealer:
    """Seals and opens with the `vault` keys of a provider. Picklable: a copy asks the provider itself."""

    def __init__(self, keys: KeyProvider) -> None:
        self._envelope = Envelope(keys, "vault")

    def refresh(self) -> None:
        """Look again which vault key is the newest (another process may have rotated it); make the first one."""
        self._envelope.refresh()

    def seal(self, pseudonym: str, column: str, original: str) -> tuple[bytes, bytes]:
        """The wrapped key and the ciphertext of one identity, under the newest vault key."""
        own = os.urandom(_KEY_BYTES)
        bound = _bound(pseudonym, column)
        return self._envelope.wrap(own, bound), AESGCM(own).encrypt(_USED_ONCE, original.encode(), bound)

    def open(self, pseudonym: str, column: str, wrapped: bytes, content: bytes) -> str:
        """The identity; raises `SealError`, or the provider's error when the epoch's key is gone."""
        bound = _bound(pseudonym, column)
        try:
            own = self._envelope.unwrap(wrapped, bound)
            return AESGCM(own).decrypt(_USED_ONCE, content, bound).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise SealError(
                f"the vault's entry for {pseudonym} was changed, or is another's",
                hint="keep the file for whoever investigates, and compare with a backup",
            ) from error

    def rewrapped(self, pseudonym: str, column: str, wrapped: bytes) -> bytes | None:
        """The same key under the newest vault key; None when it is already, or was destroyed."""
        if epoch_of(wrapped) in {0, self._envelope.newest_epoch}:
            return None
        bound = _bound(pseudonym, column)
        try:
            return self._envelope.wrap(self._envelope.unwrap(wrapped, bound), bound)
        except InvalidTag as error:
            raise SealError(
                f"the vault's entry for {pseudonym} was changed", hint="compare the file with a backup"
            ) from error


def _bound(pseudonym: str, column: str) -> bytes:
    return f"spiritsafe vault v1|{pseudonym}|{column}|".encode()
