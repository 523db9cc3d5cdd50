"""The record of a run: what was read, with which settings, and what could not be seen (`run.json`).

Comes from the intake and the settings; goes into `run.json`, the report and the OCSF findings.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final

from spiritsafe import __version__
from spiritsafe.campaigns.model import Coverage, InputFile, MissingColumn, Run
from spiritsafe.events.model import ACCOUNTS, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.sketch.intake import Intake

_LIBRARIES: Final = ("duckdb", "ibis-framework", "numpy", "pyarrow", "google-re2", "rensa", "scipy")


def describe_run(
    intake: Intake,
    *,
    inputs: Sequence[InputFile],
    settings: dict[str, object],
    seed: int,
    engine: str,
    accounts: int,
    account_columns: frozenset[str],
    detection_limit: str,
    warnings: Sequence[str] = (),
) -> Run:
    """Put the record together. Nothing in it depends on the clock or the machine's paths beyond the inputs'."""
    share = {name: intake.present[name] / intake.rows_kept for name in REQUESTS.by_name if name in intake.present}
    return Run(
        schema="run/1.0",
        spiritsafe_version=__version__,
        inputs=tuple(inputs),
        settings=settings,
        seed=seed,
        clock_first=_iso(intake.first_us),
        clock_last=_iso(intake.last_us),
        coverage=Coverage(
            rows_read=intake.rows_read,
            rows_kept=intake.rows_kept,
            rows_quarantined=intake.rows_refused,
            quarantine_reasons=dict(sorted(intake.refused.items())),
            accounts=accounts,
            column_shares={name: round(value, 4) for name, value in share.items()},
        ),
        missing=_missing(intake, account_columns),
        engine=engine,
        pseudonymised=intake.made.names.pseudonymised,
        key_id=intake.made.key_id,
        pseudonym_key_id=intake.made.names.key_id,
        warnings=tuple(warnings),
        detection_limit=detection_limit,
        versions={name: metadata.version(name) for name in _LIBRARIES},
    )


def _missing(intake: Intake, account_columns: frozenset[str]) -> tuple[MissingColumn, ...]:
    """Columns without a value whose absence costs something; an account fact may come from either table."""
    observable = intake.observable | account_columns
    wanted = [*REQUESTS.columns, *(c for c in ACCOUNTS.columns if c.name not in REQUESTS.by_name)]
    return tuple(
        MissingColumn(column=c.name, axis=c.axis, cost=c.cost) for c in wanted if c.cost and c.name not in observable
    )


def _iso(time_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
