"""Nothing has grown too long to read in one go."""

from __future__ import annotations

import ast

from tests.house.repository import ROOT, files, told

FILE_LINES = 400
FUNCTION_LINES = 60

# path (or path::function) -> why it may be longer. Empty is the aim.
ALLOWED: dict[str, str] = {}


def python_files() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files() if path.suffix == ".py"}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end: a long docstring is no fault."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long() -> dict[str, str]:
    found = {}
    for path, text in python_files().items():
        lines = text.count("\n") + 1
        if lines > FILE_LINES:
            found[path] = f"{lines} lines, at most {FILE_LINES}: split it by what its parts do"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
                found[f"{path}::{node.name}"] = f"{body_lines(node)} lines, at most {FUNCTION_LINES}"
    return found


def test_no_file_and_no_function_is_too_long():
    report = {where: what for where, what in too_long().items() if where not in ALLOWED}
    assert not report, told(report)


def test_no_exception_is_kept_for_something_that_became_short():
    assert set(ALLOWED) - set(too_long()) == set()
