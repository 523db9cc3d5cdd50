"""How much of a campaign gets through once it is detected, and whom does the guard meet who is innocent?

The whole loop, a day at a time: what came in until midnight is scanned, what the scan accuses is published (as if a
person had confirmed it at once), and the guard answers the next day by the shipped policy. Beside it the same loop
without marks, where only who is on the list is met, and what one kind of evidence alone would have met. Development
seeds were used to build it; these were not. `--quick` does one small world and prints.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import compose
from spiritsafe.cases.scans import read_scan
from spiritsafe.events.sources import ReadOptions
from spiritsafe.guard import Answer, Guard, Policy, Request, read_policy
from spiritsafe.guard.home import PSEUDONYM_KEY, SHIPPED_POLICY, open_names, open_parameters
from spiritsafe.pipeline import find_campaigns
from spiritsafe.roster import Role, Roster, write_roster
from spiritsafe.settings import load_settings
from spiritsafe.stats.intervals import clustered_upper_bound
from spiritsafe.watch.past import past_of
from spiritsafe.watch.rosters import Terms, gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.settings import Settings

PAGE: Final = Path(__file__).with_suffix(".md")
SEEDS: Final = (5001, 5002, 5003, 5004)
DEVELOPMENT: Final = (1, 2, 3)
ACCOUNTS: Final = 4_000
FIRST_DAY: Final = 3
"""A test of rhythm needs three days."""
DAY_US: Final = 86_400_000_000
FELT: Final = Answer.OBSERVE
"""What passes: answers up to here are not felt."""
MARKS: Final = "list and marks"
LIST: Final = "the list alone"
HEAD: Final = (
    "stealth", "campaigns detected", "their exchanges since", f"through, {MARKS}", f"through, {LIST}",
    "of them by core members on the list", "by relays on the list",
)  # fmt: skip


@dataclass
class Met:
    """What one guard did in one world.

    Of each campaign, exchanges after a scan first accused one of its accounts: `after`, and those that passed,
    `through`; the same of accounts that the list of the day named with a role, `named`, `named_through`. Of each
    innocent the sternest answer. `mixed` are innocents' exchanges in accounts that a campaign used too, `mixed_stopped`
    those that were stopped.
    """

    after: Counter[str] = field(default_factory=Counter)
    through: Counter[str] = field(default_factory=Counter)
    named: Counter[tuple[str, int]] = field(default_factory=Counter)
    named_through: Counter[tuple[str, int]] = field(default_factory=Counter)
    innocents: dict[str, Answer] = field(default_factory=dict)
    mixed: int = 0
    mixed_stopped: int = 0

    def count(self, truth: Truth, known: set[str], guard: Guard, request: Request, acted: Answer) -> None:
        """One more exchange, of a campaign that is among the known ones or of somebody innocent."""
        campaign, passed = truth.exchange.get(request.event_id or ""), acted <= FELT
        owner = truth.account.get(request.account_id)
        if campaign is not None and campaign in known:
            self.after[campaign] += 1
            self.through[campaign] += passed
            standing = guard.standing(request.account_id)
            if standing.campaign >= 0:
                self.named[campaign, standing.role] += 1
                self.named_through[campaign, standing.role] += passed
        elif campaign is None and owner is not None:
            self.mixed += 1
            self.mixed_stopped += not passed
        elif owner is None:
            self.innocents[request.account_id] = max(acted, self.innocents.get(request.account_id, Answer.ALLOW))


@dataclass(frozen=True)
class Truth:
    """Of each exchange and account the campaign; of each campaign its stealth; of each account who answers for it."""

    exchange: dict[str, str | None]
    account: dict[str, str | None]
    stealth: dict[str, int]
    unit: dict[str, str]

    @classmethod
    def of(cls, world: Path) -> Truth:
        accounts = pq.read_table(world / "truth/accounts.parquet").to_pylist()
        exchanges = pq.read_table(world / "truth/exchanges.parquet", columns=["event_id", "campaign_id"]).to_pylist()
        return cls(
            {row["event_id"]: row["campaign_id"] for row in exchanges},
            {row["account_id"]: row["campaign_id"] for row in accounts},
            {row["campaign_id"]: row["stealth"] for row in accounts if row["campaign_id"]},
            {row["account_id"]: row["independent_unit"] for row in accounts},
        )


def listing(policy: Policy) -> Policy:
    """The policy without its rules for who is on no list."""
    return msgspec.structs.replace(policy, rules=tuple(rule for rule in policy.rules if rule.who == "member"))


def roster_until(day_us: int, world: Path, folder: Path, settings: Settings) -> tuple[Roster, set[str]]:
    """What a scan of all until a day accuses, as the guards are told it; and whom."""
    found = find_campaigns(
        world / "requests.parquet", accounts=world / "accounts.parquet", attestations=world / "attestations.parquet",
        account_events=world / "account_events.parquet", out=folder / "found", until_us=day_us, settings=settings,
    )  # fmt: skip
    names = open_names(settings)
    terms = Terms(names, open_parameters(settings).metadata(), names.made_with[PSEUDONYM_KEY], day_us)
    contents = gather([read_scan(folder / "found")], None, terms)
    confirmed = tuple(msgspec.structs.replace(one, confirmed=True) for one in contents.campaigns)
    path = folder / f"{day_us}.bin"
    write_roster(replace(contents, campaigns=confirmed), path)
    return Roster(path), {member.account_id for group in found.campaigns for member in group.members}


def loop(world: Path, folder: Path) -> tuple[dict[str, Met], Truth]:
    """A world, a day at a time."""
    settings, truth = load_settings({"home": folder / "home"}), Truth.of(world)
    policy = read_policy(SHIPPED_POLICY).enforcing()
    policies = {MARKS: policy, LIST: listing(policy)}
    met = {name: Met() for name in policies}
    accounts = str(world / "accounts.parquet")
    with past_of(world / "requests.parquet", options=ReadOptions(), settings=settings, accounts=accounts) as past:
        begin_us = next(iter(past))[0].time_us // DAY_US * DAY_US
        guards: dict[str, Guard] = {}
        listed: set[str] = set()
        day_us = begin_us
        for request, sketch in past:
            if request.time_us >= day_us + DAY_US:
                day_us = request.time_us // DAY_US * DAY_US
                if day_us >= begin_us + FIRST_DAY * DAY_US:
                    roster, accused = roster_until(day_us, world, folder, settings)
                    listed |= {str(truth.account.get(one)) for one in accused if truth.account.get(one)}
                    _swap(guards, roster, policies, settings)
            for name, guard in guards.items():
                met[name].count(truth, listed, guard, request, guard.decide(request, sketch).acted)
    return met, truth


def _swap(guards: dict[str, Guard], roster: Roster, policies: dict[str, Policy], settings: Settings) -> None:
    for name, policy in policies.items():
        if name in guards:
            guards[name].swap(roster=roster)
        else:
            guards[name] = Guard(roster, policy, names=open_names(settings), parameters=open_parameters(settings))


def campaign_rows(worlds: Sequence[tuple[dict[str, Met], Truth]]) -> list[list[object]]:
    """By stealth: how much of the detected campaigns got through."""
    total: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    found: dict[int, set[tuple[int, str]]] = defaultdict(set)
    for number, (met, truth) in enumerate(worlds):
        for name, one in met.items():
            for campaign, after in one.after.items():
                level = truth.stealth[campaign]
                found[level].add((number, campaign))
                counts = total[level, name]
                counts.update(after=after, through=one.through[campaign])
                for role in (Role.CORE, Role.RELAY):
                    counts[f"named {role}"] += one.named[campaign, role]
                    counts[f"through {role}"] += one.named_through[campaign, role]
    made: list[list[object]] = []
    for level in sorted(found):
        cells: list[object] = [level, len(found[level]), f"{total[level, MARKS]['after']:,}"]
        for name in (MARKS, LIST):
            counts = total[level, name]
            cells.append(f"{counts['through'] / max(counts['after'], 1):.1%}")
        counts = total[level, MARKS]
        for role in (Role.CORE, Role.RELAY):
            named = counts[f"named {role}"]
            cells.append(f"{counts[f'through {role}'] / max(named, 1):.1%} of {named:,}")
        made.append(cells)
    return made


def innocent_rows(worlds: Sequence[tuple[dict[str, Met], Truth]]) -> list[list[object]]:
    """Whom it met who is innocent, by the sternest answer, with an upper bound over organisations."""
    made: list[list[object]] = []
    for name in (MARKS, LIST):
        worst, units = [], []
        for number, (met, truth) in enumerate(worlds):
            for account, answer in met[name].innocents.items():
                worst.append(answer)
                units.append(f"{number}/{truth.unit[account]}")
        answers, of = np.array(worst), np.array(units)
        for told, hit in (
            ("observed, by one kind of evidence or more", answers >= Answer.OBSERVE),
            ("throttled", answers == Answer.THROTTLE),
            ("challenged or worse", answers >= Answer.CHALLENGE),
            ("blocked", answers >= Answer.BLOCK),
        ):
            bound = clustered_upper_bound(hit, of).upper
            made.append(
                [
                    name,
                    told,
                    f"{int(hit.sum()):,} of {len(hit):,}",
                    f"{1e4 * float(hit.mean()):.1f}",
                    f"{1e4 * bound:.1f}",
                ]
            )
        mixed, stopped = (sum(getattr(met[name], what) for met, _ in worlds) for what in ("mixed", "mixed_stopped"))
        made.append([name, "exchanges in accounts that a campaign used too, stopped", f"{stopped:,} of {mixed:,}",
                     f"{1e4 * stopped / max(mixed, 1):.1f}", "-"])  # fmt: skip
    return made


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.guard_loop", description=__doc__)
    parser.add_argument("--development", action="store_true", help="worlds to build it on; printed, not written")
    parser.add_argument("--quick", action="store_true", help="one small world; the page is printed, not written")
    args = parser.parse_args(argv)
    worlds = []
    preset, accounts = ("demo", None) if args.quick else ("floor-dev" if args.development else "floor-test", ACCOUNTS)
    for seed in DEVELOPMENT[: 1 if args.quick else None] if args.quick or args.development else SEEDS:
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            compose(preset, seed, work / "world", accounts=accounts)
            worlds.append(loop(work / "world", work))
    page = (
        "# The whole loop: what gets through, and whom it meets\n\n"
        "How much of a campaign gets through once it is detected?\n\n"
        f"{frame('benchmarks.detection.guard_loop')}\n"
        f"Worlds of the recipe `floor-test` scaled to {ACCOUNTS:,} accounts, seeds {SEEDS[0]} to {SEEDS[-1]}, scanned "
        "every midnight from the third day on; the shipped policy, enforcing. *Since*: after the first scan that "
        "accuses one of a campaign's accounts. *Through*: answered with observe or milder. A relay carries other "
        "people's traffic too, and only what shows the campaign's content is acted on.\n\n"
        + table(HEAD, campaign_rows(worlds))
        + "\nInnocents by the sternest answer that they met on any day; in ten thousand, and a one-sided 95 % bound "
        "over organisations:\n\n"
        + table(("guard", "innocents", "accounts", "in 10,000", "upper bound"), innocent_rows(worlds))
    )
    if args.quick or args.development:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
