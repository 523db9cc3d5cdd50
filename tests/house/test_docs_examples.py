"""Every example in the docs is run as a reader would run it, and says what the page says.

A page's examples run in order in one scratch folder. A page that carries `<!-- world: tiny -->` finds
composed traffic in `world/`. A command that shall fail is written `$ command; echo $?`.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.house.pages import Block, Command, Page, agrees, commands, pages

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND_LIMIT_S = 120
WORLDS = {"tiny": "--recipe demo --size 300"}
PAGES = tuple(page for page in pages() if page.examples)

# Keeps the folder and the exported variables from one command to the next, as a terminal would.
SHELL = """
. "$STATE/exported" 2>/dev/null; cd "$(cat "$STATE/folder" 2>/dev/null || pwd)"
{typed}
left=$?; export -p >"$STATE/exported"; pwd >"$STATE/folder"; exit $left
"""


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Composed traffic by its name in WORLDS, made once a session with the real command."""
    made: dict[str, Path] = {}

    def world(name: str) -> Path:
        assert name in WORLDS, f"no world is called {name!r}; there are: {', '.join(WORLDS)}"
        if name not in made:
            folder = tmp_path_factory.mktemp("worlds") / name
            run(Command(0, f"spiritsafe prove {WORLDS[name]} --out {folder}", ""), folder.parent)
            made[name] = folder
        return made[name]

    return world


def run(command: Command, scratch: Path) -> str:
    """What comes out of one command, errors and all, run by a shell in `scratch`."""
    state = scratch / ".state"
    state.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(state),
        "SPIRITSAFE_HOME": str(state / "spiritsafe"),
        "STATE": str(state),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "TZ": "UTC",
    } | {name: os.environ[name] for name in ("JAVA_HOME", "SPARK_LOCAL_IP", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        ["/bin/bash", "-c", SHELL.format(typed=command.typed)],
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(
            f"line {command.line}: `{command.typed}` left with {done.returncode}; if it shall fail, write "
            f"`{command.typed}; echo $?` and what comes out. It said:\n{done.stdout}",
            pytrace=False,
        )
    return done.stdout


def run_console(block: Block, page: Page, scratch: Path) -> None:
    for command in commands(block):
        out = run(command, scratch)
        if command.expected and not agrees(command.expected, out):
            pytest.fail(
                f"{page.name}:{command.line}: `{command.typed}`\n--- the page says\n{command.expected}\n"
                f"--- it came out\n{out}",
                pytrace=False,
            )


def run_python(block: Block, page: Page, names: dict[str, object]) -> None:
    where = f"{page.name}:{block.line}"
    if ">>>" not in block.text:
        exec(compile("\n" * block.line + block.text, page.name, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text + "\n", names, where, page.name, block.line)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, f"{where}\n{''.join(said)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_do_what_it_says(page, compose, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    if page.world is not None:
        shutil.copytree(compose(page.world), scratch / "world")
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        for block in page.examples:
            if block.language == "console":
                run_console(block, page, scratch)
            else:
                run_python(block, page, names)
    finally:
        end_what_was_started(scratch)


def end_what_was_started(scratch: Path) -> None:
    """End what a page left running: what runs beside it writes its number into a file NAME.pid."""
    for path in scratch.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)
