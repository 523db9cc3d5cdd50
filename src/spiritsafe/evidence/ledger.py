"""The ledger of one home: records filed for good, states signed, entries proved.

An append is on disk when it returns, whole or not at all, whoever else appends; a state is signed over what
is on disk; and nothing here can take an entry back.
Comes from whoever does something that must be provable; goes on to `evidence.bundle` and `evidence.published`.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import UsageError
from spiritsafe.evidence.checkpoints import Checkpoint, InclusionProof
from spiritsafe.evidence.disclosures import list_tree
from spiritsafe.evidence.merkle import prove_consistency, prove_inclusion, root_of
from spiritsafe.evidence.notes import Note, SignerKey, parse_note, parse_signature_lines, sign_note
from spiritsafe.evidence.personal import SubjectKeys
from spiritsafe.evidence.reading import Entry, entries_in, entries_of_run, openings_in, record_in
from spiritsafe.evidence.store import LedgerFile, size_in, tree_in
from spiritsafe.evidence.writing import Writer
from spiritsafe.keys import ensure_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from spiritsafe.evidence.notes import VerifierKey
    from spiritsafe.evidence.reading import FiledRecord, Opening
    from spiritsafe.evidence.records import Record
    from spiritsafe.evidence.writing import Filed
    from spiritsafe.keys import KeyProvider

_PAGE: Final = 1_000


class EntryMissingError(UsageError):
    """The ledger has no such entry, or no such signed state."""

    code = "evidence.unknown"


class Ledger:
    """The ledger in a folder. Several processes may use it at once."""

    def __init__(self, folder: Path, keys: KeyProvider, *, origin: str | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._file = LedgerFile(folder / "ledger.db")
        self._keys = keys
        self.subjects = SubjectKeys(keys)
        self.origin = self._named(origin)

    def _named(self, origin: str | None) -> str:
        """The log's name, which it takes when it is first opened and keeps."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT origin FROM log").fetchone()
        if row is None:
            with self._file.writing() as connection:  # of several that come first, one names it
                name = origin or f"spiritsafe.invalid/{secrets.token_hex(8)}"
                connection.execute("INSERT OR IGNORE INTO log VALUES (1, ?, 0)", (name,))
                row = connection.execute("SELECT origin FROM log").fetchone()
        return str(row[0])

    @property
    def size(self) -> int:
        """How many entries there are."""
        with self._file.reading() as connection:
            return size_in(connection)

    def close(self) -> None:
        """Give the database back."""
        self._file.close()

    def append(self, records: Sequence[Record]) -> list[Filed]:
        """File records, in this order, whole or not at all. On disk when it returns.

        Raises
        ------
        RecordError, CanonicalError, EntrySizeError
            A record is not what its type holds; nothing was filed.
        LedgerBusyFault, LedgerFault
            The ledger cannot be written now; nothing was filed.
        """
        with self.writing() as writer:
            return writer.append(records)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """Several things that are filed together, or not at all."""
        with self._file.writing() as connection:
            yield Writer(connection, self.subjects)

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """One consistent view of the database, for an audit."""
        return self._file.reading()

    def scrub(self) -> None:
        """Leave nothing in the ledger's files of what was overwritten."""
        self._file.scrub()

    def entries(self, *, case_id: str | None = None, record: str | None = None) -> Iterator[Entry]:
        """Entries in the order in which they were filed; of one case, or of one record type."""
        last = -1
        while True:
            with self._file.reading() as connection:  # a page each: nobody waits for whoever reads slowly
                page = entries_in(connection, last, _PAGE, case_id=case_id, record=record)
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].position

    def records(self, *, case_id: str | None = None, record: str | None = None) -> Iterator[FiledRecord]:
        """What entries say, each held to its commitments and signature; see `reading.record_in`."""
        for entry in self.entries(case_id=case_id, record=record):
            with self._file.reading() as connection:
                found = record_in(connection, self.subjects, entry)
            yield found

    def records_of_run(self, run_id: str, after: int = -1) -> list[FiledRecord]:
        """What was filed of one run of a playbook behind a position, in order."""
        with self._file.reading() as connection:
            return [record_in(connection, self.subjects, entry) for entry in entries_of_run(connection, run_id, after)]

    def entry(self, place: int | str) -> Entry:
        """The entry at a position, or with a record's id; raises `EntryMissingError`."""
        column = "position" if isinstance(place, int) else "record_id"
        with self._file.reading() as connection:
            row = connection.execute(
                f"SELECT position, entry FROM entries WHERE {column} = ?",  # noqa: S608 - one of two names
                (place,),
            ).fetchone()
        if row is None:
            raise EntryMissingError(f"the ledger has no entry {place}", hint="`spiritsafe evidence list` shows them")
        return Entry(int(row[0]), bytes(row[1]))

    def openings(self, position: int) -> list[Opening]:
        """What opens an entry's commitments, of fields that were not erased; raises `PersonalSealError`."""
        with self._file.reading() as connection:
            return openings_in(connection, self.subjects, position)

    def item_paths(self, position: int, field: str, items: Sequence[int]) -> list[list[bytes]]:
        """What shows that items of a list are in it, each at its place, whether or not others were erased."""
        with self._file.reading() as connection:
            hashes = [
                bytes(row[0])
                for row in connection.execute(
                    "SELECT hash FROM disclosures WHERE entry = ? AND field = ? ORDER BY item", (position, field)
                )
            ]
        tree = list_tree(hashes)
        return [prove_inclusion(item, len(hashes), tree.node) for item in items]

    def checkpoint(self) -> Note:
        """The signed state of the log as it is on disk, with every cosignature there is of it."""
        with self._file.writing() as connection:
            size = size_in(connection)
            if connection.execute("SELECT 1 FROM checkpoints WHERE size = ?", (size,)).fetchone() is None:
                state = Checkpoint(self.origin, size, root_of(size, tree_in(connection).node))
                note = sign_note(str(state), self._signer())
                connection.execute("INSERT INTO checkpoints VALUES (?, ?)", (size, str(note).encode()))
            return self._signed(connection, size)

    def checkpoints(self) -> list[Note]:
        """Every state that was signed, smallest first."""
        with self._file.reading() as connection:
            sizes = connection.execute("SELECT size FROM checkpoints ORDER BY size").fetchall()
            return [self._signed(connection, int(size)) for (size,) in sizes]

    def prove(self, position: int, *, size: int | None = None) -> InclusionProof:
        """That an entry is in the log at a signed state: the newest, or that of `size` entries.

        Raises
        ------
        EntryMissingError
            There is no such entry in that state, or no state was signed.
        """
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT max(size) FROM checkpoints WHERE size = coalesce(?, size)", (size,)
            ).fetchone()
            if row[0] is None or not 0 <= position < row[0]:
                raise EntryMissingError(
                    f"no signed state of the log holds entry {position}", hint="run `spiritsafe evidence checkpoint`"
                )
            path = prove_inclusion(position, int(row[0]), tree_in(connection).node)
            return InclusionProof(position, tuple(path), self._signed(connection, int(row[0])))

    def prove_growth(self, old: int, new: int) -> list[bytes]:
        """What shows a witness that the log of `new` entries begins with that of `old`."""
        with self._file.reading() as connection:
            return prove_consistency(old, new, tree_in(connection).node)

    def add_cosignatures(self, size: int, lines: bytes) -> int:
        """Keep signature lines of a state (the caller verified them); how many were new."""
        with self._file.writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO cosignatures VALUES (?, ?)",
                [(size, str(line)) for line in parse_signature_lines(lines)],
            )
            return connection.total_changes - before

    def add_timestamp(self, size: int, authority: str, token: bytes) -> None:
        """Keep an authority's time-stamp over a state (the caller verified it)."""
        with self._file.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO timestamps VALUES (?, ?, ?)", (size, authority, token))

    def timestamps(self, size: int) -> list[tuple[str, bytes]]:
        """The time-stamps over a state: authority and token."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT authority, token FROM timestamps WHERE size = ? ORDER BY authority", (size,)
            ).fetchall()
        return [(str(authority), bytes(token)) for authority, token in rows]

    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """The public keys with which this log signs or signed, oldest first."""
        known = [info for info in self._keys.epochs("ledger") if info.destroyed_us is None]
        return tuple(self._signer(info.epoch).verifier for info in known)

    def _signer(self, epoch: int | None = None) -> SignerKey:
        key = ensure_key(self._keys, "ledger") if epoch is None else self._keys.key("ledger", epoch)
        return SignerKey(self.origin, key.derive("ledger signing"))

    def _signed(self, connection: sqlite3.Connection, size: int) -> Note:
        (note,) = connection.execute("SELECT note FROM checkpoints WHERE size = ?", (size,)).fetchone()
        lines = connection.execute("SELECT line FROM cosignatures WHERE size = ? ORDER BY line", (size,)).fetchall()
        return parse_note(bytes(note) + "".join(line for (line,) in lines).encode())
