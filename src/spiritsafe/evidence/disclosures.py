"""Fields that a record commits to without showing them, so that each can be withheld later, and the rest holds.

A field goes into its record as the digest of a *disclosure*: a fresh salt, the field's name and its value.
Who is given the disclosure sees that the value was there from the beginning; who is not learns nothing, not
even whether a guess is right, and once the salt is destroyed nobody ever will. Of a list each item is a
disclosure of its own, and the record holds the root of the tree over them, so five thousand accounts are 32
bytes, and one of them can be shown without the others.
Comes from `evidence.records`; goes on to `evidence.ledger` and `evidence.bundle`.
Source: RFC 9901 (SD-JWT) sections 4.2.1 to 4.2.3 (disclosures and their digests), RFC 8785 (canonical JSON).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import rfc8785

from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.evidence.merkle import hash_leaf, verify_inclusion
from spiritsafe.evidence.tiles import TileTree

if TYPE_CHECKING:
    from collections.abc import Sequence

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
SALT_BYTES: Final = 16
"""128 bits, as RFC 9901 section 9.3 recommends."""


class CanonicalError(UsageError):
    """A value has no canonical JSON: not a number, an integer beyond 2**53, or a lone surrogate."""

    code = "evidence.canonical"


class DisclosureError(VerificationError):
    """What is shown of a field is not what the record committed to."""

    code = "evidence.disclosure"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What opens one commitment: the exact text that was hashed (base64url of a JSON array)."""

    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text, 32 bytes."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def leaf_hash(self) -> bytes:
        """Its hash as an item of a list's tree (RFC 9162 section 2.1.1), 32 bytes."""
        return hash_leaf(self.text.encode())

    @property
    def value(self) -> Json:
        """The value; of a list's item, the item."""
        return self._parts()[-1]

    @property
    def name(self) -> str | None:
        """The field's name; None for an item of a list."""
        parts = self._parts()
        return str(parts[1]) if len(parts) == 3 else None

    def _parts(self) -> list[Json]:
        try:
            parts = json.loads(_unbase64url(self.text))
        except ValueError as error:
            raise DisclosureError("a disclosure is not base64url of JSON", hint="it was altered") from error
        if not isinstance(parts, list) or len(parts) not in {2, 3} or not isinstance(parts[0], str):
            raise DisclosureError("a disclosure is no [salt, name, value]", hint="it was altered")
        return parts


def disclose(value: Json, name: str | None = None) -> Disclosure:
    """A disclosure of `value` under a fresh salt; without a name, of an item of a list."""
    salt = base64.urlsafe_b64encode(os.urandom(SALT_BYTES)).rstrip(b"=").decode()
    parts: list[Json] = [salt, value] if name is None else [salt, name, value]
    return Disclosure(base64.urlsafe_b64encode(canonical(parts)).rstrip(b"=").decode("ascii"))


def canonical(value: Json) -> bytes:
    """The one byte form of a JSON value (RFC 8785); raises `CanonicalError`."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise CanonicalError(
            f"a value cannot be put into a record: {error}", hint="give numbers below 2**53 and plain text"
        ) from error


def list_tree(item_hashes: Sequence[bytes]) -> TileTree:
    """The tree over a list's items, from their `leaf_hash`es; its root is what the record holds."""
    tree = TileTree(lambda _level, _index: b"")
    tree.grow(0, item_hashes)
    return tree


def verify_field(name: str, digest: bytes, shown: Disclosure) -> Json:
    """The value of a field, held to the record's digest; raises `DisclosureError`."""
    if not hmac.compare_digest(shown.digest, digest) or shown.name != name:
        raise DisclosureError(
            f"what is shown as {name} is not what was recorded", hint="the value or its salt was altered"
        )
    return shown.value


def verify_item(index: int, count: int, root: bytes, shown: Disclosure, path: Sequence[bytes]) -> Json:
    """The value of a list's item, held to the record's root; raises `DisclosureError` or `InclusionError`."""
    verify_inclusion(shown.leaf_hash, index, count, path, root)
    if shown.name is not None:
        raise DisclosureError("what is shown as an item is a field", hint="the bundle was put together wrongly")
    return shown.value


def _unbase64url(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
