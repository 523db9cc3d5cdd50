"""What happened? Requests, accounts and attestations in one schema, whatever they were logged in.

In: logs that already exist (see `events.sources`), and a mapping where they are bespoke (`events.mapping`).
Out: rows of the contract, clean and in UTC; refused rows with reasons; pseudonyms and the vault that leads
back from them (`events.identity`, `events.vault`).
Read `model.py` (the tables), `sources/` (how they are read), `validate.py` (the one gate), then `sketch`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spiritsafe.events.doctor import Examination, Findings, examine
    from spiritsafe.events.identity import Pseudonymiser, open_pseudonymiser
    from spiritsafe.events.mapping import (
        ColumnSource,
        Mapping,
        apply_mapping,
        dump_mapping,
        load_mapping,
        parse_mapping,
    )
    from spiritsafe.events.model import (
        ACCOUNT_EVENTS,
        ACCOUNTS,
        ATTESTATIONS,
        QUARANTINE,
        REQUESTS,
        Batch,
        Column,
        Rejected,
        Shard,
        TableSchema,
    )
    from spiritsafe.events.sources.discover import Source, open_source
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.sources.read import read_shard
    from spiritsafe.events.tables import read_table
    from spiritsafe.events.validate import conform
    from spiritsafe.events.vault import Identity, Vault, open_vault

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_EVENTS",
    "ATTESTATIONS",
    "QUARANTINE",
    "REQUESTS",
    "Batch",
    "Column",
    "ColumnSource",
    "Examination",
    "Findings",
    "Identity",
    "Mapping",
    "Pseudonymiser",
    "ReadOptions",
    "Rejected",
    "Shard",
    "Source",
    "TableSchema",
    "Vault",
    "apply_mapping",
    "conform",
    "dump_mapping",
    "examine",
    "load_mapping",
    "open_pseudonymiser",
    "open_source",
    "open_vault",
    "parse_mapping",
    "read_shard",
    "read_table",
]

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "doctor": ("Examination", "Findings", "examine"),
    "identity": ("Pseudonymiser", "open_pseudonymiser"),
    "mapping": ("ColumnSource", "Mapping", "apply_mapping", "dump_mapping", "load_mapping", "parse_mapping"),
    "model": ("ACCOUNTS", "ACCOUNT_EVENTS", "ATTESTATIONS", "QUARANTINE", "REQUESTS", "Batch", "Column", "Rejected",
              "Shard", "TableSchema"),
    "sources.discover": ("Source", "open_source"),
    "sources.options": ("ReadOptions",),
    "sources.read": ("read_shard",),
    "tables": ("read_table",),
    "validate": ("conform",),
    "vault": ("Identity", "Vault", "open_vault"),
}  # fmt: skip
_HOME: Final = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
