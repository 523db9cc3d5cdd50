"""What is installed from a built package is what stands here, data and licence included."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.house.repository import ROOT, files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_package_holds_every_file_of_the_source(wheel):
    source = ROOT / "src"
    wanted = {str(path.relative_to(source)) for path in files() if path.is_relative_to(source)}
    assert wanted - set(wheel.namelist()) == set()


def test_the_package_carries_its_licence_and_the_notice(wheel):
    names = [name.rpartition("/")[2] for name in wheel.namelist() if ".dist-info/" in name]
    assert {"LICENSE", "NOTICE"} <= set(names)


def test_the_licence_is_apache_2(wheel):
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()


def test_the_version_is_told_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    printed = subprocess.run(
        [sys.executable, "-c", "import spiritsafe; print(spiritsafe.__version__)"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert printed == project["version"]
