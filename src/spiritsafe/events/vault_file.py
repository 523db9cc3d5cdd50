"""The vault as a file: one SQLite database, private, shared by processes, without leftovers of what was erased.

Wrapped keys and ciphertexts are erased by overwriting in place: measured, that leaves no copy behind whatever
`secure_delete` is set to, where deleting the row relies on it (docs/decisions/0033). The write-ahead log keeps
older pages until it is truncated; a flag in the same transaction as the erasure makes sure that it is, also
after a crash.
Comes from `events.vault`, which knows what the bytes mean; goes on to `SPIRITSAFE_HOME/vault.db`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault, InputError
from spiritsafe.keys.guarded import create_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 1
_APPLICATION: Final = 0x53534146  # "SSAF"
_WAIT_S: Final = 30.0
_INHERITED: Final[list[sqlite3.Connection]] = []
_SCRUB_WAIT_S: Final = 10.0

_SCHEMA: Final = """
CREATE TABLE identities (
  id INTEGER PRIMARY KEY, pseudonym TEXT NOT NULL UNIQUE, column_name TEXT NOT NULL,
  wrapped BLOB NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE tombstones (pseudonym TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE looks (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, signature BLOB NOT NULL);
CREATE TABLE scrub (id INTEGER PRIMARY KEY CHECK (id = 1), pending INTEGER NOT NULL);
INSERT INTO scrub VALUES (1, 0);
CREATE TRIGGER looks_stay BEFORE UPDATE ON looks BEGIN SELECT RAISE(ABORT, 'looks are never changed'); END;
CREATE TRIGGER looks_last BEFORE DELETE ON looks BEGIN SELECT RAISE(ABORT, 'looks are never removed'); END;
CREATE TRIGGER tombstones_stay BEFORE UPDATE ON tombstones BEGIN SELECT RAISE(ABORT, 'tombstones stay'); END;
CREATE TRIGGER tombstones_last BEFORE DELETE ON tombstones BEGIN SELECT RAISE(ABORT, 'tombstones stay'); END;
"""


class VaultFileError(InputError):
    """The vault's file is damaged, or is no vault."""

    code = "events.vault.file"


class VaultVersionError(InputError):
    """The vault's file was written by another major version."""

    code = "events.vault.version"


class VaultFault(EnvironmentFault):
    """The vault cannot be written or read: no space, no permission, or open to other users."""

    code = "events.vault.access"


class VaultBusyFault(EnvironmentFault):
    """Another process holds the vault for too long."""

    code = "events.vault.busy"


class VaultFile:
    """A connection to the vault's database, opened when first needed and once in each process. Picklable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_connection": None, "_process": 0}

    def close(self) -> None:
        """Give the connection back; the next use opens another."""
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view."""
        with self._told(), self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and nobody else writes meanwhile. On disk when it returns."""
        with self._told(), self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def scrub(self, *, wait_s: float = _SCRUB_WAIT_S) -> bool:
        """Empty the write-ahead log, so that no erased page is left; False when somebody still reads from it."""
        with self._told():
            connection = self._open()
            connection.execute(f"PRAGMA busy_timeout = {int(wait_s * 1000)}")
            try:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_S * 1000)}")
            if not busy:
                connection.execute("UPDATE scrub SET pending = 0 WHERE pending = 1")
            return not busy

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        connection.execute(begin)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        """The connection of this process: a connection must not cross a fork."""
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        if self._connection is not None:
            _INHERITED.append(self._connection)  # a fork's copy: closing it could tidy away the parent's files
        self._connection, self._process = None, os.getpid()
        _private_file(self.path)
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        try:
            _prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        if connection.execute("SELECT pending FROM scrub").fetchone()[0]:
            self.scrub(wait_s=0.0)  # a crash came between an erasure and its scrubbing
        return connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_S * 1000)}")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.execute("BEGIN IMMEDIATE")  # of processes that come first together, one makes the tables
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise VaultFileError(f"{path} is some other database", hint="move it away, or set SPIRITSAFE_HOME")
            for statement in _SCHEMA.strip().split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise VaultFileError(f"{path} is some other database", hint="move it away, or set SPIRITSAFE_HOME")
    if found != VERSION:
        raise VaultVersionError(
            f"{path} is a vault of version {found}; this is version {VERSION}", hint="update spiritsafe"
        )


def _private_file(path: Path) -> None:
    """Make the file 0600 before SQLite does it by the umask; its side files take the same mode.

    Never opens a vault that is there: closing it again would drop every lock that this process holds on it
    (POSIX), and another process would then remove the write-ahead log that we still write
    (sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        if not path.exists():
            create_whole(path, b"")
        found = path.lstat()
    except OSError as error:
        raise VaultFault(
            f"cannot open the vault {path}: {error.strerror}", hint="`spiritsafe identity init` makes the home"
        ) from error
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise VaultFault(
            f"the vault {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}), or is no plain file",
            hint=f"`chmod 600 {path}*`, and find out who could read it",
        )


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return VaultBusyFault(f"another process holds {path}", hint="let it finish, then run this again")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return VaultFileError(
            f"{path} is damaged: {error}", hint="keep it for whoever investigates, and restore a backup"
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return VaultFault(f"cannot use {path}: {error}", hint="check free space and permissions of the home")
    return VaultFileError(f"{path} does not hold what a vault holds: {error}", hint="restore a backup")
