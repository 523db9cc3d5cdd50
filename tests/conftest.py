"""What every test may rely on: a Java for Spark, no settings of the person who runs it, repeatable examples.

Also deals the tests to the workers of `make test`: a file stays together, all of Spark runs on one worker
(its session takes 20 s to start), and what takes longest goes first.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SPARK: Final = {
    str(path.relative_to(ROOT)) for path in ROOT.glob("tests/*/*.py") if "mark.spark" in path.read_text("utf-8")
}
LONG: Final = (*sorted(SPARK), "tests/journeys/", "tests/proving/", "tests/house/test_docs_examples.py")

# Examples are the same on every run and every machine, and a slow moment of the machine is no failure.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("soak", deadline=None, print_blob=True, max_examples=2_000)
hypothesis.settings.load_profile("house")

for name in list(os.environ):
    if name.startswith("SPIRITSAFE_") and name != "SPIRITSAFE_SHARED_DATA":
        del os.environ[name]
# Spark binds other addresses unless told, and takes whatever Java is on PATH unless told.
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
_JAVA: Final = subprocess.run([ROOT / "scripts" / "java_home.sh"], capture_output=True, text=True, check=False)
if _JAVA.returncode == 0:
    os.environ["JAVA_HOME"] = _JAVA.stdout.strip()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first, so that one worker is not left alone with it at the end."""
    order = len(LONG)
    items.sort(key=lambda item: next((i for i, start in enumerate(LONG) if item.nodeid.startswith(start)), order))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out whole files, and all files that use Spark to one worker.

    pytest-xdist's own groups (`--dist loadgroup`) have no effect with pytest 9.2, which ignores the renamed
    node ids that they rest on.
    """
    from xdist.scheduler import LoadFileScheduling

    deal = LoadFileScheduling(config, log)
    deal._split_scope = lambda nodeid: "spark" if _file(nodeid) in SPARK else _file(nodeid)
    return deal


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A Spark test without a Java fails with the line that installs one."""
    if item.get_closest_marker("spark") and _JAVA.returncode != 0:
        pytest.fail(_JAVA.stderr.strip(), pytrace=False)
