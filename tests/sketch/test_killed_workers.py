"""A process that reads and sketches is killed, as the system does when memory runs out."""

import errno
import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from spiritsafe.events.model import Shard
from spiritsafe.events.sources import ReadOptions, open_source
from spiritsafe.sketch.parameters import SketchParameters
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


def two_files(folder: Path) -> tuple[Sequence[Shard], SketchTask]:
    for name in ("a", "b"):
        (folder / name).mkdir()
        write(folder / name, rows(requests=300))
    source = open_source([folder / name / "requests.parquet" for name in ("a", "b")], ReadOptions())
    return source.shards, SketchTask(ReadOptions(), SketchParameters(key=b"k" * 32, key_id="test"), folder / "out")


@pytest.mark.parametrize("another", ["is not needed", "has just begun", "is about to begin"])
def test_a_killed_worker_is_a_matter_of_the_machine_and_not_a_bug(tmp_path, monkeypatch, another):
    begin, begun = SpawnProcess.start, []

    def start(process):
        begun.append(process)
        if len(begun) == 2 and another == "is about to begin":
            time.sleep(3)  # the pool breaks meanwhile and closes the queue that this one is to be given
        begin(process)
        if len(begun) == 2 and another == "has just begun":
            time.sleep(1)  # the pool breaks meanwhile, and does not know of this one yet

    monkeypatch.setattr(SpawnProcess, "start", start)
    shards, task = two_files(tmp_path)
    killer = threading.Thread(target=kill_the_first_worker)
    killer.start()
    with pytest.raises(WorkerKilledError, match="memory") as caught:
        write_sketches(shards, task, workers=2)
    killer.join()
    assert caught.value.exit_code == 5
    assert "--workers" in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.EBADF, "handle is closed"),
        ValueError("bad value(s) in fds_to_keep"),  # a descriptor of the broken pool was closed, and given out again
    ],
    ids=["no memory", "a closed queue", "a descriptor twice"],
)
def test_a_worker_that_cannot_be_started_is_a_matter_of_the_machine_too(tmp_path, monkeypatch, error):
    def start(process):
        raise error

    monkeypatch.setattr(SpawnProcess, "start", start)
    shards, task = two_files(tmp_path)
    with pytest.raises(WorkerKilledError, match="memory"):
        write_sketches(shards, task, workers=2)
