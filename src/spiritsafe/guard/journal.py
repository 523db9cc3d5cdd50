"""Requests and decisions, written down in batches for `scan` and the ledger. No text is written, only its numbers.

A line a request: columns of the contract, the sketch, the decision, and how it was answered. Lines are gathered in
memory and put on disk together a few times a second, by a thread of their own, so that no request waits for a disk;
what `flush` returned from is on disk. A segment is open while it is written (`.open`, locked by its writer) and whole
when it is named `.jsonl`. If the disk is full the guard goes on, and says how many lines were lost. Comes from the
doors; goes on to `watch.collecting`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.evidence.records import new_id
from spiritsafe.sketch.single import PromptSketch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from spiritsafe.guard.model import Decision, Request

SCHEMA: Final = "guard_journal/1"
OPEN: Final = ".open"
WHOLE: Final = ".jsonl"
WITHOUT: Final = ("prompt", "system_prompt", "assistant_prefill")
"""What a request holds and no line does."""

_ENCODER: Final = msgspec.json.Encoder()


class Line(msgspec.Struct, omit_defaults=True):
    """One request as it is written. `request` and `decision` are objects without what they have by default; `who` is
    the class of its account then (`guard.tallies`); `leak`, how its answer carried what was withheld."""

    request: dict[str, Any]
    who: str = ""
    sketch: PromptSketch | None = None
    decision: dict[str, Any] | None = None
    status: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    leak: str = ""


class Journal:
    """Writes segments into a folder, from a thread of its own.

    Parameters
    ----------
    folder
        Made with mode 0700.
    metadata
        How its numbers were made: the sketch parameters, as their files name them. First line of every segment.
    every_s
        How often lines are put on disk.
    segment_s, segment_bytes
        After so long, or so much, a segment is whole.
    most_waiting
        Lines that may wait for the disk; more are lost, and counted.
    """

    def __init__(
        self,
        folder: Path,
        metadata: Mapping[str, str],
        *,
        every_s: float = 0.2,
        segment_s: float = 60.0,
        segment_bytes: int = 64 << 20,
        most_waiting: int = 100_000,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._metadata = folder, dict(metadata)
        self._every_s, self._segment_s, self._segment_bytes = every_s, segment_s, segment_bytes
        self._most_waiting = most_waiting
        self._clock_s = clock_s
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()  # of what waits
        self._disk = threading.Lock()  # of the segment
        self._segment: _Segment | None = None
        self.written = 0
        self.lost = 0
        self.fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="guard-journal", daemon=True)
        self._thread.start()

    def add(
        self,
        request: Request,
        sketch: PromptSketch | None,
        decision: Decision | None,
        *,
        who: str = "",
        status: int | None = None,
        usage: Mapping[str, int] | None = None,
        leak: str = "",
    ) -> None:
        """Write a request down, soon."""
        told: dict[str, Any] = msgspec.to_builtins(request)
        for name in WITHOUT:
            told.pop(name, None)
        decided = None if decision is None else msgspec.to_builtins(decision)
        line = Line(told, who, sketch, decided, status, **(usage or {}), leak=leak)
        data = _ENCODER.encode(line)
        with self._lock:
            if len(self._waiting) >= self._most_waiting:
                self.lost += 1
                return
            self._waiting.append(data)

    def flush(self) -> None:
        """Put all that waits on disk. What cannot be written is lost, and counted."""
        with self._disk:
            with self._lock:
                lines, self._waiting = self._waiting, []
            if not lines:
                return
            try:
                segment = self._segment or self._begin()
                segment.write(lines)
            except OSError as error:
                self.lost += len(lines)
                self.fault = error.strerror or str(error)
                self._drop()
                return
            self.written += len(lines)
            self.fault = ""
            if segment.size >= self._segment_bytes:
                self._seal()

    def close(self) -> None:
        """Put all on disk and make the segment whole."""
        self._stop.set()
        self._thread.join()
        self.flush()
        with self._disk:
            self._seal()

    def _work(self) -> None:
        while not self._stop.wait(self._every_s):
            self.flush()
            with self._disk:
                if self._segment is not None and self._clock_s() - self._segment.began_s >= self._segment_s:
                    self._seal()

    def _begin(self) -> _Segment:
        self._segment = _Segment(self._folder / f"{new_id()}{OPEN}", self._clock_s())
        self._segment.write([_ENCODER.encode({"schema": SCHEMA, **self._metadata})])
        return self._segment

    def _seal(self) -> None:
        if self._segment is not None:
            self._segment.seal()
            self._segment = None

    def _drop(self) -> None:
        """Give a segment up that cannot be written; what was flushed before is in it, and whole."""
        if self._segment is not None:
            if self._segment.size:
                self._segment.seal()
            else:
                self._segment.path.unlink(missing_ok=True)
                self._segment.close()
            self._segment = None


class _Segment:
    """A file that is being written, locked while its writer lives."""

    def __init__(self, path: Path, began_s: float) -> None:
        self.path, self.began_s, self.size = path, began_s, 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, lines: list[bytes]) -> None:
        data = b"\n".join(lines) + b"\n"
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)  # no half a line
            raise
        self.size += len(data)

    def seal(self) -> None:
        self.path.replace(self.path.with_suffix(WHOLE))
        self.close()

    def close(self) -> None:
        os.close(self._file)
