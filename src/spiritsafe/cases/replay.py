"""The ledger told once more: each entry that came since, applied to the tables, in the order of the log.

The same code runs when a record was just filed, when another process filed it, and when the whole store is told
from the beginning. Where somebody was erased from a case, the case is told again without them.
Comes from `cases.book`; goes on to `cases.telling`, which knows what each record changes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from spiritsafe.cases.lookups import find_current
from spiritsafe.cases.model import ATTESTATIONS as ATTESTATION_CASE
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.tables import (
    ACTIONS,
    APPEALS,
    APPLIED,
    ATTESTATIONS,
    CASES,
    IRREGULAR,
    MEMBERS,
    OF_A_CASE,
)
from spiritsafe.cases.telling import Telling, check_signer, note_irregular, tell_other
from spiritsafe.cases.telling_facts import BOOKKEEPING, ELSEWHERE, TOLD
from spiritsafe.errors import SpiritsafeError, VerificationError
from spiritsafe.evidence.reading import entries_in, record_in, utc_us

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from spiritsafe.evidence.personal import SubjectKeys
    from spiritsafe.evidence.reading import FiledRecord
    from spiritsafe.keys.persons import Persons

PAGE: Final = 500
_COUNTS: Final = ("members", "unconfirmed", "cleared", "exchanges", "open_appeals", "owed", "joined_to")
_UNSEEN: Final = dict.fromkeys(_COUNTS, 0)


class LedgerBehindError(VerificationError):
    """The cases were told from another ledger, or from a longer one: this one was exchanged or rolled back."""

    code = "cases.ledger"


class Replay:
    """Applies entries of a ledger to the tables behind a connection."""

    def __init__(self, tables: sa.Connection, ledger: sqlite3.Connection, subjects: SubjectKeys, persons: Persons):
        self._tables = tables
        self._ledger = ledger
        self._subjects = subjects
        self._persons = persons
        self.erased = False

    def check_ledger(self, origin: str) -> int:
        """How many of the ledger's entries are told; raises `LedgerBehindError` if they are not this ledger's."""
        row = self._tables.execute(sa.select(APPLIED)).one()
        if not row.origin:
            self._tables.execute(sa.update(APPLIED).values(origin=origin))
        elif row.origin != origin:
            raise _not_this(f"the cases are of the ledger {row.origin}, and this is {origin}")
        if row.position:
            last = entries_in(self._ledger, row.position - 2, 1)
            if not last or hashlib.sha256(last[0].body).hexdigest() != row.entry_sha256:
                raise _not_this(f"the ledger no longer holds entry {row.position - 1} as the cases were told it")
        return int(row.position)

    def catch_up(self, position: int) -> int:
        """Apply a page of entries from a position on; where it ends."""
        entries = entries_in(self._ledger, position - 1, PAGE)
        records = [record_in(self._ledger, self._subjects, entry) for entry in entries]
        # Of several erasures in a case the last one tells it again, so that a thousand do not tell it a thousand times.
        last = {record.case_id: record.position for record in records if record.record == "erasure/1"}
        changed: set[int] = set()
        for record in records:
            if record.record != "erasure/1" or last[record.case_id] == record.position:
                changed |= self._apply(record)
        for number in changed:
            self._recount(number)
        if entries:
            digest = hashlib.sha256(entries[-1].body).hexdigest()
            values = {"position": entries[-1].position + 1, "entry_sha256": digest}
            self._tables.execute(sa.update(APPLIED).values(**values))
        return position + len(entries)

    def _apply(self, record: FiledRecord) -> set[int]:
        """Apply one record; the case that it changed."""
        if record.case_id is None:
            return set()
        if record.record == "erasure/1":
            self.erased = True
            return self._tell_again(record)
        if record.case_id == ATTESTATION_CASE:
            self._guarded(record, lambda: self._tell_attestation(record))
            return set()
        number = self._tables.execute(sa.select(CASES.c.number).where(CASES.c.case_id == record.case_id)).scalar()
        if number is None:
            return self._begin(record)
        self._guarded(record, lambda: self._tell(record, number))
        if record.record in BOOKKEEPING:
            return {number}
        self._tables.execute(
            sa.update(CASES)
            .where(CASES.c.number == number)
            .values(changed_us=record.time_us, as_of=record.position + 1)
        )
        return {number}

    def _tell(self, record: FiledRecord, number: int) -> None:
        if record.record in ELSEWHERE:
            find_current(self._tables, str(record.case_id))
        TOLD.get(record.record, tell_other)(Telling(self._tables, record, number, self._persons))

    def _begin(self, record: FiledRecord) -> set[int]:
        """A new case, if the record opens one as it may be opened; else nothing, for it is no case of ours."""
        if record.record != "case_move/1" or record.fields.get("before") or record.fields.get("after") != "suspected":
            return set()
        number = int(self._tables.execute(sa.select(sa.func.coalesce(sa.func.max(CASES.c.number), 0))).scalar_one()) + 1

        def begin() -> None:
            self._tables.execute(sa.insert(CASES).values(number=number, **_new_case(record)))
            self._tell(record, number)

        return {number} if self._guarded(record, begin) else set()

    def _guarded(self, record: FiledRecord, tell: Callable[[], None]) -> bool:
        """Tell it; where it breaks a rule, change nothing, note why, and answer False."""
        try:
            with self._tables.begin_nested():
                tell()
        except (SpiritsafeError, IntegrityError, KeyError, ValueError, TypeError) as error:
            why = f"[{error.code}] {error}" if isinstance(error, SpiritsafeError) else f"not readable: {error!r}"
            note_irregular(self._tables, record, why)
            return False
        return True

    def _tell_again(self, erasure: FiledRecord) -> set[int]:
        """Tell a case again, up to an erasure, now that somebody's fields cannot be opened any more."""
        case_id = erasure.case_id or ""
        changed: set[int] = set()
        if case_id == ATTESTATION_CASE:
            self._tables.execute(sa.delete(ATTESTATIONS))
        else:
            number = self._tables.execute(sa.select(CASES.c.number).where(CASES.c.case_id == case_id)).scalar()
            if number is None:
                return changed
            for table in OF_A_CASE:
                self._tables.execute(sa.delete(table).where(table.c.number == number))
            again = {"state": CaseState.SUSPECTED.value, "headline": "", **_UNSEEN}
            self._tables.execute(sa.update(CASES).where(CASES.c.number == number).values(**again))
        self._tables.execute(sa.delete(IRREGULAR).where(IRREGULAR.c.case_id == case_id))
        last = -1
        while page := entries_in(self._ledger, last, PAGE, case_id=case_id):
            for entry in page:
                last = entry.position
                record = record_in(self._ledger, self._subjects, entry)
                if record.record != "erasure/1" and entry.position < erasure.position:
                    changed |= self._apply(record)
        return changed

    def _tell_attestation(self, record: FiledRecord) -> None:
        if record.record != "attestation/1":
            return
        if record.fields["by"] == "person":
            check_signer(self._persons, record.signer, record.time_us)
        fields = record.fields
        row = {
            "subject": fields.get("subject", ""),
            "kind": fields["kind"],
            "owner": fields["owner"],
            "reason": fields["reason"],
            "not_before_us": utc_us(str(fields["not_before"])),
            "expires_us": utc_us(str(fields["expires_at"])),
            "withdrawn": fields["state"] == "withdrawn",
        }
        mine = ATTESTATIONS.c.attestation_id == fields["attestation"]
        self._tables.execute(sa.delete(ATTESTATIONS).where(mine))
        self._tables.execute(sa.insert(ATTESTATIONS).values(attestation_id=fields["attestation"], **row))

    def _recount(self, number: int) -> None:
        """What a listing shows of a case, counted again."""

        def count(table: sa.Table, *which: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            return (
                sa.select(sa.func.count()).select_from(table).where(table.c.number == number, *which).scalar_subquery()
            )

        taken = sa.select(sa.func.coalesce(sa.func.sum(MEMBERS.c.exchanges), 0))
        taken = taken.where(MEMBERS.c.number == number, ~MEMBERS.c.cleared)
        self._tables.execute(
            sa.update(CASES)
            .where(CASES.c.number == number)
            .values(
                members=count(MEMBERS),
                exchanges=taken.scalar_subquery(),
                unconfirmed=count(MEMBERS, ~MEMBERS.c.confirmed, ~MEMBERS.c.cleared),
                cleared=count(MEMBERS, MEMBERS.c.cleared),
                open_appeals=count(APPEALS, APPEALS.c.state.in_(("made", "in_review"))),
                owed=count(ACTIONS, ACTIONS.c.outcome == "undo_ordered"),
            )
        )


def _new_case(record: FiledRecord) -> dict[str, object]:
    """The row of a case that a record opens."""
    return {
        "case_id": record.case_id,
        "state": CaseState.SUSPECTED.value,
        "headline": "",
        "opened_us": record.time_us,
        "changed_us": record.time_us,
        "as_of": record.position + 1,
        **_UNSEEN,
    }


def _not_this(what: str) -> LedgerBehindError:
    return LedgerBehindError(
        what,
        hint="restore the ledger that belongs to the cases; if this one is right, `spiritsafe case rebuild` tells them "
        "again from it",
    )
