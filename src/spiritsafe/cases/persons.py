"""Who is registered in this home, at which time, under which key: as the vault's log of looks tells it.

Comes from `events.vault`; goes on to `cases.telling`, which asks whether a signature is a registered person's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.events.looks import Person
    from spiritsafe.events.vault import Vault


class VaultPersons:
    """The persons of a vault, read again whenever a look was added: a retired person signs no more."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._persons: dict[str, Person] = {}
        self._size = -1

    def key_of(self, name: str, at_us: int) -> bytes | None:
        """The public key of a person who was registered, and not retired, at a time (UTC microseconds)."""
        size = self._vault.book.size
        if size != self._size:
            self._persons, self._size = self._vault.book.history().persons, size
        found = self._persons.get(name)
        if found is None or at_us < found.added_us or (found.retired_us is not None and at_us >= found.retired_us):
            return None
        return found.public_key
