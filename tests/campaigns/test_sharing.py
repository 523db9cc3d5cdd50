"""That members share something rare is held against how often strangers do."""

import numpy as np
import pytest

from spiritsafe.campaigns.facts import gather
from spiritsafe.campaigns.holdings import Holdings
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.sharing import SHARED_BY_CHANCE, Rare, sharing_of
from spiritsafe.campaigns.tying import Found
from spiritsafe.links.weights import rarity_bits

ACCOUNTS = 2_000


def log(random, template=(), *, thing="phrase", busy=()):
    """Every account holds three of five thousand values by chance, the busy ones thirty; `template` holds five more."""
    each = np.where(np.isin(np.arange(ACCOUNTS), busy), 30, 3)
    pairs = {(int(a), int(v)) for a in range(ACCOUNTS) for v in random.integers(0, 5_000, each[a])}
    pairs |= {(int(a), 9_000 + n) for a in template for n in range(5)}
    account, label = np.array(sorted(pairs, key=lambda pair: (pair[1], pair[0]))).T
    _, value, held = np.unique(label, return_inverse=True, return_counts=True)
    holders = held[value]
    return Holdings(
        account=account,
        value=value,
        share=np.ones(len(account)),
        bits=rarity_bits(holders, np.full(len(account), ACCOUNTS)),
        holders=holders,
        observed=np.full(len(account), ACCOUNTS),
        things=(thing,) * len(held),
        labels=tuple(map(str, np.unique(label))),
        accounts=ACCOUNTS,
    )


def sharing(holdings, accounts, kind=EvidenceKind.CONTENT):
    (facts,) = gather([Found(np.sort(accounts), frozenset())], holdings)
    return sharing_of(facts, kind, Rare.of(holdings))


def test_wording_of_their_own_stands_out_though_everybody_shares_some_rare_phrase():
    random = np.random.default_rng(0)
    group = random.choice(ACCOUNTS, 16, replace=False)
    found = sharing(log(random, template=group), group)
    assert found.members == 16
    assert found.p_value < 1e-6
    assert 0 < found.chance <= SHARED_BY_CHANCE


@pytest.mark.parametrize("busy", [False, True])
def test_strangers_have_honest_p_values_however_much_they_hold(busy):
    random = np.random.default_rng(1)
    p_values = []
    for _ in range(60):
        group = random.choice(ACCOUNTS, 20, replace=False)
        p_values.append(sharing(log(random, busy=group if busy else ()), group).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1
    assert np.mean(np.array(p_values) <= 0.01) <= 0.05


def test_a_shared_network_is_held_against_every_shared_network():
    """A class on a campus shares its addresses: rare ones, among many rare ones."""
    random = np.random.default_rng(2)
    group = random.choice(ACCOUNTS, 16, replace=False)
    held = log(random, template=group[:4], thing="client_ip")
    found = sharing(held, group, EvidenceKind.INFRASTRUCTURE)
    assert found.bits == held.bits.min()


def test_where_nothing_is_held_nothing_is_shared():
    random = np.random.default_rng(3)
    group = np.arange(8)
    assert sharing(log(random), group, EvidenceKind.IDENTITY).p_value == 1.0
