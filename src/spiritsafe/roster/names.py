"""Names as keyed hashes: whoever has the file and not the key cannot tell whether somebody stands in it.

64 bits under BLAKE2b: of a million accounts no two have one hash but with probability 3e-8, and a stranger is taken for
one of them with probability 5e-14. Comes from `keys`; goes on to the roster's writer and reader.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PARTIES: Final = frozenset({"account_id", "organization_id"})
"""Columns that name somebody who may have a case: their pseudonyms are hashed, which is how cases know them."""

REMEMBERED: Final = 100_000
"""Names of which the hash is remembered: some 20 MB."""


class Names:
    """The hash of an account, of an organisation, of an address and so on.

    Parameters
    ----------
    key
        Secret; 16 to 64 bytes.
    pseudonym
        Makes the pseudonym of an account or organisation; None where they are given as pseudonyms.
    made_with
        Public names of the keys; a roster made with others would recognise nobody.

    Examples
    --------
    >>> names = Names(b"k" * 32)
    >>> names.hashed("client_ip", "192.0.2.1") == names.hashed("user_agent", "192.0.2.1")
    False
    """

    def __init__(
        self, key: bytes, *, pseudonym: Callable[[str], str] | None = None, made_with: Mapping[str, str] | None = None
    ) -> None:
        self._key = key
        self._pseudonym = pseudonym
        self.made_with = dict(made_with or {})
        self._known: dict[tuple[str, str], int] = {}

    def hashed(self, what: str, value: str) -> int:
        """The hash of a value of a column, as it is given to a gateway; in [0, 2**64)."""
        asked = (what, value)
        known = self._known.get(asked)
        if known is not None:
            return known
        if what not in PARTIES:
            made = self._hash(what, value)
        else:
            made = self.party(value if self._pseudonym is None else self._pseudonym(value))
        if len(self._known) >= REMEMBERED:
            self._known = {}
        self._known[asked] = made
        return made

    def party(self, pseudonym: str) -> int:
        """The hash of an account or organisation, from its pseudonym."""
        return self._hash("party", pseudonym)

    def _hash(self, what: str, value: str) -> int:
        data = f"{what}\x1f{value}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._key, person=b"spiritsafe-rostr").digest())
