"""What else a group could be, and how each innocent explanation fared.

Each is asked of what was seen; one that nobody could check is said to be so, and never to fail. Comes from
`campaigns.facts`; goes into every group, accused or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.axes import KIND_SHARE, share_with
from spiritsafe.campaigns.model import Alternative, EvidenceKind

if TYPE_CHECKING:
    from spiritsafe.campaigns.facts import GroupFacts, Log

_BESIDES: Final = tuple(kind for kind in EvidenceKind if kind is not EvidenceKind.CONTENT)


def alternatives(facts: GroupFacts, log: Log) -> tuple[Alternative, ...]:
    """What else the group could be, and how each explanation fared. Unchecked ones are said to be so."""
    return (
        _one_organisation(facts, log),
        _shared_network(facts, log),
        _one_application(facts, log),
        _attested(facts, log),
        _published(facts),
        _same_list(facts),
    )


def _one_organisation(facts: GroupFacts, log: Log) -> Alternative:
    question = "Are they the accounts of one verified organisation?"
    name = "one customer with many accounts"
    names = facts.names(log)
    if not names.enough:
        return Alternative(
            name=name,
            question=question,
            outcome="not_checkable",
            finding=f"Whether their organisation is verified is known of {names.known} of {names.accounts} accounts.",
        )
    return Alternative(
        name=name,
        question=question,
        outcome="fits" if names.one_organisation else "does_not_fit",
        finding=f"{names.largest} of {names.counted} belong to one verified organisation.",
    )


def _shared_network(facts: GroupFacts, log: Log) -> Alternative:
    question = "Is it only that they share a network (campus, office, NAT, VPN)?"
    name = "people on one network"
    if "client_ip" not in log.observable:
        return Alternative(
            name=name, question=question, outcome="not_checkable", finding="Addresses are not in this log."
        )
    tied_otherwise = np.zeros(len(facts.accounts), dtype=bool)
    for one in facts.shared:
        if one.thing != "client_ip":
            tied_otherwise[one.members] = True
    count = int(tied_otherwise.sum())
    return Alternative(
        name=name,
        question=question,
        outcome="fits" if count * 2 < len(facts.accounts) else "does_not_fit",
        finding=f"{count} of {len(facts.accounts)} accounts are tied by more than an address.",
    )


def _one_application(facts: GroupFacts, log: Log) -> Alternative:
    question = "Is it only that they use the same client software?"
    name = "one popular application"
    if "prompt" not in log.observable:
        return Alternative(
            name=name, question=question, outcome="not_checkable", finding="Prompts are not in this log."
        )
    content = int((facts.bits["content"] > 0).sum())
    return Alternative(
        name=name,
        question=question,
        outcome="fits" if content * 2 < len(facts.accounts) else "does_not_fit",
        finding=f"{content} of {len(facts.accounts)} accounts also share rare wording.",
    )


def _attested(facts: GroupFacts, log: Log) -> Alternative:
    question = "Has somebody with a name attested them?"
    name = "licensed distillation, red team, reseller or programme"
    if log.attested is None:
        return Alternative(
            name=name,
            question=question,
            outcome="not_checkable",
            finding="No attestations were given (--attestations), so nobody could look.",
        )
    told = facts.attested(log)
    count = sum(one.most for one in told)
    partly = f"; {len(told) - count} more for less than half of theirs" if len(told) > count else ""
    return Alternative(
        name=name,
        question=question,
        outcome="fits" if count * 2 >= len(facts.accounts) else "does_not_fit",
        finding=(
            f"{count} of {len(facts.accounts)} accounts are attested for at least half of their exchanges{partly}."
        ),
    )


def _published(facts: GroupFacts) -> Alternative:
    """Strangers who copied one template have the template in common and no rhythm, no conversations, no sign-ups."""
    question = "Could strangers have taken the same wording from a public place?"
    name = "published recipe or viral template"
    seen = facts.conduct
    if seen is None or (seen.meetings is None and seen.source is None):
        return Alternative(
            name=name,
            question=question,
            outcome="not_checkable",
            finding="Too few exchanges, or too short a log, to say whether they keep one rhythm or share a source.",
        )
    apart = [kind for kind in _BESIDES if share_with(facts, kind) >= KIND_SHARE]
    return Alternative(
        name=name,
        question=question,
        outcome="does_not_fit" if apart else "fits",
        finding=(
            f"Besides wording, {' and '.join(apart)} evidence holds for most of them; strangers do not share that."
            if apart
            else "They show nothing in common but words, as strangers would who copied them."
        ),
    )


def _same_list(facts: GroupFacts) -> Alternative:
    """Who is measured, or does homework, asks what the others are asked."""
    question = "Does each of them work through the same public list?"
    name = "benchmark, homework or recipe"
    dealt = None if facts.conduct is None else facts.conduct.dealing
    if dealt is None:
        return Alternative(
            name=name, question=question, outcome="not_checkable", finding="Prompts are not in this log."
        )
    alone = dealt.same_list and not facts.takes_turns
    times = ", at times of their own" if alone else ", in turns" if dealt.same_list else ""
    if dealt.resampling:
        times = ", within the hour of one another"
    return Alternative(
        name=name,
        question=question,
        outcome="fits" if alone else "does_not_fit",
        finding=f"{dealt.repeated:,} of {dealt.items:,} prompts were asked by several of them{times}.",
    )
