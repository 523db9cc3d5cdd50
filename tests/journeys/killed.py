"""`python -m tests.journeys.killed AT FILE ARGUMENTS...`: `spiritsafe ARGUMENTS...`, killed at boundary AT.

A boundary is where a file is about to be put in place, put on disk or removed, or just was, and where the ledger is
written. How many were passed is written to FILE when it ends by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spiritsafe.cli.main import main
from spiritsafe.evidence import writing
from spiritsafe.files import staging
from tests.cases.chaos import Boundaries


def run(at: int, told: Path, arguments: list[str]) -> None:
    boundaries = Boundaries(at)
    for owner, name in (
        *((os, name) for name in ("replace", "rename", "fsync", "unlink", "mkdir")),
        (staging, "_swap_in"),
        (writing.Writer, "append"),
    ):
        boundaries.around(owner, name)
    try:
        main(arguments)
    finally:
        told.write_text(str(boundaries.passed))


if __name__ == "__main__":
    run(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
