"""What does a run of a playbook cost, and how does it grow?

Goes round a loop of one automatic step, so that nothing is measured but the run itself: telling, filing, going on.
Beside it the floor, the same records appended without a run, and the naive way, the run told from its beginning at each
step. Then what a person waits for among many runs: the list, one by the end of its id, those that may go on. `--quick`
does it small and prints.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks._page import frame, table
from spiritsafe.evidence.records import Record, new_id
from spiritsafe.playbooks.orders import Reach, Result
from spiritsafe.playbooks.runs import told
from tests.cases.desk import Desk
from tests.cases.runs import MANUAL, RunDesk, line, step
from tests.playbooks.made import step_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.playbooks.orders import Order

PAGE: Final = Path(__file__).with_suffix(".md")
ROUNDS: Final = (10, 100, 900)
RUNS: Final = (100, 10_000)
_COUNT: Final = {"__n__": {"type": "integer", "value": "0"}}


class Counter:
    """An executor that does nothing but count."""

    api_version = 1
    touches: Any = "nothing"

    def check(self, *_given: Any) -> None:
        """Everything may be counted."""

    def reach(self, *_given: Any) -> Reach:
        return Reach()

    def execute(self, order: Order, _home: Any) -> Result:
        return Result("done", "counted", {"__n__": str(int(order.command["value"]) + 1)})

    def undo(self, *_given: Any, **_more: Any) -> str:
        return ""


def loop(rounds: int) -> dict[str, Any]:
    """A playbook that goes round."""
    document = line(step({"type": "count", "value": "__n__:value"}, out_args=["__n__"]), variables=dict(_COUNT))
    action, start = step_id("action", "one"), step_id("start", "line")
    again, end = step_id("while-condition", "again"), step_id("end", "round")
    document["workflow"][start]["on_completion"] = again
    document["workflow"][action]["on_completion"] = end
    document["workflow"][end] = {"type": "end"}
    document["workflow"][again] = {
        "type": "while-condition", "condition": f"__n__:value < {rounds}", "on_true": action,
        "on_completion": step_id("end", "line"),
    }  # fmt: skip
    return document


def run_costs(desk: Desk, rounds: tuple[int, ...]) -> list[tuple[str, ...]]:
    """A step's cost in runs of several lengths, against the floor and the naive way."""
    runs = RunDesk(desk, executors={"count": Counter()})
    rows: list[tuple[str, ...]] = []
    for count in rounds:
        began = time.perf_counter()
        run = runs.start(loop(count))
        took = time.perf_counter() - began
        assert run.status == "succeeded"
        records = len(desk.ledger.records_of_run(run.run_id))
        floor = timed(functools.partial(_append, desk, run.run_id), 50) * records / count
        whole = desk.ledger.records_of_run(run.run_id)
        naive = timed(functools.partial(told, whole, run.playbook, runs.persons), 3) / 2
        rows.append(
            (f"{count:,}", f"{1000 * took / count:.1f}", f"{1000 * floor:.1f}", f"{1000 * (took / count + naive):.1f}")
        )
    return rows


def list_costs(desk: Desk, sizes: tuple[int, ...]) -> list[tuple[str, ...]]:
    """What a person waits for among many runs."""
    runs = RunDesk(desk, executors={"count": Counter()})
    first = runs.start(line(step(MANUAL)))
    rows: list[tuple[str, ...]] = []
    there = len(runs.journal.lines())
    for size in sizes:
        for at in range(there, size, 500):
            desk.ledger.append([_started(first) for _ in range(min(500, size - at))])
        there = size
        rows.append((
            f"{size:,}",
            f"{1000 * timed(lambda: runs.journal.lines(limit=50), 5):.0f}",
            f"{1000 * timed(lambda: runs.journal.find(first.run_id[-8:]), 5):.0f}",
            f"{1000 * timed(runs.journal.unfinished, 5):.0f}",
            f"{1000 * timed(lambda: runs.journal.read(first.run_id), 5):.1f}",
        ))  # fmt: skip
    return rows


def timed(call: Callable[[], object], times: int) -> float:
    """The fastest of some calls, in seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return min(took)


def _append(desk: Desk, run_id: str) -> None:
    fields = {"by": "program", "name": "b", "run": f"x{run_id}", "step": "s", "state": "done", "title": "t"}
    desk.ledger.append([Record("playbook_step/1", fields)])


def _started(run: Any) -> Record:
    fields = {
        "by": "program", "name": "b", "playbook": run.playbook.playbook_id, "playbook_sha256": run.playbook.sha256,
        "run": str(uuid.uuid4()), "state": "started", "interpreter": "b", "title": "a line", "reason": "many",
    }  # fmt: skip
    return Record("playbook_run/1", fields, record_id=new_id())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.playbooks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and runs; the page is printed, not written")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        desk = Desk(Path(scratch), "")
        steps = run_costs(desk, ROUNDS[:2] if args.quick else ROUNDS)
        lists = list_costs(desk, RUNS[:1] if args.quick else RUNS)
        desk.close()
    page = (
        "# The speed of playbooks\n\nWhat does a run of a playbook cost, and how does it grow?\n\n"
        f"{frame('benchmarks.speed.playbooks')}\n"
        "A step of a loop, in milliseconds: with the run (told on from where it was, two records filed, each on disk "
        "before "
        "the next thing is done); the floor, those records appended alone; and the naive way, the run told from its "
        "beginning "
        "at each step. A run begins by checking its playbook, which is in the first row.\n\n"
        + table(("steps in the run", "a step", "the floor", "the naive way"), steps)
        + "\nWhat a person waits for among many runs, in milliseconds, the fastest of five:\n\n"
        + table(("runs", "the list (50)", "one, by its id's end", "those that may go on", "one, told whole"), lists)
        + "\nSQLite on the machine's disk; one process. Not in it: starting the command (about a second), receivers, "
        "and persons.\n"
    )
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
