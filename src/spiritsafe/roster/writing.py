"""Write a roster: sorted arrays, a checksum, in place in one step.

Comes from the rooms that know accounts and campaigns; goes on to `roster.reading`, in every guard.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import numpy as np

from spiritsafe.errors import InputError
from spiritsafe.files import staged_file
from spiritsafe.roster.layout import ALIGNMENT_BYTES, MAGIC, SCHEMA, SECTIONS, SORTED, TABLES, VERSION, Head, Section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.roster.model import Campaign, Source


class RosterContentsError(InputError):
    """What is to be written contradicts itself: columns of two lengths, an account twice, an unknown campaign."""

    code: ClassVar[str] = "roster.contents"


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a roster says. `columns` holds one array a section of `layout.TABLES`, in any order of rows."""

    roster_id: str
    created_us: int
    names: Mapping[str, str]
    sketch: Mapping[str, str]
    campaigns: tuple[Campaign, ...]
    columns: Mapping[str, NDArray[Any]]
    attestation_kinds: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    made_from: Mapping[str, str] = field(default_factory=dict)


def write_roster(contents: Contents, path: Path) -> str:
    """Write a roster, readable for its owner only; its SHA-256 in hexadecimal.

    Raises
    ------
    RosterContentsError
        The contents contradict themselves; nothing was written.
    """
    arrays = _checked(contents) | _campaign_sections(contents.campaigns)
    sections, at = {}, 0
    for name in SECTIONS:
        sections[name] = Section(at, arrays[name].nbytes)
        at += -(-arrays[name].nbytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    head = _head(contents, sections)
    begin = len(head)
    digest = hashlib.sha256()
    with staged_file(path) as staged, os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:

        def put(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        put(head)
        for name, section in sections.items():
            put(bytes(begin + section.offset - file.tell()))
            put(arrays[name].tobytes())
        file.write(digest.digest())
    whole = digest.copy()
    whole.update(digest.digest())
    return whole.hexdigest()


def _head(contents: Contents, sections: dict[str, Section]) -> bytes:
    """Magic, length and head, padded so that the first section is aligned. Offsets count from there."""
    head = Head(
        schema=f"{SCHEMA}/{VERSION}",
        created_us=contents.created_us,
        roster_id=contents.roster_id,
        names=dict(contents.names),
        sketch=dict(contents.sketch),
        attestation_kinds=contents.attestation_kinds,
        sources=contents.sources,
        made_from=dict(contents.made_from),
        sections=sections,
    )
    text = msgspec.json.encode(head)
    size = len(MAGIC) + 8 + len(text)
    padded = text + b" " * (-size % ALIGNMENT_BYTES)
    return MAGIC + len(padded).to_bytes(8, "little") + padded


def _campaign_sections(campaigns: tuple[Campaign, ...]) -> dict[str, NDArray[Any]]:
    texts = [msgspec.json.encode(one) for one in campaigns]
    return {
        "campaign_end": np.cumsum([len(one) for one in texts], dtype="<u8"),
        "campaign_text": np.frombuffer(b"".join(texts), dtype=np.uint8),
    }


def _checked(contents: Contents) -> dict[str, NDArray[Any]]:
    """The columns in the file's types, each table sorted by its first."""
    arrays: dict[str, NDArray[Any]] = {}
    for table in TABLES:
        given = [_column(contents, name) for name in table]
        if len({len(column) for column in given}) != 1:
            raise RosterContentsError(f"the columns {', '.join(table)} have different lengths")
        order = np.argsort(given[0], kind="stable") if table[0] in SORTED else slice(None)
        arrays |= {name: np.ascontiguousarray(column[order]) for name, column in zip(table, given, strict=True)}
    accounts = arrays["account_hash"]
    if np.any(accounts[1:] == accounts[:-1]):
        raise RosterContentsError("an account stands in it twice, or two have one hash", hint="give each account once")
    campaigns = len(contents.campaigns)
    for name, least in (("account_campaign", -1), ("template_campaign", 0), ("value_campaign", 0)):
        column = arrays[name].astype(np.int64)
        if np.any((column < least) | (column >= campaigns)):
            raise RosterContentsError(f"{name} names a campaign that is not among the {campaigns:,} given")
    if np.any(arrays["phrase_template"].astype(np.int64) >= len(arrays["template_campaign"])):
        raise RosterContentsError("phrase_template names a template that is not given")
    return arrays


def _column(contents: Contents, name: str) -> NDArray[Any]:
    column = np.asarray(contents.columns.get(name, ()))
    code = _DTYPES[SECTIONS[name]]
    if column.size and column.dtype.kind == "f" and code != "f4":  # integers from 2**63 on are rounded on the way
        raise RosterContentsError(f"{name} holds fractions", hint="give whole numbers, 64-bit ones as numpy.uint64")
    return column.astype(f"<{code}")


_DTYPES: Final = {"Q": "u8", "q": "i8", "I": "u4", "i": "i4", "H": "u2", "B": "u1", "f": "f4"}
