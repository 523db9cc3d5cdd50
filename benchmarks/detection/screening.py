"""Which distortions of a listed name does screening still find, and how many near misses does it flag?

The published benchmark `sanctions-screening-benchmark` distorts names of OFAC's list (transliteration, word order,
homoglyphs, dropped tokens, ...) and makes names that are near and denote nobody listed. Half of the entries were for
development, where the threshold was chosen; the page is of the other half. `--peer PYTHON` adds nomenklatura, from an
environment that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssb.matching import BaselineMatcher, ExactMatcher
from ssb.negatives import generate
from ssb.perturb import REGISTRY, apply_all

from benchmarks._page import frame, table
from spiritsafe.cases.screening.lists import read_list
from spiritsafe.cases.screening.model import Entry, Party, ScreeningList
from spiritsafe.cases.screening.screen import THRESHOLD, Screener
from spiritsafe.stats.intervals import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE: Final = Path(__file__).with_suffix(".md")
MISSING_DATA: Final = 5
SAMPLE: Final = 400
QUICK: Final = 60
SEED: Final = 7
PEER_EVERY: Final = 10
"""nomenklatura takes 0.7 ms for two names, so it is asked every tenth question."""
PEER_THRESHOLDS: Final = {"token-set Jaro-Winkler": 0.85, "equal when normalised": 1.0, "nomenklatura LogicV2": 0.7}
"""The thresholds that their makers use: ssb's default, and OpenSanctions' cut-off."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A distorted or near name. `entry` is whose it is, empty where it is nobody's."""

    text: str
    kind: str
    entry: str
    of: str


def sample(listed: ScreeningList, count: int, *, test: bool) -> list[Entry]:
    """Entries of one half of the list: persons and organisations of at least two words."""
    half = [
        entry for entry in listed.entries
        if int(entry.entry_id) % 2 == test and entry.kind in {"person", "organization"} and " " in entry.name
    ]  # fmt: skip
    return random.Random(SEED).sample(half, min(count, len(half)))


def questions(listed: ScreeningList, entries: Sequence[Entry]) -> list[Asked]:
    """Every distortion of every entry's first name, twice at most, and the near misses."""
    asked = [
        Asked(variant.text, entry.kind, entry.entry_id, variant.perturbation)
        for entry in entries
        for variant in apply_all(entry.name, entry.entry_id, seed=SEED, max_per_class=2)
    ]
    index = {name.text.casefold() for entry in listed.entries for name in entry.names}
    for kind in ("person", "organization"):
        names = [entry.name for entry in entries if entry.kind == kind]
        asked += [
            Asked(one.text, kind, "", one.negative_class) for one in generate(names, seed=SEED, listed_index=index)
        ]
    return asked


Answer = tuple[float, str]


def ours(screener: Screener, asked: Sequence[Asked], *, threshold: float = THRESHOLD) -> list[list[Answer]]:
    """Hits of each question: score and entry."""
    found = []
    for number, one in enumerate(asked):
        hits = screener.screen(Party(one.text, one.kind), threshold=threshold)  # type: ignore[arg-type]
        found.append([(hit.score, hit.entry.entry_id) for hit in hits])
        if number % 500 == 0:
            print(f"{number} of {len(asked)}", file=sys.stderr, flush=True)
    return found


def plain(matcher: Callable[[str, str], float], entries: Sequence[Entry], asked: Sequence[Asked]) -> list[list[Answer]]:
    """The best entry of the pool by a matcher of two strings."""
    names = [(name.text, entry.entry_id) for entry in entries for name in entry.names]
    return [[max((matcher(one.text, text), entry) for text, entry in names)] for one in asked]


def peer(python: str, entries: Sequence[Entry], asked: Sequence[Asked]) -> list[list[Answer]]:
    """The best entry of the pool by nomenklatura."""
    names = [(name.text, entry.kind, entry.entry_id) for entry in entries for name in entry.names]
    lines = [json.dumps([[text, kind] for text, kind, _ in names])]
    lines += [json.dumps([one.text, one.kind]) for one in asked]
    script = str(Path(__file__).with_name("_screening_peer.py"))
    done = subprocess.run([python, script], input="\n".join(lines), text=True, capture_output=True, check=True)
    best = [json.loads(line) for line in done.stdout.splitlines()]
    return [[(score, names[place][2])] for score, place in best]


def shares(asked: Sequence[Asked], answers: Sequence[list[Answer]], threshold: float) -> dict[str, tuple[int, int]]:
    """(found, all) of each distortion; (flagged, all) of each kind of near miss."""
    found: dict[str, list[bool]] = defaultdict(list)
    for one, hits in zip(asked, answers, strict=True):
        held = [entry for score, entry in hits if score >= threshold]
        found[one.of].append(one.entry in held if one.entry else bool(held))
    return {of: (sum(held), len(held)) for of, held in found.items()}


def page_of(columns: dict[str, dict[str, tuple[int, int]]], entries: int, asked: int, listed: ScreeningList) -> str:
    """The page."""
    first = next(iter(columns.values()))
    names = sorted(REGISTRY, key=lambda name: (REGISTRY[name].family, name))
    told = {name: [_share(*held[name]) for held in columns.values()] for name in first}
    rows = [[REGISTRY[name].family, name, *told[name]] for name in names if name in first]
    rows.append(["all", "", *(_share(*_sums(held, distorted=True)) for held in columns.values())])
    near = [[name, *told[name]] for name in sorted(first) if name not in REGISTRY]
    near.append(["all", *(_share(*_sums(held, distorted=False)) for held in columns.values())])
    recall = table(["family", "distortion", *columns], rows)
    return PAGE_TEXT.format(
        frame=frame("benchmarks.detection.screening"), recall=recall, near=table(["kind", *columns], near),
        entries=entries, asked=asked, listed=len(listed.entries), names=listed.names, sha=listed.sha256[:16],
        threshold=THRESHOLD,
    )  # fmt: skip


def _sums(held: dict[str, tuple[int, int]], *, distorted: bool) -> tuple[int, int]:
    mine = [pair for name, pair in held.items() if (name in REGISTRY) == distorted]
    return sum(one for one, _ in mine), sum(of for _, of in mine)


def _share(held: int, of: int) -> str:
    interval = clopper_pearson(held, of)
    return f"{100 * held / of:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f}), {of}"


PAGE_TEXT: Final = """# Which distorted names does screening find?

{frame}
`sanctions-screening-benchmark` 0.1.0 distorts names of an OFAC list (2021 to 2025, {listed:,} entries with {names:,}
names, sha256 {sha}) and makes near misses. {entries} entries of the half that was not used for development;
{asked:,} questions. `screen` is asked with its default threshold of {threshold}. *Whole list* holds each question
against all entries; *pool* against the sampled entries only, as the peers are, of whom the best one counts, at the
threshold that their makers use; nomenklatura (`--peer`, from an environment of its own) is asked every tenth question.
Shares with Clopper and Pearson's 95 % interval, and how many were asked.

## Found, of distorted names

{recall}
## Flagged, of names that are near and denote nobody on the list

{near}
The near misses are made: how many of a provider's customers would be flagged they do not say, since that depends on
the customers' names. A customer who has a listed person's name is no near miss here; that is what a lead is for.
"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.screening", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the development half, few entries; printed, not written")
    parser.add_argument("--list", type=Path, help="OFAC's sdn.csv, with alt and add beside it")
    parser.add_argument("--peer", help="a Python that has nomenklatura")
    args = parser.parse_args(argv)
    shared = os.environ.get("SPIRITSAFE_SHARED_DATA", "")
    path = args.list or (Path(shared).parent / "vectors" / "lists" / "sdn_full.csv" if shared else None)
    if path is None or not path.is_file():
        print("there is no list: give OFAC's sdn.csv with --list", file=sys.stderr)
        return MISSING_DATA
    listed = read_list(path, name="OFAC SDN")
    entries = sample(listed, QUICK if args.quick else SAMPLE, test=not args.quick)
    asked = questions(listed, entries)
    pool = ScreeningList("pool", "", "", issued_by_list=False, sha256="", entries=tuple(entries), refused={})
    columns = {
        "`screen`, whole list": shares(asked, ours(Screener([listed]), asked), THRESHOLD),
        "`screen`, pool": shares(asked, ours(Screener([pool]), asked), THRESHOLD),
    }
    jaro_winkler = BaselineMatcher()
    others: dict[str, Callable[[], list[list[Answer]]]] = {
        "token-set Jaro-Winkler": lambda: plain(jaro_winkler, entries, asked),
        "equal when normalised": lambda: plain(ExactMatcher(), entries, asked),
    }
    for name, answer in others.items():
        columns[f"{name}, pool"] = shares(asked, answer(), PEER_THRESHOLDS[name])
    if args.peer:
        some = asked[::PEER_EVERY]
        columns["nomenklatura LogicV2, pool"] = shares(
            some, peer(args.peer, entries, some), PEER_THRESHOLDS["nomenklatura LogicV2"]
        )
    page = page_of(columns, len(entries), len(asked), listed)
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
