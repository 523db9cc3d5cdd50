"""The table that comes out of `sketch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from spiritsafe.events.model import REQUESTS, Column, TableSchema
from spiritsafe.sketch.parameters import tactic_column

if TYPE_CHECKING:
    from spiritsafe.sketch.patterns import TextTactic


def sketches_schema(tactics: tuple[TextTactic, ...]) -> TableSchema:
    """The `sketches` table: `requests` without text, plus what was computed from it."""
    kept = tuple(column for column in REQUESTS.columns if not column.text)
    added = (
        Column("skeleton", pa.int64(), "hash of the prompt's layout: line shapes and labels; null where plain"),
        Column("minhash", pa.list_(pa.int32()), "MinHash of the prompt's phrases"),
        Column("phrases", pa.list_(pa.int64()), "rare-phrase candidates"),
        Column("prompt_hash", pa.int64(), "hash of the normalised prompt: equal prompts, equal hash"),
        Column("prompt_chars", pa.int32(), "characters of the prompt"),
        Column("system_prompt_hash", pa.int64(), "hash of the normalised system prompt"),
        Column("assistant_prefill_hash", pa.int64(), "hash of the normalised beginning of the answer"),
    )
    scores = tuple(
        Column(tactic_column(t.name), pa.float32(), f"how much the text looks like {t.name}") for t in tactics
    )
    return TableSchema("sketches", "1.1", kept + added + scores)
