"""Who is accused at any look of a log that is scanned day after day, and not only at the last?

A scan holds its error over the groups of one look. Who scans every day looks many times, and an innocent that is
accused once has been accused. Composed worlds are scanned as they were known at the end of each day, each look at the
level of one, and with `looks`, which share it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import compose, scan
from spiritsafe.proving.score_rescan import scanner
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = Path(__file__).with_suffix(".md")
WORLDS: Final = (*(("floor-test", seed) for seed in range(922, 926)), ("look-alikes", 1241), ("look-alikes", 1242))
"""Presets and seeds; nothing was tuned on these."""

DAY_US: Final = 86_400_000_000
AT_ONCE: Final = 2
HEAD: Final = (
    "world",
    "`looks`",
    "innocents",
    "accused at the last look",
    "at any of the looks",
    "campaigns' accounts",
    "accused at the last look",
    "at any of the looks",
)
PAGE_TEXT: Final = """# What does looking every day cost?

Who scans a growing log every day looks many times. Whom does it accuse at any look, beside the last?

{frame}
Each world is scanned as it was known at the end of each of its days: with `looks` 1, each look at the level of one, and
with as many `looks` as there are, which share it. Nothing was tuned on these seeds.

{table}
Innocents accused, and campaigns' accounts, day by day:

```
{lines}
```
"""


@dataclass(frozen=True, slots=True)
class Looks:
    """Whom each look at a world accused, innocents and campaigns' accounts apart, and how many there are of each."""

    world: str
    shared: int
    innocents: int
    guilty: int
    accused_innocents: list[set[str]]
    accused_guilty: list[set[str]]


def looked_at(preset: str, seed: int) -> list[Looks]:
    """One world, scanned at the end of each day, at the level of one look and of all of them."""
    with tempfile.TemporaryDirectory() as scratch:
        world, found = Path(scratch) / "world", Path(scratch) / "found"
        compose(preset, seed, world)
        ends = pc.min_max(pq.read_table(world / "requests.parquet", columns=["time"])["time"].cast("int64"))
        first_us, last_us = ends["min"].as_py(), ends["max"].as_py()
        days_us = range(first_us + DAY_US, last_us + DAY_US + 1, DAY_US)
        truth = pq.read_table(world / "truth/accounts.parquet", columns=["account_id", "campaign_id"]).to_pylist()
        guilty = {row["account_id"] for row in truth if row["campaign_id"]}
        looks = []
        for shared in (1, len(days_us)):
            days = accused_by_day(world, found, days_us, shared=shared)
            innocents, campaigns = [day - guilty for day in days], [day & guilty for day in days]
            sizes = len(truth) - len(guilty), len(guilty)
            looks.append(Looks(f"`{preset}` {seed}", shared, *sizes, innocents, campaigns))
        return looks


def accused_by_day(world: Path, found: Path, days_us: range, *, shared: int) -> list[set[str]]:
    """Who is accused at the end of each day."""
    shutil.rmtree(found, ignore_errors=True)
    scan(world, found, settings=load_settings({"home": world.parent / "home", "looks": shared}))
    scan_until = scanner(world, found, scratch=world.parent)
    return [scan_until(until_us) for until_us in days_us]


def page_of(every: Sequence[Looks]) -> str:
    """The page."""
    rows = [
        [
            one.world,
            one.shared,
            f"{one.innocents:,}",
            len(one.accused_innocents[-1]),
            len(set().union(*one.accused_innocents)),
            f"{one.guilty:,}",
            len(one.accused_guilty[-1]),
            len(set().union(*one.accused_guilty)),
        ]
        for one in every
    ]
    lines = [
        f"{one.world.replace('`', ''):18} looks {one.shared:<3} {kind:10} {' '.join(f'{len(day):4}' for day in looks)}"
        for one in every
        for kind, looks in (("innocents", one.accused_innocents), ("campaigns", one.accused_guilty))
    ]
    return PAGE_TEXT.format(
        frame=frame("benchmarks.detection.looks"),
        table=table(HEAD, rows),
        lines="\n".join(lines),
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.looks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small world; the page is not written")
    args = parser.parse_args(argv)
    worlds = (("demo", 5),) if args.quick else WORLDS
    with ProcessPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(looked_at, preset, seed) for preset, seed in worlds]
        for one in as_completed(waiting):
            print(one.result()[0].world, file=sys.stderr, flush=True)
        every = [looks for one in waiting for looks in one.result()]
    page = page_of(every)
    if not args.quick:
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
