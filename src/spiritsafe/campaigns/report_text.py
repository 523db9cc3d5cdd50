"""How a string from somebody else's log is shown to a person without harm, and how a number is said.

An account may be called `<script>`, may turn the line round with a bidi override, may look empty, or may be
ten thousand characters long. What cannot be seen is written out (`⟨U+202E⟩`), what is long is shortened with
its length and a digest, so that two long names stay two. Escaping for HTML is the template's work
(`report_templates`). Comes from `model`; goes on to `report_view`, `charts` and `ocsf`.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from datetime import UTC, datetime
from typing import Final

SENTENCE_LIMIT: Final = 1_500
NAME_LIMIT: Final = 44
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Letters and symbols that are drawn as nothing: Hangul and Khmer fillers, Braille blank.
_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Real scripts stack at most a few marks on a letter (Vietnamese two, Hebrew and Tibetan four).
_MARKS_IN_A_ROW: Final = 4
_THIN: Final = "\u202f"
# Opens our own notes; in a log's text it is written out like anything hidden, so that no name can forge a note.
_OPEN: Final = "⟨"


def visible(text: str, *, limit: int = SENTENCE_LIMIT, spaces: bool = True) -> str:
    """`text` with nothing hidden in it, and not much longer than `limit`.

    Parameters
    ----------
    text
        Any string, lone surrogates included.
    limit
        Characters of the result, before the note that says what was cut.
    spaces
        False writes spaces out as ``␠`` too: in a name, "a" and "a " must differ.

    Returns
    -------
    A string that can be encoded as UTF-8, holds no control, format, bidirectional, private or unassigned
    character, and no more than four combining marks in a row.

    Examples
    --------
    >>> visible("acct\u202e42")
    'acct⟨U+202E⟩42'
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and (spaces or " " not in text):
        return text
    parts: list[str] = []
    length = marks = 0
    for position, character in enumerate(text):
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        shown = _shown(character, marks, spaces=spaces)
        if length + len(shown) > limit:
            return "".join(parts) + _cut_note(text, position)
        parts.append(shown)
        length += len(shown)
    return "".join(parts)


def _shown(character: str, marks: int, *, spaces: bool) -> str:
    if character == " " or (spaces and character in "\n\t\r"):
        return " " if spaces else "␠"
    odd_space = unicodedata.category(character) == "Zs"
    hidden = not (character.isprintable() or odd_space) or character in _BLANK or marks > _MARKS_IN_A_ROW
    if hidden or character == _OPEN or (not spaces and (odd_space or character == "␠")):
        return f"{_OPEN}U+{ord(character):04X}⟩"
    return character


def _cut_note(text: str, shown: int) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"… {_OPEN}{len(text) - shown:,} more characters, sha256 {digest}⟩"


def name(text: str, *, limit: int = NAME_LIMIT) -> str:
    """An id as one shows it: nothing hidden, spaces written out, shortened with a digest.

    Examples
    --------
    >>> name("team 7"), name("")
    ('team␠7', '⟨empty⟩')
    """
    return visible(text, limit=limit, spaces=False) or "⟨empty⟩"


def first_upper(words: str) -> str:
    """`words` with its first letter raised and no other changed."""
    return words[:1].upper() + words[1:]


def sentence(words: str) -> str:
    """A fragment as a sentence: a capital first, a full stop last; a sentence stays as it is.

    Examples
    --------
    >>> sentence("no prompt is in this log"), sentence("Really?"), sentence(" ")
    ('No prompt is in this log.', 'Really?', '')
    """
    words = words.strip()
    return words and first_upper(words) + ("" if words[-1] in ".!?…" else ".")


def count(number: int) -> str:
    """`28,800,000`."""
    return f"{number:,}"


def compact(number: float) -> str:
    """A big number at a glance: `28.8 M`, `1,152`.

    Examples
    --------
    >>> compact(28_800_000), compact(1152), compact(999_999)
    ('28.8\u202fM', '1,152', '1\u202fM')
    """
    for size, unit in ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e4, "k")):
        # 0.9995 of a unit already rounds to the next one at three figures.
        if abs(number) >= size * (0.9995 if size > 1e4 else 1.0):
            scale = 1e3 if unit == "k" else size
            value = f"{number / scale:.3g}" if abs(number) / scale < 1000 else f"{number / scale:,.0f}"
            return f"{value}{_THIN}{unit}"
    return f"{number:,.0f}"


def share(part: float) -> str:
    """A share of one as a percentage that never rounds something to nothing.

    Examples
    --------
    >>> share(0.118), share(0.0001), share(0.0), share(0.9999), share(1.0)
    ('11.8\u202f%', '<\u202f0.1\u202f%', '0\u202f%', '>\u202f99.9\u202f%', '100\u202f%')
    """
    if math.isnan(part) or part <= 0:
        return f"0{_THIN}%"
    if part < 0.001:
        return f"<{_THIN}0.1{_THIN}%"
    if 0.999 < part < 1:
        return f">{_THIN}99.9{_THIN}%"
    return f"{100 * part:.3g}{_THIN}%"


def probability(value: float) -> str:
    """A probability as a percentage that never claims certainty.

    Examples
    --------
    >>> probability(0.873), probability(1.0), probability(0.0), probability(0.994)
    ('87\u202f%', '>\u202f99.9\u202f%', '<\u202f0.1\u202f%', '99.4\u202f%')
    """
    if math.isnan(value):
        return "–"
    if value > 0.999:
        return f">{_THIN}99.9{_THIN}%"
    if value < 0.001:
        return f"<{_THIN}0.1{_THIN}%"
    return f"{100 * value:.{1 if value > 0.99 or value < 0.01 else 0}f}{_THIN}%"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 account`, `2 accounts`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def instant(text: str) -> datetime | None:
    """An ISO 8601 instant of the contract as a UTC datetime, or None when it is not one.

    Naive text is read as UTC: the contract has no other clock.
    """
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day_of(moment: datetime) -> str:
    """`5 Jun 2026`, in English whatever the locale."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def day(text: str) -> str:
    """The day of an ISO instant, or the text itself when it is none."""
    read = instant(text)
    return text if read is None else day_of(read)


def moment(text: str) -> str:
    """`5 Jun 2026, 14:05` (UTC), or the text itself when it is no instant."""
    read = instant(text)
    return text if read is None else f"{day_of(read)}, {read.hour:02d}:{read.minute:02d}"


def duration(first: str, last: str) -> str:
    """How long between two ISO instants: `45 days`, `7 hours`, "" when either is none."""
    start, end = instant(first), instant(last)
    if start is None or end is None or end < start:
        return ""
    hours = (end - start).total_seconds() / 3600
    if hours < 1:
        return plural(round(hours * 60), "minute")
    return plural(round(hours), "hour") if hours < 48 else plural(round(hours / 24), "day")
