"""The nouns of `dossier`: a paper in parts, each of a few kinds of blocks that every form of it can draw.

Comes from the modules that make parts; goes on to `dossier.rendering` (HTML, PDF) and to the JSON form.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from spiritsafe.errors import UsageError

SCHEMA: Final = "dossier/1.0"


class DossierError(UsageError):
    """There is nothing to put before anybody: no such case, or nothing was found in it."""

    code = "dossier.nothing"


class Heading(msgspec.Struct, frozen=True, tag="heading", tag_field="kind"):
    """A title within a part."""

    text: str


class Paragraph(msgspec.Struct, frozen=True, tag="paragraph", tag_field="kind"):
    """One or more sentences. `is_note`: about the paper itself, or a caution."""

    text: str
    is_note: bool = False


class Items(msgspec.Struct, frozen=True, tag="items", tag_field="kind"):
    """Points, each a sentence or more."""

    texts: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, tag="table", tag_field="kind"):
    """Rows under named columns, all of them text. `mono` are the numbers of columns of identifiers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...] = ()
    mono: tuple[int, ...] = ()


class Figure(msgspec.Struct, frozen=True, tag="figure", tag_field="kind"):
    """A drawing in vector form, and what it shows in words."""

    svg: str
    caption: str


Block: TypeAlias = Heading | Paragraph | Items | Table | Figure


class Part(msgspec.Struct, frozen=True):
    """One of the twelve parts."""

    number: int
    title: str
    blocks: tuple[Block, ...]


class Header(msgspec.Struct, frozen=True):
    """Who put it together from what, for whom. Keys are Ed25519, base64."""

    case_id: str
    title: str
    marking: str
    leaves: bool
    legal_basis: str
    drawn_by: str
    drawn_by_key: str
    drawn_at: str
    read_by: str
    read_by_key: str
    content_sha256: str
    origin: str
    entries: int
    root_hash: str
    verifier_keys: tuple[str, ...]
    cosignatures: int
    timestamps: tuple[str, ...]
    version: str

    @property
    def is_draft(self) -> bool:
        """Whether nobody but whoever drew it up has read it."""
        return not self.read_by


class Dossier(msgspec.Struct, frozen=True):
    """The paper."""

    schema: str
    header: Header
    parts: tuple[Part, ...]


def text_of(part: Part) -> str:
    """All that a part says, for the lint."""
    said: list[str] = []
    for block in part.blocks:
        if isinstance(block, Items):
            said += block.texts
        elif isinstance(block, Table):
            said += ["\n\n".join(cell for cell in row if cell) for row in block.rows]
        elif isinstance(block, Figure):
            said.append(block.caption)
        else:
            said.append(block.text)
    return "\n\n".join(said)
