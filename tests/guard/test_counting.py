"""What is counted while requests go by, in the time that events tell."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.guard.clock import AGREEING, JUMP_US, EventClock
from spiritsafe.guard.counters import HOUR_US, FadingCounts
from spiritsafe.guard.rarity import OWN_ESTABLISHED, SUSPENDING, LiveRarity

TIMES = st.lists(st.integers(0, 20 * HOUR_US), min_size=1, max_size=40)


@given(TIMES)
def test_a_fading_count_is_the_sum_of_its_faded_events(times):
    counts: FadingCounts[str] = FadingCounts(most=10)
    for at in sorted(times):
        told = counts.add("a", at)
    exact = math.fsum(math.exp((at - max(times)) / HOUR_US) for at in times)
    assert told == pytest.approx(exact)
    assert counts.count("a", max(times) + HOUR_US) == pytest.approx(exact / math.e)


def test_what_comes_late_counts_as_if_it_came_now():
    counts: FadingCounts[str] = FadingCounts(most=10)
    counts.add("a", HOUR_US)
    assert counts.add("a", 0) == 2
    assert counts.count("a", 0) == 2


@given(st.floats(0.1, 50), st.integers(1, 60))
def test_after_the_wait_there_is_room_again(below, events):
    counts: FadingCounts[str] = FadingCounts(most=10)
    for _ in range(events):
        counts.add("a", 0)
    wait = counts.wait_us("a", 0, below)
    assert counts.count("a", wait) <= below * (1 + 1e-6)
    if wait > 2:
        assert counts.count("a", wait - 2) >= below * (1 - 1e-6)


def test_what_was_counted_longest_ago_is_forgotten_first():
    counts: FadingCounts[str] = FadingCounts(most=2)
    for at, key in enumerate("abac"):
        counts.add(key, at)
    assert [key for key, _, _ in counts.items()] == ["a", "c"]
    assert counts.count("b", 9) == 0


def test_one_event_from_the_future_does_not_move_the_clock():
    clock = EventClock()
    assert [clock.tick(at) for at in (5, 5 + 9 * JUMP_US, 6)] == [5, 5, 6]
    assert clock.jumps == 1


@pytest.mark.parametrize("to", [30 * JUMP_US, -30 * JUMP_US])
def test_a_jump_is_believed_when_events_agree_on_it(to):
    clock = EventClock()
    clock.tick(0)
    assert [clock.tick(to + at) for at in range(AGREEING)] == [0] * (AGREEING - 1) + [to + AGREEING - 1]


def test_events_that_do_not_agree_move_nothing():
    clock = EventClock()
    clock.tick(0)
    assert {clock.tick(at * 2 * JUMP_US) for at in range(1, 30)} == {0}


@given(st.lists(st.integers(0, JUMP_US), min_size=1, max_size=60))
def test_the_clock_never_goes_back_by_less_than_a_jump(times):
    clock, last = EventClock(), 0
    for at in times:
        now = clock.tick(at)
        assert now >= last
        last = now


def everybody(rarity, share, accounts=2000):
    for account in range(accounts):
        rarity.everybody.see(-account - 1, established=account < share * accounts)


def shown(rarity, established, *, first=0):
    return [rarity.show(1, first + at, established=known) for at, known in enumerate(established)]


def test_a_mark_that_old_accounts_come_to_share_says_nothing_any_more():
    rarity = LiveRarity()
    everybody(rarity, 0.8)
    assert shown(rarity, [True] * 5) == [False, False, False, True, True]
    assert rarity.suspensions == [1]
    assert not rarity.suspended(2)


def test_one_old_account_that_asks_a_thousand_times_is_one_account():
    rarity = LiveRarity()
    everybody(rarity, 0.8)
    assert not any(rarity.show(1, 7, established=True) for _ in range(1000))


def test_a_thousand_newcomers_first_do_not_hide_that_strangers_come_later():
    """A framed competitor: a campaign has used its words for long, and then its customers are seen."""
    rarity = LiveRarity()
    everybody(rarity, 0.8)
    assert not any(shown(rarity, [False] * 1000))
    assert shown(rarity, [True] * 6, first=5000)[-1]


def test_a_mark_that_strangers_gave_up_speaks_again():
    rarity = LiveRarity()
    everybody(rarity, 0.8)
    shown(rarity, [True] * 200)
    assert rarity.suspended(1)
    assert not shown(rarity, [False] * 20, first=1000)[-1]


def test_where_nobody_is_known_to_be_established_nothing_is_suspended():
    rarity = LiveRarity()
    everybody(rarity, 0.0)
    assert not any(shown(rarity, [False] * 300))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_campaigns_own_mark_is_wrongly_suspended_once_in_ten_thousand_newcomers_at_most(share):
    """Calibration under the null: each newcomer looks established with the probability that is allowed for."""
    rng, runs, wrong, seen = np.random.default_rng(3), 60, 0, 0
    for _ in range(runs):
        rarity = LiveRarity()
        everybody(rarity, share, accounts=200)
        for account, established in enumerate(rng.random(2000) < OWN_ESTABLISHED):
            seen += 1
            if rarity.show(1, account, established=bool(established)):
                wrong += 1
                break
    assert wrong * math.exp(SUSPENDING) <= 2 * seen, f"{wrong} wrong suspensions in {seen} newcomers"


def test_memory_has_a_bound_for_all_marks_together():
    rarity = LiveRarity(accounts=1000)
    everybody(rarity, 0.5, accounts=10)
    for at in range(5000):
        rarity.show(at % 90, at, established=False)
    assert sum(len(one.accounts) for one in rarity._audiences.values()) <= 1000
    assert rarity._held == sum(len(one.accounts) for one in rarity._audiences.values())
