"""A tie is as sure as ties of its kind are confirmed by others; chance and taste confirm nothing."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.detection import _planted
from spiritsafe.campaigns.draws import JOINING, find_crowds
from spiritsafe.links.confirmation import find_kinds, least_confirmed, pair_probabilities
from spiritsafe.links.ties import CHANCE, Acts, Chance, Ties, closeness, coin
from tests.links.tables_of_acts import Act, acts_of, arrays

ACTORS = 2_000


def groups(acts: list[Act], *, timed: bool = True, actors: int = ACTORS) -> list[set[int]]:
    ties, held = arrays(acts, timed=timed, most_holders=actors // 2)
    believed = pair_probabilities(ties, held, actors=actors, seed=1)
    return [set(group.tolist()) for group in find_crowds(believed.pairs, actors=actors, smallest=10, seed=1).groups]


def members(acts: list[Act], *, timed: bool = True, actors: int = ACTORS) -> set[int]:
    return set().union(*groups(acts, timed=timed, actors=actors))


@pytest.mark.parametrize("start", [1000, 100, 10], ids=["rare", "middle", "popular"])
def test_a_ring_that_acts_together_is_found_and_nobody_else(start):
    assert members(acts_of(_planted.ring(1, start=start))) == set(range(30))


def test_a_ring_is_found_without_times_when_it_shares_enough():
    found = members(acts_of(_planted.ring(1, pool=20)), timed=False)
    assert len(found & set(range(30))) >= 27
    assert not found - set(range(30))


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("fashion_days", [0.0, 3.0])
def test_people_of_one_taste_are_no_group(timed, fashion_days):
    assert members(acts_of(_planted.fans(1, fashion_days=fashion_days)), timed=timed) == set()


def test_the_naive_way_groups_everybody_of_a_taste():
    """The control that fails: a pair that shares three objects, without asking what taste explains."""
    ties, _ = arrays(acts_of(_planted.fans(1)), timed=False)
    pairs, counts = np.unique(ties.one[ties.near] * ACTORS + ties.other[ties.near], return_counts=True)
    naive = {int(one) for pair in pairs[counts >= 3] for one in divmod(pair, ACTORS)}
    assert len(naive) > ACTORS // 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("timed", [True, False])
def test_acts_dealt_out_at_random_make_no_group(seed, timed):
    assert members(acts_of(_planted.ring(seed), shuffle=seed), timed=timed) == set()


@pytest.mark.parametrize("seed", range(4))
def test_chance_confirms_no_more_ties_than_it_claims(seed):
    """The null that `CHANCE` speaks of, measured: acts dealt out at random over actors."""
    ties, held = arrays(acts_of(_planted.ring(seed), shuffle=seed), timed=False)
    kinds = pair_probabilities(ties, held, actors=ACTORS, seed=1).kinds
    assert kinds.eligible.sum() > 10_000
    assert kinds.confirmed.sum() / kinds.eligible.sum() <= CHANCE


def test_other_names_for_the_same_actors_give_the_same_groups():
    acts = acts_of(_planted.ring(2))
    assert len({(thing, second) for _, thing, second in acts}) > len(acts) - 5  # hardly two at one moment
    renamed = np.random.default_rng(0).permutation(ACTORS)
    other = sorted((int(renamed[actor]), thing, second) for actor, thing, second in acts)
    assert members(other) == {int(renamed[one]) for one in members(acts)}


def test_a_later_year_changes_nothing():
    acts = acts_of(_planted.ring(3))
    later = [(actor, thing, second + 400 * 86_400) for actor, thing, second in acts]
    assert groups(later) == groups(acts)


def test_a_sign_up_date_in_every_row_is_no_time_of_acting():
    actor = np.array([0, 0, 1, 1, 2])
    holders = np.full(5, 2)
    own = Acts(actor, np.arange(5), holders, np.array([5, 5, 9, 9, 7]))
    acting = Acts(actor, np.arange(5), holders, np.array([5, 6, 9, 1, 7]))
    assert not own.times_are_of_acts()
    assert acting.times_are_of_acts()
    assert not Acts(actor, np.arange(5), holders, None).times_are_of_acts()


def test_one_act_each_can_be_confirmed_by_nothing():
    acts = [(actor, 0, 100 + actor) for actor in range(12)]
    ties, held = arrays(acts)
    believed = pair_probabilities(ties, held, actors=12, seed=1)
    assert not believed.kinds.eligible.any()
    assert not believed.pairs.probability.any()


def test_nothing_shared_is_no_error():
    ties, held = arrays([(0, 0, 1), (1, 1, 2)])
    believed = pair_probabilities(ties, held, actors=2, seed=1)
    assert len(believed.pairs.one) == 0
    assert find_crowds(believed.pairs, actors=2, smallest=3, seed=1).groups == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 14), st.integers(0, 9), st.integers(0, 5_000)), min_size=1, max_size=120, unique=True
    )
)
def test_the_quick_count_of_confirmed_ties_is_the_plain_one(rows):
    first: dict[tuple[int, int], int] = {}
    for actor, thing, second in rows:
        first[actor, thing] = min(second, first.get((actor, thing), second))
    ties, held = arrays([(actor, thing, second) for (actor, thing), second in sorted(first.items())], timed=False)
    believed = pair_probabilities(ties, held, actors=15, seed=1)
    chance = Chance.of(held, actors=15)
    by_pair: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for one, other, thing, holders, near in zip(
        ties.one.tolist(),
        ties.other.tolist(),
        ties.object.tolist(),
        ties.holders.tolist(),
        ties.near.tolist(),
        strict=True,
    ):
        if near:
            by_pair[one, other].append((thing, holders))
    eligible = confirmed = 0
    for (one, other), those in by_pair.items():
        for thing, _ in those:
            rest = [holders for another, holders in those if another != thing]
            if chance.objects[one] < 2 or chance.objects[other] < 2:
                continue
            eligible += 1
            if rest:
                ends = (np.array([one]), np.array([other]))
                found = chance.surprising(*ends, ties=np.array([len(rest)]), rarest=np.array([min(rest)]), share=1.0)
                confirmed += bool(found[0])
    assert believed.kinds.eligible.sum() == eligible
    assert believed.kinds.confirmed.sum() == confirmed
    assert ((believed.pairs.probability >= 0) & (believed.pairs.probability < 1)).all()


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 14), st.booleans()), min_size=1, max_size=300),
    st.booleans(),
)
def test_closer_is_never_believed_less(rows, synchrony):
    popularity, close, confirmed = (np.array(column) for column in zip(*rows, strict=True))
    kinds = find_kinds(popularity, close, confirmed.astype(bool), synchrony=synchrony)
    assert (np.diff(kinds.precision, axis=1) >= -1e-12).all()
    assert ((kinds.precision >= 0) & (kinds.precision <= 1)).all()


def test_rarer_others_are_more_surprising():
    acts = acts_of(_planted.ring(1))
    _, held = arrays(acts, timed=False)
    chance = Chance.of(held, actors=ACTORS)
    one, other = np.full(2, 5), np.full(2, 6)
    rare, common = chance.surprising(one, other, ties=np.array([1, 1]), rarest=np.array([2, 300]), share=1.0)
    assert rare
    assert not common


def test_what_is_confirmed_least_needs_enough_ties():
    assert least_confirmed(np.array([0, 50, 100]), np.array([40, 500, 100])) == pytest.approx(50 / 540)
    assert least_confirmed(np.array([], np.int64), np.array([], np.int64)) == CHANCE


def test_closeness_is_in_bits_of_unrelated_gaps():
    random = np.random.default_rng(4)
    held = Acts(np.arange(4_000), np.zeros(4_000, np.int64), np.full(4_000, 4_000), random.integers(0, 1 << 20, 4_000))
    # Of two uniform times, a share g (2 - g) lies within g of each other.
    assert closeness(np.array([1 << 20, 1 << 15, 1 << 10, 0]), held, seed=1).tolist() == [0, 4, 9, 14]


def test_the_coin_is_fair_and_keeps_its_word():
    sides = coin(np.arange(100_000), seed=1)
    assert abs(sides.mean() - 0.5) < 0.01
    assert (coin(np.arange(100_000), seed=1) == sides).all()
    assert 0.4 < (coin(np.arange(100_000), seed=2) == sides).mean() < 0.6


def test_joining_leaves_room_for_one_wrong_pair_in_twenty():
    assert JOINING == 0.95


def test_ties_are_checked_for_what_they_are():
    ties, _ = arrays([(0, 0, 5), (1, 0, 9)])
    assert isinstance(ties, Ties)
    assert ties.gap_s is not None
    assert ties.gap_s.tolist() == [4]
