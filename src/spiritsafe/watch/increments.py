"""Take in what is new: files that came or changed, sketched once, their rows put beside those of their day.

A log is delivered at least once, late, and in any order; whatever the order and however often, the state comes to hold
the same rows. A row whose event id its day holds already is a repeated one. A file that grew is read again; one that
cannot be read is told, left, and tried again when it has changed. Comes from logs; goes on to `watch.state`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import msgspec
import pyarrow.parquet as pq

from spiritsafe.engine import open_engine
from spiritsafe.errors import InputError, UsageError
from spiritsafe.events.sources import open_source
from spiritsafe.events.sources.storage import expand_told, is_remote
from spiritsafe.evidence.records import new_id
from spiritsafe.files import scratch_folder, staged_file
from spiritsafe.pipeline import sketch_task
from spiritsafe.sketch.given import names_in
from spiritsafe.sketch.intake import NoRowsLeftError, take_in
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.watch.news import SCHEMA as KEYS
from spiritsafe.watch.news import key_counts, often, often_now, tied_anew
from spiritsafe.watch.state import DAY_S, Part, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine
    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.settings import Settings
    from spiritsafe.sketch.intake import Intake
    from spiritsafe.sketch.table import SketchTask
    from spiritsafe.watch.state import Manifest, State

    Progress = Callable[[str, float, float], None]

NEWS_KEPT: Final = 1_000
"""Accounts that are remembered as news, at most: from a few on there is a look."""

FILES_A_DAY: Final = 12
"""A day in more pieces is written anew as one."""


class StateKeysError(UsageError):
    """New rows are sketched with another key, or names in another form, than those of the state."""

    code: ClassVar[str] = "watch.state_keys"


@dataclass(slots=True)
class Taken:
    """What one round took in. `faults`: files that could not be read, and why; `waiting`: files that are still being
    written."""

    files: int = 0
    rows: int = 0
    repeated: int = 0
    late: int = 0
    refused: int = 0
    waiting: int = 0
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feed:
    """Where rows come from: paths as `open_source` takes them, how they are read, and how long a local file must have
    been left alone before it is."""

    paths: tuple[str, ...]
    options: ReadOptions
    settle_s: float = 30.0


def take_new(
    state: State,
    feed: Feed,
    settings: Settings,
    *,
    progress: Progress | None = None,
    now_s: Callable[[], float] = time.time,
) -> Taken:
    """Take in the files that came or changed since the last round.

    Returns
    -------
    What was taken in. After it returns, that is on disk.

    Raises
    ------
    StateKeysError
        The home's keys have changed since the state was made.
    InputError
        The paths lead nowhere.
    """
    taken = Taken()
    fresh = _fresh(state.manifest, feed, taken, now_s())
    for urls in _together(fresh, feed.options):
        try:
            _take(state, feed, urls, fresh, settings, taken, progress)
        except InputError as error:
            if len(urls) == 1:
                _leave(state, urls[0], fresh, taken, error)
                continue
            for url in urls:  # one of them is broken: find out which, and take the others
                try:
                    _take(state, feed, [url], fresh, settings, taken, progress)
                except InputError as fault:
                    _leave(state, url, fresh, taken, fault)
    return taken


def _fresh(manifest: Manifest, feed: Feed, taken: Taken, now_s: float) -> dict[str, Seen]:
    """Files that are new or have changed, by address, as they are now."""
    found: dict[str, Seen] = {}
    listed = expand_told(feed.paths, feed.options)[0]
    for file in listed:
        modified_ns = 0
        if not is_remote(file.url):
            try:
                modified_ns = Path(file.url).stat().st_mtime_ns
            except FileNotFoundError:
                continue  # rotated away meanwhile
        now = Seen(file.size_bytes, modified_ns)
        before = manifest.seen.get(file.url)
        if before is not None and (before.size_bytes, before.modified_ns) == (now.size_bytes, now.modified_ns):
            if before.fault:
                taken.faults[file.url] = before.fault
            continue
        if modified_ns and now_s - modified_ns / 1e9 < feed.settle_s:
            taken.waiting += 1
            continue
        if file.size_bytes:
            found[file.url] = now
    return found


def _together(fresh: dict[str, Seen], options: ReadOptions) -> list[list[str]]:
    """Files that are read at once: sketches apart from logs."""
    kinds: dict[bool, list[str]] = {}
    for url in fresh:
        try:
            sketched = open_source(url, options).format == "sketches"
        except InputError:
            sketched = False
        kinds.setdefault(sketched, []).append(url)
    return list(kinds.values())


def _leave(state: State, url: str, fresh: dict[str, Seen], taken: Taken, error: InputError) -> None:
    """Remember why a file could not be taken in, until it changes. An empty one has no fault."""
    fault = "" if isinstance(error, NoRowsLeftError) else f"[{error.code}] {error}"
    if fault:
        taken.faults[url] = fault
    seen = {**state.manifest.seen, url: msgspec.structs.replace(fresh[url], fault=fault)}
    state.commit(msgspec.structs.replace(state.manifest, seen=seen))


def _take(
    state: State,
    feed: Feed,
    urls: Sequence[str],
    fresh: dict[str, Seen],
    settings: Settings,
    taken: Taken,
    progress: Progress | None,
) -> None:
    """Take these files in, all or none."""
    with (
        scratch_folder(settings.temp_dir) as scratch,
        open_engine(settings.engine, settings, scratch=scratch) as engine,
    ):
        source = open_source(list(urls), feed.options)
        task = sketch_task(settings, feed.options, scratch, names=names_in(source))
        intake = take_in(source, engine, task, workers=settings.workers, progress=progress)
        made = intake.made.metadata(task.parameters.tactics)
        _check_made(state, made)
        parts, new = _add(state, intake, engine, task, made)
        told = _told(state, new, engine)
        manifest = state.manifest
        state.commit(
            msgspec.structs.replace(
                manifest,
                made=made,
                parts=tuple(parts),
                seen={**manifest.seen, **{url: fresh[url] for url in urls}},
                rows=manifest.rows + told.kept,
                repeated=manifest.repeated + intake.rows_kept - told.kept,
                late=manifest.late + told.late,
                refused=manifest.refused + intake.rows_refused,
                last_us=max(manifest.last_us, intake.last_us),
                news=told.news,
                often=told.often,
            )
        )
    taken.files += len(urls)
    taken.rows += told.kept
    taken.repeated += intake.rows_kept - told.kept
    taken.late += told.late
    taken.refused += intake.rows_refused


def _check_made(state: State, made: dict[str, str]) -> None:
    before = state.manifest.made
    differs = [name for name in made if before and before.get(name) != made[name]]
    if differs:
        raise StateKeysError(
            f"the state was made with another {differs[0].rpartition('.')[2]} than the new rows",
            hint="choose a new --state: numbers of two keys, and names of two forms, cannot be compared",
        )


def _add(
    state: State, intake: Intake, engine: Engine, task: SketchTask, made: dict[str, str]
) -> tuple[list[Part], ir.Table]:
    """New rows written beside those of their days: the parts that the state then has, and the new rows."""
    schema = sketches_schema(task.parameters.tactics)
    rows = intake.requests.select(*schema.arrow().names)
    rows = rows.mutate(_day=(rows.time.epoch_seconds() // DAY_S).cast("int64"))
    days = {row["_day"] for row in engine.arrow(rows.select("_day").distinct()).to_pylist()}
    held = state.of_days(days)
    if held:
        known = engine.read(*(state.path(part) for part in held))
        rows = rows.anti_join(known.select("event_id"), "event_id")
    new = engine.keep(rows, "new")
    counts = {row["_day"]: row["rows"] for row in engine.arrow(new.group_by("_day").agg(rows=new.count())).to_pylist()}
    name, parts = new_id(), list(state.manifest.parts)
    for day, count in sorted(counts.items()):
        pieces = [part for part in held if part.day == day]
        of_day = new.filter(new._day == day).drop("_day")
        held_rows = 0
        if len(pieces) >= FILES_A_DAY:
            of_day = of_day.union(engine.read(*(state.path(part) for part in pieces)).select(*of_day.columns))
            held_rows = sum(part.rows for part in pieces)
            parts = [part for part in parts if part not in pieces]
        parts.append(_write(state, of_day, engine, day, name, held_rows + count, schema.tag, made))
    return parts, new.drop("_day")


def _write(
    state: State, rows: ir.Table, engine: Engine, day: int, name: str, count: int, tag: str, made: dict[str, str]
) -> Part:
    sketches, keys = state.fresh(day, name)
    with staged_file(state.folder / sketches) as staged:
        engine.write(rows.order_by(["time", "event_id"]), staged, tag, made)
    with staged_file(state.folder / keys) as staged:
        engine.write(key_counts(engine.read(state.folder / sketches)).order_by(["thing", "value"]), staged, KEYS)
    size = sum((state.folder / one).stat().st_size for one in (sketches, keys))
    return Part(sketches, keys, day, count, size)


class _Told(NamedTuple):
    """How many rows are new, how many of them came late, the accounts that are news now, and what is said often."""

    kept: int
    late: int
    news: tuple[str, ...]
    often: str


def _told(state: State, new: ir.Table, engine: Engine) -> _Told:
    """What there is to say of new rows. Before the first look nothing is news, and nothing is summed for it."""
    kept: int = engine.arrow(new.count().name("rows").as_table())["rows"][0].as_py()
    manifest = state.manifest
    if not kept or not manifest.looks:
        return _Told(kept, 0, manifest.news, "" if kept else manifest.often)
    groups = state.folder / "looks" / manifest.looks[-1].look_id / "groups.parquet"
    judged = pq.read_table(groups, columns=["account_ids"])["account_ids"].to_pylist()
    known = {account for accounts in judged for account in accounts}
    before = engine.read(*state.key_files())
    said = engine.keep(key_counts(new), "new-keys")
    held = engine.read(state.folder / manifest.often) if manifest.often else engine.keep(often(before), "often")
    name = state.fresh_often(new_id())
    with staged_file(state.folder / name) as staged:
        engine.write(often_now(held, said, before), staged, KEYS)
    found = tied_anew(said, held, engine.read(state.folder / name), known, engine)
    news = tuple(sorted({*found, *manifest.news}))[:NEWS_KEPT]
    return _Told(kept, _late(state, new, engine), news, name)


def sum_up(state: State, settings: Settings) -> None:
    """Make the file of what is said often, where there is none: it takes all counts. `_told` goes on from it, and makes
    it itself where nobody did."""
    if state.manifest.often or not state.manifest.parts:
        return
    with (
        scratch_folder(settings.temp_dir) as scratch,
        open_engine(settings.engine, settings, scratch=scratch) as engine,
    ):
        name = state.fresh_often(new_id())
        with staged_file(state.folder / name) as staged:
            engine.write(often(engine.read(*state.key_files())), staged, KEYS)
    state.commit(msgspec.structs.replace(state.manifest, often=name))


def _late(state: State, new: ir.Table, engine: Engine) -> int:
    """Rows from before what the last look saw last."""
    looks = state.manifest.looks
    seconds: Any = new.time.epoch_seconds()
    found = engine.arrow(new.filter(seconds < looks[-1].until_us // 1_000_000).count().name("rows").as_table())
    late: int = found["rows"][0].as_py()
    return late


def expire(state: State, *, keep_days: int) -> int:
    """Forget days that lie further back than is kept; how many rows went."""
    manifest = state.manifest
    oldest = manifest.last_us // 1_000_000 // DAY_S - keep_days
    old = [part for part in manifest.parts if part.day < oldest]
    if not old:
        return 0
    rows = sum(part.rows for part in old)
    state.commit(
        msgspec.structs.replace(
            manifest,
            parts=tuple(part for part in manifest.parts if part.day >= oldest),
            often="",  # sums of days that went: made anew when it is needed
            rows=manifest.rows - rows,
            expired=manifest.expired + rows,
        )
    )
    return rows
