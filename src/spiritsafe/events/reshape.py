"""Rows of a bespoke table, turned into the contract's columns as a `Mapping` says.

Whole columns at a time with Arrow where the source is flat; cell by cell only where JSON text or lists have
to be opened, each such column being decoded once. A cell that does not convert stays as it was, so that
`events.validate` can refuse that row with its reason and keep the others.
Comes from `events.mapping`; goes on to `events.validate`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.cells import plain, python_values, readable, safe_text, text_of
from spiritsafe.events.clocks import times
from spiritsafe.events.mapping import (
    ANYTHING_ELSE,
    TABLES,
    ColumnSource,
    Mapping,
    MappingSourceError,
    nearest,
    no_such_source,
)
from spiritsafe.events.transforms import TRANSFORMS, asked_of, decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.events.sources.messages import Asked


def reshape(batch: pa.RecordBatch, mapping: Mapping, table: str) -> pa.RecordBatch:
    """See `events.mapping.apply_mapping`."""
    section = mapping.table(table)
    if not section:
        return batch
    _require(section, table, batch.schema.names)
    rows = Rows(batch)
    names: list[str] = []
    arrays: list[pa.Array] = []
    for column in TABLES[table].columns:
        if (source := section.get(column.name)) is None:
            continue
        values = _column(rows, source, column.type, mapping.timezone)
        if values is None and column.required:
            raise no_such_source(table, column.name, source, batch.schema.names)
        if values is not None:
            names.append(column.name)
            arrays.append(values)
    for name, values in _carried(batch, mapping, rows.used, set(names)):
        names.append(name)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _require(section: dict[str, ColumnSource], table: str, names: Sequence[str]) -> None:
    for name in TABLES[table].required:
        if name not in section:
            raise MappingSourceError(
                f"the mapping names no source for {table}.{name}, which is required",
                hint=nearest(name, names)
                or f"add a section [{table}.{name}]; `spiritsafe doctor LOGS` lists the candidates",
            )


def _carried(batch: pa.RecordBatch, mapping: Mapping, used: set[str], taken: set[str]) -> list[tuple[str, pa.Array]]:
    """The source columns that go along, under names that are no contract column's."""
    wanted = mapping.carry
    carried = []
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if (wanted is None and name not in used) or (wanted is not None and name in wanted):
            clash = name in taken or any(name in schema.by_name for schema in TABLES.values())
            free = f"source_{name}" if clash else name
            if free not in taken:
                taken.add(free)
                carried.append((free, values))
    return carried


class Rows:
    """A batch whose nested parts can be reached by dotted path, decoded at most once each."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.count = batch.num_rows
        self.used: set[str] = set()
        self._columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        self._decoded: dict[str, list[Any]] = {}
        self._asked: dict[tuple[str | None, ...], list[Asked]] = {}

    def at(self, path: str) -> pa.Array | list[Any] | None:
        """The values at `path`: an Arrow array, or a list where JSON or lists had to be opened.

        Names may hold dots themselves, so the longest that exists is taken at every step. None when no
        column begins the path.
        """
        steps = path.split(".")
        for length in range(len(steps), 0, -1):
            head = ".".join(steps[:length])
            if head in self._columns:
                self.used.add(head)
                return self._within(head, self._columns[head], tuple(steps[length:]))
        return None

    def asked(self, paths: tuple[str | None, ...], cells: list[Any]) -> list[Asked]:
        """What the messages at `paths` ask; read once, however many columns want a part of it."""
        if paths not in self._asked:
            self._asked[paths] = [asked_of(cell) for cell in cells]
        return self._asked[paths]

    def _within(self, name: str, values: pa.Array, steps: tuple[str, ...]) -> pa.Array | list[Any] | None:
        while steps and pa.types.is_struct(values.type):
            fields = {values.type.field(i).name for i in range(values.type.num_fields)}
            for length in range(len(steps), 0, -1):
                field = ".".join(steps[:length])
                if field in fields:
                    # `struct_field` keeps the outer nulls, `.field()` would not.
                    values, steps = pc.struct_field(values, [field]), steps[length:]
                    name = f"{name}\0{field}"
                    break
            else:
                return None
        if not steps:
            return values
        if name not in self._decoded:
            self._decoded[name] = [decoded(cell) for cell in python_values(values)]
        if len(steps) == 1 and not steps[0].lstrip("-").isdecimal():
            # Nearly all paths into a JSON body: one key of an object.
            return [cell.get(steps[0]) if type(cell) is dict else _step(cell, steps) for cell in self._decoded[name]]
        return [_step(cell, steps) for cell in self._decoded[name]]


def _step(cell: Any, steps: tuple[str, ...]) -> Any:
    """Follow `steps` into a decoded cell; None where they lead nowhere."""
    while steps and cell is not None:
        cell = decoded(cell)
        if isinstance(cell, dict):
            for length in range(len(steps), 0, -1):
                key = ".".join(steps[:length])
                if key in cell:
                    cell, steps = cell[key], steps[length:]
                    break
            else:
                return None
        elif isinstance(cell, list):
            cell, steps = _item(cell, steps[0]), steps[1:]
        else:
            return None
    return cell


def _item(cells: list[Any], step: str) -> Any:
    """An item by number (-1 is the last), or by key of a list of pairs, as Arrow maps are read."""
    if step.removeprefix("-").isdecimal() and len(step) <= 9:
        index = int(step)
        return cells[index] if -len(cells) <= index < len(cells) else None
    for pair in cells:
        if isinstance(pair, tuple) and len(pair) == 2 and pair[0] == step:
            return pair[1]
    return None


# --- one column -------------------------------------------------------------------------------------------


def _column(rows: Rows, source: ColumnSource, kind: pa.DataType, timezone: str) -> pa.Array | None:
    """The contract column, or None when none of its sources exists in this batch."""
    if source.const is not None:
        return pa.repeat(pa.scalar(source.const, kind), rows.count)
    found = [values for path in source.sources if (values := rows.at(path)) is not None]
    if not found:
        return None
    if source.transform:
        transform = TRANSFORMS[source.transform]
        cells = _gather(found, source.join)
        opened = cells if isinstance(cells, list) else python_values(cells)
        if transform.picks is not None:
            values = _array([transform.picks(found_) for found_ in rows.asked((*source.sources, source.join), opened)])
        else:
            values = _array([transform.apply(cell, source.hop) for cell in opened])
    else:
        values = _arrow(_gather(found, source.join))
        if not pa.types.is_string(kind):
            values = readable(values)
    if source.values:
        values = _renamed(values, source.values, kind)
    if pa.types.is_timestamp(kind):
        return times(values, unit=source.unit, format=source.format, timezone=source.timezone or timezone)
    return settled(values, kind)


def _gather(found: list[pa.Array | list[Any]], join: str | None) -> pa.Array | list[Any]:
    """Several sources as one: joined as text, or the first that is not null."""
    if len(found) == 1:
        return found[0]
    if join is not None:
        texts = [text_of(_arrow(values)) for values in found]
        joined = pc.binary_join_element_wise(*texts, pa.scalar(join), null_handling="replace", null_replacement="")
        there = functools.reduce(pc.or_, map(pc.is_valid, texts))
        return pc.if_else(there, joined, pa.scalar(None, pa.string()))
    arrays = [_arrow(values) for values in found]
    if any(array.type != arrays[0].type for array in arrays):
        arrays = [text_of(array) for array in arrays]
    return pc.coalesce(*arrays)


def _arrow(values: pa.Array | list[Any]) -> pa.Array:
    return _array(values) if isinstance(values, list) else plain(values)


def _array(cells: list[Any]) -> pa.Array:
    """Python values as an array: of their own type where they share one, of text where they do not."""
    if not any(isinstance(cell, dict | list | tuple) for cell in cells):
        try:
            return pa.array(cells)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError):
            pass
    return pa.array([safe_text(cell) for cell in cells], pa.string())


def _renamed(values: pa.Array, names: dict[str, Any], kind: pa.DataType) -> pa.Array:
    """Values replaced by name. What no name covers stays as it is."""
    encoded = text_of(values).dictionary_encode()
    otherwise = names.get(ANYTHING_ELSE)

    def new(old: str | None) -> Any:
        if old is None:
            return names.get("")
        return names.get(old, old if otherwise is None else otherwise)

    old = encoded.dictionary.to_pylist()
    indices = pc.fill_null(encoded.indices, len(old))
    known = all(o in names or otherwise is not None for o in old)
    fresh = [new(o) for o in [*old, None]]
    if known:
        return pa.array(fresh, type=kind).take(indices)
    return pa.array([safe_text(value) for value in fresh], pa.string()).take(indices)


def settled(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """`values` in the contract's type if every cell converts; otherwise as they were, for `validate`."""
    values = plain(values)
    if values.type == kind:
        return values
    if pa.types.is_string(kind):
        return text_of(values)
    if pa.types.is_string(values.type) and not pa.types.is_nested(kind):
        values = pc.utf8_trim_whitespace(values)
        # An empty cell of a CSV file is a missing number, not a broken one.
        values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
        if pa.types.is_boolean(kind):
            values = pc.utf8_lower(values)
    try:
        if pa.types.is_boolean(kind) and pa.types.is_integer(values.type):
            return values.cast(kind) if _all_in(values, (0, 1)) else values
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return values


def _all_in(values: pa.Array, allowed: tuple[int, ...]) -> bool:
    return bool(pc.all(pc.is_in(values.drop_null(), value_set=pa.array(allowed, values.type)), min_count=0).as_py())
