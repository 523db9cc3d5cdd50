"""Groups grow by who keeps their rhythm, shrink by who does not, and a relay's innocents keep their exchanges."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.campaigns.conduct import Acts, Scene, Watched
from spiritsafe.campaigns.exchanges import LENGTHS, UNSEEN, UNTOLD_SHARE, _distances, leftover
from spiritsafe.campaigns.extension import candidates, grown, instances_of, templates
from spiritsafe.campaigns.facts import Log, gather
from spiritsafe.campaigns.model import EvidenceKind, Significance
from spiritsafe.campaigns.pruning import APART_P, pruned
from spiritsafe.campaigns.tying import COMPANY, Found, tie
from spiritsafe.links.asked import Outsiders
from spiritsafe.links.one_source import OneSource
from spiritsafe.links.releases import Releases
from spiritsafe.links.rhythm import DAY_S, Strangers, meetings
from tests.campaigns.test_significance import group
from tests.campaigns.test_tying import holdings, phrases, template
from tests.links.prompts import asked_by, each_its_own, from_one_source
from tests.links.prompts import strangers as people
from tests.links.timelines import WINDOW, dealt, lines, strangers

SURE = Significance(method="", null="", p_value=1e-6, q_value=1e-6, statement="")


def ring(*, members=8, acting=1.0, public=()):
    """A group of one template, of which a share keeps a rhythm."""
    held = holdings(template(range(members), phrases("1", 12)))
    (facts,) = gather(tie(held), held)
    bits = {**facts.bits, EvidenceKind.TIMING.value: np.where(np.arange(members) < acting * members, 6.0, 0.0)}
    return replace(facts, bits=bits), held


def scene(*, created_s=None, suspended_s=None, stated=None, accounts=64):
    """A log of which nothing is known but when accounts were opened and banned, and what they call themselves."""
    signals = {"exchanges": np.ones(accounts)} | ({} if created_s is None else {"created_s": created_s})
    observable: frozenset[str] = frozenset()
    if stated is not None:
        names = np.array([stated.get(account) for account in range(accounts)], dtype=object)
        signals |= {"organization_id": names, "organization_verified": np.zeros(accounts, dtype=bool)}
        observable = frozenset({"organization_id", "organization_verified"})
    held = holdings(template(range(8), phrases("1", 12)))
    nobody = np.zeros((0, accounts), dtype=bool)
    return Scene(Log(signals, observable), held, WINDOW, suspended_s, Releases((), (), nobody, nobody), 0)


def users(rows):
    names = ("number", "account", "hits", "requests")
    return pa.table({name: pa.array([row[place] for row in rows], pa.int64()) for place, name in enumerate(names)})


def test_a_template_is_what_its_users_have_as_a_habit():
    facts, _ = ring()
    rows = templates([facts]).to_pylist()
    assert len(rows) == 12
    assert all(row["number"] == 0 and row["phrase"] is not None for row in rows)


def test_a_sentence_in_common_is_no_instance_of_a_template():
    facts, _ = ring()
    every = [(0, account, 14, 20) for account in range(8)]
    every += [(0, 30, 14, 3), (0, 31, 5, 40)]
    found, least = instances_of([facts], users(every))
    assert least.tolist() == [9]
    assert set(found["account"].to_pylist()) == {*range(8), 30}


def test_who_uses_the_template_may_join_a_group_that_acts_together_and_no_other():
    facts, _ = ring()
    used = pa.table({"number": pa.array([0, 0]), "account": pa.array([30, 31]), "requests": pa.array([5, 1])})
    assert candidates([facts], [SURE], used, scene())[0].tolist() == [30]
    scattered, _ = ring(acting=0.5)
    assert candidates([scattered], [SURE], used, scene()) == {}
    assert candidates([facts], [replace_q(SURE, 0.2)], used, scene()) == {}


def replace_q(stated, q):
    return Significance(method="", null="", p_value=stated.p_value, q_value=q, statement="")


def test_a_template_that_twice_as_many_strangers_as_members_use_draws_nobody_in():
    facts, _ = ring()
    used = pa.table({"number": pa.array([0] * 17), "account": pa.array(range(20, 37)), "requests": pa.array([5] * 17)})
    assert candidates([facts], [SURE], used, scene()) == {}


def watched(times, asked=None):
    """Exchanges of accounts 0, 1, ..., none of them in a conversation, and what they asked."""
    every = lines(times)
    count = len(every.at_s)
    unlimited = np.zeros(count, dtype=np.int64)
    acts = Acts(every.member, every.at_s, np.arange(count) + 1, unlimited, np.ones(count, dtype=bool))
    outsiders = Outsiders.of(asked_by(people(np.random.default_rng(0), others=60)))
    return Watched(acts, asked_by([]) if asked is None else asked, outsiders, Strangers(0.0, 1.0), every)


def test_only_who_keeps_the_rhythm_joins():
    random = np.random.default_rng(1)
    queue = dealt(random, 9, exchanges=20)
    facts, _ = ring()
    times = [*queue[:8], queue[8], *strangers(random, 4, exchanges=20)]
    larger = grown([facts], {0: np.arange(8, 13)}, watched(times), scene())
    assert larger[0].accounts.tolist() == list(range(9))
    assert grown([facts], {0: np.arange(9, 10)}, watched(times), scene()) == {}


def test_who_asks_about_the_groups_source_joins_and_who_only_borrowed_its_template_does_not():
    random = np.random.default_rng(4)
    facts, _ = ring(acting=0.0)
    source = OneSource(160, 1.0, 9.0, 9.0, 1e-6, 0.02, 0.1, np.ones(8, dtype=bool), np.full(8, 20))
    facts = replace(facts, conduct=replace(group().conduct, source=source))
    assert facts.own_template
    asked = asked_by([*from_one_source(random, 9), *each_its_own(random, 3)[1:]])
    seen = watched([np.array([0])] * 11, asked)
    used = pa.table({"number": pa.array([0] * 3), "account": pa.array([8, 9, 10]), "requests": pa.array([5] * 3)})
    joins = candidates([facts], [SURE], used, scene())
    assert joins[0].tolist() == [8, 9, 10]
    assert grown([facts], joins, seen, scene())[0].accounts.tolist() == list(range(9))


def test_one_or_two_prompts_do_not_show_that_somebody_asks_about_the_source():
    random = np.random.default_rng(4)
    facts, _ = ring(acting=0.0)
    source = OneSource(160, 1.0, 9.0, 9.0, 1e-6, 0.02, 0.1, np.ones(8, dtype=bool), np.full(8, 20))
    facts = replace(facts, conduct=replace(group().conduct, source=source))
    every = from_one_source(random, 10)
    asked = asked_by([*every[:8], every[8][:3], every[9][:12]])
    larger = grown([facts], {0: np.array([8, 9])}, watched([np.array([0])] * 10, asked), scene())
    assert larger[0].accounts.tolist() == [*range(8), 9]


def test_what_every_fiftieth_stranger_does_lets_nobody_in():
    """One in a hundred strangers keeps a rhythm by chance: the more are held against it, the more must be shown."""
    random = np.random.default_rng(2)
    queue = dealt(random, 8, exchanges=20)
    facts, _ = ring()
    joined = 0
    for seed in range(8):
        others = strangers(np.random.default_rng(100 + seed), 60, exchanges=20)
        larger = grown([facts], {0: np.arange(8, 68)}, watched([*queue, *others]), scene(accounts=80))
        joined += len(larger[0].accounts) - 8 if larger else 0
    assert joined <= 1, f"{joined} of 480 strangers"


def test_who_takes_a_banned_members_place_joins_by_one_use_of_the_template():
    facts, _ = ring(acting=0.0)
    created_s, suspended_s = np.full(64, np.nan), np.full(64, np.nan)
    suspended_s[:8] = (np.arange(8) + 2) * DAY_S + 20_000
    created_s[8:16] = suspended_s[:8] + 3 * 3600
    created_s[16] = 12 * DAY_S
    used = pa.table({"number": pa.array([0] * 9), "account": pa.array(range(8, 17)), "requests": pa.array([1] * 9)})
    chain = scene(created_s=created_s, suspended_s=suspended_s)
    joins = candidates([facts], [SURE], used, chain)
    assert joins[0].tolist() == list(range(8, 16))
    larger = grown([facts], joins, watched([np.array([0])] * 17), chain)
    assert larger[0].accounts.tolist() == list(range(16))
    assert candidates([facts], [SURE], used, scene(created_s=created_s)) == {}
    elsewhere = np.where(np.isnan(created_s), created_s, created_s + 4 * 3600 * np.arange(64) + 13 * 3600)
    assert candidates([facts], [SURE], used, scene(created_s=elsewhere, suspended_s=suspended_s)) == {}


def test_who_is_as_close_to_a_ban_as_a_stranger_may_be_joins_only_where_few_can_be_strangers():
    """Eight sign up ten minutes after a ban and three two hours after one, as one stranger in eighteen does. Where
    nobody else used the template these are hardly strangers; where five more did, who follow no ban, they may be."""
    facts, _ = ring(acting=0.0)
    accounts = 400
    created_s, suspended_s = np.full(accounts, np.nan), np.full(accounts, np.nan)
    suspended_s[:8] = (np.arange(8) + 2) * DAY_S + 20_000
    created_s[64:] = np.linspace(0, 12 * DAY_S, accounts - 64)
    created_s[8:16] = suspended_s[:8] + 600
    created_s[16:19] = suspended_s[:3] + 2 * 3600
    chain = scene(created_s=created_s, suspended_s=suspended_s, accounts=accounts)

    def joining(outside):
        used = [8, 9, 10, 11, 12, 13, 14, 15, *outside]
        rows = {"number": [0] * len(used), "account": used, "requests": [1] * len(used)}
        return candidates([facts], [SURE], pa.table({name: pa.array(row) for name, row in rows.items()}), chain)

    assert joining(range(16, 19))[0].tolist() == list(range(8, 19))
    assert joining(range(16, 24))[0].tolist() == list(range(8, 16))


def test_a_company_that_nobody_verified_takes_in_nobody_who_does_not_state_its_name():
    facts, _ = ring(members=30)
    rows = {"number": [0, 0, 0], "account": [40, 41, 42], "requests": [5, 5, 5]}
    used = pa.table({name: pa.array(row) for name, row in rows.items()})
    company = dict.fromkeys(range(COMPANY), "one") | {40: "one", 41: "another"}
    assert candidates([facts], [SURE], used, scene(stated=company))[0].tolist() == [40]
    shell = dict.fromkeys(range(COMPANY - 1), "one")
    assert candidates([facts], [SURE], used, scene(stated=shell))[0].tolist() == [40, 41, 42]


def test_who_shows_nothing_but_words_is_let_go_where_the_others_act_together():
    random = np.random.default_rng(3)
    queue = [*dealt(random, 9, exchanges=20), *strangers(random, 2, exchanges=20)]
    held = holdings(template(range(11), phrases("1", 12)))
    (facts,) = gather(tie(held), held)
    found = meetings(lines(queue), WINDOW, seed=0)
    assert found is not None
    bits = {**facts.bits, EvidenceKind.TIMING.value: np.where(found.members <= 0.05, 6.0, 0.0)}
    conduct = replace(group(timing=1e-6).conduct, meetings=found)
    (left,) = pruned([replace(facts, bits=bits, conduct=conduct)], held)
    apart = np.flatnonzero(found.members > APART_P)
    assert len(apart) > 0
    assert set(range(9)) <= set(left.accounts.tolist()) == set(range(11)) - set(apart.tolist())
    assert left.conduct is not None
    assert left.conduct.meetings is not None
    assert len(left.conduct.meetings.members) == len(left.accounts) == len(left.bits["timing"])


@pytest.mark.parametrize(("kinds", "stays"), [(1, False), (2, True)])
def test_who_goes_against_the_others_rhythm_shows_two_things_or_is_let_go(kinds, stays):
    held = holdings(template(range(10), phrases("1", 12)))
    (facts,) = gather(tie(held), held)
    found = replace(group(timing=1e-6).conduct.meetings, members=np.array([0.01] * 9 + [0.9]))
    bits = {**facts.bits, EvidenceKind.TIMING.value: np.array([6.0] * 9 + [0.0])}
    for kind in (EvidenceKind.WORK, EvidenceKind.LIFECYCLE)[:kinds]:
        bits[kind.value] = np.full(10, 5.0)
    (left,) = pruned([replace(facts, bits=bits, conduct=replace(group(timing=1e-6).conduct, meetings=found))], held)
    assert (9 in left.accounts.tolist()) == stays
    assert set(range(9)) <= set(left.accounts.tolist())


@pytest.mark.parametrize(("users", "stay"), [(10, 8), (24, 7)])
def test_who_shows_little_besides_words_that_others_use_too_is_let_go(users, stay):
    """Seven came soon after a ban, one perhaps, two did not; of their template, and of words that strangers use."""
    held = holdings(template(range(users), phrases("1", 12)))
    (facts,) = gather([Found(np.arange(10), frozenset())], held)
    assert facts.own_template == (users == 10)
    bits = {**facts.bits, EvidenceKind.LIFECYCLE.value: np.array([6.0] * 7 + [2.0] + [0.5, 0.0])}
    (left,) = pruned([replace(facts, bits=bits, conduct=group(timing=1.0).conduct)], held)
    assert left.accounts.tolist() == list(range(stay))
    assert left.let_go == 10 - stay


@pytest.mark.parametrize(("in_chain", "stay"), [(13, 13), (9, 0)])
def test_little_says_more_where_nearly_all_of_a_group_show_it(in_chain, stay):
    """Of fourteen who share words with strangers all but one came as soon after a ban as one stranger in twelve does;
    where five did not, those who did are no better than chance picks out of a crowd."""
    held = holdings(template(range(40), phrases("1", 12)))
    (facts,) = gather([Found(np.arange(14), frozenset())], held)
    chance = np.where(np.arange(14) < in_chain, 0.08, 1.0)
    bits = {**facts.bits, EvidenceKind.LIFECYCLE.value: np.where(chance < 1, 0.9, 0.0)}
    (left,) = pruned([replace(facts, bits=bits, chance=chance, conduct=group(timing=1.0).conduct)], held)
    assert left.scattered == (stay == 0)
    assert left.accounts.tolist() == list(range(stay or 14))


def test_a_crowd_of_which_a_few_show_something_is_scattered_and_nobody_is_picked_out_of_it():
    """Seven of forty-six keep the rhythm that everybody half keeps: the others would be let go, and these be chosen."""
    held = holdings(template(range(46), phrases("1", 12)))
    (facts,) = gather([Found(np.arange(46), frozenset())], held)
    shown = np.where(np.arange(46) < 7, 6.0, 0.3)
    bits = {**facts.bits, EvidenceKind.TIMING.value: shown}
    (left,) = pruned([replace(facts, bits=bits, conduct=group(timing=1e-5).conduct)], held)
    assert left.scattered
    assert len(left.accounts) == 46
    assert left.let_go == 0


def test_a_group_whose_members_show_little_besides_words_keeps_them_all():
    facts, held = ring(acting=0.25)
    assert len(pruned([facts], held)[0].accounts) == 8


ALIKE = [(40, 10, 10), (60, 10, 10), (80, 10, 10)]
LONGER = [(40, 10, 90), (60, 10, 0), (80, 10, 0)]
"""Lengths in characters, and how many prompts of each show the template and do not."""


@pytest.mark.parametrize(
    ("counted", "lengths", "factor"),
    [
        pytest.param({"own": 300, "openings": 100, "own_openings": 95}, LONGER, 1.0, id="their own accounts"),
        pytest.param({"own": 200, "openings": 100, "own_openings": 20}, LONGER, None, id="a relay"),
        pytest.param({"own": 200, "openings": 100, "own_openings": 20}, [], None, id="a relay, lengths unknown"),
        pytest.param({"own": 200, "openings": 100, "own_openings": 20}, [(40, 9, 800)], None, id="too few lengths"),
        pytest.param({"own": 200, "openings": 100, "own_openings": 20}, ALIKE, 1.0, id="reworded, as long"),
        pytest.param(
            {"own": 200, "openings": 100, "own_openings": 70, "told": 400, "own_told": 100},
            LONGER,
            None,
            id="a relay whose others' conversations are long",
        ),
        pytest.param(
            {"own": 300, "openings": 100, "own_openings": 95, "told": 0, "own_told": 0},
            LONGER,
            1.0,
            id="their own accounts, turns known and conversations not",
        ),
        pytest.param({"own": 900, "openings": 5}, LONGER, 1.0, id="conversations unknown, nearly all templated"),
        pytest.param({"own": 200, "openings": 5}, LONGER, None, id="conversations unknown, a fifth templated"),
        pytest.param({"own": 0, "openings": 100}, [], 1.0, id="no template seen"),
        pytest.param({"own": 0, "openings": 100, "carried": 2}, [], UNTOLD_SHARE, id="no template, carried on"),
    ],
)
def test_what_shows_no_template_is_the_campaigns_only_where_it_has_the_accounts_to_itself(counted, lengths, factor):
    row = {"number": 0, "exchanges": 1_000, "own_openings": 0, "told": 0, "own_told": 0, "carried": 0} | counted
    if "told" not in counted:
        row |= {"told": row["openings"], "own_told": row["own_openings"]}
    schema = {"number": pa.int64(), "prompt_chars": pa.int64(), "own": pa.int64(), "others": pa.int64()}
    rows = [dict(zip(schema, (0, *one), strict=True)) for one in lengths]
    long = pa.Table.from_pylist(rows, pa.schema(schema))
    (found,) = leftover(pa.Table.from_pylist([row]), long)["factor"].to_pylist()
    if factor is not None:
        assert found == factor
        return
    share = counted["own"] / 1_000 / (1 - UNSEEN)
    assert found == pytest.approx(share * UNSEEN / (share * UNSEEN + 1 - share))
    assert found < 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=40, max_size=200))
def test_the_distance_of_lengths_is_kolmogorovs_and_smirnovs(prompts):
    from scipy.stats import ks_2samp

    counts = Counter(prompts)
    rows = [
        {"number": 3, "prompt_chars": chars, "own": counts[chars, True], "others": counts[chars, False]}
        for chars in sorted({chars for chars, _ in prompts}, reverse=True)
    ]
    own, others = ([chars for chars, is_own in prompts if is_own is sort] for sort in (True, False))
    found = _distances(pa.Table.from_pylist(rows))
    if min(len(own), len(others)) < LENGTHS:
        assert found == {}
    else:
        assert found == {3: pytest.approx(ks_2samp(own, others, method="asymp").statistic)}
