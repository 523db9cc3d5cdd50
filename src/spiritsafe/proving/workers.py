"""Word a large world in several processes, in order.

Workers are forked, so that the plan is shared and not copied; they touch nothing but plain Python and numpy. A
small world is worded in this process. Comes from `rows`; goes on to `write`.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault
from spiritsafe.proving.rows import BATCH_ROWS, say_rows
from spiritsafe.sketch.table import leave_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from spiritsafe.proving.rows import Plan, Said

_WORTH_FORKING_ROWS: Final = 3 * BATCH_ROWS
# What forked workers see of the plan; set before the fork, cleared after.
_shared: list[Plan] = []


class WorkerKilledError(EnvironmentFault):
    """A process that worded a world was killed: most often by the system, for want of memory."""

    code = "proving.worker"


def _say(bounds: tuple[int, int]) -> Said:
    return say_rows(_shared[0], *bounds)


def said_in_order(plan: Plan, workers: int) -> Iterator[tuple[int, Said]]:
    """Every batch of a plan: its first row, and its words."""
    bounds = [(first, min(len(plan), first + BATCH_ROWS)) for first in range(0, max(1, len(plan)), BATCH_ROWS)]
    if workers < 2 or len(plan) < _WORTH_FORKING_ROWS:
        for first, last in bounds:
            yield first, say_rows(plan, first, last)
        return
    _shared.append(plan)
    try:
        # A `multiprocessing.Pool` would wait for ever for what a killed worker was to say.
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=fork, initializer=leave_with_parent) as pool:
            waiting: deque[tuple[int, Future[Said]]] = deque()
            for at in bounds:
                waiting.append((at[0], pool.submit(_say, at)))
                # No more than two batches a worker ahead of the writer: memory stays flat.
                if len(waiting) > 2 * workers:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
    except BrokenProcessPool as error:
        raise WorkerKilledError(
            "a process that worded prompts was killed, most likely because memory ran out",
            hint="free memory, or compose a smaller world",
        ) from error
    finally:
        _shared.clear()
