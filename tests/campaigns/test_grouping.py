"""Who belongs together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from spiritsafe.campaigns.grouping import components

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
