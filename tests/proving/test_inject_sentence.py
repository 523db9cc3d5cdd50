"""The one sentence of `prove inject` is true: of the sizes that were found, of those that were not, of which log."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.events.sources import ReadOptions
from spiritsafe.proving.inject import PlanError, inject_campaigns
from spiritsafe.proving.inject_result import SIZES, InjectResult, Plan, Trial, summarise
from spiritsafe.proving.inject_sentence import (
    common_from,
    default_sizes,
    detection_limit_sentence,
    digest_of,
    sentence_beside,
)
from tests.proving.trials import Detector, own_accounts, run_grid, speak


def test_the_smallest_size_found_is_reported_for_each_level(own_log, tmp_path):
    result = run_grid(own_log, tmp_path / "out", Detector(own_accounts(own_log)))
    assert result.smallest == {0: 16, 2: None}
    assert result.smallest_noticed == {0: 16, 2: 16}
    assert result.baseline_accused == 2
    by_cell = {(point.stealth, point.size): point for point in result.points}
    assert by_cell[0, 8].found.value == 0
    assert (by_cell[0, 32].found.value, by_cell[0, 32].trials) == (1.0, 2)
    assert by_cell[0, 32].found.low < 0.5  # two trials of two are no certainty
    assert (
        "of planted campaigns of 8, 16 and 32 accounts, those of 16 and 32 at stealth 0 were found in at least 90% of "
        "2 trials each (a rate of at least 22% at 95% confidence), and none at stealth 2" in result.sentence
    )
    kept = msgspec.json.decode((tmp_path / "out" / "inject.json").read_bytes(), type=InjectResult)
    assert kept == result


def test_the_sentence_never_promises_more_than_was_tried(own_log, tmp_path):
    result = run_grid(own_log, tmp_path / "out", Detector(own_accounts(own_log)), sizes=(8,), repeats=1)
    told = "of planted campaigns of 8 accounts, none was found in at least 90% of 1 trial each at stealth 0 and 2"
    assert told in result.sentence
    assert "up to" not in result.sentence
    assert "unseen" in detection_limit_sentence(result)
    empty = msgspec.structs.replace(result, points=(), smallest={})
    assert "nothing was tried" in detection_limit_sentence(empty)


def trial(size: int, repeat: int, *, found: bool) -> Trial:
    share = 0.9 if found else 0.1
    return Trial(
        stealth=1,
        size=size,
        repeat=repeat,
        exchanges=10 * size,
        best_campaign_share=share,
        best_unknown_share=0.0,
        best_group_share=share,
        newly_accused=0,
        within_error=True,
        seconds=1.0,
    )


def summed(copied: Any, trials: list[Trial], *, power: float = 0.9, accounts: int = 2_000) -> InjectResult:
    plan = Plan(log_digest="", seed=0, rate_per_day=None, error=0.0, texts="", version="")
    return summarise(replace(copied, accounts=accounts), plan, trials, power=power, accused=0, groups=0)


def test_the_smallest_size_found_is_said_and_larger_ones_that_failed_beside_it(copied):
    trials = [trial(size, k, found=(size, k) not in {(16, 0), (16, 1)}) for size in (8, 16, 32, 64) for k in range(5)]
    result = summed(copied, trials)
    assert result.smallest == {1: 8}
    told = "of planted campaigns of 8, 16, 32 and 64 accounts, those of 8, 32 and 64 at stealth 1 were found in"
    assert told in result.sentence
    assert "too common" not in result.sentence
    lenient = summed(copied, trials, power=0.6)
    assert lenient.smallest == {1: 8}
    assert "those of 8, 16, 32 and 64 at stealth 1 were found in at least 60% of 5 trials each" in lenient.sentence
    (point,) = [point for point in result.points if point.size == 16]
    assert point.found.value == 0.6
    assert point.found.low < 0.3
    assert point.found.high > 0.85


def test_a_campaign_too_large_for_a_small_log_hides_no_smaller_one(copied):
    trials = [trial(size, k, found=size < 64) for size in (8, 16, 64, 256) for k in range(3)]
    result = summed(copied, trials, accounts=500)
    assert result.smallest == {1: 8}
    told = "of planted campaigns of 8, 16, 64 and 256 accounts, those of 8 and 16 at stealth 1 were found"
    assert told in result.sentence
    assert "what 64 and 256 accounts share is too common to tie anybody in a log of 500" in result.sentence


def test_only_sizes_that_were_tried_are_named(copied):
    alone = summed(copied, [trial(8, k, found=True) for k in range(3)])
    assert "of planted campaigns of 8 accounts, those at stealth 1 were found in at least 90%" in alone.sentence
    assert " on were" not in alone.sentence
    missed = summed(copied, [trial(60, k, found=False) for k in range(3)])
    told = "of planted campaigns of 60 accounts, none was found in at least 90% of 3 trials each at stealth 1"
    assert told in missed.sentence
    assert "up to" not in missed.sentence


@pytest.mark.parametrize(("repeats", "bound"), [(1, 5), (3, 36), (20, 86)])
def test_the_rate_is_an_exact_one_sided_bound_and_never_rounded_up(copied, repeats, bound):
    result = summed(copied, [trial(8, k, found=True) for k in range(repeats)])
    (point,) = result.points
    assert point.found_at_least == pytest.approx(0.05 ** (1 / repeats))
    assert f"(a rate of at least {bound}% at 95% confidence)" in result.sentence
    assert "proves" not in result.sentence


def test_levels_with_other_sizes_or_trials_are_told_apart(copied):
    few = [trial(8, 0, found=True), *(trial(16, k, found=True) for k in range(4))]
    deep = [msgspec.structs.replace(trial(16, k, found=False), stealth=2) for k in range(2)]
    result = summed(copied, [*few, *deep])
    assert "of 8 and 16 accounts, those of 8 and 16 at stealth 1 were found" in result.sentence
    assert "in at least 90% of 1 to 4 trials each" in result.sentence
    assert "; of planted campaigns of 16 accounts, none was found in at least 90% of 2 trials each" in result.sentence


@given(st.integers(8, 100_000))
def test_default_sizes_are_those_that_a_scan_can_find(accounts):
    sizes = default_sizes(accounts, SIZES)
    assert all(size * 17 <= accounts or size == 4 for size in sizes)
    assert all(size < common_from(accounts) or size == 4 for size in sizes)
    assert sizes == SIZES or max(sizes) * 2 > accounts / 20


def test_without_sizes_only_those_are_tried_that_could_be_found(own_log, tmp_path):
    result = run_grid(own_log, tmp_path / "out", Detector(own_accounts(own_log)), sizes=None, repeats=1)
    assert {point.size for point in result.points} == {4}  # of 60 accounts


def test_the_scan_is_given_the_tables_that_the_operator_scans_with(own_log, tmp_path):
    attested = tmp_path / "attested.csv"
    attested.write_text(
        "subject,kind,owner,reason,not_before,expires_at\nacct-000000000001,academic,me,a study,"
        "2025-01-01T00:00:00Z,2027-01-01T00:00:00Z\n"
    )
    events = tmp_path / "events.csv"
    events.write_text("account_id,time,kind\nacct-000000000001,2025-06-01T00:00:00Z,created\n")
    scan = Detector(own_accounts(own_log))
    seen = []

    def looking(logs: Sequence[Path], tables: Mapping[str, Path], out: Path) -> None:
        seen.append({name: pq.read_table(path).num_rows for name, path in tables.items()})
        scan(logs, tables, out)

    result = inject_campaigns(
        [str(own_log[0])], out=tmp_path / "out", texts=speak, options=ReadOptions(), accounts=str(own_log[1]),
        account_events=str(events), attestations=str(attested), sizes=(16,), stealths=(0,), repeats=1, scan=looking,
    )  # fmt: skip
    assert seen == [
        {"accounts": 60, "account_events": 1, "attestations": 1},
        {"accounts": 76, "account_events": 1, "attestations": 1},
    ]
    assert set(result.plan.tables) == {"accounts", "account_events", "attestations"}
    with pytest.raises(PlanError, match="tables"):
        run_grid(own_log, tmp_path / "out", scan, sizes=(16,), stealths=(0,))


def test_the_sentence_says_when_it_was_measured_elsewhere(own_log, tmp_path):
    result = run_grid(own_log, tmp_path / "out", Detector(own_accounts(own_log)), sizes=(16,), repeats=1)
    log, accounts = (hashlib.sha256(path.read_bytes()).hexdigest() for path in own_log)
    assert result.plan.log_digest == digest_of([log])
    assert sentence_beside(result, [log], {"accounts": accounts}) == result.sentence
    assert result.sentence.startswith("On a copy of this log (60 accounts")
    for other in ([], ["0" * 64], [log, "0" * 64]):
        assert sentence_beside(result, other, {"accounts": accounts}).startswith("Measured on another log")
    for tables in ({}, {"accounts": "0" * 64}, {"accounts": accounts, "attestations": "0" * 64}):
        told = sentence_beside(result, [log], tables)
        assert told.startswith("Measured with other tables beside this log (")
        assert ("attestations" if "attestations" in tables else "accounts") in told
