"""The numbers that we publish rest on these: each is held to a hand-worked value, a peer or a simulation."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn import metrics

from spiritsafe import stats
from spiritsafe.stats import (
    Interval,
    SampleError,
    b_cubed,
    benjamini_hochberg,
    benjamini_yekutieli,
    brier_score,
    clopper_pearson,
    cluster_bootstrap_rate,
    clustered_interval,
    clustered_upper_bound,
    equality_test,
    expected_calibration_error,
    permutation_p_value,
    permutation_test,
    precision_at_prevalence,
    rate_ratio,
    recall_at_precision,
    reliability_table,
    roc_auc,
    storey,
    uniform_check,
    wilson,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (17, 4000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_intervals_of_a_rate_agree_with_scipy(successes, trials, confidence):
    test = scipy_stats.binomtest(successes, trials)
    peers = (
        (wilson, test.proportion_ci(confidence, method="wilson")),
        (clopper_pearson, test.proportion_ci(confidence, method="exact")),
    )
    for ours, theirs in peers:
        found = ours(successes, trials, confidence=confidence)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert found.value == successes / trials


def test_one_sided_bound_of_nothing_seen_is_the_rule_of_three():
    bound = clopper_pearson(0, 3000, side="upper")
    assert bound.low == 0
    assert bound.high == pytest.approx(1 - 0.05 ** (1 / 3000))
    assert bound.high == pytest.approx(3 / 3000, rel=0.01)
    assert clopper_pearson(10, 10, side="lower").low == pytest.approx(0.05**0.1)


def test_nothing_tried_says_nothing():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)
    assert np.isnan(clopper_pearson(0, 0).value)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_impossible_counts_are_refused_with_a_way_out(successes, trials, confidence):
    with pytest.raises(SampleError) as caught:
        wilson(successes, trials, confidence=confidence)
    assert caught.value.hint


def test_units_not_accounts_count_when_no_innocent_was_flagged():
    bound = clustered_upper_bound(np.zeros(3000, bool), np.repeat(np.arange(30), 100))
    assert bound.upper == pytest.approx(1 - 0.05 ** (1 / 30))  # 9.5 %, not the 0.1 % of 3,000 accounts
    assert bound.upper_if_independent == pytest.approx(1 - 0.05 ** (1 / 3000))
    single = clustered_upper_bound(np.zeros(3000, bool), np.arange(3000))
    assert single.upper == pytest.approx(single.upper_if_independent)


def test_one_dominant_organisation_is_hardly_more_than_one_unit():
    units = np.concatenate([np.zeros(900, int), np.arange(1, 101)])
    bound = clustered_upper_bound(np.zeros(1000, bool), units)
    assert bound.units == 101
    assert bound.effective_units == pytest.approx(1000**2 / (900**2 + 100))
    assert bound.upper > 0.9


def test_seeing_a_false_alarm_never_shrinks_the_bound():
    units = np.repeat(np.arange(30), 100)
    uppers = []
    for count in range(0, 40, 3):
        events = np.zeros(3000, bool)
        events[:count] = True
        uppers.append(clustered_upper_bound(events, units, draws=300).upper)
    assert uppers == sorted(uppers)


@pytest.mark.parametrize(("mean", "spread"), [(0.01, 0.05), (0.05, 0.3), (0.2, 0.9)])
def test_the_clustered_bound_covers_where_the_bound_for_independent_accounts_fails(mean, spread):
    """Beta-binomial organisations, intraclass correlation `spread`: a nominal 95 % must hold."""
    rng = np.random.default_rng(7)
    units = np.repeat(np.arange(40), 25)
    a, b = mean * (1 / spread - 1), (1 - mean) * (1 / spread - 1)
    covered, covered_naively, rounds = 0, 0, 200
    for _ in range(rounds):
        events = rng.random(1000) < np.repeat(rng.beta(a, b, 40), 25)
        bound = clustered_upper_bound(events, units, draws=200)
        covered += bound.upper >= mean
        covered_naively += bound.upper_if_independent >= mean
    assert covered / rounds >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / rounds)
    assert covered_naively / rounds < 0.9


@pytest.mark.parametrize(("campaigns", "spread"), [(6, 0.5), (12, 0.1), (12, 0.9)])
def test_recall_over_few_campaigns_is_covered_by_its_interval(campaigns, spread):
    rng = np.random.default_rng(11)
    units, mean = np.repeat(np.arange(campaigns), 30), 0.6
    a, b = mean * (1 / spread - 1), (1 - mean) * (1 / spread - 1)
    covered, covered_naively = 0, 0
    for _ in range(300):
        found = rng.random(len(units)) < np.repeat(rng.beta(a, b, campaigns), 30)
        interval, naive = clustered_interval(found, units), wilson(found.sum(), len(found))
        covered += interval.low <= mean <= interval.high
        covered_naively += naive.low <= mean <= naive.high
    assert covered / 300 >= 0.92
    assert covered_naively / 300 < 0.85


def test_one_campaign_found_whole_is_one_observation():
    interval = clustered_interval(np.ones(500, bool), np.zeros(500))
    assert interval.value == 1
    assert interval.low == pytest.approx(0.025)
    alone = clustered_interval(np.arange(40) < 30, np.arange(40))
    assert (alone.low, alone.high) == pytest.approx(
        (clopper_pearson(30, 40).low, clopper_pearson(30, 40).high), abs=0.02
    )


def test_the_cluster_bootstrap_is_wider_than_accounts_alone_would_be():
    events = np.repeat([True, False, False, False], 50).repeat(5)
    units = np.repeat(np.arange(20), 50)
    clustered, naive = cluster_bootstrap_rate(events, units), wilson(events.sum(), len(events))
    assert clustered.value == naive.value == 0.25
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)


def test_precision_falls_with_prevalence_as_bayes_says():
    recall, alarms = Interval(0.8, 0.7, 0.9), Interval(0.001, 0.0005, 0.002)
    common, rare = (precision_at_prevalence(recall, alarms, share) for share in (0.01, 0.001))
    assert common.value == pytest.approx(0.008 / (0.008 + 0.99 * 0.001))
    assert rare.low == pytest.approx(0.0007 / (0.0007 + 0.999 * 0.002))
    assert rare.value < common.value
    assert np.isnan(precision_at_prevalence(Interval(0, 0, 0.1), Interval(0, 0, 0), 0.01).value)
    with pytest.raises(SampleError):
        precision_at_prevalence(recall, alarms, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=80))
def test_ranking_agrees_with_scikit_learn(rows):
    scores = np.array([float(score) for score, _ in rows])
    positive = np.array([label for _, label in rows])
    if positive.all() or not positive.any():
        with pytest.raises(SampleError):
            roc_auc(scores, positive)
        return
    assert roc_auc(scores, positive).value == pytest.approx(metrics.roc_auc_score(positive, scores))
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    wanted = max(recall[:-1][precision[:-1] >= 0.75], default=0)
    assert recall_at_precision(scores, positive, precision=0.75).recall == pytest.approx(wanted)


def test_delong_by_hand():
    # Innocents below each campaign account: 1, .75, .75, .5, 1; campaign above each innocent: 1, 1, .8, .4.
    hits, misses = np.array([9.0, 6, 6, 3, 8]), np.array([1.0, 2, 5, 7])
    found = roc_auc(np.concatenate([hits, misses]), np.array([True] * 5 + [False] * 4))
    wins = (hits[:, None] > misses[None, :]).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / 5 + wins.mean(axis=0).var(ddof=1) / 4
    assert found.value == pytest.approx(wins.mean()) == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - 1.959964 * np.sqrt(variance), abs=1e-6)


def test_auc_intervals_cover_the_true_area():
    rng = np.random.default_rng(3)
    truth = scipy_stats.norm.cdf(1 / np.sqrt(2))
    covered = 0
    for _ in range(300):
        scores = np.concatenate([rng.normal(1, 1, 60), rng.normal(0, 1, 90)])
        found = roc_auc(scores, np.arange(150) < 60)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_auc_over_units_is_wider_when_accounts_come_in_campaigns():
    rng = np.random.default_rng(4)
    units = np.repeat(np.arange(20), 20)
    scores = rng.normal(0, 1, 20)[units] + rng.normal(0, 0.1, 400) + (units < 10)
    plain, clustered = roc_auc(scores, units < 10), roc_auc(scores, units < 10, units=units)
    assert plain.value == clustered.value
    assert clustered.high - clustered.low > 2 * (plain.high - plain.low)


def test_recall_at_precision_flags_ties_together_and_may_find_nothing():
    tied = recall_at_precision(np.array([1.0, 1.0, 0.0]), np.array([True, False, True]), precision=0.9)
    assert (tied.recall, tied.flagged, tied.threshold) == (0.0, 0, float("inf"))
    with pytest.raises(SampleError, match="NaN"):
        recall_at_precision(np.array([1.0, np.nan]), np.array([True, False]))


def test_brier_and_reliability_agree_with_scikit_learn():
    rng = np.random.default_rng(5)
    stated = rng.random(2000)
    honest, boastful = rng.random(2000) < stated, rng.random(2000) < stated**3
    assert brier_score(stated, honest) == pytest.approx(metrics.brier_score_loss(honest, stated))
    assert expected_calibration_error(stated, honest) < 0.04
    assert expected_calibration_error(stated, boastful) > 0.2
    table = reliability_table(stated, honest)
    assert sum(row.accounts for row in table) == 2000
    assert all(row.low <= row.mean_probability <= row.high for row in table)
    assert sum(row.observed_low <= row.mean_probability <= row.observed_high for row in table) >= 8


def test_probability_one_falls_in_the_last_bin_and_two_is_refused():
    (row,) = reliability_table(np.array([1.0]), np.array([True]))
    assert (row.low, row.high, row.observed) == (0.9, 1.0, 1.0)
    with pytest.raises(SampleError, match="outside"):
        brier_score(np.array([2.0]), np.array([True]))


@pytest.mark.parametrize(("expected", "other", "ratio"), [(3.0, 40.0, 1.0), (2.0, 100.0, 3.0), (20.0, 20.0, 0.5)])
def test_the_interval_of_a_ratio_of_rare_rates_covers_it_as_often_as_it_says(expected, other, ratio):
    rng = np.random.default_rng(7)
    drawn = rng.poisson([expected * ratio, other], size=(1500, 2))
    told = [rate_ratio(count, expected, others, other) for count, others in drawn.tolist()]
    inside = [one.low <= ratio <= one.high for one in told]
    assert np.mean(inside) >= 0.94  # exact intervals cover at least 0.95; four standard errors of 1,500 draws are 0.02


def test_a_ratio_of_rates_turned_round_is_its_inverse_and_no_events_say_nothing():
    there, back = rate_ratio(4, 10, 9, 30), rate_ratio(9, 30, 4, 10)
    assert (there.value, there.low, there.high) == pytest.approx((1 / back.value, 1 / back.high, 1 / back.low))
    nothing, one = rate_ratio(0, 10, 0, 10), rate_ratio(1, 10, 0, 10)
    assert (nothing.low, nothing.high) == (0, np.inf)
    assert one.value == one.high == np.inf
    assert one.low > 0


def test_b_cubed_by_hand():
    truth, found = np.array([1, 1, 1, 2, 2]), np.array([8, 8, 9, 9, 9])
    # precision: 1, 1, 1/3, 2/3, 2/3; recall: 2/3, 2/3, 1/3, 1, 1
    score = b_cubed(truth, found)
    assert score.precision == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5)
    assert score.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert score.f1 == pytest.approx(2 * score.precision * score.recall / (score.precision + score.recall))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_b_cubed_agrees_with_its_definition(rows):
    truth, found = (np.array(column) for column in zip(*rows, strict=True))
    same_truth, same_found = truth[:, None] == truth[None, :], found[:, None] == found[None, :]
    both = (same_truth & same_found).sum(axis=1)
    score = b_cubed(truth, found)
    assert score.precision == pytest.approx((both / same_found.sum(axis=1)).mean())
    assert score.recall == pytest.approx((both / same_truth.sum(axis=1)).mean())
    some = b_cubed(truth, found, of=truth == truth[0])
    assert some.recall == pytest.approx((both / same_truth.sum(axis=1))[truth == truth[0]].mean())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_discovery_adjustment_agrees_with_scipy(p_values):
    values = np.array(p_values)
    assert benjamini_hochberg(values) == pytest.approx(scipy_stats.false_discovery_control(values, method="bh"))
    assert benjamini_yekutieli(values) == pytest.approx(scipy_stats.false_discovery_control(values, method="by"))


def test_false_discovery_rate_is_kept_in_a_simulation():
    rng = np.random.default_rng(6)
    shares = []
    for _ in range(300):
        z = np.concatenate([rng.normal(3, 1, 20), rng.normal(0, 1, 80)])
        named = benjamini_hochberg(scipy_stats.norm.sf(z)) <= 0.1
        shares.append(named[20:].sum() / max(1, named.sum()))
    assert np.mean(shares) == pytest.approx(0.1 * 0.8, abs=0.02)


def test_where_most_is_real_storey_names_more_and_keeps_the_rate():
    rng = np.random.default_rng(7)
    shares, more = [], 0
    for _ in range(300):
        p_values = scipy_stats.norm.sf(np.concatenate([rng.normal(2, 1, 24), rng.normal(0, 1, 6)]))
        named = storey(p_values) <= 0.1
        shares.append(named[24:].sum() / max(1, named.sum()))
        more += int(named.sum()) - int((benjamini_hochberg(p_values) <= 0.1).sum())
    assert np.mean(shares) <= 0.1
    assert more > 300


def test_a_permutation_p_value_is_never_zero_and_ties_count():
    assert permutation_p_value(9.0, np.zeros(99)) == 0.01
    assert permutation_p_value(0.1 + 0.2, np.full(99, 0.3)) == 1.0


def test_permutation_stays_inside_its_strata():
    strata, labels = np.array([0, 1, 0, 1, 0]), np.array([10, 20, 11, 21, 12])
    seen = []

    def remember(dealt):
        seen.append(dealt.copy())
        return 0.0

    permutation_test(remember, labels, null="", strata=strata, draws=20)
    assert all(set(dealt[strata == 0]) == {10, 11, 12} and set(dealt[strata == 1]) == {20, 21} for dealt in seen)
    assert len({tuple(dealt) for dealt in seen}) > 3


def test_a_country_that_is_flagged_more_is_noticed_and_the_null_is_stated():
    rng = np.random.default_rng(8)
    country = rng.choice(["DE", "CN", "BR"], 900)
    flagged = rng.random(900) < np.where(country == "CN", 0.2, 0.02)
    found = equality_test(flagged, country, units=np.arange(900), label_name="country", draws=400)
    assert found.p_value < 0.01
    assert "country" in found.null
    assert equality_test(np.zeros(900, bool), country, units=np.arange(900)).p_value == 1.0


def test_equality_p_values_are_honest_when_one_company_is_flagged_whole():
    """The test must not take one unlucky company for a slight on its country."""
    rng = np.random.default_rng(9)
    units = np.repeat(np.arange(40), 25)
    p_values = []
    for round_ in range(120):
        country = rng.choice(["DE", "CN"], 40)[units]
        flagged = np.isin(units, rng.choice(40, 2, replace=False))
        kinds = (units % 2).astype(str)
        test = equality_test(flagged, country, units=units, strata=kinds, draws=99, seed=round_)
        p_values.append(test.p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09
    assert uniform_check(np.array(p_values)).p_too_small > 0.01


def test_dishonest_p_values_are_told_from_honest_ones():
    rng = np.random.default_rng(10)
    honest = uniform_check(rng.random(500))
    eager = uniform_check(rng.random(500) ** 1.5)
    assert honest.p_two_sided > 0.05
    assert eager.p_too_small < 1e-6
    assert uniform_check(np.sqrt(rng.random(500))).p_too_small > 0.5  # timid, but accuses nobody
    with pytest.raises(SampleError):
        uniform_check(np.array([]))


def test_the_room_loads_nothing_until_asked():
    code = "import sys, spiritsafe.stats; sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(stats.__all__) == set(stats._HOME_OF)
    assert all(getattr(stats, name) is not None for name in dir(stats))
    with pytest.raises(AttributeError):
        stats.utils  # noqa: B018
