"""Files are whole or not there."""

import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.files import (
    DestinationError,
    SchemaError,
    check_tag,
    scratch_folder,
    staged_file,
    staged_folder,
    write_atomically,
    write_parquet,
)

WRITER = """
import sys, pathlib
from spiritsafe.files import staged_folder
while True:
    for text in ("one", "two"):
        with staged_folder(pathlib.Path(sys.argv[1]), kind="scan") as folder:
            for number in range(20):
                (folder / f"part-{number}").write_text(text * 1000)
"""

WORKER = """
import sys, time, pathlib
from spiritsafe.files import scratch_folder, staged_file
parent = pathlib.Path(sys.argv[1])
with scratch_folder(parent / "tmp") as scratch, staged_file(parent / "sketches.parquet") as staged:
    (scratch / "part-0").write_text("acct-7")
    staged.write_text("acct-7")
    print("working", flush=True)
    time.sleep(60)
"""
CROWD = """
import sys, pathlib
from spiritsafe.files import scratch_folder
for _ in range(60):
    with scratch_folder(pathlib.Path(sys.argv[1])) as scratch:
        (scratch / "part-0").write_text("mine")
        assert (scratch / "part-0").read_text() == "mine"
"""


def start(program, *arguments):
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_a_new_result_takes_the_place_of_the_old_one_whole(tmp_path):
    out = tmp_path / "findings"
    for text in ("old", "new"):
        with staged_folder(out, kind="scan") as folder:
            (folder / text).write_text(text)
    assert sorted(path.name for path in out.iterdir()) == [".spiritsafe", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]


def test_a_failure_leaves_the_old_result_and_no_litter(tmp_path):
    out = tmp_path / "findings"
    with staged_folder(out, kind="scan") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), staged_folder(out, kind="scan") as folder:
        (folder / "new").write_text(str(1 // 0))
    assert (out / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter1").write_text("...")
    with pytest.raises(DestinationError, match="not a spiritsafe result"), staged_folder(precious, kind="scan"):
        pass
    assert (precious / "chapter1").exists()


def test_an_empty_folder_may_be_used(tmp_path):
    out = tmp_path / "empty"
    out.mkdir()
    with staged_folder(out, kind="scan") as folder:
        (folder / "a").write_text("a")
    assert (out / "a").exists()


def test_killed_at_any_moment_the_result_is_the_old_or_the_new_one(tmp_path):
    out = tmp_path / "findings"
    seen = set()
    for attempt in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(out)])
        deadline = time.monotonic() + 20
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.013 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        texts = {path.read_text() for path in out.glob("part-*")}
        assert len(texts) == 1
        assert len(list(out.glob("part-*"))) == 20
        seen |= {text[:3] for text in texts}
    assert seen <= {"one", "two"}
    with staged_folder(out, kind="scan") as folder:
        (folder / "last").write_text("last")
    assert [path.name for path in tmp_path.iterdir()] == ["findings"], "what killed runs left is swept up"


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "secret"
    write_atomically(path, b"1", mode=0o600)
    write_atomically(path, b"2", mode=0o600)
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ZeroDivisionError), staged_file(path) as staged:
        staged.write_bytes(bytes(1 // 0))
    assert path.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [path]


def test_the_umask_decides_who_may_read_a_file_and_replacing_it_shows_it_to_nobody_else(tmp_path):
    path = tmp_path / "sketches.parquet"
    old = os.umask(0o077)
    try:
        with staged_file(path) as staged:
            staged.write_bytes(b"acct-7")
        write_atomically(tmp_path / "map.toml", b"")
        assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}
        os.umask(0o022)
        write_atomically(tmp_path / "new", b"")
        write_atomically(path, b"acct-8")
    finally:
        os.umask(old)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_was_working_on_is_gone_after_the_next_and_a_live_run_keeps_its_own(tmp_path):
    (tmp_path / "tmp").mkdir()
    killed, live = start(WORKER, tmp_path), start(WORKER, tmp_path)
    try:
        assert killed.stdout.readline() == live.stdout.readline() == "working\n"
        mine = tmp_path / "tmp" / "spiritsafe-findings"
        mine.mkdir()
        assert all(one.stat().st_mode & 0o077 == 0 for one in (tmp_path / "tmp").glob("*.scratch"))
        killed.kill()
        killed.wait()
        assert len(list(tmp_path.glob("tmp/*.scratch"))) == len(list(tmp_path.glob(".sketches*"))) == 2
        with scratch_folder(tmp_path / "tmp") as scratch, staged_file(tmp_path / "sketches.parquet") as staged:
            staged.write_text("")
        assert not scratch.exists()
        assert len(list(tmp_path.rglob("part-0"))) == len(list(tmp_path.glob(".sketches*"))) == 1
        assert mine.exists()
    finally:
        killed.kill()
        live.kill()
        killed.communicate()
        live.communicate()


def test_runs_that_begin_together_do_not_take_each_other_for_abandoned(tmp_path):
    crowd = [start(CROWD, tmp_path) for _ in range(4)]
    assert [one.wait() for one in crowd] == [0, 0, 0, 0]
    for one in crowd:
        one.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_file_says_what_it_is_and_another_kind_or_major_is_refused(tmp_path):
    path = tmp_path / "members.parquet"
    write_parquet(pa.table({"a": [1]}), path, "members/1.4", {"more": "yes"})
    metadata = pq.read_schema(path).metadata
    check_tag(metadata, "members", 1, where="members.parquet")
    assert metadata[b"more"] == b"yes"
    for name, major in (("members", 2), ("groups", 1)):
        with pytest.raises(SchemaError, match=r"members/1\.4") as caught:
            check_tag(metadata, name, major, where="members.parquet")
        assert caught.value.hint
    with pytest.raises(SchemaError, match="nothing we wrote"):
        check_tag(None, "members", 1, where="x")
