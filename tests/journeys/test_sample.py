"""An operator asks how good a scan was, by looking at accounts that were drawn for it."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from spiritsafe.cli.main import commands
from spiritsafe.errors import SpiritsafeError
from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from tests.journeys.small_log import RING, write


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    log, accounts = write(folder)
    find_campaigns(log, accounts=accounts, out=folder / "found", settings=load_settings({"home": folder / "home"}))
    return folder / "found"


def run(*arguments):
    done = CliRunner().invoke(commands, ["sample", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, (SpiritsafeError, SystemExit)):
        raise done.exception
    return done


def label(sheet, *, rows=None):
    """Fill the sheet in as somebody who knows the truth would."""
    with sheet.open(encoding="utf-8") as file:
        every = list(csv.DictReader(file))
    for row in every[:rows]:
        row["label"] = "campaign" if row["account_id"] in RING else "innocent"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        written = csv.DictWriter(file, every[0])
        written.writeheader()
        written.writerows(every)
    return every


def test_the_sheet_tells_nothing_of_what_the_scan_made_of_an_account(findings, tmp_path):
    done = run(findings, "--out", tmp_path / "review", "--size", 120)
    assert done.exit_code == 0
    assert "120 of 832 accounts drawn" in done.output
    text = (tmp_path / "review" / "review.csv").read_text("utf-8")
    for word in ("verdict", "group", "stratum", "accused", "probability", "c-"):
        assert word not in text
    key = json.loads((tmp_path / "review" / "key.json").read_text())
    assert sum(key["accounts"].values()) == 832
    rows = text.splitlines()[1:]
    first = [place for place, row in enumerate(rows) if row.split(",")[1] in RING]
    assert first != list(range(len(first)))


def test_a_review_says_how_many_of_the_accused_are_right_and_how_many_are_missed(findings, tmp_path):
    accused = pq.read_table(findings / "members.parquet").num_rows
    run(findings, "--out", tmp_path / "review", "--size", 200)
    label(tmp_path / "review" / "review.csv")
    done = run(findings, "--reviewed", tmp_path / "review" / "review.csv")
    assert done.exit_code == 0
    assert "200 accounts reviewed\n" in done.output
    told = json.loads(run(findings, "--reviewed", tmp_path / "review" / "review.csv", "--json").output)
    assert told["schema"] == "review/1.0"
    if accused:
        assert told["precision"]["value"] == 1.0
        assert told["precision"]["low"] <= 1.0 <= told["precision"]["high"]
    assert told["missed"]["low"] <= 20 - accused <= told["missed"]["high"]


def test_who_stopped_half_way_gets_an_answer_and_is_told_so(findings, tmp_path):
    run(findings, "--out", tmp_path / "review", "--size", 100)
    label(tmp_path / "review" / "review.csv", rows=40)
    done = run(findings, "--reviewed", tmp_path / "review" / "review.csv")
    assert "40 accounts reviewed, 60 not yet" in done.output
    assert "A larger --size narrows it." in done.output


def test_a_key_of_another_scan_is_refused(findings, tmp_path):
    run(findings, "--out", tmp_path / "review")
    key = tmp_path / "review" / "key.json"
    told = json.loads(key.read_text())
    key.write_text(json.dumps(told | {"findings_sha256": "0" * 64}))
    done = run(findings, "--reviewed", tmp_path / "review" / "review.csv")
    assert done.exception.code == "campaigns.review"
    assert "another scan" in str(done.exception)


@pytest.mark.parametrize("arguments", [[], ["--out", "x", "--reviewed", __file__]])
def test_one_of_the_two_is_asked_for(findings, arguments):
    assert run(findings, *arguments).exception.code == "cli.sample"


def test_a_folder_that_is_no_scan_is_refused(tmp_path):
    done = run(tmp_path, "--out", tmp_path / "review")
    assert done.exception.code == "campaigns.review"
    assert not (tmp_path / "review").exists()
