"""Who belongs together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from spiritsafe.campaigns.grouping import apart_at_one, components

edges = st.integers(1, 30).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60))
)


def naive(nodes, pairs):
    label = list(range(nodes))
    for a, b in pairs:
        old, new = max(label[a], label[b]), min(label[a], label[b])
        label = [new if one == old else one for one in label]
    return [sorted(set(label)).index(one) for one in label]


@given(edges)
def test_components_are_those_of_the_slow_way(case):
    nodes, pairs = case
    a = np.array([pair[0] for pair in pairs], dtype=np.int64)
    b = np.array([pair[1] for pair in pairs], dtype=np.int64)
    assert components(nodes, a, b).tolist() == naive(nodes, pairs)


def test_components_of_a_large_graph_are_those_of_scipy():
    numbers = np.random.default_rng(7)
    nodes = 20_000
    for edges_a_node in (0.3, 0.5, 0.6, 3):  # about where one component takes all
        a, b = numbers.integers(0, nodes, (2, int(edges_a_node * nodes)))
        _, other = connected_components(coo_matrix((np.ones(len(a)), (a, b)), (nodes, nodes)), directed=False)
        found = components(nodes, a, b)
        assert len(set(zip(found.tolist(), other.tolist(), strict=True))) == len(set(other)) == found.max() + 1


def test_a_long_chain_in_any_order_is_one_component():
    order = np.random.default_rng(8).permutation(100_000)
    assert components(100_000, order[:-1], order[1:]).max() == 0


def parts_without(node, pairs, nodes, least):
    """The slow way: what is left in one piece with `node`, without it, and at least so large."""
    whole = naive(nodes, pairs)
    rest = naive(nodes, [pair for pair in pairs if node not in pair])
    with_it = {one for one in range(nodes) if whole[one] == whole[node]} - {node}
    return [part for name in set(rest) if len(part := {one for one in with_it if rest[one] == name}) >= least]


@given(edges, st.integers(1, 4))
def test_no_group_hangs_on_one_account_and_no_other_is_taken_apart(case, least):
    nodes, pairs = case
    pairs = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    a, b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    groups = components(nodes, a, b)
    found = apart_at_one(groups, a, b, np.ones(len(pairs)), least=least)
    hang = [one for one in range(nodes) if len(parts_without(one, pairs, nodes, least)) >= 2]
    for name in set(groups.tolist()):
        members = np.flatnonzero(groups == name)
        assert (len(set(found[members].tolist())) > 1) == bool(set(members.tolist()) & set(hang))
    assert all(len(set(groups[found == name].tolist())) == 1 for name in set(found.tolist()))


def test_a_companys_account_that_uses_a_fleets_system_prompt_makes_no_group_of_both():
    fleet, company = range(8), range(9, 16)
    pairs = [(a, b) for side in (fleet, company) for a in side for b in side if a < b]
    pairs += [(one, 8) for one in fleet] + [(8, one) for one in company] + [(15, 16)]
    a, b = np.array(pairs).T
    weight = np.where((a == 8), 1.0, 0.5)
    found = apart_at_one(np.zeros(17, dtype=np.int64), a, b, weight, least=4)
    assert found.tolist() == [0] * 8 + [1] * 9
    assert set(apart_at_one(np.zeros(17, dtype=np.int64), a, b, weight, least=9).tolist()) == {0}
