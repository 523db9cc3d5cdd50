"""How fast does the ledger file and prove, and does either get worse with size?

Files records in batches, each on disk before the next, into a ledger of growing size, and proves entries of it; beside
them the floor (the same rows put into SQLite and nothing else) and the naive way (the path computed from all leaves).
`--quick` does it on a small ledger and prints the page.
"""

from __future__ import annotations

import argparse
import functools
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks._page import frame, table
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.merkle import hash_children, hash_leaf
from spiritsafe.evidence.records import Record
from spiritsafe.keys import FileKeys, ensure_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spiritsafe.evidence.disclosures import Json

SIZES: Final = (10_000, 100_000, 1_000_000)
BATCH: Final = 1_000
PROOFS: Final = 300
GOAL_APPENDS: Final = 5_000
GOAL_PROOF_MS: Final = 10.0


def records(count: int) -> list[Record]:
    """Decisions of the usual size."""
    fields: dict[str, Json] = {
        "by": "rule", "name": "triage 3", "before": "suspected", "after": "in_review", "as_of": 7, "reason": "q low",
    }  # fmt: skip
    return [Record("case_move/1", fields, case_id=f"case-{number % 97}") for number in range(count)]


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def fill(ledger: Ledger, size: int) -> float:
    """File up to `size` records; how many a second."""
    have = ledger.size
    batches = [records(min(BATCH, size - at)) for at in range(have, size, BATCH)]
    took = seconds(lambda: [ledger.append(batch) for batch in batches])
    return (size - have) / took


def single(ledger: Ledger) -> float:
    """Records filed one by one a second, each on disk before the next."""
    some = records(300)
    return len(some) / seconds(lambda: [ledger.append([one]) for one in some])


def floor(folder: Path, bodies: Sequence[bytes]) -> float:
    """Rows a second that SQLite takes in the same batches, as durably, and nothing else."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (position INTEGER PRIMARY KEY, body BLOB)")

    def put() -> None:
        for begin in range(0, len(bodies), BATCH):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(body,) for body in bodies[begin : begin + BATCH]]
            connection.executemany("INSERT INTO entries (body) VALUES (?)", rows)
            connection.execute("COMMIT")

    found = len(bodies) / seconds(put)
    connection.close()
    return found


def proofs_ms(ledger: Ledger, size: int) -> list[float]:
    """How long single proofs take, at random places."""
    draw = random.Random(1)
    return [1e3 * seconds(functools.partial(ledger.prove, draw.randrange(size))) for _ in range(PROOFS)]


def naive_ms(ledger: Ledger) -> float:
    """The path of one entry, computed from every entry of the log."""

    def path() -> None:
        level = [hash_leaf(entry.body) for entry in ledger.entries()]
        while len(level) > 1:
            pairs = [hash_children(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            level = [*pairs, *level[len(level) & ~1 :]]

    return 1e3 * seconds(path)


def page(folder: Path, sizes: Sequence[int]) -> str:
    keys = FileKeys(folder / "keys")
    ensure_key(keys, "ledger")
    ledger = Ledger(folder / "ledger", keys, origin="example.com/benchmark")
    rows = []
    for size in sizes:
        rate = fill(ledger, size)
        alone = single(ledger)
        ledger.checkpoint()
        took = proofs_ms(ledger, size)
        bytes_each = sum(path.stat().st_size for path in ledger.folder.iterdir()) / ledger.size
        speeds = [f"{size:,}", f"{rate:,.0f}", f"{alone:,.0f}"]
        rows.append([*speeds, f"{np.median(took):.2f}", f"{max(took):.2f}", f"{bytes_each:,.0f}"])
    bodies = [entry.body for entry in ledger.entries()][: 100 * BATCH]
    bare = floor(folder, bodies)
    naive = naive_ms(ledger)
    head = ["entries", "records/s, batches of 1,000", "one by one", "a proof, ms", "slowest of 300", "bytes each"]
    return "\n".join(
        [
            f"Goals: {GOAL_APPENDS:,} durable records a second in batches, and a proof from a million entries in",
            f"{GOAL_PROOF_MS:g} ms.",
            "",
            table(head, rows),
            f"The floor: SQLite alone takes {bare:,.0f} of the same rows a second in the same batches. The naive",
            f"way: the path of one entry, hashed from all entries, takes {naive:,.0f} ms at the largest size.",
            "",
            "A record here is a case's move: two sealed fields, so two salts, two digests, a leaf and its share of the",
            "tree. Runs are single; a batch is on disk (`synchronous = FULL`) before the next. How fast the disk",
            "flushes decides how many are filed one by one, and is not ours.",
        ]
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="spiritsafe-ledger-") as name:
        body = page(Path(name), (1_000, 3_000) if given.quick else SIZES)
    question = "How fast does the ledger file and prove, and does either get worse with size?"
    text = f"# The speed of the ledger\n\n{question}\n\n{frame('benchmarks.speed.ledger')}\n{body}\n"
    if given.quick:
        print(text)
    else:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
