"""How to read: the choices that every reader shares, small and picklable, so that a worker can have them.

Comes from `cli` and `settings`; goes on to every reader in this folder and to `events.validate`.
"""

from __future__ import annotations

import time
import zoneinfo
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.events.sources.errors import TimezoneError

if TYPE_CHECKING:
    from collections.abc import Mapping as Dict
    from pathlib import Path

    from spiritsafe.events.mapping import Mapping
    from spiritsafe.settings import Settings

MAX_ROWS: Final = 65_536
"""Rows in a batch, at most."""

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How logs are read.

    Parameters
    ----------
    timezone
        IANA name of the zone in which times without an offset are; None refuses such times.
    mapping
        How a bespoke table's columns become the contract's (`events.mapping`).
    sql
        A query over a view named `logs` whose result has the contract's columns. One shard.
    keep_raw
        Keep the refused row as read in `Rejected.raw`, and quote values in reasons. Off where output must hold no
        text: then a reason says only what a value is and how long.
    max_text_bytes
        A row with any text longer than this (UTF-8 bytes) is refused, `events.text_size`.
    max_line_bytes
        A line longer than this is refused unread, `events.line_size`. Far above `max_text_bytes`, since a
        chat request carries its whole history and its pictures; 32 MB is what the APIs themselves accept.
    now_us
        The present in UTC microseconds; None asks the clock. Later than a day from it is clock nonsense.
    format
        `parquet`, `jsonl`, `csv`, `otlp`, `litellm`, `chat` or `glasswally`; None looks at the bytes.
    storage_options
        Passed to fsspec as they are, e.g. `{"endpoint_url": "https://minio.example"}`.
    columns
        Read these columns only (contract or extra names; required ones always); None reads all.
    memory_limit_bytes, temp_dir
        What a query may use: memory, and the folder for what does not fit in it (None: the system's).

    Raises
    ------
    TimezoneError
        `timezone` is no zone of the IANA database.
    """

    timezone: str | None = None
    mapping: Mapping | None = None
    sql: str | None = None
    keep_raw: bool = True
    max_text_bytes: int = 1 << 20
    max_line_bytes: int = 32 << 20
    now_us: int | None = None
    format: str | None = None
    storage_options: Dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    memory_limit_bytes: int = 3 << 30
    temp_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.timezone is None:
            return
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise TimezoneError(
                f"{self.timezone!r} is not a time zone", hint="use an IANA name such as Europe/Paris or UTC"
            ) from error

    @classmethod
    def under(cls, settings: Settings, **chosen: Any) -> ReadOptions:
        """Options where the operator's settings hold: time zone, memory, temporary folder; `chosen` as given."""
        return cls(
            timezone=settings.timezone,
            memory_limit_bytes=settings.memory_limit_bytes,
            temp_dir=settings.temp_dir,
            **chosen,
        )

    def latest_us(self) -> int:
        """The latest time that a request can have: a day from now, for clocks that run ahead."""
        now_us = time.time_ns() // 1000 if self.now_us is None else self.now_us
        return now_us + _DAY_US
