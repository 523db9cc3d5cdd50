"""A key of its own for each thing that may have to be forgotten alone, wrapped under a purpose's key.

To forget the thing, overwrite its wrapped key. To rotate, wrap the same key anew; what it sealed stays.
Comes from a `KeyProvider`; goes on to `events.seals` (identities) and `evidence.personal` (personal fields).

Source: AES-256-GCM, NIST SP 800-38D. Its section 8.3 allows 2^32 random nonces a key: rotate the wrapping key
long before four billion things.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spiritsafe.keys.model import ensure_key

if TYPE_CHECKING:
    from spiritsafe.keys.model import KeyProvider

_EPOCH: Final = struct.Struct(">I")
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
WRAPPED_BYTES: Final = _EPOCH.size + _NONCE_BYTES + _KEY_BYTES + 16


class Envelope:
    """Wraps keys under a purpose's newest epoch. Picklable: a copy asks the provider itself.

    `bound` is what a wrapped key is for; opened as anything else it fails with
    `cryptography.exceptions.InvalidTag`, which the room that calls turns into an error of its own.
    """

    def __init__(self, keys: KeyProvider, purpose: str) -> None:
        self._keys = keys
        self._purpose = purpose
        self._wrapping: dict[int, AESGCM] = {}
        self._newest = 0

    def __getstate__(self) -> dict[str, object]:
        return {"_keys": self._keys, "_purpose": self._purpose, "_wrapping": {}, "_newest": 0}

    def refresh(self) -> None:
        """Look again which key is the newest (another process may have rotated it); make the first one."""
        self._newest = ensure_key(self._keys, self._purpose).epoch

    @property
    def newest_epoch(self) -> int:
        """The epoch that wraps new keys."""
        if not self._newest:
            self.refresh()
        return self._newest

    def wrap(self, own: bytes, bound: bytes) -> bytes:
        """`own` under the newest epoch: `WRAPPED_BYTES` long for a key of 32."""
        epoch, nonce = self.newest_epoch, os.urandom(_NONCE_BYTES)
        return epoch_mark(epoch) + nonce + self._key(epoch).encrypt(nonce, own, bound + str(epoch).encode())

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        """What `wrap` was given; raises `InvalidTag`, or the provider's error when the epoch's key is gone."""
        epoch = epoch_of(wrapped)
        nonce, sealed = wrapped[_EPOCH.size :][:_NONCE_BYTES], wrapped[_EPOCH.size + _NONCE_BYTES :]
        return self._key(epoch).decrypt(nonce, sealed, bound + str(epoch).encode())

    def _key(self, epoch: int) -> AESGCM:
        if epoch not in self._wrapping:
            secret = self._keys.key(self._purpose, epoch)
            self._wrapping[epoch] = AESGCM(secret.derive(f"{self._purpose} wrapping"))
        return self._wrapping[epoch]


def epoch_of(wrapped: bytes) -> int:
    """The epoch of the key that wraps; 0 when the wrapped key was destroyed."""
    return int(_EPOCH.unpack(wrapped[: _EPOCH.size])[0])


def epoch_mark(epoch: int) -> bytes:
    """How an epoch stands at the head of a wrapped key."""
    return _EPOCH.pack(epoch)
