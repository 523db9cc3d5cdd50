"""What the page says, before it is a page: counts, order and words for one run's groups.

The same questions in the same order for every campaign; groups that are not accused get theirs too. Comes from
`model`; goes on to `report`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.campaigns import charts, report_map
from spiritsafe.campaigns import report_text as text
from spiritsafe.campaigns.model import AxisStatus, Verdict
from spiritsafe.campaigns.partners import NO_TIES
from spiritsafe.events.model import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from markupsafe import Markup

    from spiritsafe.campaigns.model import Axis, Evidence, Group, Member, MissingColumn, Run
    from spiritsafe.campaigns.partners import Ties

AXIS_QUESTIONS: Final = {
    "coordination": "Do these accounts act as one?",
    "extraction": "Is what they take training data?",
    "concealment": "Do they hide that they are one?",
}
# Where each verdict leads, in the order in which a reader needs them.
NOT_ACCUSED: Final = {
    Verdict.OPEN_COORDINATION: ("Open coordination", "They act as one and do not hide it: a matter for the contract."),
    Verdict.COORDINATED_UNKNOWN: (
        "Coordinated, purpose unknown",
        "They act as one; that they take training data and hide it is not shown. Look, do not act.",
    ),
    Verdict.INSUFFICIENT_DATA: ("Insufficient data", "The columns that would decide are missing. Nothing is said."),
}
OUTCOMES: Final = {"fits": "Fits", "does_not_fit": "Does not fit", "not_checkable": "Could not be checked"}
OUTCOME_MARKS: Final = {"does_not_fit": AxisStatus.CONTRADICTED, "not_checkable": AxisStatus.NOT_OBSERVABLE}
ROLES: Final = {
    "core": "has strong evidence of its own for belonging here",
    "relay": "also carries the work of others, who may be innocent",
    "uncertain": "may well not belong here",
}
# The log may hold it for fairness checks, but it is never evidence, so the page does not show it.
_NEVER_SHOWN: Final = frozenset({"country"})
_ROWS_OPEN: Final = 20
_REASONS_SHOWN: Final = 3
_LABELS_SHOWN: Final = 10
# Rows of all campaigns together: about 1 kB each, and a page should stay near 2 MB however many campaigns there are.
_ROWS_ON_PAGE: Final = 1_000
_LISTED_IN_SUMMARY: Final = 12


@dataclass(frozen=True, slots=True)
class Labels:
    """How many members the operator already had under which label; `left_out` counts the labels not shown."""

    shown: tuple[tuple[str, int], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class CampaignView:
    """One campaign, with its pictures drawn and its members in order of certainty."""

    number: int
    group: Group
    triad: Markup
    triad_small: Markup
    timeline: Markup
    sparkline: Markup
    kinds: Markup
    combinations: Markup
    probabilities: Markup
    map: Markup
    evidence: tuple[tuple[Axis, tuple[EvidenceRow, ...]], ...]
    exchanges_bar: Markup
    first_members: tuple[MemberRow, ...]
    more_members: tuple[MemberRow, ...]
    members_left_out: int
    missing: tuple[MissingColumn, ...]
    days: str
    roles: tuple[tuple[str, str], ...]
    uncertain: int
    labels: Labels


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One account of a campaign as a row: numbered, with its reasons and its bits drawn."""

    number: int
    member: Member
    why: tuple[str, ...]
    why_left_out: int
    bits: Markup


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A statement, and how often it holds in the same words: five phrases shared alike are one row, five times."""

    item: Evidence
    times: int
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A group that was looked at and not accused, with the axes that kept it from being a campaign."""

    group: Group
    triad: Markup
    failed: tuple[Axis, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class VerdictSection:
    """All groups of one verdict that accuses nobody. `accounts` counts also the groups left out."""

    label: str
    meaning: str
    groups: tuple[LookedAt, ...]
    total: int
    accounts: int


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column of the log and the share of rows in which it is filled."""

    column: str
    share: float
    bar: Markup


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the templates print."""

    run: Run
    campaigns: tuple[CampaignView, ...]
    campaigns_total: int
    campaigns_unshown: tuple[Group, ...]
    accused: int
    accused_bar: Markup
    accused_share: float
    uncertain: int
    sections: tuple[VerdictSection, ...]
    not_accused_groups: int
    not_accused_accounts: int
    columns: tuple[ColumnRow, ...]
    empty_columns: tuple[str, ...]
    empty_at_no_cost: int
    unread_columns: tuple[str, ...]
    kept_bar: Markup
    kept_share: float
    settings: tuple[tuple[str, str], ...]
    days: str
    appeal_to: str


def read_page(
    run: Run,
    groups: Sequence[Group],
    *,
    ties: Mapping[str, Ties],
    appeal_to: str,
    max_groups_accused: int,
    max_groups_not_accused: int,
    max_members_shown: int,
) -> Page:
    """Order and count everything; largest harm first, ties by id, so that the page is the same on every run."""
    accused_groups = sorted((g for g in groups if g.verdict is Verdict.CAMPAIGN), key=_most_taken)
    others = [g for g in groups if g.verdict is not Verdict.CAMPAIGN]
    accused = _accounts(accused_groups)
    sure = {m.account_id for g in accused_groups for m in g.members if m.role != "uncertain"}
    total = max(run.coverage.accounts, len(accused))
    shown = accused_groups[:max_groups_accused]
    rows = min(max_members_shown, max(_ROWS_OPEN, _ROWS_ON_PAGE // max(len(shown), 1)))
    empty = tuple(sorted(c for c, s in run.coverage.column_shares.items() if s <= 0 and c not in _NEVER_SHOWN))
    kept = run.coverage.rows_kept / run.coverage.rows_read if run.coverage.rows_read else 0.0
    return Page(
        run=run,
        campaigns=tuple(
            _campaign(number, group, run, ties.get(group.campaign_id, NO_TIES), rows)
            for number, group in enumerate(shown, start=1)
        ),
        campaigns_total=len(accused_groups),
        campaigns_unshown=tuple(accused_groups[max_groups_accused : max_groups_accused + _LISTED_IN_SUMMARY]),
        accused=len(accused),
        accused_bar=charts.share_bar(len(accused) / max(total, 1), of="all accounts"),
        accused_share=len(accused) / max(total, 1),
        uncertain=len(accused - sure),
        sections=_sections(others, max_groups_not_accused),
        not_accused_groups=len(others),
        not_accused_accounts=len(_accounts(others) - accused),
        columns=tuple(
            ColumnRow(column, share, charts.share_bar(share, of=f"rows hold {column}"))
            for column, share in sorted(run.coverage.column_shares.items(), key=lambda item: (-item[1], item[0]))
            if column not in _NEVER_SHOWN and share > 0
        ),
        empty_columns=empty,
        empty_at_no_cost=len(set(empty) - {item.column for item in run.missing}),
        unread_columns=tuple(c.name for c in REQUESTS.columns if c.text and c.name not in run.coverage.column_shares),
        kept_bar=charts.share_bar(kept, of="rows read"),
        kept_share=kept,
        settings=tuple((key, _setting(value)) for key, value in sorted(run.settings.items())),
        days=text.duration(run.clock_first, run.clock_last),
        appeal_to=appeal_to,
    )


def _most_taken(group: Group) -> tuple[int, int, str]:
    return (-group.exposure.exchanges, -len(group.members), group.campaign_id)


def _accounts(groups: Iterable[Group]) -> set[str]:
    return {member.account_id for group in groups for member in group.members}


def _setting(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return repr(value)


def _campaign(number: int, group: Group, run: Run, ties: Ties, max_members_shown: int) -> CampaignView:
    members = sorted(group.members, key=lambda m: (-m.probability, -sum(charts.bits_by_kind(m)), m.account_id))
    shown = members[:max_members_shown]
    top = max((max(charts.bits_by_kind(m)) for m in shown), default=0.0)
    rows = tuple(
        MemberRow(index, member, *_reasons(member), charts.member_bits(member, top_bits=top))
        for index, member in enumerate(shown, start=1)
    )
    absent = {column for axis in group.axes for column in axis.missing_columns}
    first, last = group.exposure.first_seen, group.exposure.last_seen
    return CampaignView(
        number=number,
        group=group,
        triad=charts.axis_triad(group.axes, large=True),
        triad_small=charts.axis_triad(group.axes),
        timeline=charts.timeline(group.hourly, clock_first=run.clock_first, clock_last=run.clock_last),
        sparkline=charts.sparkline(group.hourly, clock_first=run.clock_first, clock_last=run.clock_last),
        kinds=charts.kind_bars(group.members),
        combinations=charts.kind_combinations(group.members),
        probabilities=charts.probabilities(group.members),
        map=report_map.membership_map(ties),
        evidence=tuple((axis, _evidence(axis)) for axis in group.axes if axis.evidence),
        exchanges_bar=charts.share_bar(group.exposure.exchanges_share, of="all exchanges"),
        first_members=rows[:_ROWS_OPEN],
        more_members=rows[_ROWS_OPEN:],
        members_left_out=len(members) - len(shown),
        missing=tuple(item for item in run.missing if item.column in absent),
        days=text.duration(first, last),
        roles=tuple((role, words) for role, words in ROLES.items() if any(m.role == role for m in shown)),
        uncertain=sum(member.role == "uncertain" for member in members),
        labels=_labels(group),
    )


def _evidence(axis: Axis) -> tuple[EvidenceRow, ...]:
    alike: dict[Evidence, list[Evidence]] = {}
    for item in axis.evidence:
        alike.setdefault(msgspec.structs.replace(item, event_ids=()), []).append(item)
    return tuple(
        EvidenceRow(item, len(items), tuple(dict.fromkeys(event for one in items for event in one.event_ids)))
        for item, items in alike.items()
    )


def _reasons(member: Member) -> tuple[tuple[str, ...], int]:
    counted = Counter(member.why)
    told = tuple(f"{reason}, {times} times" if times > 1 else reason for reason, times in counted.items())
    return told[:_REASONS_SHOWN], len(told[_REASONS_SHOWN:])


def _labels(group: Group) -> Labels:
    counted = sorted(group.known_labels.items(), key=lambda item: (-item[1], item[0]))
    return Labels(tuple(counted[:_LABELS_SHOWN]), len(counted[_LABELS_SHOWN:]))


def _sections(groups: Sequence[Group], shown: int) -> tuple[VerdictSection, ...]:
    made = []
    for verdict, (label, meaning) in NOT_ACCUSED.items():
        mine = sorted((g for g in groups if g.verdict is verdict), key=_largest)
        if mine:
            views = tuple(LookedAt(g, charts.axis_triad(g.axes), _failed(g), _labels(g)) for g in mine[:shown])
            made.append(VerdictSection(label, meaning, views, len(mine), len(_accounts(mine))))
    return tuple(made)


def _largest(group: Group) -> tuple[int, str]:
    return (-len(group.members), group.campaign_id)


def _failed(group: Group) -> tuple[Axis, ...]:
    """The axes that are not supported, first the one that the group itself names."""
    named = tuple(axis for axis in group.axes if axis.name == group.failed_axis)
    return named + tuple(a for a in group.axes if a.status is not AxisStatus.SUPPORTED and a not in named)
