"""A guard of this home: its keys, its roster, its policy.

Comes from `settings` and `keys`; goes on to the doors, the command, and whoever publishes rosters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from spiritsafe.errors import InputError
from spiritsafe.events.pseudonyms import Domain
from spiritsafe.guard.deciding import Guard
from spiritsafe.guard.policy import read_policy
from spiritsafe.keys import ensure_key, open_keys
from spiritsafe.roster.names import Names
from spiritsafe.roster.reading import Roster
from spiritsafe.signals.tactics import text_tactics
from spiritsafe.sketch.parameters import SketchParameters

if TYPE_CHECKING:
    from spiritsafe.keys import KeyProvider
    from spiritsafe.settings import Settings

SHIPPED_POLICY: Final = Path(__file__).parent / "policies" / "default.toml"
PSEUDONYM_KEY: Final = "spiritsafe.pseudonym.key_id"
"""Under this name a roster says of which key the pseudonyms are that it holds hashes of."""


class NoRosterError(InputError):
    """No roster was published in this home yet."""

    code: ClassVar[str] = "guard.no_roster"


def roster_path(home: Path) -> Path:
    """Where the roster in force lies."""
    return home / "roster" / "roster.bin"


def policy_path(home: Path) -> Path:
    """Where the policy in force lies; there is none until one was adopted."""
    return home / "guard" / "policy.toml"


def journal_path(home: Path) -> Path:
    """Where doors write down what came in."""
    return home / "guard" / "journal"


def collected_path(home: Path) -> Path:
    """Where what doors wrote down is taken to: `requests` for scans, `decisions` for reports."""
    return home / "guard" / "collected"


def open_names(settings: Settings) -> Names:
    """How this home hashes names. Two keys are needed to make a hash: the sketch key and the pseudonym key."""
    keys = _keys(settings)
    pseudonym = ensure_key(keys, "pseudonym")
    party = Domain("party", pseudonym.secret, pseudonym.epoch)
    return Names(
        ensure_key(keys, "sketch").derive("roster"),
        pseudonym=party.make,
        made_with={PSEUDONYM_KEY: pseudonym.key_id},
    )


def open_fleet_secret(settings: Settings) -> bytes:
    """What the guards of a fleet have in common: from the sketch key, which all of them need."""
    return ensure_key(_keys(settings), "sketch").derive("fleet")


def open_parameters(settings: Settings) -> SketchParameters:
    """How this home sketches prompts, with the tactics that are installed."""
    key = ensure_key(_keys(settings), "sketch")
    return SketchParameters(key=key.secret, key_id=key.key_id, seed=settings.seed, tactics=text_tactics())


def open_guard(settings: Settings, *, roster: Path | None = None, policy: Path | None = None) -> Guard:
    """A guard of this home.

    Parameters
    ----------
    settings
        Which home.
    roster, policy
        Other files than those in force; without a policy of its own a home has the one that is shipped, which acts
        on nobody.

    Raises
    ------
    NoRosterError, RosterError, PolicyError, KeysDifferError
        The files are missing, damaged, or of other keys.
    """
    home = settings.open_home()
    path = roster or roster_path(home)
    if roster is None and not path.exists():
        raise NoRosterError(
            f"no roster was published in {home}",
            hint="`spiritsafe scan LOGS --out findings`, then `spiritsafe guard publish findings`",
        )
    adopted = policy_path(home)
    chosen = policy or (adopted if adopted.exists() else SHIPPED_POLICY)
    return Guard(Roster(path), read_policy(chosen), names=open_names(settings), parameters=open_parameters(settings))


def _keys(settings: Settings) -> KeyProvider:
    return open_keys(settings.key_provider, settings.open_home() / "keys", command=settings.key_command)
