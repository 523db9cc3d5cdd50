"""What a planted campaign says: the composer's own campaigns, as a list of prompts.

Comes from `campaigns` (what an archetype and a stealth level dictate) and `work` (the words); goes on to
`inject_plant`, which takes any callable of this form, so that an operator may plant texts of his own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.proving.campaigns import conduct_of
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.pools import build_pools, read_prompts, sample_folder
from spiritsafe.proving.work import ChatWork, build_works

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from spiritsafe.proving.inject_plant import CampaignTexts

# Archetypes whose accounts carry nothing but the campaign; a relay's innocents would be made up here.
ARCHETYPES: Final = ("A", "B", "C", "E", "F")


def composed_texts(prompts: Sequence[Path] = ()) -> CampaignTexts:
    """`(n, stealth, rng)` to the n prompts of one campaign, in the order in which it would send them.

    Parameters
    ----------
    prompts
        Prompt sets as for `spiritsafe prove --prompts`; the bundled sample where none is given.

    Raises
    ------
    PoolError, SampleError
        The prompt sets cannot serve, or the sample is missing.
    """
    pools = build_pools(read_prompts(prompts or [sample_folder() / "prompts.parquet"]), split="all")

    def texts(count: int, stealth: int, rng: np.random.Generator) -> list[str]:
        archetype = str(rng.choice(ARCHETYPES))
        drawn, _ = conduct_of(rng, archetype, "plain", stealth, 8)
        conduct = drawn.but(place="prompt", turns=1.0)
        seed = int(rng.integers(0, 1 << 40))
        works = build_works(pools, conduct, seed=seed, need=count, split="all")
        chat = ChatWork(pools, conduct.language, split="all")
        ordinary = rng.random(count) < conduct.ordinary_share
        talks = rng.integers(0, len(chat.turns), count)
        said = []
        for item in range(count):
            if ordinary[item]:
                prompt, _ = chat.say(int(talks[item]), 0, mix(seed, item, 8))
            else:
                work = works[min(len(works) - 1, item * len(works) // count)]
                prompt, _ = work.say(item // conduct.samples, 0, mix(seed, item, 9))
            said.append(prompt)
        return said

    return texts
