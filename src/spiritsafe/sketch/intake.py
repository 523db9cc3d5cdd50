"""A log, read, checked and sketched, as one engine table.

Whatever the source was, what comes out is `sketches` rows with unique event ids, plus the count of what was
read and refused. Comes from `events.sources`; goes on to `signals`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spiritsafe.errors import InputError
from spiritsafe.events.model import QUARANTINE, REQUESTS
from spiritsafe.files import check_file, check_tag, staged_file, write_parquet
from spiritsafe.sketch.model import sketches_schema, tactic_column
from spiritsafe.sketch.table import ROW, SketchReport, SketchTask, write_sketches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine
    from spiritsafe.events.sources import Source

    Progress = Callable[[str, float, float], None]

_KEY_ID: Final = b"spiritsafe.sketch.key_id"
_UNKNOWN_POSITION: Final = -1
_POOL_FROM_BYTES: Final = 4 << 20
"""A smaller log is sketched sooner than a second process has started."""


class SketchesDifferError(InputError):
    """Sketch files were made with other keys or parameters, so their numbers cannot be compared."""

    code: ClassVar[str] = "sketch.parameters"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was read. `present` counts, for each contract column, the rows that have a value."""

    requests: ir.Table
    quarantine: pa.Table
    rows_read: int
    rows_kept: int
    first_us: int
    last_us: int
    present: Counter[str]
    key_id: str
    pseudonymised: bool

    @property
    def refused(self) -> Counter[str]:
        """Rows refused, by reason."""
        return Counter(self.quarantine["code"].to_pylist())

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
    if source.format == "sketches":
        requests, quarantine, key_id, pseudonymised = _read_sketches(source, engine, task)
    else:
        requests, quarantine = _sketch(source, engine, task, workers=workers, progress=progress)
        key_id, pseudonymised = task.parameters.key_id, task.pseudonymiser is not None
    if until_us is not None:
        import ibis

        requests = requests.filter(requests.time < ibis.timestamp(_iso(until_us)))
    counts = _counts(requests, engine)
    if counts["event_ids"] < counts["rows"]:
        requests, repeated = _drop_repeated_ids(requests, engine)
        quarantine = pa.concat_tables([quarantine, repeated])
        counts = _counts(requests, engine)
    if not counts["rows"]:
        raise NoRowsLeftError(
            f"no usable rows: {quarantine.num_rows:,} were refused",
            hint="see why with `spiritsafe doctor LOGS`",
        )
    return Intake(
        requests=requests,
        quarantine=quarantine,
        rows_read=counts["rows"] + quarantine.num_rows,
        rows_kept=counts["rows"],
        first_us=counts["first_us"],
        last_us=counts["last_us"],
        present=Counter({name: counts[name] for name in REQUESTS.by_name if name in counts}),
        key_id=key_id,
        pseudonymised=pseudonymised,
    )


class NoRowsLeftError(InputError):
    """Every row was refused, or the log is empty."""

    code: ClassVar[str] = "sketch.empty"


def _sketch(
    source: Source, engine: Engine, task: SketchTask, *, workers: int, progress: Progress | None
) -> tuple[ir.Table, pa.Table]:
    total = sum(shard.size_bytes for shard in source.shards)

    def tell(report: SketchReport) -> None:
        if progress is not None:
            progress("read and sketch", report.size_bytes, total)

    processes = workers if total >= _POOL_FROM_BYTES else 1
    write_sketches(source.shards, task, workers=processes, progress=tell)
    refused = [pq.read_table(path) for path in sorted(task.out.glob("refused-*.parquet"))]
    quarantine = pa.concat_tables([QUARANTINE.arrow().empty_table(), *refused])
    return engine.read(*sorted(task.out.glob("part-*.parquet"))), quarantine


def _read_sketches(source: Source, engine: Engine, task: SketchTask) -> tuple[ir.Table, pa.Table, str, bool]:
    urls = sorted({shard.url for shard in source.shards})
    wanted = sketches_schema(task.parameters.tactics)
    seen: dict[bytes, str] = {}
    metadata: dict[bytes, bytes] = {}
    for url in urls:
        schema = pq.read_schema(url)
        metadata = schema.metadata or {}
        check_tag(metadata, "sketches", 1, where=url)
        for key in (b"spiritsafe.sketch.normaliser", b"spiritsafe.sketch.phrase", _KEY_ID):
            value = metadata.get(key, b"").decode()
            if seen.setdefault(key, value) != value:
                raise SketchesDifferError(
                    f"{url} was sketched with another {key.decode()}: {value!r}, others {seen[key]!r}",
                    hint="sketch all logs with one key and one version, or scan them apart",
                )
        missing = [c.name for c in wanted.columns if c.name not in schema.names]
        if missing:
            raise SketchesDifferError(
                f"{url} lacks {', '.join(missing)}", hint="sketch the log again with this version"
            )
    pseudonymised = metadata.get(b"spiritsafe.pseudonymised") == b"true"
    return engine.read(*urls), QUARANTINE.arrow().empty_table(), seen[_KEY_ID], pseudonymised


def _drop_repeated_ids(requests: ir.Table, engine: Engine) -> tuple[ir.Table, pa.Table]:
    """Keep the first row of each event id; the others are refused, and named."""
    import ibis

    counted = requests.group_by("event_id").agg(rows=requests.count())
    again = engine.arrow(engine.keep(counted.filter(counted.rows > 1), "repeated")).sort_by("event_id")
    order = [requests[ROW]] if ROW in requests.columns else [requests.time, requests.account_id]
    ranked = requests.mutate(_rank=ibis.row_number().over(group_by=requests.event_id, order_by=order))
    kept = engine.keep(ranked.filter(ranked._rank == 0).drop("_rank"), "unique")
    ids, extra = again["event_id"].to_pylist(), pc.subtract(again["rows"], 1).to_pylist()
    rows = [
        {
            "source": "",
            "position": _UNKNOWN_POSITION,
            "code": "events.repeated_id",
            "reason": f"event_id {event_id!r} was already seen; the first row with it was kept",
        }
        for event_id, count in zip(ids, extra, strict=True)
        for _ in range(count)
    ]
    return kept, pa.Table.from_pylist(rows, schema=QUARANTINE.arrow())


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
    metadata = {
        **task.parameters.metadata(),
        "spiritsafe.sketch.key_id": intake.key_id,
        **(task.pseudonymiser.metadata() if task.pseudonymiser else {}),
    }
    rows = intake.requests.select(*schema.arrow().names).order_by(["time", "event_id"])
    with staged_file(out) as staged:
        engine.write(rows, staged, schema.tag, metadata)
    refused = _refused_beside(out)
    refused.unlink(missing_ok=True)
    if intake.quarantine.num_rows:
        with staged_file(refused) as staged:
            write_parquet(intake.quarantine, staged, QUARANTINE.tag)


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


def tactic_names(requests: ir.Table, task: SketchTask) -> list[str]:
    """Tactics whose scores these rows hold."""
    return [t.name for t in task.parameters.tactics if tactic_column(t.name) in requests.columns]
