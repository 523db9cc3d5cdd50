"""A scorecard in words and tables: what may be claimed, what may not, and on how many accounts it rests.

Comes from `score.Scorecard`; printed by `cli.prove_score`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spiritsafe.proving.score import FEWEST_ACCOUNTS, FEWEST_ORGANISATIONS
from spiritsafe.proving.score_equality import RATIO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spiritsafe.proving.score import LookAlike, Rate, Scorecard
    from spiritsafe.proving.score_equality import Equality
    from spiritsafe.stats import Interval


def percent(value: float) -> str:
    """A share as a percentage with as many digits as it needs to be told from 0 and 1; "-" when unknown."""
    if math.isnan(value):
        return "-"
    if 0 < value < 0.1 or 0.99 < value < 1:
        return f"{100 * value:.2f}%"
    return f"{100 * value:.1f}%"


def span(interval: Interval) -> str:
    """`62.0% (41.3-79.6)`."""
    return f"{percent(interval.value)} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def score_text(card: Scorecard) -> str:
    """The scorecard as text for a terminal. Intervals are 95 %; bounds are one-sided 95 %."""
    parts = [
        _head(card),
        _rates(card),
        _prevalence(card),
        _look_alikes(card.look_alikes, card.false_positives),
        _equality(card),
        _groups(card),
        _inside(card),
        _probability(card),
        _flags(card),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _head(card: Scorecard) -> list[str]:
    lines = [f"scan {scan} of world {world}" for world, scan in card.pairs]
    found = sum(one.found for one in card.campaigns)
    return [
        *lines,
        f"{card.accounts:,} accounts, {card.campaign_accounts:,} of them used by {len(card.campaigns)} campaigns",
        f"campaigns found: {found} of {len(card.campaigns)} (half of a campaign's accounts in one accused group)",
        f"precision as composed: {span(card.precision_as_composed)} of the accused are campaign accounts",
    ]


def _rates(card: Scorecard) -> list[str]:
    lines = [
        "RECALL (of accounts, and of the exchanges they sent; intervals count campaigns, not accounts)",
        f"  {'':<22}{'campaigns':>10}{'found':>7}{'accounts':>10}   {'accused':<24}{'exchanges':<11}grouped at all",
    ]
    sections: list[tuple[str, Iterable[Rate]]] = [
        ("", (card.recall,)),
        ("stealth ", card.by_stealth),
        ("archetype ", card.by_archetype),
        ("", card.by_variant),
        ("", card.by_mixing),
    ]
    for prefix, rates in sections:
        lines += [
            f"  {prefix + rate.name:<22}{rate.campaigns:>10}{rate.campaigns_found:>7}{rate.accounts:>10,}   "
            f"{span(rate.accused):<24}{percent(rate.exchanges_accused.value):<11}{span(rate.grouped)}"
            for rate in rates
        ]
    return lines


def _prevalence(card: Scorecard) -> list[str]:
    return [
        "PRECISION, were campaign accounts this share of all accounts",
        f"  {'':<22}{'accused':<24}grouped at all",
        *(f"  {percent(row.prevalence):<22}{span(row.accused):<24}{span(row.grouped)}" for row in card.at_prevalence),
    ]


def _look_alikes(rows: Iterable[LookAlike], together: LookAlike | None) -> list[str]:
    if together is None:
        return ["FALSE POSITIVES: the worlds have no innocents, so that precision and false positives are unknown"]
    lines = [
        "FALSE POSITIVES by kind of innocent (bound: one-sided 95 %, organisations count, not accounts)",
        f"  {'':<24}{'accounts':>9}{'organisations':>15}{'accused':>9}{'bound':>9}{'grouped':>9}{'bound':>9}",
    ]
    for row in (*rows, together):
        lines.append(
            f"  {row.kind:<24}{row.accused.accounts:>9,}{row.accused.units:>15,}{row.accused.events:>9,}"
            f"{percent(row.accused.upper):>9}{row.grouped.events:>9,}{percent(row.grouped.upper):>9}"
            + ("" if row.claim else "  too few to claim")
        )
    lines.append(
        f"  A rate is claimed from {FEWEST_ACCOUNTS:,} independent accounts of {FEWEST_ORGANISATIONS} "
        "organisations on; below that the bound stands, the rate does not."
    )
    return lines


def _equality(card: Scorecard) -> list[str]:
    if not card.equality:
        return []
    lines = ["EQUALITY among innocents (organisations trade labels within their kind)"]
    for row in card.equality:
        if row.test.draws == 0:
            lines.append(f"  {row.label:<10}{row.outcome:<9}nothing to test: none {row.outcome}, or one label only")
            continue
        worst = sorted(row.rates, key=lambda one: -one.flagged / max(1, one.accounts))[:4]
        shares = ", ".join(f"{one.name or '?'} {percent(one.flagged / max(1, one.accounts))}" for one in worst)
        lines.append(f"  {row.label:<10}{row.outcome:<9}p = {row.test.p_value:.4f}   highest: {shares}")
        lines += _ratios(row)
    nulls = {row.test.null for row in card.equality}
    return [*lines, *(f"  null: {null}" for null in sorted(nulls))]


def _ratios(row: Equality) -> list[str]:
    """How many times as often as everybody else's: the label of which most is certain."""
    most = max(row.rates, key=lambda one: (one.ratio_low, one.organisations_flagged))
    told = ", ".join(name or "?" for name in row.beyond) or "none"
    ratio = "-" if most.ratio is None else f"{most.ratio:.2f}"
    high = "any" if most.ratio_high is None else f"{most.ratio_high:.2f}"
    return [
        f"  {'':<19}times as often as all others, surest: {most.name or '?'} {ratio} ({most.ratio_low:.2f}-{high}; "
        f"{most.organisations_flagged:,} of {most.organisations:,} organisations); shown beyond {RATIO_LIMIT}: {told}"
    ]


def _groups(card: Scorecard) -> list[str]:
    groups = card.groups
    lines = [
        "GROUPS",
        f"  accused {groups.accused}: no operator runs the majority in {groups.false}, an innocent one does in "
        f"{groups.innocent}; false-discovery rate {span(groups.false_discovery_rate)}",
        f"  of any verdict {groups.of_any_verdict}: no operator runs the majority in "
        f"{groups.no_operator_of_any_verdict}",
    ]
    for name, found in (("accused groups", card.grouping_accused), ("all groups", card.grouping_any)):
        if found is not None:
            lines.append(
                f"  B-cubed of {name}: precision {found.precision:.3f}, recall {found.recall:.3f}, F1 {found.f1:.3f}"
            )
    lines += [
        f"  B-cubed of accused groups, stealth {level}: precision {found.precision:.3f}, recall {found.recall:.3f}, "
        f"F1 {found.f1:.3f}"
        for level, found in card.grouping_by_stealth
    ]
    return lines


def _inside(card: Scorecard) -> list[str]:
    if card.mixed is None:
        return ["EXCHANGES in mixed accounts: the worlds have no mixed accounts"]
    mixed = card.mixed
    return [
        f"EXCHANGES in {mixed.accounts:,} mixed accounts ({mixed.exchanges:,} exchanges)",
        f"  recall {span(mixed.recall)}, precision {span(mixed.precision)}; "
        f"flagging all of them would have precision {percent(mixed.guilty_share)}",
    ]


def _probability(card: Scorecard) -> list[str]:
    stated = card.probability
    lines = [
        "PROBABILITY",
        f"  Brier score {stated.brier:.4f} (always stating the base rate: {stated.brier_of_the_base_rate:.4f})",
    ]
    if stated.calibration_error is None:
        return [*lines, "  nobody is accused, so that nothing is stated"]
    lines.append(f"  expected calibration error among the accused {stated.calibration_error:.3f}")
    lines += [
        f"  stated {row.mean_probability:.2f} in [{row.low:.1f}, {row.high:.1f}): right in {row.observed:.2f} "
        f"({row.observed_low:.2f}-{row.observed_high:.2f}) of {row.accounts:,}"
        for row in stated.reliability
    ]
    return lines


def _flags(card: Scorecard) -> list[str]:
    if not card.first_flags:
        return []
    lines = ["FIRST FLAG (hours since the campaign began; share of its exchanges served before)"]
    for flag in card.first_flags:
        if flag.hours is None or flag.served_share is None:
            told = "never"
        else:
            told = f"{flag.hours:8.1f} h   {percent(flag.served_share)} served"
        lines.append(f"  {flag.campaign_id:<28}{flag.exchanges:>9,} exchanges   {told}")
    return lines
