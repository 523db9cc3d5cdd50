"""Look up in a roster as it was written: read into memory whole, checked once, never changed.

A million accounts are looked up in a microsecond and nothing is built from them, so that a roster is put in another's
place without a pause: freeing a dictionary of a million entries would stop the process for 60 ms. Comes from
`roster.writing`; goes on to `guard`.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import numpy as np

from spiritsafe.errors import InputError
from spiritsafe.roster.layout import DIGEST_BYTES, MAGIC, SCHEMA, SECTIONS, SORTED, TABLES, VERSION, WIDTHS, Head
from spiritsafe.roster.model import Campaign, Standing

if TYPE_CHECKING:
    from pathlib import Path

_MAJOR: Final = VERSION.partition(".")[0]
_AT_ONCE: Final = 1 << 20
_CAMPAIGN: Final = msgspec.json.Decoder(Campaign)
UNKNOWN: Final = Standing(-1, 0.0, 0, 0, False)
"""The standing of an account that is not in the roster."""


class RosterError(InputError):
    """A roster is damaged, cut short, of another version, or made with other keys than are here."""

    code: ClassVar[str] = "roster.file"


class Roster:
    """What is known of accounts, campaigns, fingerprints and attestations. Immutable; safe for several threads.

    Parameters
    ----------
    path
        A file that `write_roster` wrote.

    Raises
    ------
    RosterError
        It is no whole roster of this version. Nothing of it is used.
    """

    def __init__(self, path: Path) -> None:
        try:
            whole = _read(path)
        except OSError as error:
            raise RosterError(f"cannot read the roster {path}: {error}", hint="publish it again") from error
        try:
            _check_magic(whole)
            self.sha256 = _digest_of(whole)
            self.head, begin = _head_of(whole)
            _check_sections(self.head, len(whole) - DIGEST_BYTES - begin)
            found = _views(self.head, whole[begin:])
            _check_references(found, self.head)
        except RosterError as error:
            raise RosterError(f"{path}: {error}", hint=error.hint) from error
        self._account_hash, self._account_campaign = found["account_hash"], found["account_campaign"]
        self._account_probability, self._account_kinds = found["account_probability"], found["account_kinds"]
        self._account_role, self._account_established = found["account_role"], found["account_established"]
        self._phrase, self._phrase_template = found["phrase"], found["phrase_template"]
        self._template_campaign, self._template_least = found["template_campaign"], found["template_least"]
        self._template_key = found["template_key"]
        self._value_hash, self._value_campaign = found["value_hash"], found["value_campaign"]
        self._value_kind = found["value_kind"]
        self._attested = tuple(found[name] for name in TABLES[-1])
        self._campaign_end, self._campaign_text = found["campaign_end"], found["campaign_text"]

    @property
    def accounts(self) -> int:
        """How many accounts it knows."""
        return len(self._account_hash)

    @property
    def campaigns(self) -> int:
        """How many campaigns it knows."""
        return len(self._campaign_end)

    @property
    def templates(self) -> int:
        """How many templates it knows."""
        return len(self._template_campaign)

    @property
    def values(self) -> int:
        """How many single values it knows: system prompts, addresses, client builds and so on, and each template's
        key."""
        return len(self._value_hash)

    def standing(self, account: int) -> Standing:
        """What is known of an account, by its hash; `UNKNOWN` where nothing is."""
        hashes = self._account_hash
        at = bisect_left(hashes, account)
        if at == len(hashes) or hashes[at] != account:
            return UNKNOWN
        return Standing(
            self._account_campaign[at],
            self._account_probability[at],
            self._account_kinds[at],
            self._account_role[at],
            bool(self._account_established[at]),
        )

    def campaign(self, place: int) -> Campaign:
        """The campaign at a place; raises `RosterError`. Decoded at each call: keep what you need of it."""
        begin = self._campaign_end[place - 1] if place else 0
        try:
            return _CAMPAIGN.decode(self._campaign_text[begin : self._campaign_end[place]])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RosterError(f"campaign {place} of the roster is damaged", hint="publish it again") from error

    def template_hits(self, phrases: tuple[int, ...]) -> dict[int, int]:
        """Of each template, how many of these phrases it has. Ascending phrases are looked up faster."""
        table, templates = self._phrase, self._phrase_template
        hits: dict[int, int] = {}
        size, at = len(table), 0
        for phrase in phrases:
            at = bisect_left(table, phrase, at)
            here = at
            while here < size and table[here] == phrase:
                template = templates[here]
                hits[template] = hits.get(template, 0) + 1
                here += 1
            if at == size:
                break
        return hits

    def template(self, template: int) -> tuple[int, int, int]:
        """A template's campaign, the phrases from which on a prompt is an instance of it, and its key."""
        return self._template_campaign[template], self._template_least[template], self._template_key[template]

    def value(self, value: int) -> list[tuple[int, int]]:
        """Of which campaigns a value (by its hash) is a mark: campaign and kind of evidence."""
        table = self._value_hash
        size, at = len(table), bisect_left(table, value)
        found = []
        while at < size and table[at] == value:
            found.append((self._value_campaign[at], self._value_kind[at]))
            at += 1
        return found

    def attested(self, subject: int, at_s: int) -> str | None:
        """As what somebody vouches for an account or organisation (by its hash) at a time; None where nobody does."""
        hashes, kinds, begins, ends = self._attested
        size, at = len(hashes), bisect_left(hashes, subject)
        while at < size and hashes[at] == subject:
            if begins[at] <= at_s < ends[at]:
                kind: int = kinds[at]
                return self.head.attestation_kinds[kind]
            at += 1
        return None


def _read(path: Path) -> memoryview:
    """The file's bytes in memory of their own, mapped, so that it is given back at once. The file itself is not mapped:
    one that somebody overwrites in place would change under our hands, and one that is cut would end the process."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return memoryview(b"")
        whole, at = memoryview(mmap.mmap(-1, size)), 0
        while at < size:
            count = file.readinto(whole[at : at + _AT_ONCE])
            if not count:
                break
            at += count
    return whole[:at].toreadonly()


def _check_magic(mapped: memoryview) -> None:
    if len(mapped) < len(MAGIC) + 8 + DIGEST_BYTES or bytes(mapped[: len(MAGIC)]) != MAGIC:
        raise RosterError("it is no roster", hint="give a file that `spiritsafe guard publish` wrote")


def _head_of(mapped: memoryview) -> tuple[Head, int]:
    begin = len(MAGIC) + 8
    end = begin + int.from_bytes(mapped[len(MAGIC) : begin], "little")
    if end > len(mapped) - DIGEST_BYTES:
        raise RosterError("it is cut short", hint="publish it again")
    try:
        head = msgspec.json.decode(mapped[begin:end], type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RosterError(f"its head is damaged: {error}", hint="publish it again") from error
    name, _, version = head.schema.partition("/")
    if name != SCHEMA or version.partition(".")[0] != _MAJOR:
        raise RosterError(f"it is a {head.schema[:40]}", hint=f"wanted {SCHEMA}/{_MAJOR}.x: publish with this version")
    return head, end


def _digest_of(mapped: memoryview) -> str:
    """Check the checksum, and give the whole file's. A piece at a time: hashing lets other threads go on meanwhile."""
    digest, size = hashlib.sha256(), len(mapped) - DIGEST_BYTES
    for at in range(0, size, _AT_ONCE):
        digest.update(mapped[at : min(at + _AT_ONCE, size)])
    if digest.digest() != mapped[size:]:
        raise RosterError("its checksum does not fit: it is damaged or half-written", hint="publish it again")
    digest.update(mapped[size:])
    return digest.hexdigest()


def _check_sections(head: Head, size: int) -> None:
    """Every section is there, inside the file, and as long as its table's others."""
    for name, wide in WIDTHS.items():
        place = head.sections.get(name)
        if place is None or place.offset < 0 or place.length < 0 or place.offset + place.length > size:
            raise RosterError(f"it lacks {name}", hint="publish it again")
        if place.length % wide:
            raise RosterError(f"{name} is cut short", hint="publish it again")
    for table in TABLES:
        rows = {head.sections[name].length // WIDTHS[name] for name in table}
        if len(rows) != 1:
            raise RosterError(f"the columns {', '.join(table)} have different lengths", hint="publish it again")


def _views(head: Head, body: memoryview) -> dict[str, Any]:
    """Each section as a sequence of its numbers."""
    views: dict[str, Any] = {}
    for name, code in SECTIONS.items():
        place = head.sections[name]
        views[name] = body[place.offset : place.offset + place.length].cast(code)  # type: ignore[call-overload]
    return views


def _check_references(found: dict[str, Any], head: Head) -> None:
    """Nothing points outside. A checksum shows that a file is as it was written, not that it was written well."""

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.asarray(found[name]).astype(np.int64)

    campaigns, templates = len(found["campaign_end"]), len(found["template_campaign"])
    for name, least, below in (
        ("account_campaign", -1, campaigns),
        ("template_campaign", 0, campaigns),
        ("value_campaign", 0, campaigns),
        ("phrase_template", 0, templates),
        ("attested_kind", 0, len(head.attestation_kinds)),
    ):
        values = column(name)
        if values.size and (values.min() < least or values.max() >= below):
            raise RosterError(f"{name} points outside", hint="publish it again")
    for name in SORTED:
        values = np.asarray(found[name])
        if np.any(values[1:] < values[:-1]):
            raise RosterError(f"{name} is not in order", hint="publish it again")
    ends = column("campaign_end")
    if np.any(np.diff(ends, prepend=0) < 0) or (ends.size and ends[-1] != len(found["campaign_text"])):
        raise RosterError("the campaigns are cut short", hint="publish it again")
