"""Where do request logs come from, and in which forms?

In: files, folders, globs and object stores that hold Parquet, JSON lines, CSV, OpenTelemetry, LiteLLM,
request/response or Glasswally logs. Out: `Batch`es of the contract's rows, and each refused row with its reason.
Read `discover.py` (what a file is, how it is dealt out), then `read.py` (one piece of it, read); each format
has a module of its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spiritsafe.events.sources.discover import Source, open_source
    from spiritsafe.events.sources.options import ReadOptions
    from spiritsafe.events.sources.read import read_shard

__all__ = ["ReadOptions", "Source", "open_source", "read_shard"]

_HOME: Final = {
    "ReadOptions": "options",
    "Source": "discover",
    "open_source": "discover",
    "read_shard": "read",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
