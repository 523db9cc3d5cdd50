"""When a group may be called a campaign, and when it may not."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from spiritsafe.campaigns.background import RepeatedAccountError, log_of
from spiritsafe.campaigns.conduct import Conduct
from spiritsafe.campaigns.facts import Activity, Attested, gather
from spiritsafe.campaigns.holdings import weigh
from spiritsafe.campaigns.model import Axis, AxisStatus, EvidenceKind, Significance, Verdict
from spiritsafe.campaigns.tying import tie
from spiritsafe.campaigns.verdicts import campaign_id, decide, judge, membership_probability
from spiritsafe.links.dealing import Dealing
from spiritsafe.links.lifecycle import Succession
from spiritsafe.links.turns import Turns
from spiritsafe.signals import TACTICS

ACCOUNTS = 500
RING = list(range(20))
ALL_COLUMNS = frozenset(
    ["prompt", "client_ip", "ja4", "user_agent", "organization_id", "organization_verified", "country"]
)


def axis(name, status):
    return Axis(name=name, status=status, reason="")


@pytest.mark.parametrize(
    ("statuses", "kinds", "significant"),
    list(itertools.product(itertools.product(AxisStatus, repeat=3), (0, 1, 2), (True, False))),
)
def test_a_campaign_needs_all_three_axes_two_kinds_of_evidence_and_a_test_that_holds(statuses, kinds, significant):
    three = tuple(axis(n, s) for n, s in zip(("coordination", "extraction", "concealment"), statuses, strict=True))
    verdict, failed = decide(three, ("content", "infrastructure")[:kinds], exchanges=10_000, significant=significant)
    everything = all(status is AxisStatus.SUPPORTED for status in statuses) and kinds == 2 and significant
    assert (verdict is Verdict.CAMPAIGN) == everything
    assert (failed == "") == everything


def test_too_few_exchanges_carry_no_judgement():
    three = tuple(axis(n, AxisStatus.SUPPORTED) for n in ("coordination", "extraction", "concealment"))
    assert decide(three, ("content", "timing"), exchanges=99, significant=True)[0] is Verdict.INSUFFICIENT_DATA


def signals(**more):
    """A log of 500 accounts with 20 exchanges each; the ring asks for reasoning all the time."""
    ring = np.isin(np.arange(ACCOUNTS), RING)
    columns = {
        "account_id": [f"acct-{n:03d}" for n in range(ACCOUNTS)],
        "exchanges": [20] * ACCOUNTS,
        "first_s": [1_760_000_000 + n for n in range(ACCOUNTS)],
        "last_s": [1_760_500_000 + n for n in range(ACCOUNTS)],
        "distinct_prompts": [20] * ACCOUNTS,
        "input_tokens": [400] * ACCOUNTS,
        "output_tokens": [900] * ACCOUNTS,
        "organization_id": [None] * ACCOUNTS,
        "organization_verified": [False] * ACCOUNTS,
        **{f"{tactic.name}_exchanges": [0] * ACCOUNTS for tactic in TACTICS},
        "reasoning_elicitation_exchanges": np.where(ring, 18, 0),
        **more,
    }
    types = {"organization_id": pa.string(), "organization_verified": pa.bool_()}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def groups_of(*, things=("client_ip",), phrases=12, alone=False, observed=ACCOUNTS):
    """What ties the ring: 20 accounts with habitual phrases in common, and rare things; `alone`, each member has
    the thing in common with a stranger and with no other member."""
    said = [(account, 70 + phrase) for phrase in range(phrases) for account in RING]
    columns = ("account", "phrase", "requests", "holders")
    habits = pa.table(
        [pa.array([row[0] for row in said], pa.int64()), pa.array([row[1] for row in said], pa.int64()),
         pa.array([18] * len(said), pa.int64()), pa.array([20] * len(said), pa.int64())], names=columns
    )  # fmt: skip
    held = [(account, thing, f"{account}" if alone else "shared") for thing in things for account in RING]
    held += [(account + 100, thing, f"{account}") for thing in things for account in RING if alone]
    shared = pa.table(
        {
            "account": pa.array([row[0] for row in held], pa.int64()),
            "thing": pa.array([row[1] for row in held], pa.string()),
            "value": pa.array([row[2] for row in held], pa.string()),
            "requests": pa.array([20] * len(held), pa.int64()),
            "holders": pa.array([20] * len(held), pa.int64()),
            "observed": pa.array([observed] * len(held), pa.int64()),
        }
    )
    holdings = weigh(habits, shared, exchanges=np.full(ACCOUNTS, 20))
    return gather(tie(holdings), holdings)


SURE = Significance(method="given", null="chance", p_value=1e-6, q_value=1e-5, statement="")
UNSURE = Significance(method="given", null="chance", p_value=0.2, q_value=0.4, statement="")


def look(
    *, table=None, observable=ALL_COLUMNS, attestations=None, prompts=400, distinct=400, conduct=None, sure=SURE, **ties
):
    """Judge the ring. Every exchange of an account falls into an attestation that covers its whole window, or none."""
    log = log_of(table or signals(), observable=observable, attested=attestations)
    (facts,) = groups_of(**ties)
    activity = Activity(models=("m",), hourly=((0, 400),), prompts=prompts, distinct_prompts=distinct)
    return judge(replace(facts, conduct=conduct), log, activity, sure)


def test_one_wording_and_one_address_of_twenty_accounts_without_an_organisation_is_a_campaign():
    group = look()
    assert group.verdict is Verdict.CAMPAIGN
    assert len(group.members) == 20
    assert all(member.why for member in group.members)
    assert all(one.bits_content > 0 and one.bits_infrastructure > 0 for one in group.members)


def test_nobody_is_accused_of_a_crowd_of_which_a_few_show_something():
    (facts,) = groups_of()
    activity = Activity(models=("m",), hourly=((0, 400),), prompts=400, distinct_prompts=400)
    log = log_of(signals(), observable=ALL_COLUMNS, attested=None)
    group = judge(replace(facts, scattered=True), log, activity, SURE)
    assert group.verdict is Verdict.COORDINATED_UNKNOWN
    assert "too few of the accounts show more than strangers do" in group.axes[0].reason


def test_a_thing_shared_with_strangers_only_says_nothing_of_the_group():
    (facts,) = groups_of(alone=True)
    assert not facts.bits["infrastructure"].any()
    assert {one.thing for one in facts.shared} == {"phrase"}
    assert look(alone=True).verdict is Verdict.COORDINATED_UNKNOWN


def test_a_sweep_is_what_the_group_asks_once_not_each_account():
    """Twenty accounts that send the same twenty prompts ask everything twenty times."""
    quiet = signals(reasoning_elicitation_exchanges=[0] * ACCOUNTS)
    repeated = look(table=quiet, distinct=20).axes[1]
    assert repeated.status is AxisStatus.CONTRADICTED
    assert "20 different prompts in 400 are no sweep" in repeated.reason
    swept = look(table=quiet, prompts=380, distinct=371)
    assert swept.verdict is Verdict.CAMPAIGN
    assert swept.axes[1].reason == "371 of their 380 prompts differ from one another"
    assert look(table=quiet, prompts=90, distinct=90).axes[1].status is AxisStatus.CONTRADICTED


def test_of_members_without_a_prompt_nobody_can_say_what_they_took():
    group = look(prompts=0, distinct=0)
    assert group.axes[1].status is AxisStatus.NOT_OBSERVABLE
    assert (group.verdict, group.failed_axis) == (Verdict.COORDINATED_UNKNOWN, "extraction")


def test_rarity_is_told_of_those_accounts_that_the_bits_were_counted_over():
    phrase, address = look(observed=400).axes[0].evidence
    assert (phrase.rarity, address.rarity) == ("20 of 500 accounts that talk alike", "20 of 400 accounts")
    assert phrase.bits - address.bits == pytest.approx(np.log2(500 / 400), abs=0.11)


def test_shared_wording_alone_is_never_a_campaign():
    group = look(things=())
    assert group.verdict is Verdict.COORDINATED_UNKNOWN
    assert group.failed_axis == "coordination"


def test_two_signs_of_one_kind_are_one_kind_and_tie_nobody():
    assert groups_of(phrases=0, things=("client_ip", "ja4", "user_agent")) == []
    (tied,) = groups_of(phrases=0, things=("client_ip", "payment_fingerprint"))
    assert len(tied.accounts) == 20


def test_two_phrases_in_common_tie_nobody_and_a_template_does():
    assert groups_of(phrases=2, things=()) == []
    assert [len(group.accounts) for group in groups_of(phrases=8, things=())] == [20]


def test_what_could_be_chance_is_not_accused():
    group = look(sure=UNSURE)
    assert (group.verdict, group.failed_axis) == (Verdict.COORDINATED_UNKNOWN, "coordination")
    assert group.significance == UNSURE


def conduct(**seen):
    """Nothing was seen but this."""
    nothing = dict.fromkeys(("meetings", "dealing", "move", "succession", "burst", "source", "turns", "hand_overs"))
    return Conduct(**{**nothing, "sharing": {}, **seen})


def dealt(*, repeated, close, expected, p_value):
    return Dealing(
        items=100, exchanges=400, common=4 * repeated, repeated=repeated, askers=4.0, pairs=540, close=close,
        expected=expected, p_value=p_value, resampled=np.ones(20, dtype=bool),
    )  # fmt: skip


def test_who_works_through_the_list_that_all_work_through_takes_nothing():
    group = look(conduct=conduct(dealing=dealt(repeated=90, close=40.0, expected=38.0, p_value=0.4)))
    assert group.axes[1].status is AxisStatus.CONTRADICTED
    assert "at times of their own" in group.axes[1].reason
    assert outcomes(group)["benchmark, homework or recipe"] == "fits"


def test_who_has_each_thing_asked_by_several_at_once_takes_samples():
    quiet = signals(reasoning_elicitation_exchanges=[0] * ACCOUNTS)
    several = conduct(dealing=dealt(repeated=90, close=400.0, expected=20.0, p_value=1e-6))
    group = look(table=quiet, distinct=100, conduct=several)
    assert group.axes[1].status is AxisStatus.SUPPORTED
    assert {one.kind for one in group.axes[1].evidence} == {"resampling"}
    assert outcomes(group)["benchmark, homework or recipe"] == "does_not_fit"


@pytest.mark.parametrize("p_value", [1e-5, 0.005])
def test_a_list_that_is_dealt_out_in_turns_is_one_queue_however_slow(p_value):
    quiet = signals(reasoning_elicitation_exchanges=[0] * ACCOUNTS)
    slowly = dealt(repeated=90, close=40.0, expected=38.0, p_value=0.4)
    took = Turns(1.0, 0.8, p_value, np.full(ACCOUNTS, 0.001))
    group = look(table=quiet, distinct=100, conduct=conduct(dealing=slowly, turns=took))
    plain = p_value < 0.001
    assert group.axes[1].status is (AxisStatus.SUPPORTED if plain else AxisStatus.CONTRADICTED)
    assert ("in turns" in group.axes[1].reason) == plain
    assert outcomes(group)["benchmark, homework or recipe"] == ("does_not_fit" if plain else "fits")


def test_a_verified_customer_with_many_accounts_is_open():
    open_customer = signals(organization_id=["acme"] * ACCOUNTS, organization_verified=[True] * ACCOUNTS)
    group = look(table=open_customer)
    assert group.verdict is Verdict.OPEN_COORDINATION
    assert "verification" in group.would_change_our_mind[0]


def test_one_name_that_nobody_verified_is_no_openness_and_no_hiding():
    self_made = signals(organization_id=["acme"] * ACCOUNTS, organization_verified=[False] * ACCOUNTS)
    group = look(table=self_made)
    assert (group.verdict, group.failed_axis) == (Verdict.COORDINATED_UNKNOWN, "concealment")
    assert group.axes[2].status is AxisStatus.NOT_OBSERVABLE
    assert "20 of 20 accounts give one name, which nobody verified" in group.axes[2].reason


def test_who_replaces_banned_accounts_under_one_made_up_name_hides():
    self_made = signals(organization_id=["acme"] * ACCOUNTS, organization_verified=[False] * ACCOUNTS)
    follows = Succession(
        banned=8,
        followed=8,
        expected=0.4,
        within_s=3600,
        p_value=1e-6,
        members=np.ones(20, dtype=bool),
        chance=np.full(20, 0.05),
    )
    group = look(table=self_made, conduct=conduct(succession=follows))
    assert group.verdict is Verdict.CAMPAIGN
    assert "8 of 8 suspensions were followed by a new member within an hour" in group.axes[2].reason
    assert _rarity(group) == (
        "0.4 by chance; of strangers who came or went meanwhile 5.0% are as close as the middle one of these accounts"
    )
    by_chance = look(table=self_made, conduct=conduct(succession=replace(follows, p_value=0.005)))
    assert by_chance.verdict is not Verdict.CAMPAIGN
    nobody = replace(follows, members=np.zeros(20, dtype=bool), chance=np.ones(20))
    assert _rarity(look(table=self_made, conduct=conduct(succession=nobody))) == "0.4 by chance"


def _rarity(group):
    (told,) = (one.rarity for one in group.axes[0].evidence if one.kind == EvidenceKind.LIFECYCLE)
    return told


def test_several_shells_are_not_one_name():
    shells = ["acme" if n % 3 else "bolt" for n in range(ACCOUNTS)]
    group = look(table=signals(organization_id=shells, organization_verified=[False] * ACCOUNTS))
    assert group.verdict is Verdict.CAMPAIGN


def test_several_verified_customers_in_one_group_are_open():
    names = ["acme" if n % 2 else "bolt" for n in range(ACCOUNTS)]
    group = look(table=signals(organization_id=names, organization_verified=[True] * ACCOUNTS))
    assert group.verdict is Verdict.OPEN_COORDINATION


def told(accounts, value=True, other=None):
    """`value` for these accounts, `other` for the rest."""
    return [value if n in accounts else other for n in range(ACCOUNTS)]


def test_not_to_know_who_is_verified_is_no_sign_of_concealment():
    for known in ([], [ACCOUNTS - 1], RING[:9]):
        group = look(table=signals(organization_verified=told(known, value=False)))
        assert group.verdict is Verdict.COORDINATED_UNKNOWN
        assert group.failed_axis == "concealment"
        assert group.axes[2].status is AxisStatus.NOT_OBSERVABLE
        assert group.axes[2].missing_columns == ("organization_verified",)
        assert f"{len(set(known) & set(RING))} of 20 accounts" in group.axes[2].reason
        assert outcomes(group)["one customer with many accounts"] == "not_checkable"


def test_only_accounts_that_are_known_are_counted():
    group = look(table=signals(organization_verified=told(RING[:12], value=False)))
    assert group.axes[2].reason == (
        "none of the 12 accounts (of 20) whose verification is known belongs to a verified organisation"
    )
    assert group.axes[2].evidence[0].accounts == 12


def test_several_verified_organisations_are_counted_with_whoever_belongs_to_none():
    names = ["acme" if n < 4 else "bolt" if n < 7 else None for n in range(ACCOUNTS)]
    group = look(table=signals(organization_id=names, organization_verified=[n < 7 for n in range(ACCOUNTS)]))
    assert group.verdict is Verdict.CAMPAIGN
    assert group.axes[2].reason == (
        "of the 20 accounts 7 belong to 2 verified organisations (at most 4 to one), 13 to none"
    )


def test_half_of_the_known_in_one_verified_organisation_is_openness():
    verified = [n < 6 if n < 12 else None for n in range(ACCOUNTS)]
    group = look(table=signals(organization_verified=verified, organization_id=told(RING, "acme")))
    assert group.verdict is Verdict.OPEN_COORDINATION


def test_verified_accounts_without_an_organisation_are_not_one_organisation():
    group = look(table=signals(organization_verified=[True] * ACCOUNTS))
    assert group.axes[2].status is AxisStatus.SUPPORTED
    assert group.axes[2].reason == "none of the 20 accounts belongs to a verified organisation"
    assert outcomes(group)["one customer with many accounts"] == "does_not_fit"


def outcomes(group):
    return {one.name: one.outcome for one in group.alternatives}


PROGRAMME = "licensed distillation, red team, reseller or programme"


def vouched(covered, accounts=RING):
    """An attestation that covers this many of each account's 20 exchanges."""
    word = {"kind": "licensed_distillation", "owner": "legal", "reason": "contract 12"}
    return {number: Attested(**word, covered=covered, exchanges=20) for number in accounts}


def test_attested_accounts_are_not_accused_and_the_reason_names_who_vouches_and_for_how_much():
    group = look(attestations=vouched(15))
    assert group.verdict is Verdict.OPEN_COORDINATION
    assert "legal" in group.axes[2].reason
    assert "in force for 300 of their 400 exchanges" in group.axes[2].reason
    assert outcomes(group)[PROGRAMME] == "fits"


def test_an_attestation_protects_only_who_did_most_under_it():
    assert look(attestations=vouched(10)).verdict is Verdict.OPEN_COORDINATION
    group = look(attestations=vouched(9))
    assert group.verdict is Verdict.CAMPAIGN
    assert outcomes(group)[PROGRAMME] == "does_not_fit"
    assert next(one.finding for one in group.alternatives if one.name == PROGRAMME) == (
        "0 of 20 accounts are attested for at least half of their exchanges; 20 more for less than half of theirs."
    )


def test_an_explanation_that_nobody_could_check_is_not_said_to_fail():
    assert outcomes(look())[PROGRAMME] == "not_checkable"
    assert outcomes(look(attestations={}))[PROGRAMME] == "does_not_fit"
    without = outcomes(look(observable=ALL_COLUMNS - {"prompt", "client_ip", "organization_verified"}))
    assert set(without.values()) == {"not_checkable"}


def test_an_account_that_would_be_counted_twice_stops_the_judgement():
    twice = pa.concat_tables([signals(), signals().slice(3, 1)])
    with pytest.raises(RepeatedAccountError, match="501 rows of signals for 500 accounts"):
        log_of(twice, observable=ALL_COLUMNS)


@pytest.mark.parametrize(
    ("gone", "axis_name"),
    [("prompt", "extraction"), ("organization_verified", "concealment"), ("organization_id", "concealment")],
)
def test_a_missing_column_is_never_support(gone, axis_name):
    group = look(observable=ALL_COLUMNS - {gone})
    assert group.verdict is not Verdict.CAMPAIGN
    assert {one.name: one.status for one in group.axes}[axis_name] is AxisStatus.NOT_OBSERVABLE


def test_the_same_members_have_the_same_id_in_any_order():
    assert campaign_id(["b", "a"]) == campaign_id(["a", "b"]) != campaign_id(["a", "c"])


def test_more_bits_are_more_probable_and_no_bits_leave_the_prior():
    probability = membership_probability(np.array([0.0, 5.0, 15.0]), accounts=1000, size=20)
    assert probability[0] == pytest.approx(20 / 1000, rel=0.05)
    assert np.all(np.diff(probability) > 0)


def test_every_kind_of_evidence_has_its_column_of_bits():
    member = look().members[0]
    assert all(isinstance(getattr(member, f"bits_{kind.value}"), float) for kind in EvidenceKind)
