"""Publish a roster: written whole, filed, and only then put in force.

Comes from `watch.rosters`; every guard of the home takes it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe import __version__
from spiritsafe.evidence.records import Record
from spiritsafe.guard.home import open_fleet_secret, roster_path
from spiritsafe.roster.reading import Roster
from spiritsafe.roster.writing import write_roster

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.roster.writing import Contents
    from spiritsafe.settings import Settings


@dataclass(frozen=True, slots=True)
class Published:
    """What was put in force."""

    path: Path
    roster_id: str
    sha256: str
    accounts: int
    campaigns: int
    confirmed: int
    templates: int
    values: int
    attestations: int


def publish(contents: Contents, *, home: Path, ledger: Ledger) -> Published:
    """Put a roster in force in a home. A crash leaves the old one, or the new one whole and filed."""
    path = roster_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f"{contents.roster_id}.bin")
    digest = write_roster(contents, fresh)
    try:
        roster = Roster(fresh)  # read as a guard reads it: what no guard could read is not put in force
        published = Published(
            path=path,
            roster_id=contents.roster_id,
            sha256=digest,
            accounts=roster.accounts,
            campaigns=roster.campaigns,
            confirmed=sum(campaign.confirmed for campaign in contents.campaigns),
            templates=roster.templates,
            values=roster.values - roster.templates,
            attestations=len(contents.columns["attested_hash"]),
        )
        fields: dict[str, Json] = {
            "by": "program",
            "name": f"spiritsafe {__version__}",
            "roster": published.roster_id,
            "sha256": digest,
            "accounts": published.accounts,
            "campaigns": published.campaigns,
            "confirmed": published.confirmed,
            "run_sha256": [*sorted(contents.made_from)],
        }
        ledger.append([Record("roster/1", fields)])
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return published


def share(published: Published, settings: Settings) -> None:
    """Put a roster where the guards of a fleet take it up, if the settings name one; raises `FleetFault`."""
    if settings.guard_redis:
        from spiritsafe.guard.fleet import share_roster  # an extra: only those who set it need it

        share_roster(settings.guard_redis, published.path, secret=open_fleet_secret(settings))
