"""Where the telling of the ledger is kept ready: a file in the home, or a PostgreSQL database.

It holds nothing that the ledger does not tell, so it may be thrown away and told again. Several processes may
use it at once; of those that come first, one makes the tables, and an older version's are brought up to date.
Comes from `cases.book`; goes on to `SPIRITSAFE_HOME/cases.db` or to the database of `cases_url`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event, exc

from spiritsafe.cases.tables import APPLIED
from spiritsafe.errors import EnvironmentFault, InputError
from spiritsafe.files.database import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD: Final = "0001"
"""The newest version of the tables (`cases.migrations`)."""
VERSIONS: Final = ("0001",)
_WAIT_S: Final = 30
_LOCK: Final = 0x53534341  # "SSCA": of processes that migrate one PostgreSQL database, one does it


class CaseStoreError(InputError):
    """The cases' database is damaged, or holds something else."""

    code = "cases.store"


class CaseStoreVersionError(InputError):
    """The cases' database was written by a newer version."""

    code = "cases.version"


class CaseStoreFault(EnvironmentFault):
    """The cases' database cannot be reached, written or read."""

    code = "cases.access"


class CaseStore:
    """The cases' tables, ready to be used."""

    def __init__(self, engine: sa.Engine, where: str) -> None:
        self._engine = engine
        self._writing = engine.execution_options(spiritsafe_writes=True)
        self.where = where
        try:
            with self.told():
                self._prepare()
        except BaseException:
            engine.dispose()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view."""
        with self.told(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """All or nothing, and nobody else writes meanwhile."""
        with self.told(), self._writing.begin() as connection:
            connection.execute(sa.select(APPLIED.c.id).with_for_update()).all()
            yield connection

    def scrub(self) -> None:
        """Leave nothing in the file of what was overwritten; PostgreSQL's own `VACUUM` does that there."""
        if self._engine.dialect.name == "sqlite":
            with self.told(), self._engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            found = _version(connection)
        if found == HEAD:
            return
        if found is not None and found not in VERSIONS:
            raise CaseStoreVersionError(
                f"{self.where} holds cases of version {found}; this is version {HEAD}", hint="update spiritsafe"
            )
        from spiritsafe.cases.migrations import upgrade

        with self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            upgrade(connection)
            if connection.execute(sa.select(APPLIED.c.id)).first() is None:
                connection.execute(sa.insert(APPLIED).values(id=1, origin="", position=0, entry_sha256=""))

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """The database's errors as ours."""
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, sqlite3.OperationalError) as error:
            first = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise CaseStoreFault(
                f"cannot use {self.where}: {first}", hint="see that it is there, has space, and lets you in"
            ) from error
        except (exc.DatabaseError, sqlite3.DatabaseError) as error:
            first = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise CaseStoreError(
                f"{self.where} does not hold what it should: {first}",
                hint="move it away, or give another; the cases are told from the ledger again",
            ) from error


def open_store(home: Path, url: str = "") -> CaseStore:
    """The store of a home.

    Parameters
    ----------
    home
        Where `cases.db` is, unless `url` names a PostgreSQL database (without a password: libpq knows where).
    url
        `postgresql://user@host/database`.

    Raises
    ------
    CaseStoreFault, CaseStoreError, CaseStoreVersionError
        It cannot be reached, holds something else, or was written by a newer version.
    """
    if url:
        return CaseStore(_postgresql(url), f"the database {url}")
    path = home / "cases.db"
    make_private(path, what="cases' database", unreachable=CaseStoreFault)
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False),
        poolclass=sa.QueuePool,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return CaseStore(engine, str(path))


def _postgresql(url: str) -> sa.Engine:
    try:
        return sa.create_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": _WAIT_S},
        )
    except ImportError as error:
        raise CaseStoreFault(
            "PostgreSQL needs the library psycopg", hint="pip install 'spiritsafe[postgresql]'"
        ) from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("secure_delete = ON", "temp_store = MEMORY", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("spiritsafe_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: sa.Connection) -> str | None:
    """The version of the tables; None where there are none."""
    names = sa.inspect(connection).get_table_names()
    if "alembic_version" in names:
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if found is not None:
            return str(found)
    if names and "alembic_version" not in names:
        raise CaseStoreError(
            f"the database holds other tables ({', '.join(sorted(names)[:3])}, ...)",
            hint="give the cases a database, or a schema on its user's search_path, of their own",
        )
    return None
