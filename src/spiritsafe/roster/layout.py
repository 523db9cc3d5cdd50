"""The file `roster/1`: a head in JSON, then arrays that are read where they lie.

| bytes | what |
| --- | --- |
| 0-7 | `SPIRITRO` |
| 8-15 | length of the head, little-endian |
| 16- | the head, JSON: schema, times, key and parameters, sources, sections by name |
| ... | the sections, each from a multiple of 64 on |
| last 32 | SHA-256 of all bytes before |

Numbers are little-endian. Tables that are looked up are sorted by their first column; equal values stand together.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from spiritsafe.roster.model import Source

MAGIC: Final = b"SPIRITRO"
SCHEMA: Final = "roster"
VERSION: Final = "1.0"
DIGEST_BYTES: Final = 32
ALIGNMENT_BYTES: Final = 64

SECTIONS: Final = {
    "account_hash": "Q",
    "account_campaign": "i",
    "account_probability": "f",
    "account_kinds": "B",
    "account_role": "B",
    "account_established": "B",
    "phrase": "Q",
    "phrase_template": "I",
    "template_campaign": "I",
    "template_least": "H",
    "template_key": "Q",
    "value_hash": "Q",
    "value_campaign": "I",
    "value_kind": "B",
    "attested_hash": "Q",
    "attested_kind": "B",
    "attested_from_s": "q",
    "attested_until_s": "q",
    "campaign_end": "Q",
    "campaign_text": "B",
}
"""Section to the code of its numbers (`struct`)."""

WIDTHS: Final = {name: struct.calcsize(f"<{code}") for name, code in SECTIONS.items()}
"""Section to the bytes of each of its numbers."""

TABLES: Final = (
    ("account_hash", "account_campaign", "account_probability", "account_kinds", "account_role", "account_established"),
    ("phrase", "phrase_template"),
    ("template_campaign", "template_least", "template_key"),
    ("value_hash", "value_campaign", "value_kind"),
    ("attested_hash", "attested_kind", "attested_from_s", "attested_until_s"),
)
"""Sections that are columns of one table, and as long as one another."""

SORTED: Final = ("account_hash", "phrase", "value_hash", "attested_hash")


class Section(msgspec.Struct, frozen=True):
    """Where a section lies: first byte and number of bytes."""

    offset: int
    length: int


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What the file says of itself. `sketch` are the parameters of the sketches whose phrases it holds, as their files
    name them, `names` the keys under which names are hashed."""

    schema: str
    created_us: int
    roster_id: str
    names: dict[str, str]
    sketch: dict[str, str]
    attestation_kinds: tuple[str, ...]
    sources: tuple[Source, ...]
    made_from: dict[str, str]
    sections: dict[str, Section]
