"""A process that reads and sketches is killed, as the system does when memory runs out."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from spiritsafe.events.sources import ReadOptions, open_source
from spiritsafe.sketch.model import SketchParameters
from spiritsafe.sketch.table import SketchTask, WorkerKilledError, write_sketches
from tests.journeys.small_log import rows, write


def kill_the_first_worker() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for listed in Path("/proc/self/task").glob("*/children"):
            for child in listed.read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)
                    return
        time.sleep(0.01)


def test_a_killed_worker_is_a_matter_of_the_machine_and_not_a_bug(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, rows(requests=300))
    source = open_source([tmp_path / name / "requests.parquet" for name in ("a", "b")], ReadOptions())
    task = SketchTask(ReadOptions(), SketchParameters(key=b"k" * 32, key_id="test"), tmp_path / "out")
    killer = threading.Thread(target=kill_the_first_worker)
    killer.start()
    with pytest.raises(WorkerKilledError, match="memory") as caught:
        write_sketches(source.shards, task, workers=2)
    killer.join()
    assert caught.value.exit_code == 5
    assert "--workers" in caught.value.hint
