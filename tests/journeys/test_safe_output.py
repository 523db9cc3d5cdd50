"""Somebody mistypes `--out`, or the machine has no room: nothing is lost, and the command says what to do."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spiritsafe.files import staged_folder
from tests.journeys.small_log import rows, write


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write(tmp_path_factory.mktemp("log"), rows(requests=1_500))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, expect=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "spiritsafe.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SPIRITSAFE_HOME": str(tmp_path / "home"), **environment},
        )
        assert done.returncode == expect, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def make(folder: Path, kind: str, log: Path) -> Path:
    """A result folder of a kind, with the log in it."""
    with staged_folder(folder, kind=kind) as staged:
        (staged / "requests.parquet").write_bytes(log.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("prove", ["scan", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["scan", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["scan", "log.parquet", "--accounts", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["scan", "log.parquet", "--map", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["prove", "compose", "--out", "{}"]),
        ("prove", ["prove", "--prompts", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["prove", "inject", "log.parquet", "--out", "{}"]),
        ("inject", ["prove", "inject", "{}/requests.parquet", "--out", "{}"]),
        ("scan", ["sketch", "log.parquet", "--out", "{}/requests.parquet"]),
        ("scan", ["sketch", "{}/requests.parquet", "--out", "{}/requests.parquet"]),
    ],
)
def test_no_other_result_and_no_input_is_destroyed(run, log, tmp_path, kind, arguments):
    made = make(tmp_path / "made", kind, log[0])
    (tmp_path / "log.parquet").write_bytes(log[0].read_bytes())
    before = contents(made)
    done = run(*(part.format(made) for part in arguments), expect=2)
    assert "error [files.destination]" in done.stderr
    assert "do:" in done.stderr
    assert contents(made) == before


def test_the_prompts_survive_a_sketch_in_their_own_place_and_a_sketch_is_renewed(run, log, tmp_path):
    mine = tmp_path / "mylog.parquet"
    mine.write_bytes(log[0].read_bytes())
    for out in ("mylog.parquet", "./mylog.parquet"):
        assert "is what is read" in run("sketch", "mylog.parquet", "--out", out, expect=2).stderr
    assert mine.read_bytes() == log[0].read_bytes()
    for _ in range(2):
        run("sketch", "mylog.parquet", "--out", "s.parquet")
    (tmp_path / "s.parquet.quarantine.parquet").write_text("somebody's notes")
    assert "s.parquet.quarantine.parquet" in run("sketch", "mylog.parquet", "--out", "s.parquet", expect=2).stderr
    assert (tmp_path / "s.parquet.quarantine.parquet").read_text() == "somebody's notes"


def test_an_empty_folder_outlives_a_scan_that_fails(run, tmp_path):
    (tmp_path / "empty").mkdir()
    run("scan", "nothing.parquet", "--out", "empty", expect=3)
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["scan", "{log}", "--out", "nowhere"], "files.destination", 2),
        (["scan", "{log}", "--out", "x" * 300], "files.destination", 2),
        (["sketch", "{log}", "--out", "afile/x.parquet"], "files.destination", 2),
        (["sketch", "{log}", "--out", "x" * 245], "files.destination", 2),
        (["prove", "inject", "{log}", "--out", "afile/x"], "files.destination", 2),
        (["prove", "--out", "afile/x"], "files.destination", 2),
        (["doctor", "{log}", "--write-map", "afile/x.toml"], "files.destination", 2),
        (["doctor", "{log}", "--write-map", "afile"], "cli.map_exists", 2),
        (["prove", "--prompts", "{log}", "--out", "w"], "proving.pool", 3),
        (["prove", "--prompts", "afile", "--out", "w"], "proving.pool", 3),
        (["prove", "--traffic", "{log}", "--out", "w"], "proving.pool", 3),
        (["prove", "--network", "{log}", "--out", "w"], "proving.pool", 3),
    ],
)
def test_what_cannot_be_is_one_line_and_a_hint(run, log, tmp_path, arguments, code, exit_code):
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "afile").write_text("mine")
    done = run(*(part.format(log=log[0]) for part in arguments), expect=exit_code)
    first, hint = done.stderr.strip().splitlines()
    assert f"error [{code}]" in first
    assert "do:" in hint
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["afile", "nowhere"]


@pytest.mark.parametrize("verb", ["scan", "sketch"])
def test_a_temporary_folder_that_is_not_there_is_said(run, log, verb):
    done = run(verb, log[0], "--out", "out", expect=5, SPIRITSAFE_TEMP_DIR="/nonexistent")
    assert "error [files.scratch]" in done.stderr
    assert "SPIRITSAFE_TEMP_DIR" in done.stderr


def test_a_link_to_an_empty_folder_is_filled(run, log, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest").symlink_to("disk")
    run("scan", log[0], "--out", "latest", "--quiet")
    assert (tmp_path / "disk" / "report.html").is_file()
    assert (tmp_path / "latest").is_symlink()
