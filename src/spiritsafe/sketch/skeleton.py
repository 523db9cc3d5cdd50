"""The layout of a prompt: which lines are headings, lists, code, labels; not what they say.

Two prompts that were filled from one form have the same layout however much their contents differ. A plain
text of one paragraph has no layout and no skeleton. Comes from the prompts; goes on to `links`.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final

_LINES_LIMIT: Final = 200
_LABEL_CHARS: Final = 40


def layout(text: str) -> str | None:
    """The line shapes of a text, runs of the same shape once; None where there is nothing but plain lines.

    Examples
    --------
    >>> layout("Question: what is 2+2?\\n\\nRubric:\\n- correct\\n- brief\\n")
    'question:|rubric:|-'
    >>> layout("What is 2+2?") is None
    True
    """
    if "\n" not in text and ":" not in text[:_LABEL_CHARS] and text[:1] not in "#-*{[<`|":
        return None
    shapes: list[str] = []
    in_code = False
    for line in text.split("\n", _LINES_LIMIT)[:_LINES_LIMIT]:
        line = line.strip()  # noqa: PLW2901
        if not line:
            continue
        if line[0] == "`" and line.startswith("```"):
            in_code = not in_code
            shape = "`"
        elif in_code:
            continue
        elif not line[0].isalpha():
            shape = _shape(line)
        elif line.find(":", 0, _LABEL_CHARS) < 0:  # most lines: not worth a call
            shape = "p"
        else:
            shape = _label(line)
        if not shapes or shapes[-1] != shape:
            shapes.append(shape)
    if not shapes or shapes == ["p"]:
        return None
    return "|".join(shapes)


def _shape(line: str) -> str:
    head = line[0]
    if head in "#-*•{[|>":
        return head
    if head == "<" and ">" in line:
        return line[: line.index(">") + 1].split(" ", maxsplit=1)[0].lower()
    if head.isdigit() and line.lstrip("0123456789")[:1] in (".", ")"):
        return "1"
    return _label(line)


def _label(line: str) -> str:
    colon = line.find(":", 0, _LABEL_CHARS)
    if colon > 0 and line[:colon].count(" ") < 4 and not line[colon:].startswith("://"):
        return line[: colon + 1].lower()
    return "p"


def skeleton_key(key: bytes) -> bytes:
    """The key of layouts, from the sketch key."""
    return hashlib.blake2b(key, digest_size=32, person=b"spiritsafe-skkey").digest()


def skeleton_hash(text: str, key: bytes) -> int | None:
    """`layout` as a keyed signed 64-bit hash; None for a plain text."""
    shape = layout(text)
    if shape is None:
        return None
    return _shape_hash(shape, key)


@functools.lru_cache(maxsize=1 << 12)
def _shape_hash(shape: str, key: bytes) -> int:
    """Layouts are few and come back: most are hashed once."""
    digest = hashlib.blake2b(shape.encode("utf-8", "surrogatepass"), digest_size=8, key=key, person=b"spiritsafe-skel")
    return int.from_bytes(digest.digest(), "little", signed=True)
