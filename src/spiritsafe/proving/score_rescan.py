"""Scan a world again as it was known at an hour, just as the scan that is being scored read it.

Comes from a world's folder and the scan's `run.json`; goes on to `score_exchanges.first_flags`, which asks when a
campaign was first noticed. What the rescans say must agree with the scan that they stand beside, so a scan that
cannot be repeated here is refused.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.proving.score_scan import ScanError
from spiritsafe.proving.score_truth import WorldError, read_world_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.campaigns.model import Run

    ScanUntil = Callable[[int], set[str]]

# The operator's own labels are shown and accuse nobody: whether they were given makes no difference.
_LABELS: Final = "labels"


def scanner(world: Path, scan: Path, *, scratch: Path | None = None) -> ScanUntil:
    """`scan_until` by the real pipeline: scans the world as it was known at a time, and says who is accused.

    Parameters
    ----------
    world
        A composed world.
    scan
        A scan of it by this version: of the whole log, under the names as given. The rescans read the tables that
        it read, with its seed, engine, actors and looks; from the end of the log on the answer is its own.
    scratch
        Where the rescans lie while they are read; by default the folder for temporary files in the settings.

    Raises
    ------
    ScanError
        The findings are not of `spiritsafe scan`, are of another version or of other files than the world's, or
        leave out a part of the log (`--until`, a query) or its names.
    """
    import pyarrow.parquet as pq

    from spiritsafe.files import scratch_folder
    from spiritsafe.pipeline import find_campaigns
    from spiritsafe.settings import load_settings

    run = _run_of(scan)
    beside: dict[str, Any] = _same_files(world, scan, run)
    end_us = _whole_log(world, scan, run)
    alike = {name: run.settings.get(name) for name in ("actors", "looks")}
    settings = load_settings({"seed": run.seed, "engine": run.engine, "pseudonymise": False, **alike})
    scratch = scratch or settings.temp_dir

    def accused(found: Path) -> set[str]:
        return set(pq.read_table(found / "members.parquet", columns=["account_id"])["account_id"].to_pylist())

    def scan_until(until_us: int) -> set[str]:
        if until_us > end_us:
            return accused(scan)
        with scratch_folder(scratch) as folder:
            out = folder / "scan"
            find_campaigns(world / "requests.parquet", out=out, until_us=until_us, settings=settings, **beside)
            return accused(out)

    return scan_until


def _run_of(scan: Path) -> Run:
    from spiritsafe import __version__
    from spiritsafe.campaigns.model import Run

    hint = "the first flag is found by scanning again: give what this version's `spiritsafe scan` wrote"
    try:
        run = msgspec.json.decode((scan / "run.json").read_bytes(), type=Run)
    except OSError as error:
        raise ScanError(f"{scan} has no run.json, so that the scan cannot be repeated", hint=hint) from error
    except msgspec.DecodeError as error:
        raise ScanError(f"{scan / 'run.json'} cannot be read: {error}", hint=hint) from error
    if run.spiritsafe_version != __version__:
        raise ScanError(f"{scan} is of spiritsafe {run.spiritsafe_version}, and this is {__version__}", hint=hint)
    if run.pseudonymised:
        raise ScanError(f"{scan} holds pseudonyms", hint="scan the world again without --pseudonymise")
    return run


def _same_files(world: Path, scan: Path, run: Run) -> dict[str, Path]:
    """The tables that the scan read beside the log, by name; all it read must be the world's own files."""
    read: dict[str, list[str]] = {"requests": []}
    for one in run.inputs:
        read.setdefault(one.table or "requests", []).append(one.sha256)
    for table, digests in read.items():
        file = world / f"{table}.parquet"
        if table != _LABELS and (not file.is_file() or digests != [_sha256(file)]):
            raise ScanError(
                f"{scan} read other {table.replace('_', ' ')} than {file}",
                hint="the first flag needs a scan of the world's own files: scan requests.parquet of this world",
            )
    return {table: world / f"{table}.parquet" for table in read if table not in ("requests", _LABELS)}


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _whole_log(world: Path, scan: Path, run: Run) -> int:
    """Time of the log's last exchange in microseconds since 1970; the scan must have kept every row of the log."""
    import pyarrow as pa
    import pyarrow.compute as pc

    time = read_world_table(world, "requests.parquet", ["time"]).column("time")
    if not len(time):
        raise WorldError(f"{world} has no request", hint="compose the world again")
    if run.coverage.rows_kept != len(time):
        raise ScanError(
            f"{scan} is of {run.coverage.rows_kept:,} of the world's {len(time):,} requests, up to {run.clock_last}",
            hint="the first flag needs a scan of the whole log: scan without --until and without a query",
        )
    return int(pc.max(time.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())).as_py())
