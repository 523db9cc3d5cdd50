"""No word in the project belongs to one machine or to one registry, and no file is another's leftover."""

from __future__ import annotations

import re

from tests.house.repository import text_files, told

# Put together here so that this file does not find itself.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb." + "debian.org",
    "proxy." + "golang.org",
    "index.crates" + ".io",
]
REGISTRY = re.compile("|".join(map(re.escape, HOSTS)) + r"|--(extra-)?index-" + r"url|\btrusted-" + "host")
MACHINE = re.compile(r"(?<![A-Za-z0-9_.])/(root|work|home/[a-z]+|Users)" + r"/|" + "/tmp/(plan|house)")
CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for path, text in text_files().items()
        for match in pattern.finditer(text)
    ]


def test_no_file_names_a_registry_host():
    found = hits(REGISTRY)
    assert not found, f"packages are asked for by name; where from is the machine's business: {told(found)}"


def test_no_file_holds_a_path_of_one_machine():
    found = hits(MACHINE)
    assert not found, f"use a path relative to the project, a temporary folder or an argument: {told(found)}"


def test_no_file_holds_a_conflict_marker():
    found = hits(CONFLICT)
    assert not found, told(found)
