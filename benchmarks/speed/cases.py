"""Do the cases stay responsive when there are many, on SQLite and on PostgreSQL?

Fills the tables of the cases to a hundred thousand cases and ten million accounts, and times what a person waits for:
the list, the list of one state, whose account is this, a case with its history, a page of its accounts. Beside them
the floor (one row by its key) and the naive way (the list without an index). `--quick` does it small and prints.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sqlalchemy as sa

from benchmarks._page import frame, table
from spiritsafe.cases.lookups import count_by_state, find_case, history_of, list_cases, members_of
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.opening import open_cases
from spiritsafe.cases.scans import read_scan
from spiritsafe.cases.store import open_store
from spiritsafe.cases.tables import APPLIED, CASES, EVENTS, MEMBERS
from tests.cases.desk import Desk, Found, accounts
from tests.postgresql import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spiritsafe.cases.store import CaseStore

PAGE: Final = Path(__file__).with_suffix(".md")
SIZES: Final = ((1_000, 100_000), (100_000, 10_000_000))
QUICK: Final = ((100, 10_000),)
CALLS: Final = 200
GOAL_MS: Final = 50.0
BIG: Final = 25_000
_BATCH: Final = 1_000
_STATES: Final = tuple(CaseState)


def fill(store: CaseStore, begin: int, cases: int, members_a_case: int) -> None:
    """Add cases with their accounts and four lines of history each."""
    for at in range(begin, cases, _BATCH):
        numbers = range(at + 1, min(at + _BATCH, cases) + 1)
        with store.writing() as tables:
            tables.execute(sa.insert(CASES), [_case(number, members_a_case) for number in numbers])
            tables.execute(sa.insert(EVENTS), [_event(number, line) for number in numbers for line in range(4)])
            for first in range(0, len(numbers), 50):
                some = numbers[first : first + 50]
                tables.execute(
                    sa.insert(MEMBERS), [_member(number, one) for number in some for one in range(members_a_case)]
                )
    with store.writing() as tables:
        tables.execute(sa.update(APPLIED).values(origin="benchmark"))
        tables.execute(sa.text("ANALYZE"))


def _case(number: int, members: int) -> dict[str, Any]:
    return {
        "number": number, "case_id": f"01a22cfe-4834-7118-ba49-{number:012x}", "headline": "46 accounts act as one",
        "state": _STATES[0 if number % 10 else number // 10 % len(_STATES)].value, "opened_us": number,
        "changed_us": number * 7919 % 1_000_003, "as_of": number, "members": members, "unconfirmed": members,
        "cleared": 0, "exchanges": 1336, "open_appeals": 0, "owed": 0, "joined_to": 0,
    }  # fmt: skip


def _event(number: int, line: int) -> dict[str, Any]:
    return {
        "position": number * 4 + line, "number": number, "time_us": number, "what": "suspected → in_review",
        "who": "ada", "by": "person", "reason": "first look", "public_key": "", "took_part": False,
    }  # fmt: skip


def _member(number: int, one: int) -> dict[str, Any]:
    bits = dict.fromkeys(("content", "work", "timing", "infrastructure", "identity", "lifecycle"), 3.0)
    mixed = (number * 1_000_003 + one) * 0x9E3779B97F4A7C15 % (1 << 64)
    return {
        "number": number, "account_id": f"p1_{mixed:016x}{number:08x}{one:08x}", "probability": 0.99, "role": "core",
        "first_seen": "2026-08-19T00:00:00Z", "exchanges": 26, "organization_id": "", "joined_at": number,
        "found_at": number, "confirmed": False, "cleared": False,
        **{f"bits_{kind}": value for kind, value in bits.items()},
    }  # fmt: skip


def timed(store: CaseStore, ask: Callable[[sa.Connection, int], object], cases: int) -> tuple[float, float]:
    """Median and 95th percentile of a call, in milliseconds, a connection each, over cases drawn at random."""
    rng = np.random.default_rng(1)
    took = []
    for number in rng.integers(1, cases + 1, CALLS).tolist():
        begun = time.perf_counter()
        with store.reading() as tables:
            ask(tables, number)
        took.append(1000 * (time.perf_counter() - begun))
    return float(np.median(took)), float(np.percentile(took, 95))


def _naive(tables: sa.Connection, _number: int) -> object:
    """The first page of the list where nothing is sorted beforehand."""
    unsorted = sa.select(CASES).order_by((CASES.c.changed_us + 0).desc(), CASES.c.number.desc()).limit(50)
    return tables.execute(unsorted).all()


def asked() -> dict[str, Callable[[sa.Connection, int], object]]:
    """What is timed."""
    return {
        "the list, 50 cases, with the count of every state": lambda tables, _: (
            list_cases(tables), count_by_state(tables),
        ),
        "the list of one state": lambda tables, _: list_cases(tables, states=[CaseState.APPEALED]),
        "a page in the middle": lambda tables, number: list_cases(tables, before=(500_000, number)),
        "the cases of an account": lambda tables, number: list_cases(
            tables, account_id=_member(number, 5)["account_id"]
        ),
        "a case and its history": lambda tables, number: (
            find_case(tables, str(number)), history_of(tables, number),
        ),
        "a page of its accounts": lambda tables, number: members_of(tables, number, limit=50),
        "the floor: one row by its key": lambda tables, number: tables.execute(
            sa.select(CASES.c.state).where(CASES.c.number == number)
        ).all(),
        "the naive way: the list, unsorted": _naive,
    }  # fmt: skip


def measured(
    store: CaseStore, sizes: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, dict[str, tuple[float, float]]]]:
    """Every question at every size."""
    have = 0
    for cases, members in sizes:
        begun = time.perf_counter()
        fill(store, have, cases, members // cases)
        print(f"{store.where}: {cases:,} cases after {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        have = cases
        yield cases, {name: timed(store, ask, cases) for name, ask in asked().items()}


def told(folder: Path, url: str) -> tuple[float, float]:
    """Seconds in which a finding of many accounts is filed as a case, and told again from the ledger."""
    folder.mkdir()
    desk = Desk(folder, url)
    scan = read_scan(desk.scan(Found(accounts("acct", BIG), {("payment_fingerprint", "card"): 9.0})))
    begun = time.perf_counter()
    open_cases(desk.book, scan, desk.hide, log=None)
    filed = time.perf_counter()
    desk.book.rebuild()
    again = time.perf_counter()
    desk.close()
    return filed - begun, again - filed


def page_of(
    found: dict[str, dict[int, dict[str, tuple[float, float]]]],
    big: dict[str, tuple[float, float]],
    sizes: tuple[tuple[int, int], ...],
) -> str:
    """The page."""
    head = ["question", *(f"{kind}, {cases:,} cases" for kind in found for cases, _ in sizes)]
    rows = [
        [name, *(f"{at[cases][name][0]:.2f} ({at[cases][name][1]:.2f})" for at in found.values() for cases, _ in sizes)]
        for name in asked()
    ]
    return PAGE_TEXT.format(
        frame=frame("benchmarks.speed.cases"), goal=GOAL_MS, cases=sizes[-1][0], members=sizes[-1][1], calls=CALLS,
        table=table(head, rows), big=BIG,
        told="; ".join(f"{kind}: {filed:.1f} s and {again:.1f} s" for kind, (filed, again) in big.items()),
    )  # fmt: skip


PAGE_TEXT: Final = """# The speed of the cases

Do the cases stay responsive when there are many, on SQLite and on PostgreSQL?

{frame}
Goal: a listing under {goal:.0f} ms among {cases:,} cases with {members:,} accounts, on both.

{table}
Milliseconds, the median of {calls} calls and in brackets their 95th percentile, each in a transaction of its own and
with objects made of the rows. One process asks. PostgreSQL is Debian 12's, with its defaults but for `fsync`, on a
Unix socket of the same machine. The tables were filled directly.

A finding of {big:,} accounts, as many as the largest campaign that was reported in public had, is filed as a case (each
account committed to, encrypted under a key of its own, and told), and then told again from the ledger: {told}.
"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.cases", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small tables; the page is printed, not written")
    args = parser.parse_args(argv)
    sizes = QUICK if args.quick else SIZES
    found, big = {}, {}
    with tempfile.TemporaryDirectory() as scratch, postgresql() as cluster:
        for kind, url in (("SQLite", ""), ("PostgreSQL", cluster.new_database())):
            store = open_store(Path(scratch), url)
            found[kind] = dict(measured(store, sizes))
            store.close()
            big[kind] = told(Path(scratch) / kind, cluster.new_database() if url else "")
    page = page_of(found, big, sizes)
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
