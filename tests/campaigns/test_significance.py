"""A group found by its links is always significant on them. What is tested must not have been searched."""

import numpy as np
import pytest
from scipy.stats import norm

from spiritsafe.campaigns.conduct import Conduct
from spiritsafe.campaigns.facts import GroupFacts
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.sharing import Sharing
from spiritsafe.campaigns.significance import SHARES, made_tests, significances, significant
from spiritsafe.links.rhythm import DAY_S, Meetings, Window, meetings
from tests.links.timelines import WINDOW, dealt, lines, strangers

HALF = Window(0, 7 * DAY_S)


def on_days(times, odd):
    """Exchanges of every other day, the days put together."""
    kept = [one[one // DAY_S % 2 == odd] for one in times]
    return [one // DAY_S // 2 * DAY_S + one % DAY_S for one in kept]


def clustered(times, size):
    """The naive search: the accounts that meet one of them most, within ten minutes."""
    bins = [set((one // 600).tolist()) for one in times]
    first = max(range(len(bins)), key=lambda n: sum(len(bins[n] & other) for other in bins))
    order = sorted(range(len(bins)), key=lambda n: -len(bins[first] & bins[n]))
    return order[:size]


def p_value(times, chosen, window, seed):
    found = meetings(lines([times[n] for n in chosen]), window, seed=seed)
    return 1.0 if found is None else found.p_value


def test_testing_a_group_on_the_links_that_found_it_is_always_significant_and_on_other_days_it_is_not():
    naive, split = [], []
    for seed in range(40):
        times = strangers(np.random.default_rng(seed), 60, exchanges=20)
        naive.append(p_value(times, clustered(times, 6), WINDOW, seed))
        even, odd = on_days(times, 0), on_days(times, 1)
        split.append(p_value(odd, clustered(even, 6), HALF, seed))
    assert np.mean(np.array(naive) <= 0.05) > 0.5
    assert np.mean(np.array(split) <= 0.05) <= 0.15


def test_a_real_queue_is_found_on_even_days_and_holds_on_odd_ones():
    random = np.random.default_rng(1)
    times = [*dealt(random, 6, exchanges=40), *strangers(random, 40, exchanges=20)]
    chosen = clustered(on_days(times, 0), 6)
    assert set(chosen) == set(range(6))
    assert p_value(on_days(times, 1), chosen, HALF, 0) < 0.01


def met(p):
    return Meetings(np.ones(3), np.ones(3), 1.0, p, 99, np.empty(0))


def group(*, timing=None, without=(), sharing=None):
    kinds = {kind.value: np.zeros(5) for kind in EvidenceKind}
    conduct = Conduct(
        meetings=None if timing is None else met(timing), dealing=None, move=None, succession=None, burst=None,
        source=None, turns=None, hand_overs=None, sharing=sharing or {},
    )  # fmt: skip
    return GroupFacts(accounts=np.arange(5), shared=(), bits=kinds, without=frozenset(without), conduct=conduct)


def test_what_found_the_group_is_not_among_its_tests():
    sharing = {kind: Sharing(5, 6.0, 0.01, 1e-9) for kind in (EvidenceKind.CONTENT, EvidenceKind.IDENTITY)}
    made = made_tests(group(timing=0.5, without={EvidenceKind.IDENTITY}, sharing=sharing))
    assert {test.kind for test in made} == {EvidenceKind.TIMING, EvidenceKind.IDENTITY}


def test_wording_makes_nobody_significant():
    sharing = {EvidenceKind.CONTENT: Sharing(5, 6.0, 0.01, 1e-9)}
    made = made_tests(group(timing=0.5, without={EvidenceKind.CONTENT}, sharing=sharing))
    assert {test.kind for test in made} == {EvidenceKind.TIMING}


def test_a_group_that_nothing_else_could_test_has_no_p_value_and_is_not_named():
    (stated,) = significances([group()])
    assert stated.p_value is None
    assert not significant(stated)
    assert "always be significant" in stated.statement


def test_each_kind_of_test_spends_its_share_of_the_level():
    assert sum(SHARES.values()) == 1
    (stated,) = significances([group(timing=0.004)])
    assert stated.p_value == 0.01
    assert significant(stated)


def test_with_many_groups_one_small_p_value_is_not_enough():
    every = significances([group(timing=0.003), *[group(timing=float(p)) for p in np.linspace(0.1, 1, 99)]])
    assert every[0].p_value is not None
    assert every[0].p_value < 0.01
    assert not significant(every[0])


def test_many_looks_at_a_growing_log_share_the_level_of_one():
    (once,) = significances([group(timing=0.0004)])
    (daily,) = significances([group(timing=0.0004)], looks=30)
    assert daily.p_value == once.p_value == pytest.approx(0.001)
    assert once.q_value == pytest.approx(0.001)
    assert daily.q_value == pytest.approx(0.03)
    assert significant(once)
    assert not significant(daily)
    assert "30 looks" in daily.statement
    assert "look" not in once.statement
    (surely,) = significances([group(timing=1.0)], looks=30)
    assert surely.q_value == 1.0


def test_looked_at_every_day_strangers_are_named_too_often_unless_the_looks_share_the_level():
    """Ten groups of strangers in each of 400 logs, tested on all days so far, on each of 14 days: their p-values follow
    one another. At the level of one look more logs than it allows have a group that is named some day."""
    random = np.random.default_rng(5)
    named = {1: 0, 14: 0}
    for _ in range(400):
        so_far = np.cumsum(random.standard_normal((14, 10)), axis=0) / np.sqrt(np.arange(1, 15))[:, None]
        days = [[group(timing=float(p)) for p in SHARES[EvidenceKind.TIMING] * norm.sf(day)] for day in so_far]
        for looks in named:
            named[looks] += any(significant(one) for day in days for one in significances(day, looks=looks))
    assert named[1] > 12
    assert named[14] <= 4


def test_false_groups_are_rare_among_those_named():
    """Groups of strangers among real queues, found by something that has nothing to do with their rhythm."""
    false = named = 0
    for seed in range(12):
        random = np.random.default_rng(100 + seed)
        real = [dealt(random, 8) for _ in range(6)]
        chance = [strangers(random, 8) for _ in range(18)]
        found = [meetings(lines(one), WINDOW, seed=n) for n, one in enumerate([*real, *chance])]
        stated = significances([group(timing=1.0 if one is None else one.p_value) for one in found])
        named += sum(map(significant, stated))
        false += sum(map(significant, stated[6:]))
    assert named - false >= 70
    assert false <= 3


def test_nothing_found_is_nothing_to_test():
    assert significances([]) == []
