"""Small pictures of a finding, as SVG inside the page: when, on which axes, by which kinds, how sure.

Drawn from our own templates: a few hundred bytes each, coloured by the page's style sheet (so that dark mode
and print follow), no inline style (so that the strict content policy holds), the same bytes on every run, and
each with its content in words. Text stands beside the drawing, not inside it: on a phone the drawing shrinks,
the words do not. Comes from `model`; goes on to `report`. Who is linked to whom is drawn in `report_map`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spiritsafe.campaigns import report_text as text
from spiritsafe.campaigns.model import AxisStatus, EvidenceKind
from spiritsafe.campaigns.report_templates import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from markupsafe import Markup

    from spiritsafe.campaigns.model import Axis, Member

KINDS: Final = tuple(EvidenceKind)
STATUS_WORDS: Final = {
    AxisStatus.SUPPORTED: "supported",
    AxisStatus.CONTRADICTED: "contradicted",
    AxisStatus.NOT_OBSERVABLE: "not observable",
}
# At most so many bars: more would be narrower than a pixel on a phone.
_MOST_BARS: Final = 240
_BIN_HOURS: Final = (1, 24, 24 * 7, 24 * 28, 24 * 364)
_BIN_NAMES: Final = {1: "hour", 24: "day", 24 * 7: "week", 24 * 28: "four weeks", 24 * 364: "year"}
_COMBINATIONS_SHOWN: Final = 6
_MEMBER_LANE: Final = 48


def bits_by_kind(member: Member) -> tuple[float, ...]:
    """A member's bits in the order of `KINDS`; what is no number counts as 0."""
    bits = (
        member.bits_content,
        member.bits_work,
        member.bits_timing,
        member.bits_infrastructure,
        member.bits_identity,
        member.bits_lifecycle,
    )
    return tuple(value if math.isfinite(value) else 0.0 for value in bits)


def axis_triad(axes: Sequence[Axis], *, large: bool = False) -> Markup:
    """Three circles that meet in the middle: filled, struck through, or dashed, for the three statuses.

    Parameters
    ----------
    axes
        Coordination, extraction and concealment, in this order.
    large
        With a mark inside each circle; the small one goes into lists.
    """
    words = "; ".join(f"{axis.name} {STATUS_WORDS[axis.status]}" for axis in axes)
    return render(
        "chart_triad.html.j2",
        axes=axes,
        large=large,
        words=words,
        all_supported=all(axis.status is AxisStatus.SUPPORTED for axis in axes),
    )


def axis_mark(status: AxisStatus) -> Markup:
    """The mark of one status: a tick, a cross or a question mark; its word stands beside it on the page."""
    return render("chart_mark.html.j2", status=status.value)


def share_bar(part: float, *, of: str) -> Markup:
    """A share of one as a thin bar; anything above nothing stays visible."""
    share = min(max(part, 0.0), 1.0) if math.isfinite(part) else 0.0
    width = 0 if share == 0 else max(share * 1000, 4)
    return render("chart_share.html.j2", width=round(width), words=f"{text.share(share)} of {of}")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart: where it stands, how high, what it says. Lengths in thousandths."""

    at: float
    width: float
    height: int
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Exchanges over the window of the run. `first_label` and `last_label` are the ends of the axis."""

    bars: tuple[Bar, ...]
    unit: str
    first_label: str
    middle_label: str
    last_label: str
    top: int
    words: str


def timeline(hourly: Sequence[tuple[int, int]], *, clock_first: str, clock_last: str) -> Markup:
    """When the exchanges happened, over the whole window of the run, so that "since when" is seen.

    Parameters
    ----------
    hourly
        (hours since `clock_first`, exchanges), in any order; hours may repeat and then add.
    clock_first, clock_last
        The run's window, ISO 8601. Where they are no instants, hours are numbered.

    Returns
    -------
    A figure with one bar an hour, day, week or more, whichever keeps the bars few enough to see, and the same
    as a table. A sentence when there is nothing to draw.
    """
    read = read_timeline(hourly, clock_first=clock_first, clock_last=clock_last)
    return render("chart_timeline.html.j2", line=read)


def sparkline(hourly: Sequence[tuple[int, int]], *, clock_first: str, clock_last: str) -> Markup:
    """The bars of `timeline` the size of a word, for lists; the words stand beside it."""
    read = read_timeline(hourly, clock_first=clock_first, clock_last=clock_last)
    return render("chart_sparkline.html.j2", bars=() if read is None else read.bars)


def read_timeline(hourly: Sequence[tuple[int, int]], *, clock_first: str, clock_last: str) -> Timeline | None:
    """The numbers behind `timeline`; None when no exchange has a time."""
    counted: Counter[int] = Counter()
    for hour, exchanges in hourly:
        if exchanges > 0:
            counted[hour] += exchanges
    if not counted:
        return None
    start, end = text.instant(clock_first), text.instant(clock_last)
    lead = 0 if start is None else start.hour
    window = 0 if start is None or end is None else int((end - start).total_seconds() // 3600)
    low, high = min(0, *counted), max(window, *counted)
    size = next((s for s in _BIN_HOURS if (high - low + lead) // s < _MOST_BARS), (high - low) // _MOST_BARS + 1)
    lead = lead if size > 1 else 0
    first_bin, last_bin = (low + lead) // size, (high + lead) // size
    bins: Counter[int] = Counter()
    for hour, exchanges in counted.items():
        bins[(hour + lead) // size] += exchanges
    wide = 1000 / (last_bin - first_bin + 1)
    top = max(bins.values())
    labels = {b: _bin_label(start, b * size - lead, size) for b in {first_bin, last_bin, *bins}}
    bars = tuple(
        Bar(round((b - first_bin) * wide, 1), round(wide * 0.82, 1), max(round(1000 * n / top), 8), labels[b], n)
        for b, n in sorted(bins.items())
    )
    unit = _BIN_NAMES.get(size, f"{size} hours")
    peak = max(bars, key=lambda bar: bar.value)
    words = (
        f"Exchanges per {unit}: first on {bars[0].label}, most ({peak.value:,}) on {peak.label}, "
        f"last on {bars[-1].label}; active in {len(bars):,} of {last_bin - first_bin + 1:,}."
    )
    middle = _bin_label(start, (first_bin + last_bin) // 2 * size - lead, size)
    middle = "" if last_bin - first_bin < 2 else middle
    return Timeline(bars, unit, labels[first_bin], middle, labels[last_bin], top, words)


def _bin_label(start: datetime | None, hour: int, size: int) -> str:
    if start is None:
        return f"hour {hour:,}"
    try:
        at = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)
    except OverflowError:
        return f"hour {hour:,}"
    return f"{text.day_of(at)}, {at.hour:02d}:00" if size == 1 else text.day_of(at)


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of evidence over all members: how many it holds for, and the median bits among those."""

    kind: str
    accounts: int
    share: float
    median_bits: float
    bar: int


def kind_rows(members: Sequence[Member]) -> tuple[KindRow, ...]:
    """What each kind of evidence contributes. `bar` is the median in thousandths of the largest median."""
    columns = list(zip(*(bits_by_kind(member) for member in members), strict=True)) or [()] * len(KINDS)
    medians = [_median([value for value in column if value > 0]) for column in columns]
    top = max(medians) or 1.0
    return tuple(
        KindRow(
            kind=kind.value,
            accounts=(held := sum(value > 0 for value in column)),
            share=held / max(len(members), 1),
            median_bits=median,
            bar=max(round(1000 * median / top), 6) if median else 0,
        )
        for kind, column, median in zip(KINDS, columns, medians, strict=True)
    )


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def kind_bars(members: Sequence[Member]) -> Markup:
    """Median bits of each kind of evidence, and for how many members it holds."""
    return render("chart_kinds.html.j2", rows=kind_rows(members), members=len(members))


@dataclass(frozen=True, slots=True)
class Combination:
    """How many members carry exactly these kinds of evidence."""

    kinds: tuple[str, ...]
    accounts: int
    share: float
    bar: int


def combinations(members: Sequence[Member]) -> tuple[Combination, ...]:
    """Exact combinations of kinds, most common first; what `kind_combinations` draws."""
    counted: Counter[tuple[str, ...]] = Counter(
        tuple(kind.value for kind, bits in zip(KINDS, bits_by_kind(member), strict=True) if bits > 0)
        for member in members
    )
    ranked = sorted(counted.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    top = ranked[0][1] if ranked else 1
    return tuple(Combination(k, n, n / len(members), max(round(1000 * n / top), 6)) for k, n in ranked)


def kind_combinations(members: Sequence[Member]) -> Markup:
    """Which kinds of evidence meet in the same account: the independent agreement that a verdict rests on."""
    found = combinations(members)
    rest = found[_COMBINATIONS_SHOWN:]
    return render(
        "chart_combinations.html.j2",
        rows=found[:_COMBINATIONS_SHOWN],
        kinds=[kind.value for kind in KINDS],
        rest_count=len(rest),
        rest_accounts=sum(row.accounts for row in rest),
    )


def probabilities(members: Sequence[Member]) -> Markup:
    """How sure of each member: members by probability, in ten steps."""
    steps = Counter(_step(member.probability) for member in members)
    top = max(steps.values(), default=1)
    bars = tuple(
        Bar(s * 100 + 6, 88, max(round(1000 * steps[s] / top), 8) if steps[s] else 0, f"{s * 10} to {s * 10 + 10} %", n)
        for s in range(10)
        for n in (steps[s],)
    )
    sure = sum(member.probability >= 0.9 for member in members)
    below = f"{len(members) - sure:,}" if sure < len(members) else "none"
    words = f"{text.plural(sure, 'account')} at a probability of 90{_NARROW}% or more, {below} below."
    return render("chart_probabilities.html.j2", bars=bars, words=words)


_NARROW: Final = "\u202f"


def _step(probability: float) -> int:
    return min(max(int(probability * 10), 0), 9) if math.isfinite(probability) else 0


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of one member: a number over a bar."""

    x: int
    width: int
    number: str


def member_bits(member: Member, *, top_bits: float) -> Markup:
    """The five kinds of one member as five short bars with their numbers, on the scale of the whole group."""
    bits = bits_by_kind(member)
    lanes = tuple(
        Lane(index * _MEMBER_LANE, _lane_width(value, top_bits), f"{value:.0f}" if value < 1e4 else "≫")
        for index, value in enumerate(bits)
    )
    words = ", ".join(f"{kind.value} {value:.1f}" for kind, value in zip(KINDS, bits, strict=True))
    return render("chart_member.html.j2", lanes=lanes, words=f"bits: {words}", width=_MEMBER_LANE * len(KINDS))


def _lane_width(value: float, top: float) -> int:
    """A bar that is seen when there is anything, and that never leaves its lane."""
    if value <= 0:
        return 0
    full = _MEMBER_LANE - 6
    return full if value >= top else max(round(full * value / top), 1)
