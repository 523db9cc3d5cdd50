"""CSV and its kin: separated values with a header line, quoted as RFC 4180 says.

A block goes to Arrow as one piece. Where the outcome does not fit the block's lines (a row with too many
values, a quote in the wrong place), the block is read again line by line, so that one bad row costs only
itself: an opening quote that never closes does not swallow the rest of the file.
Comes from `events.sources.storage`; goes on to `events.validate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.events.model import RAW_LIMIT_BYTES, Rejected
from spiritsafe.events.sources.header import HEAD_BYTES, Header, Splitter, header_of
from spiritsafe.events.sources.options import MAX_ROWS
from spiritsafe.events.sources.records import rejected
from spiritsafe.events.sources.storage import blocks
from spiritsafe.events.sources.tabular import shaped
from spiritsafe.events.validate import RawRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from spiritsafe.events.model import Shard, TableSchema
    from spiritsafe.events.sources.options import ReadOptions

__all__ = ["Header", "Splitter", "header_of", "raw_delimited", "read_delimited"]

_BLOCK_BYTES: Final = 8 << 20
_QUOTE: Final = 0x22
_LINE_END: Final = 0x0A
_RETURN: Final = 0x0D
_BLANK: Final = b" \r\x0b\x0c"
_UNFINISHED: Final = -1


class RawBatch(NamedTuple):
    """Rows as a table has them, unmapped and unchecked: columns of bytes, line numbers, records as read."""

    batch: pa.RecordBatch
    numbers: NDArray[np.int64]
    records: Sequence[bytes]
    refused: tuple[Rejected, ...]


class Records(Sequence[bytes]):
    """Records as slices of the block that holds them; cut out only when somebody asks for one."""

    def __init__(self, block: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._block = block
        self._starts = starts
        self._ends = ends

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, row: Any) -> Any:
        return self._block[self._starts[row] : self._ends[row]]


def misplaced_quotes(data: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: int) -> bool:
    """Whether a quote stands where the grammar has none: Arrow would take it in its own way.

    Counted from the beginning of a record, every other quote opens and every other closes; an escaped quote
    is one of each, side by side.
    """
    edged = np.concatenate(([_LINE_END], data, [_LINE_END]))
    before, after = edged[quotes[0::2]], edged[quotes[1::2] + 2]
    opens = (before == delimiter) | (before == _LINE_END) | (before == _QUOTE)
    closes = (after == delimiter) | (after == _LINE_END) | (after == _RETURN) | (after == _QUOTE)
    return not (opens.all() and closes.all())


def read_delimited(shard: Shard, options: ReadOptions, schema: TableSchema, dialect: str) -> Iterator[RawRows]:
    """The rows of a CSV shard, as columns of bytes under the contract's names and extras."""
    for raw in raw_delimited(shard, options):
        rows = shaped(raw.batch, raw.numbers, shard.url, options, schema, dialect, raw=raw.records)
        yield dataclasses.replace(rows, rejected=raw.refused + rows.rejected)


def raw_delimited(shard: Shard, options: ReadOptions) -> Iterator[RawBatch]:
    """The rows of a CSV shard as the file has them: columns of text whose bytes are still unchecked."""
    head = next(iter(blocks(shard.url, options, block_bytes=HEAD_BYTES)), b"")
    header = header_of(head, shard.url)
    reader = _Reader(header, shard.url, options)
    if shard.first is None:
        pieces = _after(blocks(shard.url, options, block_bytes=_BLOCK_BYTES), header.size_bytes)
        reader.line = header.lines
    else:
        pieces = blocks(shard.url, options, first=shard.first, last=shard.last, block_bytes=_BLOCK_BYTES)
        reader.line = shard.row_offset
    for piece in pieces:
        yield from reader.take(piece)
    yield from reader.rest()


def _after(pieces: Iterable[bytes], left_out: int) -> Iterator[bytes]:
    for piece in pieces:
        if left_out < len(piece):
            yield piece[left_out:]
        left_out = max(0, left_out - len(piece))


class _Reader:
    """Takes bytes, gives batches; holds back the record that is not finished."""

    def __init__(self, header: Header, source: str, options: ReadOptions) -> None:
        self._header = header
        self._source = source
        self._options = options
        self._limit = options.max_line_bytes
        self._splitter = Splitter(header.delimiter)
        self._held = b""
        self._skipping = False
        self.line = 0
        """Number of the line that `_held` begins with."""

    def take(self, piece: bytes) -> Iterator[RawBatch]:
        if self._skipping:
            _, end, piece = piece.partition(b"\n")
            if not end:
                return
            self._skipping = False
            self.line += 1
        data = self._held + piece
        self._held = b""
        yield from self._read(data, at_end=False)

    def rest(self) -> Iterator[RawBatch]:
        if self._held:
            data, self._held = self._held, b""
            yield from self._read(data, at_end=True)

    def _read(self, data: bytes, *, at_end: bool) -> Iterator[RawBatch]:
        array = np.frombuffer(data, dtype=np.uint8)
        line_ends = np.flatnonzero(array == _LINE_END)
        if at_end and (not line_ends.size or line_ends[-1] != len(data) - 1):
            line_ends = np.append(line_ends, len(data))
        if not line_ends.size:
            yield from self._unfinished(data)
            return
        # Outside quotes the number of quotes so far is even; so is it wherever the grammar is kept.
        quotes = np.flatnonzero(array == _QUOTE)
        ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
        if not ends.size and not at_end and len(data) <= self._limit:
            self._held = data
            return
        cut = min(int(ends[-1]) + 1, len(data)) if ends.size and not at_end else len(data)
        plain = ends.size and ends[-1] >= cut - 1 and not misplaced_quotes(array, quotes, self._header.delimiter[0])
        fast = self._fast(data[:cut], ends, line_ends) if plain else None
        if fast is not None:
            self._held = data[cut:]
            self.line += int(np.searchsorted(line_ends, cut))
            yield from fast
        else:
            yield from self._slow(data, at_end=at_end or len(data) > self._limit)

    def _unfinished(self, data: bytes) -> Iterator[RawBatch]:
        """A line without an end so far: held, or given up when it is too long."""
        if len(data) <= self._limit:
            self._held = data
            return
        self._skipping = True
        yield self._batch([], [self._refused(self.line, data, "events.line_size", self._too_long())])

    def _fast(self, body: bytes, ends: NDArray[np.int64], line_ends: NDArray[np.int64]) -> list[RawBatch] | None:
        """Whole records by Arrow, where its rows are those that the line ends say."""
        starts = np.concatenate(([0], ends[:-1] + 1))
        lengths = ends - starts
        filled = lengths > 0
        short = np.flatnonzero(lengths <= 2)
        filled[short] = [bool(body[starts[i] : ends[i]].strip(_BLANK)) for i in short]
        if int(lengths.max()) > self._limit:
            return None
        table = self._parsed(body)
        if table is None or table.num_rows != int(filled.sum()):
            return None
        starts, ends = starts[filled], ends[filled]
        numbers = self.line + np.searchsorted(line_ends, starts)
        found = []
        for at, batch in _sized(table):
            part = slice(at, at + batch.num_rows)
            records = Records(body, starts[part], ends[part])
            found.append(RawBatch(_as_text(batch), numbers[part].astype(np.int64), records, ()))
        return found

    def _parsed(self, body: bytes) -> pa.Table | None:
        from pyarrow import csv

        # A name cannot hold NUL, so these are no column's.
        unnamed = [f"\0{number}" for number in range(self._header.unnamed)]
        names = [*self._header.names, *unnamed]
        # A block as large as the whole: Arrow must not cut it.
        read = csv.ReadOptions(column_names=names, use_threads=False, block_size=max(len(body) + 1, 64))
        parse = csv.ParseOptions(delimiter=self._header.delimiter.decode(), newlines_in_values=True)
        convert = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            check_utf8=False,
        )
        try:
            table = csv.read_csv(pa.BufferReader(body), read_options=read, parse_options=parse, convert_options=convert)
        except (pa.ArrowException, OSError, ValueError):
            return None
        if any(pc.any(pc.greater(pc.binary_length(table[name]), 0)).as_py() for name in unnamed):
            return None
        return table.select(list(range(len(self._header.names))))

    def _slow(self, data: bytes, *, at_end: bool) -> Iterator[RawBatch]:
        """The same, line by line: a line that begins no record is refused alone, and the next one tried."""
        lines = data.split(b"\n")
        last = lines.pop()
        if at_end and last:
            lines.append(last)
            last = b""
        records: list[tuple[int, bytes, list[bytes | None]]] = []
        refused: list[Rejected] = []
        at = 0
        while at < len(lines):
            if not lines[at].strip(_BLANK):
                at += 1
                continue
            if len(lines[at]) > self._limit:
                refused.append(self._refused(self.line + at, lines[at], "events.line_size", self._too_long()))
                at += 1
                continue
            after = self._end_of_record(lines, at)
            if after == _UNFINISHED and not at_end and sum(map(len, lines[at:])) <= self._limit:
                break
            used = after - at if after is not None and after > at else 1
            record = b"\n".join(lines[at : at + used])
            fault = self._note(records, self.line + at, record)
            refused += fault
            at += used
        self._held = b"\n".join([*lines[at:], last])
        self.line += at
        for start in range(0, len(records), MAX_ROWS):
            yield self._batch(records[start : start + MAX_ROWS], refused)
            refused = []
        if refused:
            yield self._batch([], refused)

    def _end_of_record(self, lines: list[bytes], at: int) -> int | None:
        """The line after the record that begins at line `at`; None when none can begin there.

        `_UNFINISHED` when the lines end within it.
        """
        inside = False
        size = 0
        for number in range(at, len(lines)):
            size += len(lines[number]) + 1
            if size > self._limit:
                return None
            state = self._splitter.state_after(lines[number], inside=inside)
            if not state:
                return None if state is None else number + 1
            inside = state
        return _UNFINISHED

    def _note(self, records: list[tuple[int, bytes, list[bytes | None]]], line: int, record: bytes) -> list[Rejected]:
        fields = self._splitter.fields(record.removesuffix(b"\r"))
        if fields is None:
            reason = "a quote that is not closed, or closed in the middle of a value"
            return [self._refused(line, record, "events.csv_quote", reason)]
        fitted = self._header.fitted(fields)
        if fitted is None:
            return [self._refused(line, record, "events.csv_columns", self._header.misfit(fields))]
        records.append((line, record[:RAW_LIMIT_BYTES], fitted))
        return []

    def _refused(self, line: int, record: bytes, code: str, reason: str) -> Rejected:
        return rejected(self._source, line, code, reason, record, self._options)

    def _too_long(self) -> str:
        return f"a line of over {self._limit:,} bytes"

    def _batch(self, records: list[tuple[int, bytes, list[bytes | None]]], refused: list[Rejected]) -> RawBatch:
        names = list(self._header.names)
        columns = [pa.array([fields[i] for _, _, fields in records], pa.binary()) for i in range(len(names))]
        numbers = np.array([line for line, _, _ in records], dtype=np.int64)
        raw = [record for _, record, _ in records]
        return RawBatch(_as_text(pa.RecordBatch.from_arrays(columns, names=names)), numbers, raw, tuple(refused))


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Columns of bytes as columns of text, as they are: which rows are no text is found later, row by row."""
    return pa.RecordBatch.from_arrays([array.view(pa.string()) for array in batch.columns], names=batch.schema.names)


def _sized(table: pa.Table) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(first row, batch) pieces of at most `MAX_ROWS` rows."""
    at = 0
    for batch in table.combine_chunks().to_batches(max_chunksize=MAX_ROWS):
        yield at, batch
        at += batch.num_rows
