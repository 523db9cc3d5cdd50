"""The report's numbers of pairs and partners are those of the group, however few pairs are drawn."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.campaigns import partners
from spiritsafe.campaigns.facts import GroupFacts, SharedValue
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.partners import MOST_ACCOUNTS, Ties, ties_of
from spiritsafe.campaigns.report_map import read_ring
from tests.campaigns.test_verdicts import groups_of, look

KINDS = [kind.value for kind in EvidenceKind]
values = st.tuples(st.sampled_from(KINDS), st.floats(0, 20), st.sets(st.integers(0, 29), min_size=1))


def group(size: int, shared: list[tuple[str, float, set[int]]]) -> GroupFacts:
    bits = {kind: np.zeros(size) for kind in KINDS}
    made: list[SharedValue] = []
    for kind, weight, holders in shared:
        members = np.array(sorted(holders), dtype=np.int64)
        made.append(SharedValue("phrase", str(len(made)), kind, weight, len(members), size, members))
        bits[kind][members] = np.maximum(bits[kind][members], weight)
    return GroupFacts(accounts=np.arange(size), shared=tuple(made), bits=bits)


def names(size: int) -> list[str]:
    return [f"a{number:05}" for number in range(size)]


def one_by_one(shared: list[tuple[str, float, set[int]]]) -> dict[tuple[str, str, str], float]:
    """Every pair and kind, with the bits of the strongest value: found by going through all pairs."""
    found: dict[tuple[str, str, str], float] = defaultdict(float)
    for kind, weight, holders in shared:
        for a, b in itertools.combinations(sorted(holders), 2):
            if weight > 0:
                key = (names(30)[a], names(30)[b], kind)
                found[key] = max(found[key], weight)
    return found


@given(st.lists(values, max_size=12), st.sampled_from([8, 16, 2**20]))
def test_pairs_and_partners_are_those_of_all_pairs_one_by_one(shared, table_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partners, "_TABLE_BYTES", table_bytes)
        ties = ties_of(group(30, shared), names(30))
    found = one_by_one(shared)
    pairs = {(a, b) for a, b, _ in found}
    linked = {account for pair in pairs for account in pair}
    assert {(a, b, kind): bits for a, b, kind, bits in ties.links} == found
    assert len(ties.links) == len(found)
    assert (ties.accounts, ties.pairs) == (len(linked), len(pairs))
    assert ties.partners == {account: sum(account in pair for pair in pairs) for account in linked}
    assert ties.kind_pairs == {kind: sum(k == kind for *_, k in found) for kind in {k for *_, k in found}}


def test_a_member_has_at_least_as_many_partners_as_its_reasons_say():
    """The ring once took the first holder's links for all of them, and gave the others one partner each."""
    (facts,) = groups_of()
    members = look().members
    ties = ties_of(facts, [member.account_id for member in members])
    assert all(any("with 19 other members" in reason for reason in member.why) for member in members)
    assert set(ties.partners.values()) == {19}
    assert ties.kind_pairs == {"content": 190, "infrastructure": 190}
    ring = read_ring(ties)
    assert ring is not None
    assert ring.words == (
        "20 accounts, 190 linked pairs (content 190, infrastructure 190). Each of them has 19 partners."
    )


def large() -> GroupFacts:
    """Three thousand members: a template of all, an address for each two, a card for the last ten."""
    addresses = [("infrastructure", 9.0, {n, n + 1}) for n in range(0, 3_000, 2)]
    return group(3_000, [("content", 5.0, set(range(3_000))), *addresses, ("identity", 12.0, set(range(2_990, 3_000)))])


def test_a_large_group_is_counted_whole_and_drawn_in_part():
    ties = ties_of(large(), names(3_000))
    assert ties.pairs == ties.kind_pairs["content"] == 3_000 * 2_999 // 2
    assert ties.kind_pairs["infrastructure"] == 1_500
    assert len(ties.partners) == MOST_ACCOUNTS
    assert set(names(3_000)[2_990:]) <= set(ties.partners)
    ring = read_ring(ties)
    assert ring is not None
    assert ring.words == (
        "3,000 accounts, 4,498,500 linked pairs (content 4,498,500, infrastructure 1,500, identity 45). Drawn are the "
        "60 accounts with the most evidence, and the strongest 400 of the 1,770 pairs among them. Each of those "
        "drawn has 2,999 partners."
    )


@pytest.mark.parametrize("limit", [{"members_limit": 2_999}, {"bytes_limit": 1_000}])
def test_a_group_beyond_the_bounds_is_not_counted_and_has_the_same_links(limit):
    ties = ties_of(large(), names(3_000), **limit)
    assert ties == Ties(3_000, ties.links)
    assert ties.links == ties_of(large(), names(3_000)).links
