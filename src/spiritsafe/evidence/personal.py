"""What is about somebody, kept so that it can be forgotten: a key for each person in each case.

A personal field is committed to like any other; what opens it, salt and value, is kept encrypted under a key
that belongs to one subject in one case, and that key is kept wrapped under the ledger's key. To erase somebody
from a case their key is overwritten: the commitments stay, and nobody can ever open or guess them again.
A subject stands in the log under a random handle. The keyed mark by which we find a subject's key is
overwritten with it, so that afterwards not even whoever holds all keys can tell whose handle it was.
Comes from `evidence.ledger`; goes on to `evidence.store`.
Source: AES-256-GCM, NIST SP 800-38D (random nonces; a key seals some thousands of fields at most).
"""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spiritsafe.errors import EnvironmentFault, VerificationError
from spiritsafe.keys.envelope import WRAPPED_BYTES, Envelope, epoch_of

if TYPE_CHECKING:
    import sqlite3

    from spiritsafe.keys import KeyProvider

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_MARK_BYTES: Final = 32
_KEYS_HELD: Final = 10_000


class ErasedFault(EnvironmentFault):
    """What was asked for was about somebody whose data in this case was erased."""

    code = "evidence.erased"


class PersonalSealError(VerificationError):
    """An encrypted field of the ledger was changed, or belongs to somebody else."""

    code = "evidence.seal"


class SubjectKeys:
    """The keys of subjects, found, made and destroyed within a transaction of the ledger."""

    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys
        self._envelope = Envelope(keys, "ledger")
        self._marking: dict[int, bytes] = {}
        self._open: dict[str, AESGCM] = {}  # by handle: numbers come again after a transaction that failed

    def refresh(self) -> None:
        """Look again which keys there are: another process may have rotated them. Once a transaction."""
        self._envelope.refresh()
        live = [info.epoch for info in self._keys.epochs("ledger") if info.destroyed_us is None]
        for epoch in live:
            if epoch not in self._marking:
                self._marking[epoch] = self._keys.key("ledger", epoch).derive("ledger subject marks")

    def find(self, connection: sqlite3.Connection, case_id: str, subject: str) -> int | None:
        """The subject's number in this case; None where nothing of theirs is kept, or it was erased."""
        if not self._marking:
            self.refresh()
        for secret in self._marking.values():
            row = connection.execute(
                "SELECT id FROM subjects WHERE case_id = ? AND mark = ?", (case_id, _mark(secret, case_id, subject))
            ).fetchone()
            if row:
                return int(row[0])
        return None

    def find_or_make(self, connection: sqlite3.Connection, case_id: str, subject: str) -> int:
        """The subject's number in this case, with a key."""
        found = self.find(connection, case_id, subject)
        if found is not None:
            return found
        own, handle = os.urandom(_KEY_BYTES), secrets.token_hex(16)
        mark = _mark(self._marking[self._envelope.newest_epoch], case_id, subject)
        row = connection.execute(
            "INSERT INTO subjects (case_id, handle, mark, wrapped) VALUES (?, ?, ?, ?)",
            (case_id, handle, mark, self._envelope.wrap(own, _bound(handle))),
        )
        self._open[handle] = AESGCM(own)
        return int(row.lastrowid or 0)

    def seal(self, connection: sqlite3.Connection, subject: int, data: bytes, place: str) -> bytes:
        """Bytes encrypted for their `place`: record, field and item of a disclosure, or the case of kept rows."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._key(connection, subject).encrypt(nonce, data, place.encode())

    def open(self, connection: sqlite3.Connection, subject: int, body: bytes, place: str) -> bytes:
        """What `seal` was given; raises `ErasedFault` or `PersonalSealError`."""
        try:
            key = self._key(connection, subject)
            return key.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise PersonalSealError(
                f"what opens {place} was changed, or is somebody else's",
                hint="keep the ledger for whoever investigates, and compare with a backup",
            ) from error

    def is_erased(self, connection: sqlite3.Connection, subject: int) -> bool:
        """Whether a subject's key was destroyed."""
        (wrapped,) = connection.execute("SELECT wrapped FROM subjects WHERE id = ?", (subject,)).fetchone()
        return not epoch_of(wrapped)

    def erase(self, connection: sqlite3.Connection, subject: int) -> tuple[str, int]:
        """Overwrite a subject's key and mark; their handle, and how many fields can no longer be opened."""
        connection.execute(
            "UPDATE subjects SET wrapped = ?, mark = ? WHERE id = ?",
            (bytes(WRAPPED_BYTES), bytes(_MARK_BYTES), subject),
        )
        connection.execute("UPDATE scrub SET pending = 1")
        handle = connection.execute("SELECT handle FROM subjects WHERE id = ?", (subject,)).fetchone()[0]
        self._open.pop(handle, None)
        count = connection.execute("SELECT count(*) FROM disclosures WHERE subject = ?", (subject,)).fetchone()[0]
        return str(handle), int(count)

    def _key(self, connection: sqlite3.Connection, subject: int) -> AESGCM:
        handle, wrapped = connection.execute("SELECT handle, wrapped FROM subjects WHERE id = ?", (subject,)).fetchone()
        if not epoch_of(wrapped):
            raise ErasedFault(
                f"the data of subject {handle} in this case was erased",
                hint="the log holds when and on whose request, in a record `erasure/1`",
            )
        if handle not in self._open:
            if len(self._open) >= _KEYS_HELD:
                self._open.clear()
            self._open[handle] = AESGCM(self._envelope.unwrap(wrapped, _bound(handle)))
        return self._open[handle]


def _mark(secret: bytes, case_id: str, subject: str) -> bytes:
    return hmac.digest(secret, f"{case_id}\0{subject}".encode("utf-8", "surrogatepass"), "sha256")


def _bound(handle: str) -> bytes:
    return f"spiritsafe ledger v1|{handle}|".encode()
