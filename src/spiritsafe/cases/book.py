"""The book of cases: one home's ledger, and the tables in which it is told.

Whatever is decided is filed first and told afterwards: `doing` takes the ledger's lock, tells what came since,
lets the caller look and decide, and files. A crash in between loses nothing, for the next one tells it.
Comes from the command and from rooms above; goes on to `cases.store`, `cases.replay` and the verbs
(`opening`, `moves`, `actions`, `appeals`, `attestations`), which are functions of a book.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from spiritsafe.cases.replay import PAGE, Replay
from spiritsafe.cases.tables import APPLIED, IRREGULAR, METADATA
from spiritsafe.cases.telling import check_signer
from spiritsafe.evidence.records import now_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from spiritsafe.cases.store import CaseStore
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.reading import FiledRecord
    from spiritsafe.evidence.records import Record
    from spiritsafe.evidence.writing import Filed, Writer
    from spiritsafe.keys.persons import Persons, Signer

_TABLES: Final = [table for table in reversed(METADATA.sorted_tables) if table is not APPLIED]


@dataclass(frozen=True, slots=True)
class Doing:
    """A moment in which nobody else files: what is seen here still holds when it is decided on.

    `tables` tell the whole ledger of `as_of` entries.
    """

    tables: sa.Connection
    as_of: int
    now_us: int
    _writer: Writer
    _persons: Persons

    def file(self, records: Sequence[Record]) -> list[Filed]:
        """File records; they are told when the moment is over."""
        return self._writer.append(records)

    def holds(self, record_id: str) -> bool:
        """Whether a record with this id is filed."""
        return self._writer.holds(record_id)

    def records(self, case_id: str, record: str) -> list[FiledRecord]:
        """A case's records of one type, as the log holds them now."""
        return self._writer.records_of(case_id, record)

    def check_person(self, signer: Signer) -> None:
        """Raise `StrangerError` unless whoever signs is registered in this home."""
        check_signer(self._persons, (signer.name, signer.public_key), self.now_us)


class CaseBook:
    """The cases of one home."""

    def __init__(
        self, ledger: Ledger, store: CaseStore, persons: Persons, *, clock_us: Callable[[], int] = now_us
    ) -> None:
        self.ledger = ledger
        self._store = store
        self._persons = persons
        self._clock_us = clock_us

    @property
    def now_us(self) -> int:
        """UTC microseconds."""
        return self._clock_us()

    @property
    def where(self) -> str:
        """The database."""
        return self._store.where

    def close(self) -> None:
        """Give the store back; whoever opened the ledger closes it."""
        self._store.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """The tables, telling all that is filed by now."""
        self.catch_up()
        with self._store.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def doing(self) -> Iterator[Doing]:
        """A moment in which to look, decide and file. Filed whole or not at all; told when it is over."""
        self.catch_up()  # most of it without holding up others
        with self.ledger.writing() as writer:
            with self._store.writing() as tables:
                replay = Replay(tables, writer.connection, writer.subjects, self._persons)
                position = replay.check_ledger(self.ledger.origin)
                while (after := replay.catch_up(position)) != position:
                    position = after
            with self._store.reading() as tables:
                yield Doing(tables, position, self.now_us, writer, self._persons)
        self.catch_up()

    def catch_up(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Tell what was filed since; `progress` is given entries told and entries there."""
        size = self.ledger.size
        if progress is None and self._told(size):
            return
        while True:
            with self._store.writing() as tables, self.ledger.reading() as ledger:
                replay = Replay(tables, ledger, self.ledger.subjects, self._persons)
                position = replay.check_ledger(self.ledger.origin)
                after = replay.catch_up(position)
            if replay.erased:
                self._store.scrub()
            if progress is not None:
                progress(after, max(size, after))
            if after - position < PAGE:
                return

    def _told(self, size: int) -> bool:
        """Whether all of the ledger is told, without holding up whoever writes."""
        with self._store.reading() as tables:
            row = tables.execute(sa.select(APPLIED.c.origin, APPLIED.c.position)).one()
        return bool(row.origin == self.ledger.origin and row.position == size)

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Forget every table and tell the ledger from its beginning."""
        with self._store.writing() as tables:
            for table in _TABLES:
                tables.execute(sa.delete(table))
            tables.execute(sa.update(APPLIED).values(origin="", position=0, entry_sha256=""))
        self.catch_up(progress)

    def irregular(self) -> list[tuple[int, str, str, str]]:
        """Records that break a rule: position, record type, case and why. They changed nothing."""
        with self.reading() as tables:
            rows = tables.execute(sa.select(IRREGULAR).order_by(IRREGULAR.c.position)).all()
        return [(row.position, row.record, row.case_id, row.why) for row in rows]
