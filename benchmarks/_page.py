"""The frame of a benchmark's page: the command, the machine, the versions, and its tables."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def frame(module: str) -> str:
    """The command, machine, versions and date of a page."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("duckdb", "ibis-framework", "numpy"))
    return (
        f"```\n.venv/bin/python -m {module}\n```\n\n"
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}, {versions}; "
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}.\n"
    )
