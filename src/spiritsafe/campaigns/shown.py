"""What each member of a group shows of what the group shows.

A test of a whole group says that its accounts act as one; not of whom. Each member is therefore held against strangers
by itself, on the kinds of evidence that hold for its group. Comes from `campaigns.conduct`; goes on to
`campaigns.pruning` and the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.stats.tails import bits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.conduct import Conduct
    from spiritsafe.campaigns.facts import GroupFacts

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

LEVEL: Final = 0.01
"""From this p-value down a kind of evidence counts for a group."""

MEMBER_P: Final = 0.05
"""From this p-value down an account is shown to keep its group's rhythm."""

SAME: Final = 0.9
"""P(one operator's accounts show a thing in common), as in `links.weights.rarity_bits`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one test that holds for a group says of its members. Both have shape (members,).

    `bits` weigh it, 0 for whom it does not hold; of strangers the share `chance` would show as much, 1 for whom it does
    not hold.
    """

    kind: EvidenceKind
    bits: Floats
    chance: Floats


def shown_by(facts: GroupFacts, conduct: Conduct) -> list[Shown]:
    """What the members show of each thing that holds for the group, by itself of the evidence that did not find it.

    Parameters
    ----------
    facts
        The group, with the bits of what its members have in common.
    conduct
        How they act beside one another.
    """
    return [*_in_common(facts, conduct), *_together(conduct), *_of_work(conduct), *_of_lifecycle(conduct)]


def bits_by_kind(facts: GroupFacts, shown: Sequence[Shown]) -> dict[str, Floats]:
    """Bits of each kind, shape (members,): within a kind the strongest counts, since agreements of one kind depend on
    one another."""
    bits = {kind: np.zeros(len(facts.accounts)) for kind in facts.bits}
    for one in shown:
        bits[one.kind] = np.maximum(bits[one.kind], one.bits)
    return bits


def chance_of_all(facts: GroupFacts, shown: Sequence[Shown]) -> Floats:
    """Of how many strangers one would show as much as each member does, of anything besides wording. Shape (members,).

    The least of the chances times their number (Bonferroni); 1 where nothing holds.
    """
    chances = [one.chance for one in shown if one.kind is not EvidenceKind.CONTENT]
    if not chances:
        return np.ones(len(facts.accounts))
    least: Floats = np.minimum(np.min(chances, axis=0) * len(chances), 1.0)
    return least


def _certain(kind: EvidenceKind, holds: Bools, share: float) -> Shown:
    """Of what a member does or does not, and a known share of strangers does."""
    bits = max(float(np.log2(SAME / share)), 0.0)
    return Shown(kind, np.where(holds, bits, 0.0), np.where(holds, share, 1.0))


def _in_common(facts: GroupFacts, conduct: Conduct) -> list[Shown]:
    """Things in common: what found the group by its rarity, anything else where more share it than of strangers."""
    shown = []
    for kind, sharing in conduct.sharing.items():
        held = facts.bits[kind]
        if kind not in facts.without:
            shown.append(Shown(kind, held, np.exp2(-held)))
        elif sharing.p_value <= LEVEL:
            holds = held >= sharing.bits
            shown.append(Shown(kind, np.where(holds, held, 0.0), np.where(holds, sharing.chance, 1.0)))
    return [one for one in shown if one.bits.any()]


def _together(conduct: Conduct) -> list[Shown]:
    """One rhythm, one move to a new model, turns that are taken, and what was refused at a limit taken over."""
    shown = []
    met, moved = conduct.meetings, conduct.move
    for test in (conduct.turns, conduct.hand_overs):
        if test is not None and test.p_value <= LEVEL:
            bits = np.array([bits_of(p) if p <= MEMBER_P else 0.0 for p in test.members])
            shown.append(Shown(EvidenceKind.TIMING, bits, test.members))
    if met is not None and met.no_deadline_p_value <= LEVEL and len(met.members):
        bits = np.array([bits_of(p) if p <= MEMBER_P else 0.0 for p in met.members])
        shown.append(Shown(EvidenceKind.TIMING, bits, met.members))
    if moved is not None and moved.p_value <= LEVEL:
        shown.append(_certain(EvidenceKind.TIMING, moved.members, moved.share))
    return shown


def _of_work(conduct: Conduct) -> list[Shown]:
    """The same asked several times at once, and one source."""
    shown = []
    dealt, source = conduct.dealing, conduct.source
    if dealt is not None and dealt.resampling and dealt.p_value is not None:
        p_value = dealt.p_value
        bits = np.where(dealt.resampled, bits_of(p_value), 0.0)
        shown.append(Shown(EvidenceKind.WORK, bits, np.where(dealt.resampled, p_value, 1.0)))
    if source is not None and source.p_value <= LEVEL and source.theirs:
        rarity = min(bits_of(source.p_value), float(np.log2(SAME / source.outside)))
        chance = np.where(source.members, source.outside, 1.0)
        shown.append(Shown(EvidenceKind.WORK, np.where(source.members, rarity, 0.0), chance))
    return shown


def _of_lifecycle(conduct: Conduct) -> list[Shown]:
    """Banned accounts' places taken, and one sign-up day."""
    shown = []
    follows, opened = conduct.succession, conduct.burst
    if follows is not None and follows.p_value <= LEVEL:
        bits = np.where(follows.members, [bits_of(p) for p in follows.chance], 0.0)
        shown.append(Shown(EvidenceKind.LIFECYCLE, bits, follows.chance))
    if opened is not None and opened.p_value <= LEVEL:
        shown.append(_certain(EvidenceKind.LIFECYCLE, opened.members, opened.background))
    return shown
