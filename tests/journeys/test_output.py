"""Where the output goes may be full, closed, or in another encoding: that is said, and never a traceback."""

import json
import os
import subprocess
import sys

import pytest

from tests.journeys.small_log import rows, write


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write(tmp_path_factory.mktemp("log"), rows(requests=600))[0]


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "u8.jsonl"
    one = {"time": "2026-03-01T00:00:00Z", "account_id": "a", "prompt": "Größe 大きさ"}
    path.write_text("".join(json.dumps({"event_id": str(n), **one}, ensure_ascii=False) + "\n" for n in range(9)))
    return path


def typed(command: str, log, tmp_path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, check=False,
        env={**os.environ, "SPIRITSAFE_HOME": str(tmp_path / "home"), "LOG": str(log),
             "SS": f"{sys.executable} -m spiritsafe.cli.main", **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "$SS doctor $LOG > /dev/full",
        "$SS doctor $LOG --json > /dev/full",
        "$SS scan $LOG --out found > /dev/full",
        "$SS --help > /dev/full",
        "PYTHONUNBUFFERED=1 $SS completion bash > /dev/full",
        "$SS doctor $LOG >&-",
        "$SS scan $LOG --out found >&-",
        "$SS --version 1</dev/null",
    ],
)
def test_output_that_cannot_be_written_is_a_fault_of_the_machine(log, tmp_path, command):
    done = typed(command, log, tmp_path)
    said = done.stderr.decode()
    assert done.returncode == 5, said
    assert "error [cli.output]" in said
    assert "  do: " in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_what_cannot_be_told_still_has_its_code(log, tmp_path, where):
    assert typed(f"$SS doctor nothing.parquet {where}", log, tmp_path).returncode == 3
    assert typed(f"$SS doctor --no-such-option {where}", log, tmp_path).returncode == 2
    assert typed(f"$SS doctor $LOG {where}", log, tmp_path).returncode == 0


def test_letters_that_the_terminal_has_not_are_written_with_a_backslash(letters, tmp_path):
    done = typed("$SS doctor $LOG --show-examples", letters, tmp_path, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "Größe \\u5927".encode("latin-1") in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_json_is_utf8_whatever_the_terminal_has(letters, tmp_path, encoding):
    done = typed("$SS doctor $LOG --show-examples --json", letters, tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "Größe 大きさ" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
