"""What would we have found? Planted campaigns look like the operator's own accounts, and the answer survives a kill."""

import hashlib
import re
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from spiritsafe.cli.prove_inject import inject as inject_command
from spiritsafe.events.model import REQUESTS
from spiritsafe.events.sources import ReadOptions
from spiritsafe.files import DestinationError, write_parquet
from spiritsafe.pipeline import write_sketch_file
from spiritsafe.proving.inject import PlanError
from spiritsafe.proving.inject_log import NoTextError, TooFewAccountsError, copy_log
from spiritsafe.proving.inject_plant import Planted, fresh_address, fresh_like, plant
from spiritsafe.proving.inject_result import InjectResult
from spiritsafe.proving.inject_sentence import digests_of
from tests.proving.own_log import DAY_US, write_log
from tests.proving.trials import Detector, column, own_accounts, run_grid, speak


def make(copied: Any, **changes: Any) -> Planted:
    given = {"size": 24, "stealth": 1, "rate_per_day": None, "texts": speak, "seed": (1, 2, 3)} | changes
    return plant(copied, **given)


def test_the_copy_is_the_log_and_the_log_is_left_alone(own_log, tmp_path):
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in own_log]
    log = copy_log([str(own_log[0])], {"accounts": str(own_log[1])}, tmp_path / "copy", options=ReadOptions(), seed=0)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in own_log] == before
    original = pq.read_table(own_log[0])
    assert pa.concat_tables([pq.read_table(path) for path in log.files]).num_rows == original.num_rows == log.requests
    assert log.accounts == 60
    assert log.days == pytest.approx(6, abs=0.2)


def test_a_table_of_several_files_is_copied_and_known_again_by_one_digest(own_log, tmp_path):
    accounts = pq.read_table(own_log[1])
    (tmp_path / "accounts").mkdir()
    for number in range(2):
        pq.write_table(accounts.slice(number * 30, 30), tmp_path / "accounts" / f"{number}.parquet")
    given = {"accounts": str(tmp_path / "accounts")}
    log = copy_log([str(own_log[0])], given, tmp_path / "copy", options=ReadOptions(), seed=0)
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "accounts").iterdir()]
    assert log.tables == digests_of(("accounts", sha256) for sha256 in files) != {}
    assert log.profiles is not None
    assert log.profiles.num_rows > 0


def test_planted_names_are_nobody_elses(own_log, copied):
    planted = make(copied)
    own = pq.read_table(own_log[0])
    for name in ("event_id", "account_id", "api_key_id", "conversation_id", "organization_id", "client_ip"):
        theirs = set(column(own, name)) - {None}
        ours = set(column(planted.requests, name)) - {None}
        assert ours
        assert not ours & theirs, name
    assert len(set(planted.account_ids)) == 24
    assert len(set(column(planted.requests, "event_id"))) == planted.requests.num_rows


def test_planted_names_have_the_shape_of_the_operators(copied):
    planted = make(copied)
    shapes = {"account_id": r"acct-\w{12}", "conversation_id": r"conv-\w{12}", "api_key_id": r"key_\w{8}-\w{8}"}
    for name, shape in shapes.items():
        assert all(re.fullmatch(shape, value) for value in set(column(planted.requests, name)) - {None}), name
    assert all(value.startswith(("198.18.", "198.19.")) for value in column(planted.requests, "client_ip"))


def test_what_many_accounts_share_is_kept_and_what_is_one_donors_own_is_not(own_log, copied):
    planted = make(copied)
    assert set(column(planted.requests, "user_agent")) >= {"curl/8.4", "python-sdk/1.9"}
    own_clients = {value for value in column(pq.read_table(own_log[0]), "user_agent") if value.startswith("own-client")}
    assert not own_clients & set(column(planted.requests, "user_agent"))
    assert set(column(planted.requests, "system_prompt")) == {None}  # each system prompt was one company's
    assert planted.profiles is not None
    assert "mail.example" in column(planted.profiles, "email_domain")
    assert not {f"firm{a}.example" for a in range(60)} & set(column(planted.profiles, "email_domain"))


def test_planted_accounts_keep_their_donors_ways(copied):
    planted = make(copied, size=200)
    share = {value: column(planted.requests, "model").count(value) for value in ("m-small", "m-large")}
    assert 0.7 < share["m-small"] / share["m-large"] < 1.4
    assert {round(value, 3) for value in column(planted.requests, "temperature")} == {0.2, 0.7}
    each = np.unique(column(planted.requests, "account_id"), return_counts=True)[1]
    assert each.min() >= 4
    assert each.max() <= 29
    assert planted.profiles is not None
    first = dict(
        zip(
            *(
                planted.requests.group_by("account_id").aggregate([("time", "min")]).column(n).to_pylist()
                for n in range(2)
            ),
            strict=True,
        )
    )
    created = zip(column(planted.profiles, "account_id"), column(planted.profiles, "created_at"), strict=True)
    assert all(opened <= first[name] for name, opened in created)


def test_the_rate_sets_the_volume_and_keeps_the_hours_of_the_day(copied):
    planted = make(copied, rate_per_day=50.0, size=10)
    assert planted.requests.num_rows == pytest.approx(50 * copied.days * 10, rel=0.15)
    time = planted.requests.column("time").cast(pa.int64()).to_numpy()
    assert time.min() >= copied.first_us
    assert time.max() <= copied.last_us
    one = planted.requests.filter(pa.compute.equal(planted.requests.column("account_id"), planted.account_ids[0]))
    angle = one.column("time").cast(pa.int64()).to_numpy() % DAY_US / DAY_US * 2 * np.pi
    assert np.hypot(np.cos(angle).mean(), np.sin(angle).mean()) > 0.4  # its donor works nine hours a day


def test_only_stealth_0_shares_exits_and_cards_and_signs_up_in_a_burst(copied):
    plain, hidden = make(copied, stealth=0), make(copied, stealth=1)
    assert len(set(column(plain.requests, "client_ip"))) == 2
    assert len(set(column(hidden.requests, "client_ip"))) > 40
    assert plain.profiles is not None
    assert hidden.profiles is not None
    assert len(set(column(plain.profiles, "payment_fingerprint"))) == 4
    assert len(set(column(hidden.profiles, "payment_fingerprint"))) == 24
    spans = [max(column(p, "created_at")) - min(column(p, "created_at")) for p in (plain.profiles, hidden.profiles)]
    assert spans[0].total_seconds() < 43_200 < spans[1].total_seconds()


def test_texts_are_dealt_in_order_until_stealth_2_deals_them_at_random(copied):
    def numbered(count: int, stealth: int, rng: np.random.Generator) -> list[str]:
        return [f"{number:06d}" for number in range(count)]

    assert column(make(copied, texts=numbered).requests, "prompt") == sorted(
        column(make(copied, texts=numbered).requests, "prompt")
    )
    dealt = column(make(copied, texts=numbered, stealth=2).requests, "prompt")
    assert dealt != sorted(dealt)
    assert len(set(dealt)) == len(dealt)


def test_equal_seeds_plant_equal_campaigns(copied):
    assert make(copied).requests.equals(make(copied).requests)
    assert not make(copied).requests.equals(make(copied, seed=(1, 2, 4)).requests)


@given(st.text(max_size=60), st.integers(0, 2**32))
def test_a_fresh_name_is_never_the_old_one_and_repeats_with_its_seed(value, seed):
    made = fresh_like(value, np.random.default_rng(seed))
    assert made != value
    assert made == fresh_like(value, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "value",
    [
        "acct-00af31c2d7e4",
        "8b0c5e0e-3c0a-4f57-9f6e-2a1b3c4d5e6f",
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "123456789012",
        "ORG-00FF31C2AA99",
    ],
)
def test_a_fresh_name_keeps_length_prefix_and_kind_of_letters(value):
    made = fresh_like(value, np.random.default_rng(0))
    assert len(made) == len(value)
    assert [a for a in made if not a.isalnum()] == [a for a in value if not a.isalnum()]
    assert made.isupper() == value.isupper()
    assert made.isdigit() == value.isdigit()


@given(st.ip_addresses() | st.text(max_size=20).map(lambda text: f"pseudonym:{text}"), st.integers(0, 99))
def test_a_fresh_address_stays_in_its_network(value, seed):
    made = fresh_address(str(value), np.random.default_rng(seed))
    if not isinstance(value, str):
        kept = 16 if value.version == 4 else 80
        assert int(type(value)(made)) >> kept == int(value) >> kept
    assert made


def test_a_find_that_drags_innocents_along_does_not_count(own_log, tmp_path):
    slander = Detector(own_accounts(own_log), slander=1)
    result = run_grid(own_log, tmp_path / "strict", slander, error=0.001)
    assert result.smallest == {0: None, 2: None}
    assert {trial.newly_accused for trial in result.trials if trial.best_campaign_share >= 0.5} == {1}
    lenient = run_grid(own_log, tmp_path / "lenient", Detector(own_accounts(own_log), slander=1), error=0.05)
    assert lenient.smallest[0] == 16


def test_a_killed_run_goes_on_where_it_stopped_and_leaves_no_copy(own_log, tmp_path):
    out = tmp_path / "out"
    first = Detector(own_accounts(own_log))
    first.die_after = 4  # the baseline and three trials
    with pytest.raises(KeyboardInterrupt):
        run_grid(own_log, out, first)
    assert len(list((out / "trials").iterdir())) == 3
    assert not list(out.glob(".copy.*"))
    (out / ".copy.killed").mkdir()  # what SIGKILL would have left
    second = Detector(own_accounts(own_log))
    result = run_grid(own_log, out, second)
    assert second.scans == 12 - 3
    assert [(t.stealth, t.size, t.found) for t in result.trials] == [
        (t.stealth, t.size, t.found)
        for t in run_grid(own_log, tmp_path / "whole", Detector(own_accounts(own_log))).trials
    ]
    assert not list(out.glob(".copy.*"))
    third = Detector(own_accounts(own_log))
    wider = run_grid(own_log, out, third, sizes=(8, 16, 32, 48))
    assert third.scans == 4
    assert len(wider.trials) == 16


def test_trials_of_another_log_or_seed_are_not_mixed(own_log, tmp_path):
    out = tmp_path / "out"
    run_grid(own_log, out, Detector(own_accounts(own_log)), sizes=(8,), repeats=1)
    with pytest.raises(PlanError, match="seed"):
        run_grid(own_log, out, Detector(own_accounts(own_log)), seed=5)
    other = write_log(tmp_path / "other", seed=2)
    with pytest.raises(PlanError, match="log_digest") as caught:
        run_grid(other, out, Detector(own_accounts(other)))
    assert "--out" in caught.value.hint


def test_a_folder_that_is_not_ours_is_not_touched(own_log, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(DestinationError):
        run_grid(own_log, mine, Detector(set()))
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


def test_a_log_of_too_few_accounts_says_so(tmp_path):
    requests, _ = write_log(tmp_path / "tiny", accounts=5)
    with pytest.raises(TooFewAccountsError, match="only 5 accounts"):
        copy_log([str(requests)], {}, tmp_path / "copy", options=ReadOptions(), seed=0)


def test_the_command_plants_in_a_log_scans_it_for_real_and_prints_the_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIRITSAFE_HOME", str(tmp_path / "home"))
    requests, accounts = write_log(tmp_path / "own", accounts=400)
    grid = ["--sizes", "16", "--stealth", "0", "--repeats", "1", "--rate", "4"]
    command = [str(requests), "--accounts", str(accounts), "--out", str(tmp_path / "out"), *grid]
    done = CliRunner().invoke(inject_command, command)
    assert done.exit_code == 0, done.output
    kept = msgspec.json.decode((tmp_path / "out" / "inject.json").read_bytes(), type=InjectResult)
    assert done.stdout.endswith(kept.sentence + "\n")
    assert kept.trials[0].best_group_share >= 0.5  # one template through two exits: any detector sees that
    again = CliRunner().invoke(inject_command, [*command, "--json"])
    assert msgspec.json.decode(again.stdout, type=InjectResult) == kept


@pytest.mark.parametrize("sizes", ["", "eight", "1", "8,,16", "8;16"])
def test_sizes_that_are_no_list_of_numbers_are_refused(own_log, tmp_path, sizes):
    wrong = [str(own_log[0]), "--out", str(tmp_path / "out"), "--sizes", sizes]
    assert CliRunner().invoke(inject_command, wrong).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_where_the_log_holds_no_prompts_none_are_planted(own_log, tmp_path):
    bare = pq.read_table(own_log[0])
    write_parquet(bare.drop_columns(["prompt"]), tmp_path / "bare.parquet", REQUESTS.tag)
    log = copy_log([str(tmp_path / "bare.parquet")], {}, tmp_path / "copy", options=ReadOptions(), seed=0)
    planted = make(log)
    assert "prompt" not in planted.requests.column_names
    assert planted.profiles is None


def test_sketches_cannot_be_planted_in(own_log, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIRITSAFE_HOME", str(tmp_path / "home"))
    write_sketch_file(own_log[0], out=tmp_path / "sketches.parquet")
    with pytest.raises(NoTextError) as caught:
        copy_log([str(tmp_path / "sketches.parquet")], {}, tmp_path / "copy", options=ReadOptions(), seed=0)
    assert "the log" in caught.value.hint
