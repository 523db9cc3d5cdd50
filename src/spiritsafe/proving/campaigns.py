"""Campaigns: what archetype, variant and stealth dictate, and the honest developers matched to them.

`conduct_of` is the whole of what makes a campaign's account look as it does; `matched_developers` are single
accounts of independent operations of the same conduct, so that no trait of one account tells the two apart.
What is left to find is what spans accounts: one template, one data set dealt without repeats, one rhythm, and at
stealth 0 one infrastructure. Archetypes follow the public reports (see docs/explanation/proving-ground).
Comes from `recipes`; goes on to `compose`.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from spiritsafe.proving.adaptive import Attacker, hidden_conduct, read_prices
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.model import FAMILIES, LANGUAGES, Conduct, Group, Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.proving.adaptive import Way
    from spiritsafe.proving.recipes import CampaignSpec

T = TypeVar("T")

# What developers send, and how often: ours to choose, since no public log says it. Cumulative, for `_pick`.
_FAMILY_ODDS: Final = tuple(
    accumulate((0.08, 0.05, 0.08, 0.08, 0.08, 0.13, 0.06, 0.04, 0.1, 0.08, 0.07, 0.04, 0.06, 0.05))
)
_LANGUAGE_ODDS: Final = tuple(accumulate((0.74, 0.07, 0.05, 0.03, 0.04, 0.04, 0.03)))
_ITEM_ODDS: Final = (0.45, 0.65, 1.0)
_STYLE_ODDS: Final = (0.68, 0.86, 1.0)
_SAMPLE_ODDS: Final = (0.88, 0.91, 0.94, 0.96, 0.98, 1.0)
_RELAY_FACTOR: Final = 3.0


def _pick(rng: np.random.Generator, options: Sequence[T], odds: tuple[float, ...]) -> T:
    """One of the options by cumulative odds (numpy's `choice` takes ten times as long for one draw)."""
    return options[min(bisect_right(odds, rng.random() * odds[-1]), len(options) - 1)]


def draw_items(rng: np.random.Generator) -> str:
    """Where a sender's data come from: a public set, one with changed details, or private data. Same for all."""
    return _pick(rng, ("public", "changed", "own"), _ITEM_ODDS)


def draw_turns(rng: np.random.Generator, family: str) -> float:
    """Turns of a task: agents work in several, the rest mostly in one. Same for all."""
    chance = 0.5 if family in ("code", "tools") else 0.08
    return float(rng.uniform(1.6, 4.5)) if rng.random() < chance else 1.0


def draw_language(rng: np.random.Generator) -> str:
    """The language of a sender's templates."""
    return _pick(rng, LANGUAGES, _LANGUAGE_ODDS)


def developer_conduct(rng: np.random.Generator) -> Conduct:
    """How any developer conducts itself, campaigns apart: the prior."""
    first = _pick(rng, FAMILIES, _FAMILY_ODDS)
    second = _pick(rng, FAMILIES, _FAMILY_ODDS) if rng.random() < 0.3 else first
    return Conduct(
        families=(first,) if second == first else (first, second),
        language=draw_language(rng),
        style=_pick(rng, ("templated", "reworded", "bare"), _STYLE_ODDS),
        ordinary_share=float(rng.uniform(0.1, 0.7)) if rng.random() < 0.16 else 0.0,
        place="system" if rng.random() < 0.15 else "prompt",
        items=draw_items(rng),
        samples=_pick(rng, (1, 2, 3, 4, 5, 8), _SAMPLE_ODDS),
        turns=draw_turns(rng, first),
    )


def _archetype(rng: np.random.Generator, archetype: str, accounts: int) -> Conduct:
    """Families, dealing and volume as publicly reported; volumes are quantiles of real clients' (see the docs)."""
    language = draw_language(rng)
    items = draw_items(rng)
    if archetype == "A":
        families = tuple(rng.permutation(("rubric", "explain_answer", "rewrite"))[: int(rng.integers(1, 4))].tolist())
        return Conduct(
            families=families, language=language, items=items, deal="even", workers=accounts, volume_band=(0.1, 0.75)
        )
    if archetype == "B":
        families = ("code", "tools", "trace") if rng.random() < 0.5 else ("tools", "code", "explain_answer")
        return Conduct(
            families=families, language=language, items=items, workers=accounts,
            turns=draw_turns(rng, "code"), volume_band=(0.35, 0.95),
        )  # fmt: skip
    if archetype == "C":
        families = ("code", "tools") if rng.random() < 0.6 else ("code",)
        return Conduct(
            families=families, language=language, items=items, deal="handover", workers=accounts, pivot=True,
            turns=draw_turns(rng, "code"), volume_band=(0.25, 0.9),
        )  # fmt: skip
    if archetype == "D":
        family = str(rng.choice(("solve", "code", "generate", "explain_answer", "tools")))
        return Conduct(
            families=(family,), language=language, items=items, deal="random", workers=accounts, replaced=1,
            volume_band=(0.05, 0.8),
        )  # fmt: skip
    if archetype == "E":
        families = (("code", "solve"), ("code",), ("tools", "code"))[int(rng.integers(0, 3))]
        return Conduct(
            families=families, language=language, items=items, deal="even" if rng.random() < 0.5 else "own",
            workers=accounts, turns=draw_turns(rng, "code"), volume_band=(0.3, 0.8),
        )  # fmt: skip
    other = tuple(code for code in LANGUAGES if code != "en")
    language = str(rng.choice(other)) if rng.random() < 0.75 else "en"
    return Conduct(
        families=("trace",), language=language, items=items, deal="random", workers=accounts, volume_band=(0.6, 1.0)
    )


def conduct_of(
    rng: np.random.Generator,
    archetype: str,
    variant: str,
    stealth: int,
    accounts: int,
    attacker: Attacker | None = None,
) -> tuple[Conduct, Way | None]:
    """What one archetype, variant and stealth level dictate, drawn anew for each operation; at stealth 4, the way."""
    conduct = _archetype(rng, archetype, accounts)
    if variant == "k_samples":
        conduct = conduct.but(samples=int(rng.choice((3, 4, 5, 8))))
    elif variant == "novel_items":
        conduct = conduct.but(items="own")
    elif variant == "system_template":
        conduct = conduct.but(place="system")
    elif variant == "replacement":
        conduct = conduct.but(replaced=2)
    elif variant == "non_english":
        conduct = conduct.but(language=str(rng.choice(LANGUAGES[1:])))
    elif variant == "pivot":
        conduct = conduct.but(pivot=True)
    if stealth == 2:
        conduct = conduct.but(style="reworded", clock="human", deal="random")
    elif stealth == 3:
        conduct = conduct.but(style="bare", clock="human", deal="random", ordinary_share=float(rng.uniform(0.4, 0.6)))
    elif stealth >= 4:
        return hidden_conduct(conduct, attacker or Attacker(read_prices()))
    return conduct, None


def is_relay(archetype: str, variant: str) -> bool:
    """Whether the accounts also carry innocents' traffic."""
    return archetype == "D" or variant == "relay"


def _group(
    rng: np.random.Generator,
    spec: CampaignSpec,
    *,
    seed: int,
    slot: int | None,
    campaign_ids: tuple[str | None, ...],
    attacker: Attacker | None,
) -> Group:
    """A campaign, or (`slot`) one matched account of an operation like it: the same code for both."""
    relay = is_relay(spec.archetype, spec.variant)
    conduct, way = conduct_of(rng, spec.archetype, spec.variant, spec.stealth, spec.accounts, attacker)
    if relay:
        # A relay deals out what passes through it request by request, whoever sends it.
        conduct = conduct.but(deal="random", turns=1.0, staggered=False)
    accounts = conduct.workers
    kept = tuple(range(accounts)) if slot is None else (slot % accounts,)
    jobs = [Job(mode="work", campaign_id=campaign_ids[0])]
    if relay:
        jobs = _relay_jobs(rng, spec, conduct, kept, campaign_ids, attacker)
    return Group(
        kind="campaign",
        conduct=conduct,
        jobs=jobs,
        slots=kept,
        unit=f"unit-{mix(seed, 1) >> 16:012x}",
        seed=seed,
        organisation="shells" if spec.variant == "shell_organisations" else "drawn",
        network="shared" if spec.stealth == 0 else "own",
        identity="shared" if spec.stealth == 0 else "own",
        burst=spec.stealth == 0,
        end_users="hidden" if relay else "drawn",
        mixed=relay,
        archetype=spec.archetype,
        variant=spec.variant,
        stealth=spec.stealth,
        volume_factor=_RELAY_FACTOR if relay else 1.0,
        way=way,
    )


def _relay_jobs(
    rng: np.random.Generator,
    spec: CampaignSpec,
    conduct: Conduct,
    kept: tuple[int, ...],
    campaign_ids: tuple[str | None, ...],
    attacker: Attacker | None,
) -> list[Job]:
    """Innocents' talk, and 8 to 36 % of each campaign (assumed: no source says how much)."""
    accounts = conduct.workers
    shares = rng.uniform(0.08, 0.36, len(campaign_ids))
    jobs = [Job(mode="chat", share=1.0 - float(shares.sum()))]
    for number, (campaign_id, share) in enumerate(zip(campaign_ids, shares, strict=True)):
        # Two campaigns on one relay overlap: each uses two thirds of its accounts, and no fewer than eight.
        lines = tuple(range(accounts))
        if len(campaign_ids) > 1:
            used = max(8, 2 * accounts // 3)
            lines = lines[:used] if not number else lines[-used:]
        other = conduct
        if number:
            other, _ = conduct_of(rng, spec.archetype, spec.variant, spec.stealth, spec.accounts, attacker)
            other = other.but(workers=accounts, deal="random", replaced=conduct.replaced, turns=1.0, staggered=False)
        if set(lines) & set(kept):
            jobs.append(Job(mode="work", share=float(share), campaign_id=campaign_id, lines=lines, conduct=other))
    return jobs


def campaign(spec: CampaignSpec, *, seed: int, attacker: Attacker | None = None) -> Group:
    """One campaign; on a relay of the variant `relay`, two of them."""
    rng = np.random.default_rng(mix(seed, 2))
    count = 2 if spec.variant == "relay" else 1
    ids = tuple(f"camp-{mix(seed, 3, number) >> 24:010x}" for number in range(count))
    group = _group(rng, spec, seed=seed, slot=None, campaign_ids=ids, attacker=attacker)
    group.campaign_id = ids[0]
    return group


def matched_developer(spec: CampaignSpec, *, seed: int, attacker: Attacker | None = None) -> Group:
    """One honest account that conducts itself as the campaign's do, of an operation of its own."""
    rng = np.random.default_rng(mix(seed, 2))
    ids = (None, None) if spec.variant == "relay" else (None,)
    group = _group(rng, spec, seed=seed, slot=int(mix(seed, 4) % 100_000), campaign_ids=ids, attacker=attacker)
    group.kind = "developer"
    group.only_one = True
    group.unit_per_account = True
    group.matched_to = f"{spec.archetype}/{spec.variant}/{spec.stealth}"
    group.archetype = group.variant = group.stealth = group.way = None
    group.mixed = False
    return group


def successors(spec: CampaignSpec) -> int:
    """Accounts that take each other's place in one slot of a campaign of this kind."""
    return 3 if spec.variant == "replacement" else 2 if spec.archetype == "D" else 1
