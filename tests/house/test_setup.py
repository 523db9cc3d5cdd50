"""The set-up on machines that are not as we would like them, and the promises of the Makefile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.house.repository import ROOT

SETUP = ROOT / "scripts" / "setup.sh"
JAVA_HOME = ROOT / "scripts" / "java_home.sh"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def java(home: Path, version: str) -> Path:
    """A folder that answers `java -version` as a real one does."""
    program(home / "bin" / "java", f"echo 'openjdk version \"{version}\" 2026-10-21' >&2")
    return home


def run(script: Path, *arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", script, *arguments],
        env={"PATH": f"{path}:/usr/bin:/bin", "HOME": str(path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_newer_java_on_the_path_and_in_java_home_is_passed_over(tmp_path):
    wanted = java(tmp_path / "jvm" / "java-17-openjdk-amd64", "17.0.9")
    newer = java(tmp_path / "jdk-25", "25.0.1")
    done = run(JAVA_HOME, path=newer / "bin", JAVA_HOME=str(newer), JVM_ROOT=str(tmp_path / "jvm"))
    assert done.stdout.strip() == str(wanted)


def test_java_21_serves_when_there_is_no_17(tmp_path):
    newer = java(tmp_path / "jdk-25", "25.0.1")
    wanted = java(tmp_path / "anywhere" / "jdk-21", "21.0.4")
    done = run(JAVA_HOME, path=newer / "bin", JAVA_HOME=str(wanted), JVM_ROOT=str(tmp_path / "none"))
    assert done.stdout.strip() == str(wanted)


@pytest.mark.parametrize("version", ["25.0.1", "11.0.2", "1.8.0_392"])
def test_any_other_java_is_refused_with_the_line_that_installs_one(tmp_path, version):
    other = java(tmp_path / "jdk", version)
    done = run(JAVA_HOME, path=other / "bin", JAVA_HOME=str(other), JVM_ROOT=str(tmp_path / "none"))
    assert done.returncode == 5
    assert done.stdout == ""
    assert "apt-get install -y --no-install-recommends openjdk-17-jre-headless" in done.stderr


def test_who_is_not_root_gets_a_list_and_nothing_is_changed(tmp_path):
    newer = java(tmp_path / "jdk-25", "25.0.1")
    program(newer / "bin" / "id", "echo 1000")
    program(newer / "bin" / "apt-get", f"touch {tmp_path}/touched")
    done = run(SETUP, "test", path=newer / "bin", JVM_ROOT=str(tmp_path / "none"))
    assert done.returncode == 5
    assert "only root may install them" in done.stderr
    assert "a Java 17 (or 21) runtime" in done.stderr
    assert "apt-get install -y --no-install-recommends openjdk-17-jre-headless" in done.stderr
    assert not (tmp_path / "touched").exists()


def test_a_failed_installation_ends_in_the_same_list(tmp_path):
    newer = java(tmp_path / "jdk-25", "25.0.1")
    program(newer / "bin" / "id", "echo 0")
    program(newer / "bin" / "apt-get", "echo 'no route to the mirror' >&2; exit 100")
    done = run(SETUP, "test", path=newer / "bin", JVM_ROOT=str(tmp_path / "none"))
    assert done.returncode == 5
    assert "could not install openjdk-17-jre-headless" in done.stderr
    assert "no route to the mirror" in done.stderr


def test_the_demo_asks_for_no_java(tmp_path):
    newer = java(tmp_path / "jdk-25", "25.0.1")
    missing = {
        part: run(SETUP, part, "--missing", path=newer / "bin", JVM_ROOT=str(tmp_path / "none")).stdout.split()
        for part in ("demo", "test")
    }
    assert missing == {"demo": [], "test": ["openjdk-17-jre-headless"]}


def test_an_unknown_part_is_a_usage_error(tmp_path):
    done = run(SETUP, "everything", path=tmp_path)
    assert done.returncode == 2
    assert "demo|test" in done.stderr


def test_make_alone_says_what_can_be_done():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "check", "bench", "soak", "docs", "setup", "lock", "clean"):
        assert f"make {target} " in done.stdout


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_every_script_stops_at_the_first_error_and_is_executable(script):
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
