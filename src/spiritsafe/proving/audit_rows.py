"""Every raw column of a table as numbers: value, null, shape of an id, decimals, place in the file, time of day.

Comes from `audit_world`; goes on to `audit_checks` (is one column enough?) and to `audit_accounts` (what do an
account's rows add up to?). What world A's columns hold is learnt there once (`Vocabulary`) and used for both
worlds, so that a value means the same number in each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.audit_world import TEXT_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COMMON_VALUES: Final = 48  # values of a column that get a share of their own; the rest are "other"
SHAPE_CHARACTERS: Final = 3  # leading characters of an id that are looked at
SECOND_US: Final = 1_000_000
DAY_S: Final = 86_400


@dataclass(slots=True)
class Vocabulary:
    """The common values of each categorical column of world A, by column name."""

    values: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Columns:
    """A table's columns as arrays of shape (rows,).

    `numbers` are values whose size means something, NaN for null; `shapes` describe how an identifier is
    written; `codes` number the common values of world A (-1 null, the last one "other"); `values` number this
    world's own distinct values (-1 null); `shared` says how common a value is over all accounts, which only
    the single-column check may use.
    """

    numbers: dict[str, Floats] = field(default_factory=dict)
    shapes: dict[str, Floats] = field(default_factory=dict)
    codes: dict[str, Ints] = field(default_factory=dict)
    values: dict[str, Ints] = field(default_factory=dict)
    shared: dict[str, Floats] = field(default_factory=dict)

    def alone(self) -> dict[str, Floats]:
        """Every array as floats, for checks of one column at a time."""
        coded = {f"{name}.value": code.astype(np.float64) for name, code in self.codes.items()}
        return {**self.numbers, **self.shapes, **coded, **self.shared}


def encode_columns(table: Any, vocabulary: Vocabulary, *, learn: bool, origin_us: int, prefix: str = "") -> Columns:
    """Encode every column of an Arrow table except texts.

    Parameters
    ----------
    table
        An Arrow table, in the file's order.
    vocabulary
        Filled from this table when `learn` is set, else only read.
    learn
        True for world A.
    origin_us
        When the world's traffic begins, in microseconds since 1970: times are counted from there.
    prefix
        Put before the column names, so that accounts' columns cannot be taken for requests'.
    """
    import pyarrow as pa

    columns = Columns()
    nulls = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)  # noqa: PLW2901
            kind = column.type
        if column.null_count:
            nulls.append(column.is_null().to_numpy())
        if name in TEXT_COLUMNS:
            continue
        key = prefix + name
        if pa.types.is_timestamp(kind):
            _encode_time(key, column, columns, origin_us)
        elif pa.types.is_boolean(kind) or pa.types.is_int32(kind) or pa.types.is_floating(kind):
            _encode_number(key, column, columns)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
            _encode_value(key, column.cast(pa.string()), vocabulary, columns, learn=learn)
        elif pa.types.is_list(kind):
            import pyarrow.compute as pc

            lengths = pc.list_value_length(column).cast(pa.float64())
            columns.numbers[f"{key}.length"] = lengths.to_numpy().astype(np.float64)
    rows = table.num_rows
    columns.shapes[f"{prefix}row.position"] = np.arange(rows) / max(1, rows - 1)
    pattern = np.zeros(rows, np.int64)
    for place, null in enumerate(nulls):
        pattern += null.astype(np.int64) << place
    _encode_value(f"{prefix}null_pattern", pa.array(pattern).cast(pa.string()), vocabulary, columns, learn=learn)
    return columns


def _encode_number(key: str, column: Any, columns: Columns) -> None:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    written = np.array(column.cast(pa.float64()).to_numpy(), np.float64)
    columns.numbers[key] = written
    if pa.types.is_floating(column.type):
        distinct, index = np.unique(written, return_inverse=True)
        # float32 0.7 is 0.699999988...: count the digits that a person would have typed.
        digits = [len(str(round(float(v), 6)).partition(".")[2].rstrip("0")) for v in distinct]
        columns.shapes[f"{key}.decimals"] = np.array(digits, np.float64)[index]
    elif pa.types.is_int32(column.type):
        columns.shapes[f"{key}.odd"] = written % 2
        columns.shapes[f"{key}.last_digit"] = written % 10


def _encode_time(key: str, column: Any, columns: Columns, origin_us: int) -> None:
    import pyarrow as pa

    null = column.is_null().to_numpy()
    time_us = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy()
    time_s = time_us // SECOND_US
    parts = {
        "days_since_start": (time_us - origin_us) / SECOND_US / DAY_S,
        "hour": time_s % DAY_S / 3600,
        "weekday": (time_s // DAY_S + 3) % 7,
        "minute": time_s % 3600 / 60,
        "second": time_s % 60,
        "millisecond": time_us // 1000 % 1000,
        "microsecond": time_us % 1000,
    }
    for part, values in parts.items():
        columns.numbers[f"{key}.{part}"] = np.where(null, np.nan, values)


def _encode_value(key: str, column: Any, vocabulary: Vocabulary, columns: Columns, *, learn: bool) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = coded.dictionary_encode()
    index = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
    distinct = coded.dictionary
    counts = np.bincount(index[index >= 0], minlength=len(distinct))
    if learn:
        common = np.argsort(-counts, kind="stable")[:COMMON_VALUES]
        common = common[counts[common] >= max(5, len(index) // 2000)]
        vocabulary.values[key] = [distinct[int(place)].as_py() for place in common]
    known = {value: number for number, value in enumerate(vocabulary.values.get(key, []))}
    code_of = np.array([known.get(value, len(known)) for value in distinct.to_pylist()] + [-1], np.int64)
    columns.values[key] = index
    if known:
        columns.codes[key] = code_of[index]
    columns.shared[f"{key}.frequency"] = np.append(np.log1p(counts), np.nan)[index]
    if len(distinct) <= COMMON_VALUES:
        return
    letters = pc.utf8_length(distinct).to_numpy().astype(np.float64)
    shapes = {
        "length": letters,
        "digits": pc.count_substring_regex(distinct, "[0-9]").to_numpy() / np.maximum(letters, 1),
        "capitals": pc.count_substring_regex(distinct, "[A-Z]").to_numpy() / np.maximum(letters, 1),
        "rank": np.argsort(np.argsort(np.array(distinct.to_pylist(), object), kind="stable")) / len(distinct),
    }
    for place in range(SHAPE_CHARACTERS):
        character = pc.utf8_slice_codeunits(distinct, place, place + 1).to_pylist()
        shapes[f"character_{place}"] = np.array([ord(c) if c else -1 for c in character], np.float64)
    for shape, values in shapes.items():
        columns.shapes[f"{key}.{shape}"] = np.append(values, np.nan)[index]
