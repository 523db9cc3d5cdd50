"""A mapping as TOML text that a person can check and correct.

Every section carries, as comments, why that column was chosen and which others it could be. Names and values
of a stranger's log stand in those comments, so nothing in them may end a comment or move a cursor.
Comes from `events.mapping` and `events.propose`; goes on to a text editor, and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ACTIONS, ATTESTATIONS, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Mapping as Dict

    from spiritsafe.events.mapping import ColumnSource, Mapping, Scalar

_TABLES: Final = (REQUESTS, ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS, ACTIONS)


def dump_mapping(
    mapping: Mapping, *, notes: Dict[str, Sequence[str]] | None = None, closing: Sequence[str] = ()
) -> str:
    """The mapping as TOML text, such that `parse_mapping(dump_mapping(m)) == m`.

    Parameters
    ----------
    mapping
        What is written.
    notes
        Comment lines to stand above a section, by `"requests.account_id"`. A note for a column that the
        mapping does not have stands at the end, so that a person can fill it in.
    closing
        Comment lines for the end of the file (the unmapped columns).
    """
    notes = dict(notes or {})
    lines = [
        "# Which column of your table is which column of spiritsafe's contract.",
        "# Check each section, correct it, then: spiritsafe scan LOGS --map THIS_FILE --out findings",
        f"schema = {_quoted(mapping.schema)}",
    ]
    if mapping.timezone:
        lines.append(f"timezone = {_quoted(mapping.timezone)}")
    if mapping.carry is not None:
        lines += ["# Columns that the reader hands on (no result holds them). Remove the line to hand on all."]
        lines.append(f"carry = {_array(mapping.carry)}")
    for schema in _TABLES:
        table = schema.name
        section = mapping.table(table)
        # The contract's order reads best.
        for name in [column.name for column in schema.columns if column.name in section]:
            lines += ["", *_comments(notes.pop(f"{table}.{name}", ())), f"[{table}.{_key(name)}]"]
            lines += _column_lines(section[name])
        for left in [key for key in notes if key.startswith(f"{table}.")]:
            lines += ["", *_comments([*notes.pop(left), f"[{left}]", 'from = ""'])]
    lines += ["", *_comments(closing)] if closing else []
    return "\n".join(lines) + "\n"


def _column_lines(source: ColumnSource) -> list[str]:
    lines = []
    if source.sources:
        one = len(source.sources) == 1
        lines.append(f"from = {_quoted(source.sources[0]) if one else _array(source.sources)}")
    if source.const is not None:
        lines.append(f"const = {_value(source.const)}")
    if source.join is not None:
        lines.append(f"join = {_quoted(source.join)}")
    for key in ("transform", "unit", "format", "timezone"):
        if text := getattr(source, key):
            lines.append(f"{key} = {_quoted(text)}")
    if source.hop != 1:
        lines.append(f"hop = {source.hop}")
    if source.values:
        pairs = ", ".join(f"{_key(key)} = {_value(value)}" for key, value in source.values.items())
        lines.append(f"values = {{ {pairs} }}")
    return lines


def _comments(lines: Iterable[str]) -> list[str]:
    """Comment lines. Values from a log must never end the comment: control characters are shown escaped."""
    return [f"# {visible(line)}".rstrip() for line in lines]


def visible(text: str) -> str:
    """`text` on one line, harmless in a terminal and in a TOML comment: control characters as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or _escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or 0x7F <= code < 0xA0 else character


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _quoted(name)


def _value(value: Scalar) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def _array(items: Iterable[str]) -> str:
    return "[" + ", ".join(_quoted(item) for item in items) + "]"
