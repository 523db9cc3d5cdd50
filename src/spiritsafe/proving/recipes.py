"""Recipes: how many of whom are in a world, and which campaigns run through it. A TOML file or a named preset.

Comes from the command line; goes on to `compose`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from spiritsafe.proving.model import ARCHETYPES, LOOK_ALIKES, VARIANTS, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Count = Annotated[int, msgspec.Meta(ge=0, le=5_000_000)]


class CampaignSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count` campaigns of one archetype, variant and stealth, of `accounts` accounts each."""

    archetype: str
    variant: str = "plain"
    stealth: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    accounts: Annotated[int, msgspec.Meta(ge=8, le=1_000_000)] = 20
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class LookAlikeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`organisations` groups of one kind of look-alike, of about `accounts` accounts each."""

    organisations: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1
    accounts: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 12


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A world's cast.

    `matched` is the number of honest developers, for each campaign account, that conduct themselves as it does.
    `requests_per_account` is a mean over the world. `split` says which sources may be used: dev, test or all.
    """

    name: str
    days: Annotated[int, msgspec.Meta(ge=2, le=366)] = 14
    split: str = "dev"
    requests_per_account: Annotated[float, msgspec.Meta(ge=2, le=100_000)] = 30.0
    consumers: Count = 900
    developers: Count = 300
    matched: Annotated[float, msgspec.Meta(ge=0, le=20)] = 1.5
    look_alikes: dict[str, LookAlikeSpec] = {}
    campaigns: tuple[CampaignSpec, ...] = ()
    # Campaigns whose matched developers stand in a world that has no campaign.
    matched_only: tuple[CampaignSpec, ...] = ()
    one_ja3: bool = False

    def __post_init__(self) -> None:
        for kind in self.look_alikes:
            if kind not in LOOK_ALIKES:
                raise RecipeError(f"no look-alike is called {kind!r}", hint=f"choose from {', '.join(LOOK_ALIKES)}")
        for spec in (*self.campaigns, *self.matched_only):
            if spec.archetype not in ARCHETYPES:
                raise RecipeError(f"no archetype is called {spec.archetype!r}", hint="choose from A to F")
            if spec.variant not in VARIANTS:
                raise RecipeError(f"no variant is called {spec.variant!r}", hint=f"choose from {', '.join(VARIANTS)}")
        if self.split not in ("dev", "test", "all"):
            raise RecipeError(f"no split is called {self.split!r}", hint="choose dev, test or all")

    @property
    def accounts(self) -> int:
        """Accounts in the world, about."""
        alike = sum(spec.organisations * spec.accounts for spec in self.look_alikes.values())
        campaign = sum(spec.count * spec.accounts for spec in self.campaigns)
        matched = self.matched * sum(spec.count * spec.accounts for spec in (*self.campaigns, *self.matched_only))
        return round(self.consumers + self.developers + alike + campaign + matched)


def _alike(organisations: int, accounts: int) -> dict[str, LookAlikeSpec]:
    return {kind: LookAlikeSpec(organisations, accounts) for kind in LOOK_ALIKES}


def _every_archetype(stealth: Sequence[int], accounts: int) -> tuple[CampaignSpec, ...]:
    return tuple(CampaignSpec(code, "plain", level, accounts) for level in stealth for code in ARCHETYPES)


def _every_variant(stealth: Sequence[int], accounts: int) -> tuple[CampaignSpec, ...]:
    carriers = dict(zip(VARIANTS[1:], ("A", "B", "A", "E", "A", "B", "F", "B"), strict=True))
    return tuple(
        CampaignSpec(archetype, variant, level, accounts)
        for level in stealth
        for variant, archetype in carriers.items()
    )


def _demo() -> Recipe:
    return Recipe(
        name="demo",
        consumers=820,
        developers=300,
        matched=1.2,
        look_alikes=_alike(1, 24),
        campaigns=(
            CampaignSpec("A", "plain", 0, 24), CampaignSpec("C", "shell_organisations", 1, 22),
            CampaignSpec("D", "relay", 0, 24), CampaignSpec("B", "replacement", 1, 12),
            CampaignSpec("E", "plain", 2, 20), CampaignSpec("F", "non_english", 3, 14),
        ),
    )  # fmt: skip


def _floor(split: str) -> Recipe:
    return Recipe(
        name=f"floor-{split}",
        split=split,
        consumers=4_000,
        developers=2_000,
        matched=1.2,
        look_alikes=_alike(4, 70),
        campaigns=_every_archetype((0, 1, 2, 3, 4), 18) + _every_variant((0, 1), 16),
    )


def _look_alikes() -> Recipe:
    return Recipe(
        name="look-alikes",
        consumers=1_500,
        developers=800,
        matched=1.0,
        look_alikes=_alike(4, 75),
        matched_only=_every_archetype((1, 2), 10),
    )


def _benign() -> Recipe:
    return Recipe(
        name="benign",
        consumers=2_500,
        developers=1_500,
        matched=1.0,
        look_alikes=_alike(2, 40),
        matched_only=_every_archetype((0, 1, 2, 3, 4), 8),
    )


def _stealth(level: int) -> Callable[[], Recipe]:
    def make() -> Recipe:
        return Recipe(
            name=f"stealth-{level}",
            consumers=1_500,
            developers=900,
            matched=1.5,
            look_alikes=_alike(1, 30),
            campaigns=_every_archetype((level,), 24) + _every_variant((level,), 14),
        )

    return make


def _one_ja3() -> Recipe:
    return Recipe(name="one-ja3", consumers=0, developers=10_000, matched=0.0, one_ja3=True)


def _bench() -> Recipe:
    return Recipe(
        name="bench",
        consumers=450,
        developers=400,
        matched=1.0,
        look_alikes=_alike(1, 6),
        campaigns=(CampaignSpec("A", "plain", 0, 12), CampaignSpec("E", "plain", 1, 12)),
    )


PRESETS: Final[dict[str, tuple[str, Callable[[], Recipe]]]] = {
    "demo": ("six campaigns among every look-alike; about 2,000 accounts", _demo),
    "floor-dev": ("every archetype at every stealth, every variant; sources of the dev split", lambda: _floor("dev")),
    "floor-test": ("the same on the sources held out", lambda: _floor("test")),
    "look-alikes": ("no campaign; every look-alike in numbers", _look_alikes),
    "benign": ("no campaign; ordinary innocents and look-alikes", _benign),
    "one-ja3": ("10,000 honest developers on one TLS fingerprint", _one_ja3),
    "bench": ("a fixed mixture for speed; give --size and --requests", _bench),
    **{f"stealth-{level}": (f"every archetype and variant at stealth {level}", _stealth(level)) for level in range(5)},
}


def preset(name: str) -> Recipe:
    """A named recipe. Raises RecipeError where there is none of that name."""
    if name not in PRESETS:
        raise RecipeError(
            f"no preset is called {name!r}", hint=f"choose from {', '.join(PRESETS)}, or give a TOML file"
        )
    return PRESETS[name][1]()


def load_recipe(name_or_path: str) -> Recipe:
    """A preset by its name, or a recipe from a TOML file.

    Raises
    ------
    RecipeError
        The file cannot be read, is no TOML or asks for something that does not exist.
    """
    if name_or_path in PRESETS:
        return preset(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        return preset(name_or_path)
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path}: {error}", hint="see docs/reference/world-format.md for a recipe's fields"
        ) from error


def dump_recipe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, for `truth/world.json`."""
    found: dict[str, Any] = msgspec.to_builtins(recipe)
    return found


def adjusted(
    recipe: Recipe,
    *,
    accounts: int | None = None,
    requests: int | None = None,
    days: int | None = None,
    split: str | None = None,
    stealth: int | None = None,
) -> Recipe:
    """The recipe for another number of accounts (all parts in proportion) or requests, window, split or stealth.

    Campaigns keep at least 8 accounts; there are more of them in a larger world, not larger ones.
    """
    if accounts is not None:
        factor = accounts / max(1, recipe.accounts)
        recipe = msgspec.structs.replace(
            recipe,
            consumers=round(recipe.consumers * factor),
            developers=round(recipe.developers * factor),
            look_alikes={kind: _resized_alike(spec, factor) for kind, spec in recipe.look_alikes.items()},
            campaigns=tuple(_resized_campaign(spec, factor) for spec in recipe.campaigns),
            matched_only=tuple(_resized_campaign(spec, factor) for spec in recipe.matched_only),
        )
    if requests is not None:
        recipe = msgspec.structs.replace(recipe, requests_per_account=max(2.0, requests / max(1, recipe.accounts)))
    if days is not None:
        recipe = msgspec.structs.replace(recipe, days=days)
    if split is not None:
        recipe = msgspec.structs.replace(recipe, split=split)
    if stealth is not None:
        campaigns = tuple(msgspec.structs.replace(spec, stealth=stealth) for spec in recipe.campaigns)
        recipe = msgspec.structs.replace(recipe, campaigns=campaigns)
    return recipe


def _resized_alike(spec: LookAlikeSpec, factor: float) -> LookAlikeSpec:
    if factor >= 1:
        return LookAlikeSpec(max(1, round(spec.organisations * factor)), spec.accounts)
    return LookAlikeSpec(spec.organisations, max(2, round(spec.accounts * factor)))


def _resized_campaign(spec: CampaignSpec, factor: float) -> CampaignSpec:
    if factor >= 1:
        return msgspec.structs.replace(spec, count=max(1, round(spec.count * factor)))
    return msgspec.structs.replace(spec, accounts=max(8, round(spec.accounts * factor)))
