"""Ordinary innocents: people who talk, developers who build, each with a life of its own.

Comes from `recipes`; goes on to `compose`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spiritsafe.proving.campaigns import developer_conduct, matched_developer, successors
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.model import LANGUAGES, Conduct, Group, Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spiritsafe.proving.adaptive import Attacker
    from spiritsafe.proving.recipes import CampaignSpec

_CHAT_LANGUAGES = (0.7, 0.09, 0.06, 0.04, 0.04, 0.04, 0.03)


def consumers(count: int, *, seed: int) -> Iterator[Group]:
    """`count` people, in one crowd a language; each is independent of all others."""
    rng = np.random.default_rng(mix(seed, 11))
    tongues = rng.multinomial(count, _CHAT_LANGUAGES)
    for number, (language, size) in enumerate(zip(LANGUAGES, tongues, strict=True)):
        if size:
            yield Group(
                kind="consumer",
                conduct=Conduct(families=("qa",), language=language, clock="human"),
                jobs=[Job(mode="chat", per_account=True)],
                slots=tuple(range(int(size))),
                unit="",
                seed=mix(seed, 12, number),
                people=True,
                many_operators=True,
                unit_per_account=True,
            )


def developers(count: int, *, seed: int) -> Iterator[Group]:
    """`count` developers with conduct drawn from the prior; each is independent of all others."""
    for number in range(count):
        own = mix(seed, 13, number)
        yield Group(
            kind="developer",
            conduct=developer_conduct(np.random.default_rng(mix(own, 1))),
            jobs=[Job(mode="work", per_account=True)],
            slots=(0,),
            unit=f"unit-{mix(own, 2) >> 16:012x}",
            seed=own,
            unit_per_account=True,
        )


def matched_developers(
    specs: Sequence[CampaignSpec], share: float, *, seed: int, attacker: Attacker | None = None
) -> Iterator[Group]:
    """For each account of each campaign, `share` honest ones of the same conduct, each of an operation of its own."""
    for number, spec in enumerate(specs):
        for place in range(round(spec.accounts * spec.count * share * successors(spec))):
            yield matched_developer(spec, seed=mix(seed, 14, number, place), attacker=attacker)
