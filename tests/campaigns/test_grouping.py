"""Who belongs together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.campaigns.grouping import components, components_by_shared_value

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


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 19), st.integers(-5, 5)), max_size=40))
def test_sharing_a_value_is_the_same_as_being_linked_pairwise(accounts, held):
    held = [(account % accounts, value) for account, value in held]
    pairs = [(a, b) for a, v in held for b, w in held if v == w]
    account = np.array([one for one, _ in held], dtype=np.int64)
    value = np.array([one for _, one in held], dtype=np.int64)
    assert components_by_shared_value(accounts, account, value).tolist() == naive(accounts, pairs)
