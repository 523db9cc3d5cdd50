"""Who is it that asks, and who agrees? A person is an Ed25519 key that only a passphrase opens.

The private key stands in a small file, sealed under the passphrase (scrypt, then AES-GCM); the public key is
registered in the log of looks. Nothing here decides anything: see `events.looks`.
Comes from a person's file and passphrase; goes on to `events.vault` and `evidence.writing` as a `Signer`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from spiritsafe.errors import InputError, UsageError, VerificationError

PERSON_SCHEMA: Final = "spiritsafe.person/1.0"
PASSPHRASE_LETTERS: Final = 12
SCRYPT_COST_LOG2: Final = 17
"""128 MiB and a third of a second a guess: OWASP's first choice for scrypt (with r = 8, p = 1)."""

_COSTS_LOG2: Final = range(10, 21)  # a file from elsewhere may not ask for more than 1 GiB
_STATEMENT: Final = b"spiritsafe statement v1\0"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
# ASCII only: two names that look alike must not be two persons.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class PersonNameError(UsageError):
    """A person's name has letters that it cannot have."""

    code = "keys.persons.name"


class PassphraseError(UsageError):
    """A new passphrase is too short."""

    code = "keys.persons.weak"


class PersonFileError(InputError):
    """A person's key file is damaged or is no such file."""

    code = "keys.persons.file"


class WrongPassphraseError(VerificationError):
    """The passphrase does not open the person's key."""

    code = "keys.persons.passphrase"


class _PersonFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    name: str
    public_key: bytes
    cost_log2: int
    salt: bytes
    nonce: bytes
    sealed: bytes

    def bound(self) -> bytes:
        """What the seal vouches for besides the key."""
        return b"|".join([PERSON_SCHEMA.encode(), self.name.encode(), self.public_key])


@dataclass(frozen=True, slots=True)
class Signer:
    """A person whose key is open: can sign in this process, for as long as it is kept."""

    name: str
    public_key: bytes
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, statement: bytes) -> bytes:
        """64 bytes over a statement's bytes."""
        return self._private.sign(_STATEMENT + statement)

    def sign_hexadecimal(self, digest: str) -> bytes:
        """64 bytes over a digest in hexadecimal, as other programs verify it.

        Nothing else is signed without our own words before it, so that no statement can be made to look like this.
        """
        if not _DIGEST.fullmatch(digest):
            raise ValueError("only a digest in hexadecimal is signed as it is")
        return self._private.sign(digest.encode("ascii"))


class Persons(Protocol):
    """Who is registered in a home."""

    def key_of(self, name: str, at_us: int) -> bytes | None:
        """The public key of a person who was registered, and not retired, at a time (UTC microseconds)."""


def checked_name(name: str) -> str:
    """`name`, or `PersonNameError`."""
    if not _NAME.fullmatch(name):
        raise PersonNameError(
            f"{name[:80]!r} cannot be a person's name",
            hint="small letters, digits and . _ @ - only, at most 64, e.g. ada.lovelace",
        )
    return name


def new_person(name: str, passphrase: str, *, cost_log2: int | None = None) -> tuple[bytes, Signer]:
    """A new key: the bytes of its file, and the key itself, open.

    Raises
    ------
    PersonNameError, PassphraseError
        The name has other letters than it may have; the passphrase has fewer than 12.
    """
    checked_name(name)
    if len(passphrase) < PASSPHRASE_LETTERS:
        raise PassphraseError(
            f"the passphrase has {len(passphrase)} letters, fewer than {PASSPHRASE_LETTERS}",
            hint="four unrelated words are easy to keep and hard to guess",
        )
    private = Ed25519PrivateKey.generate()
    signer = Signer(name, private.public_key().public_bytes_raw(), private)
    cost_log2 = SCRYPT_COST_LOG2 if cost_log2 is None else cost_log2
    held = _PersonFile(PERSON_SCHEMA, name, signer.public_key, cost_log2, os.urandom(16), os.urandom(12), b"")
    sealing = AESGCM(_stretched(passphrase, held))
    sealed = sealing.encrypt(held.nonce, private.private_bytes_raw(), held.bound())
    return msgspec.json.encode(msgspec.structs.replace(held, sealed=sealed)), signer


def unlock(data: bytes, passphrase: str) -> Signer:
    """Open a person's file.

    Raises
    ------
    PersonFileError
        `data` is not a person's file.
    WrongPassphraseError
        The passphrase is another, or the file was changed.
    """
    held = read_person(data)
    try:
        secret = AESGCM(_stretched(passphrase, held)).decrypt(held.nonce, held.sealed, held.bound())
    except InvalidTag as error:
        raise WrongPassphraseError(
            f"that passphrase does not open the key of {held.name}",
            hint="try again; the attempt was filed. A lost passphrase cannot be recovered: add a new person",
        ) from error
    private = Ed25519PrivateKey.from_private_bytes(secret)
    return Signer(held.name, held.public_key, private)


def read_person(data: bytes) -> _PersonFile:
    """What a person's file says without the passphrase; raises `PersonFileError`."""
    try:
        held = msgspec.json.decode(data, type=_PersonFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PersonFileError("this is not a person's key file", hint="restore it from a backup") from error
    sizes = (len(held.public_key), len(held.salt), len(held.nonce), len(held.sealed))
    if (
        held.schema != PERSON_SCHEMA
        or not _NAME.fullmatch(held.name)
        or held.cost_log2 not in _COSTS_LOG2
        or sizes != (32, 16, 12, 48)
    ):
        raise PersonFileError("this person's key file is damaged", hint="restore it from a backup")
    return held


def signature_holds(public_key: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether the holder of `public_key` signed `statement`. For callers that raise if not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _STATEMENT + statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def _stretched(passphrase: str, held: _PersonFile) -> bytes:
    return Scrypt(salt=held.salt, length=32, n=1 << held.cost_log2, r=8, p=1).derive(
        passphrase.encode("utf-8", "surrogatepass")
    )
