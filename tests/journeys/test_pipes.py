"""Somebody looks at the first line only: `spiritsafe doctor log | head -1`."""

import os
import subprocess
import sys

import pytest

from tests.journeys.small_log import rows, write


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write(tmp_path_factory.mktemp("log"), rows(requests=600))[0]


def through(pipe: str, log, tmp_path) -> tuple[list[str], str]:
    """PIPESTATUS of a shell pipe, and what went to standard error."""
    done = subprocess.run(
        ["/bin/bash", "-c", f'{pipe}; echo "${{PIPESTATUS[@]}}" >statuses'],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "SPIRITSAFE_HOME": str(tmp_path / "home"), "LOG": str(log),
             "SS": f"{sys.executable} -m spiritsafe.cli.main"},
    )  # fmt: skip
    return (tmp_path / "statuses").read_text().split(), done.stderr


@pytest.mark.parametrize(
    "typed",
    [
        "$SS doctor $LOG | head -1",
        "$SS doctor $LOG | true",
        "$SS doctor $LOG --json | head -c 10",
        "$SS --help | true",
        "$SS completion bash | true",
        "$SS scan $LOG --out found 2>&1 | true",
    ],
)
def test_a_reader_that_goes_away_is_no_error(log, tmp_path, typed):
    statuses, said = through(typed, log, tmp_path)
    assert statuses == ["0", "0"], said
    assert said == ""
    assert (tmp_path / "found" / "report.html").is_file() or "scan" not in typed


def test_an_error_keeps_its_code_in_a_pipe(log, tmp_path):
    statuses, said = through("$SS doctor nothing.parquet | true", log, tmp_path)
    assert statuses == ["3", "0"]
    assert "events.not_found" in said
    assert through("$SS doctor nothing.parquet 2>&1 | true", log, tmp_path)[0] == ["3", "0"]
