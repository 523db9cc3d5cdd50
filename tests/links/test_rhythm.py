"""When timelines go together, and when they only look as if they did."""

import numpy as np
import pytest

from spiritsafe.links.rhythm import (
    DAY_S,
    LAGS_S,
    Strangers,
    Timelines,
    Window,
    _Grid,
    common_days,
    keeping_time,
    meetings,
)
from spiritsafe.stats import uniform_check
from tests.links.timelines import DAYS, WINDOW, bursts, dealt, lines, strangers


def slow_meetings(times, lag_s):
    """Pairs of exchanges of two accounts that fall into one bin, one by one."""
    count = 0
    for one in range(len(times)):
        for other in range(one + 1, len(times)):
            count += sum(int(a) // lag_s == int(b) // lag_s for a in times[one] for b in times[other])
    return count


def test_meetings_are_those_of_the_slow_way():
    times = dealt(np.random.default_rng(1), 5, exchanges=6)
    found = meetings(lines(times), WINDOW, seed=0)
    assert found is not None
    assert found.met.tolist() == [slow_meetings(times, lag) for lag in LAGS_S]


@pytest.mark.parametrize("lag_s", LAGS_S)
@pytest.mark.parametrize("exchanges", [0, 1, 40, 3_000])
def test_meetings_of_moved_accounts_are_those_of_each_move_by_itself(lag_s, exchanges):
    random = np.random.default_rng(exchanges)
    at_s = WINDOW.begin_s + np.sort(random.integers(0, DAYS * DAY_S, exchanges)) // 300 * 300
    grid = _Grid.of(Timelines(random.integers(0, 7, exchanges), at_s, 7), WINDOW, lag_s)
    shifts = random.integers(-grid.bins, grid.bins, (60, 7))
    assert grid.met_when_moved(shifts).tolist() == [grid.met(one) for one in shifts]


def test_one_queue_dealt_out_over_accounts_keeps_one_rhythm():
    found = meetings(lines(dealt(np.random.default_rng(2), 12)), WINDOW, seed=0)
    assert found is not None
    assert found.p_value < 1e-4
    assert found.acting_share > 0.8
    assert np.mean(found.members <= 0.05) > 0.8
    assert found.met[0] > 3 * found.expected[0]


def test_strangers_with_the_same_office_hours_do_not():
    random = np.random.default_rng(3)
    office = [bursts(random, 12, peak_h=14.0) for _ in range(12)]
    found = meetings(lines(office), WINDOW, seed=0)
    assert found is not None
    assert found.p_value > 0.01


def before_a_deadline(random, accounts):
    """People who work alone in the evenings before one day, more the nearer it comes."""
    every = []
    for _ in range(accounts):
        count = int(random.integers(4, 20))
        day = np.maximum(9 - np.floor(random.exponential(random.uniform(0.3, 2), count)), 0)
        begins, sizes = day * DAY_S + random.normal(20, 2.5, count) * 3600, random.integers(1, 4, count)
        at_s = np.repeat(begins, sizes) + random.uniform(0, 600, int(sizes.sum()))
        every.append(np.sort(np.clip(at_s, 0, DAYS * DAY_S - 1)).astype(np.int64))
    return every


def test_a_deadline_that_all_work_towards_is_no_common_rhythm():
    both = []
    for seed in range(60):
        random = np.random.default_rng(2_000 + seed)
        found = meetings(lines(before_a_deadline(random, int(random.integers(6, 24)))), WINDOW, seed=seed)
        assert found is not None
        both.append((found.p_value, found.no_deadline_p_value))
    days_moved, told = np.array(both).T
    assert np.mean(days_moved <= 0.01) > 0.5  # days in common are no chance
    # 60 tests at one in twenty: more than eight have a probability below one in a hundred.
    assert (told <= 0.05).sum() <= 8
    assert (told <= 0.001).sum() == 0


def test_one_queue_keeps_its_rhythm_within_the_days_however_few():
    random = np.random.default_rng(4)
    times = [one // 7 + 3 * DAY_S for one in dealt(random, 12)]  # two weeks in two days
    found = meetings(lines(times), WINDOW, seed=0)
    assert found is not None
    assert found.within_p_value is not None
    assert found.no_deadline_p_value < 0.001


def test_days_are_counted_alike_for_each_account():
    everyday, once = np.arange(0, 8) * DAY_S, np.zeros(1000, dtype=np.int64)
    assert common_days(lines([everyday])) == pytest.approx(8)
    assert common_days(lines([once, once + DAY_S])) == pytest.approx(2)
    assert common_days(lines([everyday, once])) == pytest.approx(1 / (((1 + 1 / 8) / 2) ** 2 + 7 / 16**2))


def test_moving_everybody_together_changes_nothing():
    times = dealt(np.random.default_rng(5), 8)
    later = [(one + 3 * DAY_S) % (DAYS * DAY_S) for one in times]
    one, other = (meetings(lines(each), WINDOW, seed=0) for each in (times, later))
    assert one is not None
    assert other is not None
    assert one.met.tolist() == other.met.tolist()
    assert one.p_value == other.p_value


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_log_of_less_than_three_days_says_nothing(days):
    times = [one % max(days * DAY_S, 1) for one in dealt(np.random.default_rng(6), 8)]
    assert meetings(lines(times), Window(0, days * DAY_S), seed=0) is None


def test_a_handful_of_exchanges_says_nothing():
    assert meetings(lines([np.array([5]), np.array([7])]), WINDOW, seed=0) is None
    assert meetings(lines([np.array([], dtype=np.int64)] * 4), WINDOW, seed=0) is None
    assert meetings(lines([np.arange(40) * 100]), WINDOW, seed=0) is None


def test_a_newcomer_that_is_dealt_from_the_same_queue_keeps_time_and_a_stranger_does_not():
    random = np.random.default_rng(7)
    queue = dealt(random, 13, exchanges=20)
    p_values = keeping_time(lines([queue[12], *strangers(random, 9)]), lines(queue[:12]), WINDOW, seed=0)
    assert p_values[0] < 0.01
    assert np.mean(p_values[1:] < 0.05) <= 0.3


def test_p_values_of_strangers_are_not_too_small():
    p_values = []
    for seed in range(240):
        random = np.random.default_rng(1_000 + seed)
        found = meetings(lines(strangers(random, int(random.integers(4, 20)))), WINDOW, seed=seed)
        if found is not None:
            p_values.append(found.p_value)
    every = np.array(p_values)
    assert len(every) > 200
    assert uniform_check(every).p_too_small > 0.001
    # 240 tests at one in a hundred: more than nine have a probability below one in a thousand.
    assert (every <= 0.01).sum() <= 9


def outage(random, accounts):
    """Strangers of whom everyone is cut off for eight hours on day 6, and sends what has piled up right after."""
    begin, end = 6 * DAY_S + 8 * 3600, 6 * DAY_S + 16 * 3600
    found = []
    for one in strangers(random, accounts, exchanges=20):
        piled = (one >= begin) & (one < end)
        found.append(np.sort(np.where(piled, end + random.integers(0, 300, len(one)), one)))
    return found


def test_what_an_outage_does_to_everybody_is_taken_off():
    random = np.random.default_rng(8)
    groups = [outage(random, 12) for _ in range(60)]
    plain = [meetings(lines(one), WINDOW, seed=n) for n, one in enumerate(groups)]
    usual = Strangers.of(np.array([one.excess for one in plain[:30] if one is not None]))
    assert usual.mean > 1
    fair = [meetings(lines(one), WINDOW, seed=n, strangers=usual) for n, one in enumerate(groups[30:])]
    naive = np.mean([one.p_value <= 0.01 for one in plain[30:] if one is not None])
    corrected = np.mean([one.p_value <= 0.01 for one in fair if one is not None])
    assert naive > 0.3
    assert corrected <= 0.1


def test_few_chance_groups_take_nothing_off():
    assert Strangers.of(np.array([5.0, 6.0, 7.0])) == Strangers(0.0, 1.0)
