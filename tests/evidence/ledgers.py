"""A ledger with keys that the tests know."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.records import Personal, Record
from spiritsafe.keys import EnvironmentKeys
from spiritsafe.keys.persons import new_person

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN: Final = "example.com/ledger"
KEYS: Final = EnvironmentKeys({"SPIRITSAFE_KEY_LEDGER": base64.b64encode(bytes(range(32))).decode()})
ADA: Final = new_person("ada", "ada likes analytical engines", cost_log2=10)[1]
CASE: Final = "0190b0f6-0000-7000-8000-000000000001"


def open_ledger(folder: Path) -> Ledger:
    return Ledger(folder / "ledger", KEYS, origin=ORIGIN)


def note(text: str = "seen") -> Record:
    return Record("note/1", {"by": "person", "name": "ada", "text": text}, signer=ADA)


def appeal(account: str, statement: str = "I run a translation shop", *, case_id: str = CASE) -> Record:
    return Record(
        "appeal/1",
        {
            "by": "person",
            "name": "ada",
            "appeal": "appeal-1",
            "state": "made",
            "reason": "sent by the holder",
            "account": Personal(account, account),
            "statement": Personal(account, statement),
        },
        case_id=case_id,
        signer=ADA,
    )
