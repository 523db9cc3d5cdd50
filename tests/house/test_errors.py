"""Every error that we raise on purpose says what it is, once, and leaves with a code that scripts know."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from collections import defaultdict

import pyarrow as pa
import pytest

from scripts.docs import error_classes
from spiritsafe.cli.main import main
from spiritsafe.errors import SpiritsafeError
from tests.house.repository import ROOT, files, told

FAMILIES = "spiritsafe.errors"
ROOM_NOUN = re.compile(r"[a-z_]+\.[a-z_]+(\.[a-z_]+)*")


def ours() -> list[type[SpiritsafeError]]:
    return [kind for kind in error_classes() if kind.__module__ != FAMILIES]


def test_no_two_errors_share_a_code():
    holders = defaultdict(list)
    for kind in error_classes():
        holders[kind.code].append(f"{kind.__module__}.{kind.__name__}")
    shared = {code: names for code, names in holders.items() if len(names) > 1}
    assert not shared, f"give each of these classes a `code` of its own: {told(shared)}"


def test_a_code_names_its_room():
    wrong = {}
    for kind in ours():
        room = kind.__module__.split(".")[1]
        if not ROOM_NOUN.fullmatch(kind.code) or kind.code.split(".")[0] != room:
            wrong[f"{kind.__module__}.{kind.__name__}"] = f"{kind.code!r} should be '{room}.<noun>'"
    assert not wrong, told(wrong)


def test_every_error_belongs_to_a_family_with_an_exit_code():
    wrong = {kind.__name__: kind.exit_code for kind in error_classes() if kind.exit_code not in {2, 3, 4, 5}}
    assert not wrong, told(wrong)


def test_no_family_is_raised_itself():
    """A bare `UsageError` has the code `usage`: no room, no line in docs/reference/errors.md, nothing to look up."""
    families = {kind.__name__ for kind in error_classes() if kind.__module__ == FAMILIES}
    bare = {}
    for path in files():
        if path.suffix != ".py" or not path.is_relative_to(ROOT / "src"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in families:
                bare[f"{path.relative_to(ROOT)}:{node.lineno}"] = f"{node.func.id}: give it a class and code of its own"
    assert not bare, told(bare)


def test_every_error_says_what_it_means_itself():
    undocumented = [kind.__name__ for kind in error_classes() if not inspect.cleandoc(vars(kind).get("__doc__") or "")]
    assert not undocumented, f"open each with a sentence, for docs/reference/errors.md: {told(undocumented)}"


def test_every_error_survives_the_way_back_from_a_worker():
    lost = []
    for kind in error_classes():
        error = kind("what happened", hint="what to do")
        back = pickle.loads(pickle.dumps(error))
        if (type(back), str(back), back.hint) != (kind, "what happened", "what to do"):
            lost.append(kind.__name__)
    assert not lost, f"keep the base's constructor, or define __reduce__: {told(lost)}"


def test_too_little_memory_is_an_error_of_the_machine(monkeypatch, capsys):
    def hungry() -> None:
        raise pa.ArrowMemoryError("malloc of size 8589934592 failed")

    monkeypatch.setattr("spiritsafe.cli.main.commands.main", lambda *_, **__: hungry())
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "log.parquet"])
    assert caught.value.code == 5
    assert "[cli.memory]" in capsys.readouterr().err
