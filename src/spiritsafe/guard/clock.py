"""The time of a decision: of the events, and not led astray by one of them.

A log's or a client's clock may jump. One event that is hours ahead of all others would make every count fade; so time
goes on by what events say, and a jump is believed when several events in a row agree. Comes from requests; goes on to
`guard.counters`.
"""

from __future__ import annotations

from typing import Final

JUMP_US: Final = 3_600_000_000
"""An event so far from the others has to be confirmed."""

AGREEING: Final = 8
"""So many events in a row make a jump."""


class EventClock:
    """The time that events tell. Never goes back, but for a jump that several of them agree on.

    Examples
    --------
    >>> clock = EventClock()
    >>> [clock.tick(at) for at in (100, 90, 10 * JUMP_US, 101)]
    [100, 100, 100, 101]
    >>> clock.jumps
    1
    """

    def __init__(self) -> None:
        self._now_us: int | None = None
        self._away: list[int] = []
        self.jumps = 0

    @property
    def now_us(self) -> int:
        """The time of the newest event that is believed; 0 before the first."""
        return self._now_us or 0

    def tick(self, time_us: int) -> int:
        """The time at an event that says it is `time_us`."""
        now_us = self._now_us
        if now_us is None:
            self._now_us = time_us
            return time_us
        if abs(time_us - now_us) <= JUMP_US:
            self._away.clear()
            if time_us > now_us:
                self._now_us = now_us = time_us
            return now_us
        self.jumps += 1
        self._away.append(time_us)
        if len(self._away) >= AGREEING:
            low, high = min(self._away), max(self._away)
            if high - low <= JUMP_US:
                self._now_us = now_us = high
                self._away.clear()
            else:
                del self._away[0]
        return now_us
