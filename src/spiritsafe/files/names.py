"""Is a path the same for every library? Python hands file names on as bytes; Arrow and DuckDB write them as UTF-8.

A name with a byte that is no UTF-8, or one that Python reads in another encoding, would be two files, or none.
Asked by `files.destinations`, `files.staging` and `events.sources`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_plain(path: str | Path) -> bool:
    """Whether the path's bytes on disk are its text in UTF-8.

    Examples
    --------
    >>> is_plain("logs/a.jsonl"), is_plain("a\\udcff.jsonl")
    (True, False)
    """
    text = os.fspath(path)
    try:
        return os.fsencode(text) == text.encode()
    except UnicodeEncodeError:
        return False


def told(path: str | Path) -> str:
    """A path that is not plain, by its bytes, and what is wrong with it."""
    shown = os.fspath(path).encode("utf-8", "surrogateescape")
    encoding = sys.getfilesystemencoding()
    return f"{shown!r} is no name in UTF-8" if encoding == "utf-8" else f"{shown!r} is taken for {encoding} here"


def plain_hint(otherwise: str) -> str:
    """What to do about a path that is not plain: set the encoding of this session right, or `otherwise`."""
    return otherwise if sys.getfilesystemencoding() == "utf-8" else f"set PYTHONUTF8=1; or {otherwise}"
