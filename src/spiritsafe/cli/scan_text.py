"""What a scan found, as lines for a terminal: the result first, what could not be seen next, warnings last.

Comes from `pipeline`; `scan` prints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spiritsafe.campaigns.model import Coverage, Group, MissingColumn
    from spiritsafe.pipeline import ScanResult

OTHERS_SHOWN: Final = 10
MISSING_SHOWN: Final = 4
COSTLIEST: Final = (
    "prompt", "organization_verified", "client_ip", "payment_fingerprint", "organization_id", "system_prompt",
    "created_at", "conversation_id",
)  # fmt: skip
"""Whole axes and kinds of evidence that the verdict needs go first; the rest in the contract's order."""


def scan_lines(found: ScanResult) -> Iterator[str]:
    """Everything that `scan` prints, line by line."""
    run = found.run
    yield (
        f"{run.coverage.rows_kept:,} requests of {run.coverage.accounts:,} accounts, "
        f"{run.clock_first[:16].replace('T', ' ')} to {run.clock_last[:16].replace('T', ' ')} UTC"
    )
    yield ""
    for group in found.campaigns:
        yield from _campaign(group)
    if not found.campaigns:
        yield f"No group is accused. {run.detection_limit}"
    yield from _others([group for group in found.groups if group.verdict != "campaign"])
    if found.known is not None:
        from spiritsafe.campaigns.known import told

        yield ""
        yield from told(found.known)
    unseen = [*_refused(run.coverage), *_missing(run.missing)]
    if unseen:
        yield ""
        yield from unseen
    for warning in run.warnings:
        yield f"\n{click.style('warning', fg='yellow', bold=True)} {warning}"
    yield f"\nRead {found.out}/report.html. A finding is a reason to look; a person decides."


def _campaign(group: Group) -> Iterator[str]:
    yield (
        f"{click.style('campaign', fg='red', bold=True)} {group.campaign_id}  {group.headline} "
        f"({group.exposure.exchanges:,} exchanges)"
    )
    for axis in group.axes:
        yield f"    {axis.name:<13} {axis.reason}"


def _others(groups: Sequence[Group]) -> Iterator[str]:
    for group in groups[:OTHERS_SHOWN]:
        yield f"{group.verdict.value} {group.campaign_id}  {group.headline}"
    if len(groups) > OTHERS_SHOWN:
        yield f"... and {len(groups) - OTHERS_SHOWN} more groups that are not accused: see groups.parquet"


def _refused(coverage: Coverage) -> Iterator[str]:
    if coverage.rows_quarantined:
        reasons = ", ".join(f"{count:,} {code}" for code, count in coverage.quarantine_reasons.items())
        yield f"{coverage.rows_quarantined:,} rows refused ({reasons}): see quarantine.parquet"


def _missing(columns: Sequence[MissingColumn]) -> Iterator[str]:
    """The costliest columns with what they cost, and how many more there are."""
    order = {name: place for place, name in enumerate(COSTLIEST)}
    ranked = sorted(columns, key=lambda one: order.get(one.column, len(order)))
    for one in ranked[:MISSING_SHOWN]:
        yield f"missing {one.column}: {one.cost}"
    if len(ranked) > MISSING_SHOWN:
        yield f"{len(ranked) - MISSING_SHOWN} more columns are missing: see run.json, or ask `spiritsafe doctor`"
