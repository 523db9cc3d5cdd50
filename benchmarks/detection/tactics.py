"""How often is each tactic met in public prompts: of ordinary people, in lists that distillers use, and in attacks?

A tactic's words are evidence of nothing by themselves, and this says how little: what a tactic finds in honest people's
prompts, source by source, beside what it finds where it should. And what the request path costs.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import shared
from spiritsafe.signals import OnlineTactics, installed_tactics
from spiritsafe.signals.tactics import TACTIC_THRESHOLD
from spiritsafe.stats import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE: Final = Path(__file__).with_suffix(".md")
SMALLEST_SOURCE: Final = 100
REMEMBERED: Final = 50_000


def hits(prompts: pa.Table) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], Counter[str]]]:
    """Prompts of each (class, source), and how many of them show each tactic."""
    seen = OnlineTactics()
    total: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in prompts.to_pylist():
        where = (row["cls"], row["source"])
        total[where] += 1
        shown = [name for name, score in seen.scores(row["prompt"]).items() if score >= TACTIC_THRESHOLD]
        found.setdefault(where, Counter()).update(shown)
    return total, found


def share(count: int, of: int) -> str:
    found = wilson(count, of)
    return f"{count / of:.1%} ({found.low:.1%} to {found.high:.1%})" if count else f"0 (to {found.high:.1%})"


def by_class(total: Counter[tuple[str, str]], found: dict[tuple[str, str], Counter[str]]) -> str:
    classes = sorted({cls for cls, _ in total})
    rows = []
    for tactic in installed_tactics():
        name = tactic.text.name
        cells = []
        for cls in classes:
            mine = [where for where in total if where[0] == cls]
            cells.append(share(sum(found[where][name] for where in mine), sum(total[where] for where in mine)))
        rows.append([name, *cells])
    head = ["tactic", *[f"{cls} ({sum(n for (c, _), n in total.items() if c == cls):,})" for cls in classes]]
    return table(head, rows)


def widest(total: Counter[tuple[str, str]], found: dict[tuple[str, str], Counter[str]]) -> str:
    """Of each tactic the honest source in which it is met most, and the one in which least."""
    honest = [where for where, count in total.items() if where[0].startswith("benign") and count >= SMALLEST_SOURCE]
    rows = []
    for tactic in installed_tactics():
        name = tactic.text.name
        ranked = sorted(honest, key=lambda where: found[where][name] / total[where])
        told = [f"{where[1]} {found[where][name] / total[where]:.1%}" for where in (ranked[0], ranked[-1])]
        rows.append([name, *told])
    return table(["tactic", "least, of honest sources", "most"], rows)


def cost(prompts: Sequence[str]) -> tuple[float, float]:
    """Microseconds a request, and bytes a remembered prompt."""
    requests = [{"account_id": f"a{n % 977}", "prompt": text, "model": "m"} for n, text in enumerate(prompts)]
    seen = OnlineTactics()
    for request in requests[:500]:
        seen.observe(request)
    began = time.perf_counter()
    for request in requests:
        seen.observe(request)
    each_us = (time.perf_counter() - began) / len(requests) * 1e6
    numbered = [{"account_id": f"a{n % 977}", "prompt": f"question {n}", "model": "m"} for n in range(REMEMBERED)]
    tracemalloc.start()
    seen = OnlineTactics()
    for request in numbered:
        seen.observe(request)
    held = tracemalloc.get_traced_memory()[0] / REMEMBERED
    tracemalloc.stop()
    return each_us, held


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.tactics", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few prompts of each set; the page is not written")
    args = parser.parse_args(argv)
    folder = shared("prompts")
    if folder is None:
        sys.stderr.write("the public prompt sets are not here: set SPIRITSAFE_SHARED_DATA to their folder\n")
        return 5
    files = sorted(folder.glob("*.parquet"))
    tables = [pq.read_table(file, columns=["cls", "source", "prompt"]) for file in files]
    prompts = pa.concat_tables([one.slice(0, 500) for one in tables] if args.quick else tables)
    total, found = hits(prompts)
    each_us, held = cost(prompts["prompt"].to_pylist()[:20_000])
    page = [
        "# Tactics in public prompts\n\nHow often does each tactic's wording turn up, and where?\n\n"
        + frame("benchmarks.detection.tactics"),
        "Public prompt sets, classes as their sources have them: `benign` are people's questions, `distill` lists that "
        "are used to train models (Alpaca, GSM8K, code sets and the like), the others attacks of several kinds. The "
        "patterns were written from the public reports, not from these sets, and not changed after this was run. "
        "Settings (log-probabilities, many choices) and repetitions cannot be seen in a list of prompts and are not in "
        "these figures. Intervals: Wilson, 95 %.\n",
        "## By class\n\n" + by_class(total, found),
        f"## The same tactic among honest people\n\nSources of {SMALLEST_SOURCE} prompts or more.\n\n"
        + widest(total, found),
        "Hardly any prompt of honest people shows a tactic, and the lists that models are trained on show them no "
        "more: what shows is the template that a distiller puts around such a list, and no public set has those. Known "
        "attacks are mostly missed, since the patterns are narrow. A tactic therefore supports extraction only at a "
        "fifth of a group's exchanges and twice the share of the rest of the same log, and coordination never.\n",
        f"## The request path\n\n{each_us:.0f} µs a request on the first 20,000 prompts (all tactics, repetitions "
        f"remembered), {held:.0f} bytes a remembered prompt.\n",
    ]
    if not args.quick:
        PAGE.write_text("\n".join(page), encoding="utf-8")
    sys.stdout.write("\n".join(page))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
