"""A machine that kills `spiritsafe sketch` in the middle keeps nobody's names lying about."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.small_log import rows, write

PATIENCE_S = 60


@pytest.fixture
def logs(tmp_path):
    """Four files, so that there is work for two processes."""
    made = rows(requests=20_000)
    paths = []
    for number in range(4):
        (tmp_path / f"day{number}").mkdir()
        day = [{**row, "event_id": f"{number}-{row['event_id']}"} for row in made]
        paths.append(write(tmp_path / f"day{number}", day)[0])
    assert sum(path.stat().st_size for path in paths) > 4 << 20, "enough for a pool of processes"
    return paths


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_sketch_takes_its_workers_along_and_the_next_one_sweeps_up(logs, tmp_path):
    scratch, out = tmp_path / "scratch", tmp_path / "out" / "sketches.parquet"
    scratch.mkdir()
    environment = {**os.environ, "SPIRITSAFE_HOME": str(tmp_path / "home"), "SPIRITSAFE_TEMP_DIR": str(scratch)}
    command = [sys.executable, "-m", "spiritsafe.cli.main", "sketch", *map(str, logs), "--out", str(out)]
    command += ["--keep-ids", "--workers", "2", "--quiet"]
    killed = subprocess.Popen(command, env=environment)
    wait_for(lambda: list(scratch.glob("spiritsafe-*/sketches/part-*.parquet")))
    workers = children(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(workers) >= 2
    wait_for(lambda: not any(map(alive, workers)))
    assert list(scratch.glob("spiritsafe-*"))
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in scratch.glob("spiritsafe-*"))
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert list(scratch.iterdir()) == []
    assert list(out.parent.iterdir()) == [out]
