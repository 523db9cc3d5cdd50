"""The ledger as a file: entries, the tree over them, what opens their commitments, and what was signed.

SQLite is the truth; the static files that outsiders read are made from it (`evidence.published`). Entries are
never changed or removed; of what opens personal fields only keys are ever overwritten (`evidence.personal`).
Comes from `evidence.ledger`, which knows what the bytes mean; goes on to `SPIRITSAFE_HOME/ledger/ledger.db`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.errors import EnvironmentFault, InputError
from spiritsafe.evidence.tiles import TileTree
from spiritsafe.files.database import PrivateDatabase

if TYPE_CHECKING:
    import sqlite3


class LedgerFileError(InputError):
    """The ledger's file is damaged, or is no ledger."""

    code = "evidence.file"


class LedgerVersionError(InputError):
    """The ledger's file was written by another major version."""

    code = "evidence.version"


class LedgerFault(EnvironmentFault):
    """The ledger cannot be written or read: no space, no permission, or open to other users."""

    code = "evidence.access"


class LedgerBusyFault(EnvironmentFault):
    """Another process holds the ledger for too long."""

    code = "evidence.busy"


class LedgerFile(PrivateDatabase):
    """The ledger's database."""

    what = "ledger"
    version = 1
    application = 0x53534C47  # "SSLG"
    damaged = LedgerFileError
    other_version = LedgerVersionError
    unreachable = LedgerFault
    held = LedgerBusyFault
    schema = """
CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE entries (
  position INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, record TEXT NOT NULL, case_id TEXT,
  entry BLOB NOT NULL
);
CREATE INDEX entries_by_case ON entries (case_id, position) WHERE case_id IS NOT NULL;
CREATE INDEX entries_by_record ON entries (record, position);
CREATE INDEX entries_by_run ON entries (json_extract(CAST(entry AS TEXT), '$.open.run'), position)
  WHERE record IN ('playbook_run/1', 'playbook_step/1', 'approval/1');
CREATE TABLE tiles (level INTEGER NOT NULL, position INTEGER NOT NULL, hashes BLOB NOT NULL,
  PRIMARY KEY (level, position));
CREATE TABLE subjects (
  id INTEGER PRIMARY KEY, case_id TEXT NOT NULL, handle TEXT NOT NULL UNIQUE, mark BLOB NOT NULL,
  wrapped BLOB NOT NULL
);
CREATE INDEX subjects_by_mark ON subjects (case_id, mark);
CREATE TABLE disclosures (
  entry INTEGER NOT NULL, field TEXT NOT NULL, item INTEGER NOT NULL, subject INTEGER, hash BLOB NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (entry, field, item)
) WITHOUT ROWID;
CREATE INDEX disclosures_by_subject ON disclosures (subject) WHERE subject IS NOT NULL;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE cosignatures (size INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, line)) WITHOUT ROWID;
CREATE TABLE timestamps (size INTEGER NOT NULL, authority TEXT NOT NULL, token BLOB NOT NULL,
  PRIMARY KEY (size, authority));
CREATE TABLE holds (hold TEXT PRIMARY KEY, case_id TEXT NOT NULL, expires_us INTEGER NOT NULL,
  released INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_last BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
CREATE TRIGGER signed_stay BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'what was signed stays'); END;
CREATE TRIGGER signed_last BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'what was signed stays'); END;
"""


def tree_in(connection: sqlite3.Connection) -> TileTree:
    """The tree, read as it stands in this transaction."""

    def read(level: int, position: int) -> bytes:
        row = connection.execute(
            "SELECT hashes FROM tiles WHERE level = ? AND position = ?", (level, position)
        ).fetchone()
        return bytes(row[0]) if row else b""

    return TileTree(read)


def size_in(connection: sqlite3.Connection) -> int:
    """How many entries there are."""
    return int(connection.execute("SELECT size FROM log").fetchone()[0])
