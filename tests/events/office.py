"""A provider's office for the tests of the vault: three persons, two identities, a clock that stands still."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spiritsafe.events.identity import Pseudonymiser
from spiritsafe.events.vault import Vault
from spiritsafe.keys import FileKeys
from spiritsafe.keys.persons import Signer, new_person

HOUR_US = 3_600_000_000
WHY: dict[str, Any] = {"reason": "notify the customer before suspension", "case": "C-12"}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.us


class Office:
    """A vault with some identities and three persons, as a provider would have it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self.home, self.clock = home, Clock()
        self.keys = FileKeys(home / "keys")
        for purpose in ("pseudonym", "vault"):
            self.keys.rotate(purpose)
        self.vault = Vault(home / "vault.db", self.keys, clock_us=self.clock)
        key = self.keys.key("pseudonym")
        self.hide = Pseudonymiser(key.secret, key.key_id, recorder=self.vault, recorded=("account_id", "end_user_id"))
        self.acme = self.hide.value("account_id", "acme-main")
        self.user = self.hide.value("end_user_id", "jo@acme.example")
        self.ada, self.grace, self.alan = (
            new_person(name, f"{name} has a passphrase", cost_log2=10)[1] for name in ("ada", "grace", "alan")
        )
        for person in (self.ada, self.grace):
            self.vault.add_person(person)
        self.vault.add_person(self.alan, sponsor=self.ada)

    def asked(self, by: Signer | None = None) -> str:
        return self.vault.request(self.acme, by=by or self.ada, **WHY).request_id

    def approved(self) -> str:
        return self.vault.approve(self.asked(), by=self.grace).request_id

    def actions(self) -> list[tuple[str, str]]:
        return [(look.statement.action, look.statement.by) for look in self.vault.book.looks()]

    def refused(self) -> list[str]:
        return [look.statement.detail for look in self.vault.book.looks() if look.statement.action == "refused"]
