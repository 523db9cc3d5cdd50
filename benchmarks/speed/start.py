"""How long does `spiritsafe --help` take, beside bare Python and beside click alone?

Whole processes, one after another in turn; the least and the median of each.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks._page import frame, table

PAGE: Final = Path(__file__).with_suffix(".md")
RUNS: Final = 25
GOAL_S: Final = 0.2
COMMANDS: Final = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    "`python -c 'import click'`": [sys.executable, "-c", "import click"],
    "`spiritsafe --help`": [str(Path(sys.executable).with_name("spiritsafe")), "--help"],
    "`spiritsafe scan --help`": [str(Path(sys.executable).with_name("spiritsafe")), "scan", "--help"],
}


def measured(runs: int) -> dict[str, list[float]]:
    """Seconds of each run of each command, taken in turn so that a busy moment meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def main(arguments: list[str]) -> int:
    """Measure and write the page; `--quick` runs three times and writes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    seconds = measured(3 if options.quick else RUNS)
    bare = min(seconds["`python -c pass`"])
    rows = [
        [name, f"{min(those):.3f}", f"{statistics.median(those):.3f}", f"{min(those) / bare:.1f}"]
        for name, those in seconds.items()
    ]
    told = table(["command", "least, s", "median, s", "times bare Python"], rows)
    if options.quick:
        print(told)
        return 0
    reached = "reached" if min(seconds["`spiritsafe --help`"]) < GOAL_S else "not reached"
    parts = [
        f"# The start of the command\n\n{(__doc__ or '').splitlines()[0]}\n",
        frame("benchmarks.speed.start"),
        told,
        f"The goal, {GOAL_S} s for `spiritsafe --help`: {reached}. That no verb loads anything heavy before",
        "it works is held by `tests/house/test_imports.py`; seconds are no test's business.\n",
    ]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
