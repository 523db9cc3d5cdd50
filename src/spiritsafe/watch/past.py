"""Requests of a log, in the order of their time, as a gateway saw them: to ask what a policy would have done.

The log is read and sketched as a scan does it, so that it may be as large, and no text is held. What the gateway knew
of an account (its age, plan, verification, payer) comes from the accounts table. Comes from logs; goes on to `guard`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow.parquet as pq

from spiritsafe.engine import open_engine
from spiritsafe.events.beside import read_beside
from spiritsafe.events.sources import open_source
from spiritsafe.files import scratch_folder
from spiritsafe.guard.model import Request
from spiritsafe.pipeline import sketch_task
from spiritsafe.sketch.given import names_in
from spiritsafe.sketch.intake import take_in
from spiritsafe.sketch.model import sketches_schema
from spiritsafe.sketch.parameters import tactic_column
from spiritsafe.sketch.single import PromptSketch
from spiritsafe.watch.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine
    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.settings import Settings
    from spiritsafe.sketch.patterns import TextTactic

    Progress = Callable[[str, float, float], None]

AT_ONCE: Final = 8_192
_FIELDS: Final = frozenset(field.name for field in msgspec.structs.fields(Request))
_OF_ACCOUNTS: Final = (
    "organization_id",
    "organization_verified",
    "payment_fingerprint",
    "email_pattern",
    "plan",
    "verified",
)


class Past:
    """A log that was taken in. `rows` are its requests."""

    def __init__(self, path: Path, tactics: tuple[TextTactic, ...], rows: int, labels: dict[str, str]) -> None:
        self._path, self._tactics = path, tactics
        self.rows = rows
        self.labels = labels

    def __iter__(self) -> Iterator[tuple[Request, PromptSketch | None]]:
        scores = [tactic_column(tactic.name) for tactic in self._tactics]
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(AT_ONCE):
                for row in batch.to_pylist():
                    yield _request(row), _sketch(row, scores)


@contextlib.contextmanager
def past_of(
    requests: str | Path | Sequence[str | Path],
    *,
    options: ReadOptions,
    settings: Settings,
    accounts: str | None = None,
    known: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Past]:
    """A log's requests by time, while the block lasts.

    Parameters
    ----------
    requests, options, settings, progress
        As for `pipeline.find_campaigns`.
    accounts, known
        The tables of accounts and of labels, or None.

    Raises
    ------
    InputError
        A file is broken, or is not what it claims.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    with (
        scratch_folder(settings.temp_dir) as scratch,
        open_engine(settings.engine, settings, scratch=scratch) as engine,
    ):
        source = open_source(requests, options)
        task = sketch_task(settings, options, scratch, names=names_in(source))
        beside = read_beside(
            accounts=accounts, account_events=None, attestations=None, labels=known, options=options, namer=None
        )
        intake = take_in(source, engine, task, workers=settings.workers, progress=tell)
        tell("sort", 0, 1)
        rows = intake.requests
        if beside.accounts is not None:
            rows = _with_accounts(rows, engine.table(beside.accounts, "accounts"))
        tactics = task.parameters.tactics
        path = scratch / "past.parquet"
        _write(rows, engine, path, tactics)
        tell("sort", 1, 1)
        yield Past(path, tactics, intake.rows_kept, beside.known)


def _write(rows: ir.Table, engine: Engine, path: Path, tactics: tuple[TextTactic, ...]) -> None:
    """What a gateway saw, without what it could not (`minhash` is not asked of it yet)."""
    schema = sketches_schema(tactics)
    wanted = [name for name in rows.columns if name in _FIELDS or name in {"time", "account_created_at"}]
    wanted += [
        name for name in schema.arrow().names if name in rows.columns and name not in wanted and name != "minhash"
    ]
    engine.write(rows.select(*wanted).order_by(["time", "event_id"]), path, schema.tag)


def _with_accounts(rows: ir.Table, accounts: ir.Table) -> ir.Table:
    told = {name: accounts[name] for name in _OF_ACCOUNTS if name in accounts.columns}
    facts = accounts.select(
        owner=accounts.account_id,
        account_created_at=accounts.created_at,
        **{f"told_{name}": column for name, column in told.items()},
    )
    joined = rows.left_join(facts, rows.account_id == facts.owner)
    both = {
        name: joined[f"told_{name}"].coalesce(joined[name]) if name in rows.columns else joined[f"told_{name}"]
        for name in told
    }
    kept = [name for name in rows.columns if name not in both]
    return joined.select(*kept, "account_created_at", **both)


def _request(row: dict[str, Any]) -> Request:
    given = {name: value for name, value in row.items() if name in _FIELDS}
    created = row.get("account_created_at")
    return Request(
        **given,
        time_us=microseconds(row["time"]),
        account_created_us=None if created is None else microseconds(created),
    )


def _sketch(row: dict[str, Any], scores: list[str]) -> PromptSketch | None:
    if row["prompt_hash"] is None:
        return None
    found = tuple(row[name] for name in scores)
    return PromptSketch(
        row["skeleton"], (), tuple(row["phrases"]), row["prompt_hash"], row["prompt_chars"], found if any(found) else ()
    )
