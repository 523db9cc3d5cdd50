"""Open the door of a home: guard, journal, reloader and health, as the settings say.

Comes from `settings`; goes on to `asgi` and `serving`.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from spiritsafe.guard.gateways.callers import Trust, read_key_accounts
from spiritsafe.guard.gateways.door import Door, DoorOptions
from spiritsafe.guard.gateways.marks import MARKS
from spiritsafe.guard.gateways.tracing import tracing_from_environment
from spiritsafe.guard.health import Health
from spiritsafe.guard.home import (
    journal_path,
    open_fleet_secret,
    open_guard,
    open_parameters,
    policy_path,
    roster_path,
)
from spiritsafe.guard.journal import Journal
from spiritsafe.guard.reloading import Reloader
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.guard.deciding import Guard
    from spiritsafe.guard.fleet import Fleet
    from spiritsafe.settings import Settings


def open_door(settings: Settings | None = None, *, roster: Path | None = None, policy: Path | None = None) -> Door:
    """The door of the home that the settings name, ready: what is new is taken up, what comes in is written down.

    Parameters
    ----------
    settings
        By default those of the environment and `spiritsafe.toml`.
    roster, policy
        Other files than those in force in the home.
    """
    settings = load_settings({}) if settings is None else settings
    home = settings.open_home()
    guard = open_guard(settings, roster=roster, policy=policy)
    keys = {} if settings.guard_keys is None else read_key_accounts(settings.guard_keys)
    trust = Trust(
        account_header=settings.guard_account_header.lower(),
        hops=settings.guard_hops,
        fingerprint_header=settings.guard_fingerprint_header.lower(),
        keys=keys,
    )
    options = DoorOptions(
        trust=trust,
        fail=settings.guard_fail,
        without_account=settings.guard_without_account,
        most_body_bytes=settings.guard_body_limit_bytes,
        body_seconds=settings.guard_body_seconds,
    )
    journal = Journal(journal_path(home), open_parameters(settings).metadata())
    reloader = Reloader(guard, roster or roster_path(home), policy or policy_path(home))
    fleet = _fleet(settings, guard, None if roster else roster_path(home))
    marks = {name: MARKS.load(name) for name in MARKS.names()}
    door = Door(guard, options, journal=journal, reloader=reloader, health=Health(), fleet=fleet,
                tracing=tracing_from_environment(), marks=marks)  # fmt: skip
    reloader.start()
    if fleet is not None:
        fleet.start()
    atexit.register(door.close)
    return door


def _fleet(settings: Settings, guard: Guard, roster: Path | None) -> Fleet | None:
    if not settings.guard_redis:
        return None
    from spiritsafe.guard.fleet import Fleet  # an extra: only those who set it need it

    return Fleet(guard, settings.guard_redis, secret=open_fleet_secret(settings), roster=roster)
