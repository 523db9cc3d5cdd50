"""Every look-alike has the trait that makes a real detector flag it, and is innocent all the same."""

import itertools
from collections import Counter

import numpy as np
import pytest

from spiritsafe.proving.lookalikes import HARNESSES, look_alikes
from spiritsafe.proving.model import LOOK_ALIKES
from tests.proving.conftest import World


def units(world: World, kind: str) -> list[str]:
    found = world.rows(f"SELECT DISTINCT independent_unit FROM who WHERE operator_kind = '{kind}' ORDER BY 1")
    return [unit for (unit,) in found]


def in_unit(unit: str) -> str:
    return f"account_id IN (SELECT account_id FROM who WHERE independent_unit = '{unit}')"


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_two_organisations_of_each_and_none_of_them_a_campaign(zoo, kind: str):
    assert len(units(zoo, kind)) == 2
    assert zoo.one(f"SELECT count(*) FROM who WHERE operator_kind = '{kind}' AND campaign_id IS NOT NULL") == 0
    sent = zoo.one(
        "SELECT count(*) FROM sent JOIN who USING (account_id) "
        f"WHERE operator_kind = '{kind}' AND sent.campaign_id IS NOT NULL"
    )
    assert sent == 0


@pytest.mark.parametrize(("kind", "verified"), [("company_verified", True), ("company_self_declared", False)])
def test_a_company_has_many_accounts_in_one_organisation(zoo, kind: str, verified: bool):
    for unit in units(zoo, kind):
        named = zoo.rows(
            f"SELECT organization_id, organization_verified, count(*) FROM accounts WHERE {in_unit(unit)} GROUP BY ALL"
        )
        assert len(named) == 1
        assert named[0][0]
        assert named[0][1] is verified
        assert named[0][2] >= 8


def test_agents_hand_a_conversation_over_where_one_meets_its_limit(zoo):
    for unit in units(zoo, "agent_fleet"):
        rows = zoo.rows(
            "SELECT account_id, conversation_id, status, epoch_ms(time) FROM requests "
            f"WHERE {in_unit(unit)} ORDER BY time"
        )
        moved = sum(
            one[2] == 429 and other[0] != one[0] and other[1] == one[1] and other[3] - one[3] < 60_000
            for one, other in itertools.pairwise(rows)
        )
        assert moved >= 5


def test_a_class_has_one_network_one_homework_and_one_deadline(zoo):
    for unit in units(zoo, "class"):
        networks = zoo.rows(
            f"SELECT DISTINCT regexp_replace(client_ip, '[.][0-9]+$', '') FROM requests WHERE {in_unit(unit)}"
        )
        assert len(networks) == 1
        days = zoo.one(f"SELECT (max(time) - min(time)) < INTERVAL 7 DAY FROM requests WHERE {in_unit(unit)}")
        assert days
        shared = zoo.rows(
            f"SELECT prompt, count(DISTINCT account_id) FROM requests WHERE {in_unit(unit)} "
            "GROUP BY prompt HAVING count(DISTINCT account_id) >= 3"
        )
        assert len(shared) >= 3


def test_an_apps_users_are_strangers_with_one_system_prompt(zoo):
    for unit in units(zoo, "popular_app"):
        systems, agents, addresses, accounts, organisations = zoo.rows(
            "SELECT count(DISTINCT system_prompt), count(DISTINCT user_agent), count(DISTINCT client_ip), "
            f"count(DISTINCT account_id), count(organization_id) FROM requests WHERE {in_unit(unit)}"
        )[0]
        assert (systems, agents, organisations) == (1, 1, 0)
        assert addresses >= accounts


def test_a_harness_asks_the_same_of_everyone_in_a_public_format(zoo):
    for unit in units(zoo, "eval_harness"):
        texts = zoo.rows(f"SELECT prompt, count(DISTINCT account_id) FROM requests WHERE {in_unit(unit)} GROUP BY 1")
        assert np.mean([count > 1 for _, count in texts]) > 0.3
        frames = [frame.split("{item}") for frame in HARNESSES]
        assert all(any(text.startswith(head) and text.endswith(tail) for head, tail in frames) for text, _ in texts)


def test_harnesses_run_a_benchmark_whole_or_in_part(zoo):
    sizes = [
        size
        for unit in units(zoo, "eval_harness")
        for (size,) in zoo.rows(
            f"SELECT count(DISTINCT prompt) FROM requests WHERE {in_unit(unit)} GROUP BY account_id"
        )
    ]
    assert max(sizes) > 2 * min(sizes)


def test_a_reseller_carries_many_senders(zoo):
    for unit in units(zoo, "reseller"):
        senders = zoo.one(f"SELECT count(DISTINCT operator_id) FROM sent WHERE {in_unit(unit)}")
        accounts = zoo.one(f"SELECT count(DISTINCT account_id) FROM sent WHERE {in_unit(unit)}")
        assert senders >= 1.5 * accounts
    kinds = Counter(next(look_alikes("reseller", 1, 10, seed=seed)).end_users for seed in range(60))
    assert kinds["named"] > kinds["hidden"] > 0


def test_licensed_distillation_does_in_the_open_what_campaigns_hide(zoo):
    verified = zoo.one(
        "SELECT bool_and(organization_verified) FROM accounts JOIN who USING (account_id) "
        "WHERE operator_kind = 'licensed_distillation'"
    )
    assert verified
    attested = zoo.one("SELECT count(*) FROM attestations WHERE kind = 'licensed_distillation'")
    assert attested == 2


def test_red_teams_are_refused_often(zoo):
    query = "SELECT avg(refused::int) FROM requests JOIN who USING (account_id) WHERE operator_kind = '{}'"
    assert zoo.one(query.format("red_team")) > 5 * zoo.one(query.format("developer"))


@pytest.mark.parametrize(("kind", "most"), [("cgnat", 3), ("vpn", 5)])
def test_strangers_share_few_exits(zoo, kind: str, most: int):
    for unit in units(zoo, kind):
        exits, accounts, operators = zoo.rows(
            "SELECT count(DISTINCT client_ip), count(DISTINCT account_id), count(DISTINCT operator_id) "
            f"FROM requests JOIN who USING (account_id) WHERE {in_unit(unit)}"
        )[0]
        assert exits <= most < accounts == operators
    vpn = zoo.rows(f"SELECT DISTINCT vpn FROM who WHERE operator_kind = '{kind}'")
    assert vpn == [(kind == "vpn",)]


def first_words(texts: list[str], size: int = 4) -> Counter[tuple[str, ...]]:
    """In how many texts each run of `size` words stands."""
    return Counter(
        run
        for text in texts
        for run in {tuple(text.split()[at : at + size]) for at in range(len(text.split()) - size + 1)}
    )


def test_firms_with_one_published_recipe_share_template_and_data_and_nothing_else(zoo):
    for unit in units(zoo, "published_recipe"):
        said = zoo.rows(f"SELECT prompt, count(DISTINCT account_id) FROM requests WHERE {in_unit(unit)} GROUP BY 1")
        assert np.mean([count > 1 for _, count in said]) > 0.2
        addresses, accounts = zoo.rows(
            f"SELECT count(DISTINCT client_ip), count(DISTINCT account_id) FROM requests WHERE {in_unit(unit)}"
        )[0]
        assert addresses >= accounts
        payments = zoo.rows(
            "SELECT count(payment_fingerprint), count(DISTINCT payment_fingerprint) "
            f"FROM accounts WHERE {in_unit(unit)}"
        )[0]
        assert payments[0] == payments[1]


def test_a_viral_template_is_pasted_by_strangers_around_something_of_their_own(zoo):
    for unit in units(zoo, "viral_template"):
        rows = zoo.rows(f"SELECT account_id, prompt FROM requests WHERE {in_unit(unit)}")
        holders: dict[tuple[str, ...], set[str]] = {}
        for account, text in rows:
            for run in first_words([text], 5):
                holders.setdefault(run, set()).add(account)
        accounts = len({account for account, _ in rows})
        assert max(len(found) for found in holders.values()) > 0.7 * accounts
        shared = zoo.rows(
            f"SELECT count(DISTINCT account_id) FROM requests WHERE {in_unit(unit)} AND length(prompt) > 120 "
            "GROUP BY prompt"
        )
        assert max(count for (count,) in shared) <= 3
