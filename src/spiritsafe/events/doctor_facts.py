"""What `doctor` says of each column: where it stands, how full it is, what it could be instead.

Comes from `events.doctor_reading`; goes on to `events.doctor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from spiritsafe.events.mapping_text import visible
from spiritsafe.events.masking import example
from spiritsafe.events.model import REQUESTS, Column, TableSchema

if TYPE_CHECKING:
    from spiritsafe.events.doctor_reading import Reading
    from spiritsafe.events.mapping import ColumnSource
    from spiritsafe.events.propose import Guess, Proposal


_SKETCHED: Final = ("prompt", "system_prompt")


class ColumnFact(msgspec.Struct, frozen=True, kw_only=True):
    """One contract column: where it stands, how full it is, what its absence costs.

    `status`: `present` (under its own name), `mapped` (by the given map), `proposed` (by our guess), `empty`
    (there, always null), `sketched` (text, of which
    there is a sketch), `missing`. `source`, `how` and `confidence` are of a mapping; `share` is of the rows
    read; `alternatives` are sentences.
    """

    name: str
    status: str
    axis: str
    required: bool
    source: str = ""
    how: str = ""
    confidence: float | None = None
    reason: str = ""
    share: float = 0.0
    distinct: int = 0
    examples: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    cost: str = ""


class SourceColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the source that nothing is read from; `could_be` names contract columns."""

    name: str
    kind: str
    examples: tuple[str, ...]
    carried: bool
    could_be: tuple[str, ...] = ()


def column_fact(column: Column, reading: Reading, schema: TableSchema, show: bool) -> ColumnFact:
    """What is to be said of one contract column. `show` leaves examples unmasked."""
    there = column.name in reading.rows.column_names and not reading.problem
    values = reading.rows[column.name].drop_null() if there else None
    share = len(values) / reading.rows.num_rows if values is not None and reading.rows.num_rows else 0.0
    guess = reading.proposal.guess(column.name) if reading.proposal is not None else None
    source = label = reason = ""
    confidence: float | None = None
    if reading.needs_map and guess is not None and guess.source is not None:
        status, label, confidence, reason = "proposed", guess.label, guess.confidence, guess.reason
        source, share = ".".join(guess.source.sources[:1]), share or guess.share
    elif reading.options.mapping is not None and column.name in (own := reading.options.mapping.table(schema.name)):
        status, source = "mapped", _source_label(own[column.name])
    elif column.name in _SKETCHED and reading.source is not None and reading.source.format == "sketches":
        # A sketch stands for the text that it was made from.
        return ColumnFact(name=column.name, status="sketched", axis=column.axis, required=column.required)
    else:
        status = "present" if there else "missing"
    if status in ("present", "mapped") and not share and reading.rows.num_rows:
        status = "empty"
    logged = guess.examples if status == "proposed" and guess is not None else _some(values)
    return ColumnFact(
        name=column.name,
        status=status,
        axis=column.axis,
        required=column.required,
        source=visible(label or source),
        how=_how(reading, column.name, schema),
        confidence=confidence,
        reason=visible(reason),
        share=round(share, 4),
        distinct=distinct(reading.rows, column.name) or (guess.distinct if status == "proposed" and guess else 0),
        examples=tuple(example(value, column, show=show) for value in logged),
        alternatives=_alternatives(guess),
        cost=column.cost if status in ("missing", "empty") else "",
    )


def _source_label(source: ColumnSource) -> str:
    """Where a column is read from, in words."""
    if not source.sources:
        return f"always {source.const}"
    joined = " + ".join(source.sources) if source.join is not None else " or ".join(source.sources)
    hop = f", hop {source.hop}" if source.transform == "forwarded_for" else ""
    return f"{joined} ({source.transform}{hop})" if source.transform else joined


def _how(reading: Reading, name: str, schema: TableSchema) -> str:
    """Unit, format and names of values of a mapped column, in words."""
    if reading.options.mapping is None or name not in reading.options.mapping.table(schema.name):
        return ""
    source = reading.options.mapping.table(schema.name)[name]
    parts = [f"unit {source.unit}" if source.unit else "", f"format {source.format}" if source.format else ""]
    parts += [
        f"zone {source.timezone}" if source.timezone else "",
        f"{len(source.values)} values named" if source.values else "",
    ]
    return ", ".join(part for part in parts if part)


def _alternatives(guess: Guess | None) -> tuple[str, ...]:
    if guess is None:
        return ()
    return tuple(
        visible(f"or {one.label} ({one.confidence:.2f})" if one.column == guess.column
                else f"{one.label} could also be {one.column} ({one.confidence:.2f})")
        for one in guess.alternatives
    )  # fmt: skip


def _some(values: pa.ChunkedArray | None) -> list[str]:
    if values is None or not len(values) or pa.types.is_nested(values.type):
        return []
    cells = values.slice(0, 200).to_pylist()
    found = dict.fromkeys(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells)
    return list(found)[:3]


def distinct(rows: pa.Table, name: str) -> int:
    """How many different values a column has; 0 where it is not there."""
    if name not in rows.column_names or pa.types.is_nested(rows[name].type):
        return 0
    return len(rows[name].drop_null().unique())


def source_columns(reading: Reading, show: bool) -> list[SourceColumn]:
    """The source's columns that nothing is read from, and what they could be."""
    if reading.source is not None and reading.source.format == "sketches":
        return []
    if reading.proposal is None:
        extras = [name for name in reading.rows.column_names if name not in REQUESTS.by_name]
        kinds = {name: str(reading.rows[name].type) for name in extras}
        return [SourceColumn(name=visible(name), kind=kinds[name], examples=(), carried=True) for name in extras]
    read = _read_paths(reading)
    could = _could_be(reading, reading.proposal)
    found = [
        SourceColumn(name=visible(label), kind="", examples=(), carried=False, could_be=tuple(could[label]))
        for label in could
        if label not in read and label not in {left.path for left in reading.proposal.unmapped}
    ]
    for left in reading.proposal.unmapped:
        if left.path not in read:
            examples = tuple(example(value, None, show=show) for value in left.examples)
            could_be = tuple(could.get(left.path, ()))
            found.append(
                SourceColumn(
                    name=visible(left.path), kind=left.kind, examples=examples, carried=left.carried, could_be=could_be
                )
            )
    return found


def _read_paths(reading: Reading) -> set[str]:
    """Source paths that something is read from."""
    if reading.options.mapping is None:
        return set(REQUESTS.by_name)
    return {path for source in reading.options.mapping.table("requests").values() for path in source.sources}


def _could_be(reading: Reading, proposal: Proposal) -> dict[str, list[str]]:
    """Source column to the contract columns that it could be read as and is not."""
    could: dict[str, list[str]] = {}
    for guess in proposal.guesses:
        if guess.column in reading.rows.column_names:
            continue
        if guess.source is not None:
            could.setdefault(guess.label, []).append(f"{guess.column} ({guess.confidence:.2f})")
        for one in guess.alternatives if guess.source is None else ():
            could.setdefault(one.label, []).append(f"{one.column} ({one.confidence:.2f})")
    return could
