"""Example values that show a column's form and nobody's name.

`doctor` prints examples so that a person can judge a mapping, and its output is pasted into tickets. Names of
people and what they asked do not belong there: letters become `a`, digits `9`, text only its size.
Comes from `events.propose`; goes on to `events.doctor`.
"""

from __future__ import annotations

from typing import Final

from spiritsafe.events.mapping_text import visible
from spiritsafe.events.model import Column

_SHOWN_CHARS: Final = 48


def example(value: str, column: Column | None, *, show: bool = False) -> str:
    """One value as it may be printed.

    Parameters
    ----------
    value
        As logged.
    column
        The contract column that it is read into; None for a column that nothing is read from, whose meaning
        nobody knows and which is masked therefore.
    show
        Print it all the same, cut at 48 characters.
    """
    if show:
        return _cut(visible(value))
    if column is None or column.personal or column.text:
        words = len(value.split())
        if (column is not None and column.text) or words > 3 or len(value) > 2 * _SHOWN_CHARS:
            return f"{len(value):,} characters, {words:,} {'word' if words == 1 else 'words'}"
        return _cut(shape(value))
    return _cut(visible(value))


def shape(value: str) -> str:
    """`value` with each letter as `a` or `A` and each digit as `9`.

    Examples
    --------
    >>> shape("acct_7f3 @ 203.0.113.9")
    'aaaa_9a9 @ 999.9.999.9'
    """
    return "".join(_shape_of(character) for character in value)


def _shape_of(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character if character.isascii() and character.isprintable() else "?"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
