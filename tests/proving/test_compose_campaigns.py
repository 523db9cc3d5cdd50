"""A campaign is what the public reports, its variant and its stealth say it is, measured from the log."""

import itertools
from collections import Counter

import numpy as np
import pytest

from spiritsafe.proving.model import ARCHETYPES
from spiritsafe.sketch.folding import words
from tests.proving.conftest import CARRIERS, World


def listed(ids: list[str]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in ids) + ")"


def counts(world: World, campaign: str) -> np.ndarray:
    found = world.rows(f"SELECT count(*) FROM sent WHERE campaign_id = '{campaign}' GROUP BY account_id")
    return np.array([count for (count,) in found])


def prompts(world: World, campaign: str, column: str = "prompt") -> list[tuple[str, str]]:
    return [
        (account, text)
        for account, text in world.rows(
            f"SELECT account_id, {column} FROM requests JOIN sent USING (event_id, account_id) "
            f"WHERE campaign_id = '{campaign}' AND coalesce(turn, 0) = 0 ORDER BY time"
        )
    ]


def runs(text: str, size: int = 4) -> set[tuple[bytes, ...]]:
    said = words(text)
    return {tuple(said[at : at + size]) for at in range(len(said) - size + 1)}


def loudest(texts: list[str]) -> float:
    """Share of the texts that hold the commonest run of four words."""
    tally = Counter(run for text in texts for run in runs(text))
    return tally.most_common(1)[0][1] / len(texts)


def test_every_campaign_is_large_enough_to_be_one(zoo):
    assert len(zoo.facts["campaigns"]) == 5 * len(ARCHETYPES) + 2 * (len(CARRIERS) + 1)
    for fact in zoo.facts["campaigns"]:
        assert fact["requests"] > 100, fact
        assert fact["accounts"] >= 8, fact


@pytest.mark.parametrize("stealth", range(5))
@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_every_archetype_is_there_at_every_stealth(zoo, archetype: str, stealth: int):
    (campaign,) = zoo.campaigns(archetype=archetype, stealth=stealth)
    named = zoo.rows(f"SELECT DISTINCT archetype, stealth, operator_kind FROM who WHERE campaign_id = '{campaign}'")
    assert named == [(archetype, stealth, "campaign")]


def test_a_spreads_its_load_evenly(zoo):
    (campaign,) = zoo.campaigns(archetype="A", stealth=0)

    def unevenness(name: str) -> float:
        """Spread of the middle half: an account that was suspended by chance does not count."""
        low, middle, high = np.quantile(counts(zoo, name), (0.25, 0.5, 0.75))
        return float((high - low) / middle)

    assert unevenness(campaign) < 0.1
    assert unevenness(zoo.campaigns(archetype="B", stealth=0)[0]) > 0.2


def test_b_moves_from_one_family_of_work_to_another(zoo):
    (campaign,) = zoo.campaigns(archetype="B", stealth=0)
    said = [text for _, text in prompts(zoo, campaign)]
    third = len(said) // 3
    early, late = (Counter(run for text in part for run in runs(text)) for part in (said[:third], said[-third:]))
    habit = {run for run, count in early.items() if count > 0.5 * third}
    assert habit
    assert max(late[run] for run in habit) < 0.35 * third


def test_c_moves_half_its_traffic_to_a_new_model_within_a_day(zoo):
    release = zoo.facts["window"]["release_us"]
    ids = listed([name for level in (0, 1, 2, 3, 4) for name in zoo.campaigns(archetype="C", stealth=level)])
    share = """
        SELECT avg((model = 'm-large-2')::int), count(*) FROM requests JOIN sent USING (event_id, account_id)
        WHERE campaign_id IN {} AND epoch_us(time) {}"""
    before, seen = zoo.rows(share.format(ids, f"< {release}"))[0]
    assert seen > 50
    assert before == 0
    after, seen = zoo.rows(share.format(ids, f">= {release} + 86400000000"))[0]
    assert seen > 50
    assert 0.35 < after < 0.7


def test_c_hands_over_where_an_account_meets_its_limit(zoo):
    (campaign,) = zoo.campaigns(archetype="C", stealth=0)
    rows = zoo.rows(
        "SELECT account_id, status, prompt, epoch_ms(time) FROM requests JOIN sent USING (event_id, account_id) "
        f"WHERE campaign_id = '{campaign}' ORDER BY time"
    )
    handed = 0
    for (account, status, prompt, at_ms), following in itertools.pairwise(rows):
        if status == 429 and following[0] != account and following[2] == prompt and following[3] - at_ms < 60_000:
            handed += 1
    assert handed >= 5


def test_d_is_a_minority_of_the_traffic_of_its_own_relay(zoo):
    for stealth in (0, 1):
        (campaign,) = zoo.campaigns(archetype="D", stealth=stealth)
        accounts = f"SELECT account_id FROM who WHERE campaign_id = '{campaign}'"
        share, mixed = zoo.rows(
            f"SELECT avg((campaign_id IS NOT NULL)::int), bool_and(mixed) FROM sent "
            f"JOIN (SELECT account_id, mixed FROM who) USING (account_id) WHERE account_id IN ({accounts})"
        )[0]
        assert mixed
        assert 0.04 < share < 0.45


def test_f_speaks_other_languages_and_asks_much_of_each_account(zoo):
    ids = [name for level in range(5) for name in zoo.campaigns(archetype="F", stealth=level)]
    tongues = [zoo.one(f"SELECT any_value(language) FROM who WHERE campaign_id = '{name}'") for name in ids]
    assert sum(tongue != "en" for tongue in tongues) >= 2
    usual = np.median(np.concatenate([counts(zoo, name) for name in zoo.campaigns(archetype="A")]))
    assert np.median(np.concatenate([counts(zoo, name) for name in ids])) > 1.3 * usual


def test_two_campaigns_share_one_relay(zoo):
    for stealth in (0, 1):
        one, other = zoo.campaigns(variant="relay", stealth=stealth)
        accounts = [
            {name for (name,) in zoo.rows(f"SELECT DISTINCT account_id FROM sent WHERE campaign_id = '{campaign}'")}
            for campaign in (one, other)
        ]
        assert accounts[0] & accounts[1]
        assert accounts[0] - accounts[1]
        innocent = zoo.one(
            f"SELECT count(*) FROM sent WHERE campaign_id IS NULL AND account_id IN {listed(list(accounts[0]))}"
        )
        assert innocent > 50


def test_shells_are_several_organisations_that_nobody_checked(zoo):
    for campaign in zoo.campaigns(variant="shell_organisations"):
        named = zoo.rows(
            "SELECT organization_id, organization_verified, count(*) FROM accounts JOIN who USING (account_id) "
            f"WHERE campaign_id = '{campaign}' GROUP BY ALL"
        )
        assert 2 <= len(named) <= 4
        assert all(name and not verified for name, verified, _ in named)


def test_each_item_is_asked_k_times(zoo):
    for campaign in zoo.campaigns(variant="k_samples"):
        texts = Counter(text for _, text in prompts(zoo, campaign))
        assert Counter(texts.values()).most_common(1)[0][0] in (3, 4, 5, 8)
        owners = [
            len({account for account, text in prompts(zoo, campaign) if text == item}) for item in list(texts)[:5]
        ]
        assert max(owners) >= 3


def test_a_campaign_without_repeats_deals_its_items_out(zoo):
    (campaign,) = zoo.campaigns(archetype="A", stealth=1)
    said = prompts(zoo, campaign)
    holders: dict[str, set[str]] = {}
    for account, text in said:
        holders.setdefault(text, set()).add(account)
    assert sum(len(accounts) > 1 for accounts in holders.values()) < 0.1 * len(holders)


def test_novel_items_stand_in_no_public_set(zoo, pantry):
    public = {text for text in pantry.pools.text if len(text) > 30}
    for campaign in zoo.campaigns(variant="novel_items"):
        said = [text for _, text in prompts(zoo, campaign)]
        assert not any(item in text for text in said for item in public)


def test_the_template_may_stand_in_the_system_prompt(zoo):
    (campaign,) = zoo.campaigns(variant="system_template", stealth=0)
    systems = [text for _, text in prompts(zoo, campaign, "system_prompt")]
    assert all(systems)
    assert Counter(systems).most_common(1)[0][1] > 0.2 * len(systems)
    assert len(set(systems)) <= 3


def test_after_a_ban_a_new_account_resumes_the_position_within_hours(zoo):
    for campaign in zoo.campaigns(variant="replacement"):
        bans = zoo.rows(
            "SELECT e.time FROM account_events e JOIN who USING (account_id) "
            f"WHERE campaign_id = '{campaign}' AND e.kind = 'suspended' ORDER BY 1"
        )
        assert len(bans) >= 8
        opened = zoo.rows(
            "SELECT a.created_at, min(r.time) FROM accounts a JOIN who USING (account_id) "
            f"JOIN requests r USING (account_id) WHERE campaign_id = '{campaign}' GROUP BY ALL"
        )
        late = [
            created for created, _ in opened if any(0 <= (created - ban).total_seconds() < 12 * 3600 for (ban,) in bans)
        ]
        assert len(late) >= 0.7 * len(bans)
        said = [text for _, text in prompts(zoo, campaign)]
        # What the banned account had asked is not asked again.
        assert len(set(said)) > 0.85 * len(said)


def test_non_english_campaigns_are_not_in_english(zoo):
    for campaign in zoo.campaigns(variant="non_english"):
        assert zoo.one(f"SELECT any_value(language) FROM who WHERE campaign_id = '{campaign}'") != "en"


@pytest.mark.parametrize("thing", ["client_ip", "payment_fingerprint", "email_domain", "ja4"])
def test_infrastructure_is_shared_at_stealth_0_and_not_above(zoo, thing: str):
    table = "requests" if thing in ("client_ip", "ja4") else "accounts"

    def values(stealth: int) -> float:
        """Values for each account, over the plain campaigns that are no relays."""
        found = zoo.rows(
            f"SELECT count(DISTINCT {thing}) / count(DISTINCT account_id) FROM {table} JOIN who USING (account_id) "
            f"WHERE stealth = {stealth} AND variant = 'plain' AND archetype IN ('A', 'B', 'E') GROUP BY campaign_id"
        )
        return float(np.mean([share for (share,) in found]))

    assert values(0) < 0.5
    assert values(1) > 1.6 * values(0)


def test_unlinked_accounts_share_no_more_than_strangers_do(zoo):
    def pairs(where: str) -> float:
        held = zoo.rows(
            f"SELECT DISTINCT account_id, client_ip FROM requests JOIN who USING (account_id) WHERE {where}"
        )
        owners: dict[str, set[str]] = {}
        for account, address in held:
            owners.setdefault(address, set()).add(account)
        return sum(len(accounts) > 1 for accounts in owners.values()) / len(owners)

    assert pairs("operator_kind = 'campaign' AND stealth >= 1") <= pairs("operator_kind = 'developer'") + 0.01


def test_at_stealth_2_no_phrase_of_a_template_is_in_most_requests(zoo):
    for archetype in "ABCE":
        for level, least, most in ((1, 0.5, 1.0), (2, 0.0, 0.5)):
            (campaign,) = zoo.campaigns(archetype=archetype, stealth=level)
            by_account: dict[str, list[str]] = {}
            for account, text in prompts(zoo, campaign):
                by_account.setdefault(account, []).append(text)
            shares = [loudest(texts) for texts in by_account.values() if len(texts) >= 12]
            assert least <= np.median(shares) <= most, (archetype, level)


def test_from_stealth_2_on_requests_come_in_human_hours_from_random_accounts(zoo):
    ids = listed([name for code in "ABCE" for level in (2, 3) for name in zoo.campaigns(archetype=code, stealth=level)])
    hours = [
        count
        for (count,) in zoo.rows(
            "SELECT count(*) FROM requests JOIN sent USING (event_id, account_id) "
            f"WHERE campaign_id IN {ids} GROUP BY campaign_id, hour(time) ORDER BY campaign_id"
        )
    ]
    assert len(hours) < 8 * 24 or np.min(hours) < 0.25 * np.mean(hours)
    (campaign,) = zoo.campaigns(archetype="A", stealth=2)
    order = [account for account, _ in prompts(zoo, campaign)]
    again = np.mean([one == other for one, other in itertools.pairwise(order)])
    assert again < 3 / len(set(order))


def test_at_stealth_3_there_is_no_template_and_half_are_ordinary(zoo, pantry):
    (campaign,) = zoo.campaigns(archetype="A", stealth=3)
    said = [text for _, text in prompts(zoo, campaign)]
    assert loudest(said) < 0.1
    works = zoo.facts["campaigns"]
    assert next(fact for fact in works if fact["campaign_id"] == campaign)["stealth"] == 3


def test_at_stealth_4_hiding_has_a_price(zoo):
    for archetype in ARCHETYPES:
        (campaign,) = zoo.campaigns(archetype=archetype, stealth=4)
        price = next(fact["price"] for fact in zoo.facts["campaigns"] if fact["campaign_id"] == campaign)
        hidden, plain = price["hidden"], price["in_the_open"]
        assert hidden["usd"] > plain["usd"]
        assert hidden["accounts"] >= plain["accounts"]
        assert hidden["requests_a_day"] >= plain["requests_a_day"]
        assert price["times_dearer"] > 1.2
