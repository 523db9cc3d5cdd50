"""What comes in is written down without any text, whole or not at all, and never holds up whoever asks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from spiritsafe.guard import journal as journal_module
from spiritsafe.guard.journal import Journal
from tests.guard.guards import PARAMETERS, TEMPLATE, guard_of, request
from tests.house.repository import ROOT


def lines(folder, *, ending="jsonl"):
    found = []
    for path in sorted(folder.glob(f"*.{ending}")):
        head, *rest = [json.loads(line) for line in path.read_text().splitlines()]
        assert head["schema"] == "guard_journal/1"
        assert head["spiritsafe.sketch.key_id"] == "k1"
        found += rest
    return found


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal", PARAMETERS.metadata(), every_s=60)
    yield made
    made.close()


def test_a_line_has_the_request_its_sketch_the_decision_and_the_answers_use_and_no_text(tmp_path, journal):
    guard = guard_of(tmp_path)
    asked = request("core", template=True, system_prompt="Be secret.", assistant_prefill="Well,")
    sketch = guard.sketch(str(asked.prompt))
    journal.add(asked, sketch, guard.decide(asked, sketch), status=403, usage={"output_tokens": 7})
    journal.close()
    (line,) = lines(tmp_path / "journal")
    assert line["request"]["account_id"] == "core"
    assert line["sketch"]["phrases"] == list(sketch.phrases)
    assert (line["decision"]["rule"], line["status"], line["output_tokens"]) == ("members", 403, 7)
    (path,) = (tmp_path / "journal").iterdir()
    text = path.read_text()
    assert not {one for one in (TEMPLATE, "secret", "Well") if one in text}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_segment_is_open_and_locked_while_it_is_written_and_whole_afterwards(tmp_path, journal):
    journal.add(request("a"), None, None)
    journal.flush()
    (path,) = (tmp_path / "journal").iterdir()
    assert path.suffix == ".open"
    with path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(lines(tmp_path / "journal", ending="open")) == 1
    journal.close()
    assert [one.suffix for one in (tmp_path / "journal").iterdir()] == [".jsonl"]


def test_a_segment_is_whole_after_so_many_bytes_and_the_next_begins(tmp_path):
    made = Journal(tmp_path / "journal", PARAMETERS.metadata(), every_s=60, segment_bytes=500)
    for at in range(12):
        made.add(request(f"a{at}"), None, None)
        made.flush()
    made.close()
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) > 3
    names = [one["request"]["account_id"] for one in lines(tmp_path / "journal")]
    assert sorted(names) == sorted(f"a{at}" for at in range(12))


def test_it_writes_by_itself_and_makes_segments_whole_in_time(tmp_path):
    made = Journal(tmp_path / "journal", PARAMETERS.metadata(), every_s=0.02, segment_s=0.05)
    made.add(request("a"), None, None)
    deadline = time.monotonic() + 10
    while not list((tmp_path / "journal").glob("*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(lines(tmp_path / "journal")) == 1
    made.close()


def test_when_the_disk_is_full_it_goes_on_and_says_how_much_is_lost(tmp_path, journal, monkeypatch):
    full = True

    def write(file, data):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, data)

    class Os:
        def __getattr__(self, name):
            return write if name == "write" else getattr(os, name)

    monkeypatch.setattr(journal_module, "os", Os())
    for _ in range(3):
        journal.add(request("a"), None, None)
    journal.flush()
    assert (journal.lost, journal.written, journal.fault) == (3, 0, "No space left on device")
    assert list((tmp_path / "journal").iterdir()) == []
    full = False
    journal.add(request("b"), None, None)
    journal.flush()
    full = True
    journal.add(request("c"), None, None)
    journal.flush()
    full = False
    journal.add(request("d"), None, None)
    journal.close()
    assert (journal.lost, journal.written, journal.fault) == (4, 2, "")
    assert sorted(one["request"]["account_id"] for one in lines(tmp_path / "journal")) == ["b", "d"]


def test_what_waits_has_a_bound(tmp_path):
    made = Journal(tmp_path / "journal", PARAMETERS.metadata(), every_s=60, most_waiting=5)
    for _ in range(9):
        made.add(request("a"), None, None)
    made.close()
    assert (made.lost, made.written) == (4, 5)


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from spiritsafe.guard.journal import Journal
from tests.guard.guards import PARAMETERS, request
journal = Journal(Path({folder!r}), PARAMETERS.metadata(), every_s=60)
at = 0
while True:
    for _ in range(20):
        journal.add(request(f"a{{at}}"), None, None)
        at += 1
    journal.flush()
    print(at, flush=True)
"""


@pytest.mark.parametrize("after", [1, 3, 17])
def test_what_was_flushed_is_there_however_the_process_ended(tmp_path, after):
    script = KILLED.format(root=str(ROOT), folder=str(tmp_path / "journal"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(after)][-1]
        process.send_signal(signal.SIGKILL)
    (path,) = (tmp_path / "journal").glob("*.open")
    _, *whole = path.read_bytes().split(b"\n")[:-1]
    names = [json.loads(line)["request"]["account_id"] for line in whole]
    assert names == [f"a{at}" for at in range(len(names))]
    assert len(names) >= acknowledged
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer is gone: whoever collects may take it
