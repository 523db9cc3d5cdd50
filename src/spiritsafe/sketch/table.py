"""A whole log to sketches, on all cores: shards in, Parquet parts out.

Each worker process reads its shards, refuses broken rows, replaces names by pseudonyms where asked, computes
the sketch and writes one part a shard. No text leaves the worker. Comes from `events.sources`; goes on to
`signals`, through the engine that reads the parts.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import threading
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spiritsafe.errors import EnvironmentFault
from spiritsafe.events.beside import quarantine_table
from spiritsafe.events.model import REQUESTS, Rejected, Shard
from spiritsafe.events.sources import ReadOptions, read_shard
from spiritsafe.files import tagged
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.sketch.parameters import SketchParameters
from spiritsafe.sketch.texts import TextSketcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from spiritsafe.events.identity import Pseudonymiser

ROW: Final = "_row"
"""Shard number times 2**32 plus the row's place in it: which of two rows with one id came first."""
POSITION: Final = "_position"
"""Where the row stands in its file, as in the quarantine: row, line or message number."""


class WorkerKilledError(EnvironmentFault):
    """A process that read and sketched was killed: most often by the system, for want of memory."""

    code = "sketch.worker"


@dataclass(frozen=True, slots=True)
class SketchTask:
    """What every worker needs to know. Picklable."""

    options: ReadOptions
    parameters: SketchParameters
    out: Path
    pseudonymiser: Pseudonymiser | None = None


@dataclass(slots=True)
class SketchReport:
    """What was read and what was refused, added up over shards."""

    rows_read: int = 0
    rows_kept: int = 0
    size_bytes: int = 0
    first_us: int | None = None
    last_us: int | None = None
    refused: Counter[str] = field(default_factory=Counter)
    present: Counter[str] = field(default_factory=Counter)

    def add(self, other: SketchReport) -> None:
        """Add another shard's numbers to these."""
        self.rows_read += other.rows_read
        self.rows_kept += other.rows_kept
        self.size_bytes += other.size_bytes
        self.first_us = min((t for t in (self.first_us, other.first_us) if t is not None), default=None)
        self.last_us = max((t for t in (self.last_us, other.last_us) if t is not None), default=None)
        self.refused += other.refused
        self.present += other.present


def write_sketches(
    shards: Sequence[Shard],
    task: SketchTask,
    *,
    workers: int,
    progress: Callable[[SketchReport], None] | None = None,
) -> SketchReport:
    """Sketch every shard into `task.out/part-*.parquet` and `task.out/refused-*.parquet`.

    Parameters
    ----------
    shards
        What to read.
    task
        How to read and sketch it, and where to write.
    workers
        Processes; 1 works in this process.
    progress
        Called after each shard with the numbers so far.

    Returns
    -------
    The numbers of all shards together.

    Raises
    ------
    InputError
        A file turned out to be broken (truncated, say) while it was read. The caller discards `task.out`.
    WorkerKilledError
        A worker process was killed.
    """
    total = SketchReport()

    def done(report: SketchReport) -> None:
        total.add(report)
        if progress is not None:
            progress(total)

    task.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if min(workers, len(shards)) <= 1:
        for number, shard in enumerate(shards):
            done(_sketch_shard(number, shard, task))
        return total
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        min(workers, len(shards)), mp_context=multiprocessing.get_context("spawn"), initializer=_begin_work
    )
    try:
        waiting: set[Future[SketchReport]] = set()
        for number, shard in enumerate(shards):
            waiting.add(_hand_out(pool, number, shard, task))
            if len(waiting) >= 4 * workers:
                waiting = _collect(waiting, done)
        while waiting:
            waiting = _collect(waiting, done)
    except BrokenProcessPool as error:
        # A worker that was just starting when the pool broke is missed by the pool, which then waits for it for ever.
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        raise WorkerKilledError(
            "a process that read the log was killed, most likely because memory ran out",
            hint="lower --workers or free memory, then run it again",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return total


def _hand_out(pool: ProcessPoolExecutor, number: int, shard: Shard, task: SketchTask) -> Future[SketchReport]:
    """Give a shard to the pool, which may start a worker for it."""
    try:
        return pool.submit(_sketch_shard, number, shard, task)
    except (OSError, ValueError) as error:
        # No memory for another worker, or the pool broke while this one was started: the descriptors it is to be given
        # are closed (OSError), or already another's, so that one stands twice in the list of them (ValueError).
        raise BrokenProcessPool(str(error)) from error


def _begin_work() -> None:
    """Make a new worker ready."""
    # A batch makes a hundred thousand short lists and no cycle: looking for cycles costs a tenth of the time.
    gc.set_threshold(1_000_000, 20, 20)
    leave_with_parent()


def leave_with_parent() -> None:
    """In a worker: end when the parent does. One that was killed closes no pool, and its workers would wait for
    work for ever, raw rows in memory."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _collect(waiting: set[Future[SketchReport]], done: Callable[[SketchReport], None]) -> set[Future[SketchReport]]:
    finished, left = wait(waiting, return_when=FIRST_COMPLETED)
    for future in finished:
        done(future.result())
    return left


@functools.lru_cache(maxsize=1)
def _sketcher(parameters: SketchParameters) -> TextSketcher:
    """One sketcher a process: the words it has seen in one shard serve the next."""
    return TextSketcher(parameters)


def _sketch_shard(number: int, shard: Shard, task: SketchTask) -> SketchReport:
    report = SketchReport(size_bytes=shard.size_bytes)
    sketcher = _sketcher(task.parameters)
    schema = part_schema(task.parameters)
    refused: list[Rejected] = []
    part = task.out / f"part-{number:06d}.parquet"
    with pq.ParquetWriter(part, schema, compression="lz4", use_dictionary=_repeated(schema)) as writer:
        for batch in read_shard(shard, task.options):
            rows = batch.table
            report.rows_read += rows.num_rows + len(batch.rejected)
            refused += batch.rejected
            report.refused.update(one.code for one in batch.rejected)
            if not rows.num_rows:
                continue
            _count(rows, report)
            if task.pseudonymiser is not None:
                rows = task.pseudonymiser.batch(rows)
            first_row = (number << 32) + report.rows_kept
            sketched = sketch_batch(rows, sketcher, schema, first_row=first_row, positions=batch.positions)
            report.rows_kept += rows.num_rows
            writer.write_batch(sketched)
    if refused:
        pq.write_table(quarantine_table(refused), task.out / f"refused-{number:06d}.parquet")
    return report


def _repeated(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: texts that come back. Hashes do not, and looking for it takes most of the time
    of writing."""
    return [f.name for f in schema if pa.types.is_string(f.type) and f.name != "event_id"]


def part_schema(parameters: SketchParameters) -> pa.Schema:
    """The Arrow schema of a part: `sketches` and the internal row number and position, tagged."""
    sketches = sketches_schema(parameters.tactics)
    numbered = sketches.arrow().append(pa.field(ROW, pa.int64())).append(pa.field(POSITION, pa.int64()))
    return tagged(numbered, sketches.tag, parameters.metadata())


def sketch_batch(
    rows: pa.RecordBatch,
    sketcher: TextSketcher,
    schema: pa.Schema,
    *,
    first_row: int,
    positions: NDArray[np.int64] | None = None,
) -> pa.RecordBatch:
    """One batch of `requests` to one batch of `sketches`; equal prompts are computed once.

    Columns that the source does not have are null in every row; what is sketches already passes as it is.
    `positions` say where the rows stand in their file; None counts from 0.
    """
    computed: dict[str, pa.Array] = {}
    have = set(rows.schema.names)
    if "prompt" in have:
        distinct = rows["prompt"].dictionary_encode()
        computed = sketcher.sketch(distinct.dictionary.to_pylist()).take(distinct.indices)
    for name in have & {"system_prompt", "assistant_prefill"}:
        distinct = rows[name].dictionary_encode()
        hashes = sketcher.whole_hashes(distinct.dictionary.to_pylist())
        computed[f"{name}_hash"] = hashes.take(distinct.indices)
    computed[ROW] = pa.array(range(first_row, first_row + rows.num_rows), pa.int64())
    computed[POSITION] = pa.array(range(rows.num_rows) if positions is None else positions, pa.int64())
    columns = [
        computed[name] if name in computed else _column(rows, name, schema.field(name).type, name in have)
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(rows: pa.RecordBatch, name: str, type_: pa.DataType, present: bool) -> pa.Array:
    return rows[name].cast(type_) if present else pa.nulls(rows.num_rows, type_)


def _count(rows: pa.RecordBatch, report: SketchReport) -> None:
    for name in rows.schema.names:
        if name in REQUESTS.by_name:
            report.present[name] += rows.num_rows - rows[name].null_count
    times = pc.min_max(rows["time"].cast(pa.int64())).as_py()
    report.first_us = times["min"] if report.first_us is None else min(report.first_us, times["min"])
    report.last_us = times["max"] if report.last_us is None else max(report.last_us, times["max"])
