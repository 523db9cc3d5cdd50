"""Records put into the log within one transaction: committed to, hashed, and added to the tree.

Comes from `evidence.ledger` and `evidence.erasure`, which open the transaction; goes on to `evidence.store`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from spiritsafe.errors import UsageError
from spiritsafe.evidence.disclosures import canonical, disclose, list_tree
from spiritsafe.evidence.merkle import hash_leaf, root_of
from spiritsafe.evidence.reading import SIGNATURE_FIELD, entries_in, record_in
from spiritsafe.evidence.records import Personal, check_record, utc_text
from spiritsafe.evidence.store import size_in, tree_in
from spiritsafe.evidence.tiles import MAX_ENTRY_BYTES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from spiritsafe.evidence.disclosures import Disclosure, Json
    from spiritsafe.evidence.personal import SubjectKeys
    from spiritsafe.evidence.reading import FiledRecord
    from spiritsafe.evidence.record_spec import FieldSpec, RecordType
    from spiritsafe.evidence.records import Record
    from spiritsafe.keys.persons import Signer

SCHEMA: Final = "spiritsafe.evidence/1.0"
_Opened: TypeAlias = "list[tuple[int, str, int, int | None, bytes, bytes]]"


class EntrySizeError(UsageError):
    """A record's open fields are more than an entry of the log may hold."""

    code = "evidence.size"


@dataclass(frozen=True, slots=True)
class Filed:
    """Where a record stands in the log."""

    position: int
    record_id: str


class Writer:
    """Adds to the log within a transaction that somebody else opened and will end."""

    def __init__(self, connection: sqlite3.Connection, subjects: SubjectKeys) -> None:
        self.connection = connection
        self.subjects = subjects
        subjects.refresh()

    @property
    def size(self) -> int:
        """How many entries there are, those added here among them."""
        return size_in(self.connection)

    def records_of(self, case_id: str, record: str) -> list[FiledRecord]:
        """What a case's entries of one type say, as this transaction sees them."""
        found = entries_in(self.connection, -1, -1, case_id=case_id, record=record)
        return [record_in(self.connection, self.subjects, entry) for entry in found]

    def holds(self, record_id: str) -> bool:
        """Whether a record with this id is filed."""
        found = self.connection.execute("SELECT 1 FROM entries WHERE record_id = ?", (record_id,)).fetchone()
        return found is not None

    def append(self, records: Sequence[Record]) -> list[Filed]:
        """File records, in this order; see `Ledger.append`."""
        kinds = [check_record(record) for record in records]
        size = size_in(self.connection)
        opened: _Opened = []
        rows = []
        for position, (record, kind) in enumerate(zip(records, kinds, strict=True), start=size):
            body = self._compose(record, kind, position, opened)
            if len(body) > MAX_ENTRY_BYTES:
                raise EntrySizeError(
                    f"a record {kind.full_name} takes {len(body):,} bytes of at most {MAX_ENTRY_BYTES:,}",
                    hint="keep what is long as an exhibit, and file its digest",
                )
            rows.append((position, record.record_id, kind.full_name, record.case_id, body))
        self.connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
        self.connection.executemany("INSERT INTO disclosures VALUES (?, ?, ?, ?, ?, ?)", opened)
        grown = tree_in(self.connection).grow(size, [hash_leaf(body) for *_, body in rows])
        self.connection.executemany(
            "INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes",
            [(*place, hashes) for place, hashes in grown.items()],
        )
        self.connection.execute("UPDATE log SET size = ?", (size + len(rows),))
        return [Filed(position, record_id) for position, record_id, *_ in rows]

    def _compose(self, record: Record, kind: RecordType, position: int, opened: _Opened) -> bytes:
        """The entry of a record; what opens its commitments is added to `opened`."""
        shown: dict[str, Json] = {}
        sealed: dict[str, Json] = {}
        for spec in kind.fields:
            if spec.name not in record.fields:
                continue
            value = record.fields[spec.name]
            if spec.visibility == "open":
                shown[spec.name] = value  # type: ignore[assignment] # check_record saw that it is no Personal
            else:
                sealed[spec.name] = self._commit(record, spec, position, opened)
        entry: dict[str, Json] = {
            "schema": SCHEMA,
            "record": kind.full_name,
            "id": record.record_id,
            "time": utc_text(record.time_us),
            "open": shown,
            "sealed": sealed,
        }
        if record.case_id:
            entry["case"] = record.case_id
        if record.signer is not None:
            signed = disclose(_signature(record.signer, canonical(entry)), SIGNATURE_FIELD)
            sealed[SIGNATURE_FIELD] = _base64(signed.digest)
            opened.append((position, SIGNATURE_FIELD, 0, None, signed.leaf_hash, signed.text.encode("ascii")))
        return canonical(entry)

    def _commit(self, record: Record, spec: FieldSpec, position: int, opened: _Opened) -> Json:
        """What stands in the entry for a field that can be withheld."""
        value = record.fields[spec.name]
        items = value if isinstance(value, tuple) else (value,)
        made: list[Disclosure] = []
        for number, item in enumerate(items):
            name = None if spec.many else spec.name
            made.append(disclose(item.value if isinstance(item, Personal) else item, name))
            text = made[-1].text
            subject, body = None, text.encode("ascii")
            if isinstance(item, Personal):
                subject = self.subjects.find_or_make(self.connection, record.case_id or "", item.subject)
                body = self.subjects.seal(self.connection, subject, body, f"{record.record_id}|{spec.name}|{number}")
            opened.append((position, spec.name, number, subject, made[-1].leaf_hash, body))
        if spec.many:
            return {
                "count": len(made),
                "root": _base64(root_of(len(made), list_tree([item.leaf_hash for item in made]).node)),
            }
        return _base64(made[0].digest)


def _signature(signer: Signer, statement: bytes) -> Json:
    return {
        "name": signer.name,
        "public_key": _base64(signer.public_key),
        "signature": _base64(signer.sign(statement)),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
