"""Lines from blocks of bytes, none of them longer than it may be.

The memory used is that of one chunk of lines, whatever the file holds: a line over the limit (a bomb, or a
file without line ends) is passed over unread and reported.
Comes from `events.sources.storage`; goes on to the readers of line formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.events.model import RAW_LIMIT_BYTES
from spiritsafe.events.sources.options import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

CHUNK_BYTES: Final = 16 << 20
"""A chunk of lines is handed on at this size even when it has few lines."""
_RUN: Final = 4_096
_FILLED: Final = 9
"""A line of this many bytes is hardly blank. Should it be, it is no JSON either, and is passed over then."""
_BOM: Final = b"\xef\xbb\xbf"
BLANK: Final = b" \t\r\n\x0b\x0c"


@dataclass(slots=True)
class Lines:
    """Some lines of a file.

    `texts` without line ends; `numbers` their line numbers from 0; `too_long` the number and the beginning of
    lines that were passed over. Blank lines are not in it (a long one may be): they hold no row.
    """

    texts: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    too_long: list[tuple[int, bytes]] = field(default_factory=list)
    size_bytes: int = 0

    def positions(self) -> NDArray[np.int64]:
        """`numbers` as an array of shape (n,)."""
        return np.array(self.numbers, dtype=np.int64)

    def add(self, number: int, text: bytes) -> None:
        """Take a line, unless it is blank."""
        if text.strip(BLANK):
            self.texts.append(text)
            self.numbers.append(number)
            self.size_bytes += len(text)

    def extend(self, first: int, texts: list[bytes]) -> None:
        """Take lines that follow one another and are not blank."""
        self.texts += texts
        self.numbers += range(first, first + len(texts))
        self.size_bytes += sum(map(len, texts))

    def full(self) -> bool:
        # A run more must still fit.
        return len(self.texts) > MAX_ROWS - _RUN or self.size_bytes >= CHUNK_BYTES or len(self.too_long) >= MAX_ROWS


def lines_of(blocks: Iterable[bytes], *, max_line_bytes: int, first_number: int = 0) -> Iterator[Lines]:
    """Chunks of lines, at most `MAX_ROWS` and about `CHUNK_BYTES` each.

    Parameters
    ----------
    max_line_bytes
        A longer line is reported in `too_long` and never held.
    first_number
        The number of the first line.
    """
    cutter = _Cutter(first_number, max_line_bytes)
    for index, block in enumerate(blocks):
        piece = block.removeprefix(_BOM) if index == 0 and first_number == 0 else block
        head, end, tail = piece.partition(b"\n")
        cutter.grow(head)
        if end:
            cutter.finish()
            *whole, last = tail.split(b"\n")
            for run in range(0, len(whole), _RUN):
                cutter.take(whole[run : run + _RUN])
                if cutter.chunk.full():
                    yield cutter.handed_on()
            cutter.grow(last)
        if cutter.chunk.full():
            yield cutter.handed_on()
    cutter.finish()
    if cutter.chunk.texts or cutter.chunk.too_long:
        yield cutter.chunk


class _Cutter:
    """Puts lines together from pieces, and gives up those that grow too long."""

    def __init__(self, number: int, max_line_bytes: int) -> None:
        self.chunk = Lines()
        self._number = number
        self._limit = max_line_bytes
        self._rest = bytearray()
        self._given_up = False

    def handed_on(self) -> Lines:
        """The chunk so far; a new one is begun."""
        chunk, self.chunk = self.chunk, Lines()
        return chunk

    def grow(self, piece: bytes) -> None:
        """More of the line that is not finished."""
        if not self._given_up:
            self._rest += piece
            if len(self._rest) > self._limit:
                self.chunk.too_long.append((self._number, bytes(self._rest[:RAW_LIMIT_BYTES])))
                self._rest.clear()
                self._given_up = True

    def finish(self) -> None:
        """The end of that line."""
        if not self._given_up:
            self.chunk.add(self._number, bytes(self._rest))
        self._rest.clear()
        self._given_up = False
        self._number += 1

    def take(self, lines: list[bytes]) -> None:
        """Whole lines; at once where all are plainly filled and short enough."""
        sizes = list(map(len, lines))
        if min(sizes) >= _FILLED and max(sizes) <= self._limit:
            self.chunk.extend(self._number, lines)
            self._number += len(lines)
            return
        for line in lines:
            self.grow(line)
            self.finish()
