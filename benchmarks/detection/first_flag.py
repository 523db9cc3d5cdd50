"""How much of a campaign is served before it is first noticed?

A composed world is scanned whole and then cut off by the hour, campaign by campaign, until the hour is known at which
one of its accounts is first accused. Beside it stands from when it could be seen at all: four accounts that have used
the template three times each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import compose, scan
from spiritsafe.campaigns.model import Group
from spiritsafe.proving.score_exchanges import first_flags
from spiritsafe.proving.score_rescan import scanner
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from spiritsafe.proving.score_exchanges import FirstFlag

PAGE: Final = Path(__file__).with_suffix(".md")
SEED: Final = 921
ACCOUNTS: Final = 4_000
HEAD: Final = (
    "stealth",
    "ever flagged",
    "median, since it began",
    "served before, median (range)",
    "before it could be seen",
    "exchanges, median",
)
PAGE_TEXT: Final = """# When is a campaign first noticed?

How much of it is served before one of its accounts is accused, by the hour?

{frame}
One world of the recipe `floor-test` scaled to {accounts} accounts, seed {seed}, which nothing was tuned on. The log is
cut off at an hour and scanned as if it ended there; bisection finds the first hour. *Before it could be seen*: until
four accounts had used the template three times each (of campaigns whose template was found). Aimed at were 3 % at
stealth 0 and 15 % at stealth 2.

{table}
What it does not show: real campaigns are larger (the smallest public one had 100,000 exchanges, these have hundreds),
so that the same number of exchanges is a smaller share of them. A test of rhythm needs three days of log, and a habit
three requests of an account; campaigns that begin with the log wait for both.
"""


def measured(work: Path, *, quick: bool) -> tuple[tuple[FirstFlag, ...], dict[str, int], dict[str, float]]:
    """First flags, each campaign's stealth, and the share of it that was served before it could be seen."""
    world, out = work / "world", work / "found"
    compose("demo" if quick else "floor-test", SEED, world, accounts=None if quick else ACCOUNTS)
    scan(world, out, settings=load_settings({"home": work / "home"}))
    flags = first_flags(world, scanner(world, out, scratch=work))
    truth = pq.read_table(world / "truth/accounts.parquet").to_pylist()
    stealth = {row["campaign_id"]: row["stealth"] for row in truth if row["campaign_id"]}
    campaign_of = {row["account_id"]: row["campaign_id"] for row in truth}
    groups = msgspec.json.decode((out / "campaigns.json").read_bytes())["campaigns"]
    visible: dict[str, float] = {}
    for one in msgspec.convert(groups, list[Group]):
        names = [campaign_of[member.account_id] for member in one.members]
        most = max(set(names), key=names.count)
        if most is not None and one.exposure.before_visible_share is not None:
            visible[most] = min(visible.get(most, 1.0), one.exposure.before_visible_share)
    return flags, stealth, visible


def rows(flags: tuple[FirstFlag, ...], stealth: dict[str, int], visible: dict[str, float]) -> list[list[object]]:
    made: list[list[object]] = []
    for level in sorted(set(stealth.values())):
        mine = [flag for flag in flags if stealth.get(flag.campaign_id) == level]
        found = [flag for flag in mine if flag.served_share is not None]
        shares = np.array([flag.served_share for flag in found], dtype=np.float64)
        hours = np.array([flag.hours for flag in found], dtype=np.float64)
        seen = np.array([visible[flag.campaign_id] for flag in found if flag.campaign_id in visible])
        made.append(
            [
                level,
                f"{len(found)} of {len(mine)}",
                "-" if not found else f"{np.median(hours):.0f} h",
                "-" if not found else f"{np.median(shares):.0%} ({np.min(shares):.0%} to {np.max(shares):.0%})",
                "-" if not len(seen) else f"{np.median(seen):.0%}",
                "-" if not found else f"{np.median([flag.exchanges for flag in found]):,.0f}",
            ]
        )
    return made


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.first_flag", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the demo's world; the page is not written")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        flags, stealth, visible = measured(Path(scratch), quick=args.quick)
    page = PAGE_TEXT.format(
        frame=frame("benchmarks.detection.first_flag"),
        accounts=f"{ACCOUNTS:,}",
        seed=SEED,
        table=table(HEAD, rows(flags, stealth, visible)),
    )
    if not args.quick:
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
