"""Times as Arrow gives them to Python, and as requests have them: UTC microseconds since 1970."""

from __future__ import annotations

import datetime
from typing import Final

EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND: Final = datetime.timedelta(microseconds=1)


def microseconds(time: datetime.datetime) -> int:
    """A time with its zone, as UTC microseconds."""
    return (time - EPOCH) // MICROSECOND
