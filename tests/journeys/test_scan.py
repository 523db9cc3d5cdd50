"""An abuse engineer points `spiritsafe scan` at logs that already exist."""

import contextlib
import datetime
import json
import os
import random
import signal
import subprocess
import sys
import time

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.cli.scan import MomentType
from tests.journeys.fixed_keys import KEYS
from tests.journeys.small_log import CUSTOMER, RING, rows, write

FILES = {
    ".spiritsafe", "run.json", "campaigns.json", "members.parquet", "exchanges.parquet", "links.parquet",
    "evidence.parquet", "fingerprints.parquet", "groups.parquet", "accounts.parquet", "quarantine.parquet",
    "findings.ocsf.jsonl", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home") / "spiritsafe"


@pytest.fixture(scope="module")
def run(home):
    def call(*arguments, expect=0):
        done = subprocess.run(
            [sys.executable, "-m", "spiritsafe.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SPIRITSAFE_HOME": str(home), **KEYS},
        )
        assert done.returncode == expect, done.stderr
        return done

    return call


@pytest.fixture(scope="module")
def scanned(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    log, accounts = write(folder)
    done = run("scan", log, "--accounts", accounts, "--out", folder / "findings")
    return folder, done


def members(folder):
    return set(pq.read_table(folder / "members.parquet")["account_id"].to_pylist())


def test_the_ring_is_accused_and_nobody_else(scanned):
    folder, done = scanned
    assert members(folder / "findings") == set(RING)
    assert "20 accounts tied by wording and infrastructure" in done.stdout
    assert "report.html" in done.stdout


def test_the_verified_customer_was_looked_at_and_is_open(scanned):
    groups = pq.read_table(scanned[0] / "findings" / "groups.parquet").to_pylist()
    (customer,) = [group for group in groups if set(group["account_ids"]) >= set(CUSTOMER)]
    assert customer["verdict"] == "open_coordination"
    assert customer["failed_axis"] == "concealment"


def test_every_file_of_the_contract_is_there_and_says_what_it_is(scanned):
    out = scanned[0] / "findings"
    assert {path.name for path in out.iterdir()} == FILES
    for path in out.glob("*.parquet"):
        tag = pq.read_schema(path).metadata[b"spiritsafe.schema"].decode()
        assert tag.partition("/")[2] == ("1.1" if path.name == "members.parquet" else "1.0"), path.name
    run_json = json.loads((out / "run.json").read_text())
    assert run_json["coverage"]["rows_kept"] == 9_000
    assert all(len(one["sha256"]) == 64 for one in run_json["inputs"])
    assert {one["column"] for one in run_json["missing"]} >= {"ja4", "logprobs", "payment_fingerprint"}


def test_the_report_counts_as_many_partners_as_the_reasons_name(scanned):
    page = (scanned[0] / "findings" / "report.html").read_text(encoding="utf-8")
    assert "with 19 other members" in page
    assert "20 accounts, 190 linked pairs" in page
    assert page.count('<span class="quiet">19 partners</span>') == 20


def test_a_column_that_is_not_read_is_not_called_empty(scanned):
    out = scanned[0] / "findings"
    shares = json.loads((out / "run.json").read_text())["coverage"]["column_shares"]
    assert "response" not in shares
    assert shares["prefix_blocks"] == 0
    page = (out / "report.html").read_text(encoding="utf-8").replace("<bdi>", "")
    assert "Not read by this version, so not looked at: <code>response" in page


def test_exchanges_and_evidence_lead_back_to_the_log(scanned):
    folder = scanned[0]
    log = {row["event_id"]: row["account_id"] for row in pq.read_table(folder / "requests.parquet").to_pylist()}
    exchanges = pq.read_table(folder / "findings" / "exchanges.parquet").to_pylist()
    assert {row["event_id"] for row in exchanges} == {event for event, account in log.items() if account in RING}
    evidence = pq.read_table(folder / "findings" / "evidence.parquet").to_pylist()
    (group,) = json.loads((folder / "findings" / "campaigns.json").read_text())["campaigns"]
    told = group["axes"][0]["evidence"]
    assert {one["kind"] for one in told} >= {"content", "infrastructure"}
    # What accounts do beside one another rests on no single event.
    for one in (each for each in told if each["kind"] in ("content", "infrastructure")):
        mine = [row for row in evidence if row["kind"] == one["kind"] and row["event_id"] in one["event_ids"]]
        assert len(one["event_ids"]) == len(set(one["event_ids"])) == 5
        assert {row["event_id"] for row in mine} == set(one["event_ids"])
        assert [log[event] in RING for event in one["event_ids"]] == [True] * 5
    assert {row["thing"] for row in evidence} == {"phrase", "client_ip"}
    assert all(log[row["event_id"]] == row["account_id"] for row in evidence)


def test_json_is_one_group_a_line(run, scanned):
    folder = scanned[0]
    arguments = ("scan", folder / "requests.parquet", "--accounts", folder / "accounts.parquet")
    groups = [json.loads(line) for line in run(*arguments, "--out", folder / "j", "--json").stdout.splitlines()]
    assert {group["verdict"] for group in groups} >= {"campaign", "open_coordination"}


def test_scanning_twice_gives_the_same_bytes(run, scanned):
    folder = scanned[0]
    arguments = ("scan", folder / "requests.parquet", "--accounts", folder / "accounts.parquet")
    run(*arguments, "--out", folder / "again")
    for name in FILES:
        assert (folder / "findings" / name).read_bytes() == (folder / "again" / name).read_bytes(), name


def test_how_many_processes_read_changes_no_row_and_no_order(run, scanned):
    folder = scanned[0]
    arguments = ("scan", folder / "requests.parquet", "--accounts", folder / "accounts.parquet")
    run(*arguments, "--out", folder / "alone", "--workers", 1)
    for path in (folder / "findings").glob("*.parquet"):
        assert pq.read_table(path).equals(pq.read_table(folder / "alone" / path.name)), path.name
    assert (folder / "findings" / "campaigns.json").read_bytes() == (folder / "alone" / "campaigns.json").read_bytes()


@pytest.mark.parametrize("flags", [["--keep-ids"], []])
def test_the_text_free_sketch_scans_to_the_same_result(run, scanned, tmp_path, flags):
    folder = scanned[0]
    sketches = tmp_path / "sketches.parquet"
    run("sketch", folder / "requests.parquet", "--out", sketches, *flags)
    names = pq.read_schema(sketches).names
    assert not {"prompt", "system_prompt", "response", "assistant_prefill"} & set(names)
    assert b"examiner" not in sketches.read_bytes()
    accounts = ["--accounts", folder / "accounts.parquet"] if flags else []
    run("scan", sketches, *accounts, "--out", tmp_path / "from-sketch")
    found = members(tmp_path / "from-sketch")
    if flags:
        assert found == set(RING)
    else:
        assert all(name.startswith("p1_") for name in pq.read_table(sketches)["account_id"].to_pylist())


def test_pseudonymised_results_name_nobody_and_still_join_the_accounts_table(run, scanned, tmp_path):
    folder = scanned[0]
    out = tmp_path / "hidden"
    arguments = ("scan", folder / "requests.parquet", "--accounts", folder / "accounts.parquet")
    run(*arguments, "--out", out, "--pseudonymise")
    assert len(members(out)) == len(RING)
    groups = pq.read_table(out / "groups.parquet").to_pylist()
    assert any(group["verdict"] == "open_coordination" for group in groups)
    for path in out.iterdir():
        assert b"acct-0" not in path.read_bytes(), path.name
        assert b"198.51.100" not in path.read_bytes(), path.name


def test_swapping_every_country_changes_no_verdict(run, tmp_path):
    made = rows()
    rng = random.Random(1)
    swapped = [{**row, "country": rng.choice(["KP", "FR", "US", None])} for row in made]
    results = []
    for name, log_rows in (("as-is", made), ("swapped", swapped)):
        (tmp_path / name).mkdir()
        log, accounts = write(tmp_path / name, log_rows)
        run("scan", log, "--accounts", accounts, "--out", tmp_path / name / "out")
        results.append((tmp_path / name / "out" / "campaigns.json").read_bytes())
    assert results[0] == results[1]


def test_strangers_dealt_each_others_requests_are_not_found_and_the_report_says_what_it_could_miss(run, tmp_path):
    made = [row for row in rows() if row["account_id"] not in {*RING, *CUSTOMER}]
    rng = random.Random(2)
    owners = [row["account_id"] for row in made]
    rng.shuffle(owners)
    log, accounts = write(tmp_path, [{**row, "account_id": who} for row, who in zip(made, owners, strict=True)])
    done = run("scan", log, "--accounts", accounts, "--out", tmp_path / "out")
    assert members(tmp_path / "out") == set()
    assert "prove inject" in done.stdout
    assert "prove inject" in (tmp_path / "out" / "report.html").read_text()


def test_broken_rows_are_set_aside_with_reasons_and_the_rest_goes_on(run, tmp_path):
    log = tmp_path / "requests.jsonl"
    good = [{**row, "time": row["time"].isoformat()} for row in rows(requests=3_000)]
    lines = [json.dumps(row) for row in good]
    lines[10:10] = ["{not json", json.dumps({**good[0], "event_id": "x", "time": "yesterday"}), "[" * 5_000]
    lines.append(json.dumps(good[5]))
    log.write_text("\n".join(lines) + "\n")
    done = run("scan", log, "--out", tmp_path / "out")
    refused = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    assert len(refused) == 4
    assert "events.repeated_id" in {row["code"] for row in refused}
    assert all(row["reason"] for row in refused)
    assert "4 rows refused" in done.stdout
    assert json.loads((tmp_path / "out" / "run.json").read_text())["coverage"]["rows_kept"] == 3_000


def test_a_truncated_file_stops_the_scan_and_leaves_the_old_result(run, scanned, tmp_path):
    folder = scanned[0]
    out = tmp_path / "out"
    run("scan", folder / "requests.parquet", "--out", out)
    before = (out / "campaigns.json").read_bytes()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes((folder / "requests.parquet").read_bytes()[:-2_000])
    done = run("scan", broken, "--out", out, expect=3)
    assert "error [events." in done.stderr
    assert "do:" in done.stderr
    assert (out / "campaigns.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scan", "nowhere.parquet", "--out", "o"], 3),
        (["scan"], 2),
        (["scan", "x.parquet", "--out", "o", "--engine", "abacus"], 2),
        (["scan", "x.parquet", "--out", "o", "--storage", "novalue"], 2),
    ],
)
def test_mistakes_have_their_exit_code(run, arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, expect=code).stderr


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-05", "2026-03-05T00:00:00"),
        ("2026-03-05 06:00:00", "2026-03-05T06:00:00"),
        ("2026-03-05T00:00:00Z", "2026-03-05T00:00:00"),
        ("2026-03-05t00:00:00z", "2026-03-05T00:00:00"),
        ("2026-03-05T00:00:00.123456+02:00", "2026-03-04T22:00:00.123456"),
        ("2026-03-05T00:00:00.123456789Z", "2026-03-05T00:00:00.123456"),
        ("2026-03-05 00:00:00 +0000 UTC", "2026-03-05T00:00:00"),
    ],
)
def test_until_takes_the_times_that_we_print(text, utc):
    wanted = datetime.datetime.fromisoformat(utc).replace(tzinfo=datetime.UTC)
    since = wanted - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert MomentType().convert(text, None, None) == since // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["tomorrow", "", "2026-02-30", "05.03.2026"])
def test_what_is_no_time_is_no_until(text):
    with pytest.raises(click.BadParameter, match="is no time such as 2026-03-05"):
        MomentType().convert(text, None, None)


def test_until_leaves_out_the_future(run, scanned, tmp_path):
    folder = scanned[0]
    run("scan", folder / "requests.parquet", "--out", tmp_path / "out", "--until", "2026-03-04T00:00:00Z")
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["clock_last"] < "2026-03-04"


def test_a_scan_killed_at_any_moment_leaves_the_old_result(run, scanned, home, tmp_path):
    folder = scanned[0]
    out = tmp_path / "out"
    arguments = ["scan", folder / "requests.parquet", "--accounts", folder / "accounts.parquet", "--out", out]
    run(*arguments)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for wait_s in (0.4, 0.9, 1.3, 1.7):
        scan = subprocess.Popen(
            [sys.executable, "-m", "spiritsafe.cli.main", *map(str, arguments)],
            env={**os.environ, "SPIRITSAFE_HOME": str(home), **KEYS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(wait_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(scan.pid, signal.SIGKILL)
        scan.wait()
        assert {path.name for path in out.iterdir()} == FILES
        assert (out / "campaigns.json").read_bytes() == before["campaigns.json"]
    run(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_unknown_extra_column_is_carried_past_and_harms_nothing(run, scanned, tmp_path):
    table = pq.read_table(scanned[0] / "requests.parquet")
    log = tmp_path / "more.parquet"
    pq.write_table(table.append_column("weather", pa.array(["rain"] * table.num_rows)), log)
    run("scan", log, "--accounts", scanned[0] / "accounts.parquet", "--out", tmp_path / "out")
    assert members(tmp_path / "out") == set(RING)


def test_nothing_found_says_what_would_have_been_found(run, scanned, tmp_path):
    ordinary = [row for row in rows(requests=2_000) if row["account_id"] not in {*RING, *CUSTOMER}]
    log, accounts = write(tmp_path, ordinary)
    planted = tmp_path / "injected"
    sizes = ("--sizes", "16", "--stealth", "0", "--repeats", "1")
    run("prove", "inject", log, "--accounts", accounts, "--out", planted, *sizes, "--quiet")
    done = run("scan", log, "--accounts", accounts, "--out", tmp_path / "out", "--injected", planted)
    assert "planted" in done.stdout
    assert "planted" in json.loads((tmp_path / "out" / "run.json").read_text())["detection_limit"]
    assert "On a copy of this log" in done.stdout
    assert "cli.injected" in run("scan", log, "--out", tmp_path / "out", "--injected", log, expect=3).stderr
    other = run("scan", log, "--out", tmp_path / "out", "--injected", planted)
    assert "Measured with other tables beside this log (accounts)" in other.stdout
    pq.write_table(pq.read_table(log).slice(1), tmp_path / "later.parquet")
    run("scan", tmp_path / "later.parquet", "--accounts", accounts, "--out", tmp_path / "out", "--injected", planted)
    told = json.loads((tmp_path / "out" / "run.json").read_text())["detection_limit"]
    assert told.startswith("Measured on another log, not on the one scanned here")
