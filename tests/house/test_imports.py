"""Rooms import one way, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT, SOURCE, fresh_python

# Each takes 30 ms to a second to import; --help has 200 ms in all.
HEAVY = (
    "ibis",
    "duckdb",
    "pyarrow",
    "pandas",
    "scipy",
    "sklearn",
    "numpy",
    "rich",
    "jinja2",
    "pyspark",
    "fsspec",
)

ROOMS = sorted(".".join(path.parent.relative_to(SOURCE.parent).parts) for path in SOURCE.rglob("__init__.py"))


def loaded_by(script: str) -> set[str]:
    out = fresh_python(f"{script}\nimport sys\nprint('\\n' + ' '.join(sys.modules))")
    return {name.split(".")[0] for name in out.splitlines()[-1].split()} & set(HEAVY)


def test_the_import_contract_holds():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, f"a room imports from a room above it; move the type, not the arrow:\n{done.stdout}"


def test_every_room_is_a_package_with_an_opening_sentence():
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    missing = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file())
    assert missing == [], f"add an __init__.py that opens with the room's question to: {missing}"


def test_help_loads_nothing_heavy():
    script = "from spiritsafe.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass"
    assert loaded_by(script) == set(), "import these inside the function that needs them"


@pytest.mark.parametrize("room", ROOMS)
def test_opening_a_room_loads_nothing_heavy(room):
    heavy = loaded_by(f"import {room}")
    assert heavy == set(), f"{room}/__init__.py loads {sorted(heavy)}; list its public names lazily (PEP 562)"


def test_a_verb_without_work_loads_nothing_heavy():
    script = "\n".join(
        [
            "from spiritsafe.cli.main import VERBS, main",
            "for verb in VERBS:",
            "    try: main([verb, '--help'])",
            "    except SystemExit as left: assert left.code == 0, verb",
        ]
    )
    assert loaded_by(script) == set(), "a verb's module imports these at its top; import them inside the function"


def test_help_loads_little_beside_click():
    """What 0.2 seconds allow; the seconds themselves are measured by benchmarks/speed/start.py."""
    ask = "\nimport sys\nprint('\\n' + ' '.join(sys.modules))"
    script = "from spiritsafe.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    help_, click = (set(fresh_python(code + ask).splitlines()[-1].split()) for code in (script, "import click"))
    assert len(help_ - click) <= 30, sorted(help_ - click)


def test_the_guard_loads_no_analytical_library():
    script = (
        "from tests.guard.guards import guard_of, request\n"
        "import tempfile, pathlib\n"
        "guard_of(pathlib.Path(tempfile.mkdtemp())).decide(request('core', template=True))"
    )
    allowed = {"numpy"}
    refused = (*HEAVY, "stix2", "dbos", "sqlalchemy", "redis", "grpc", "litestar")
    out = fresh_python(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}\nprint('\\n' + ' '.join(sys.modules))")
    assert {name.split(".")[0] for name in out.splitlines()[-1].split()} & {*refused} <= allowed
