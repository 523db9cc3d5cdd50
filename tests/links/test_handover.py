"""Who goes on where another met its limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.links import handover as module
from spiritsafe.links.handover import AROUND_S, WITHIN_S, HandOvers, Prompts, _chance

BEGIN_S = 1_750_000_000


def hand_overs(refused: Prompts, answered: Prompts, members: int) -> HandOvers:
    found = module.hand_overs(refused, answered, members)
    assert found is not None
    return found


def prompts(rows):
    member, at_s, item = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Prompts(member, at_s, item)


def handed_over(random, *, accounts=6, limits=12):
    """What one is refused, the next sends within seconds; besides, each asks things of its own."""
    refused, answered = [], []
    for item in range(1, limits + 1):
        at_s, one = BEGIN_S + item * 7_000, int(random.integers(0, accounts))
        refused.append((one, at_s, item))
        answered.append(((one + 1) % accounts, at_s + int(random.integers(1, 30)), item))
    answered += [
        (one, BEGIN_S + 60 * one + 3_000 * n, 1_000 + 50 * one + n) for one in range(accounts) for n in range(9)
    ]
    return prompts(refused), prompts(answered)


def test_what_is_refused_at_a_limit_and_sent_by_another_at_once_is_handed_over():
    refused, answered = handed_over(np.random.default_rng(1))
    found = hand_overs(refused, answered, 7)
    assert (found.refused, found.taken) == (12, 12)
    assert found.expected == pytest.approx(12 * WITHIN_S / (2 * AROUND_S))
    assert found.p_value < 0.001
    assert (found.members[:6] < 0.3).all()
    assert (found.members[:6] < 0.05).mean() >= 0.5
    assert found.members[6] == 1


def test_who_waits_for_the_own_limit_hands_nothing_over():
    refused, answered = handed_over(np.random.default_rng(2))
    waited = Prompts(refused.member, refused.at_s + 60, refused.item)
    own = Prompts(
        np.append(waited.member, answered.member),
        np.append(waited.at_s, answered.at_s),
        np.append(waited.item, answered.item + 10_000),
    )
    found = hand_overs(refused, own, 6)
    assert (found.taken, found.p_value) == (0, 1.0)
    assert (found.members == 1).all()


def test_a_prompt_that_meets_one_limit_after_another_counts_once():
    refused = prompts([(0, BEGIN_S, 5), (1, BEGIN_S + 5, 5), (2, BEGIN_S + 10, 5), (0, BEGIN_S + 9_000, 6)])
    found = hand_overs(refused, prompts([(3, BEGIN_S + 15, 5), (1, BEGIN_S + 9_009, 6)]), 4)
    assert (found.refused, found.taken) == (2, 2)
    assert found.members[3] < 1
    assert found.members[2] == 1


@pytest.mark.parametrize("pace_s", [60, 400, 3_000])
def test_a_class_on_one_exercise_hands_nothing_over_whatever_its_pace(pace_s):
    """Each is refused now and then, and others ask the same just before and just after."""
    small, shown, tried = 0, [], 150
    for seed in range(tried):
        random = np.random.default_rng(seed)
        item, who = np.repeat(np.arange(1, 31), 12), np.tile(np.arange(12), 30)
        at_s = BEGIN_S + (item * 200 + random.normal(0, pace_s, len(item))).astype(np.int64)
        met = random.random(len(item)) < 0.05
        refused, answered = (Prompts(who[one], at_s[one], item[one]) for one in (met, ~met))
        found = hand_overs(refused, answered, 12)
        small += found.p_value <= 0.05
        shown += (found.members <= 0.05).tolist()
    assert small <= 0.05 * tried
    assert np.mean(shown) <= 0.05


def test_within_the_second_is_taken_and_neither_before_nor_after():
    refused = prompts([(0, BEGIN_S + 5_000 * n, n) for n in range(1, 13)])
    at_once = prompts([(1, BEGIN_S + 5_000 * n, n) for n in range(1, 13)])
    found = hand_overs(refused, at_once, 2)
    assert (found.taken, found.p_value) == (12, 1.0)
    later = prompts([(1, BEGIN_S + 5_000 * n + n % 3, n) for n in range(1, 13)])
    assert hand_overs(refused, later, 2).p_value == pytest.approx(0.5**8)


def test_nothing_refused_is_nothing_said():
    _, answered = handed_over(np.random.default_rng(3))
    assert module.hand_overs(prompts([]), answered, 6) is None
    assert module.hand_overs(prompts([(0, BEGIN_S, 1)]), answered, 6) is None


@given(st.lists(st.integers(-2 * AROUND_S, 2 * AROUND_S), max_size=30))
def test_the_share_of_the_time_that_is_followed_is_that_of_the_slow_way(times):
    followed = np.zeros(2 * AROUND_S, dtype=bool)
    for one in times:
        begin, end = (min(max(at + AROUND_S, 0), 2 * AROUND_S) for at in (one - WITHIN_S, one))
        followed[begin:end] = True
    assert _chance(np.sort(np.array(times, dtype=np.int64)), 0) == pytest.approx(followed.mean())
