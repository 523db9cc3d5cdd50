"""Worlds to measure on: composed once, with prompts of about 300 characters, and kept for the runs that follow."""

from __future__ import annotations

import contextlib
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.speed._measure import WORKERS, python

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

TARGET_CHARS: Final = 300


@dataclass(frozen=True)
class World:
    """A composed log and its neighbours. `median_chars` and `composed_chars` are of the prompts, after and before
    they were lengthened."""

    folder: Path
    rows: int
    accounts: int
    median_chars: float
    composed_chars: float

    @property
    def requests(self) -> Path:
        return self.folder / "long.parquet"

    @property
    def neighbours(self) -> list[str]:
        """The options that name the tables beside the log."""
        names = {"--accounts": "accounts", "--account-events": "account_events", "--attestations": "attestations"}
        return [text for flag, name in names.items() for text in (flag, str(self.folder / f"{name}.parquet"))]


@functools.cache
def world(work: Path, *, requests: int, accounts: int | None = None, preset: str = "bench") -> World:
    """Compose a world into `work`, unless it is there, and lengthen its prompts.

    Every table of the page asks for it, and the median of ten million prompts means reading them
    all: once is enough.
    """
    folder = work / f"{preset}-{requests}-{accounts or 'all'}"
    if not (folder / "long.parquet").exists():
        if not (folder / "requests.parquet").exists():
            _compose(folder, preset, requests, accounts)
        with _database(work) as database:
            _lengthen(database, folder)
    with _database(work) as database:
        facts = _row(
            database,
            f"select count(*), count(distinct account_id), median(length(prompt)) from '{folder}/long.parquet'",
        )
    composed = float((folder / "composed-chars.txt").read_text())
    return World(folder, int(facts[0]), int(facts[1]), facts[2], composed)


def _compose(folder: Path, preset: str, requests: int, accounts: int | None) -> None:
    size = [] if accounts is None else ["--size", str(accounts)]
    asked = ["--preset", preset, "--requests", str(requests), *size, "--out", str(folder), "--quiet"]
    subprocess.run(python("spiritsafe.cli.main", "prove", "compose", *asked), check=True, stdout=subprocess.DEVNULL)


def own_client(work: Path, shared: World) -> World:
    """The same world in which every account has a TLS fingerprint of its own."""
    folder = work / f"{shared.folder.name}-own"
    if not folder.exists():
        folder.mkdir()
        for path in shared.folder.glob("*.parquet"):
            (folder / path.name).symlink_to(path.resolve())
        (folder / "composed-chars.txt").write_text(str(shared.composed_chars))
        (folder / "long.parquet").unlink()
        with _database(work) as database:
            query = f"select * replace ('t13d' || md5(account_id)[:32] as ja4) from '{shared.requests}' order by time"
            _copy(database, query, folder / "long.parquet")
    return World(folder, shared.rows, shared.accounts, shared.median_chars, shared.composed_chars)


@contextlib.contextmanager
def _database(work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with duckdb.connect() as database:
        database.execute(f"set memory_limit='3GB'; set threads={WORKERS}; set TimeZone='UTC'")
        database.execute(f"set temp_directory='{work / 'spill'}'; set preserve_insertion_order=false")
        yield database


def _row(database: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
    row = database.execute(query).fetchone()
    assert row is not None
    return row


def _lengthen(database: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Where half of the prompts are shorter than `TARGET_CHARS`, put their account's next prompt behind prompts that
    are shorter than a bound, chosen for the median."""
    source, long = folder / "requests.parquet", folder / "long.parquet"
    (composed,) = _row(database, f"select median(length(prompt)) from '{source}'")
    (folder / "composed-chars.txt").write_text(str(composed))
    if composed >= TARGET_CHARS:
        source.rename(long)
        return
    follow = "lead(prompt) over (partition by account_id order by time, event_id)"
    joined = f"prompt || coalesce(chr(10) || chr(10) || {follow}, '')"
    database.execute(
        f"create table sizes as select length(prompt) as alone, length({joined}) as joined "
        f"from (select * from '{source}' where hash(account_id) % 8 = 0)"
    )
    middle = "select median(case when alone < bound then joined else alone end) from sizes"
    tried = f"select bound, ({middle}) as middle from range(0, 600, 10) t(bound)"
    (bound,) = _row(database, f"select arg_min(bound, abs(middle - {TARGET_CHARS})) from ({tried})")
    query = f"select * replace (case when length(prompt) < {bound} then {joined} else prompt end as prompt)"
    _copy(database, f"{query} from '{source}' order by time", long)
    source.unlink()


def _copy(database: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    part = path.with_suffix(".part")
    database.execute(f"copy ({query}) to '{part}' (format parquet, compression zstd, row_group_size 65536)")
    part.rename(path)
