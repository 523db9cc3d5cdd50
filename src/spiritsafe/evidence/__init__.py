"""What was recorded, and can an outsider check it?

In: records of what was done (scans, findings, moves, approvals, notices, shares). Out: an append-only log
whose signed states, proofs and static files anybody can verify without us, in which each field can be shown
or withheld on its own, and in which what is about a person can be destroyed and the rest still holds.
Read next: `evidence.record_types` (what may be filed), `evidence.ledger`, then `evidence.merkle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.records import Personal, Record

_HOMES = {"Ledger": "ledger", "Personal": "records", "Record": "records"}
__all__ = ["Ledger", "Personal", "Record"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
