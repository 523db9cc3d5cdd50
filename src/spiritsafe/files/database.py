"""One private SQLite file that several processes share, and that keeps no copy of what was erased from it.

What is erased is overwritten in place: measured, that leaves no copy behind whatever `secure_delete` is set
to, where deleting the row relies on it (docs/decisions/0033). The write-ahead log keeps older pages until it
is truncated; a flag in the same transaction as the erasure makes sure that it is, also after a crash.
Comes from the rooms that say what is in it (`events.vault_file`, `evidence.store`); goes on to their homes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spiritsafe.errors import SpiritsafeError

_WAIT_S: Final = 30.0
_SCRUB_WAIT_S: Final = 10.0
_INHERITED: Final[list[sqlite3.Connection]] = []
_SCRUB_SCHEMA: Final = """
CREATE TABLE scrub (id INTEGER PRIMARY KEY CHECK (id = 1), pending INTEGER NOT NULL);
INSERT INTO scrub VALUES (1, 0)
"""


class _Mine(threading.local):
    """A thread's connection, and the process that opened it."""

    connection: sqlite3.Connection | None = None
    process: int = 0


class PrivateDatabase:
    """Connections to a room's database, opened when first needed, one for each process and thread. Picklable.

    A subclass says what its file is called, what is in it, and which errors tell that it is damaged, of
    another version, out of reach or held by somebody else.
    """

    what: ClassVar[str]
    schema: ClassVar[str]
    version: ClassVar[int]
    application: ClassVar[int]
    damaged: ClassVar[type[SpiritsafeError]]
    other_version: ClassVar[type[SpiritsafeError]]
    unreachable: ClassVar[type[SpiritsafeError]]
    held: ClassVar[type[SpiritsafeError]]
    how_to_begin: ClassVar[str] = "set SPIRITSAFE_HOME to a folder of yours"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mine = _Mine()

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.path = state["path"]
        self._mine = _Mine()

    def close(self) -> None:
        """Give this thread's connection back; the next use opens another."""
        if self._mine.connection is not None and self._mine.process == os.getpid():
            self._mine.connection.close()
        self._mine.connection = None

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
        """The connection of this process and thread: none may cross a fork, or be used by two threads."""
        mine = self._mine
        if mine.connection is not None and mine.process == os.getpid():
            return mine.connection
        if mine.connection is not None:
            _INHERITED.append(mine.connection)  # a fork's copy: closing it could tidy away the parent's files
        mine.connection, mine.process = None, os.getpid()
        self._make_private()
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        mine.connection = connection
        if connection.execute("SELECT pending FROM scrub").fetchone()[0]:
            self.scrub(wait_s=0.0)  # a crash came between an erasure and its scrubbing
        return connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_S * 1000)}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.execute("BEGIN IMMEDIATE")  # of processes that come first together, one makes the tables
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    raise self._foreign()
                for statement in f"{self.schema.strip()}\n{_SCRUB_SCHEMA.strip()}".split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {self.application}")
                connection.execute(f"PRAGMA user_version = {self.version}")
            connection.execute("COMMIT")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != self.application:
            raise self._foreign()
        if found != self.version:
            raise self.other_version(
                f"{self.path} is a {self.what} of version {found}; this is version {self.version}",
                hint="update spiritsafe",
            )

    def _make_private(self) -> None:
        make_private(self.path, what=self.what, unreachable=self.unreachable, how_to_begin=self.how_to_begin)

    def _foreign(self) -> SpiritsafeError:
        return self.damaged(f"{self.path} is some other database", hint="move it away, or set SPIRITSAFE_HOME")

    def _translated(self, error: sqlite3.Error) -> SpiritsafeError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return self.held(f"another process holds {self.path}", hint="let it finish, then run this again")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self.damaged(
                f"{self.path} is damaged: {error}", hint="keep it for whoever investigates, and restore a backup"
            )
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return self.unreachable(
                f"cannot use {self.path}: {error}", hint="check free space and permissions of the home"
            )
        return self.damaged(f"{self.path} does not hold what a {self.what} holds: {error}", hint="restore a backup")


def make_private(
    path: Path,
    *,
    what: str,
    unreachable: type[SpiritsafeError],
    how_to_begin: str = "set SPIRITSAFE_HOME to a folder of yours",
) -> None:
    """Make a database's file 0600 before SQLite does it by the umask; its side files take the same mode.

    Never opens a file that is there: closing it again would drop every lock that this process holds on it
    (POSIX), and another process would then remove the write-ahead log that we still write
    (sqlite.org/howtocorrupt.html, section 2.2). Raises `unreachable` where others could read it.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        found = path.lstat()
    except OSError as error:
        raise unreachable(f"cannot open the {what} {path}: {error.strerror}", hint=how_to_begin) from error
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise unreachable(
            f"the {what} {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}), or is no plain file",
            hint=f"`chmod 600 {path}*`, and find out who could read it",
        )
