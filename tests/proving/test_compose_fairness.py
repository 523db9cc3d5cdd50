"""No trait of one account tells a campaign from an honest developer: both come out of one sampler and one dealer."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from spiritsafe.proving.campaigns import campaign, conduct_of, matched_developer
from spiritsafe.proving.compose import calendar_of, cast_groups, plan_world
from spiritsafe.proving.model import ARCHETYPES, VARIANTS, Conduct
from spiritsafe.proving.network import AddressBook
from spiritsafe.proving.overlay import lay_over
from spiritsafe.proving.profiles import AccountProfiles, Span
from spiritsafe.proving.recipes import CampaignSpec, Recipe
from tests.proving.conftest import ZOO, Pantry

# Each of some hundred comparisons is allowed one false alarm in ten thousand.
ALARM = 1e-4


def profiles(pantry: Pantry, seed: int = 1) -> AccountProfiles:
    return AccountProfiles(pantry.networks, pantry.clients, calendar_of(ZOO, seed), AddressBook())


def test_every_account_of_every_kind_is_drawn_by_the_one_sampler(pantry, monkeypatch):
    asked: list[tuple[int, bool]] = []
    original = AccountProfiles.draw

    def draw(self, rng, sizes, *, conducts, people=False):
        asked.extend((size, people) for size in sizes)
        return original(self, rng, sizes, conducts=conducts, people=people)

    monkeypatch.setattr(AccountProfiles, "draw", draw)
    small = Recipe(name="few", consumers=20, developers=5, campaigns=(CampaignSpec("A"), CampaignSpec("B", "plain", 2)))
    plan, _, groups = plan_world(small, pools=pantry.pools, clients=pantry.clients, networks=pantry.networks, seed=2)
    assert len(asked) == len(groups)
    assert sum(size for size, _ in asked) >= len(plan.account_ids)


def test_the_sampler_is_never_told_who_asks():
    # A conduct is all that it is given; nothing in a conduct names a campaign.
    assert not {"campaign_id", "archetype", "variant", "stealth", "kind"} & set(Conduct.__slots__)


@pytest.mark.parametrize(("stealth", "draws"), [(1, 2000), (2, 800), (3, 800), (4, 400)])
def test_traits_of_campaign_accounts_are_those_of_honest_ones(pantry, stealth: int, draws: int):
    """Both sides draw conducts, and four accounts for each; the tables must not differ in any column."""

    def table(make, seeds: range) -> dict[str, np.ndarray]:
        drawn = []
        for seed in seeds:
            spec = CampaignSpec("ABCEF"[seed % 5], "plain", stealth, 10)
            group = make(spec, seed=seed)
            rng = np.random.default_rng([seed, 7])
            columns = sampler.draw(rng, [4], conducts=[group.conduct], people=group.people)
            lay_over(group, Span(columns, 0, 4), rng, pantry.networks, AddressBook())
            drawn.append(columns)
        return {name: np.concatenate([columns[name] for columns in drawn]) for name in drawn[0]}

    sampler = profiles(pantry)
    guilty, honest = table(campaign, range(draws // 4)), table(matched_developer, range(draws, draws + draws // 4))
    for name, values in guilty.items():
        if name == "address":
            continue
        alarm = ks_2samp(values.astype(float), honest[name].astype(float), method="asymp").pvalue
        assert alarm > ALARM, name


def aggregates(pantry: Pantry, spec: CampaignSpec, seeds: range, *, honest: bool) -> dict[str, np.ndarray]:
    """What one account of each of many operations does: planned in full, worded never."""
    made: dict[str, list[float]] = {}
    for seed in seeds:
        recipe = Recipe(name="one", consumers=0, developers=0, matched=0, requests_per_account=30)
        group = (matched_developer if honest else campaign)(spec, seed=seed)
        plan, _, _ = plan_world(
            recipe, pools=pantry.pools, clients=pantry.clients, networks=pantry.networks, seed=seed, cast=[group]
        )
        if not plan.account_ids:
            continue  # the account that was kept had nothing to do: it is in no log
        rows = np.flatnonzero(plan.account == seed % len(plan.account_ids))
        gaps = np.diff(plan.time_us[rows]) / 1e6
        for name, value in {
            "span_h": np.ptp(plan.time_us[rows]) / 3.6e9,
            "first": plan.time_us[rows[0]] - plan.start_us,
            "gap_cv": gaps.std() / gaps.mean() if len(gaps) > 3 else -1.0,
            "gap_median": np.median(gaps) if len(gaps) else -1.0,
            "distinct_items": len(np.unique(plan.item[rows])) / max(1, len(rows)),
            "limited": plan.limited[rows].mean(),
            "turns": plan.turn[rows].mean(),
            "hours": len(np.unique(plan.time_us[rows] // 3_600_000_000 % 24)),
            "later_turns_first": float(plan.turn[rows[0]]),
            "talks": len(np.unique(plan.talk[rows])) / max(1, len(rows)),
        }.items():
            made.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in made.items()}


@pytest.mark.parametrize(
    ("archetype", "variant", "stealth"),
    [
        ("A", "plain", 1),
        ("C", "plain", 1),
        ("D", "plain", 1),
        ("E", "plain", 2),
        ("B", "replacement", 1),
        ("F", "plain", 3),
    ],
)
def test_conduct_of_one_account_is_the_same_on_both_sides(pantry, archetype: str, variant: str, stealth: int):
    spec = CampaignSpec(archetype, variant, stealth, 10)
    guilty = aggregates(pantry, spec, range(70), honest=False)
    honest = aggregates(pantry, spec, range(100, 170), honest=True)
    for name, values in guilty.items():
        assert ks_2samp(values, honest[name], method="asymp").pvalue > ALARM, name


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_a_matched_developer_is_one_account_of_an_operation_of_the_same_conduct(archetype: str, variant: str):
    spec = CampaignSpec(archetype, variant, 1, 10)
    group = matched_developer(spec, seed=11)
    assert group.kind == "developer"
    assert len(group.slots) == 1
    assert group.campaign_id is None
    assert all(job.campaign_id is None for job in group.jobs)
    same, _ = conduct_of(np.random.default_rng(0), archetype, variant, 1, 10)
    other = group.conduct
    assert (same.deal == other.deal) or archetype in "DE" or variant == "relay"
    assert same.replaced == other.replaced
    assert same.pivot == other.pivot


def test_whatever_makes_prompts_new_is_applied_at_the_same_rates():
    """Data, turns and language of a campaign's prompts come from the draws that developers use."""
    kinds = {"public": 0, "changed": 0, "own": 0}
    for seed in range(1500):
        conduct, _ = conduct_of(np.random.default_rng(seed), "A", "plain", 1, 10)
        kinds[conduct.items] += 1
    shares = {kind: count / 1500 for kind, count in kinds.items()}
    assert shares == pytest.approx({"public": 0.45, "changed": 0.2, "own": 0.35}, abs=0.04)


def test_there_are_as_many_matched_developers_as_the_recipe_says():
    spec = CampaignSpec("A", "plain", 1, 20, 2)
    recipe = Recipe(name="m", consumers=0, developers=0, matched=1.5, campaigns=(spec,))
    groups = list(cast_groups(recipe, 1))
    assert sum(group.matched_to == "A/plain/1" for group in groups) == 60
    assert sum(group.campaign_id is not None for group in groups) == 2


def test_a_boosted_judge_of_single_accounts_stays_at_a_loss(pantry):
    """A quick self-check; `spiritsafe prove audit` is the thorough one."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import precision_recall_curve, roc_auc_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    sides = []
    for seed in (21, 22):
        recipe = Recipe(
            name="judge",
            consumers=100,
            developers=150,
            matched=1.5,
            requests_per_account=30,
            campaigns=tuple(CampaignSpec(code, "plain", level, 12) for code in ARCHETYPES for level in (1, 2)),
        )
        plan, cast, _ = plan_world(
            recipe, pools=pantry.pools, clients=pantry.clients, networks=pantry.networks, seed=seed
        )
        sides.append((features(plan), np.array([kind == "campaign" for kind in cast.kind])))
    (learn, known), (judge, truth) = sides
    # One thread: on a busy machine two that wait for each other take ten times as long.
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(learn, known)
        score = model.predict_proba(judge)[:, 1]
    precision, recall, _ = precision_recall_curve(truth, score)
    assert roc_auc_score(truth, score) < 0.95
    assert recall[precision >= 0.99].max() < 0.3


def features(plan) -> np.ndarray:
    size = len(plan.account_ids)
    account = plan.account
    count = np.bincount(account, minlength=size).clip(1)
    mean = lambda values: np.bincount(account, weights=values, minlength=size) / count  # noqa: E731
    day = (plan.time_us - plan.start_us) / 8.64e10
    hour = plan.time_us // 3_600_000_000 % 24
    first, last = np.full(size, np.inf), np.zeros(size)
    np.minimum.at(first, account, day)
    np.maximum.at(last, account, day)
    columns = [count, mean(day), first, last, mean(hour), mean((hour < 6).astype(float)), mean(plan.turn.astype(float))]
    columns += [mean(plan.limited.astype(float)), mean(plan.remaining.astype(float))]
    columns += [plan.accounts[name].astype(float) for name in sorted(plan.accounts) if name not in _IDS]
    return np.stack(columns, axis=1)


_IDS = {"address", "salt", "key_base", "payment", "organisation", "email_domain", "kept", "system"}
