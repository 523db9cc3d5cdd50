"""A review as files: the sheet that people fill in, and the key that says which stratum each row came from.

The sheet is CSV, since that is what people open; whatever a spreadsheet made of it (another separator, a byte-order
mark, other columns, another order) is read again. Comes from `campaigns.review`; read and written by `sample`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, get_args

import msgspec

from spiritsafe.campaigns.review import STRATA, Label
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SHEET: Final = "review.csv"
KEY: Final = "key.json"
KEY_SCHEMA: Final = "review_key/1.0"
LABELS: Final[tuple[Label, ...]] = get_args(Label)
# A cell that begins so is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ReviewError(InputError):
    """A review's sheet or key cannot be read, or the two do not belong together."""

    code: ClassVar[str] = "campaigns.review"


class LabelError(InputError):
    """A reviewed row has a label that is none."""

    code: ClassVar[str] = "campaigns.review_label"


class Drawn(msgspec.Struct, frozen=True):
    """One row of the sheet: its number, the account, and the stratum it was drawn from."""

    review: str
    account_id: str
    stratum: str


class Key(msgspec.Struct, frozen=True, tag_field="schema", tag=KEY_SCHEMA):
    """What the sheet does not say: which scan, how many accounts each stratum has, and who was drawn from which."""

    findings_sha256: str
    seed: int
    accounts: dict[str, int]
    drawn: tuple[Drawn, ...]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Labels by stratum, as a random sample; `waiting` rows have none yet, `gaps` of them between labelled ones."""

    labels: dict[str, list[Label]]
    waiting: int
    gaps: int


def sheet(rows: Sequence[Mapping[str, Any]]) -> str:
    """The sheet, as CSV text, with empty `label` and `note`."""
    out = io.StringIO()
    names = [*(rows[0] if rows else ("review", "account_id")), "label", "note"]
    written = csv.DictWriter(out, names, lineterminator="\n")
    written.writeheader()
    for row in rows:
        written.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_key(key: Key) -> bytes:
    """The key as JSON."""
    return msgspec.json.format(msgspec.json.encode(key, order="deterministic"), indent=1)


def read_key(path: Path) -> Key:
    """A key as `write_key` wrote it."""
    try:
        key = msgspec.json.decode(path.read_bytes(), type=Key)
    except (OSError, msgspec.DecodeError) as error:
        raise ReviewError(
            f"{path} is no key of a review: {error}",
            hint="give the key.json that `spiritsafe sample --out` wrote beside the sheet, with --key",
        ) from error
    if not set(key.accounts) <= set(STRATA) or not {one.stratum for one in key.drawn} <= set(key.accounts):
        raise ReviewError(f"{path} names strata that are none", hint="draw the sample again with this version")
    return key


def read_sheet(path: Path, key: Key) -> Reviewed:
    """The labels of a sheet that somebody filled in.

    Rows without a label at the end of the drawn order are still waiting; those between labelled ones count as "unsure",
    since who leaves the difficult ones out leaves a sample that is no longer random.

    Raises
    ------
    ReviewError
        It is no CSV with `review` and `label`, or has rows that the key does not know, or one twice.
    LabelError
        A label is none of `LABELS`.
    """
    given = _labels(path)
    known = {one.review: one for one in key.drawn}
    foreign = [number for number in given if number not in known]
    if foreign:
        raise ReviewError(
            f"{path} has rows that its key does not know: {', '.join(foreign[:3])}",
            hint="the sheet and key.json must come from one draw",
        )
    last = max((place for place, one in enumerate(key.drawn) if one.review in given), default=-1)
    labels: dict[str, list[Label]] = defaultdict(list)
    for one in key.drawn[: last + 1]:
        labels[one.stratum].append(given.get(one.review, "unsure"))
    return Reviewed(dict(labels), waiting=len(key.drawn) - len(given), gaps=last + 1 - len(given))


def _numbered(rows: csv.DictReader[str], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        yield from enumerate(rows, start=2)
    except csv.Error as error:
        raise ReviewError(f"{path} is no CSV: {error}", hint="save the sheet as CSV in UTF-8") from error


def _labels(path: Path) -> dict[str, Label]:
    """Row number to label, for the rows that have one."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"{path} cannot be read: {error}", hint="save the sheet as CSV in UTF-8") from error
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    names = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    if not {"review", "label"} <= set(names):
        raise ReviewError(
            f"{path} has no columns `review` and `label`", hint="fill in the sheet that `spiritsafe sample --out` wrote"
        )
    found: dict[str, Label] = {}
    seen: set[str] = set()
    for line, row in _numbered(rows, path):
        number = (row[names["review"]] or "").strip()
        if not number:
            continue
        if number in seen:
            raise ReviewError(f"{path} has {number} twice (line {line})", hint="keep one row of each")
        seen.add(number)
        word = (row[names["label"]] or "").strip().lower()
        if word and word not in LABELS:
            raise LabelError(
                f"{path}, line {line}: {json.dumps(word)} is no label",
                hint=f"write one of {', '.join(LABELS)}, or leave the cell empty",
            )
        if word:
            found[number] = next(label for label in LABELS if label == word)
    return found
