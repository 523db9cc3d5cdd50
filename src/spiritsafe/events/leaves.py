"""Everything in a stranger's table that could be a column of the contract.

A leaf is a path with its cells: a flat column, a field of a struct, a key inside JSON text, and what a
transform makes of one (the newest user message of a `messages` array). Each contract column is looked for
among the leaves. Comes from `events.sampling`; goes on to `events.profile` and `events.propose`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from spiritsafe.events.cells import python_values
from spiritsafe.events.synonyms import name_bits
from spiritsafe.events.transforms import TRANSFORMS, address, as_text, decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAVES_MAX: Final = 400
_DEPTH_MAX: Final = 6
_KEYS_MAX: Final = 80
_CELL_CHARS_MAX: Final = 20_000
_HOPS_TRIED: Final = 4
_MOSTLY: Final = 0.8
_MESSAGE_KEYS: Final = frozenset({"role", "content", "parts"})
_CHOICE_KEYS: Final = frozenset({"message", "finish_reason", "finishReason", "delta"})
_SECRET: Final = re.compile(r"(?i)^(bearer |basic )|^(sk|pk|rk)[-_][A-Za-z0-9_\-]{16,}$|^AIza|^eyJ")
_ASKED_FOR: Final = ("tools", "logit_bias", "logprobs", "reasoning")
_FROM_MESSAGES: Final = (
    "last_user_message", "system_message", "assistant_prefill", "turn_of_messages", "count_images",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """A path with its cells, after `transform` if it has one. `cells` is as long as the sample.

    `nested` leaves hold lists or objects and serve only columns that take such. `secret` says that the
    cells are keys or tokens in clear.
    """

    path: str
    cells: list[Any] = field(repr=False)
    transform: str = ""
    hop: int = 1
    kind: str = ""
    nested: bool = False
    secret: bool = False

    @property
    def label(self) -> str:
        """The path and what is done with it, for people."""
        hop = f", hop {self.hop}" if self.transform == "forwarded_for" else ""
        return f"{self.path} ({self.transform}{hop})" if self.transform else self.path


def leaves(sample: pa.Table) -> list[Leaf]:
    """All leaves of a sample, at most 400, in the sample's column order.

    Every cell is cut at 20,000 characters. A name that occurs twice counts once.
    """
    found: list[Leaf] = []
    seen: set[str] = set()
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        if name in seen or not name:
            continue
        seen.add(name)
        chunks = column.chunks or [pa.nulls(0, column.type)]
        cells = [_bounded(cell) for chunk in chunks for cell in python_values(chunk)]
        found += _open(name, cells, str(column.type), 0)
        if len(found) >= LEAVES_MAX:
            break
    return found[:LEAVES_MAX]


def _bounded(cell: Any) -> Any:
    """Long text is cut, unless it is JSON, which cut in two would be nothing."""
    if isinstance(cell, str) and len(cell) > _CELL_CHARS_MAX and cell[:1] not in "{[":
        return cell[:_CELL_CHARS_MAX]
    return cell


def _open(path: str, cells: list[Any], kind: str, depth: int) -> Iterator[Leaf]:
    present = [cell for cell in cells if cell is not None and cell != ""]
    if not present:
        yield Leaf(path, cells, kind=kind)
        return
    opened = [decoded(cell) for cell in cells]
    if _share(opened, dict) >= _MOSTLY and depth < _DEPTH_MAX:
        yield from _open_objects(path, opened, kind, depth)
    elif _share(opened, list) >= _MOSTLY:
        yield from _open_lists(path, opened, kind, depth)
    else:
        yield from _flat(path, cells, kind)


def _share(cells: list[Any], kind: type) -> float:
    present = [cell for cell in cells if cell is not None and cell != ""]
    return sum(isinstance(cell, kind) for cell in present) / max(1, len(present))


def _open_objects(path: str, cells: list[Any], kind: str, depth: int) -> Iterator[Leaf]:
    counts: Counter[str] = Counter()
    for cell in cells:
        if isinstance(cell, dict):
            counts.update(key for key in cell if isinstance(key, str) and key)
    rows = sum(isinstance(cell, dict) for cell in cells)
    # Keys that are data (token numbers of a logit bias) are no columns.
    columns = [
        key for key, count in counts.most_common(_KEYS_MAX) if not key.lstrip("-").isdigit() and count * 200 >= rows
    ]
    yield Leaf(path, cells, kind=kind, nested=True)
    yield from _derived(path, cells, kind, ("hash64", "present"))
    if {"messages", "contents", "input"} & counts.keys() and "system" in counts:
        yield from _derived(path, cells, kind, ("system_message",))
    order = {key: place for place, key in enumerate(counts)}
    for key in sorted(columns, key=order.__getitem__):
        inner = [cell.get(key) if isinstance(cell, dict) else None for cell in cells]
        yield from _open(f"{path}.{key}", [_bounded(cell) for cell in inner], "json", depth + 1)


def _open_lists(path: str, cells: list[Any], kind: str, depth: int) -> Iterator[Leaf]:
    items = [item for cell in cells if isinstance(cell, list) for item in cell[:20]]
    if items and all(isinstance(item, tuple) and len(item) == 2 for item in items):
        objects = [_as_object(cell) for cell in cells]
        yield from _open_objects(path, objects, kind, depth)
        return
    keys = {key for item in items if isinstance(item, dict) for key in item}
    roles = {item.get("role") for item in items if isinstance(item, dict) and isinstance(item.get("role"), str)}
    yield Leaf(path, cells, kind=kind, nested=True)
    if "role" in keys and keys & _MESSAGE_KEYS and roles & {"user", "human"}:
        yield from _derived(path, cells, kind, _FROM_MESSAGES)
    elif keys & {"text", "content"} and not roles and not keys & _CHOICE_KEYS:
        yield from _derived(path, cells, kind, ("text",))
    elif keys & _CHOICE_KEYS or roles or (keys & {"text", "content", "parts"}):
        yield from _derived(path, cells, kind, ("response_text",))
    if keys:
        yield from _derived(path, cells, kind, ("hash64", "present"))
    elif items and not any(isinstance(item, list) for item in items):
        yield from _derived(path, cells, kind, ("first", "present"))
    if keys & _CHOICE_KEYS and depth < _DEPTH_MAX:
        first = [cell[0] if isinstance(cell, list) and cell else None for cell in cells]
        for leaf in _open_objects(f"{path}.0", first, "json", depth + 1):
            if not leaf.nested and "message" not in leaf.path.rpartition(".0.")[2]:
                yield leaf


def _as_object(cell: Any) -> Any:
    try:
        return dict(cell) if isinstance(cell, list) else None
    except TypeError:
        return None


def _flat(path: str, cells: list[Any], kind: str) -> Iterator[Leaf]:
    texts = [cell for cell in cells if isinstance(cell, str) and cell][:200]
    secret = bool(texts) and sum(bool(_SECRET.search(text)) for text in texts) / len(texts) >= _MOSTLY
    yield Leaf(path, cells, kind=kind, secret=secret)
    if secret:
        yield from _derived(path, cells, kind, ("fingerprint",))
    found = [address(text.split(",")[-1]) for text in texts]
    if texts and sum(one is not None for one in found) / len(texts) >= _MOSTLY:
        lists = sum("," in text or "for=" in text.lower() for text in texts)
        if lists >= 0.02 * len(texts):
            deepest = max(text.count(",") for text in texts) + 1
            yield from _derived(path, cells, kind, ("forwarded_for",), hops=min(deepest, _HOPS_TRIED))
        elif any(text != one for text, one in zip(texts, found, strict=True) if one and text.count(":") == 1):
            yield from _derived(path, cells, kind, ("without_port",))
    if texts and sum(bool(re.fullmatch(r"(?i)as ?\d{1,10}( .*)?", text)) for text in texts) / len(texts) >= _MOSTLY:
        yield from _derived(path, cells, kind, ("digits",))
    if any(name_bits(path, column)[0] for column in _ASKED_FOR):
        yield from _derived(path, cells, kind, ("present",))
    numbers = [cell for cell in cells if isinstance(cell, int) and not isinstance(cell, bool)]
    if numbers and min(numbers) == 1:
        yield from _derived(path, cells, kind, ("less_one",))


def _derived(path: str, cells: list[Any], kind: str, names: Sequence[str], hops: int = 1) -> Iterator[Leaf]:
    """The leaves that transforms make of one, without those that make nothing of it."""
    for name in names:
        transform = TRANSFORMS[name]
        for hop in range(1, hops + 1):
            made = [transform.apply(cell, hop) for cell in cells]
            if any(value is not None and value != 0 for value in made) or name == "turn_of_messages":
                yield Leaf(path, made, name, hop, kind)


def shown(cell: Any) -> str:
    """A cell as one short text."""
    text = as_text(cell)
    return "" if text is None else text
