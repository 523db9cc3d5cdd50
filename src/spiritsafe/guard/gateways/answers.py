"""An answer on its way back: passed on as it comes, its use counted, and what is withheld taken out.

Most answers are not touched: their bytes are passed on at once and only their end is kept, where the APIs say how many
tokens were used. From a degraded one events are taken apart. Comes from the server behind; goes back through the doors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.guard.gateways.degrading import ReasoningFilter, without_reasoning
from spiritsafe.guard.gateways.leaking import LeakFilter

if TYPE_CHECKING:
    from collections.abc import Collection

    from spiritsafe.guard.leaks.checking import Leak

TAIL_BYTES: Final = 16_384
HEAD_BYTES: Final = 4_096
_INPUT: Final = re.compile(rb'"(?:prompt_tokens|input_tokens)"\s*:\s*(\d{1,9})')
_OUTPUT: Final = re.compile(rb'"(?:completion_tokens|output_tokens)"\s*:\s*(\d{1,9})')


class UsageCounter:
    """Reads how many tokens were used from the beginning and the end of an answer, without holding it."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """More of the answer."""
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    def usage(self) -> dict[str, int]:
        """`input_tokens` and `output_tokens` as the answer says last; none where it does not."""
        found = {}
        for name, pattern in (("input_tokens", _INPUT), ("output_tokens", _OUTPUT)):
            numbers = pattern.findall(self._tail) or pattern.findall(self._head)
            if numbers:
                found[name] = int(numbers[-1])
        return found


class AnswerFilter:
    """Takes out of an answer what is withheld. Of a stream each event leaves as soon as it is whole; anything else when
    it has ended, since only then can it be read. `prompt` is what the caller sent, for the measure `check_leaks`."""

    def __init__(self, measures: Collection[str], *, stream: bool, prompt: str = "") -> None:
        self._summaries = "summarise_reasoning" in measures
        self._withhold = "withhold_reasoning" in measures or self._summaries
        self._stream = stream
        self._reasoning = ReasoningFilter(summaries=self._summaries)
        self._leaks = LeakFilter(prompt, summaries=self._summaries) if "check_leaks" in measures else None
        self._held = b""

    @property
    def leak(self) -> Leak | None:
        """How the answer carried what is withheld, where it did."""
        return None if self._leaks is None else self._leaks.leak

    def feed(self, data: bytes) -> bytes:
        """More of the answer in; what may leave out."""
        if not self._withhold:
            return data
        self._held += data
        if not self._stream:
            return b""
        *events, self._held = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", self._held)
        return b"".join(self._event(event) for event in events)

    def end(self) -> bytes:
        """What is left when the answer has ended."""
        held, self._held = self._held, b""
        if not held:
            return b""
        if self._stream:
            return self._event(held)
        try:
            answer = msgspec.json.decode(held)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return b""  # what cannot be read may hold what is withheld
        if not isinstance(answer, dict):
            return held
        told = answer if self._leaks is None else self._leaks.whole(answer)
        return msgspec.json.encode(without_reasoning(told, summaries=self._summaries))

    def _event(self, event: bytes) -> bytes:
        """A server-sent event as it may leave."""
        lines = event.splitlines()
        data = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
        if not data or data.strip() == b"[DONE]":
            return event
        try:
            told = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return b""
        kept = [line for line in lines if line and not line.startswith(b"data:")]
        if not isinstance(told, dict):
            return _sent(kept, told)
        several = [told] if self._leaks is None else self._leaks.event(told)
        left = [self._reasoning.event(one) for one in several]
        return b"".join(_sent(kept, one) for one in left if one is not None)


def _sent(lines: list[bytes], told: Any) -> bytes:
    """An event with its other lines; its name is its type, where it has both."""
    kind = told.get("type") if isinstance(told, dict) else None
    kept = [
        b"event: " + kind.encode() if line.startswith(b"event:") and isinstance(kind, str) else line for line in lines
    ]
    return b"\n".join([*kept, b"data: " + msgspec.json.encode(told)]) + b"\n\n"
