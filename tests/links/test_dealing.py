"""Work that is dealt out, work that is repeated together, and lists that everybody has."""

import numpy as np

from spiritsafe.links.dealing import dealing
from spiritsafe.links.rhythm import DAY_S, Timelines, Window
from tests.links.timelines import DAYS, WINDOW, lines

ACCOUNTS = 10


def spread(random, count):
    return np.sort(random.integers(0, DAYS * DAY_S, count))


def test_a_list_that_is_dealt_out_is_asked_once():
    random = np.random.default_rng(1)
    times = lines([spread(random, 30) for _ in range(ACCOUNTS)])
    found = dealing(times, np.arange(len(times.at_s)), WINDOW, seed=0)
    assert (found.items, found.repeated, found.p_value) == (300, 0, None)
    assert not found.repeats
    assert not found.same_list


def test_samples_of_each_item_come_together():
    random = np.random.default_rng(2)
    when = spread(random, 100)
    item, at_s, member = [], [], []
    for number, begin in enumerate(when.tolist()):
        for who in random.choice(ACCOUNTS, 4, replace=False).tolist():
            item.append(number + 1)
            member.append(who)
            at_s.append(begin + int(random.integers(0, 600)))
    found = dealing(Timelines(np.array(member), np.array(at_s), ACCOUNTS), np.array(item), WINDOW, seed=0)
    assert found.resampling
    assert found.askers == 4
    assert found.resampled.all()
    assert found.close > 10 * found.expected
    assert found.pairs == 600


def test_a_benchmark_that_each_runs_in_its_own_time_is_a_list():
    random = np.random.default_rng(3)
    times = lines([spread(random, 40) for _ in range(ACCOUNTS)])
    order = np.concatenate([random.permutation(40) + 1 for _ in range(ACCOUNTS)])
    found = dealing(times, order, WINDOW, seed=0)
    assert found.same_list
    assert not found.resampling
    assert found.askers == ACCOUNTS


def test_one_deadline_makes_no_samples_of_a_list():
    """A class does its eight exercises in the days before they are due, and talks about other things in between."""
    random = np.random.default_rng(5)
    item, at_s, member = [], [], []
    for who in range(6):
        when = np.sort(6 * DAY_S - random.exponential(3600, 8))
        talk = spread(random, 20)
        item += [*(random.permutation(8) + 1).tolist(), *(1_000 + 100 * who + np.arange(20)).tolist()]
        at_s += [*when.tolist(), *talk.tolist()]
        member += [who] * 28
    times = Timelines(np.array(member), np.array(at_s, dtype=np.int64), 6)
    found = dealing(times, np.array(item), WINDOW, seed=0)
    assert found.same_list
    assert found.close > 0.2 * found.pairs
    assert found.p_value is not None
    assert found.p_value > 0.01
    assert found.expected > 0.5 * found.close


def test_one_list_in_one_order_at_one_pace_is_closer_than_chance_and_still_a_list():
    random = np.random.default_rng(3)
    times = lines([spread(random, 40) for _ in range(ACCOUNTS)])
    found = dealing(times, np.tile(np.arange(40) + 1, ACCOUNTS), WINDOW, seed=0)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.same_list


def test_a_list_that_many_begin_on_the_first_day_is_still_a_list():
    random = np.random.default_rng(4)
    each = []
    for number in range(ACCOUNTS):
        begin = random.integers(0, DAY_S) if number < 5 else random.integers(0, 9 * DAY_S)
        each.append(begin + np.sort(random.integers(0, 4 * DAY_S, 60)))
    found = dealing(lines(each), np.tile(np.arange(60) + 1, ACCOUNTS), WINDOW, seed=0)
    assert found.same_list


def test_homework_is_a_list_though_students_mostly_talk():
    random = np.random.default_rng(6)
    times = lines([spread(random, 30) for _ in range(ACCOUNTS)])
    asked = [np.concatenate([np.arange(10) + 1, 1_000 * (n + 1) + np.arange(20)]) for n in range(ACCOUNTS)]
    found = dealing(times, np.concatenate([random.permutation(one) for one in asked]), WINDOW, seed=0)
    assert found.repeated == 10
    assert found.items == 210
    assert found.common == 100
    assert found.same_list


def test_a_retry_here_and_there_is_no_repeating():
    random = np.random.default_rng(5)
    times = lines([spread(random, 30) for _ in range(ACCOUNTS)])
    item = np.arange(300)
    item[1:300:15] = item[0:299:15]
    assert not dealing(times, item, WINDOW, seed=0).repeats


def test_a_log_of_a_day_is_counted_and_not_tested():
    times = lines([np.arange(20) * 60 for _ in range(ACCOUNTS)])
    found = dealing(times, np.tile(np.arange(20), ACCOUNTS), Window(0, DAY_S), seed=0)
    assert found.p_value is None
    assert found.repeated == 20
    assert not found.resampling


def test_equal_lists_are_seldom_taken_for_samples():
    wrong = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        times = lines([spread(random, 30) for _ in range(ACCOUNTS)])
        wrong += dealing(times, np.tile(np.arange(30) + 1, ACCOUNTS), WINDOW, seed=seed).resampling
    assert wrong <= 2
