"""What does a pseudonym look like, how is one made and known again, and what does a file say of its names?

`p1_` (the key's epoch), then 32 hexadecimal digits: 96 bits of HMAC-SHA-256 over the value, and 32 bits of
check over those. Without the key the check cannot be made, so nobody can plant a value that we would pass
as our own. An address keeps the form of an address: `p1_203.0.113.7`.
Comes from nothing; goes on to `events.identity` and `events.vault`.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import InputError
from spiritsafe.events.addresses import packed, unpacked
from spiritsafe.keys import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PSEUDONYMISED: Final = b"spiritsafe.pseudonymised"
KEY_ID: Final = b"spiritsafe.key_id"
KEY_EPOCH: Final = b"spiritsafe.key_epoch"

# An attestation's subject is an account or an organisation and does not say which: one domain for the three.
_DOMAINS: Final = {"account_id": "party", "organization_id": "party", "subject": "party"}

_BODY_BYTES: Final = 12
_CHECK_BYTES: Final = 4
_MARK: Final = re.compile(r"p([1-9][0-9]{0,5})_(.+)", re.DOTALL)
_OPAQUE: Final = re.compile(r"[0-9a-f]{32}")
REMEMBERED: Final = 100_000
"""Values a domain whose pseudonyms are kept between batches: some 20 MB."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How a table names people: as given (the default), or by pseudonyms of one key."""

    pseudonymised: bool = False
    key_id: str = ""
    epoch: int = 0

    def metadata(self) -> dict[str, str]:
        """What a file of such names says of itself; nothing where they are as given."""
        if not self.pseudonymised:
            return {}
        return {
            PSEUDONYMISED.decode(): "true",
            KEY_ID.decode(): self.key_id,
            KEY_EPOCH.decode(): str(self.epoch),
        }

    def __str__(self) -> str:
        if not self.pseudonymised:
            return "names as given"
        return f"pseudonyms of the key {self.key_id or 'that it does not name'}, epoch {self.epoch}"


def naming_of(metadata: Mapping[bytes, bytes] | None) -> Naming:
    """What a file's metadata says of the names in it."""
    found = metadata or {}
    if found.get(PSEUDONYMISED) != b"true":
        return Naming()
    epoch = found.get(KEY_EPOCH, b"").decode("utf-8", "replace")
    return Naming(True, found.get(KEY_ID, b"").decode("utf-8", "replace"), int(epoch) if epoch.isdecimal() else 0)


class PseudonymError(InputError):
    """A text is not a pseudonym."""

    code = "events.identity.pseudonym"


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """A pseudonym taken apart. `address` is the stand-in's 4 or 16 bytes; None for all that is no address."""

    text: str
    epoch: int
    address: bytes | None = None


def parse_pseudonym(text: str) -> Pseudonym:
    """Take a pseudonym apart; raises `PseudonymError`. Says nothing about whose it is.

    Examples
    --------
    >>> parse_pseudonym("p1_203.0.113.7").address.hex()
    'cb007107'
    >>> parse_pseudonym("p2_00112233445566778899aabbccddeeff").epoch
    2
    """
    match = _MARK.fullmatch(text)
    if match:
        if _OPAQUE.fullmatch(match[2]):
            return Pseudonym(text, int(match[1]))
        address = packed(match[2])
        if address is not None and unpacked(address) == match[2]:
            return Pseudonym(text, int(match[1]), address)
    raise PseudonymError(
        f"{text[:60]!r} is not a pseudonym", hint="one looks like p1_ and 32 hexadecimal digits, or p1_203.0.113.7"
    )


def plain_address(text: str) -> str:
    """An address without the mark of a pseudonym, for whoever needs its network."""
    match = _MARK.fullmatch(text)
    return match[2] if match else text


def domain_of(column: str) -> str:
    """Columns of one domain share pseudonyms: equal values stay equal across them."""
    return _DOMAINS.get(column, column)


@dataclass(slots=True)
class Domain:
    """The pseudonyms of one domain: made, known again, remembered."""

    name: str
    secret: bytes = field(repr=False)
    epoch: int
    _body_key: bytes = field(init=False, repr=False)
    _check_key: bytes = field(init=False, repr=False)
    _mark: str = field(init=False)
    _known: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._body_key = derive(self.secret, f"pseudonym|{self.name}")
        self._check_key = derive(self.secret, f"pseudonym check|{self.epoch}|{self.name}")
        self._mark = f"p{self.epoch}_"

    def make(self, text: str) -> str:
        """The pseudonym of a value."""
        body = hmac.digest(self._body_key, text.encode(), "sha256")[:_BODY_BYTES]
        return self._mark + (body + self._check(body)).hex()

    def made(self, text: str) -> bool:
        """Whether this key made `text` as a pseudonym: one in four billion guesses would pass."""
        digits = text.removeprefix(self._mark)
        if digits == text or not _OPAQUE.fullmatch(digits):
            return False
        held = bytes.fromhex(digits)
        return hmac.compare_digest(self._check(held[:_BODY_BYTES]), held[_BODY_BYTES:])

    def look_up(self, texts: Sequence[str], make: Callable[[list[str]], list[str]]) -> list[str]:
        """Remembered pseudonyms, and those of new texts from `make`."""
        fresh = [text for text in texts if text not in self._known]
        if fresh:
            if len(self._known) + len(fresh) > REMEMBERED:
                self._known, fresh = {}, list(texts)
            self._known.update(zip(fresh, make(fresh), strict=True))
        return [self._known[text] for text in texts]

    def _check(self, body: bytes) -> bytes:
        return hmac.digest(self._check_key, body, "sha256")[:_CHECK_BYTES]


def looks_made(text: str) -> bool:
    """Whether `text` has the form of a pseudonym, whoever made it."""
    try:
        parse_pseudonym(text)
    except PseudonymError:
        return False
    return True
