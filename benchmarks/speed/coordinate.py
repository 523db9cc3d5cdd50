"""How long does `spiritsafe coordinate` take, in how much memory, and how do both grow?

Acts of ten a actor on objects whose popularity falls off steeply, so that the most popular object grows with the table.
Beside it, the plain way: every pair of actors that share an object, counted by DuckDB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._page import table
from benchmarks.speed._measure import Measured, RunError, machine, measure

PAGE: Final = Path(__file__).with_suffix(".md")
SIZES: Final = (100_000, 300_000, 1_000_000)
LIMIT_S: Final = 300.0
NAIVE: Final = """
import sys, duckdb
duckdb.sql("SET memory_limit = '3GiB'; SET threads = 2")
acts = f"'{sys.argv[1]}'"
pairs = duckdb.sql(
    f"SELECT count(*) FROM (SELECT a.actor AS one, b.actor AS other, count(*) AS shared FROM {acts} a JOIN {acts} b "
    "ON a.object = b.object AND a.actor < b.actor GROUP BY 1, 2)"
).fetchall()[0][0]
print('{"pairs": %d}' % pairs)
"""


def acts(count: int) -> pa.Table:
    """`count` acts over 30 days, by a tenth as many actors on a twentieth as many objects."""
    random = np.random.default_rng(1)
    start_us = 1_700_000_000_000_000
    return pa.table(
        {
            "actor": random.integers(0, count // 10, count),
            "object": (count // 20 * random.random(count) ** 2.5).astype(np.int64) + 1_000_000_000,
            "time": pa.array(start_us + random.integers(0, 30 * 86_400_000_000, count)).cast(
                pa.timestamp("us", tz="UTC")
            ),
        }
    )


def measured(count: int, folder: Path) -> tuple[list[str], list[str]]:
    """A row of ours and one of the plain way."""
    path = folder / "acts.parquet"
    written = acts(count)
    pq.write_table(written, path)
    popular = int(np.bincount(written["object"].to_numpy() - 1_000_000_000).max())
    ours = measure(
        [
            str(Path(sys.executable).with_name("spiritsafe")), "coordinate", str(path), "--actor", "actor",
            "--object", "object", "--time", "time", "--out", str(folder / "out"), "--json",
        ],
        env={"SPIRITSAFE_HOME": str(folder / "home")},
    )  # fmt: skip
    head = [f"{count:,}", f"{popular:,}"]
    rows = [[*head, "`coordinate`", *_told(ours, count), f"{ours.said['pairs_tied']:,}"]]
    try:
        plain = measure([sys.executable, "-c", NAIVE, str(path)], limit_s=LIMIT_S)
        rows.append([*head, "every pair", *_told(plain, count), f"{plain.said['pairs']:,}"])
    except RunError as error:
        rows.append([*head, "every pair", str(error).splitlines()[-1][:80], "-", "-", "-", "-"])
    return rows[0], rows[1]


def _told(run: Measured, count: int) -> list[str]:
    return [f"{run.wall_s:.1f}", f"{run.cpu_s:.1f}", f"{count / run.cpu_s:,.0f}", f"{run.peak_gib:.2f}"]


def main(arguments: list[str]) -> int:
    """Measure and write the page; `--quick` measures a small table and writes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        for count in (20_000,) if options.quick else SIZES:
            rows += measured(count, Path(name))
    head = ["acts", "most on one object", "way", "seconds", "processor s", "acts a processor s", "peak GiB", "pairs"]
    told = table(head, rows)
    if options.quick:
        print(told)
        return 0
    parts = [
        f"# The speed of `coordinate`\n\n{(__doc__ or '').splitlines()[0]}\n",
        f"```\n.venv/bin/python -m benchmarks.speed.coordinate\n```\n\n{machine()}\n",
        told,
        "Ties grow with acts (eight each), pairs of all who share an object with the square of its holders. Single\n"
        "runs. Memory is what limits `coordinate`: its ties are held at once.\n",
    ]
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
