"""How likely is it that a group is chance, after having searched for it?

Groups are found by some kinds of evidence and tested on others: the test has not seen what the search has seen. Of
several tests the smallest p-value counts, times their number; over all groups of a scan, the false-discovery rate is
controlled. Comes from `campaigns.conduct`; goes on to `campaigns.verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.model import EvidenceKind, Significance
from spiritsafe.stats.hypotheses import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.campaigns.facts import GroupFacts

Q_LEVEL: Final = 0.01
"""Groups are named at a false-discovery rate of one in a hundred."""

SHARES: Final = {
    EvidenceKind.TIMING: 0.4,
    EvidenceKind.LIFECYCLE: 0.2,
    EvidenceKind.WORK: 0.2,
    EvidenceKind.INFRASTRUCTURE: 0.1,
    EvidenceKind.IDENTITY: 0.1,
}
"""What part of the level each kind of test may spend, most for what says most of one operator; they add to 1. Wording
has none: who asks about one subject shares more of it than accounts drawn at random, and no null of it holds."""

_TYING: Final = (EvidenceKind.CONTENT, EvidenceKind.WORK, EvidenceKind.INFRASTRUCTURE, EvidenceKind.IDENTITY)
_NULLS: Final = {
    EvidenceKind.TIMING: (
        "their timelines are unrelated, also at limits, and they move to new models as other accounts do"
    ),
    EvidenceKind.WORK: (
        "they share conversations as accounts drawn at random do, repeat at times of their own, with data of their own"
    ),
    EvidenceKind.LIFECYCLE: "they sign up when other accounts do, whoever is banned",
    EvidenceKind.INFRASTRUCTURE: "they share addresses and clients as accounts drawn at random do",
    EvidenceKind.IDENTITY: "they share means of payment and identities as accounts drawn at random do",
}


@dataclass(frozen=True, slots=True)
class Tested:
    """What tests of one kind of evidence say together: the smallest p-value times their number."""

    kind: EvidenceKind
    p_value: float


def made_tests(facts: GroupFacts) -> tuple[Tested, ...]:
    """The tests of a group on evidence that did not find it: one a kind, in a fixed order."""
    conduct = facts.conduct
    if conduct is None:
        return ()
    made: dict[EvidenceKind, list[float]] = {kind: [] for kind in SHARES}
    if conduct.meetings is not None:
        made[EvidenceKind.TIMING].append(conduct.meetings.no_deadline_p_value)
    made[EvidenceKind.TIMING] += [
        one.p_value for one in (conduct.move, conduct.turns, conduct.hand_overs) if one is not None
    ]
    made[EvidenceKind.LIFECYCLE] += [one.p_value for one in (conduct.succession, conduct.burst) if one is not None]
    dealt = conduct.dealing
    if dealt is not None and dealt.p_value is not None and dealt.repeats:
        # One list in one order at one pace comes closer than chance: what is too little to count is nothing.
        made[EvidenceKind.WORK].append(dealt.p_value if dealt.resampling else 1.0)
    if conduct.source is not None:
        # What anybody may ask about is nothing, however much alike it is.
        made[EvidenceKind.WORK].append(conduct.source.p_value if conduct.source.theirs else 1.0)
    for kind, sharing in conduct.sharing.items():
        if kind in made and kind in facts.without and sharing.chance > 0:
            made[kind].append(sharing.p_value)
    return tuple(Tested(kind, min(min(found) * len(found), 1.0)) for kind, found in made.items() if found)


def significances(every: Sequence[GroupFacts], *, looks: int = 1) -> list[Significance]:
    """How significant each group is, all of them tested together.

    Parameters
    ----------
    every
        Groups with their conduct.
    looks
        How many times the log is to be scanned as it grows. Each look has its share of the level (Bonferroni): of what
        is named at any of them no larger a share is false, on average, than of one look alone, however alike they are.

    Of a group's tests the smallest p-value over its share of the level (weighted Bonferroni, Genovese, Roeder &
    Wasserman 2006, doi:10.1093/biomet/93.3.509), then Benjamini & Hochberg (1995) over the groups that could be tested.
    """
    tests = [made_tests(one) for one in every]
    combined = np.array([min(map(_spent, made), default=np.nan) for made in tests])
    tested = ~np.isnan(combined)
    adjusted = np.full(len(every), np.nan)
    adjusted[tested] = np.minimum(benjamini_hochberg(combined[tested]) * looks, 1.0)
    return [
        _stated(made, float(p), float(q), groups=int(tested.sum()), looks=looks) if made else _untested(one)
        for one, made, p, q in zip(every, tests, combined, adjusted, strict=True)
    ]


def _spent(test: Tested) -> float:
    return min(test.p_value / SHARES[test.kind], 1.0)


def _untested(facts: GroupFacts) -> Significance:
    found = sorted(kind.value for kind in _TYING if kind not in facts.without)
    return Significance(
        method="none",
        null="",
        p_value=None,
        q_value=None,
        statement=(
            f"No p-value is given. The group was found by {' and '.join(found)}, a test on which would always be "
            "significant, and nothing else could be tested: too few exchanges, too short a log or no such columns."
        ),
    )


def _stated(made: tuple[Tested, ...], p_value: float, q_value: float, *, groups: int, looks: int) -> Significance:
    best = min(made, key=_spent)
    kinds = ", ".join(test.kind.value for test in made)
    together = f"{groups} groups" if looks == 1 else f"{groups} groups and {looks} looks"
    return Significance(
        method=f"weighted Bonferroni over {len(made)} tests ({kinds}); Benjamini-Hochberg over {together}",
        null=_NULLS[best.kind],
        p_value=p_value,
        q_value=q_value,
        statement=(
            f"Tested on evidence that did not find it. If {_NULLS[best.kind]}, a group stands out as much with "
            f"probability {_small(p_value)}; with {together} tested at once, q = {_small(q_value)}."
        ),
    )


def _small(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"


def significant(stated: Significance) -> bool:
    """Whether a group may be named."""
    return stated.q_value is not None and stated.q_value <= Q_LEVEL
