"""What does a round of `spiritsafe watch` cost when one in a hundred rows is new, beside a scan of all of them?

A log is cut at its last hundredth. The rest is taken in and looked at; then the hundredth comes. Measured are the
round that takes it in and asks what is new, the look that follows where there is something, and a scan of all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from benchmarks._page import table
from benchmarks.speed._measure import WORKERS, machine, measure, python
from benchmarks.speed._world import world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.speed._measure import Measured
    from benchmarks.speed._world import World

PAGE: Final = Path(__file__).with_suffix(".md")
SIZES: Final = (1_000_000, 3_000_000, 10_000_000)
ACCOUNTS: Final = 10_000
NEW_SHARE: Final = 0.01

_PAGE: Final = """# The speed of watching

What does a round cost when one in a hundred rows is new, beside a scan of all?

```
.venv/bin/python -m benchmarks.speed.watch
```

{machine}

Logs of {accounts:,} accounts, composed as for [the scan](scan.md), cut at their last hundredth by time. Each is a
command from its start to its end, start-up included; seconds, and in brackets seconds of processor; single runs. The
round takes in the new rows and asks which accounts they tie anew. A look scans the state, which holds sketches, files
what it finds and publishes the roster.

{table}
The goal was a round of at most 5 % of a scan; a watcher that goes on starts up once, so that the column without
start-up is what it pays. A look costs about half of a scan, since it reads no text, and comes once
a day and where four accounts or more are news.

## What this does not show

Composed prompts share more wording than people's, so that more accounts are asked about than there would be. One
machine with two cores.
"""


@dataclass(frozen=True)
class Run:
    """One size. `news`: accounts that the new rows tied to others; `idle`: a round to which nothing came."""

    rows: int
    new: int
    news: int
    begin: Measured
    idle: Measured
    round: Measured
    look: Measured
    scan: Measured


def cut(log: Path, folder: Path) -> tuple[Path, Path, int, int]:
    """The log's rows before its last hundredth, by time, and that; and how many they are."""
    import duckdb

    parts = [folder / "before.parquet", folder / "last.parquet"]
    with duckdb.connect() as database:
        database.execute(f"SET threads={WORKERS}; SET memory_limit='6GB'; SET TimeZone='UTC'")
        edge = database.execute(f"select quantile_disc(time, {1 - NEW_SHARE}) from '{log}'").fetchone()
        assert edge is not None
        for path, which in zip(parts, ("<", ">="), strict=True):
            rows = f"select * from '{log}' where time {which} ? order by time"
            database.execute(
                f"copy ({rows}) to '{path}' (format parquet, compression zstd, row_group_size 65536)", edge
            )
    old, new = (pq.read_metadata(path).num_rows for path in parts)
    return parts[0], parts[1], old, new


def run(one: World, work: Path) -> Run:
    """A log of one size, watched and scanned."""
    folder = Path(tempfile.mkdtemp(prefix="watch-", dir=work))
    try:
        before, last, old, new = cut(one.requests, folder)
        (folder / "logs").mkdir()
        before.rename(folder / "logs" / "before.parquet")
        environment = {"SPIRITSAFE_HOME": str(folder / "home")}
        beside = one.neighbours
        command = ["watch", str(folder / "logs"), *beside, "--once", "--settle", "0", "--json", "--window-days", "366",
                   "--keep-days", "366"]  # fmt: skip

        def measured(*more: str) -> Measured:
            return measure(python("spiritsafe.cli.main", *command, *more), env=environment)

        begin = measured()
        idle = measured()
        last.rename(folder / "logs" / "last.parquet")
        quiet = measured("--look-every", "1000000")
        manifest = json.loads((folder / "home" / "state" / "manifest.json").read_text())
        assert (manifest["rows"], len(manifest["looks"])) == (old + new, 1)
        look = measured("--look", "always", "--look-every", "0.001")
        scan = ["scan", str(folder / "logs"), *beside, "--out", str(folder / "found"), "--quiet"]
        scanned = measure(python("spiritsafe.cli.main", *scan), env=environment)
        return Run(old + new, new, len(manifest["news"]), begin, idle, quiet, look, scanned)
    finally:
        shutil.rmtree(folder)


def rows_of(runs: Sequence[Run]) -> list[list[str]]:
    return [
        [
            f"{one.rows:,}", f"{one.new:,}", f"{one.idle.wall_s:.1f}",
            f"{one.round.wall_s:.1f} ({one.round.cpu_s:.1f})",
            f"{one.look.wall_s:.1f} ({one.look.cpu_s:.1f})", f"{one.scan.wall_s:.1f} ({one.scan.cpu_s:.1f})",
            f"{one.round.wall_s / one.scan.wall_s:.1%} ({one.round.cpu_s / one.scan.cpu_s:.1%})",
            f"{(one.round.wall_s - one.idle.wall_s) / one.scan.wall_s:.1%}",
            f"{one.look.wall_s / one.scan.wall_s:.0%}", f"{one.round.peak_gib:.2f}", f"{one.news}",
        ]
        for one in runs
    ]  # fmt: skip


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.watch", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "spiritsafe-bench")
    parser.add_argument("--quick", action="store_true", help="a small log; the page is not written")
    args = parser.parse_args(argv)
    args.work.mkdir(exist_ok=True, parents=True)
    sizes = (50_000,) if args.quick else SIZES
    runs = [run(world(args.work, requests=size, accounts=min(ACCOUNTS, size // 50)), args.work) for size in sizes]
    head = ["rows", "new", "nothing came: s", "the round: s (cpu)", "a look: s (cpu)", "a scan: s (cpu)",
            "round : scan", "without start-up", "look : scan", "round, peak GiB", "accounts that are news"]  # fmt: skip
    page = _PAGE.format(machine=machine(), accounts=ACCOUNTS, table=table(head, rows_of(runs)))
    if not args.quick:
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
