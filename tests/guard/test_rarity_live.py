"""Innocents who come to share a campaign's mark, in a guard that goes on deciding."""

import random

from spiritsafe.guard import Answer
from tests.guard.guards import guard_of, policy, request

RULES = """
[[rule]]
name = "newcomers"
who = "newcomer"
answer = "challenge"
[[rule]]
name = "signs"
kinds = 1
answer = "observe"
"""


def warmed(guard, accounts=300):
    """Ordinary traffic: eight in ten accounts are old."""
    for at in range(accounts):
        guard.decide(request(f"usual {at}", after_s=at, verified=at % 10 < 8))


def test_a_template_gone_viral_is_evidence_against_nobody(tmp_path):
    guard = guard_of(tmp_path, given=policy(RULES))
    warmed(guard)
    rng, late = random.Random(5), []
    for at in range(300):
        # Many of them call from the campaign's address too: a popular cloud.
        one = request(f"viral {at}", template=True, address=True, after_s=400 + at, verified=rng.random() < 0.8)
        late.append(guard.decide(one).acted)
    assert late.count(Answer.CHALLENGE) <= 4
    assert set(late[20:]) == {Answer.ALLOW}


def test_the_customers_of_a_framed_competitor_are_not_challenged(tmp_path):
    """The campaign runs with the competitor's words for a day; then its customers are seen, new and old, elsewhere."""
    guard = guard_of(tmp_path, given=policy(RULES))
    warmed(guard)
    own = [guard.decide(request(f"own {at}", template=True, address=True, after_s=400 + at)).acted for at in range(400)]
    assert own.count(Answer.CHALLENGE) == 400
    customers = [
        guard.decide(request(f"customer {at}", template=True, after_s=900 + at, verified=at % 5 > 0)).acted
        for at in range(200)
    ]
    assert Answer.CHALLENGE not in customers
    assert customers.count(Answer.OBSERVE) <= 8
    listed = guard.decide(request("core", template=True, after_s=1200))
    assert listed.reasons[0].kind == "listed"


def test_members_and_whoever_is_vouched_for_suspend_nothing(tmp_path):
    from tests.guard.guards import told
    from tests.roster.rosters import FOREVER_S, NOW_S

    names = [f"partner {at}" for at in range(30)]
    made = told(attested=tuple((name, "academic", NOW_S, FOREVER_S) for name in names))
    guard = guard_of(tmp_path, made, policy(RULES))
    warmed(guard)
    for at, name in enumerate(names):
        guard.decide(request(name, template=True, verified=True, after_s=400 + at))
    assert guard.counts.rarity.suspensions == []
    assert guard.decide(request("new", template=True, address=True, after_s=500)).acted == Answer.CHALLENGE
