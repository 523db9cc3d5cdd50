"""The attacker of stealth 4 with the real scan in the loop: compose, scan, go further where it saw through.

Slow (a scan of a small world for each try) and so never done unasked: `spiritsafe prove --against-scan`. One
campaign of each archetype is tried among honest developers and consumers; the answer is how many of the cheapest
quiet ways must be left out until no archetype is accused. Matched developers then go the same way as campaigns.
Comes from `cli.prove`; goes on to `adaptive.Attacker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.files import scratch_folder
from spiritsafe.proving.adaptive import ways
from spiritsafe.proving.recipes import CampaignSpec, Recipe
from spiritsafe.proving.world import compose_world
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spiritsafe.settings import Settings

    # Scans the world in a folder; returns the accounts that it accuses.
    Accuse = Callable[[Path], set[str]]

# An attacker whose accounts are accused one in ten more often than honest developers' gives the way up.
LOST_SHARE: Final = 0.1


def scan_world(folder: Path, *, settings: Settings | None = None) -> set[str]:
    """The accounts of groups that a scan with the defaults calls a campaign."""
    from spiritsafe.pipeline import find_campaigns

    with scratch_folder((settings or load_settings({})).temp_dir) as scratch:
        result = find_campaigns(
            folder / "requests.parquet",
            out=scratch / "findings",
            accounts=folder / "accounts.parquet",
            account_events=folder / "account_events.parquet",
            attestations=folder / "attestations.parquet",
            settings=settings,
        )
    return {member.account_id for group in result.campaigns for member in group.members}


def lost_share(folder: Path, accused: set[str]) -> float:
    """How much more of the worst hit campaign's accounts than of honest developers' are accused, in shares."""
    import pyarrow.parquet as pq

    groups: dict[str | None, list[str]] = {}
    table = pq.read_table(folder / "truth" / "accounts.parquet", columns=["account_id", "operator_kind", "campaign_id"])
    for row in table.to_pylist():
        if row["campaign_id"] is not None or row["operator_kind"] == "developer":
            groups.setdefault(row["campaign_id"], []).append(row["account_id"])
    share = {name: len(accused.intersection(held)) / len(held) for name, held in groups.items()}
    honest = share.pop(None, 0.0)
    return max(share.values(), default=0.0) - honest


def ways_to_skip(
    archetypes: Sequence[str],
    *,
    accuse: Accuse = scan_world,
    seed: int = 0,
    accounts: int = 16,
    tries: int = 8,
    progress: Callable[[str, float, float], None] | None = None,
    **inputs: Any,
) -> int:
    """How many of the cheapest quiet ways the scan sees through.

    Parameters
    ----------
    archetypes
        Of the campaigns to hide, one trial campaign each.
    accuse
        The scan; a function of the world's folder.
    tries
        Give up after so many; the attacker is then taken to go the quietest way.
    inputs
        `prompts`, `traffic`, `network`, `prices` as for `compose_world`.

    Returns
    -------
    0 where the first way holds.
    """
    recipe = Recipe(
        name="trial",
        consumers=150,
        developers=250,
        matched=0.5,
        campaigns=tuple(CampaignSpec(code, "plain", 4, accounts) for code in dict.fromkeys(archetypes)),
    )
    with scratch_folder(load_settings({}).temp_dir) as scratch:
        for skipped in range(tries):
            if progress is not None:
                progress("attacker", skipped, tries)
            folder = scratch / f"trial-{skipped}"
            compose_world(recipe, folder, seed=seed + skipped, skipped=skipped, **inputs)
            if lost_share(folder, accuse(folder)) <= LOST_SHARE:
                return skipped
    return sum(1 for _ in ways())


def archetypes_that_hide(recipe: Recipe) -> list[str]:
    """Archetypes that a recipe puts at stealth 4."""
    return list(dict.fromkeys(spec.archetype for spec in recipe.campaigns if spec.stealth == 4))
