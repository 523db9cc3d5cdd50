"""The nouns of `keys`: a key, what may be told of it, a provider of keys, and what can go wrong.

Comes from nothing; goes on to the providers beside it and to whoever uses a key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from spiritsafe.errors import EnvironmentFault, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PURPOSES: Final = ("pseudonym", "sketch", "vault", "ledger", "exports")
SECRET_BYTES: Final = 32


class KeyPurposeError(UsageError):
    """A key was asked for a purpose that does not exist."""

    code = "keys.purpose"


class KeyReadOnlyError(UsageError):
    """The key provider cannot make or destroy keys: whoever gave them must."""

    code = "keys.read_only"


class KeyFileError(InputError):
    """A key file or key variable is not a key: damaged, cut short, or of another purpose."""

    code = "keys.file"


class KeyMissingFault(EnvironmentFault):
    """The key that was asked for does not exist here."""

    code = "keys.missing"


class KeyDestroyedFault(EnvironmentFault):
    """The key that was asked for was destroyed on purpose and cannot come back."""

    code = "keys.destroyed"


class KeyAccessFault(EnvironmentFault):
    """Other users of this machine could read or replace a key, or we ourselves cannot reach it."""

    code = "keys.access"


class KeyCommandFault(EnvironmentFault):
    """The command that wraps and unwraps keys is missing, failed or took too long."""

    code = "keys.command"


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One generation of one purpose's secret. Its `repr` hides the secret."""

    key_id: str
    epoch: int
    secret: bytes = field(repr=False)
    purpose: str = ""
    created_us: int | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Key)
            and (self.purpose, self.epoch) == (other.purpose, other.epoch)
            and hmac.compare_digest(self.secret, other.secret)
        )

    def __hash__(self) -> int:
        return hash((self.purpose, self.epoch, self.key_id))

    def derive(self, label: str, length_bytes: int = 32) -> bytes:
        """A key for one use of this key; see `derive`."""
        return derive(self.secret, label, length_bytes)


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be told of a key: all but the secret. Times: UTC microseconds; None is unknown or not yet."""

    purpose: str
    epoch: int
    key_id: str
    created_us: int | None = None
    destroyed_us: int | None = None


class KeyProvider(Protocol):
    """Where keys come from. `epoch=None` asks for the newest that was not destroyed."""

    def key(self, purpose: str, epoch: int | None = None) -> Key:
        """The key; raises `KeyMissingFault` or `KeyDestroyedFault`."""
        ...

    def epochs(self, purpose: str) -> tuple[KeyInfo, ...]:
        """Every epoch that was ever made, destroyed ones included, oldest first."""
        ...

    def rotate(self, purpose: str, *, after: int | None = None) -> Key:
        """Make the next epoch. With `after`, only if `after` is still the newest; else answer the newest."""
        ...

    def destroy(self, purpose: str, epoch: int) -> KeyInfo:
        """Destroy one epoch for good and leave a tombstone. Destroying it twice changes nothing."""
        ...


def derive(secret: bytes, label: str, length_bytes: int = 32) -> bytes:
    """A key for one use, of which neither `secret` nor a key of another label can be told.

    Source: HKDF-SHA-256 without salt, RFC 5869 section 3.3 (the secrets are uniform already).
    """
    info = b"spiritsafe v1 " + label.encode()
    return HKDF(algorithm=SHA256(), length=length_bytes, salt=None, info=info).derive(secret)


def key_id_of(secret: bytes, purpose: str) -> str:
    """The public name of a key: `k` and 16 hexadecimal digits that tell nothing about the secret."""
    return "k" + derive(secret, f"key id|{purpose}", 8).hex()


def ensure_key(provider: KeyProvider, purpose: str) -> Key:
    """The newest key, made now if this purpose never had one. Two processes that race get the same key."""
    return provider.key(purpose) if provider.epochs(purpose) else provider.rotate(purpose, after=0)


def checked_purpose(purpose: str) -> str:
    """`purpose`, or `KeyPurposeError`."""
    if purpose not in PURPOSES:
        raise KeyPurposeError(f"{purpose!r} is not what a key is for", hint=f"one of: {', '.join(PURPOSES)}")
    return purpose


def no_key(purpose: str, epoch: int | None, known: Sequence[KeyInfo], how: str) -> EnvironmentFault:
    """The error for a key that is not to be had, by what is known of its purpose."""
    gone = [info for info in known if info.destroyed_us is not None and epoch in {None, info.epoch}]
    if gone:
        return KeyDestroyedFault(
            f"the {purpose} key of epoch {gone[-1].epoch} was destroyed",
            hint="what only this key could open is gone for good; "
            f"`spiritsafe identity keys rotate {purpose}` makes a key for new work",
        )
    wanted = f"no {purpose} key" if epoch is None else f"no {purpose} key of epoch {epoch}"
    return KeyMissingFault(f"there is {wanted} here", hint=how)
