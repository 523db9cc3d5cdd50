"""A log whose times name no zone, read with the zone that the operator set once."""

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from spiritsafe.cli.main import commands
from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.sources.errors import NaiveTimeError
from spiritsafe.pipeline import write_sketch_file
from spiritsafe.settings import SettingError
from tests.journeys.small_log import rows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    lines = [json.dumps({**row, "time": f"{row['time']:%Y-%m-%dT%H:%M:%S}"}) for row in rows(requests=400)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIRITSAFE_HOME", str(tmp_path / "home"))
    return tmp_path


VERBS = {
    "scan": ["scan", "log.jsonl", "--out", "found", "--quiet"],
    "sketch": ["sketch", "log.jsonl", "--out", "s.parquet", "--quiet"],
    "doctor": ["doctor", "log.jsonl", "--json"],
    "inject": ["prove", "inject", "log.jsonl", "--out", "i", "--sizes", "8", "--stealth", "0", "--repeats", "1"],
}


def call(*arguments):
    return CliRunner().invoke(commands, [str(one) for one in arguments], catch_exceptions=True)


def first_hour(folder, verb, done):
    """The hour (UTC) of the log's first row, as the command understood it."""
    if verb == "scan":
        return json.loads((folder / "found" / "run.json").read_text())["clock_first"][11:13]
    if verb == "sketch":
        return f"{min(pq.read_table(folder / 's.parquet')['time'].to_pylist()):%H}"
    return json.loads(done.stdout)["clock_first"][11:13] if verb == "doctor" else ""


@pytest.mark.parametrize("verb", VERBS)
def test_environment_and_file_set_the_zone_and_the_flag_beats_both(folder, monkeypatch, verb):
    if verb != "doctor":  # which looks on in UTC and warns
        assert isinstance(call(*VERBS[verb]).exception, NaiveTimeError)
    hours = []
    for zone in ("file", "environment", "flag"):
        if zone == "file":
            (folder / "spiritsafe.toml").write_text('timezone = "Etc/GMT+3"\n')
        elif zone == "environment":
            monkeypatch.setenv("SPIRITSAFE_TIMEZONE", "Etc/GMT+5")
        done = call(*VERBS[verb], *(["--timezone", "Etc/GMT+7"] if zone == "flag" else []))
        if verb == "inject" and zone != "file":
            break  # one real trial will do
        assert done.exit_code == 0, done.exception or done.output
        if verb == "doctor":
            assert "doctor.naive_time" not in done.stdout
        hours.append(first_hour(folder, verb, done))
    assert hours == (["03", "05", "07"] if verb != "inject" else [""])


def test_the_library_reads_the_setting_too(folder, monkeypatch):
    monkeypatch.setenv("SPIRITSAFE_TIMEZONE", "UTC")
    assert write_sketch_file("log.jsonl", out="s.parquet")["rows_kept"] == 400


def test_a_zone_that_does_not_exist_is_said(folder):
    error = call("doctor", "log.jsonl", "--timezone", "Mars/Olympus").exception
    assert isinstance(error, SettingError)
    assert isinstance(error, SpiritsafeError)
    assert "--timezone" in str(error)
    assert error.exit_code == 2
