"""A home whose guard knows one member, for doors that are opened by the settings alone."""

from pathlib import Path

import numpy as np

from spiritsafe.guard.home import open_names, open_parameters, policy_path, roster_path
from spiritsafe.roster import write_roster
from spiritsafe.settings import load_settings
from tests.guard.guards import PHRASES, told


def home_in(folder: Path, policy: str = "", *, member: str = "core") -> Path:
    """A home in `folder`, its roster (in which `member` is in a campaign) and, if given, its policy."""
    settings = load_settings({"home": folder / "home"})
    names = open_names(settings)
    made = told(sketch=open_parameters(settings).metadata(), templates=((0, 3, PHRASES),), values=())
    hashes = [names.hashed("account_id", who) for who in (member, *"abcde")]
    made.columns["account_hash"] = np.array(hashes, dtype=np.uint64)
    roster_path(settings.home).parent.mkdir(mode=0o700)
    write_roster(made, roster_path(settings.home))
    if policy:
        policy_path(settings.home).parent.mkdir()
        policy_path(settings.home).write_text(policy)
    return settings.home
