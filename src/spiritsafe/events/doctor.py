"""What does a log hold, what is missing, and would detection be silently dead on it?

The first thing that anyone does with a log of their own. Reads a part of it the way `scan` will read it;
where the columns have other names, proposes a mapping and reads through that. Nothing is written here.
Comes from `events.sources` and `events.propose`; goes on to `cli.doctor`, and from there to a person.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from spiritsafe.errors import InputError
from spiritsafe.events.doctor_facts import ColumnFact, SourceColumn, column_fact, distinct, source_columns
from spiritsafe.events.doctor_reading import Reading, read_accounts, read_log
from spiritsafe.events.mapping import dump_mapping
from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.events.observable import AxisFact, KindFact, axes_of, kinds_of
from spiritsafe.events.silences import DEAD, Look, Silence, silences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spiritsafe.events.doctor_reading import Progress
    from spiritsafe.events.sources.options import ReadOptions

ROWS: Final = 50_000


class UnreadableLogError(InputError):
    """A log cannot be read, not even through the mapping that we would propose."""

    code = "events.unreadable"


class DeadLogError(InputError):
    """With `--strict`: the log can be read, and detection would be silently dead on it."""

    code = "events.dead"


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor` has to say. `rows_whole` says that all rows were looked at, not only a part.

    `passed_over` are files of the folders given that are no logs by their names.
    """

    schema: str
    format: str
    files: int
    passed_over: tuple[str, ...]
    size_bytes: int
    readable: bool
    needs_map: bool
    problem: str
    rows_read: int
    rows_whole: bool
    clock_first: str
    clock_last: str
    accounts: int
    columns: tuple[ColumnFact, ...]
    account_columns: tuple[ColumnFact, ...]
    unmapped: tuple[SourceColumn, ...]
    refused: dict[str, int]
    refused_examples: tuple[str, ...]
    warnings: tuple[Silence, ...]
    kinds: tuple[KindFact, ...]
    axes: tuple[AxisFact, ...]
    campaign_reachable: bool
    next_commands: tuple[str, ...]

    @property
    def dead(self) -> bool:
        """Whether `--strict` refuses: nothing can be read or seen, or a column is there and yields nothing."""
        silent = any(warning.severity == DEAD for warning in self.warnings)
        # Rhythm and sign-ups test a group that something else found; alone they find none.
        finds = any(kind.observable for kind in self.kinds if kind.name not in ("timing", "lifecycle"))
        return not self.readable or silent or not finds


@dataclass(frozen=True)
class Examination:
    """The findings, and the mapping that they propose or were given, as TOML text ("" without one)."""

    findings: Findings
    map_text: str


def examine(
    paths: Sequence[str | Path],
    *,
    options: ReadOptions,
    accounts: str | Path | None = None,
    map_path: str | Path | None = None,
    rows: int = ROWS,
    show_examples: bool = False,
    now_s: float | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Look at a log as `scan` would read it.

    Parameters
    ----------
    paths
        As for `open_source`.
    options
        How to read; with a mapping or a query, only that is tried.
    accounts
        The accounts table beside the log.
    map_path
        Where the mapping of `options` was read from or will be written to; stands in the next command.
    rows
        Rows to look at; of a large log they are spread over its length.
    show_examples
        Print values as they are instead of masked.
    now_s
        The present, seconds since 1970; None asks the clock.
    progress
        Called with (stage, done, total).

    Raises
    ------
    InputError
        The log is not there, of no known format, or cut off. A log whose columns cannot be understood is
        reported in `Findings.problem` instead.
    """
    reading = read_log([str(path) for path in paths], options, rows, now_s, progress)
    beside = None if accounts is None else read_accounts(accounts, reading.options, now_s)
    account_rows = beside.rows if beside is not None else None
    warnings = silences(_look(reading)) if reading.rows.num_rows else ()
    kinds = kinds_of(reading.rows, account_rows, warnings)
    axes = axes_of(reading.rows, account_rows, kinds, warnings)
    times = _clock(reading.rows)
    account_columns = _accounts_facts(beside, show_examples) if beside is not None else ()
    findings = Findings(
        schema="doctor/1.0",
        format=reading.source.format if reading.source is not None else "unknown table",
        files=len(reading.files),
        passed_over=reading.source.passed_over if reading.source is not None else (),
        size_bytes=sum(file.size_bytes for file in reading.files),
        readable=not reading.problem,
        needs_map=reading.needs_map,
        problem=reading.problem,
        rows_read=reading.rows.num_rows,
        rows_whole=reading.whole,
        clock_first=times[0],
        clock_last=times[1],
        accounts=distinct(reading.rows, "account_id"),
        columns=tuple(column_fact(column, reading, REQUESTS, show_examples) for column in REQUESTS.columns),
        account_columns=account_columns,
        unmapped=tuple(source_columns(reading, show_examples)),
        refused=dict(reading.refused.most_common()),
        refused_examples=tuple(reading.refused_examples),
        warnings=warnings,
        kinds=kinds,
        axes=axes,
        campaign_reachable=all(axis.observable for axis in axes),
        next_commands=_next(paths, accounts, map_path, reading, beside),
    )
    return Examination(findings, _map_text(reading, beside, show_examples))


# --- telling ----------------------------------------------------------------------------------------------


def _look(reading: Reading) -> Look:
    return Look(
        rows=reading.rows,
        refused=reading.refused,
        metadata=reading.rows.schema.metadata or {},
        forwarded=_forwarding_column(reading),
        timezone_missing=reading.naive,
    )


def _forwarding_column(reading: Reading) -> str:
    """A source column with forwarding headers that client_ip is not read from."""
    names = list(reading.rows.column_names)
    if reading.proposal is not None:
        names += [one.path for one in reading.proposal.unmapped]
        guess = reading.proposal.guess("client_ip").source
        names += guess.sources if guess is not None else ()
    read = reading.options.mapping.table("requests").get("client_ip") if reading.options.mapping is not None else None
    used = read.sources if read is not None else ()
    hints = ("forwarded", "xff", "real_ip", "real-ip", "true_client", "true-client", "cf_connecting", "cf-connecting")
    return next((name for name in names if name not in used and any(hint in name.lower() for hint in hints)), "")


def _clock(rows: pa.Table) -> tuple[str, str]:
    import pyarrow.compute as pc

    if not rows.num_rows or "time" not in rows.column_names or rows["time"].null_count == rows.num_rows:
        return "", ""
    bounds = pc.min_max(rows["time"]).as_py()
    first, last = (bounds[end].strftime("%Y-%m-%dT%H:%M:%SZ") for end in ("min", "max"))
    return first, last


def _accounts_facts(beside: Reading, show: bool) -> tuple[ColumnFact, ...]:
    return tuple(column_fact(column, beside, ACCOUNTS, show) for column in ACCOUNTS.columns)


def _map_text(reading: Reading, beside: Reading | None, show: bool) -> str:
    """The given mapping, or the proposed one; with the accounts table's where that needs one too."""
    if reading.options.mapping is not None and not reading.needs_map:
        return dump_mapping(reading.options.mapping)
    from spiritsafe.events.proposal_text import proposal_text

    proposals = [reading.proposal, beside.proposal if beside is not None and beside.needs_map else None]
    found = [proposal for proposal in proposals if proposal is not None]
    return proposal_text(*found, show_examples=show) if found else ""


def _next(
    paths: Sequence[str | Path],
    accounts: str | Path | None,
    map_path: str | Path | None,
    reading: Reading,
    beside: Reading | None,
) -> tuple[str, ...]:
    """What to type next, word for word; `ZONE` is left for the person to fill in."""
    options = reading.options
    guessed = reading.needs_map or (beside is not None and beside.needs_map)
    words = list(map(str, paths))
    if accounts is not None:
        words += ["--accounts", str(accounts)]
    reads: list[str] = []
    if reading.naive:
        reads += ["--timezone", "ZONE"]
    elif options.timezone is not None:
        reads += ["--timezone", options.timezone]
    if options.format is not None:
        reads += ["--format", options.format]
    for key, value in options.storage_options.items():
        reads += ["--storage", f"{key}={value}"]
    place = str(map_path or "map.toml")
    if options.sql is not None:
        how = ["--sql", options.sql]
    else:
        how = ["--map", place] if guessed or options.mapping is not None else []
    doctor = ["spiritsafe", "doctor", *words]
    commands = [[*doctor, *reads, "--write-map", place]] if guessed and map_path is None else []
    if reading.problem:
        return tuple(shlex.join(command) for command in [*commands, [*doctor, *reads, *how]])
    return tuple(
        shlex.join(command)
        for command in [*commands, ["spiritsafe", "scan", *words, *reads, *how, "--out", "findings"]]
    )
