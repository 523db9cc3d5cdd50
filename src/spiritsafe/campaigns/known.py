"""What a scan says of accounts that the operator has already judged: past bans, cleared appeals, verified customers.

Labels never accuse and never clear: the scan was finished before they were read. They say how it fares on this
operator's own traffic (how many of the bad it accuses, how many of the good), and whether its bits mean what they say:
a calibration is fitted on half of the groups and judged on the other half.

Comes from judged groups and `--known`; written as `known.json`, told by `scan` and the report.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from spiritsafe.campaigns.model import EvidenceKind, Verdict
from spiritsafe.stats import brier_score, clustered_interval, logistic_fit, reliability_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spiritsafe.campaigns.model import Group

BAD: Final = frozenset({"abuse", "abusive", "bad", "ban", "banned", "campaign", "distillation", "fraud", "malicious"})
GOOD: Final = frozenset(
    {"benign", "clear", "cleared", "customer", "good", "innocent", "legitimate", "overturned", "reinstated", "verified"}
)
"""Words by which a label counts as one or the other; a label with a word of both, or of none, as neither."""

ENOUGH: Final = 20
"""Known bad and known good accounts, in each half, below which no calibration is fitted."""


class Rate(msgspec.Struct, frozen=True):
    """`accused` and `grouped` of `accounts`, and a 95 % interval of the accused share in which groups count, not
    accounts."""

    accounts: int
    accused: int
    grouped: int
    low: float
    high: float


class Calibration(msgspec.Struct, frozen=True):
    """P(bad) as 1 / (1 + exp(-(intercept + slope * bits))), fitted on one half of the groups, held against the other.

    `reliability` lists (stated, observed, accounts) of the half held out; Brier scores are of that half: `before`
    states the share of bad accounts in the half fitted on, whatever the bits.
    """

    fitted_on: int
    held_out: int
    intercept: float
    slope: float
    brier_before: float
    brier_after: float
    reliability: tuple[tuple[float, float, int], ...]


class Known(msgspec.Struct, frozen=True):
    """`unread` counts labels that are neither; `calibration` is None where `why_not` says so."""

    schema: str
    bad: Rate
    good: Rate
    unread: dict[str, int]
    absent: int
    calibration: Calibration | None
    why_not: str


def side_of(label: str) -> bool | None:
    """Whether a label says bad (True), good (False) or neither.

    Examples
    --------
    >>> side_of("Banned 2025-11"), side_of("verified customer"), side_of("vip"), side_of("ban overturned")
    (True, False, None, None)
    """
    words = set(re.split(r"[\W_\d]+", label.lower()))
    bad, good = bool(words & BAD), bool(words & GOOD)
    return None if bad == good else bad


def held_against(groups: Sequence[Group], accounts: Sequence[str], known: Mapping[str, str]) -> Known | None:
    """What the scan says of the accounts that were known; None where none was.

    Parameters
    ----------
    groups
        Judged groups.
    accounts
        Every account of the log.
    known
        Account id to label.
    """
    if not known:
        return None
    group_of = {member.account_id: group for group in groups for member in group.members}
    here = [one for one in accounts if one in known]
    sides = {one: side_of(known[one]) for one in here}
    unread: dict[str, int] = {}
    for one in here:
        if sides[one] is None:
            unread[known[one]] = unread.get(known[one], 0) + 1
    calibration, why_not = _calibration(groups, sides)
    return Known(
        schema="known/1.0",
        bad=_rate([one for one in here if sides[one] is True], group_of),
        good=_rate([one for one in here if sides[one] is False], group_of),
        unread=dict(sorted(unread.items())),
        absent=len(known) - len(here),
        calibration=calibration,
        why_not=why_not,
    )


def _rate(accounts: Sequence[str], group_of: Mapping[str, Group]) -> Rate:
    found = [group_of.get(one) for one in accounts]
    accused = np.array([one is not None and one.verdict is Verdict.CAMPAIGN for one in found], dtype=bool)
    units = np.array([name if one is None else one.campaign_id for name, one in zip(accounts, found, strict=True)])
    grouped = sum(one is not None for one in found)
    if not accounts:
        return Rate(0, 0, 0, 0.0, 1.0)
    sure = clustered_interval(accused, units)
    return Rate(len(accounts), int(accused.sum()), grouped, round(sure.low, 4), round(sure.high, 4))


def _calibration(groups: Sequence[Group], sides: Mapping[str, bool | None]) -> tuple[Calibration | None, str]:
    """Fitted on the groups whose id hashes even, judged on the others."""
    rows = [
        (_half(group), sum(getattr(member, f"bits_{kind.value}") for kind in EvidenceKind), sides[member.account_id])
        for group in groups
        for member in group.members
        if sides.get(member.account_id) is not None
    ]
    half = np.array([row[0] for row in rows], dtype=np.int64)
    bits = np.array([row[1] for row in rows], dtype=np.float64)
    bad = np.array([bool(row[2]) for row in rows], dtype=bool)
    fewest = min(
        (int(((half == side) & (bad == value)).sum()) for side in (0, 1) for value in (True, False)), default=0
    )
    if fewest < ENOUGH:
        return None, (
            f"for a calibration {ENOUGH} known bad and {ENOUGH} known good accounts in groups are needed in each half "
            f"of the groups; the fewest are {fewest}"
        )
    fit, out = half == 0, half == 1
    intercept, slope = logistic_fit(bits[fit], bad[fit])
    stated = 1 / (1 + np.exp(-(intercept + slope * bits[out])))
    base = np.full(int(out.sum()), float(bad[fit].mean()))
    table = reliability_table(stated, bad[out])
    return Calibration(
        fitted_on=int(fit.sum()),
        held_out=int(out.sum()),
        intercept=round(intercept, 4),
        slope=round(slope, 4),
        brier_before=round(brier_score(base, bad[out]), 4),
        brier_after=round(brier_score(stated, bad[out]), 4),
        reliability=tuple((round(row.mean_probability, 4), round(row.observed, 4), row.accounts) for row in table),
    ), ""


def _half(group: Group) -> int:
    return hashlib.sha256(group.campaign_id.encode()).digest()[0] % 2


def told(known: Known) -> list[str]:
    """As sentences, for the terminal and the report."""
    lines = []
    for rate, words in ((known.bad, "bad"), (known.good, "good")):
        if rate.accounts:
            lines.append(
                f"Of {rate.accounts:,} accounts that you know as {words}, {rate.accused:,} are accused "
                f"({rate.low:.1%} to {rate.high:.1%}, groups counted) and {rate.grouped:,} are in a group."
            )
    if known.unread:
        lines.append(
            f"Labels that say neither: {', '.join(f'{label} ({count:,})' for label, count in known.unread.items())}."
        )
    if known.absent:
        lines.append(f"Labelled accounts that this log does not have: {known.absent:,}.")
    made = known.calibration
    if made is not None:
        lines.append(
            f"Held out: with {made.slope:.2f} a bit (fitted on {made.fitted_on:,} accounts of half of the groups) the "
            f"Brier score on the other half's {made.held_out:,} is {made.brier_after:.3f}; without bits "
            f"{made.brier_before:.3f}."
        )
    return lines
