"""A round that is killed at any boundary and done again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from spiritsafe.guard.home import journal_path, open_parameters, roster_path
from spiritsafe.guard.journal import Journal
from spiritsafe.roster import Roster
from spiritsafe.settings import load_settings
from spiritsafe.watch.state import read_manifest
from tests.guard.guards import request
from tests.journeys.watching import composed_days, land, run

ROOT = Path(__file__).resolve().parents[2]
DEAD = -signal.SIGKILL


class Place:
    """A landing folder and a home, of which copies are made."""

    def __init__(self, folder: Path, world: Path) -> None:
        self.folder, self.world = folder, world
        self.environment = os.environ | {"SPIRITSAFE_HOME": str(folder / "home")}

    def copy(self, folder: Path) -> Place:
        shutil.copytree(self.folder, folder)
        return Place(folder, self.world)

    def told(self, *command: str) -> list[Any]:
        """What a command says, a line each."""
        return [json.loads(line) for line in run(self.environment, *command, "--json").stdout.splitlines()]

    def round(self, at: int) -> tuple[int, int]:
        """One round, killed at boundary `at`; how it ended, and how many boundaries it passed."""
        told = self.folder / "passed"
        arguments = ["watch", "logs", "--collect", "--accounts", self.world / "w" / "accounts.parquet", "--once",
                     "--settle", "0", "--look", "always", "--look-every", "0.001", "--quiet"]  # fmt: skip
        command = [sys.executable, "-m", "tests.journeys.killed", at, told, *arguments]
        done = subprocess.run(
            list(map(str, command)), env=self.environment | {"PYTHONPATH": str(ROOT)}, cwd=self.folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, DEAD), done.stderr
        return done.returncode, int(told.read_text()) if told.exists() else -1

    def comes(self, begin: int, count: int) -> None:
        """Days of the log land, and a guard writes down what came in."""
        land(self.world, self.folder, count, skip=begin)
        newest = max((self.folder / "logs").iterdir())
        at_us = pc.max(pq.read_table(newest, columns=["time"])["time"].cast("int64")).as_py()
        settings = load_settings({"home": self.folder / "home"})
        journal = Journal(journal_path(settings.open_home()), open_parameters(settings).metadata(), every_s=60)
        for number in range(5):
            one = request(f"asked-{number}")
            one.event_id, one.time_us = f"g{begin}-{number}", at_us - number
            journal.add(one, None, None, status=200)
        journal.close()

    def outcome(self) -> dict[str, Any]:
        """All that must not depend on who was killed when."""
        state = self.folder / "home" / "state"
        manifest = read_manifest(state)
        rows = pa.concat_tables(
            [pq.read_table(state / part.name) for part in manifest.parts], promote_options="permissive"
        )
        cases = self.told("case", "list")
        filed = Counter(entry["record"] for entry in self.told("evidence", "list"))
        roster = Roster(roster_path(self.folder / "home"))
        campaigns = [roster.campaign(at) for at in range(roster.campaigns)]
        named = {name for part in manifest.parts for name in (part.name, part.keys)} | {manifest.often}
        there = {str(path.relative_to(state)) for path in state.rglob("*.parquet")} - {"attestations.parquet"}
        there = {name for name in there if not name.startswith("looks/")}
        return {
            "rows": rows.sort_by([("time", "ascending"), ("event_id", "ascending")]),
            "counts": (manifest.rows, manifest.repeated, manifest.late, manifest.refused, len(manifest.seen)),
            "cases": Counter((case["number"], case["state"], case["members"]) for case in cases),
            "filed": {record: count for record, count in filed.items() if record != "roster/1"},
            "guards": sorted((one.campaign_id, one.members, one.confirmed) for one in campaigns),
            "accounts": roster.accounts,
            "stray": there ^ named,
            "looks": {path.name for path in state.glob("looks/*")} ^ {look.look_id for look in manifest.looks},
            "left": [path.name for path in journal_path(self.folder / "home").iterdir()],
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return composed_days(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def begun(world, tmp_path_factory):
    """A place where one round was made and more has come; and what comes of it when nobody is killed."""
    (folder := tmp_path_factory.mktemp("begun") / "place").mkdir()
    (folder / "logs").mkdir()
    place = Place(folder, world)
    place.comes(0, 6)
    assert place.round(-1)[0] == 0
    place.comes(6, 3)
    whole = place.copy(folder.parent / "whole")
    code, passed = whole.round(-1)
    assert (code, passed > 40) == (0, True)
    return place, whole.outcome(), passed


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        assert value.equals(other[name]) if name == "rows" else value == other[name], name


@pytest.mark.parametrize("some", [3, pytest.param(0, marks=pytest.mark.soak)])
def test_a_round_is_done_again_wherever_it_was_killed(begun, tmp_path, some):
    """At three boundaries, or at all of them."""
    place, wanted, passed = begun
    assert (wanted["stray"], wanted["looks"], wanted["left"]) == (set(), set(), [])
    step = max(1, passed // some) if some else 1
    for at in range(step // 2, passed, step):
        killed = place.copy(tmp_path / "killed")
        assert killed.round(at)[0] == DEAD
        assert killed.round(-1)[0] == 0
        same(killed.outcome(), wanted)
        shutil.rmtree(killed.folder)
