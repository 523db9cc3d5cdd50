"""A log, read, checked and sketched, as one engine table.

Whatever the source was, what comes out is `sketches` rows with unique event ids, plus what was refused. Comes
from `events.sources`; goes on to `signals`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from spiritsafe.errors import InputError
from spiritsafe.events.model import QUARANTINE, REQUESTS
from spiritsafe.events.sources.storage import is_remote
from spiritsafe.files import check_file, staged_file
from spiritsafe.sketch.given import Made, look_at, made_by
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.sketch.repeats import first_of_each
from spiritsafe.sketch.table import ROW, SketchReport, SketchTask, write_sketches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine
    from spiritsafe.events.sources import Source

    Progress = Callable[[str, float, float], None]

_CODES_TOLD: Final = 5
_POOL_FROM_BYTES: Final = 4 << 20
"""A smaller log is sketched sooner than a second process has started."""


class NoRowsLeftError(InputError):
    """Every row was refused or lies outside the time asked for, or the log is empty."""

    code: ClassVar[str] = "sketch.empty"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was read. `present` counts, for each contract column, the rows that have a value.

    `quarantine` are the refused rows, `refused` their number by code.
    """

    requests: ir.Table
    quarantine: ir.Table
    refused: Counter[str]
    rows_kept: int
    first_us: int
    last_us: int
    present: Counter[str]
    made: Made

    @property
    def rows_refused(self) -> int:
        """Rows that were read and not kept."""
        return self.refused.total()

    @property
    def rows_read(self) -> int:
        """Rows kept and refused."""
        return self.rows_kept + self.rows_refused

    @property
    def observable(self) -> frozenset[str]:
        """Contract columns that have a value in any row."""
        return frozenset(name for name, count in self.present.items() if count)


def take_in(
    source: Source,
    engine: Engine,
    task: SketchTask,
    *,
    workers: int,
    until_us: int | None = None,
    progress: Progress | None = None,
) -> Intake:
    """Read a log, or sketches of one, into the engine.

    Parameters
    ----------
    source
        What `events.sources.open_source` returned.
    engine
        Where the rows go.
    task
        How to sketch; its `out` is a scratch folder.
    workers
        Processes.
    until_us
        Leave out what happened at or after this time (microseconds since 1970).
    progress
        Called with (stage, done, total).

    Returns
    -------
    The rows and their counts.

    Raises
    ------
    InputError
        A file is broken, of another schema, or the sketches do not fit together.
    NoRowsLeftError
        Nothing was left to look at.
    """
    are_sketches = source.format == "sketches"
    made = look_at(source, task.parameters.tactics) if are_sketches else made_by(task)
    if are_sketches and task.pseudonymiser is not None:
        made = replace(made, names=task.pseudonymiser.naming)
    if are_sketches and task.pseudonymiser is None and not any(is_remote(shard.url) for shard in source.shards):
        # As they lie: nothing needs to be done to any row.
        everything = engine.read(*sorted({shard.url for shard in source.shards}))
        quarantine = engine.table(QUARANTINE.arrow().empty_table(), "refused")
    else:
        everything, quarantine = _sketch(source, engine, task, workers=workers, progress=progress)
    requests = _before(everything, until_us)
    counts = _counts(requests, engine)
    if counts["event_ids"] < counts["rows"]:
        if ROW not in requests.columns:  # sketches as they lie
            requests = _before(_sketch(source, engine, task, workers=workers, progress=progress)[0], until_us)
        quote = task.options.keep_raw and not made.names.pseudonymised
        requests, again = first_of_each(requests, engine, source.shards, quote=quote)
        quarantine = quarantine.union(again)
        counts = _counts(requests, engine)
    refused = _by_code(quarantine, engine)
    if not counts["rows"]:
        raise _nothing_left(source, refused, _counts(everything, engine), until_us)
    return Intake(
        requests=requests,
        quarantine=quarantine,
        refused=refused,
        rows_kept=counts["rows"],
        first_us=counts["first_us"],
        last_us=counts["last_us"],
        present=Counter({name: counts[name] for name in REQUESTS.by_name if name in counts}),
        made=made,
    )


def _before(requests: ir.Table, until_us: int | None) -> ir.Table:
    if until_us is None:
        return requests
    import ibis

    return requests.filter(requests.time < ibis.timestamp(_iso(until_us)))


def _by_code(quarantine: ir.Table, engine: Engine) -> Counter[str]:
    found = engine.arrow(quarantine.group_by("code").agg(rows=quarantine.count())).to_pylist()
    return Counter({row["code"]: row["rows"] for row in found})


def _nothing_left(source: Source, refused: Counter[str], read: dict[str, int], until_us: int | None) -> NoRowsLeftError:
    """What became of the rows, since no file will say it."""
    codes = ", ".join(f"{rows:,} {code}" for code, rows in refused.most_common(_CODES_TOLD))
    told = f"{refused.total():,} rows were refused ({codes})" if refused else "no row was refused"
    if read["rows"] and until_us is not None:
        return NoRowsLeftError(
            f"no rows before {_iso(until_us)}: all {read['rows']:,} that can be used are from {_iso(read['first_us'])} "
            f"to {_iso(read['last_us'])}; {told}",
            hint="give a later --until, or leave it out",
        )
    if not refused:
        return _nothing_there(source)
    return NoRowsLeftError(
        f"no usable rows: {told}",
        hint="docs/reference/sources.md says what each code means; `spiritsafe doctor LOGS` says what the log holds",
    )


def _nothing_there(source: Source) -> NoRowsLeftError:
    """What to say of a log of which no row was kept and none refused: there was none."""
    if source.format == "sql":
        return NoRowsLeftError("the query gives no rows", hint="look at its WHERE, and at the log without --sql")
    if any(shard.format.endswith(":otlp") for shard in source.shards):
        return NoRowsLeftError(
            "no span or log record is an exchange with a model",
            hint="docs/reference/sources.md says which are; are these the traces of the gateway or the model server?",
        )
    return NoRowsLeftError(
        "the log has no rows", hint="is it the right file? `spiritsafe doctor LOGS` says what it was taken for"
    )


def _sketch(
    source: Source, engine: Engine, task: SketchTask, *, workers: int, progress: Progress | None
) -> tuple[ir.Table, ir.Table]:
    total = sum(shard.size_bytes for shard in source.shards)

    def tell(report: SketchReport) -> None:
        if progress is not None:
            progress("read and sketch", report.size_bytes, total)

    processes = workers if total >= _POOL_FROM_BYTES else 1
    write_sketches(source.shards, task, workers=processes, progress=tell)
    refused = sorted(task.out.glob("refused-*.parquet"))
    quarantine = engine.read(*refused) if refused else engine.table(QUARANTINE.arrow().empty_table(), "refused")
    return engine.read(*sorted(task.out.glob("part-*.parquet"))), quarantine


def _counts(requests: ir.Table, engine: Engine) -> dict[str, int]:
    """Rows, distinct event ids, first and last time, and for each column the rows with a value; in one pass."""
    have = [name for name in REQUESTS.by_name if name in requests.columns]
    counted = requests.agg(
        rows=requests.count(),
        event_ids=requests.event_id.nunique(),
        first=requests.time.min(),
        last=requests.time.max(),
        prompt=requests.prompt_hash.count(),
        system_prompt=requests.system_prompt_hash.count(),
        assistant_prefill=requests.assistant_prefill_hash.count(),
        **{name: requests[name].count() for name in have},
    )
    row = engine.arrow(counted).to_pylist()[0]
    first, last = row.pop("first"), row.pop("last")
    return {
        **row,
        "first_us": round(first.timestamp() * 1_000_000) if first else 0,
        "last_us": round(last.timestamp() * 1_000_000) if last else 0,
    }


def write_sketches_file(intake: Intake, engine: Engine, task: SketchTask, out: Path) -> None:
    """Write what was taken in as one tagged `sketches` file, ordered by time and event id, atomically.

    Refused rows go beside it, to `<out>.quarantine.parquet`, without their text.
    """
    schema = sketches_schema(task.parameters.tactics)
    rows = intake.requests.select(*schema.arrow().names).order_by(["time", "event_id"])
    with staged_file(out) as staged:
        engine.write(rows, staged, schema.tag, intake.made.metadata(task.parameters.tactics))
    refused = _refused_beside(out)
    refused.unlink(missing_ok=True)
    if intake.rows_refused:
        with staged_file(refused) as staged:
            engine.write(intake.quarantine.order_by(["source", "position", "code", "reason"]), staged, QUARANTINE.tag)


def check_sketches_file(out: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse, before the work, an `out` that is no sketches of ours, is read itself or cannot be written."""
    inputs = list(inputs)
    check_file(out, table="sketches", inputs=inputs)
    check_file(_refused_beside(out), table=QUARANTINE.name, inputs=inputs)


def _refused_beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.quarantine.parquet")


def _iso(time_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat()
