"""The cases' database: private, made once, brought up to date, and of one version at a time."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from spiritsafe.cases.lookups import count_by_state, list_cases
from spiritsafe.cases.migrations import config_for
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.store import HEAD, VERSIONS, CaseStoreError, CaseStoreFault, CaseStoreVersionError, open_store
from spiritsafe.cases.tables import APPLIED, METADATA
from spiritsafe.settings import load_settings
from spiritsafe.settings.model import SettingError
from tests.cases.desk import Desk, Found, accounts

PROCESSES = 4


def test_the_migrations_lead_to_the_tables_as_they_are(desk):
    with desk.store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_newest_version_is_the_one_that_the_store_asks_for():
    scripts = ScriptDirectory.from_config(config_for())
    assert scripts.get_current_head() == HEAD
    assert {script.revision for script in scripts.walk_revisions()} == set(VERSIONS)


def test_the_file_is_its_owners_alone(sqlite_desk):
    for path in sqlite_desk.office.home.glob("cases.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sqlite_desk.close()
    path = sqlite_desk.office.home / "cases.db"
    path.chmod(0o644)
    with pytest.raises(CaseStoreFault, match="open to other users"):
        open_store(sqlite_desk.office.home)


def test_a_newer_version_is_refused_and_left_alone(desk):
    with desk.store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CaseStoreVersionError, match="9999"):
        open_store(desk.office.home, desk.url)
    with desk.store.reading() as connection:
        assert connection.execute(sa.select(APPLIED.c.id)).scalar() == 1


def test_a_database_that_holds_something_else_is_refused(tmp_path, cluster):
    tmp_path.chmod(0o700)
    with sqlite3.connect(tmp_path / "cases.db") as other:
        other.execute("CREATE TABLE invoices (id INTEGER)")
    other.close()
    (tmp_path / "cases.db").chmod(0o600)
    with pytest.raises(CaseStoreError, match="invoices"):
        open_store(tmp_path)
    url = cluster.new_database()
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE invoices (id INTEGER)"))
    engine.dispose()
    with pytest.raises(CaseStoreError, match="invoices"):
        open_store(tmp_path, url)


def test_a_file_that_is_no_database_and_a_server_that_is_not_there_are_told(tmp_path):
    tmp_path.chmod(0o700)
    (tmp_path / "cases.db").write_bytes(b"no database at all, but long enough to look like one" * 40)
    (tmp_path / "cases.db").chmod(0o600)
    with pytest.raises(CaseStoreError, match="does not hold what it should"):
        open_store(tmp_path)
    with pytest.raises(CaseStoreFault, match="cannot use the database"):
        open_store(tmp_path, f"postgresql://cases@/cases?host={tmp_path}")


@pytest.mark.parametrize(
    "url", ["postgresql://cases:secret@db.example/cases", "mysql://db/x", "sqlite:///x", "nonsense"]
)
def test_no_password_stands_in_the_settings_and_no_other_database_is_meant(url, tmp_path):
    with pytest.raises(SettingError):
        load_settings({"home": tmp_path, "cases_url": url})
    for good in ("", "postgresql://cases@db.example:5432/cases", "postgresql://u@/cases?host=/run/postgresql"):
        assert load_settings({"home": tmp_path, "cases_url": good}).cases_url == good


def open_it(home: Path, url: str, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    open_store(home, url).close()


def test_of_several_processes_that_come_first_one_makes_the_tables(tmp_path, url):
    tmp_path.chmod(0o700)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    started = [context.Process(target=open_it, args=(tmp_path, url, ready)) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    ready.set()
    for process in started:
        process.join(60)
        assert process.exitcode == 0
    store = open_store(tmp_path, url)
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(APPLIED)).scalar() == 1
    store.close()


WORKER = """
import sys
from pathlib import Path
from spiritsafe.cases.book import CaseBook
from spiritsafe.cases.filing import move_of
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.store import open_store
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.records import new_id
from spiritsafe.keys import FileKeys

class Nobody:
    def key_of(self, name, at_us):
        return None

home, url = Path(sys.argv[1]), sys.argv[2]
book = CaseBook(Ledger(home / "ledger", FileKeys(home / "keys")), open_store(home, url), Nobody())
for _ in range(int(sys.argv[3])):
    with book.doing() as doing:
        case_id = new_id()
        rule = {"rule": "verdict-is-campaign/1", "reason": "a test"}
        doing.file([move_of(doing, case_id, "", CaseState.SUSPECTED, **rule)])
    print(case_id, flush=True)
"""


def workers(desk: Desk, count: int, each: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, str(desk.office.home), desk.url, str(each)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]


def close_outputs(running: list[subprocess.Popen[str]]) -> None:
    for process in running:
        if process.stdout:
            process.stdout.close()


def test_processes_that_file_at_once_lose_nothing_and_number_cases_once(desk):
    desk.open(Found(accounts("acct", 3)), rows=False)
    running = workers(desk, 3, 8)
    filed = {line.strip() for process in running for line in (process.stdout or ())}
    assert [process.wait(60) for process in running] == [0, 0, 0]
    close_outputs(running)
    with desk.book.reading() as tables:
        told = list_cases(tables, limit=100)
        assert count_by_state(tables) == {CaseState.SUSPECTED: 25}
    assert len(filed) == 24
    assert filed < {one.case_id for one in told}
    assert sorted(one.number for one in told) == list(range(1, 26))


def killed_while_filing(desk: Desk, rounds: int) -> None:
    """Kill processes that file at moments of their own; whatever they acknowledged must be there, and told."""
    acknowledged: set[str] = set()
    for number in range(rounds):
        (process,) = workers(desk, 1, 10_000)
        lines = iter(process.stdout or ())
        acknowledged |= {line.strip() for line in itertools.islice(lines, 3)}
        time.sleep(0.002 * (number % 7))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in lines if len(line) == 37}
        process.wait(60)
        close_outputs([process])
    with desk.book.reading() as tables:
        told = {one.case_id for one in list_cases(tables, limit=1_000_000)}
    assert acknowledged
    assert acknowledged <= told
    before = len(told)
    desk.book.rebuild()
    with desk.book.reading() as tables:
        assert len(list_cases(tables, limit=1_000_000)) == before


def test_what_was_acknowledged_survives_kill_9(desk):
    killed_while_filing(desk, 1)


@pytest.mark.soak
def test_what_was_acknowledged_survives_kill_9_at_many_moments(desk):
    killed_while_filing(desk, 40)
