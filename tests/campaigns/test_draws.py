"""A group stands when some of its pairs are wrong; a chain, or one bridge, does not make one."""

from __future__ import annotations

import itertools

import numpy as np

from spiritsafe.campaigns.draws import find_crowds
from spiritsafe.links.confirmation import Pairs


def pairs(edges: list[tuple[int, int]], probability: float = 0.99) -> Pairs:
    ends = sorted((min(edge), max(edge)) for edge in edges)
    one, other = (np.array([edge[side] for edge in ends], dtype=np.int64) for side in (0, 1))
    return Pairs(one, other, np.full(len(ends), probability))


def clique(first: int, size: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(first, first + size), 2))


def found(edges: list[tuple[int, int]], actors: int, probability: float = 0.99) -> list[list[int]]:
    crowds = find_crowds(pairs(edges, probability), actors=actors, smallest=10, seed=1)
    return [group.tolist() for group in crowds.groups]


def test_people_who_all_act_with_one_another_are_a_group():
    assert found(clique(3, 12), 20) == [list(range(3, 15))]


def test_nine_are_not_told_when_ten_are_asked_for():
    assert found(clique(0, 9), 9) == []


def test_a_chain_of_sure_pairs_is_no_group():
    assert found([(one, one + 1) for one in range(200)], 201) == []


def test_a_chain_of_families_is_no_group():
    families = [clique(first, 4) for first in range(0, 80, 4)]
    bridges = [(first + 3, first + 4) for first in range(0, 76, 4)]
    assert found([*itertools.chain(*families), *bridges], 80) == []


def test_one_wrong_pair_does_not_join_two_groups():
    assert found([*clique(0, 12), *clique(12, 11), (11, 12)], 23) == [list(range(12)), list(range(12, 23))]


def test_pairs_that_are_half_sure_make_no_group():
    assert found(clique(0, 12), 12, probability=0.6) == []


def test_probability_is_the_share_of_draws_and_the_same_every_time():
    edges = pairs([*clique(0, 12), *[(12, one) for one in range(3)]], 0.96)
    first, second = (find_crowds(edges, actors=20, smallest=10, seed=7) for _ in range(2))
    assert (first.probability == second.probability).all()
    assert 0 < first.probability[12] <= first.probability[0] < 1
    assert not first.probability[13:].any()
