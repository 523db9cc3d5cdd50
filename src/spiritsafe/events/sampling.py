"""The first rows of a stranger's table as they stand, without any claim about what they mean.

Readers of the contract refuse a table whose columns they do not know; this one takes whatever is there, so
that `propose` has something to look at. Comes from `events.sources`; goes on to `events.propose`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from spiritsafe.errors import InputError
from spiritsafe.events.cells import plain, safe_text
from spiritsafe.events.model import Shard
from spiritsafe.events.sources.delimited import raw_delimited
from spiritsafe.events.sources.lines import lines_of
from spiritsafe.events.sources.options import ReadOptions
from spiritsafe.events.sources.parquet import parquet_file, raw_groups, row_group_ranges
from spiritsafe.events.sources.records import RowFault, decode_json, decode_object
from spiritsafe.events.sources.sniff import kind_of
from spiritsafe.events.sources.storage import blocks, expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FILES_MAX: Final = 6
_DOCUMENT_BYTES: Final = 64 << 20
_DEFAULT: Final = ReadOptions()


class NothingToSampleError(InputError):
    """There is no row to look at."""

    code = "events.no_sample"


def raw_sample(
    paths: str | Path | Sequence[str | Path], rows: int = 3_000, *, options: ReadOptions = _DEFAULT
) -> pa.Table:
    """Up to `rows` rows of Parquet, CSV or JSON files (plain, gzip, zstd), in the source's own columns.

    Of many files six are looked at, spread over the whole list: the columns of a log change over the years.
    CSV gives text in every column; nested JSON gives JSON text. A column that changes its type between files
    becomes text.

    Raises
    ------
    NothingToSampleError
        No file has a row that can be read.
    InputError
        As `open_source`: nothing there, unknown format, cut off.
    """
    files = [file for file in expand(paths, options) if file.size_bytes]
    step = max(1, -(-len(files) // _FILES_MAX))
    tables: list[pa.Table] = []
    for file in files[::step]:
        pieces: list[pa.Table] = []
        left = max(1, rows // min(_FILES_MAX, len(files)))
        for piece in _pieces(file.url, options, left):
            pieces.append(piece.slice(0, left))
            left -= pieces[-1].num_rows
            if left <= 0:
                break
        tables += pieces
    found = [table for table in tables if table.num_rows and table.num_columns]
    if not found:
        raise NothingToSampleError(
            f"no row can be read from {files[0].url if files else paths}", hint="is it the right file?"
        )
    return _together(found)


def _pieces(url: str, options: ReadOptions, rows: int) -> Iterator[pa.Table]:
    kind = kind_of(url, options)
    if kind is None:
        return
    if kind.container == "parquet":
        with parquet_file(url, options) as parquet:
            ranges = list(row_group_ranges(parquet))
        for first, last, before in ranges:
            for batch, _ in raw_groups(Shard(url, "parquet", first, last, before), options):
                yield _table(batch)
    elif kind.container == "csv":
        for raw in raw_delimited(Shard(url, "csv"), options):
            yield _table(raw.batch)
    elif kind.container == "jsonl":
        chunks = lines_of(blocks(url, options), max_line_bytes=options.max_line_bytes)
        for lines in chunks:
            yield _records(list(_objects(lines.texts[:rows])))
    elif kind.container == "json":
        yield _records(_document(url, options)[:rows])


def _objects(texts: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for text in texts:
        try:
            yield decode_object(text)
        except RowFault:
            continue


def _document(url: str, options: ReadOptions) -> list[dict[str, Any]]:
    held = bytearray()
    for piece in blocks(url, options):
        held += piece
        if len(held) > _DOCUMENT_BYTES:
            return []
    try:
        document = decode_json(bytes(held).removeprefix(b"\xef\xbb\xbf"))
    except RowFault:
        return []
    items = document if isinstance(document, list) else [document]
    return [item for item in items if isinstance(item, dict)]


def _records(records: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys(str(name) for record in records for name in record)
    return pa.table({_name(name): _typed([record.get(name) for record in records]) for name in names})


def _name(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


def _typed(values: list[Any]) -> pa.Array:
    """Values of one kind with their type; anything else as text, nested ones as JSON."""
    if not any(isinstance(value, dict | list) for value in values):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
            pass
    return pa.array([safe_text(value) for value in values], pa.string())


def _table(batch: pa.RecordBatch) -> pa.Table:
    """Without a second column of one name: a path could not tell them apart."""
    kept: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        kept.setdefault(name, plain(column))
    return pa.table(kept)


def _together(tables: list[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        from spiritsafe.events.cells import text_of

        texts = [pa.table({n: text_of(table[n]) for n in table.column_names}) for table in tables]
        return pa.concat_tables(texts, promote_options="default")
