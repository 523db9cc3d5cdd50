"""A scorecard is only worth something if it cannot flatter: each figure is held to one worked by hand."""

import json
import shutil
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from spiritsafe.cli.prove_score import score as score_command
from spiritsafe.errors import UsageError
from spiritsafe.proving.score import Scorecard, score
from spiritsafe.proving.score_report import percent, score_text
from spiritsafe.proving.score_scan import ScanError, load_judged
from spiritsafe.proving.score_truth import SameWorldError, WorldError
from tests.proving.scored import account, card, small_world, spy, write_scan, write_world


@pytest.fixture
def small(tmp_path):
    """The small world; one campaign found, a company accused."""
    world = small_world(tmp_path / "world")
    groups = [
        ("g1", "campaign", ["s0", "s1", "s2", "d0"]),
        ("g2", "campaign", ["k0", "k1", "k2", "k3"]),
        ("g3", "coordinated_unknown", ["t0", "t1", "d1", "d2"]),
    ]
    return world, write_scan(tmp_path / "scan", groups)


def test_recall_counts_the_accused_and_the_grouped_apart(small):
    found = card(*small)
    assert found.recall.accused.value == 3 / 8
    assert found.recall.grouped.value == 5 / 8
    assert {row.name: row.accused.value for row in found.by_stealth} == {"1": 0.75, "2": 0.0}
    assert {row.name: row.grouped.value for row in found.by_archetype} == {"A": 0.75, "E": 0.5}
    assert found.recall.accused.low < 0.05  # two campaigns are two observations, not eight
    assert found.precision_as_composed.value == 3 / 8


def test_a_campaign_is_found_when_one_accused_group_holds_half_of_it(small):
    first, second = card(*small).campaigns
    assert (first.found, first.accused_share, first.best_accused_group_share) == (True, 0.75, 0.75)
    assert (second.found, second.accused_share, second.best_group_share) == (False, 0.0, 0.5)


def test_scattered_accusations_do_not_make_a_campaign_found(tmp_path):
    spies = [spy(f"s{i}") for i in range(6)]
    world = write_world(tmp_path / "w", [*spies, account("d")], [(f"s{i}", "c1", 0) for i in range(6)])
    scan = write_scan(tmp_path / "s", [(f"g{i}", "campaign", [f"s{2 * i}", f"s{2 * i + 1}"]) for i in range(3)])
    (campaign,) = card(world, scan).campaigns
    assert campaign.accused_share == 1.0
    assert not campaign.found


def test_false_positives_are_bounded_by_organisations_and_not_claimed_from_few(small):
    found = card(*small)
    rows = {row.kind: row for row in found.look_alikes}
    company = rows["company_verified"]
    assert (company.accused.events, company.accused.accounts, company.accused.units) == (4, 4, 1)
    assert company.accused.upper == 1.0
    assert rows["developer"].accused.events == 1
    assert rows["developer"].grouped.events == 3
    assert not any(row.claim for row in found.look_alikes)
    assert score_text(found).count("too few to claim") == 3


def test_a_rate_is_claimed_from_3000_accounts_of_30_organisations_on(tmp_path):
    people = [account(f"d{i}", independent_unit=f"u{i % 30}", operator_kind="class") for i in range(3000)]
    fewer = [account(f"e{i}", independent_unit=f"v{i % 29}", operator_kind="vpn") for i in range(3000)]
    world = write_world(tmp_path / "w", [*people, *fewer, spy("s")], [("s", "c1", 0)])
    found = card(world, write_scan(tmp_path / "s", []))
    rows = {row.kind: row for row in found.look_alikes}
    assert rows["class"].claim
    assert not rows["vpn"].claim
    assert rows["class"].accused.upper == pytest.approx(1 - 0.05 ** (1 / 30))
    (line,) = [line for line in score_text(found).splitlines() if line.strip().startswith("class")]
    assert "too few" not in line
    assert "9.50%" in line


def test_a_false_group_has_no_operator_for_its_majority_and_an_innocent_group_an_honest_one(small, tmp_path):
    groups = card(*small).groups
    assert (groups.accused, groups.false, groups.innocent) == (2, 0, 1)
    mixed = [("g", "campaign", ["s0", "s1", "d0", "d1"]), ("h", "coordinated_unknown", ["d2", "d3"])]
    found = card(small[0], write_scan(tmp_path / "again", mixed)).groups
    assert (found.false, found.innocent, found.false_discovery_rate.value) == (1, 0, 1.0)
    assert found.no_operator_of_any_verdict == 2


def test_precision_is_stated_for_real_prevalence_not_for_the_composed_one(small):
    found = card(*small, prevalences=(0.01,))
    (row,) = found.at_prevalence
    recall, alarms = 3 / 8, 5 / 12
    assert row.accused.value == pytest.approx(0.01 * recall / (0.01 * recall + 0.99 * alarms))
    assert row.accused.value < found.precision_as_composed.value
    assert row.accused.low < row.accused.value < row.accused.high


def test_grouping_is_judged_by_b_cubed_with_the_unflagged_alone(small):
    found = card(*small)
    # Accused: s0-s2 with d0, the company whole; s3 and t0-t3 stand alone.
    shares = [3 / 4] * 3 + [1 / 4] + [1] * 4 + [1] * 5
    assert found.grouping_accused is not None
    assert found.grouping_accused.precision == pytest.approx(np.mean(shares))
    recalls = [3 / 4] * 3 + [1] + [1] * 4 + [1 / 4] * 5
    assert found.grouping_accused.recall == pytest.approx(np.mean(recalls))
    levels = {level: (one.precision, one.recall) for level, one in found.grouping_by_stealth}
    assert levels == {"1": pytest.approx(((3 * 3 / 4 + 1) / 4, (3 * 3 / 4 + 1 / 4) / 4)), "2": (1.0, 1 / 4)}


def test_an_account_of_many_exchanges_counts_for_as_many(tmp_path):
    spies = [spy(f"s{i}") for i in range(4)]
    sent: list[tuple[str, str | None, int]] = [("s0", "c1", hour) for hour in range(7)]
    sent += [(f"s{i}", "c1", 0) for i in range(1, 4)] + [("s1", None, 1), ("d", None, 0)]
    world = write_world(tmp_path / "w", [*spies, account("d")], sent)
    found = card(world, write_scan(tmp_path / "s", [("g", "campaign", ["s0", "s1", "d"])]))
    assert (found.recall.accused.value, found.recall.exchanges_accused.value) == (0.5, 0.8)
    assert "80.0%" in score_text(found)


def test_probability_is_right_only_in_a_group_of_ones_own_campaign(tmp_path):
    spies = [spy(f"s{i}") for i in range(3)] + [spy("t0", "c2")]
    people = [account(f"d{i}") for i in range(4)]
    sent = [(one["account_id"], one["campaign_id"], 0) for one in spies]
    world = write_world(tmp_path / "w", spies + people, sent)
    stated = {"s0": 0.9, "s1": 0.9, "s2": 0.9, "t0": 0.8, "d0": 0.2}
    scan = write_scan(tmp_path / "s", [("g", "campaign", list(stated))], probability=stated)
    found = card(world, scan).probability
    # s0-s2 are right; t0 belongs to another campaign, d0 to none; d1-d3 are not accused and rightly so.
    assert found.brier == pytest.approx((3 * 0.01 + 0.64 + 0.04) / 8)
    assert [(row.accounts, row.observed) for row in found.reliability] == [(1, 0.0), (1, 0.0), (3, 1.0)]


def test_in_a_relay_exchanges_are_judged_one_by_one(tmp_path):
    relay = [spy(f"s{i}", mixed=True) for i in range(4)]
    sent = [(f"s{i}", "c1" if hour == 0 else None, hour) for i in range(4) for hour in range(4)]
    world = write_world(tmp_path / "w", [*relay, account("d")], sent)
    guilty = [f"e{4 * i}" for i in range(4)]
    every = write_scan(
        tmp_path / "all", [("g", "campaign", [f"s{i}" for i in range(4)])], exchanges=[f"e{i}" for i in range(16)]
    )
    some = write_scan(tmp_path / "some", [("g", "campaign", ["s0", "s1", "s2"])], exchanges=guilty[:3])
    blunt, sharp = card(world, every).mixed, card(world, some).mixed
    assert blunt is not None
    assert sharp is not None
    assert (blunt.recall.value, blunt.precision.value, blunt.guilty_share) == (1.0, 0.25, 0.25)
    assert (sharp.recall.value, sharp.precision.value) == (0.75, 1.0)


def test_two_campaigns_on_one_relay_each_count_the_accounts_they_used(tmp_path):
    relay = [spy(f"s{i}", mixed=True) for i in range(3)]
    sent: list[tuple[str, str | None, int]] = [("s0", "c1", 0), ("s1", "c1", 0), ("s1", "c2", 0), ("s2", "c2", 0)]
    world = write_world(tmp_path / "w", [*relay, account("d")], sent)
    found = card(world, write_scan(tmp_path / "s", [("g", "campaign", ["s0", "s1"])])).campaigns
    assert [(one.campaign_id, one.accounts, one.best_accused_group_share) for one in found] == [
        ("0/c1", 2, 1.0),
        ("0/c2", 2, 0.5),
    ]


def test_an_unlucky_country_is_told_with_its_null(tmp_path):
    rng = np.random.default_rng(1)
    people = [account(f"d{i}", country=str(rng.choice(["DE", "CN"]))) for i in range(400)]
    chosen = [one["account_id"] for one in people if one["country"] == "CN"][:30]
    world = write_world(tmp_path / "w", [*people, spy("s")], [("s", "c1", 0)])
    found = card(world, write_scan(tmp_path / "s", [("g", "campaign", chosen)]))
    tests = {(row.label, row.outcome): row for row in found.equality}
    assert tests["country", "accused"].test.p_value < 0.001
    assert tests["language", "accused"].test.draws == 0
    text = score_text(found)
    assert "null: whether an account is flagged has nothing to do with its country, among accounts of one kind" in text
    assert "CN 1" in text
    rates = {row.name: row for row in tests["country", "accused"].rates}
    assert rates["CN"].organisations_flagged == rates["CN"].flagged == 30
    assert (rates["CN"].ratio, rates["CN"].ratio_high) == (None, None)
    assert rates["CN"].ratio_low > 1.5
    assert tests["country", "accused"].beyond == ("CN",)
    assert "shown beyond 1.5: CN" in text


def test_an_organisation_of_many_accounts_is_one_when_labels_are_compared(tmp_path):
    company = {"operator_id": "acme", "independent_unit": "acme", "country": "CN"}
    people = [account(f"k{i}", **company) for i in range(40)]
    people += [account(f"d{i}", country="CN" if i < 30 else "DE") for i in range(60)]
    world = write_world(tmp_path / "w", [*people, spy("s")], [("s", "c1", 0)])
    found = card(world, write_scan(tmp_path / "s", [("g", "campaign", [f"k{i}" for i in range(40)] + ["d59"])]))
    (row,) = [row for row in found.equality if (row.label, row.outcome) == ("country", "accused")]
    china = {rate.name: rate for rate in row.rates}["CN"]
    assert (china.accounts, china.flagged, china.organisations, china.organisations_flagged) == (70, 40, 31, 1)
    assert china.ratio_high is not None
    assert china.ratio_low < 1 < china.ratio_high
    assert row.beyond == ()


def test_worlds_of_several_seeds_are_pooled_without_mixing_their_names(small, tmp_path):
    other = small_world(tmp_path / "other", country="FR")
    both = load_judged([small, (other, write_scan(tmp_path / "blind", []))])
    found = score(both)
    assert (found.accounts, found.campaign_accounts, len(found.campaigns)) == (40, 16, 4)
    assert found.recall.accused.value == 3 / 16
    assert len({row.campaign_id for row in found.campaigns}) == 4
    assert {row.kind: row.accused.units for row in found.look_alikes}["company_verified"] == 2


def test_one_world_in_a_pool_counts_once(small, tmp_path):
    world, scan = small
    copy = shutil.copytree(world, tmp_path / "copy")
    blind = write_scan(tmp_path / "blind", [])
    for pair in ((world, scan), (world, blind), (copy, scan), (world / ".." / "world", blind)):
        with pytest.raises(SameWorldError, match="count twice") as caught:
            load_judged([small, pair])
        assert "--seed" in caught.value.hint


def test_worlds_of_one_seed_are_no_independent_draws(small, tmp_path):
    blind = write_scan(tmp_path / "blind", [])
    one, again, other = (
        small_world(tmp_path / f"w{number}", country=country, seed=seed)
        for number, (country, seed) in enumerate([("FR", 7), ("ES", 7), ("IT", 8)])
    )
    assert len(load_judged([small, (one, blind), (other, blind)]).truth.account_id) == 60
    with pytest.raises(SameWorldError, match=r"w0 and .*w1 have the same seed"):
        load_judged([small, (one, blind), (again, blind)])
    (one / "truth" / "world.json").write_text("{")
    with pytest.raises(WorldError, match=r"world\.json cannot be read"):
        load_judged([(one, blind), (other, blind)])


def test_a_scan_that_accuses_nobody_is_scored_without_an_invented_figure(small, tmp_path):
    found = card(small[0], write_scan(tmp_path / "blind", []))
    assert np.isnan(found.precision_as_composed.value)
    assert (found.probability.calibration_error, found.probability.reliability) == (None, ())
    text = score_text(found)
    assert "nobody is accused" in text
    assert "campaigns found: 0 of 2" in text
    assert "nan" not in text


def test_a_world_without_innocents_is_scored_for_what_it_can_say(tmp_path):
    spies = [spy(f"s{i}") for i in range(4)]
    world = write_world(tmp_path / "w", spies, [(one["account_id"], "c1", 0) for one in spies])
    found = card(world, write_scan(tmp_path / "s", [("g", "campaign", ["s0", "s1", "s2"])]))
    assert found.recall.accused.value == 0.75
    assert (found.false_positives, found.look_alikes, found.equality) == (None, (), ())
    assert all(np.isnan(row.accused.value) for row in found.at_prevalence)
    text = score_text(found)
    assert "the worlds have no innocents" in text
    assert "EQUALITY" not in text
    assert "nan" not in text


def run(*arguments: object) -> Any:
    return CliRunner().invoke(score_command, [str(one) for one in arguments], catch_exceptions=True)


def test_the_command_prints_the_scorecard_and_keeps_it(small, tmp_path):
    done = run(*small, "--out", tmp_path / "card")
    assert done.exit_code == 0, done.output
    for told in ("RECALL", "FALSE POSITIVES", "too few to claim", "campaigns found: 1 of 2", "B-cubed", "null:"):
        assert told in done.stdout
    kept = json.loads((tmp_path / "card" / "score.json").read_text())
    assert kept["recall"]["accused"]["value"] == 3 / 8
    assert (tmp_path / "card" / "score.txt").read_text() == done.stdout


def test_the_command_pools_pairs_and_scores_several_scans_apart(small, tmp_path):
    world, scan = small
    other = small_world(tmp_path / "other", country="FR")
    blind = write_scan(tmp_path / "blind", [])
    apart = run(world, scan, blind, "--json").stdout.splitlines()
    assert [json.loads(line)["recall"]["accused"]["value"] for line in apart] == [3 / 8, 0.0]
    pooled = run(world, scan, "--pair", f"{other}:{blind}", "--json").stdout.splitlines()
    assert [json.loads(line)["recall"]["accused"]["value"] for line in pooled] == [3 / 16]
    assert msgspec.json.decode(pooled[0], type=Scorecard).schema == "score/1.1"
    assert isinstance(run("--pair", f"{world}:{scan}", "--pair", f"{world}:{scan}").exception, SameWorldError)


@pytest.mark.parametrize(
    "wrong", [[], ["--pair", "nowhere:else"], ["WORLD"], ["WORLD", "SCAN", "SCAN", "--pair", "WORLD:SCAN"]]
)
def test_a_command_that_cannot_be_meant_says_what_to_write(small, wrong):
    named = [one.replace("WORLD", str(small[0])).replace("SCAN", str(small[1])) for one in wrong]
    failed = run(*named)
    assert isinstance(failed.exception, UsageError)
    assert failed.exception.hint


def test_a_scan_of_something_else_is_refused(small, tmp_path):
    stranger = write_scan(tmp_path / "other", [("g", "campaign", ["nobody"])])
    with pytest.raises(ScanError, match="nobody") as caught:
        card(small[0], stranger)
    assert "pseudonymise" in caught.value.hint
    with pytest.raises(ScanError, match=r"groups\.parquet"):
        card(small[0], tmp_path)
    with pytest.raises(WorldError):
        card(tmp_path, small[1])
    (stranger / "groups.parquet").write_bytes(b"PAR1")
    with pytest.raises(ScanError, match="cannot be read"):
        card(small[0], stranger)


def test_small_shares_keep_their_digits():
    assert [percent(value) for value in (0.0, 0.0004, 0.5, 0.9996, float("nan"))] == [
        "0.0%",
        "0.04%",
        "50.0%",
        "99.96%",
        "-",
    ]
