import random
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.campaigns import charts
from spiritsafe.campaigns.model import Axis, AxisStatus
from spiritsafe.campaigns.partners import MOST_ACCOUNTS, NO_TIES, Link, Ties
from spiritsafe.campaigns.report_map import Ring, membership_map, read_ring, ring_order
from tests.campaigns.example_findings import all_ties, big_campaign, small_campaign
from tests.campaigns.page_reader import Page
from tests.campaigns.strategies import hourly, links, member, members


def timeline(hours: list[tuple[int, int]], first: str, last: str) -> charts.Timeline:
    line = charts.read_timeline(hours, clock_first=first, clock_last=last)
    assert line is not None
    return line


def ring(found: list[Link]) -> Ring:
    read = read_ring(all_ties(found))
    assert read is not None
    return read


START, END = "2026-04-20T06:30:00Z", "2026-06-05T23:59:59Z"


@given(hourly)
def test_a_timeline_shows_every_exchange_once_and_never_more_bars_than_fit(hours):
    line = charts.read_timeline(hours, clock_first=START, clock_last=END)
    total = sum(exchanges for _, exchanges in hours)
    if line is None:
        assert total == 0
    else:
        assert sum(bar.value for bar in line.bars) == total
        assert len(line.bars) <= 240
        assert all(bar.at >= 0 and bar.at + bar.width <= 1000.1 and 0 < bar.height <= 1000 for bar in line.bars)


def test_a_long_window_is_told_by_days_of_the_calendar_and_a_short_one_by_hours():
    # 06:30 + 17 h is 23:30 on the same day; one hour later is the next day.
    days = timeline([(17, 5), (18, 7)], START, END)
    assert [(bar.label, bar.value) for bar in days.bars] == [("20 Apr 2026", 5), ("21 Apr 2026", 7)]
    assert (days.unit, days.first_label, days.last_label) == ("day", "20 Apr 2026", "5 Jun 2026")
    hours = timeline([(2, 5)], START, "2026-04-22T00:00:00Z")
    assert (hours.unit, hours.bars[0].label) == ("hour", "20 Apr 2026, 08:00")


def test_a_timeline_starts_with_the_window_so_that_since_when_is_seen():
    line = timeline([(24 * 40, 5)], START, END)
    assert line.bars[0].at > 800


def test_a_timeline_without_a_clock_counts_hours():
    line = timeline([(3, 5), (9, 1)], "", "")
    assert (line.first_label, line.last_label) == ("hour 0", "hour 9")


def test_a_timeline_says_in_words_and_in_a_table_what_its_bars_show():
    page = Page.read(charts.timeline([(0, 5), (30, 7)], clock_first=START, clock_last=END))
    assert "first on 20 Apr 2026, most (7) on 21 Apr 2026, last on 21 Apr 2026; active in 2 of 47" in page.text
    assert "20 Apr 2026 5 21 Apr 2026 7" in page.text
    assert page.all("svg")[0]["aria-label"] in page.text


def test_a_sparkline_draws_the_same_bars_as_the_timeline():
    small = charts.sparkline([(0, 5), (30, 7)], clock_first=START, clock_last=END)
    assert small.count("V1000z") == len(timeline([(0, 5), (30, 7)], START, END).bars) == 2
    assert 'aria-hidden="true"' in small


def three(*statuses: AxisStatus) -> list[Axis]:
    names = ("coordination", "extraction", "concealment")
    return [Axis(name=name, status=status, reason="") for name, status in zip(names, statuses, strict=True)]


def test_the_three_axes_are_told_apart_by_shape_and_words_not_by_colour():
    supported = AxisStatus.SUPPORTED
    mixed = charts.axis_triad(three(supported, AxisStatus.CONTRADICTED, AxisStatus.NOT_OBSERVABLE))
    assert 'aria-label="coordination supported; extraction contradicted; concealment not observable"' in mixed
    assert mixed.count('class="strike"') == 2
    assert "heart" not in mixed
    assert "heart" in charts.axis_triad(three(supported, supported, supported))
    marks = {str(charts.axis_mark(status)).split("<circle")[1] for status in AxisStatus}
    assert len({re.sub('class="[^"]*"', "", mark) for mark in marks}) == 3


@given(members)
def test_kinds_and_combinations_count_each_member_once(who):
    assert sum(row.accounts for row in charts.combinations(who)) == len(who)
    rows = charts.kind_rows(who)
    assert [row.kind for row in rows] == ["content", "work", "timing", "infrastructure", "identity", "lifecycle"]
    for row in rows:
        holding = sum(row.kind in found.kinds and found.accounts for found in charts.combinations(who))
        assert row.accounts == holding
        assert 0 <= row.bar <= 1000


def test_the_median_is_of_those_who_have_the_kind():
    who = [
        msgspec.structs.replace(m, bits_timing=b) for m, b in zip(small_campaign().members, [0, 2, 4, 9], strict=False)
    ]
    timing = charts.kind_rows(who)[2]
    assert (timing.accounts, timing.median_bits) == (3, 4)


@given(members)
def test_the_histogram_of_probabilities_holds_every_member(who):
    page = Page.read(charts.probabilities(who))
    drawn = [
        int(title.rsplit(": ", 1)[1].replace(",", "")) for title in re.findall(r"[\d ]+ to [\d ]+ %: [\d,]+", page.text)
    ]
    assert sum(drawn) == len(who)


@given(member, st.floats(0, 60))
def test_a_members_bars_stay_in_their_lanes(who, top):
    drawn = charts.member_bits(who, top_bits=top)
    for x, width in re.findall(r'<rect x="(\d+)" y="12" width="(\d+)"', drawn):
        assert int(width) <= 48
        assert int(x) % 48 == 0


@pytest.mark.parametrize(("share", "width"), [(0.0, 0), (1e-9, 4), (0.5, 500), (7.0, 1000), (float("nan"), 0)])
def test_a_share_above_nothing_can_be_seen(share, width):
    assert f'class="fill" width="{width}"' in charts.share_bar(share, of="rows")


@settings(deadline=None)
@given(links)
def test_the_map_is_the_same_whatever_the_order_of_the_links(found):
    shuffled = [
        (b, a, kind, bits) if index % 2 else (a, b, kind, bits) for index, (a, b, kind, bits) in enumerate(found)
    ]
    random.Random(1).shuffle(shuffled)
    assert membership_map(all_ties(shuffled)) == membership_map(all_ties(found))


@settings(deadline=None)
@given(links)
def test_the_map_draws_each_linked_pair_of_a_kind_once(found):
    read = read_ring(all_ties(found))
    real = {(min(a, b), max(a, b), kind) for a, b, kind, bits in found if a != b and 0 < bits < float("inf")}
    if read is None:
        assert not real
    else:
        assert {panel.kind: panel.links for panel in read.panels} == {
            kind: sum(k == kind for *_, k in real) for kind in {k for *_, k in real}
        }
        assert read.every.links == len({pair[:2] for pair in real})
        assert read.every.lines.count("M") == read.every.links


def test_sixty_accounts_are_drawn_and_the_rest_is_said():
    found = [(f"a{i:03}", f"a{i + 1:03}", "timing", 5.0) for i in range(200)]
    drawn = ring(found)
    assert len(drawn.spots) == MOST_ACCOUNTS
    assert drawn.words == (
        "201 accounts, 200 linked pairs (timing 200). Drawn are the 60 accounts with the most evidence, and all pairs "
        "among them. Each of those drawn has 2 partners."
    )


def test_a_dense_group_is_drawn_by_its_strongest_links():
    found = [(f"a{i:02}", f"a{j:02}", "content", float(i + j)) for i in range(60) for j in range(i + 1, 60)]
    panel = ring(found).panels[0]
    assert (panel.links, panel.drawn) == (1770, 400)
    assert len(membership_map(all_ties(found))) < 60_000
    assert ring(found).words == (
        "60 accounts, 1,770 linked pairs (content 1,770). Drawn are the strongest 400 of the 1,770 pairs. "
        "Each of them has 59 partners."
    )


def test_a_group_too_large_to_count_is_drawn_and_said_to_be_so():
    links = [("a", "b", "content", 5.0), ("b", "c", "timing", 4.0)]
    page = Page.read(membership_map(Ties(30_000, links)))
    assert "30,000 accounts, too many for their linked pairs to be counted. Drawn are the 3 accounts" in page.text
    assert "Content 1 pair drawn Timing 1 pair drawn" in page.text
    assert "partners" not in page.text
    assert "None" not in page.text


def test_neighbours_on_the_ring_are_linked_where_they_can_be():
    pairs = {("a", "c"): 9.0, ("c", "e"): 5.0, ("b", "d"): 7.0}
    assert ring_order(pairs, set("abcdef")) == ["c", "a", "e", "b", "d", "f"]


def test_without_links_no_map_is_drawn():
    assert membership_map(NO_TIES).strip() == ""
    assert membership_map(Ties(2, [("a", "a", "content", 5.0), ("a", "b", "content", 0.0)])).strip() == ""


def test_pictures_of_five_thousand_accounts_cost_a_few_kilobytes():
    who = big_campaign().members
    size = sum(len(draw(who)) for draw in (charts.kind_bars, charts.kind_combinations, charts.probabilities))
    assert size < 12_000


def test_an_account_without_a_name_is_drawn_like_any_other():
    # "" once kept the ring's order from ever ending.
    assert len(ring([("", "a", "content", 5.0), ("a", "b", "content", 4.0)]).spots) == 3
