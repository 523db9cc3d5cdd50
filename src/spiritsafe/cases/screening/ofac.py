"""OFAC's flat files: `sdn.csv` (or `cons_prim.csv`) with its `add`, `alt` and `comments` files beside it.

Twelve columns without a header, `-0-` for nothing, an end-of-file mark (0x1A). The other files are found by the main
one's name. Comes from `lists`; goes on to `model`.
Source: OFAC, "SDN Data Formats" (dat_spec.txt); programmes are written `A] [B`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from spiritsafe.cases.screening.model import Entry, Kind, ListedName, ListError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS: Final = 12
SIDES: Final = {"add": 6, "alt": 5, "comments": 2}
_NOTHING: Final = "-0-"
_BORN: Final = re.compile(r"\bDOB (?:circa )?([^;.]+?)(?= to |;|\.|$)")
_WEAK: Final = re.compile(r"a\.k\.a\. '([^']+)'")
_KINDS: Final[Mapping[str, Kind]] = {"individual": "person", "": "organization", "vessel": "other", "aircraft": "other"}


def is_ofac(head: bytes) -> bool:
    """Whether a file begins as one of OFAC's flat files does."""
    first = head.decode("utf-8-sig", "replace").lstrip().partition("\n")[0]
    row = next(iter(_rows(first)), [])
    return len(row) == COLUMNS and row[0].isdigit()


def side_files(path: Path) -> dict[str, Path]:
    """The files beside a main one that are there: `sdn.csv` has `add.csv`, or `sdn_add.csv`; `x.csv` `x_alt.csv`."""
    found = {}
    for side in SIDES:
        stem = path.stem
        tried = [f"{stem}_{side}", re.sub(r"^sdn", side, stem), re.sub(r"_prim$", f"_{side}", stem)]
        tried += ["sdn_comments"] if side == "comments" and stem == "sdn" else []
        for name in tried:
            beside = path.with_name(name + path.suffix)
            if beside != path and beside.is_file():
                found[side] = beside
                break
    return found


def read_ofac(main: bytes, sides: Mapping[str, bytes]) -> tuple[tuple[Entry, ...], Counter[str]]:
    """Entries, and how many rows were refused for which reason; raises `ListError` where the file is cut off."""
    refused: Counter[str] = Counter()
    aliases, countries, comments = _sides(sides, refused)
    entries = []
    rows = _rows(_text(main, "the main file"))
    for row in rows:
        if len(row) != COLUMNS or not row[0].isdigit() or not row[1]:
            refused["not 12 columns with a number and a name"] += 1
            continue
        number, name, kind, program, *_, remarks = (_value(value) for value in row)
        remarks = "; ".join(part for part in (remarks, comments.get(number, "")) if part)
        weak = [ListedName(alias, "weak") for alias in _WEAK.findall(remarks)]
        entries.append(
            Entry(
                entry_id=number,
                kind=_KINDS.get(kind.casefold(), "unknown"),
                names=(ListedName(name), *aliases.get(number, ()), *weak),
                programs=tuple(part.strip() for part in program.split("] [") if part.strip()),
                countries=tuple(dict.fromkeys(countries.get(number, ()))),
                births=tuple(_BORN.findall(remarks)),
                remarks=remarks,
            )
        )
    if rows and len(rows[-1]) != COLUMNS:
        raise ListError("the list ends in the middle of a row", hint="fetch it again; it was cut off")
    return tuple(entries), refused


def _sides(
    sides: Mapping[str, bytes], refused: Counter[str]
) -> tuple[dict[str, list[ListedName]], dict[str, list[str]], dict[str, str]]:
    aliases: dict[str, list[ListedName]] = defaultdict(list)
    countries: dict[str, list[str]] = defaultdict(list)
    comments: dict[str, str] = {}
    for side, data in sides.items():
        for row in _rows(_text(data, f"the {side} file")):
            if len(row) != SIDES[side] or not row[0].isdigit():
                refused[f"{side}: not {SIDES[side]} columns with a number"] += 1
            elif side == "alt":
                aliases[row[0]].append(ListedName(_value(row[3]), "alias"))
            elif side == "add" and _value(row[4]):
                countries[row[0]].append(_value(row[4]))
            elif side == "comments":
                comments[row[0]] = _value(row[1])
    return aliases, countries, comments


def _rows(text: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text.rstrip("\x1a\r\n "), newline=None)) if row]
    except csv.Error as error:
        raise ListError(f"the list is no CSV: {error}", hint="fetch it again") from error


def _text(data: bytes, what: str) -> str:
    """OFAC's files are ASCII or UTF-8; older ones Windows-1252."""
    if b"\0" in data:
        raise ListError(f"{what} is no text", hint="fetch it again")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _value(text: str) -> str:
    text = text.strip()
    return "" if text == _NOTHING else text
