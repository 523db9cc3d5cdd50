"""Put a policy in force: checked, kept as an exhibit, signed into the ledger by a person, then swapped in.

Comes from the command; the doors see the file change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.evidence.exhibits import Exhibits
from spiritsafe.evidence.records import Record
from spiritsafe.files import write_atomically
from spiritsafe.guard.home import policy_path
from spiritsafe.guard.policy import parse_policy

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.guard.policy import Policy
    from spiritsafe.keys.persons import Signer

MEDIA_TYPE = "application/toml"


def adopt_policy(text: bytes, *, home: Path, ledger: Ledger, signer: Signer, reason: str, where: str) -> Policy:
    """Put a policy in force in a home; raises `PolicyError`, and the one in force stays.

    Filed before it is in force: a crash in between leaves a record of a policy that was never used, and never a policy
    of which there is no record.
    """
    policy = parse_policy(text, where=where)
    exhibits = Exhibits(ledger)
    try:
        exhibits.keep(
            text, media_type=MEDIA_TYPE, title=f"policy {policy.full_name} of the guard", source=where, signer=signer
        )
    finally:
        exhibits.close()
    fields = {
        "by": "person",
        "name": signer.name,
        "policy": policy.full_name,
        "mode": policy.mode,
        "sha256": policy.sha256,
        "reason": reason,
    }
    ledger.append([Record("guard_policy/1", fields, signer=signer)])
    path = policy_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, text, mode=0o600)
    return policy
