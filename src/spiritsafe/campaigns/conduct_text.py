"""What accounts do beside one another, as statements that a person can check.

Every statement has its numbers, what chance would give, and the innocent reading. Comes from `campaigns.conduct`; goes
on to the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.model import Evidence, EvidenceKind
from spiritsafe.campaigns.shown import LEVEL, MEMBER_P
from spiritsafe.links.one_source import ALIKE_OF_STRANGERS
from spiritsafe.links.rhythm import LAGS_S

if TYPE_CHECKING:
    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.links.dealing import Dealing
    from spiritsafe.links.handover import HandOvers
    from spiritsafe.links.lifecycle import Burst, Succession
    from spiritsafe.links.one_source import OneSource
    from spiritsafe.links.releases import Move
    from spiritsafe.links.rhythm import Meetings
    from spiritsafe.links.turns import Turns

_LAG_WORDS: Final = {60: "minute", 600: "ten minutes", 7200: "two hours"}
_WITHIN_WORDS: Final = {3600: "an hour", 12 * 3600: "twelve hours"}


def conduct_evidence(facts: GroupFacts) -> tuple[Evidence, ...]:
    """Statements on rhythm, dealing and coming and going, where their tests hold."""
    conduct = facts.conduct
    if conduct is None:
        return ()
    made: list[Evidence] = []
    if conduct.meetings is not None and conduct.meetings.p_value <= LEVEL:
        made.append(_met(conduct.meetings, facts))
    if conduct.move is not None and conduct.move.p_value <= LEVEL:
        made.append(_moved(conduct.move))
    if conduct.turns is not None and conduct.turns.p_value <= LEVEL:
        made.append(_took_turns(conduct.turns, facts))
    if conduct.hand_overs is not None and conduct.hand_overs.p_value <= LEVEL:
        made.append(_took_over(conduct.hand_overs, facts))
    if conduct.dealing is not None and conduct.dealing.resampling:
        made.append(_resampled(conduct.dealing, facts))
    if conduct.source is not None and conduct.source.p_value <= LEVEL and conduct.source.theirs:
        made.append(_from_one_source(conduct.source, facts))
    if conduct.succession is not None and conduct.succession.p_value <= LEVEL:
        made.append(_followed(conduct.succession))
    if conduct.burst is not None and conduct.burst.p_value <= LEVEL:
        made.append(_opened(conduct.burst))
    return tuple(made)


def _bits(facts: GroupFacts, kind: EvidenceKind) -> float:
    return round(float(np.max(facts.bits[kind], initial=0.0)), 1)


def _met(met: Meetings, facts: GroupFacts) -> Evidence:
    at = LAGS_S.index(met.lag_s)
    with_it = int((met.members <= MEMBER_P).sum())
    return Evidence(
        kind=EvidenceKind.TIMING,
        statement=(
            f"{with_it} of {len(facts.accounts)} accounts keep the others' rhythm: their exchanges fall into the same "
            f"{_LAG_WORDS[met.lag_s]} {_count(met.met[at])} times"
        ),
        bits=_bits(facts, EvidenceKind.TIMING),
        accounts=with_it,
        rarity=f"{_count(met.expected[at])} times by chance, each timeline moved by days of its own"
        + ("; hardly more than one deadline explains" if met.no_deadline_p_value > LEVEL else ""),
        innocent_explanation="one deadline, one queue of one company, one service that all of them use",
    )


def _moved(one: Move) -> Evidence:
    return Evidence(
        kind=EvidenceKind.TIMING,
        statement=f"{one.moved} of {one.active} accounts used {one.model} within a day of its release",
        accounts=one.moved,
        rarity=f"{one.share:.1%} of other accounts did",
        innocent_explanation="one company or one application that changed its configuration",
    )


def _took_turns(one: Turns, facts: GroupFacts) -> Evidence:
    with_it = int((one.members <= MEMBER_P).sum())
    return Evidence(
        kind=EvidenceKind.TIMING,
        statement=(
            f"{with_it} of {len(facts.accounts)} accounts take turns: in {one.taken:.0%} of the cases another sends "
            "exactly once between two exchanges of one"
        ),
        bits=_bits(facts, EvidenceKind.TIMING),
        accounts=with_it,
        rarity=f"{one.expected:.0%} by chance",
        innocent_explanation="one company's program that spreads its own work over accounts it was given",
    )


def _took_over(one: HandOvers, facts: GroupFacts) -> Evidence:
    with_it = int((one.members <= MEMBER_P).sum())
    return Evidence(
        kind=EvidenceKind.TIMING,
        statement=(
            f"{one.taken:,} of {one.refused:,} prompts that were refused at a limit were sent by another of these "
            "accounts within two minutes"
        ),
        bits=_bits(facts, EvidenceKind.TIMING),
        accounts=with_it,
        rarity=f"{_count(one.expected)} by chance",
        innocent_explanation="one company's program that goes on over another of its own accounts",
    )


def _resampled(dealt: Dealing, facts: GroupFacts) -> Evidence:
    return Evidence(
        kind=EvidenceKind.WORK,
        statement=(
            f"{dealt.repeated:,} of their {dealt.items:,} prompts were asked by {dealt.askers:.1f} accounts each, "
            f"{_count(dealt.close)} times within the hour"
        ),
        bits=_bits(facts, EvidenceKind.WORK),
        accounts=int(dealt.resampled.sum()),
        rarity=f"{_count(dealt.expected)} times by chance",
        innocent_explanation="one company's evaluation that asks everything several times",
    )


def _from_one_source(source: OneSource, facts: GroupFacts) -> Evidence:
    return Evidence(
        kind=EvidenceKind.WORK,
        statement=(
            f"{source.shown} of {len(facts.accounts)} accounts ask about one and the same source: the template apart, "
            f"prompts of two accounts are {source.alike:.2f} times as alike as prompts of one"
        ),
        bits=_bits(facts, EvidenceKind.WORK),
        accounts=source.shown,
        rarity=(
            f"at most {ALIKE_OF_STRANGERS:.2f} times where each brings data of its own; {source.outside:.1%} of other "
            "accounts ask about the same"
        ),
        innocent_explanation="one company's data, or a data set that came with the template",
    )


def _followed(one: Succession) -> Evidence:
    return Evidence(
        kind=EvidenceKind.LIFECYCLE,
        statement=replaced_statement(one),
        accounts=int(one.members.sum()),
        rarity=f"{one.expected:.1f} by chance" + _closeness(one),
        innocent_explanation="a customer that was suspended by mistake and signed up again",
    )


def _closeness(one: Succession) -> str:
    if not one.members.any():
        return ""
    share = float(np.median(one.chance[one.members]))
    return f"; of strangers who came or went meanwhile {share:.1%} are as close as the middle one of these accounts"


def replaced_statement(one: Succession) -> str:
    """How many suspensions were answered, as a sentence."""
    within = _WITHIN_WORDS[one.within_s]
    return f"{one.followed} of {one.banned} suspensions were followed by a new member within {within}"


def _opened(one: Burst) -> Evidence:
    return Evidence(
        kind=EvidenceKind.LIFECYCLE,
        statement=f"{one.opened} of {one.known} accounts were opened within one day",
        accounts=one.opened,
        rarity=f"{one.background:.1%} of all accounts were",
        innocent_explanation="a company, a class or a promotion that signs its people up on one day",
    )


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")
