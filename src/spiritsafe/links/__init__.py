"""links: which accounts have one operator, and how strongly?

In come `sketches` and account signals; out go holdings (an account has a value: a habitual phrase, an
address, a means of payment), each weighed in bits by how rare the value is in this very log, and tests of what accounts
do beside one another. Read `weights` for what a bit is, `phrases` and `infrastructure` for what is compared, `rhythm`,
`turns`, `handover`, `dealing`, `one_source`, `lifecycle` and `releases` for the tests; then go on to `campaigns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiritsafe.links.audience import audiences, common_phrases
    from spiritsafe.links.infrastructure import shared_things
    from spiritsafe.links.phrases import habitual_phrases, habitual_prefixes
    from spiritsafe.links.weights import chance_of_sharing, match_weight, rarity_bits

_HOMES = {
    "audiences": "audience",
    "common_phrases": "audience",
    "shared_things": "infrastructure",
    "habitual_phrases": "phrases",
    "habitual_prefixes": "phrases",
    "chance_of_sharing": "weights",
    "match_weight": "weights",
    "rarity_bits": "weights",
}
__all__ = [
    "audiences",
    "chance_of_sharing",
    "common_phrases",
    "habitual_phrases",
    "habitual_prefixes",
    "match_weight",
    "rarity_bits",
    "shared_things",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
