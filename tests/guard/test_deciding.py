"""Whom the guard answers how: campaigns as one, and nobody on one kind of evidence."""

import threading
from typing import Any

import pytest

from spiritsafe.guard import Answer
from spiritsafe.guard.deciding import KeysDifferError
from spiritsafe.roster import Kind, Role, Source
from spiritsafe.roster.reading import RosterError
from tests.guard.guards import (
    ADDRESS,
    BOTH,
    PHRASES,
    RULES,
    guard_of,
    policy,
    request,
    roster_of,
    told,
)  # fmt: skip
from tests.roster.rosters import FOREVER_S, NOW_S, campaign

DAY_S = 86_400


@pytest.fixture
def guard(tmp_path):
    return guard_of(tmp_path)


def answers(guard, *requests):
    return [guard.decide(one).acted for one in requests]


def test_a_stranger_is_let_through_and_nothing_is_said_of_it(guard):
    found = guard.decide(request("somebody"))
    assert (found.answer, found.acted, found.reasons, found.rule) == (Answer.ALLOW, Answer.ALLOW, (), "")
    assert not found.felt
    assert (found.policy, found.roster) == ("test@1", "r1")


def test_a_member_is_answered_by_the_rule_with_its_reasons_and_where_to_appeal(guard):
    found = guard.decide(request("core"))
    assert (found.answer, found.acted, found.rule) == (Answer.BLOCK, Answer.BLOCK, "members")
    assert found.campaign_id == "id-c1"
    assert found.appeal_to == "here"
    assert found.expires_us == (NOW_S + DAY_S) * 1_000_000
    assert "0.99" in found.reasons[0].statement
    assert "content, timing" in found.reasons[0].statement


@pytest.mark.parametrize(
    ("shows", "acted"),
    [
        ({"template": True}, Answer.OBSERVE),
        ({"address": True}, Answer.OBSERVE),
        ({"address": True, "ja4": "t13d"}, Answer.OBSERVE),
        ({"template": True, "address": True}, Answer.CHALLENGE),
        ({}, Answer.ALLOW),
    ],
    ids=["content", "one address", "two things of one kind", "two kinds", "nothing"],
)
def test_a_newcomer_is_known_at_once_and_acted_on_by_two_kinds_of_evidence_only(guard, shows, acted):
    assert guard.decide(request("just opened", **shows)).acted == acted


@pytest.mark.parametrize("who", ["old", "verified", "its organisation verified", "aged"])
def test_an_established_account_that_no_list_names_is_observed_at_most(tmp_path, who):
    guard = guard_of(tmp_path, given=policy(RULES.replace('"newcomer"', '"anyone"')))
    facts: dict[str, Any] = {
        "verified": {"verified": True},
        "its organisation verified": {"organization_verified": True, "organization_id": "o"},
        "aged": {"account_created_us": (NOW_S - 181 * DAY_S) * 1_000_000},
    }
    found = guard.decide(request(who, template=True, address=True, **facts.get(who, {})))
    assert found.acted == Answer.OBSERVE
    young = guard.decide(
        request("x", template=True, address=True, account_created_us=(NOW_S - 179 * DAY_S) * 1_000_000)
    )
    assert young.acted == Answer.CHALLENGE


def test_in_a_relay_only_what_shows_the_campaigns_content_is_acted_on(guard):
    mixed, own = guard.decide(request("relay")), guard.decide(request("relay", template=True))
    assert (mixed.acted, own.acted) == (Answer.OBSERVE, Answer.BLOCK)
    assert mixed.reasons[-1].kind == "held"
    assert guard.decide(request("relay", address=True)).acted == Answer.OBSERVE


def test_a_doubtful_member_is_no_member(guard):
    assert guard.decide(request("maybe")).acted == Answer.ALLOW
    assert guard.decide(request("maybe", template=True)).acted == Answer.OBSERVE


def test_a_member_found_by_one_kind_needs_another(guard):
    assert answers(guard, request("one kind"), request("one kind", address=True)) == [Answer.OBSERVE, Answer.BLOCK]


def test_whoever_is_vouched_for_is_let_through_while_that_holds(tmp_path):
    made = told(attested=(("core", "academic", NOW_S, NOW_S + 60),))
    guard = guard_of(tmp_path, made)
    found = guard.decide(request("core", template=True, address=True))
    assert (found.answer, found.rule) == (Answer.ALLOW, "attested")
    assert "academic" in found.reasons[0].statement
    assert guard.decide(request("core", after_s=60)).acted == Answer.BLOCK


def test_an_attested_organisation_protects_only_whose_membership_is_verified(tmp_path):
    from tests.roster.rosters import NAMES

    made = told(attested=(("core", "customer_fleet", NOW_S, FOREVER_S),))
    made.columns["attested_hash"][0] = NAMES.hashed("organization_id", "acme")
    guard = guard_of(tmp_path, made)
    claimed = request("core", organization_id="acme", organization_verified=False)
    known = request("core", organization_id="acme", organization_verified=True)
    assert answers(guard, claimed, known) == [Answer.BLOCK, Answer.ALLOW]


@pytest.mark.parametrize(
    ("own", "sources", "account", "acted"),
    [
        (False, (0,), "young", Answer.CHALLENGE),
        (False, (0, 1), "young", Answer.CHALLENGE),
        (False, (0, 2), "young", Answer.BLOCK),
        (True, (0,), "young", Answer.BLOCK),
        (False, (0,), "core", Answer.BLOCK),
    ],
    ids=["one firm", "one that repeats the other", "two firms", "own evidence too", "a member of our own list"],
)
def test_what_another_firm_said_alone_is_challenged_at_most(tmp_path, own, sources, account, acted):
    made = told(
        campaigns=(campaign(own=own, sources=sources),),
        sources=(Source("a", "a", 0.9), Source("hub", "a", 0.9), Source("b", "b", 0.9)),
    )
    guard = guard_of(tmp_path, made, policy(RULES.replace('answer = "challenge"', 'answer = "block"')))
    found = guard.decide(request(account, template=True, address=True))
    assert found.acted == acted
    assert any(reason.kind == "heard" for reason in found.reasons)


def test_in_shadow_mode_nothing_is_felt_and_the_answer_is_told(tmp_path):
    guard = guard_of(tmp_path, given=policy(mode="shadow"))
    found = guard.decide(request("core"))
    assert (found.answer, found.acted, found.felt) == (Answer.BLOCK, Answer.ALLOW, False)


def test_a_campaign_that_no_person_confirmed_is_not_acted_on(tmp_path):
    guard = guard_of(tmp_path, told(campaigns=(campaign(confirmed=False),)))
    found = guard.decide(request("core"))
    assert (found.answer, found.acted) == (Answer.BLOCK, Answer.OBSERVE)
    assert found.reasons[-1].kind == "unconfirmed"


def test_a_campaign_is_forgotten_when_it_expires(tmp_path):
    guard = guard_of(tmp_path, told(campaigns=(campaign(expires_s=NOW_S + 100),)))
    assert guard.decide(request("core")).expires_us == (NOW_S + 100) * 1_000_000
    assert guard.decide(request("core", after_s=100)).answer == Answer.ALLOW


THROTTLE = """
[[rule]]
name = "slow"
kinds = 2
answer = "throttle"
free_per_hour = 10
"""


@pytest.mark.parametrize("accounts", [1, 7, 50])
def test_one_budget_is_spent_by_all_accounts_so_that_more_of_them_buy_nothing(tmp_path, accounts):
    guard = guard_of(tmp_path, given=policy(THROTTLE))
    found = [
        guard.decide(request(f"new {at % accounts}", template=True, address=True, after_s=at)) for at in range(100)
    ]
    assert sum(one.acted == Answer.OBSERVE for one in found) == 10
    assert all(one.acted == Answer.THROTTLE and one.retry_after_s >= 1 for one in found[10:])
    later = guard.decide(request("new 0", template=True, address=True, after_s=100 + found[-1].retry_after_s))
    assert later.acted == Answer.OBSERVE


def test_a_budget_outlives_a_roster_in_which_the_campaign_has_other_members(tmp_path):
    guard = guard_of(tmp_path, given=policy(THROTTLE))
    for at in range(10):
        guard.decide(request("core", after_s=at))
    guard.swap(roster=roster_of(tmp_path, told(campaigns=(campaign(campaign_id="another"),)), name="next"))
    found = guard.decide(request("core", after_s=11))
    assert (found.acted, found.campaign_id) == (Answer.THROTTLE, "another")


def test_who_passed_a_challenge_is_not_challenged_again_for_a_while(tmp_path):
    guard = guard_of(tmp_path, given=policy(passed_hours=1))
    seen = {"template": True, "address": True}
    assert guard.decide(request("x", **seen)).acted == Answer.CHALLENGE
    guard.passed("x", (NOW_S + 1) * 1_000_000)
    at = [guard.decide(request("x", after_s=after, **seen)).acted for after in (2, 3600, 3602)]
    assert at == [Answer.OBSERVE, Answer.OBSERVE, Answer.CHALLENGE]
    assert guard.decide(request("y", after_s=3602, **seen)).acted == Answer.CHALLENGE


def test_a_rule_may_be_for_some_models_plans_and_tactics(tmp_path):
    rules = """
    [[rule]]
    name = "free plans of the big model that probe"
    answer = "challenge"
    models = ["big-*"]
    plans = ["free"]
    tactics = ["logprob_harvesting"]
    """
    guard = guard_of(tmp_path, given=policy(rules))
    fits: dict[str, Any] = {"model": "big-3", "plan": "free", "logprobs": True}
    assert guard.decide(request("core", **fits)).acted == Answer.CHALLENGE
    for other in ({"model": "small"}, {"plan": "pro"}, {"logprobs": None}, {"model": None}):
        assert guard.decide(request("core", **{**fits, **other})).acted == Answer.ALLOW


def test_the_sternest_of_several_campaigns_decides(tmp_path):
    made = told(
        campaigns=(campaign("c1", confirmed=False), campaign("c2")),
        templates=((0, 3, PHRASES), (1, 3, PHRASES)),
        values=(("client_ip", ADDRESS, 1, Kind.INFRASTRUCTURE),),
    )
    guard = guard_of(tmp_path, made)
    assert guard.decide(request("x", template=True)).answer == Answer.OBSERVE
    found = guard.decide(request("x", template=True, address=True))
    assert (found.acted, found.campaign_id) == (Answer.CHALLENGE, "id-c2")


@pytest.mark.parametrize(
    ("value", "shows"),
    [
        (("payment_fingerprint", "card-9", 0, Kind.IDENTITY), {"payment_fingerprint": "card-9"}),
        (("conversation_id", "conv", 0, Kind.WORK), {"conversation_id": "conv"}),
        (("tool_schema_hash", "-5", 0, Kind.CONTENT), {"tool_schema_hash": -5}),
        (("prefix_block", "33", 0, Kind.CONTENT), {"prefix_blocks": [9, 8, 7, 33]}),
    ],
)
def test_each_kind_of_mark_is_seen(tmp_path, value, shows):
    other = ("ja4", "t13d", 0, Kind.INFRASTRUCTURE)
    guard = guard_of(tmp_path, told(templates=(), values=(value, other)))
    assert guard.decide(request("x", **shows)).acted == Answer.OBSERVE
    assert guard.decide(request("x", ja4="t13d", **shows)).acted == Answer.CHALLENGE


def test_a_system_prompt_and_a_beginning_are_marks(tmp_path):
    from tests.guard.guards import SKETCHER

    said = {name: f"You are {name}, a grader of many answers." for name in ("system_prompt", "assistant_prefill")}
    values = tuple((f"{n}_hash", str(SKETCHER.whole_hash(text)), 0, Kind.CONTENT) for n, text in said.items())
    guard = guard_of(tmp_path, told(templates=(), values=values))
    for name, text in said.items():
        said_so: dict[str, Any] = {name: text.upper()}
        other: dict[str, Any] = {name: text + " No."}
        for _ in range(2):
            found = guard.decide(request("x", **said_so))
            assert (found.acted, len(found.reasons)) == (Answer.OBSERVE, 1)
        assert guard.decide(request("x", **other)).acted == Answer.ALLOW


def test_a_roster_of_other_keys_is_refused_and_the_old_one_stays(guard, tmp_path):
    from spiritsafe.sketch.parameters import SketchParameters

    other = SketchParameters(key=b"x" * 32, key_id="k2").metadata()
    with pytest.raises(KeysDifferError, match="key_id"):
        guard.swap(roster=roster_of(tmp_path, told(sketch=other), name="other"))
    assert guard.decide(request("core")).acted == Answer.BLOCK


def test_a_policy_is_swapped_in_one_step(guard):
    guard.swap(policy=policy(mode="shadow", version=2))
    found = guard.decide(request("core"))
    assert (found.policy, found.acted) == ("test@2", Answer.ALLOW)


def test_a_roster_that_is_damaged_inside_is_an_error_and_no_verdict(tmp_path):
    import hashlib

    path = tmp_path / "roster.bin"
    guard_of(tmp_path)
    whole = path.read_bytes()[:-32].replace(b'"campaign_id"', b'"campaign_ix"')
    path.write_bytes(whole + hashlib.sha256(whole).digest())
    from spiritsafe.roster import Roster

    (tmp_path / "other").mkdir()
    guard = guard_of(tmp_path / "other")
    guard.swap(roster=Roster(path))
    with pytest.raises(RosterError, match="damaged"):
        guard.decide(request("core"))


def test_a_sketch_that_is_given_is_used(guard):
    shown = guard.sketch(request(template=True).prompt)
    assert guard.decide(request("x", address=True, prompt=None), shown).acted == Answer.CHALLENGE


def test_several_threads_share_one_budget(tmp_path):
    guard = guard_of(tmp_path, given=policy(THROTTLE))
    acted = []

    def work(name):
        for at in range(50):
            acted.append(guard.decide(request(name, template=True, address=True, after_s=at / 10)).acted)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(acted), acted.count(Answer.OBSERVE)) == (200, 10)


def test_a_member_of_a_campaign_without_kinds_is_not_acted_on(tmp_path):
    made = told(accounts={"core": (0, 0.99, 0, Role.CORE, False)})
    assert guard_of(tmp_path, made).decide(request("core", template=True)).acted == Answer.OBSERVE


def test_both_kinds_may_come_from_list_and_request(tmp_path):
    made = told(accounts={"core": (0, 0.99, Kind.TIMING, Role.CORE, False), "two": (0, 0.99, BOTH, Role.CORE, False)})
    guard = guard_of(tmp_path, made)
    assert answers(guard, request("core"), request("core", template=True)) == [Answer.OBSERVE, Answer.BLOCK]


def test_a_roster_is_given_back_as_soon_as_another_is_in_its_place(guard, tmp_path):
    import gc
    import weakref

    guard.decide(request("core"))
    old = weakref.ref(guard.roster)
    gc.disable()
    try:
        guard.swap(roster=roster_of(tmp_path, name="next"))
        assert old() is None
    finally:
        gc.enable()


def test_what_follows_in_a_conversation_that_began_with_the_template_is_the_campaigns_too(guard, tmp_path):
    begins = request("relay", template=True, conversation_id="c-7")
    follows = request("relay", conversation_id="c-7", after_s=1)
    assert answers(guard, follows, begins, follows) == [Answer.OBSERVE, Answer.BLOCK, Answer.BLOCK]
    assert "conversation" in guard.decide(follows).reasons[-1].statement
    others = (request("relay", conversation_id="c-8"), request("relay"), request("maybe", conversation_id="c-7"))
    assert answers(guard, *others) == [Answer.OBSERVE, Answer.OBSERVE, Answer.ALLOW]
    guard.swap(roster=roster_of(tmp_path, name="next"))
    assert guard.decide(follows).acted == Answer.BLOCK
