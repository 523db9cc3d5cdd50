"""What one agreement is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.links.weights import ProbabilityError, chance_of_sharing, match_weight, rarity_bits


def test_rarer_agreement_is_stronger_evidence():
    card, timezone = match_weight(np.array([0.9, 0.9]), np.array([1e-6, 0.05]))
    assert card > timezone > 0


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan")])
def test_certainty_is_refused_with_a_way_out(value):
    with pytest.raises(ProbabilityError, match="strictly inside") as caught:
        match_weight(np.array([value]), np.array([0.5]))
    assert "smooth" in caught.value.hint


@given(st.integers(2, 10_000), st.data())
def test_bits_fall_as_a_value_gets_popular_and_never_say_anything_when_all_have_it(accounts, data):
    holders = np.array(sorted(data.draw(st.lists(st.integers(1, accounts), min_size=2, max_size=20))))
    bits = rarity_bits(holders, accounts)
    assert np.all(np.diff(bits) <= 1e-9)
    assert rarity_bits(np.array([accounts]), accounts)[0] < 0.3


def test_the_chance_is_that_of_a_random_other_account_by_simulation():
    rng = np.random.default_rng(7)
    accounts, holders = 400, 40
    holds = np.zeros(accounts, dtype=bool)
    holds[:holders] = True
    others = rng.integers(1, accounts, size=200_000)
    assert chance_of_sharing(np.array([holders]), accounts)[0] == pytest.approx(holds[others].mean(), abs=0.005)
