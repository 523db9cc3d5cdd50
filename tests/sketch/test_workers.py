"""Worker processes end with the process that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing, sys, time
from spiritsafe.sketch.table import leave_with_parent
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(3, initializer=leave_with_parent) as pool:
        pool.map(time.sleep, [0.01] * 30)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        pool.map(time.sleep, [60] * 3)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_workers_do_not_outlive_a_killed_parent(tmp_path, way):
    (tmp_path / "program.py").write_text(PROGRAM)
    parent = subprocess.Popen([sys.executable, tmp_path / "program.py", way], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 3
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 30
    while any(map(alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
