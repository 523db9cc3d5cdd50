"""The lock files: every package by exact version and hash, no address, one set of versions for all."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.repository import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,._-]+\])?==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_is_an_exact_pin_or_a_hash(lock):
    logical = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    loose = [
        line
        for line in logical
        if not re.fullmatch(r"[a-z0-9][^\s=]*==\S+(\s*;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line)
    ]
    assert loose == [], "write the locks with `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_an_address(lock):
    assert not re.search(r"://|--(extra-)?index|--find-links|@ file", lock.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["runtime.txt", "bootstrap.txt"])
def test_the_demo_and_the_tests_run_on_the_same_versions(part):
    dev = pins("dev.txt")
    other = {name: version for name, version in pins(part).items() if dev.get(name, version) != version}
    assert other == {}, "write the locks with `make lock`: it constrains this one by dev.txt"


def test_the_tests_have_all_that_the_demo_has():
    assert set(pins("runtime.txt")) <= set(pins("dev.txt"))


def test_what_pyproject_asks_for_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"runtime.txt": project["dependencies"], "dev.txt": list(project["dependencies"])}
    for extra in project["optional-dependencies"].values():
        wanted["dev.txt"] += extra
    for lock, requirements in wanted.items():
        names = {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower() for line in requirements} - {"spiritsafe"}
        assert names <= set(pins(lock)), f"requirements/{lock} is behind pyproject.toml: run `make lock`"
