"""The project as files: where it is, what belongs to it, how to run a part of it in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src" / "spiritsafe"
DOCS: Final = ROOT / "docs"


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project: what git knows, and what it would be told of with `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted({name.decode() for name in listed.stdout.split(b"\0") if name})
    return tuple(path for path in (ROOT / name for name in names) if path.is_file())


def text_files() -> dict[str, str]:
    """Path from the root -> text, of every file that is UTF-8."""
    texts = {}
    for path in files():
        try:
            texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


def modules() -> tuple[str, ...]:
    """The dotted name of every module and package of ours that is there."""
    names = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return tuple(names)


def told(faults: Iterable[str] | Mapping[str, object]) -> str:
    """Faults as a list, one a line, that pytest does not cut."""
    lines = [f"{k}: {v}" for k, v in faults.items()] if isinstance(faults, Mapping) else list(faults)
    return "".join(f"\n  - {line}" for line in lines)


def fresh_python(script: str) -> str:
    """What `script` prints in a new process; its own error as the failure's text."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
