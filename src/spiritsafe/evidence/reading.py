"""Records read back by whoever holds the ledger: each held to what the log committed to and to its signature.

Comes from `evidence.ledger` and `evidence.writing`, which hand over a view of the database; goes on to whoever
tells from the log what holds now (`cases.replay`).
"""

from __future__ import annotations

import base64
import calendar
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.errors import VerificationError
from spiritsafe.evidence.disclosures import Disclosure, canonical, list_tree, verify_field
from spiritsafe.evidence.merkle import root_of
from spiritsafe.evidence.notes import SignatureError
from spiritsafe.keys.persons import signature_holds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.personal import SubjectKeys

SIGNATURE_FIELD = "signature"
"""Sealed as well: it tells who. It is over the entry as it would be without it."""


class OpeningAlteredError(VerificationError):
    """What the ledger keeps to open an entry is not what the entry committed to."""

    code = "evidence.opening"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stands in the log: `body` is canonical JSON, and what was hashed."""

    position: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one commitment of an entry: the field, the item in its list, and the disclosure."""

    field: str
    item: int
    disclosure: Disclosure


@dataclass(frozen=True, slots=True)
class FiledRecord:
    """A record as it can be read today. Of a list, the items that were not erased; of an erased field, nothing.

    `signer` is the name and the public key of the person who signed it; who that is, a register says.
    """

    position: int
    record_id: str
    record: str
    time_us: int
    case_id: str | None
    fields: Mapping[str, Json]
    signer: tuple[str, bytes] | None


def entries_in(
    connection: sqlite3.Connection, after: int, limit: int, *, case_id: str | None = None, record: str | None = None
) -> list[Entry]:
    """Up to `limit` entries behind a position, in the order in which they were filed."""
    wanted = {"case_id": case_id, "record": record}
    held = {column: value for column, value in wanted.items() if value is not None}
    where = " AND ".join(["position > ?", *(f"{column} = ?" for column in held)])
    rows = connection.execute(
        f"SELECT position, entry FROM entries WHERE {where} ORDER BY position LIMIT ?",  # noqa: S608 - our own names
        (after, *held.values(), limit),
    )
    return [Entry(int(position), bytes(body)) for position, body in rows]


def entries_of_run(connection: sqlite3.Connection, run_id: str, after: int = -1) -> list[Entry]:
    """What was filed of one run of a playbook behind a position, in order. By an index over the open field `run`."""
    rows = connection.execute(
        "SELECT position, entry FROM entries WHERE record IN ('playbook_run/1', 'playbook_step/1', 'approval/1') "
        "AND json_extract(CAST(entry AS TEXT), '$.open.run') = ? AND position > ? ORDER BY position",
        (run_id, after),
    )
    return [Entry(int(position), bytes(body)) for position, body in rows]


def openings_in(connection: sqlite3.Connection, subjects: SubjectKeys, position: int) -> list[Opening]:
    """What opens an entry's commitments, of fields that were not erased; raises `PersonalSealError`."""
    record_id = connection.execute("SELECT record_id FROM entries WHERE position = ?", (position,)).fetchone()
    found = []
    for name, item, subject, kept in connection.execute(
        "SELECT field, item, subject, body FROM disclosures WHERE entry = ? ORDER BY field, item", (position,)
    ).fetchall():
        text = bytes(kept)
        if subject is not None:
            if subjects.is_erased(connection, subject):
                continue
            text = subjects.open(connection, subject, text, f"{record_id[0]}|{name}|{item}")
        found.append(Opening(name, item, Disclosure(text.decode("ascii"))))
    return found


def record_in(connection: sqlite3.Connection, subjects: SubjectKeys, entry: Entry) -> FiledRecord:
    """What an entry says.

    Raises
    ------
    OpeningAlteredError, DisclosureError
        What is kept to open a commitment is not what was committed to.
    SignatureError
        The person's signature does not hold.
    """
    head = json.loads(entry.body)
    opened = openings_in(connection, subjects, entry.position)
    fields: dict[str, Json] = dict(head["open"])
    for name, commitment in head["sealed"].items():
        mine = [one for one in opened if one.field == name]
        if isinstance(commitment, dict):
            _check_list(connection, entry.position, name, commitment, mine)
            fields[name] = [one.disclosure.value for one in mine]
        elif mine:
            fields[name] = verify_field(name, base64.b64decode(commitment), mine[0].disclosure)
    signer = held_signer(head, fields.pop(SIGNATURE_FIELD, None))
    time_us = utc_us(head["time"])
    return FiledRecord(entry.position, head["id"], head["record"], time_us, head.get("case"), fields, signer)


def held_signer(head: Mapping[str, Json], signature: Json | None) -> tuple[str, bytes] | None:
    """Who signed an entry, by name and public key, held to the signature; None where none is shown."""
    if signature is None:
        return None
    if not isinstance(signature, dict) or not isinstance(head["sealed"], dict):
        raise TypeError("the signature is none")
    unsigned = {**head, "sealed": {name: one for name, one in head["sealed"].items() if name != SIGNATURE_FIELD}}
    key = base64.b64decode(str(signature["public_key"]), validate=True)
    if not signature_holds(key, base64.b64decode(str(signature["signature"]), validate=True), canonical(unsigned)):
        raise SignatureError(
            f"the signature of {signature['name']} under the record does not hold", hint="the ledger's writer forged it"
        )
    return str(signature["name"]), key


def utc_us(text: str) -> int:
    """A time as it stands in records, in UTC microseconds.

    Examples
    --------
    >>> utc_us('2025-11-30T12:00:00.000000Z')
    1764504000000000
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int(fraction.ljust(6, "0"))


def _check_list(
    connection: sqlite3.Connection, position: int, name: str, commitment: Mapping[str, Json], opened: list[Opening]
) -> None:
    """Hold a list's items to the root that the entry has; of erased ones their hashes are left."""
    hashes = [
        bytes(row[0])
        for row in connection.execute(
            "SELECT hash FROM disclosures WHERE entry = ? AND field = ? ORDER BY item", (position, name)
        )
    ]
    root = root_of(len(hashes), list_tree(hashes).node)
    if (
        len(hashes) != commitment["count"]
        or not hmac.compare_digest(root, base64.b64decode(str(commitment["root"])))
        or any(one.disclosure.leaf_hash != hashes[one.item] for one in opened)
    ):
        raise OpeningAlteredError(
            f"what opens {name} of entry {position} is not what was recorded",
            hint="keep the home for whoever investigates, and compare with a backup",
        )
