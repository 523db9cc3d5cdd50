"""How fast is a scan, how much memory does it take, and does either get worse with size?

Composes worlds, measures scans of their requests and of their sketches in processes of their own, and writes
scan.md beside this file. `--quick` does all of it on a small world and prints the page. `--profile N` scans N requests
and prints where the time goes. With `--work DIR` worlds and figures are kept, and an interrupted run goes on;
`--measured` writes the page from what such a folder holds, and says of the rest that it was not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.speed._measure import WORKERS, Measured, best_of, machine, python, table
from benchmarks.speed._page import PAGE
from benchmarks.speed._world import own_client, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.speed._world import World

MILLION: Final = 1_000_000
ACCOUNTS: Final = 10_000
JOB: Final = "benchmarks.speed._job"
GOAL_SCAN: Final = 30_000
GOAL_SKETCHES: Final = 200_000
GOAL_GIB: Final = 4.0


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is measured: requests at one number of accounts, and numbers of accounts at one of requests."""

    requests: tuple[int, ...] = (MILLION, 3 * MILLION, 10 * MILLION)
    accounts: tuple[int, ...] = (1_000, ACCOUNTS, 100_000)
    at_accounts: int = ACCOUNTS
    one_client: int = MILLION
    one_client_accounts: int | None = None
    repeats: int = 3

    @property
    def first(self) -> int:
        return self.requests[0]

    def times(self, requests: int) -> int:
        """How often a case is run: large ones once, their noise is small beside their length."""
        return self.repeats if requests <= self.first else 1


QUICK: Final = Sizes(
    requests=(10_000, 30_000),
    accounts=(200, 500),
    at_accounts=500,
    one_client=20_000,
    one_client_accounts=500,
    repeats=1,
)


class NotMeasuredError(LookupError):
    """A case is not in the folder and must not be run."""


class Bench:
    """Runs each case once, or takes its figures from an earlier run in the same folder."""

    def __init__(self, work: Path, sizes: Sizes, *, run: bool = True) -> None:
        self.work, self.sizes, self.run = work, sizes, run
        self._file = work / "measured.json"
        self._known = json.loads(self._file.read_text()) if self._file.exists() else {}

    def world(self, requests: int, accounts: int | None, preset: str = "bench") -> World:
        return world(self.work, requests=requests, accounts=accounts, preset=preset)

    def scan(self, place: World) -> Measured:
        """From Parquet with prompts to the result folder."""
        return self._run("scan", place, place.requests, self.work / "findings", *place.neighbours)

    def sketch(self, place: World) -> Measured:
        """From Parquet with prompts to one file of sketches, which stays for `scan_sketches`."""
        return self._run("sketch", place, place.requests, self._sketches(place))

    def scan_sketches(self, place: World) -> Measured:
        """From the file of sketches to the result folder. The file is removed afterwards."""
        if self.run and (place.folder.name, "scan-sketches") not in self and not self._sketches(place).exists():
            best_of(1, python(JOB, "sketch", place.requests, self._sketches(place)))
        found = self._run("scan-sketches", place, self._sketches(place), self.work / "findings", *place.neighbours)
        if self.run:
            self._sketches(place).unlink(missing_ok=True)
        return found

    def tried(self, job: Callable[[World], Measured], place: World) -> Measured | None:
        """A case's figures, or None where it was not measured."""
        try:
            return job(place)
        except NotMeasuredError:
            return None

    @property
    def highest_load(self) -> float:
        """Over all cases, the load average at their beginning."""
        return max(float(run["load"]) for run in self._known.values())

    def floor(self, place: World) -> Measured:
        return self._run("floor", place, place.requests, "-")

    def alike(self, place: World) -> Measured:
        return self._run("alike", place, place.requests, "-")

    def __contains__(self, case: tuple[str, str]) -> bool:
        return "/".join(case) in self._known

    def _sketches(self, place: World) -> Path:
        return place.folder / "sketches.parquet"

    def _run(self, job: str, place: World, *arguments: Path | str) -> Measured:
        case = f"{place.folder.name}/{job}"
        if case not in self._known and not self.run:
            raise NotMeasuredError(case)
        if case not in self._known:
            command = python(JOB, job.removesuffix("-sketches"), *arguments)
            found = best_of(self.sizes.times(place.rows), command, env={"SPIRITSAFE_HOME": str(self.work / "home")})
            self._known[case] = dataclasses.asdict(found)
            self._file.write_text(json.dumps(self._known, indent=1))
            print(
                f"{case}: {found.wall_s:.1f} s, {found.cpu_s:.1f} s of processor, {found.peak_gib:.2f} GiB", flush=True
            )
        return Measured(**self._known[case])


NAMES: Final = ("requests/s", "seconds", "processor s", "at most", "peak GiB")
SKETCHES: Final = tuple(f"from sketches: {name}" for name in NAMES)


def _figures(run: Measured | None, rows: int) -> list[str]:
    if run is None:
        return ["not measured", *["-"] * (len(NAMES) - 1)]
    at_most = rows / (run.cpu_s / WORKERS)
    return [
        f"{rows / run.wall_s:,.0f}",
        f"{run.wall_s:.1f}",
        f"{run.cpu_s:.1f}",
        f"{at_most:,.0f}",
        f"{run.peak_gib:.2f}",
    ]


def by_requests(bench: Bench) -> str:
    """The main table."""
    rows = []
    for requests in bench.sizes.requests:
        place = bench.world(requests, bench.sizes.at_accounts)
        whole, sketch = bench.tried(bench.scan, place), bench.tried(bench.sketch, place)
        short = bench.tried(bench.scan_sketches, place)
        sketched = "-" if sketch is None else f"{place.rows / sketch.wall_s:,.0f}"
        rows.append([f"{place.rows:,}", *_figures(whole, place.rows), sketched, *_figures(short, place.rows)])
    return table(["requests", *NAMES, "`sketch` requests/s", *SKETCHES], rows)


def linear(bench: Bench) -> str:
    """Time and work a request at each size, divided by those at the smallest."""
    rows: list[list[str]] = []
    for name, job in (("from Parquet", bench.scan), ("from sketches", bench.scan_sketches)):
        places = [bench.world(requests, bench.sizes.at_accounts) for requests in bench.sizes.requests]
        runs = [(place, bench.tried(job, place)) for place in places]
        costs = [None if run is None else (run.wall_s / place.rows, run.cpu_s / place.rows) for place, run in runs]
        first = costs[0]
        if first is not None:
            rows.append(
                [name, *["-" if c is None else f"{c[0] / first[0]:.2f} ({c[1] / first[1]:.2f})" for c in costs]]
            )
    return table(["a request, to the smallest", *[f"{requests:,}" for requests in bench.sizes.requests]], rows)


def by_accounts(bench: Bench) -> str:
    """The same number of requests of few and of many accounts."""
    rows = []
    for accounts in bench.sizes.accounts:
        place = bench.world(bench.sizes.first, accounts)
        whole, short = bench.tried(bench.scan, place), bench.tried(bench.scan_sketches, place)
        rows.append(
            [f"{place.accounts:,}", f"{place.rows:,}", *_figures(whole, place.rows), *_figures(short, place.rows)]
        )
    return table(["accounts", "requests", *NAMES, *SKETCHES], rows)


def beside_others(bench: Bench) -> str:
    """Ratios on the same file."""
    place = bench.world(bench.sizes.first, bench.sizes.at_accounts)
    scan = bench.scan(place)
    passes = "one DuckDB pass: by account, the largest value (of text: the sum of lengths) of every column"
    alike = "rensa: 3-word shingles, 128 permutations, LSH of 16 bands; which prompts have a near-duplicate"
    named = (("`spiritsafe scan`", scan), (passes, bench.floor(place)), (alike, bench.alike(place)))
    rows = [
        [name, *_figures(run, place.rows), f"{scan.wall_s / run.wall_s:.2f}", f"{scan.cpu_s / run.cpu_s:.2f}"]
        for name, run in named
    ]
    return table(["work", *NAMES, "scan : this, seconds", "scan : this, processor"], rows)


def popular_value(bench: Bench) -> str:
    """Honest accounts that all have one TLS fingerprint, and the same accounts with one each."""
    shared = bench.world(bench.sizes.one_client, bench.sizes.one_client_accounts, "one-ja3")
    rows = []
    first: list[float] = []
    for name, place in (("one each", own_client(bench.work, shared)), ("one for all", shared)):
        whole, short = bench.tried(bench.scan, place), bench.tried(bench.scan_sketches, place)
        costs = [run.cpu_s for run in (whole, short) if run is not None]
        first = first or costs
        ratio = ", ".join(f"{cost / base:.2f}" for cost, base in zip(costs, first, strict=False))
        accused = "-" if whole is None else whole.said["campaigns"]
        rows.append(
            [f"{place.accounts:,}", name, *_figures(whole, place.rows), *_figures(short, place.rows), ratio, accused]
        )
    return table(["accounts", "JA4", *NAMES, *SKETCHES, "processor, to the first", "groups accused"], rows)


def stages(bench: Bench) -> str:
    """Where a scan's time goes."""
    runs: list[tuple[str, Measured]] = []
    for requests in (bench.sizes.first, bench.sizes.requests[-1]):
        place = bench.world(requests, bench.sizes.at_accounts)
        for name, job in ((f"{place.rows:,}", bench.scan), (f"{place.rows:,} sketches", bench.scan_sketches)):
            run = bench.tried(job, place)
            runs += [] if run is None else [(name, run)]
    spans = [{stage: (wall, cpu) for stage, wall, cpu in run.said["stages"]} for _, run in runs]
    names = list(dict.fromkeys(stage for span in spans for stage in span))
    rows = [[name, *[_span(span.get(name)) for span in spans]] for name in names]
    rest = [run.wall_s - sum(w for w, _ in span.values()) for (_, run), span in zip(runs, spans, strict=True)]
    rows.append(["start and end of the process", *[f"{wall:.1f}" for wall in rest]])
    return table(["stage", *[name for name, _ in runs]], rows)


def _span(span: tuple[float, float] | None) -> str:
    return "" if span is None else f"{span[0]:.1f} ({span[1]:.1f})"


def goals(bench: Bench) -> str:
    """What was aimed at, and what was measured."""
    places = [bench.world(requests, bench.sizes.at_accounts) for requests in bench.sizes.requests]
    whole = [(place, run) for place in places if (run := bench.tried(bench.scan, place))]
    short = [(place, run) for place in places if (run := bench.tried(bench.scan_sketches, place))]
    peak = max((run.peak_gib, place.rows) for place, run in [*whole, *short])
    last, first = whole[-1], whole[0]
    wall, cpu = (
        (getattr(last[1], name) / last[0].rows) / (getattr(first[1], name) / first[0].rows) - 1
        for name in ("wall_s", "cpu_s")
    )
    rows = [
        [f"{GOAL_SCAN:,} requests/s from Parquet with prompts", _low_high(whole, GOAL_SCAN)],
        [f"{GOAL_SKETCHES:,} requests/s from sketches", _low_high(short, GOAL_SKETCHES)],
        [f"under {GOAL_GIB:.0f} GiB at 10 million requests", f"at most {peak[0]:.2f} GiB, at {peak[1]:,}"],
        [
            "time within 15 % of linear",
            f"{wall:+.0%} seconds, {cpu:+.0%} processor, {first[0].rows:,} to {last[0].rows:,}",
        ],
    ]
    return table(["goal", "measured"], rows)


def _low_high(runs: list[tuple[World, Measured]], goal: int) -> str:
    speeds = [place.rows / run.wall_s for place, run in runs]
    words = "reached" if min(speeds) >= goal else "reached at some sizes" if max(speeds) >= goal else "not reached"
    return f"{words}: {min(speeds):,.0f} to {max(speeds):,.0f}"


def page(bench: Bench) -> str:
    """All tables, and what they say about the goals."""
    place = bench.world(bench.sizes.first, bench.sizes.at_accounts)
    return PAGE.format(
        by_requests=by_requests(bench),
        linear=linear(bench),
        by_accounts=by_accounts(bench),
        others=beside_others(bench),
        popular=popular_value(bench),
        stages=stages(bench),
        goals=goals(bench),
        machine=machine(),
        load=bench.highest_load,
        median=place.median_chars,
        composed=place.composed_chars,
        runs=f"Runs of the smallest size are the best of {bench.sizes.repeats}, larger ones single."
        if bench.sizes.repeats > 1
        else "Runs are single.",
    )


def profile(bench: Bench, requests: int) -> str:
    """One scan, stage by stage."""
    found = bench.scan(bench.world(requests, bench.sizes.at_accounts))
    rows = [[stage, f"{wall:.2f}", f"{cpu:.2f}"] for stage, wall, cpu in found.said["stages"]]
    rows.append(["all, with start and end", f"{found.wall_s:.2f}", f"{found.cpu_s:.2f}"])
    return table(["stage", "seconds", "processor s"], rows)


@contextlib.contextmanager
def work_folder(chosen: Path | None) -> Iterator[Path]:
    """A folder that stays if it was asked for by name."""
    folder = chosen or Path(tempfile.mkdtemp(prefix="spiritsafe-speed-"))
    (folder / "home").mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if chosen is None:
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Write the page, or print it, or print a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", type=int, metavar="N")
    parser.add_argument("--work", type=Path, metavar="DIR")
    parser.add_argument("--measured", action="store_true")
    parser.add_argument("--repeats", type=int, default=3, help="Runs of each small case, of which the best counts.")
    chosen = parser.parse_args(arguments)
    sizes = QUICK if chosen.quick else Sizes(repeats=chosen.repeats)
    with work_folder(chosen.work) as work:
        bench = Bench(work, sizes, run=not chosen.measured)
        if chosen.profile:
            print(profile(bench, chosen.profile))
        elif chosen.quick:
            print(page(bench))
        else:
            Path(__file__).with_suffix(".md").write_text(page(bench), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
