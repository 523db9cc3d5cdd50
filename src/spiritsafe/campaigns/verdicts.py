"""Three axes to one verdict, and everything that a person needs to disagree with it.

`campaign` needs all three axes supported and coordination from at least two independent kinds of evidence;
it alone opens an enforcement case. Comes from `campaigns.axes`; goes on to the pages and tables.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns import axes, explain
from spiritsafe.campaigns.alternatives import alternatives
from spiritsafe.campaigns.model import (
    AxisStatus,
    EvidenceKind,
    Exposure,
    Group,
    Member,
    Verdict,
)
from spiritsafe.campaigns.significance import significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import Activity, GroupFacts, Log
    from spiritsafe.campaigns.model import Axis, Significance

INDEPENDENT_KINDS: Final = 2
EXCHANGES_MINIMUM: Final = 100
"""Fewer exchanges than this carry no pattern worth a judgement."""

CORE_PROBABILITY: Final = 0.9


def judge(facts: GroupFacts, log: Log, activity: Activity, significance: Significance) -> Group:
    """The whole judgement of one group.

    Parameters
    ----------
    facts
        The group.
    log
        The log it was found in.
    activity
        What its members did.
    significance
        How likely such a group is by chance, all groups of the scan tested together.

    Returns
    -------
    The group with verdict, axes, members, alternatives and advice. Deterministic.
    """
    together, kinds = axes.coordination(facts, log)
    three = (together, axes.extraction(facts, log, activity), axes.concealment(facts, log))
    exchanges = int(facts.of(log, "exchanges").sum())
    verdict, failed = decide(three, kinds, exchanges=exchanges, significant=significant(significance))
    members = members_of(facts, log)
    exposure = _exposure(facts, log, activity.models)
    return Group(
        campaign_id=campaign_id([one.account_id for one in members]),
        verdict=verdict,
        failed_axis=failed,
        headline=explain.headline(verdict, len(members), kinds, exposure),
        axes=three,
        significance=significance,
        members=members,
        alternatives=alternatives(facts, log),
        exposure=exposure,
        archetype=explain.archetype(three[1], exposure, len(members)),
        techniques=explain.techniques(three[1]),
        actions=explain.actions(verdict, failed),
        would_change_our_mind=explain.would_change_our_mind(verdict, three),
        hourly=activity.hourly,
    )


def decide(
    three: tuple[Axis, Axis, Axis], kinds: Sequence[str], *, exchanges: int, significant: bool
) -> tuple[Verdict, str]:
    """The verdict, and the axis that kept the group from being a campaign ("" for a campaign).

    Parameters
    ----------
    three
        Coordination, extraction, concealment.
    kinds
        The independent kinds of evidence that support coordination.
    exchanges
        Of the whole group.
    significant
        Whether evidence that did not find the group sets it apart from chance.
    """
    together, taking, hiding = three
    if together.status is AxisStatus.NOT_OBSERVABLE or exchanges < EXCHANGES_MINIMUM:
        return Verdict.INSUFFICIENT_DATA, "coordination"
    if together.status is AxisStatus.CONTRADICTED:
        return Verdict.COORDINATED_UNKNOWN, "coordination"
    if hiding.status is AxisStatus.CONTRADICTED:
        return Verdict.OPEN_COORDINATION, "concealment"
    if len(kinds) < INDEPENDENT_KINDS or not significant:
        return Verdict.COORDINATED_UNKNOWN, "coordination"
    for axis in (taking, hiding):
        if axis.status is not AxisStatus.SUPPORTED:
            return Verdict.COORDINATED_UNKNOWN, axis.name
    return Verdict.CAMPAIGN, ""


def members_of(facts: GroupFacts, log: Log) -> tuple[Member, ...]:
    """Every account of the group, why it is in, and how probably it belongs."""
    probability = membership_probability(facts.total_bits(), accounts=log.accounts, size=len(facts.accounts))
    ids, first = facts.of(log, "account_id"), facts.of(log, "first_s")
    exchanges = facts.of(log, "exchanges")
    reasons: list[list[str]] = [[] for _ in facts.accounts]
    for one in facts.shared:
        lacking = [position for position in one.members.tolist() if len(reasons[position]) < explain.REASONS_SHOWN]
        reason = explain.why_in(one) if lacking else ""
        for position in lacking:
            reasons[position].append(reason)
    return tuple(
        Member(
            account_id=str(ids[position]),
            probability=round(float(probability[position]), 4),
            role="core" if probability[position] >= CORE_PROBABILITY else "uncertain",
            first_seen=iso(int(first[position])),
            exchanges=int(exchanges[position]),
            **{f"bits_{kind.value}": round(float(facts.bits[kind][position]), 2) for kind in EvidenceKind},
            why=tuple(reasons[position]),
        )
        for position in range(len(facts.accounts))
    )


def membership_probability(bits: NDArray[np.float64], *, accounts: int, size: int) -> NDArray[np.float64]:
    """P(operated by the group's operator), by Bayes from the bits and the group's share of all accounts.

    Parameters
    ----------
    bits
        Shape (members,). Evidence of all kinds together.
    accounts
        Accounts in the log.
    size
        Accounts in the group: before any evidence, a random account is one of them with size / accounts.

    Returns
    -------
    Shape (members,), in (0, 1). How well it is calibrated is measured by `spiritsafe prove score`.
    """
    prior_bits = np.log2(size / max(accounts - size, 1))
    odds: NDArray[np.float64] = np.exp2(bits + prior_bits)
    return odds / (1 + odds)


def campaign_id(account_ids: Sequence[str]) -> str:
    """A hash of the sorted members: the same finding has the same id."""
    joined = "\x1f".join(sorted(account_ids)).encode()
    return f"c-{hashlib.sha256(joined).hexdigest()[:16]}"


def iso(second: int) -> str:
    """Epoch seconds as ISO 8601 UTC."""
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")


def _exposure(facts: GroupFacts, log: Log, models: Sequence[str]) -> Exposure:
    exchanges = int(facts.of(log, "exchanges").sum())
    return Exposure(
        exchanges=exchanges,
        exchanges_share=round(exchanges / max(log.exchanges, 1), 4),
        input_tokens=_tokens(facts, log, "input_tokens"),
        output_tokens=_tokens(facts, log, "output_tokens"),
        models=tuple(sorted(models)),
        capabilities=explain.capabilities(facts, log),
        first_seen=iso(int(facts.of(log, "first_s").min())),
        last_seen=iso(int(facts.of(log, "last_s").max())),
    )


def _tokens(facts: GroupFacts, log: Log, name: str) -> int | None:
    return int(np.nansum(facts.of(log, name))) if name in log.observable else None
