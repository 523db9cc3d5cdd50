"""Who takes turns, and who only seems to."""

import itertools

import numpy as np
import pytest

from spiritsafe.links import turns as module
from spiritsafe.links.rhythm import DAY_S, Timelines, Window
from spiritsafe.links.turns import CORE, TURNS_SHARE, Turns

BEGIN_S = 1_750_000_000 // DAY_S * DAY_S
WINDOW = Window(BEGIN_S, BEGIN_S + 14 * DAY_S)


def turns(group: Timelines, window: Window = WINDOW, *, seed: int = 0, strangers: Timelines | None = None) -> Turns:
    found = module.turns(group, window, seed=seed, strangers=strangers)
    assert found is not None
    return found


def lines(timelines):
    sizes = [len(one) for one in timelines]
    return Timelines(np.repeat(np.arange(len(sizes)), sizes), np.concatenate(timelines).astype(np.int64), len(sizes))


def demand(random, exchanges, *, days=14):
    """One demand, by day and less by night."""
    at_s = np.sort(random.integers(0, days * DAY_S, 2 * exchanges))
    awake = random.random(len(at_s)) < 0.55 + 0.45 * np.sin(at_s / DAY_S * 2 * np.pi)
    return BEGIN_S + at_s[awake]


def dealt_evenly(random, accounts, exchanges, *, missed=0.0):
    queue = demand(random, exchanges * accounts)
    to = np.arange(len(queue)) % accounts
    strays = random.random(len(queue)) < missed
    to[strays] = random.integers(0, accounts, strays.sum())
    return [queue[to == one] for one in range(accounts)]


def alone(random, accounts, exchanges):
    return [demand(random, exchanges) for _ in range(accounts)]


def by_the_clock(accounts, *, every_s=3600):
    """Programs that each start at a minute of their own."""
    return [BEGIN_S + 180 * one + np.arange(0, 14 * DAY_S, every_s) for one in range(accounts)]


def slow_share(timelines):
    """Of the gaps of each in which another is active, those in which it sends exactly once; one by one."""
    once = cases = 0
    for one, own in enumerate(timelines):
        for other, theirs in enumerate(timelines):
            for begin, end in itertools.pairwise(own):
                if one != other and theirs[0] < begin and theirs[-1] > end:
                    cases += 1
                    once += sum(begin < at < end for at in theirs) == 1
    return once / cases


def test_turns_are_those_of_the_slow_way():
    random = np.random.default_rng(6)
    group = [np.unique(one) for one in alone(random, 6, 12)]
    assert turns(lines(group), WINDOW, seed=0).taken == pytest.approx(slow_share(group))


@pytest.mark.parametrize(("accounts", "missed"), [(12, 0.0), (12, 0.2), (CORE[1] + 8, 0.0)])
def test_one_demand_that_is_dealt_out_evenly_is_seen_and_each_account_with_it(accounts, missed):
    random = np.random.default_rng(1)
    group = dealt_evenly(random, accounts, 20, missed=missed)
    found = turns(lines(group), WINDOW, seed=0, strangers=lines(alone(random, 400, 20)))
    assert found.taken > max(TURNS_SHARE, found.expected)
    assert found.p_value < 1e-4
    assert (found.members <= 0.05).mean() > 0.9


def test_a_stranger_in_the_group_takes_no_turns():
    random = np.random.default_rng(2)
    group = [*dealt_evenly(random, 12, 20), *alone(random, 3, 20)]
    found = turns(lines(group), WINDOW, seed=0, strangers=lines(alone(random, 400, 20)))
    assert found.p_value < 1e-4
    assert (found.members[:12] <= 0.05).all()
    assert (found.members[12:] > 0.05).all()


def test_programs_that_run_by_the_clock_take_turns_and_it_is_nobodys_doing():
    found = turns(lines(by_the_clock(12)), WINDOW, seed=0)
    assert found.taken == 1
    assert found.p_value > 0.1


def test_people_who_are_busy_in_the_same_hours_take_no_turns():
    random = np.random.default_rng(3)
    hours = BEGIN_S + DAY_S * np.repeat([2, 5, 9], 8) + 3600 * np.tile(np.arange(9, 17), 3)
    class_of = [np.sort(random.choice(hours, 24) + random.integers(0, 3600, 24)) for _ in range(15)]
    assert turns(lines(class_of), WINDOW, seed=0).p_value > 0.05


@pytest.mark.parametrize("kind", ["alone", "random", "clock"])
def test_p_values_of_who_does_not_deal_out_evenly_are_honest(kind):
    """Accounts of their own, one queue dealt out at random, and clocks: none may be named more often than it says."""
    small, tried = 0, 120
    for seed in range(tried):
        random = np.random.default_rng(seed)
        if kind == "alone":
            group = alone(random, 8, 15)
        elif kind == "random":
            group = dealt_evenly(random, 8, 15, missed=1.0)
        else:
            group = by_the_clock(8, every_s=int(random.integers(1, 12)) * 1800)
        found = turns(lines(group), WINDOW, seed=seed)
        small += found.p_value <= 0.05
    assert small <= 0.05 * tried


def test_what_cannot_be_tested_is_not_said():
    random = np.random.default_rng(4)
    group = dealt_evenly(random, 8, 20)
    assert module.turns(lines(group), Window(BEGIN_S, BEGIN_S + 2 * DAY_S), seed=0) is None
    assert module.turns(lines(group[:3]), WINDOW, seed=0) is None
    assert module.turns(lines([one[:1] for one in group]), WINDOW, seed=0) is None
    assert (turns(lines(group), WINDOW, seed=0).members == 1).all()
