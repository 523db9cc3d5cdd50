"""Are files whole, ours, and where they may be? Atomic folders and files, and the schema tag they carry.

In come paths; out go folders and files that are whole or not there. Read `destinations` (what may be replaced),
then `staging` (how it is swapped in), then `tags`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.files.destinations import (
        MARKER,
        SCHEMA_KEY,
        DestinationError,
        SpaceError,
        WriteError,
        check_file,
        check_folder,
        check_writable,
        fault_of,
        is_full,
    )
    from spiritsafe.files.staging import ScratchError, scratch_folder, staged_file, staged_folder, write_atomically
    from spiritsafe.files.tags import SchemaError, check_tag, tagged, write_parquet

_HOMES = {
    "MARKER": "destinations",
    "SCHEMA_KEY": "destinations",
    "DestinationError": "destinations",
    "SpaceError": "destinations",
    "WriteError": "destinations",
    "check_file": "destinations",
    "check_folder": "destinations",
    "check_writable": "destinations",
    "fault_of": "destinations",
    "is_full": "destinations",
    "ScratchError": "staging",
    "scratch_folder": "staging",
    "staged_file": "staging",
    "staged_folder": "staging",
    "write_atomically": "staging",
    "SchemaError": "tags",
    "check_tag": "tags",
    "tagged": "tags",
    "write_parquet": "tags",
}
__all__ = [
    "MARKER",
    "SCHEMA_KEY",
    "DestinationError",
    "SchemaError",
    "ScratchError",
    "SpaceError",
    "WriteError",
    "check_file",
    "check_folder",
    "check_tag",
    "check_writable",
    "fault_of",
    "is_full",
    "scratch_folder",
    "staged_file",
    "staged_folder",
    "tagged",
    "write_atomically",
    "write_parquet",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
