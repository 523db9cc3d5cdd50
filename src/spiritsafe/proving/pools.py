"""What people write: real prompts by use, language and split, with their licences.

Items are the seeds that anyone may run a template over; ordinary prompts and conversations are what people type;
attack prompts are for approved red teams. Whole sources are held out: an item source serves the dev split or the
test split, never both. Comes from the user's or the bundled prompt sets; goes on to `work`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.model import LANGUAGES, PoolError, SampleError, read_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

TAGS: Final = ("math", "code", "passage", "instruct", "tool")
MAX_CHARS: Final = 4_000
_COLUMNS: Final = ("source", "cls", "family", "lang", "dup_group", "prompt", "ref_output_chars", "license")
_TAG_WORDS: Final = (
    ("code", "code"), ("humaneval", "code"), ("tool", "tool"), ("template", "passage"), ("math", "math"),
    ("gsm", "math"), ("mmlu", "math"), ("aime", "math"), ("olympiad", "math"), ("cmath", "math"),
    ("reasoning", "math"),
)  # fmt: skip
# The families of data that a sender may feed to a family of templates.
TAGS_OF: Final[dict[str, tuple[str, ...]]] = {
    "solve": ("math", "math", "code", "passage"), "explain_answer": ("math", "math", "passage"),
    "rubric": ("math", "instruct", "passage", "passage", "code"), "generate": ("instruct", "math", "passage", "tool"),
    "rewrite": ("instruct", "passage", "passage"), "code": ("code",), "tools": ("tool", "tool", "passage"),
    "trace": ("math", "instruct", "code", "passage"), "classify": ("passage", "passage", "instruct"),
    "extract": ("passage", "passage", "tool"), "summarise": ("passage",), "support": ("passage",),
    "translate": ("passage", "passage", "instruct"), "qa": ("passage", "passage", "math", "instruct"),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Items of one source, one use and one language: positions in `Pools.text`."""

    name: str
    tag: str
    language: str
    rows: NDArray[np.int64]


@dataclass
class Pools:
    """All text of a world. `conversations` are tuples of positions in `text`, by language."""

    text: list[str] = field(default_factory=list)
    answer_chars: list[int] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    conversations: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    attacks: list[int] = field(default_factory=list)
    used: dict[str, list[str]] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)
    licences: dict[str, str] = field(default_factory=dict)
    composed_conversations: bool = False

    def items(self, tag: str, language: str) -> list[Source]:
        """Sources of items for a use in a language; none where the sets hold none."""
        return [source for source in self.sources if source.tag == tag and source.language == language]


def sample_folder() -> Path:
    """The bundled sample. Raises SampleError where the installation lacks it."""
    folder = Path(str(resources.files("spiritsafe.proving") / "sample"))
    if not (folder / "prompts.parquet").is_file():
        raise SampleError(
            f"the bundled sample is missing from {folder}",
            hint="reinstall spiritsafe, or give --prompts, --traffic, --network",
        )
    return folder


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not found:
            raise PoolError(
                f"the folder {path} holds no prompt set", hint="give --prompts a folder with Parquet files (*.parquet)"
            )
        files += found
    return files


def read_prompts(paths: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """Prompt sets as one set of columns (object arrays), rows in the order of the files.

    Raises
    ------
    PoolError
        A file is missing or lacks a column, or a folder holds no file.
    """
    import pyarrow as pa

    tables = []
    for file in _files(paths):
        tables.append(read_input(file, _COLUMNS, what="prompt set", optional=("conv_id", "part", "turn")))
    if not tables:
        raise PoolError("no prompt set was given", hint="give --prompts a Parquet file or a folder of them")
    table = pa.concat_tables(tables, promote_options="permissive")
    for name in ("conv_id", "part", "turn"):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    columns = {name: np.array(table[name].to_pylist(), dtype=object) for name in table.column_names}
    columns["prompt"] = np.array(
        [(text or "").replace("\x00", " ")[:MAX_CHARS] for text in columns["prompt"]], dtype=object
    )
    return columns


def _tag(source: str, family: str) -> str:
    words = f"{source} {family}".lower()
    return next((tag for word, tag in _TAG_WORDS if word in words), "instruct")


def _unit(source: str, family: str) -> str:
    """What is held out as a whole: a source; of a collection of templated tasks, each task."""
    return f"{source}/{family}" if family.startswith("template:") else source


def _half(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] & 1


def assign_splits(units: dict[str, dict[str, int]]) -> dict[str, str]:
    """Which split each source serves: largest first, to the side that has less of what it holds.

    `units` maps a source to its number of rows by (tag, language). Deterministic in the names and the counts.
    """
    have: dict[str, dict[str, int]] = {"dev": {}, "test": {}}
    sides: dict[str, str] = {}
    for unit, counts in sorted(units.items(), key=lambda entry: (-sum(entry[1].values()), entry[0])):
        need = {side: sum(have[side].get(key, 0) * n for key, n in counts.items()) for side in have}
        side = "dev" if need["dev"] <= need["test"] else "test"
        sides[unit] = side
        for key, n in counts.items():
            have[side][key] = have[side].get(key, 0) + n
    return sides


def build_pools(columns: dict[str, NDArray[Any]], *, split: str) -> Pools:
    """Sort prompts into items, conversations and attacks, and hold out the other split's sources.

    `split` is `dev`, `test` or `all`. Conversations and single questions of people are halved by a hash of the
    conversation, items by whole sources.

    Raises
    ------
    PoolError
        Nothing of a needed kind is left.
    """
    pools = Pools()
    group: dict[tuple[str, str, str], list[int]] = {}
    counts: dict[str, dict[str, int]] = {}
    chats: dict[str, list[tuple[int, int, int]]] = {}
    seen: set[str] = set()
    for row, (source, cls, family, lang) in enumerate(
        zip(columns["source"], columns["cls"], columns["family"], columns["lang"], strict=True)
    ):
        language = lang if lang in LANGUAGES else "en"
        pools.licences.setdefault(source, columns["license"][row] or "not stated")
        if not columns["prompt"][row].strip():
            continue
        if cls == "distill":
            # Only equal texts are left out: near-duplicates (one template's rows) are what real data sets hold.
            if columns["prompt"][row] in seen:
                continue
            seen.add(columns["prompt"][row])
            unit, tag = _unit(source, family or ""), _tag(source, family or "")
            group.setdefault((unit, tag, language), []).append(row)
            tally = counts.setdefault(unit, {})
            tally[f"{tag}/{language}"] = tally.get(f"{tag}/{language}", 0) + 1
        elif cls in ("benign", "benign_sensitive"):
            _add_chat(chats, columns, row)
        else:
            pools.attacks.append(row)
    sides = assign_splits(counts)
    keep = sides if split == "all" else {unit: side for unit, side in sides.items() if side == split}
    pools.held_out = sorted(set(sides) - set(keep))
    pools.used["items"] = sorted(keep)
    pools.sources = [
        Source(unit, tag, language, np.array(rows, dtype=np.int64))
        for (unit, tag, language), rows in sorted(group.items())
        if unit in keep and len(rows) >= 5
    ]
    _keep_chats(pools, chats, columns["lang"], split)
    pools.text = columns["prompt"].tolist()
    pools.answer_chars = [int(chars or 0) for chars in columns["ref_output_chars"]]
    if not pools.sources or not pools.conversations.get("en"):
        raise PoolError(
            f"the prompt sets hold {len(pools.sources)} item sources for {split!r} and "
            f"{len(pools.conversations.get('en', []))} English conversations",
            hint="add sets with cls `distill` (items) and `benign` (what people type)",
        )
    return pools


def _add_chat(chats: dict[str, list[tuple[int, int, int]]], columns: dict[str, NDArray[Any]], row: int) -> None:
    conversation = columns["conv_id"][row]
    if conversation:
        place = (int(columns["part"][row] or 0), int(columns["turn"][row] or 0), row)
        chats.setdefault(f"conversation {conversation}", []).append(place)
        return
    # Later turns that came without their conversation make no sense alone.
    _, mark, turn = (columns["family"][row] or "").rpartition("_t")
    if mark and turn.isdigit() and turn != "0":
        return
    chats[f"question {columns['dup_group'][row] or row}"] = [(0, 0, row)]


def _keep_chats(
    pools: Pools, chats: dict[str, list[tuple[int, int, int]]], languages: NDArray[Any], split: str
) -> None:
    multi = 0
    for key, turns in sorted(chats.items()):
        if split != "all" and _half(key) != (split == "test"):
            continue
        rows = tuple(row for _, _, row in sorted(turns))
        multi += len(rows) > 1
        language = languages[rows[0]]
        pools.conversations.setdefault(language if language in LANGUAGES else "en", []).append(rows)
    pools.composed_conversations = not multi
