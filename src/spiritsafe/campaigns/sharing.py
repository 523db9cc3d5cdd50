"""Do the members of a group share rarer things than strangers do?

Asked of those kinds of evidence that did not find the group. In a log of many rare phrases nearly everybody shares one
with somebody, so that a thing is rare proves nothing until it is rare enough for the size of the group. Comes from
`campaigns.holdings` and `facts`; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.model import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.holdings import Holdings

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SHARED_BY_CHANCE: Final = 0.05
"""Only wording so rare counts as shared that of strangers one in twenty would share some with a group as large. Of
networks and payers all that are rare count, and with them the chance, since a class or a company does share them."""

SHARED: Final = (EvidenceKind.CONTENT, EvidenceKind.WORK, EvidenceKind.INFRASTRUCTURE, EvidenceKind.IDENTITY)
"""The kinds of evidence that are things in common."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """`members` share a thing of one kind, of at least `bits`, with another member; of strangers `chance` would."""

    members: int
    bits: float
    chance: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Rare:
    """P(two accounts of the log hold a value of a kind in common that weighs so much), for accounts drawn at random.

    By kind: the weights of all values, descending, that chance for each, and how many values each account holds.
    """

    bits: Mapping[EvidenceKind, Floats]
    pairs: Mapping[EvidenceKind, Floats]
    held: Mapping[EvidenceKind, Ints]

    @classmethod
    def of(cls, holdings: Holdings) -> Rare:
        """Counted over the values of a log."""
        _, first = np.unique(holdings.value, return_index=True)
        first = first[np.argsort(-holdings.bits[first], kind="stable")]
        held, of = (
            holdings.holders[first].astype(np.float64),
            np.maximum(holdings.observed[first], 2).astype(np.float64),
        )
        pairs = held * (held - 1) / (of * (of - 1))
        kinds = np.array([holdings.kind(value) for value in range(len(holdings.things))])
        chosen = {kind: kinds == kind for kind in SHARED}
        return cls(
            {kind: holdings.bits[first][every[holdings.value[first]]] for kind, every in chosen.items()},
            {kind: np.cumsum(pairs[every[holdings.value[first]]]) for kind, every in chosen.items()},
            {
                kind: np.bincount(holdings.account[every[holdings.value]], minlength=holdings.accounts)
                for kind, every in chosen.items()
            },
        )

    def busier(self, facts: GroupFacts, kind: EvidenceKind) -> float:
        """How many times as many pairs of members share by chance as of other accounts, by how much they hold besides
        what they share; 1 at least."""
        shared = sum(len(one.members) for one in facts.shared if one.kind == kind)
        theirs = float(self.held[kind][facts.accounts].sum() - shared) / len(facts.accounts)
        return max(theirs / max(float(self.held[kind].mean()), 1e-9), 1.0) ** 2


def sharing_of(facts: GroupFacts, kind: EvidenceKind, rare: Rare) -> Sharing:
    """Do more members share such a thing than of as many strangers?

    Null: the members are accounts drawn at random, which hold as much as the members do. What is not rare enough for
    the size of the group is left out, whatever the group shares. Sharing is mutual, so members are counted by twos: as
    few as independent pairs could be (conservative where one value ties many).
    """
    from scipy.special import bdtrc

    size, bits = len(facts.accounts), rare.bits[kind]
    chance = np.minimum((size - 1) * rare.busier(facts, kind) * rare.pairs[kind], 1.0)
    limit = SHARED_BY_CHANCE if kind is EvidenceKind.CONTENT else 1.0
    last = int(np.searchsorted(chance, limit, side="right"))
    if last < len(bits):
        # Values that weigh the same are all rare enough, or none.
        last = int((bits > bits[last]).sum())
    if last == 0:
        return Sharing(0, np.inf, 0.0, 1.0)
    least, each = float(bits[last - 1]), float(chance[last - 1])
    sharing = int((facts.bits[kind] >= least).sum())
    twos = sharing // 2
    p_value = 1.0 if twos == 0 else float(bdtrc(twos - 1, size // 2, each))
    return Sharing(sharing, least, each, p_value)
