"""A log is watched as it comes: found, filed, told to the guards by nobody, acted on when one says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spiritsafe.guard.home import roster_path
from spiritsafe.roster import Roster
from tests.journeys.watching import SPIRITSAFE, composed_days, land, run


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return composed_days(tmp_path_factory.mktemp("world"))


@pytest.fixture
def place(world, tmp_path):
    """A landing folder and a home; called with arguments, `spiritsafe` is run there."""
    (tmp_path / "logs").mkdir()
    environment = os.environ | {"SPIRITSAFE_HOME": str(tmp_path / "home")}
    beside = [
        "--accounts",
        world / "w" / "accounts.parquet",
        "--account-events",
        world / "w" / "account_events.parquet",
    ]
    return tmp_path, environment, beside


def once(place, *more):
    return json.loads(
        run(place[1], "watch", place[0] / "logs", *place[2], "--once", "--settle", 0, "--json", *more).stdout
    )


def test_what_is_found_in_pieces_is_what_is_found_at_once(world, place):
    land(world, place[0], 8)
    first = once(place, "--look", "always")
    assert first["look"]["campaigns"] == len(first["look"]["filed"]) > 0
    land(world, place[0], 6, skip=8)
    land(world, place[0], 1)  # the first day comes again
    second = once(place, "--look", "always", "--look-every", 0.001)
    assert (second["taken"]["files"], second["taken"]["rows"]) == (7, second["look"]["taken"] - first["look"]["taken"])
    assert second["taken"]["repeated"] > 0
    run(place[1], "scan", world / "w" / "requests.parquet", *place[2], "--out", place[0] / "whole", "--looks", 336)
    for name in ("campaigns.json", "members.parquet", "groups.parquet", "exchanges.parquet", "fingerprints.parquet"):
        one, other = (Path(folder) / name for folder in (second["look"]["folder"], place[0] / "whole"))
        if name.endswith(".json"):
            assert json.loads(one.read_bytes()) == json.loads(other.read_bytes())
        else:
            assert pq.read_table(one).equals(pq.read_table(other)), name
    roster = Roster(roster_path(place[0] / "home"))
    assert roster.campaigns >= second["look"]["campaigns"]
    assert once(place)["look"] is None  # nothing came: nothing is looked at
    cases = run(place[1], "case", "list", "--json").stdout.splitlines()
    assert len(cases) == len({one["case_id"] for look in (first, second) for one in look["look"]["filed"]})
    told = json.loads(run(place[1], "watch", "--status", "--json").stdout)
    assert (told["rows"], told["repeated"]) == (50165, second["taken"]["repeated"])
    assert "looked up to" in run(place[1], "watch", "--status").stdout


def test_in_between_it_looks_when_there_is_news(world, place):
    """The rest of the first day brings nothing new; a campaign that begins later is found before the day's look."""
    land(world, place[0], 8)
    first = once(place)
    assert first["look"]["shared_by"] == 16  # the look of the day
    assert once(place, "--look-every", 0.001)["look"] is None
    land(world, place[0], 4, skip=8)
    second = once(place, "--look-every", 0.001)
    assert second["look"]["shared_by"] > 1_000
    new = [one for one in second["look"]["filed"] if one["outcome"] == "opened"]
    assert new
    assert json.loads(run(place[1], "watch", "--status", "--json").stdout)["news"] == []


def test_a_case_keeps_the_rows_that_it_rests_on(world, place):
    land(world, place[0], 8)
    filed = once(place)["look"]["filed"]
    ledger = run(place[1], "evidence", "list", "--record", "preserved/1", "--json", check=False)
    kept = [json.loads(line) for line in ledger.stdout.splitlines()]
    assert {one["case"] for one in kept} == {one["case_id"] for one in filed}


def confirm(place, number: int) -> None:
    """A person looks at a case and confirms it."""
    (place[0] / "pass").write_text("correct horse battery staple\n")
    (place[0] / "pass").chmod(0o600)
    given = ["--as", "ada", "--passphrase-file", place[0] / "pass", "--reason", "looked at it"]
    run(place[1], "identity", "person", "add", "ada", "--passphrase-file", place[0] / "pass")
    for state in ("in_review", "confirmed"):
        run(place[1], "case", "move", number, state, *given)


def confirmed(path) -> int:
    """Of how many campaigns the roster says that persons confirmed them."""
    roster = Roster(path)
    return sum(roster.campaign(place).confirmed for place in range(roster.campaigns))


def waited(check, *, seconds: float = 60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come")


def test_once_a_person_confirms_a_case_the_guards_know_it_within_seconds(world, place):
    """Nobody is in between until then; and the watcher that is killed goes on where it was."""
    (place[0] / "home").mkdir(mode=0o700)
    (place[0] / "home" / "spiritsafe.toml").write_text("two_persons = []\n")
    land(world, place[0], 8)
    command = [SPIRITSAFE, "watch", place[0] / "logs", *place[2], "--every", "60", "--settle", "0", "--json"]
    with (
        (place[0] / "out").open("w") as out,
        subprocess.Popen(list(map(str, command)), env=place[1], stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            path = roster_path(place[0] / "home")
            waited(lambda: path.exists() and '"look"' in (place[0] / "out").read_text())
            assert confirmed(path) == 0
            confirm(place, 1)
            waited(lambda: confirmed(path))
        finally:
            process.send_signal(signal.SIGKILL)
    land(world, place[0], 1, skip=8)
    again = once(place, "--look", "always", "--look-every", 0.001)
    assert (again["taken"]["files"], again["look"]["campaigns"] > 0) == (1, True)
    assert confirmed(path) == 1


def test_guards_that_wrote_nothing_yet_are_no_fault(place):
    told = json.loads(run(place[1], "watch", "--collect", "--once", "--json").stdout)
    assert (told["taken"]["rows"], told["collected"], told["look"], told["fault"]) == (0, 0, None, None)


def test_a_watcher_says_that_there_is_nothing_to_read(place):
    command = [SPIRITSAFE, "watch", place[0] / "nowhere", "--json"]
    with subprocess.Popen(list(map(str, command)), env=place[1], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.kill()
    assert told["fault"]["code"] == "events.not_found"


def test_what_is_missing_is_told(place):
    nothing = run(place[1], "watch", check=False)
    assert (nothing.returncode, "no log was named" in nothing.stderr) == (2, True)
    nowhere = run(place[1], "watch", place[0] / "nowhere", "--once", check=False)
    assert nowhere.returncode == 3
    short = run(place[1], "watch", place[0] / "logs", "--keep-days", "3", check=False)
    assert short.returncode == 2
    assert "holds nothing yet" in run(place[1], "watch", "--status").stdout
