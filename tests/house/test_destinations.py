"""What `--out` may replace: a result of its own kind, and never what is read."""

import errno
import os

import duckdb
import ibis
import pyarrow as pa
import pytest

from spiritsafe.engine import EngineDiskError, EngineMemoryError, duckdb_faults, open_engine
from spiritsafe.files import (
    DestinationError,
    ScratchError,
    SpaceError,
    WriteError,
    check_file,
    check_folder,
    scratch_folder,
    staged_file,
    staged_folder,
    write_parquet,
)
from spiritsafe.settings import load_settings


def result(path, kind="scan"):
    with staged_folder(path, kind=kind) as folder:
        (folder / "requests.parquet").write_text("precious")
    return path


def test_only_a_result_of_the_same_kind_is_replaced(tmp_path):
    world = result(tmp_path / "world", "prove")
    with pytest.raises(DestinationError, match=r"another command \('prove', not 'scan'\)") as caught:
        check_folder(world, kind="scan")
    assert "--out" in caught.value.hint
    assert check_folder(world, kind="prove") == world
    assert (world / "requests.parquet").read_text() == "precious"


@pytest.mark.parametrize(
    "given", ["world/requests.parquet", "world", "world/*.parquet", "w*/req*", "link", "log", "far"]
)
def test_a_folder_that_holds_what_is_read_is_not_replaced(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    result(tmp_path / "world")
    (tmp_path / "link").symlink_to(tmp_path / "world" / "requests.parquet")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "day1").symlink_to(tmp_path / "world" / "requests.parquet")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "month").symlink_to(tmp_path / "log")
    (tmp_path / "log" / "round").symlink_to(tmp_path / "far")
    (tmp_path / "other-name").symlink_to(tmp_path / "world")
    for out in ("world", "other-name", "../" + tmp_path.name + "/world"):
        with pytest.raises(DestinationError, match="is read: replacing it would destroy it"):
            check_folder(tmp_path / out, kind="scan", inputs=["elsewhere.parquet", given])
    check_folder(tmp_path / "world", kind="scan", inputs=["s3://world/requests.parquet", tmp_path / "worlds"])


def test_a_name_that_is_no_utf8_is_refused_before_the_work(tmp_path):
    odd = tmp_path / os.fsdecode(b"found\xff")
    for path in (odd, odd / "plain"):
        with pytest.raises(DestinationError, match=r"found\\xff.* is no name in UTF-8") as caught:
            check_folder(path, kind="scan")
        assert "new --out" in caught.value.hint
        with pytest.raises(DestinationError, match="no name in UTF-8"):
            check_file(path, table="sketches")
    odd.mkdir()
    (tmp_path / "link").symlink_to(odd)
    with pytest.raises(DestinationError, match="no name in UTF-8"):
        check_folder(tmp_path / "link", kind="scan")
    with pytest.raises(ScratchError, match="no name in UTF-8") as also, scratch_folder(odd):
        pytest.fail("the work began")
    assert "SPIRITSAFE_TEMP_DIR" in also.value.hint


def test_an_empty_folder_is_still_there_after_a_failure(tmp_path):
    out = tmp_path / "empty"
    out.mkdir()
    with pytest.raises(ZeroDivisionError), staged_folder(out, kind="scan") as folder:
        (folder / "a").write_text(str(1 // 0))
    assert out.is_dir()
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "disk")
    for text in ("one", "two"):
        with staged_folder(tmp_path / "latest", kind="scan") as folder:
            (folder / "a").write_text(text)
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "disk" / "a").read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "latest"]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("nowhere", "a link to .*which is not there"),
        ("round", "in a circle"),
        ("file", "is a file"),
        ("file/x", "a part of its path is a file"),
        ("x" * 300, "the name is too long"),
        ("x/" + "y" * 300, "the name is too long"),
    ],
)
def test_what_can_be_no_folder_is_said_before_the_work(tmp_path, name, match):
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DestinationError, match=match) as caught, staged_folder(tmp_path / name, kind="scan"):
        pytest.fail("the work began")
    assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        ["file", "nowhere", "round"],
        ["file", "nowhere", "round", "x"],
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_long_name_that_the_disk_takes_is_taken(tmp_path):
    out = tmp_path / ("x" * 250)
    result(result(out))
    assert list(tmp_path.iterdir()) == [out]
    with staged_file(tmp_path / ("y" * 250)) as staged:
        staged.write_text("1")
    assert (tmp_path / ("y" * 250)).read_text() == "1"


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.EROFS, WriteError, 5),
        (errno.EACCES, WriteError, 5),
        (errno.EIO, WriteError, 5),
        (errno.ENOSPC, SpaceError, 5),
        (errno.EDQUOT, SpaceError, 5),
        (errno.ENAMETOOLONG, DestinationError, 2),
    ],
)
def test_what_the_disk_says_has_one_answer_everywhere(tmp_path, monkeypatch, number, kind, code):
    def refuse(*_given, **_more):
        raise OSError(number, os.strerror(number))

    for name in ("mkdtemp", "TemporaryFile"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
    with pytest.raises(kind) as folder, staged_folder(tmp_path / "out", kind="scan"):
        pytest.fail("the work began")
    with pytest.raises(kind) as file, staged_file(tmp_path / "x.parquet"):
        pytest.fail("the work began")
    with pytest.raises(kind) as early:
        check_file(tmp_path / "x.parquet", table="sketches")
    assert {one.value.exit_code for one in (folder, file, early)} == {code}


def test_a_disk_that_fills_up_on_the_way_is_said_and_other_faults_are_not_renamed(tmp_path):
    with pytest.raises(SpaceError), staged_folder(tmp_path / "out", kind="scan"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), staged_folder(tmp_path / "out", kind="scan"):
        (tmp_path / "no such input").read_text()
    with pytest.raises(SpaceError), scratch_folder(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_by_its_own_table(tmp_path):
    ours, other, text = tmp_path / "s.parquet", tmp_path / "r.parquet", tmp_path / "notes"
    write_parquet(pa.table({"a": [1]}), ours, "sketches/1.0")
    write_parquet(pa.table({"a": [1]}), other, "requests/1.0")
    text.write_text("mine")
    check_file(ours, table="sketches")
    check_file(tmp_path / "new" / "s.parquet", table="sketches", inputs=[other])
    assert not (tmp_path / "new").exists()
    for path in (other, text):
        with pytest.raises(DestinationError, match="holds no sketches of ours"):
            check_file(path, table="sketches")
    for given in (ours, tmp_path, tmp_path / "*.parquet"):
        with pytest.raises(DestinationError, match="is what is read"):
            check_file(ours, table="sketches", inputs=[given])
    with pytest.raises(DestinationError, match="a part of its path is a file"):
        check_file(text / "x.parquet", table="sketches")
    with pytest.raises(DestinationError, match="not a file"):
        check_file(tmp_path, table="sketches")


def test_work_in_progress_needs_a_place(tmp_path):
    with pytest.raises(ScratchError, match="nonexistent") as caught, scratch_folder(tmp_path / "nonexistent"):
        pass
    assert "SPIRITSAFE_TEMP_DIR" in caught.value.hint
    with pytest.raises(ScratchError), open_engine("duckdb", load_settings({}), scratch=tmp_path / "nonexistent"):
        pass


def test_duckdb_without_memory_or_space_is_our_error(tmp_path):
    with open_engine("duckdb", load_settings({"memory_limit_bytes": 64 << 20}), scratch=tmp_path) as engine:
        engine._backend.raw_sql("SET max_temp_directory_size = '0MB'")  # type: ignore[attr-defined]
        engine._backend.raw_sql("SET memory_limit = '30MB'")  # type: ignore[attr-defined]
        numbers = ibis.range(0, 2_000_000, 1).unnest().name("n").as_table()
        hungry = numbers.agg(texts=numbers.n.cast("string").collect())
        for run in (engine.arrow, lambda table: engine.keep(table, "kept")):
            with pytest.raises(EngineMemoryError) as caught:
                run(hungry)
            assert caught.value.exit_code == 5
            assert "memory_limit_bytes" in caught.value.hint
    with pytest.raises(SpaceError), duckdb_faults():
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")
    with pytest.raises(EngineDiskError), duckdb_faults():
        raise duckdb.IOException("IO Error: Could not read file")
