"""Plugins through the real door: small distributions, installed as files on a path of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Protocol

import pytest

from spiritsafe.plugins import (
    Door,
    PluginDuplicateFault,
    PluginFault,
    PluginMissingError,
    PluginShapeFault,
    PluginVersionFault,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GROUP = "spiritsafe.test_tactics"


class Tactic(Protocol):
    """What the tests' plugins fulfil."""

    name: str

    def score(self, text: str, *, limit: int) -> float: ...


DOOR = Door(GROUP, Tactic, api_version=3, oldest_api_version=2)

GOOD = """
    api_version = {version}
    name = "{name}"

    def score(text, *, limit):
        return float(len(text[:limit]))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution with one module and one entry point, as an installer would lay it out."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(distribution: str, source: str, *, name: str | None = None, group: str = GROUP) -> None:
        module = f"{distribution}_module"
        (site / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = site / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name or distribution} = {module}\n")
        (info / "RECORD").write_text("")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def test_an_installed_plugin_is_found_by_name_and_works(install):
    install("rubrics", GOOD.format(version=3, name="rubrics"))
    assert DOOR.names() == ("rubrics",)
    assert DOOR.load("rubrics").score("grade this answer", limit=5) == 5.0


def test_asking_for_names_imports_no_plugin(install):
    install("shy", "raise RuntimeError('imported too early')")
    assert DOOR.names() == ("shy",)
    assert "shy_module" not in sys.modules


def test_an_older_version_that_we_still_speak_is_let_in(install):
    install("older", GOOD.format(version=2, name="older"))
    assert DOOR.load("older").name == "older"


@pytest.mark.parametrize(
    ("version", "way_out"),
    [("4", "update spiritsafe"), ("1", "update the plugin"), ("'3'", "int"), ("True", "int")],
)
def test_a_version_that_we_do_not_speak_is_refused_with_the_way_out(install, version, way_out):
    install("strange", GOOD.format(version=version, name="strange"))
    with pytest.raises(PluginVersionFault, match=r"'strange' \(strange_module, from strange 1\.2\)") as caught:
        DOOR.load("strange")
    assert "wanted 2 to 3" in str(caught.value)
    assert way_out in caught.value.hint


def test_a_plugin_without_a_version_is_refused(install):
    install("silent", "name = 'silent'\ndef score(text, *, limit): return 0.0")
    with pytest.raises(PluginVersionFault, match="states no api_version"):
        DOOR.load("silent")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("name = 'x'", "`score` is missing"),
        ("def score(text, *, limit): return 0.0", "`name` is missing"),
        ("name = 'x'\nscore = 0.5", "`score` must be callable"),
        ("name = 'x'\ndef score(text): return 0.0", "`score` takes (text), but is called with"),
        ("name = 'x'\ndef score(text, more, *, limit): return 0.0", "missing a required argument: 'more'"),
    ],
)
def test_what_a_misshapen_plugin_lacks_is_said(install, source, fault):
    install("misshapen", f"api_version = 3\n{source}")
    with pytest.raises(PluginShapeFault) as caught:
        DOOR.load("misshapen")
    assert fault in str(caught.value)
    assert "Tactic" in str(caught.value)


def test_a_class_that_nobody_made_an_instance_of_is_refused(install):
    install(
        "blueprint",
        """
        class Blueprint:
            api_version = 3
            name = "blueprint"
            def score(self, text, *, limit): return 0.0
        """,
    )
    with pytest.raises(PluginFault):
        DOOR.load("blueprint")


def test_a_plugin_that_takes_more_than_the_protocol_promises_is_let_in(install):
    install("generous", "api_version = 3\nname = 'g'\ndef score(text, extra=1, **more): return 1.0")
    assert DOOR.load("generous").score("x", limit=1) == 1.0


def test_one_name_offered_twice_is_refused_and_both_owners_are_named(install):
    install("one", GOOD.format(version=3, name="one"), name="shared")
    install("two", GOOD.format(version=3, name="two"), name="shared")
    with pytest.raises(PluginDuplicateFault, match=r"from one 1\.2.*from two 1\.2|from two 1\.2.*from one 1\.2"):
        DOOR.load("shared")


def test_an_unknown_name_lists_the_names_there_are(install):
    install("rubrics", GOOD.format(version=3, name="rubrics"))
    with pytest.raises(PluginMissingError) as caught:
        DOOR.load("rubric")
    assert "rubrics" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_broken_plugin_is_named_and_the_others_still_work(install):
    install("rubrics", GOOD.format(version=3, name="rubrics"))
    install("broken", "import no_such_module_anywhere")
    install("ancient", GOOD.format(version=1, name="ancient"))
    told: list[PluginFault] = []
    assert set(DOOR.load_all(report=told.append)) == {"rubrics"}
    assert {fault.code for fault in told} == {"plugins.broken", "plugins.version"}
    assert any("'broken'" in str(fault) and "no_such_module_anywhere" in str(fault) for fault in told)


def test_a_caller_must_say_what_becomes_of_the_refused():
    with pytest.raises(TypeError, match="report"):
        DOOR.load_all()  # type: ignore[call-arg]


def test_a_plugin_of_another_group_stays_outside(install):
    install("elsewhere", GOOD.format(version=3, name="elsewhere"), group="spiritsafe.other")
    assert DOOR.names() == ()


def test_every_registered_built_in_of_ours_can_be_imported():
    """Built-ins use the same door: what pyproject.toml registers must exist."""
    script = (
        "from importlib.metadata import distribution\n"
        "for entry in distribution('spiritsafe').entry_points:\n"
        "    entry.load(); print(entry.group, entry.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"an entry point of ours is broken; mend pyproject.toml:\n{done.stderr}"
    assert "console_scripts spiritsafe" in done.stdout
