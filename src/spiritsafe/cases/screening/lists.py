"""A list's file, recognised by its content and read whole, with what must be recorded of it: version, day, digest.

Comes from the command; goes on to `screen`.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from spiritsafe.cases.screening.csl import is_csl_csv, is_csl_json, read_csl_csv, read_csl_json
from spiritsafe.cases.screening.ftm import is_ftm, read_ftm
from spiritsafe.cases.screening.model import Entry, ListError, ScreeningList
from spiritsafe.cases.screening.ofac import is_ofac, read_ofac, side_files
from spiritsafe.cases.screening.ofac_xml import is_advanced, read_advanced

if TYPE_CHECKING:
    from pathlib import Path

STALE_HOURS: Final = 24
"""OFAC publishes on any day; who screened against yesterday's list says so."""
_HEAD_BYTES: Final = 65_536
_REFUSED_SHARE: Final = 0.05
_NAMES: Final = {
    "ofac-csv": "OFAC list (CSV)",
    "ofac-advanced-xml": "OFAC list (advanced XML)",
    "csl-csv": "Consolidated Screening List",
    "csl-json": "Consolidated Screening List",
    "ftm": "FollowTheMoney entities",
}


def read_list(path: Path, *, name: str = "") -> ScreeningList:
    """A list, whatever its format.

    Parameters
    ----------
    path
        The file; OFAC's CSV is read with the files beside it (`add`, `alt`, `comments`).
    name
        What it is called in records; by default its format and file name.

    Raises
    ------
    ListError
        It cannot be read, is of no known format, is cut off, has no entry, or more than a twentieth of its rows were
        refused, as where its format has changed.
    """
    data = _bytes(path)
    head = data[:_HEAD_BYTES]
    digest, issued, own = hashlib.sha256(data), "", False
    newest_s = path.stat().st_mtime
    entries: tuple[Entry, ...]
    refused: Counter[str]
    if is_advanced(head):
        source = "ofac-advanced-xml"
        entries, refused, issued = read_advanced(data)
        own = bool(issued)
    elif is_csl_csv(head):
        source, (entries, refused) = "csl-csv", read_csl_csv(data)
    elif is_ofac(head):
        source = "ofac-csv"
        sides = {side: _bytes(beside) for side, beside in sorted(side_files(path).items())}
        for side in sides.values():
            digest.update(hashlib.sha256(side).digest())
        entries, refused = read_ofac(data, sides)
    elif is_ftm(head):
        source, (entries, refused) = "ftm", read_ftm(data)
    elif is_csl_json(head):
        source, (entries, refused) = "csl-json", read_csl_json(data)
    else:
        raise ListError(
            f"{path} is no list of a known format",
            hint="OFAC's sdn.csv or sdn_advanced.xml, the Consolidated Screening List (CSV, JSON), or FollowTheMoney",
        )
    _check_whole(path, entries, refused)
    if not issued:
        issued = datetime.datetime.fromtimestamp(newest_s, datetime.UTC).strftime("%Y-%m-%d")
    called = name or f"{_NAMES[source]}: {path.name}"
    return ScreeningList(called, source, issued, own, digest.hexdigest(), entries, dict(refused))


def age_hours(listed: ScreeningList, now_us: int) -> float:
    """How old a list is, from the day that it says, or of its file."""
    day = datetime.datetime.fromisoformat(f"{listed.issued[:10].ljust(10, '0')}T00:00:00+00:00")
    return now_us / 3.6e9 - day.timestamp() / 3600


def _check_whole(path: Path, entries: tuple[Entry, ...], refused: Counter[str]) -> None:
    if not entries:
        raise ListError(f"{path} has no entry", hint="is it the right file, and whole?")
    bad = sum(refused.values())
    if bad > _REFUSED_SHARE * (bad + len(entries)):
        reason = refused.most_common(1)[0][0]
        raise ListError(
            f"{bad:,} of {bad + len(entries):,} rows of {path} could not be read: {reason}",
            hint="its format has changed, or it is damaged; screening against the rest would miss them silently",
        )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ListError(f"cannot read {path}: {error.strerror}", hint="see the path and its mode") from error
