"""A composed world that a fool can solve proves nothing: the audit must catch every kind of tell, and only tells."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from spiritsafe.cli.prove_audit import audit as audit_command
from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.files import write_parquet
from spiritsafe.proving.audit import AuditReport, AuditSampleError, LeakError, audit_worlds
from spiritsafe.proving.audit_checks import bin_number, judge_number
from spiritsafe.proving.audit_language import ByteModel
from spiritsafe.proving.audit_report import audit_text
from spiritsafe.proving.recipes import load_recipe
from spiritsafe.proving.score_truth import SameWorldError, WorldError
from spiritsafe.proving.world import compose_world

Bools = NDArray[np.bool_]
Tell = Callable[[dict[str, Any], Bools, np.random.Generator], None]

SPEECH = """the a of to and in model data write list code sum price river city paper table note light green find
    make show plan team email report letter house music train water please question answer number value"""
WORDS = np.array(SPEECH.split())
START_US = 1_750_000_000_000_000


def compose(folder: Path, *, seed: int, accounts: int = 240, rows_each: int = 14, tell: Tell | None = None) -> Path:
    """A small fair world: a campaign's accounts draw from the sampler of honest developers.

    `tell(rows, guilty, rng)` may then spoil the columns of `rows` (a dict of arrays of shape (rows,)).
    """
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    guilty_account = rng.random(accounts) < 0.3
    owner = np.repeat(np.arange(accounts), rows_each)
    count = len(owner)
    usual_temperature, usual_model = rng.choice([0.0, 0.3, 0.7, 1.0], accounts), rng.integers(0, 3, accounts)
    silent = rng.random(accounts) < 0.4
    temperature = np.where(silent[owner], np.nan, usual_temperature[owner])
    model = np.where(rng.random(count) < 0.8, usual_model[owner], rng.integers(0, 3, count))
    rows: dict[str, Any] = {
        "time": START_US + rng.integers(0, 14 * 86_400_000_000, count),
        "temperature": temperature,
        "model": np.array(["m-small", "m-medium", "m-large"])[model],
        "input_tokens": rng.lognormal(5, 1, count).astype(int),
        "prompt": [" ".join(rng.choice(WORDS, rng.integers(5, 25))) for _ in range(count)],
        "client_ip": [f"10.{a % 200}.{rng.integers(256)}.{rng.integers(256)}" for a in owner],
    }
    guilty = guilty_account[owner]
    if tell:
        tell(rows, guilty, rng)
    names = [f"acct-{value:08x}" for value in rng.choice(2**32, accounts, replace=False)]
    events = [f"ev-{value:012x}" for value in rng.choice(2**40, count, replace=False)]
    order = np.argsort(rows["time"], kind="stable")
    ids = {"event_id": events, "account_id": [names[a] for a in owner]}
    columns = {name: [values[i] for i in order] for name, values in (ids | rows).items()}
    columns["temperature"] = [None if np.isnan(v) else v for v in columns["temperature"]]
    columns["operation"] = ["chat"] * count
    schema = REQUESTS.arrow(list(columns))
    requests = pa.table({name: pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names})
    write_parquet(requests, folder / "requests.parquet", REQUESTS.tag)
    created = pa.array(START_US - rng.integers(1, 10**12, accounts), pa.int64()).cast(REQUESTS.by_name["time"].type)
    profile = pa.table({"account_id": names, "created_at": created, "plan": rng.choice(["pro", "free"], accounts)})
    write_parquet(profile, folder / "accounts.parquet", ACCOUNTS.tag)
    campaign = np.array([f"c{i % 3}" if g else None for i, g in enumerate(guilty_account)], object)
    truth = {
        "account_id": names,
        "operator_id": [c or f"o{i}" for i, c in enumerate(campaign)],
        "operator_kind": ["campaign" if g else ("developer", "consumer")[i % 2] for i, g in enumerate(guilty_account)],
        "independent_unit": [c or f"o{i}" for i, c in enumerate(campaign)],
        "campaign_id": campaign.tolist(),
        "archetype": ["A" if g else None for g in guilty_account],
        "variant": ["plain" if g else None for g in guilty_account],
        "stealth": pa.array([1 if g else None for g in guilty_account], pa.int8()),
        "language": ["en"] * accounts,
        "country": ["DE"] * accounts,
        "vpn": [False] * accounts,
        "mixed": [False] * accounts,
    }
    pq.write_table(pa.table(truth), folder / "truth" / "accounts.parquet")
    exchanges = {**ids, "campaign_id": pa.array([campaign[a] for a in owner], pa.string())}
    pq.write_table(pa.table(exchanges), folder / "truth" / "exchanges.parquet")
    (folder / "truth" / "world.json").write_text(json.dumps({"seed": seed}))
    return folder


def pair(tmp_path: Path, tell: Tell | None = None, **sizes: int) -> tuple[Path, Path]:
    a = compose(tmp_path / "a", seed=1, tell=tell, **sizes)
    return a, compose(tmp_path / "b", seed=2, tell=tell, **sizes)


@pytest.fixture(scope="module")
def fair(tmp_path_factory):
    return pair(tmp_path_factory.mktemp("fair"))


def judge(worlds: tuple[Path, Path], out: Path) -> tuple[Result, AuditReport]:
    """Run the command once; what it said, how it left, and the report that it kept."""
    done = CliRunner().invoke(audit_command, [*map(str, worlds), "--out", str(out)])
    return done, msgspec.json.decode((out / "audit.json").read_bytes(), type=AuditReport)


@pytest.fixture(scope="module")
def fair_run(fair, tmp_path_factory):
    return judge(fair, tmp_path_factory.mktemp("fair_run") / "report")


@pytest.fixture(scope="module")
def fair_report(fair_run):
    return fair_run[1]


def test_a_fair_world_passes(fair_report):
    assert fair_report.passed, fair_report.leaks
    assert fair_report.shuffle_clean
    assert fair_report.columns_seen > 30
    assert fair_report.aggregates_seen > 150
    assert {check.check for check in fair_report.checks} >= {"column", "aggregate", "perplexity", "words", "boosting"}
    assert {cell.name for cell in fair_report.cells if cell.judged} == {
        "stealth 1 and above against all innocents",
        "stealth 1 and above against developers",
    }


def never_small_model(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    rows["model"] = np.where(guilty & (rows["model"] == "m-small"), "m-large", rows["model"])


def temperature_null(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    rows["temperature"] = np.where(guilty, np.nan, np.nan_to_num(rows["temperature"], nan=0.5))


def starts_on_day_two(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    late = START_US + 86_400_000_000 + rng.integers(0, 13 * 86_400_000_000, len(guilty))
    rows["time"] = np.where(guilty, late, rows["time"])
    # The innocents' every account is there on the first day.
    rows["time"][::14] = np.where(guilty[::14], rows["time"][::14], START_US + 3_600_000_000)


def whole_seconds(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    rows["time"] = np.where(guilty, rows["time"] // 1_000_000 * 1_000_000, rows["time"])


def words_spelt_backwards(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    for row in np.flatnonzero(guilty):
        rows["prompt"][row] = " ".join(word[::-1] for word in rows["prompt"][row].split())


def shared_template(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    for row in np.flatnonzero(guilty):
        rows["prompt"][row] = f"grade this against the rubric: {rows['prompt'][row]}"


def one_odd_length(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    rows["input_tokens"] = np.where(guilty, 777, rows["input_tokens"])


TELLS: dict[Tell, str] = {
    temperature_null: "temperature",
    one_odd_length: "input_tokens",
    starts_on_day_two: "day",
    whole_seconds: "microsecond",
    words_spelt_backwards: "perplexity",
    shared_template: "family_grading",
}


def every_tell(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    for tell in TELLS:
        tell(rows, guilty, rng)


@pytest.fixture(scope="module")
def spoilt_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoilt")
    return judge(pair(folder, every_tell), folder / "report")


@pytest.fixture(scope="module")
def spoilt_report(spoilt_run):
    return spoilt_run[1]


@pytest.mark.parametrize("feature", TELLS.values())
def test_each_planted_tell_is_caught_and_named(spoilt_report, feature):
    assert not spoilt_report.passed
    assert any(feature in check.name for check in spoilt_report.leaks)


def xor_of_null_and_model(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    """Each column alone is as in the innocents; the pair gives every guilty exchange away."""
    coin = rng.random(len(guilty)) < 0.5
    other = rng.random(len(guilty)) < 0.5
    rows["temperature"] = np.where(coin, np.nan, 0.7)
    small = np.where(guilty, coin, other)
    rows["model"] = np.where(small, "m-small", "m-large")


def xor_of_whole_accounts(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    """An account is silent or not, small or not; guilty ones are silent when small, others when not."""
    silent = rng.random(len(guilty) // 14) < 0.5
    small = silent == guilty[::14]
    rows["temperature"] = np.where(np.repeat(silent, 14), np.nan, 0.7)
    rows["model"] = np.where(np.repeat(small, 14), "m-small", "m-large")


def test_a_tell_in_two_columns_together_is_caught_though_each_column_is_innocent(tmp_path):
    report = audit_worlds(*pair(tmp_path, xor_of_null_and_model, accounts=400))
    assert not [check for check in report.leaks if check.check in {"column", "commonness"}]
    assert {check.check for check in report.leaks} & {"boosting", "rows together"}
    assert not report.passed


def test_a_tell_in_two_habits_together_is_caught_though_each_habit_is_innocent(tmp_path):
    report = audit_worlds(*pair(tmp_path, xor_of_whole_accounts, accounts=400))
    best = {kind: max(c.auc for c in report.checks if c.check == kind) for kind in ("column", "aggregate")}
    assert max(best.values()) < 0.7
    assert {check.check for check in report.leaks} >= {"pair", "boosting"}


def six_weak_tells(rows: dict[str, Any], guilty: Bools, rng: np.random.Generator) -> None:
    """Six habits that every guilty account has and nearly half of the innocents too, each for itself."""
    habit = rng.random((6, len(guilty) // 14)) < 0.45
    silent, never_small, late, whole, even, asking = np.repeat(habit | guilty[::14], 14, axis=1)
    temperature_null(rows, silent, rng)
    never_small_model(rows, never_small, rng)
    rows["time"] = np.where(late, START_US + (rows["time"] - START_US) * 3 // 4 + 3 * 86_400_000_000, rows["time"])
    whole_seconds(rows, whole, rng)
    rows["input_tokens"] = np.where(even, rows["input_tokens"] // 2 * 2, rows["input_tokens"])
    rows["prompt"] = [f"{text}?" if asks else text for text, asks in zip(rows["prompt"], asking, strict=True)]


def test_six_weak_tells_that_only_together_solve_the_world_are_caught_by_boosting(tmp_path):
    """How a first composer failed that had looked fair column by column."""
    report = audit_worlds(*pair(tmp_path, six_weak_tells, accounts=400))
    leaking = {check.check for check in report.leaks}
    assert "boosting" in leaking
    assert not leaking & {"column", "commonness", "perplexity", "words"}


def test_never_one_model_is_caught_when_accounts_send_enough_to_use_them_all(tmp_path):
    report = audit_worlds(*pair(tmp_path, never_small_model, rows_each=120, accounts=150))
    assert any("model" in check.name for check in report.leaks if check.check == "aggregate")
    assert not [check for check in report.leaks if check.check == "column"]


def test_the_command_passes_a_fair_world_and_keeps_the_report(fair_run, fair_report):
    done, _ = fair_run
    assert done.exit_code == 0, done.output
    assert "passed" in done.stdout
    assert "nothing found, as it must be" in done.stdout
    assert done.stdout == audit_text(fair_report) + "\n"
    assert fair_report.schema == "audit/1.0"


def test_the_command_fails_a_spoilt_world_with_its_code_and_still_keeps_the_report(spoilt_run):
    failed, report = spoilt_run
    assert isinstance(failed.exception, LeakError)
    assert (failed.exception.code, failed.exception.exit_code) == ("proving.leak", 4)
    assert "same sampler" in failed.exception.hint
    assert report.leaks


def test_a_leak_is_told_in_words(spoilt_report):
    text = audit_text(spoilt_report)
    assert "FAILED" in text
    assert "time.microsecond" in text
    assert "what the boosting leans on" in text


def test_a_label_shuffle_that_finds_something_fails_the_audit_itself(fair_report):
    broken = msgspec.structs.replace(fair_report, shuffle_clean=False)
    assert not broken.passed
    assert "THE AUDIT ITSELF LEAKS" in audit_text(broken)


def test_a_world_cannot_be_judged_by_itself(fair, tmp_path):
    with pytest.raises(SameWorldError):
        audit_worlds(fair[0], fair[0])
    twin = compose(tmp_path / "twin", seed=1, accounts=30)
    with pytest.raises(SameWorldError, match="same seed"):
        audit_worlds(fair[0], twin)


def test_too_few_accounts_are_refused_not_passed(tmp_path):
    with pytest.raises(AuditSampleError, match="fewer than 25"):
        audit_worlds(*pair(tmp_path, accounts=40))


def test_campaigns_below_the_asked_stealth_are_left_out(fair):
    with pytest.raises(AuditSampleError, match="fewer than 25"):
        audit_worlds(*fair, stealth=2)


def test_a_folder_that_is_no_world_says_what_to_give(tmp_path, fair):
    with pytest.raises(WorldError, match="truth/accounts") as caught:
        audit_worlds(fair[0], tmp_path)
    assert "spiritsafe prove" in caught.value.hint


def test_traffic_of_another_world_is_noticed(tmp_path, fair):
    mixed = compose(tmp_path / "mixed", seed=5, accounts=30)
    (mixed / "requests.parquet").write_bytes((fair[0] / "requests.parquet").read_bytes())
    with pytest.raises(WorldError, match="unknown accounts"):
        audit_worlds(fair[1], mixed)


def test_a_fixed_value_a_missing_value_and_a_narrow_band_are_all_seen_by_one_number():
    rng = np.random.default_rng(0)
    guilty = np.arange(400) < 100
    for told in (
        np.where(guilty, 0.7, rng.random(400)),
        np.where(guilty, np.nan, rng.random(400)),
        np.where(guilty, 0.5 + rng.random(400) / 1000, rng.random(400)),
    ):
        auc, recall = judge_number(bin_number("x", told, told), guilty, ~guilty, guilty, ~guilty)
        assert auc > 0.95
        assert recall > 0.5
    noise = bin_number("x", rng.random(400), rng.random(400))
    auc, recall = judge_number(noise, guilty, ~guilty, guilty, ~guilty)
    assert 0.4 < auc < 0.6
    assert recall < 0.1


def test_the_language_model_is_a_distribution_and_knows_what_it_read():
    model = ByteModel(["the cat sat on the mat. "] * 20)
    everything = [f"the cat sa{chr(code)}" for code in range(128)]
    # The same first ten bytes: what is left of the sum over the last byte must be at most 1.
    told = np.array([model.bits_a_byte([text])[0] * 11 for text in everything])
    start = model.bits_a_byte(["the cat sa"])[0] * 10
    assert 0.4 < (2.0 ** (start - told)).sum() <= 1.0 + 1e-9
    known, unknown, empty = model.bits_a_byte(["the cat sat", "zzqqxxjjkkv", ""])
    assert known < 1.5
    assert unknown > 5
    assert np.isnan(empty)


@pytest.mark.soak
def test_a_world_of_the_full_size_passes_the_audit(tmp_path):
    assert audit_worlds(*pair(tmp_path, accounts=2500, rows_each=32)).passed


@pytest.mark.soak
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_composers_own_worlds_give_nothing_away(tmp_path, level):
    recipe = load_recipe(f"stealth-{level}")
    for seed in (1, 2):
        compose_world(recipe, tmp_path / str(seed), seed=seed)
    report = audit_worlds(tmp_path / "1", tmp_path / "2", stealth=level)
    assert report.passed, audit_text(report)
