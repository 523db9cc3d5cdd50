"""Members that do not act with their group are let go.

A template or a popular data set draws strangers into a group. Where most members show something besides wording (one
rhythm, one sign-up day, one card), who shows nothing but words is not one of them; nor is who shows hardly anything.
The group's own test was made with them in it: letting them go afterwards makes nothing look more significant. Comes
from `campaigns.conduct`; goes on to `campaigns.verdicts`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.axes import KIND_SHARE, share_with
from spiritsafe.campaigns.facts import gather
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.tying import GROUP_MINIMUM, Found
from spiritsafe.campaigns.verdicts import membership_probability
from spiritsafe.stats.hypotheses import storey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.conduct import Conduct
    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.holdings import Holdings

    Bools = NDArray[np.bool_]

TOGETHER_SHARE: Final = 0.75
"""Where so many keep one rhythm, it is taken of those who send too little to show it; where fewer do, of nobody."""

APART_P: Final = 0.2
"""Four in five of those who do not keep a rhythm have a p-value above this, and hardly anybody who does."""

AGAINST_P: Final = 0.5
AGAINST_KINDS: Final = 2
"""Where most keep a rhythm, whose p-value is above one half goes against it, and one kind of evidence does not
outweigh that: of 38 innocents of development worlds 13, of their thousands of campaigns' accounts 24."""

SHOWN_BITS: Final = 1.0
SHOWN_WITHOUT_TEMPLATE_BITS: Final = 3.0
"""Who shows something of a kind is twice as likely a member as a stranger by it: less is hardly anything. Eight times
as likely where the group has no template of its own: its words may be those of a language."""

STRANGERS_Q: Final = 0.03
"""Or it is one of so many members that show as much that of them at most three in a hundred are strangers: what says
little of one account says more where nearly all of a group show it."""

IMPROBABLE: Final = 0.1
"""Nobody is accused of whom the scan itself says that nine to one it is a stranger."""

_OTHER: Final = tuple(kind for kind in EvidenceKind if kind is not EvidenceKind.CONTENT)


def pruned(every: Sequence[GroupFacts], holdings: Holdings) -> list[GroupFacts]:
    """The groups without members that do not act with them."""
    done = []
    for facts in every:
        keep = _acting(facts) & _probable(facts, holdings.accounts)
        if keep.all() or int(keep.sum()) < GROUP_MINIMUM or 2 * int(keep.sum()) < len(keep):
            # Of a crowd somebody shows everything by chance: who is left of it was chosen for that.
            done.append(replace(facts, scattered=not keep.all()))
            continue
        (smaller,) = gather([Found(facts.accounts[keep], facts.without)], holdings)
        assert facts.conduct is not None
        bits = {kind: values[keep] for kind, values in facts.bits.items()}
        gone = int((~keep).sum())
        done.append(replace(smaller, bits=bits, conduct=_conduct(facts.conduct, keep), let_go=gone))
    return done


def _acting(facts: GroupFacts) -> Bools:
    """Which members stay. Shape (members,)."""
    least = SHOWN_BITS if facts.own_template else SHOWN_WITHOUT_TEMPLATE_BITS
    shows = np.asarray(np.max([facts.bits[kind] for kind in _OTHER], axis=0) >= least)
    if facts.chance is not None:
        shows = shows | (storey(facts.chance) <= STRANGERS_Q)
    if max(share_with(facts, kind) for kind in _OTHER) < KIND_SHARE:
        # Nothing besides wording counts for the group: it will not be accused, and is shown whole.
        return np.ones_like(shows)
    met = None if facts.conduct is None else facts.conduct.meetings
    if met is not None and met.acting_share >= TOGETHER_SHARE:
        # Who sends little cannot be shown to keep the rhythm: only who plainly does not is let go.
        shows = shows | (met.members <= APART_P)
        kinds = np.sum([facts.bits[kind] > 0 for kind in _OTHER], axis=0)
        shows = shows & ((met.members <= AGAINST_P) | (kinds >= AGAINST_KINDS))
    return shows


def _probable(facts: GroupFacts, accounts: int) -> Bools:
    """Which members are in it by their own evidence. Shape (members,).

    Where hardly any evidence counts (no kind holds for half of the members), everybody stays: nobody will be accused.
    """
    size = len(facts.accounts)
    if max(share_with(facts, kind) for kind in EvidenceKind) < KIND_SHARE:
        return np.ones(size, dtype=bool)
    stated = membership_probability(facts.total_bits(), accounts=accounts, size=size)
    probable: Bools = stated >= IMPROBABLE
    return probable


def _conduct(conduct: Conduct, keep: Bools) -> Conduct:
    """What was found of each member, of those that stay."""
    met, dealt, moved = conduct.meetings, conduct.dealing, conduct.move
    follows, opened, source = conduct.succession, conduct.burst, conduct.source
    took, handed = conduct.turns, conduct.hand_overs
    return replace(
        conduct,
        turns=None if took is None else replace(took, members=took.members[keep]),
        hand_overs=None if handed is None else replace(handed, members=handed.members[keep]),
        meetings=met if met is None or not len(met.members) else replace(met, members=met.members[keep]),
        dealing=None if dealt is None else replace(dealt, resampled=dealt.resampled[keep]),
        move=None if moved is None else replace(moved, members=moved.members[keep]),
        succession=None
        if follows is None
        else replace(follows, members=follows.members[keep], chance=follows.chance[keep]),
        burst=None if opened is None else replace(opened, members=opened.members[keep]),
        source=None
        if source is None
        else replace(source, members=source.members[keep], instances=source.instances[keep]),
    )
