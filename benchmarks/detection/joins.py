"""Does a later scan's finding join the case that it belongs to, and no other?

Composed worlds are cut into two halves in time. The first half's campaigns become cases; the second half's are filed
after them, once as they are, and once without every account that was accused in the first half, as where a provider
suspended them and the operator went on with others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from spiritsafe.cases.book import CaseBook
from spiritsafe.cases.opening import open_cases
from spiritsafe.cases.scans import read_scan
from spiritsafe.cases.store import open_store
from spiritsafe.events.identity import Pseudonymiser
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.keys import FileKeys
from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from spiritsafe.stats.intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE: Final = Path(__file__).with_suffix(".md")
WORLDS: Final = tuple((f"stealth-{level}", seed) for level in range(4) for seed in range(1700, 1712))
"""Presets and seeds; nothing was tuned on these."""
DEV: Final = tuple((f"stealth-{level}", seed) for level in range(4) for seed in range(700, 702))
DAYS: Final = 28
AT_ONCE: Final = 2
WAYS: Final = {"same": "as they are", "churned": "every accused account gone"}


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of one finding of the second half. `right` and `wrong` say where the shared things led."""

    world: str
    way: str
    outcome: str
    right: bool
    had_case: bool
    detail: str


def joined_in(preset: str, seed: int) -> list[Joined]:
    """One world's second half, filed after its first, both ways."""
    found: list[Joined] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        world, settings = folder / "world", load_settings({"home": folder / "home"})
        compose(preset, seed, world)
        truth = {
            row["account_id"]: row["campaign_id"]
            for row in pq.read_table(
                world / "truth/accounts.parquet", columns=["account_id", "campaign_id"]
            ).to_pylist()
        }
        requests = pq.read_table(world / "requests.parquet")
        times = requests["time"].cast("int64")
        ends = pc.min_max(times)
        middle = (ends["min"].as_py() + ends["max"].as_py()) // 2
        first = scanned(world, requests.filter(pc.less(times, middle)), folder / "first", settings)
        accused = {member.account_id for group in read_scan(first).campaigns for member in group.members}
        second = requests.filter(pc.greater_equal(times, middle))
        left = second.filter(pc.invert(pc.is_in(second["account_id"], pa.array(sorted(accused)))))
        for way, rows in (("same", second), ("churned", left)):
            later = scanned(world, rows, folder / way, settings)
            found += filed(folder / f"cases-{way}", first, later, truth, f"{preset} {seed}", way)
    return found


def compose(preset: str, seed: int, world: Path) -> None:
    """A world of four weeks."""
    from spiritsafe.cli.main import commands

    given = ["prove", "compose", "--preset", preset, "--seed", str(seed), "--days", str(DAYS), "--out", str(world)]
    commands.main([*given, "--quiet"], standalone_mode=False)


def scanned(world: Path, rows: pa.Table, out: Path, settings: Any) -> Path:
    """Scan a part of a world's log."""
    log = out.with_suffix(".parquet")
    pq.write_table(rows, log)
    find_campaigns(
        log,
        out=out,
        accounts=world / "accounts.parquet",
        attestations=world / "attestations.parquet",
        settings=settings,
    )
    return out


def filed(home: Path, first: Path, later: Path, truth: dict[str, str | None], world: str, way: str) -> Iterator[Joined]:
    """File both halves, and compare each join with the truth."""
    home.mkdir(mode=0o700)
    keys = FileKeys(home / "keys")
    keys.rotate("pseudonym")
    key = keys.key("pseudonym")
    hide = Pseudonymiser(key.secret, key.key_id)
    ledger, store = Ledger(home / "ledger", keys), open_store(home)
    book = CaseBook(ledger, store, _Nobody())
    scans = read_scan(first), read_scan(later)
    whose: dict[int, str | None] = {}
    for one, group in zip(open_cases(book, scans[0], hide, log=None), scans[0].campaigns, strict=True):
        whose.setdefault(one.number, _operator(group, truth))
    before = set(whose)
    for one, group in zip(open_cases(book, scans[1], hide, log=None), scans[1].campaigns, strict=True):
        operator = _operator(group, truth)
        right = whose.get(one.number, operator) == operator and operator is not None
        near = [(whose.get(match.number), dict(match.bits), match.shared_accounts) for match in one.related]
        yield Joined(
            world=world,
            way=way,
            outcome=one.outcome,
            right=right,
            had_case=operator is not None and operator in {whose[number] for number in before},
            detail=f"{operator}, {len(group.members)} accounts, near {near}",
        )
        whose.setdefault(one.number, operator)
    book.close()
    ledger.close()


class _Nobody:
    def key_of(self, name: str, at_us: int) -> bytes | None:  # noqa: ARG002
        return None


def _operator(group: Any, truth: dict[str, str | None]) -> str | None:
    """The campaign that most of a group's accounts are of; None where most are innocent."""
    counts = Counter(truth[member.account_id] for member in group.members)
    return counts.most_common(1)[0][0]


def page_of(every: Sequence[Joined]) -> str:
    """The page."""
    rows = []
    levels = sorted({one.world.partition(" ")[0] for one in every})
    for way, told in WAYS.items():
        for level in levels:
            mine = [one for one in every if one.way == way and one.world.startswith(level)]
            again = [one for one in mine if one.had_case]
            joins = [one for one in mine if one.outcome == "joined"]
            found, wrong = (
                sum(one.outcome == "joined" and one.right for one in again),
                sum(not one.right for one in joins),
            )
            rows.append([level, told, len(mine), len(again), _share(found, len(again)), _share(wrong, len(joins))])
    return PAGE_TEXT.format(frame=frame("benchmarks.detection.joins"), table=table(HEAD, rows))


def _share(count: int, of: int) -> str:
    if not of:
        return "none"
    found = clopper_pearson(count, of)
    return f"{count} of {of} ({100 * found.low:.0f} to {100 * found.high:.0f} %)"


HEAD: Final = (
    "world", "second half", "findings", "of a campaign that has a case", "joined to it", "joins to another's case",
)  # fmt: skip
PAGE_TEXT: Final = """# Does a later finding join the case that it belongs to?

{frame}
Worlds of four weeks, cut in the middle: the first two weeks' campaigns become cases, the last two weeks' are filed
after them, once as they are and once without every account that was accused in the first half. Nothing was tuned on
these seeds. Intervals are Clopper and Pearson's, 95 %, and take findings for independent, which those of one world
are not quite.

{table}"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.joins", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the development seeds; the page is printed, not written")
    args = parser.parse_args(argv)
    with ProcessPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(joined_in, *world) for world in (DEV if args.quick else WORLDS)]
        for one in as_completed(waiting):
            for joined in one.result():
                print(joined, file=sys.stderr, flush=True)
        every = [joined for one in waiting for joined in one.result()]
    page = page_of(every)
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
