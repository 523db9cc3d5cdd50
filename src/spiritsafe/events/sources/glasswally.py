"""Glasswally's two schemas: the event that its loader reads, and the one of its labelled data set.

Glasswally (github.com/m0rs3c0d3/Glasswally) is the nearest neighbour of this project for detection; people
who keep logs for it can read them here as they are. Its set is an import fixture, never a measure of quality:
all of it lies inside 0.12 s and single columns separate its classes. JA3 is kept as an extra column: it is
not JA4, and one value covers every user of a library. So is `token_count`: its own code fills it now with
the maximum asked for, now with what a generator drew.
Comes from the table readers; goes on to `events.validate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

API_EVENT: Final = {
    "request_id": "event_id",
    "timestamp": "time",
    "ip_address": "client_ip",
    "country_code": "country",
    "asn_number": "asn",
    "org_id": "organization_id",
}
"""`ApiEvent` of glasswally/src/events.rs. Its `h2_settings.fingerprint` becomes `http2_fingerprint`."""
LABELLED_SET: Final = {
    "timestamp": "time",
    "asn_number": "asn",
    "h2_settings_fp": "http2_fingerprint",
}
"""The labelled set's own columns. It has no request id: rows are numbered."""

_EVENT_MARKS: Final = frozenset({"request_id", "account_id", "timestamp", "ip_address", "header_order", "token_count"})
_SET_MARKS: Final = frozenset({"account_id", "timestamp", "client_ip", "system_prompt_hash", "campaign_label"})


def renamed(names: Iterable[str]) -> dict[str, str] | None:
    """Source name to contract name for a table of one of the two schemas; None for any other table."""
    have = frozenset(names)
    if have >= _EVENT_MARKS:
        return API_EVENT
    if have >= _SET_MARKS and "request_id" not in have and "event_id" not in have:
        return LABELLED_SET
    return None
