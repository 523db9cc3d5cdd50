"""The reference pages that are made from the tables of this room: the contract's columns, doctor's warnings.

`python -m spiritsafe.events.reference docs/reference` writes them; a test holds that they are up to date.
Comes from `events.model` and `events.silences`; goes on to docs/reference.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pyarrow as pa

from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ACTIONS, ATTESTATIONS, REQUESTS, Column, TableSchema
from spiritsafe.events.silences import WAYS

_NOTICE: Final = (
    "<!-- Written by `python -m spiritsafe.events.reference docs/reference`: change the code, then run that. -->\n"
)
_TABLES: Final = {
    REQUESTS: "One row an exchange: a request and what became of it. This is what `scan` reads.",
    ACCOUNTS: "One row an account, beside the log (`--accounts`). Optional; each column makes some innocent or guilty "
    "explanation checkable.",
    ACCOUNT_EVENTS: "What happened to accounts (`--account-events`). Optional; checked, and not used by this version.",
    ATTESTATIONS: "Who is known to be allowed, by whom and until when (`--attestations`). Optional, and consulted "
    "before anybody is accused.",
    ACTIONS: "One row an act, in any table: what `coordinate` reads. Its columns are named on the command line.",
}


def columns_page() -> str:
    """docs/reference/columns.md: every column of the contract, and what detection loses without it."""
    parts = [
        "# The columns of the contract\n",
        _NOTICE,
        "`spiritsafe doctor LOGS` says which of these a log has. A table whose columns have other names is read "
        "through a map: [how to](../how-to/map-a-bespoke-table.md), [its form](mapping.md).\n",
        "**Bold** columns are required. *Personal* values are replaced by keyed pseudonyms in anything that is filed "
        "or shared; *text* never leaves the sketcher. A column that is missing never counts as support for anything.\n",
    ]
    for schema, words in _TABLES.items():
        parts += [f"## {schema.name}\n", f"{words} Version {schema.version}.\n", _table(schema)]
    return "\n".join(parts)


def _table(schema: TableSchema) -> str:
    lines = ["| column | type | what | evidence | without it |", "| --- | --- | --- | --- | --- |"]
    for column in schema.columns:
        name = f"**`{column.name}`**" if column.required else f"`{column.name}`"
        lines.append(f"| {name} | {_kind(column.type)} | {_what(column)} | {column.axis} | {column.cost} |")
    return "\n".join(lines) + "\n"


def _kind(kind: pa.DataType) -> str:
    return (
        "list of int64"
        if pa.types.is_list(kind)
        else "timestamp, µs, UTC"
        if pa.types.is_timestamp(kind)
        else str(kind)
    )


def _what(column: Column) -> str:
    marks = [word for word, holds in (("personal", column.personal), ("text", column.text)) if holds]
    otel = f"[`{column.otel}`]" if column.otel else ""
    return " ".join(part for part in (column.note, otel, f"*{', '.join(marks)}*" if marks else "") if part)


def warnings_page() -> str:
    """docs/reference/doctor.md: every warning of doctor, what it kills and what to do."""
    lines = [
        "# What doctor warns of\n",
        _NOTICE,
        "A log may have every column and still show nothing: behind a proxy all requests come from one address. "
        "`spiritsafe doctor` looks for these ways to go silent. `dead` kills a kind of evidence, or all of it, and "
        "makes `--strict` exit with 3; `weak` hurts; `note` is worth knowing. Some are `weak` instead of `dead` where "
        "only part of the rows is affected.\n",
        "| code | severity | kills | what to do |",
        "| --- | --- | --- | --- |",
    ]
    for code, way in WAYS.items():
        kills = "all detection" if "all" in way.kills else ", ".join(way.kills)
        lines.append(f"| `{code}` | {way.severity} | {kills} | {way.do} |")
    return "\n".join(lines) + "\n"


PAGES: Final = {"columns.md": columns_page, "doctor.md": warnings_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")
