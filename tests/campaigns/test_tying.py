"""Who is tied to whom, and which ties make a group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.campaigns.facts import gather
from spiritsafe.campaigns.grouping import _bridged, communities, components
from spiritsafe.campaigns.holdings import Holdings
from spiritsafe.campaigns.model import EvidenceKind
from spiritsafe.campaigns.tying import COMPANY, TEMPLATE_PHRASES, TEMPLATE_SHARE, Found, _same_template, tie

ACCOUNTS = 60


def holdings(held, *, accounts=ACCOUNTS):
    """From (account, thing, label, share); each value is worth ten bits."""
    names = sorted({(thing, label) for _, thing, label, _ in held})
    number = {name: place for place, name in enumerate(names)}
    count = np.array([sum(1 for h in held if (h[1], h[2]) == name) for name in names])
    value = np.array([number[thing, label] for _, thing, label, _ in held], dtype=np.int64)
    return Holdings(
        account=np.array([h[0] for h in held], dtype=np.int64),
        value=value,
        share=np.array([h[3] for h in held], dtype=np.float64),
        bits=np.full(len(held), 10.0),
        holders=count[value] if len(held) else np.empty(0, dtype=np.int64),
        observed=np.full(len(held), accounts, dtype=np.int64),
        things=tuple(thing for thing, _ in names),
        labels=tuple(label for _, label in names),
        accounts=accounts,
    )


def template(accounts, phrases, share=1.0):
    return [(account, "phrase", phrase, share) for account in accounts for phrase in phrases]


def phrases(prefix, count):
    return [f"{prefix}{number}" for number in range(count)]


def groups(held):
    return [sorted(found.accounts.tolist()) for found in tie(holdings(held))]


def test_accounts_with_one_template_are_a_group_found_by_its_wording_alone():
    (found,) = tie(holdings(template(range(8), phrases("t", 12))))
    assert found.accounts.tolist() == list(range(8))
    assert EvidenceKind.CONTENT not in found.without
    assert {EvidenceKind.WORK, EvidenceKind.IDENTITY, EvidenceKind.INFRASTRUCTURE} <= found.without


def test_two_templates_with_one_sentence_in_common_are_two():
    common = phrases("common", 8)
    held = template(range(8), [*phrases("a", 24), *common]) + template(range(8, 16), [*phrases("b", 24), *common])
    assert groups(held) == [list(range(8)), list(range(8, 16))]


def test_a_relay_that_sends_the_template_now_and_then_is_tied_by_it():
    held = []
    for account in range(8):
        held += template([account], phrases("t", 12), share=0.2)
        held += template([account, 50 - account], phrases(f"chat{account}-", 2), share=0.03)
    assert groups(held) == [list(range(8))]


def test_an_identity_and_an_address_tie_and_either_alone_does_not():
    card = [(account, "payment_fingerprint", "card", 1.0) for account in range(6)]
    address = [(account, "client_ip", "192.0.2.1", 0.5) for account in range(6)]
    assert groups(card) == []
    assert groups(address) == []
    (found,) = tie(holdings(card + address))
    assert found.accounts.tolist() == list(range(6))
    assert EvidenceKind.CONTENT in found.without


def test_conversations_that_move_between_accounts_tie_them():
    held = [(account, "conversation_id", f"c{number}", 0.1) for number in range(6) for account in (number, number + 1)]
    held += [(account, "conversation_id", f"d{number}", 0.1) for number in range(6) for account in (number, number + 1)]
    (found,) = tie(holdings(held))
    assert found.accounts.tolist() == list(range(7))
    assert EvidenceKind.WORK not in found.without


def test_a_system_prompt_of_two_is_chance_and_of_many_is_an_application():
    of_two = [(account, "system_prompt_hash", "1", 1.0) for account in (3, 7)]
    assert groups(of_two) == []
    of_many = [(account, "system_prompt_hash", "1", 1.0) for account in range(9)]
    assert groups(of_many) == [list(range(9))]


def test_three_that_share_everything_are_not_looked_at():
    assert groups(template(range(3), phrases("t", 20))) == []
    assert tie(holdings([])) == []


def test_who_has_one_weak_tie_to_a_group_is_not_in_it():
    held = template(range(10), phrases("t", 12))
    held += template([20], phrases("t", 3), share=1.0) + template([20, 21], phrases("own", 4), share=1.0)
    assert groups(held) == [list(range(10))]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_similarity_is_the_cosine_of_habits(seed):
    random = np.random.default_rng(seed)
    dense = np.where(random.random((12, 20)) < 0.5, random.uniform(0.02, 1, (12, 20)), 0.0)
    held = [(int(a), "phrase", f"{v:02}", float(dense[a, v])) for a, v in zip(*np.nonzero(dense), strict=True)]
    found = dict(zip(*(x.tolist() for x in _same_template(holdings(held, accounts=12))), strict=True))
    for one in range(12):
        for other in range(one + 1, 12):
            both = (dense[one] > 0) & (dense[other] > 0)
            cosine = dense[one] @ dense[other] / (np.linalg.norm(dense[one]) * np.linalg.norm(dense[other]))
            alike = both.sum() >= TEMPLATE_PHRASES and cosine >= TEMPLATE_SHARE + 1e-9
            if alike:
                assert found[one * 12 + other] == pytest.approx(cosine**3)
            elif both.sum() < TEMPLATE_PHRASES or cosine < TEMPLATE_SHARE - 1e-9:
                assert one * 12 + other not in found


def clique(nodes):
    return [(a, b) for a in nodes for b in nodes if a < b]


def owned(names):
    owner = np.full(ACCOUNTS, -1, dtype=np.int64)
    for account, name in names.items():
        owner[account] = name
    return owner


def owned_groups(held, names):
    return [sorted(found.accounts.tolist()) for found in tie(holdings(held), organisation=owned(names))]


def test_accounts_of_a_verified_organisation_among_strangers_are_a_group_of_their_own():
    held = template(range(20), phrases("t", 12))
    several = dict.fromkeys(range(5), 3)
    assert owned_groups(held, several) == [list(range(5, 20)), list(range(5))]
    # Two of another organisation are nobody's business: shells have an account or two each.
    assert owned_groups(held, several | {7: 4, 8: 4}) == [list(range(5, 20)), list(range(5))]
    # Half of a group speak for all of it.
    assert owned_groups(held, {account: account % 2 for account in range(10)}) == [list(range(20))]
    assert owned_groups(held, {}) == [list(range(20))]


def test_many_accounts_of_one_unverified_name_among_strangers_are_a_group_of_their_own():
    def found(held, names):
        stated = owned(names)
        return [sorted(one.accounts.tolist()) for one in tie(holdings(held), stated=stated)]

    held = template(range(50), phrases("t", 12))
    company = dict.fromkeys(range(COMPANY), 3)
    assert found(held, company) == [list(range(COMPANY, 50)), list(range(COMPANY))]
    # They do not speak for the others, be they more than half; but who are all of one name stay together.
    assert found(held, dict.fromkeys(range(30), 3)) == [list(range(30)), list(range(30, 50))]
    assert found(held, dict.fromkeys(range(45), 3)) == [list(range(50))]
    # A shell has fewer, and a group of shells is one.
    assert found(held, dict.fromkeys(range(COMPANY - 1), 3)) == [list(range(50))]
    assert found(held, {account: account // 10 for account in range(50)}) == [list(range(50))]


def split(nodes, edges):
    a, b = np.array([e[0] for e in edges], dtype=np.int64), np.array([e[1] for e in edges], dtype=np.int64)
    return communities(nodes, a, b, np.ones(len(edges)))


def test_a_tie_in_error_joins_components_and_not_communities():
    edges = [*clique(range(6)), *clique(range(6, 12)), (5, 6)]
    assert len(set(split(12, edges).tolist())) == 2
    assert len(set(components(12, *np.array(edges).T).tolist())) == 1


def test_a_large_group_in_which_each_is_tied_to_a_few_neighbours_stays_together():
    ring = [(min(n, (n + step) % 90), max(n, (n + step) % 90)) for n in range(90) for step in range(1, 9)]
    assert len(set(split(90, ring).tolist())) == 1


def test_strangers_tied_by_little_are_not_put_together_with_those_who_are_tied_by_much():
    """A company with one template, and a dozen who have a little in common with one another and with it."""
    company, others = clique(range(30)), clique(range(30, 42))
    every = [*company, *others, *((a, b) for a in range(4) for b in range(30, 42))]
    a, b = np.array(every).T
    found = np.repeat([0, 1], [30, 12])
    weak = np.where(np.arange(len(every)) < len(company), 1.0, 0.1)
    assert _bridged(found, a, b, weak).tolist() == found.tolist()
    assert len(set(_bridged(found, a, b, np.ones(len(every))).tolist())) == 1


def test_an_organisation_so_large_that_its_name_ties_nobody_is_looked_at_without_anything_in_common():
    (facts,) = gather([Found(np.arange(30, 38), frozenset())], holdings(template(range(20), phrases("t", 12))))
    assert facts.shared == ()
    assert facts.total_bits().tolist() == [0.0] * 8


def test_nobody_tied_is_everybody_alone():
    assert communities(3, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)).tolist() == [0, 1, 2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_communities_do_not_depend_on_the_order_of_ties_and_never_join_what_is_not_connected(seed):
    random = np.random.default_rng(seed)
    edges = sorted({tuple(sorted(random.choice(25, 2, replace=False).tolist())) for _ in range(40)})
    once = split(25, edges)
    again = split(25, [edges[place] for place in random.permutation(len(edges))])
    assert once.tolist() == again.tolist()
    joined = components(25, *np.array(edges).T)
    for name in set(once.tolist()):
        assert len(set(joined[once == name].tolist())) == 1
