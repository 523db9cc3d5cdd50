"""The vault survives kills and many writers; its log cannot be changed unseen; what is erased leaves no trace."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from spiritsafe.events import looks
from spiritsafe.events.looks import History, Look
from spiritsafe.events.seals import SealError
from spiritsafe.events.vault import Vault
from spiritsafe.events.vault_file import VaultBusyFault
from spiritsafe.keys import FileKeys
from tests.events.office import Office
from tests.house.repository import ROOT


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "home")


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a script in a process of its own; none is left running."""
    begun = []

    def begin(script: str, *arguments: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", script, *map(str, arguments)]
        begun.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def bytes_on_disk(home: Path) -> bytes:
    """Read by another process: closing a file here would drop the locks that SQLite holds on it."""
    found = subprocess.run(["cat", *sorted(home.glob("vault.db*"))], capture_output=True, check=True)
    return found.stdout


# -- the log -------------------------------------------------------------------------------------------------


def test_the_database_itself_refuses_to_change_or_remove_looks_and_tombstones(office):
    office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    connection = sqlite3.connect(office.home / "vault.db")
    for statement in (
        "UPDATE looks SET body = 'x'",
        "DELETE FROM looks",
        "UPDATE tombstones SET seq = 0",
        "DELETE FROM tombstones",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"never|stay"):
            connection.execute(statement)
    connection.close()


def tamper(home: Path, *statements: str) -> None:
    """What somebody with the file and a mind to it can do: drop the guards, then change things."""
    connection = sqlite3.connect(home / "vault.db", isolation_level=None)
    for name in ("looks_stay", "looks_last", "tombstones_stay", "tombstones_last"):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE looks SET body = CAST(replace(CAST(body AS TEXT), 'C-12', 'C-13') AS BLOB) WHERE seq = 5",
        "UPDATE looks SET body = CAST(replace(CAST(body AS TEXT), 'grace', 'alan') AS BLOB) WHERE seq = 6",
        "UPDATE looks SET signature = zeroblob(64) WHERE seq = 6",
        "UPDATE looks SET signature = (SELECT signature FROM looks WHERE seq = 5) WHERE seq = 6",
        "UPDATE looks SET body = x'7b7d' WHERE seq = 3",
        "UPDATE looks SET body = x'ff' WHERE seq = 3",
        "UPDATE looks SET body = CAST(body AS TEXT) WHERE seq = 3",
        "DELETE FROM looks WHERE seq = 4",
        "DELETE FROM looks WHERE seq = 1",
        "UPDATE looks SET seq = 100 WHERE seq = 2",
    ],
)
def test_every_change_to_the_log_is_found(office, statement):
    office.vault.resolve(office.approved(), by=office.ada)
    office.vault.close()
    tamper(office.home, statement)
    with pytest.raises((looks.LogBrokenError, looks.SignatureError)) as caught:
        office.vault.verify()
    assert caught.value.exit_code == 4
    with pytest.raises((looks.LogBrokenError, looks.SignatureError)):
        office.asked()


def test_a_log_that_was_cut_short_is_found_with_a_head_noted_before(office):
    office.approved()
    head = office.vault.verify().head
    office.vault.verify(expected_head=head)
    office.vault.close()
    tamper(office.home, "DELETE FROM looks WHERE seq >= 5")
    office.vault.verify()  # nothing shows from the log alone
    with pytest.raises(looks.LogBrokenError, match="does not contain the head"):
        office.vault.verify(expected_head=head)


def test_a_tombstone_that_was_taken_away_is_found(office):
    office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    office.vault.close()
    tamper(office.home, "DELETE FROM tombstones")
    with pytest.raises(SealError, match="does not agree with its log"):
        office.vault.verify()


def test_an_outsider_can_replay_the_log_from_its_bytes_alone(office):
    """What the evidence ledger will do: no vault, no key, only looks."""
    office.vault.resolve(office.approved(), by=office.ada)
    history = History()
    for look in [Look(look.body, look.signature) for look in office.vault.book.looks()]:
        history.apply(look)
    assert history.head == office.vault.verify().head
    assert [request.closed for request in history.requests.values()] == ["resolved"]


def test_a_signature_is_for_one_place_in_one_log(office, tmp_path):
    """An approval copied from another log, or to a later place, is worth nothing."""
    office.approved()
    approval = list(office.vault.book.looks())[-1]
    with pytest.raises(looks.LogBrokenError, match="does not follow"):
        office.vault.book.history().apply(approval)
    other = Office(tmp_path / "other")
    with pytest.raises(looks.LogBrokenError, match="does not follow"):
        other.vault.book.history().apply(approval)


def test_an_approval_names_the_request_by_its_hash(office):
    request_id = office.asked()
    for wrong in ({"request_hash": "0" * 64}, {"pseudonyms": (office.user,)}):
        asked = office.vault.book.history().requests[request_id]
        fields = {"request_id": request_id, "request_hash": asked.hash, "pseudonyms": (office.acme,), **wrong}
        with pytest.raises(looks.SignatureError, match="another request"):
            office.vault.book.file("approved", office.grace, **fields)


def test_a_statement_nobody_signed_cannot_pass_as_signed(office):
    history = office.vault.book.history()
    said = looks.Statement(
        schema=looks.LOOK_SCHEMA,
        seq=history.seq + 1,
        previous=history.head,
        at_us=history.last_us,
        action="forgotten",
        pseudonyms=(office.acme,),
        reason="because",
    )
    with pytest.raises(looks.SignatureError, match="is not signed"):
        history.apply(Look(looks.encode_statement(said), b""))


# -- what is erased ------------------------------------------------------------------------------------------


def test_what_was_forgotten_leaves_no_trace_on_disk(office):
    """Keys and ciphertexts of the forgotten are searched for in every file, the write-ahead log included."""
    names = [f"account-{n:05}-{'x' * (n % 60)}" for n in range(4_000)]
    random_ = random.Random(7)
    random_.shuffle(names)
    for at in range(0, len(names), 400):
        hidden = [office.hide.value("account_id", name) for name in names[at : at + 3]]
        office.vault.record("account_id", [f"p1_{random_.getrandbits(128):032x}" for _ in range(400)], names[at:][:400])
        assert hidden
    connection = sqlite3.connect(office.home / "vault.db")
    rows = connection.execute("SELECT pseudonym, wrapped, sealed FROM identities").fetchall()
    connection.close()
    chosen = random_.sample(rows, 60)
    before = bytes_on_disk(office.home)
    assert all(wrapped in before and sealed in before for _, wrapped, sealed in chosen)
    for at in range(0, 60, 20):
        office.vault.forget([row[0] for row in chosen[at : at + 20]], by=office.ada, reason="erasure request 88")
    after = bytes_on_disk(office.home)
    assert not [name for name, wrapped, sealed in chosen if wrapped[4:] in after or sealed in after]
    others = [row for row in rows if row not in chosen]
    assert all(wrapped in after and sealed in after for _, wrapped, sealed in others)
    assert office.vault.verify().forgotten == 60


def test_after_wrapping_anew_the_old_wrapping_is_gone(office):
    connection = sqlite3.connect(office.home / "vault.db")
    (wrapped,) = connection.execute("SELECT wrapped FROM identities WHERE id = 1").fetchone()
    connection.close()
    office.keys.rotate("vault")
    office.vault.rewrap()
    assert wrapped[4:] not in bytes_on_disk(office.home)


def test_a_reader_of_old_pages_is_told_and_cleaned_up_after(office, monkeypatch):
    monkeypatch.setattr("spiritsafe.events.vault_file.VaultFile.scrub.__kwdefaults__", {"wait_s": 0.2})
    connection = sqlite3.connect(office.home / "vault.db", isolation_level=None)
    (wrapped,) = connection.execute("SELECT wrapped FROM identities WHERE id = 1").fetchone()
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM looks").fetchone()
    with pytest.raises(VaultBusyFault, match="still reads old pages"):
        office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    connection.execute("COMMIT")
    connection.close()
    office.vault.close()
    assert Vault(office.home / "vault.db", office.keys, clock_us=office.clock).verify().forgotten == 1
    assert wrapped[4:] not in bytes_on_disk(office.home)


def test_a_crash_between_erasure_and_cleaning_is_made_good_by_the_next_use(office, monkeypatch):
    connection = sqlite3.connect(office.home / "vault.db")
    (wrapped,) = connection.execute("SELECT wrapped FROM identities WHERE id = 1").fetchone()
    connection.close()

    def killed(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    reader = sqlite3.connect(office.home / "vault.db")  # so that no close empties the log for us
    reader.execute("SELECT 1 FROM looks").fetchall()
    with monkeypatch.context() as crashing:
        crashing.setattr("spiritsafe.events.vault_file.VaultFile.scrub", killed)
        with pytest.raises(KeyboardInterrupt):
            office.vault.forget([office.acme], by=office.ada, reason="erasure request 88")
    assert wrapped[4:] in bytes_on_disk(office.home)
    Vault(office.home / "vault.db", office.keys, clock_us=office.clock).verify()
    assert wrapped[4:] not in bytes_on_disk(office.home)
    reader.close()


# -- kills and crowds ----------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from spiritsafe.events.vault import Vault
from spiritsafe.keys import FileKeys
home, name, rounds, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
vault = Vault(home / "vault.db", FileKeys(home / "keys"))
for n in range(rounds):
    own = [f"p1_{int(name):08x}{n:08x}{row:016x}" for row in range(rows)]
    shared = [f"p1_{0xffff:08x}{n:08x}{row:016x}" for row in range(rows)]
    vault.record("account_id", own + shared, [f"{text} of {name}" for text in own] + shared)
    vault.note("derived", f"round {n}", reason=f"writer {name}")
    print(n, flush=True)
"""


def test_many_processes_write_one_vault(office, python):
    writers = [python(WRITER, office.home, name, 6, 50) for name in (1, 2, 3)]
    for writer in writers:
        _, said = writer.communicate(timeout=60)
        assert writer.returncode == 0, said
    found = office.vault.verify()
    assert found.identities == 2 + (3 + 1) * 6 * 50
    assert [action for action, _ in office.actions()].count("derived") == 18


def test_a_second_vault_in_one_process_does_not_drop_the_locks_of_the_first(office, python):
    """POSIX: closing any descriptor of a file drops all of the process's locks on it. We once did."""
    again = Vault(office.home / "vault.db", office.keys)
    again.verify()
    writer = python(WRITER, office.home, 1, 1, 5)
    _, said = writer.communicate(timeout=60)
    assert writer.returncode == 0, said
    assert (office.home / "vault.db-wal").exists(), "the writer thought that it was alone and removed our log"
    assert office.vault.record("account_id", ["p1_" + "0" * 32], ["other"]) == 1
    assert again.verify().identities == office.vault.verify().identities == 13


@pytest.mark.parametrize("after_rounds", [1, 3, 6])
def test_a_kill_at_any_moment_leaves_whole_batches_and_a_sound_log(office, python, after_rounds):
    writer = python(WRITER, office.home, 1, 10_000, 500)
    assert writer.stdout is not None
    assert writer.stderr is not None
    for _ in range(after_rounds):
        assert writer.stdout.readline(), writer.stderr.read()
    time.sleep(random.Random(after_rounds).random() * 0.05)
    os.kill(writer.pid, signal.SIGKILL)
    told = after_rounds + len(writer.stdout.read().splitlines())
    writer.communicate()
    vault = Vault(office.home / "vault.db", FileKeys(office.home / "keys"))
    found = vault.verify()
    assert (found.identities - 2) % 1000 == 0
    assert told * 1000 <= found.identities - 2 <= (told + 1) * 1000
    name = f"p1_{1:08x}{told - 1:08x}{499:016x}"
    request = vault.request(name, by=office.ada, reason="what was told is there", case="C-1")
    vault.approve(request.request_id, by=office.grace)
    assert vault.resolve(request.request_id, by=office.ada).original == f"{name} of 1"
    connection = sqlite3.connect(office.home / "vault.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_hundred_thousand_identities_are_recorded_in_seconds(office):
    hidden = [f"p1_{n:032x}" for n in {random.Random(n).getrandbits(120) for n in range(100_000)}]
    originals = [f"account-{n}" for n in range(100_000)]
    begun_s = time.process_time()  # what other processes of the machine do is not measured
    for at in range(0, 100_000, 20_000):
        office.vault.record("account_id", hidden[at : at + 20_000], originals[at : at + 20_000])
    assert time.process_time() - begun_s < 5.0
    assert office.vault.verify().identities == 100_002


def test_a_statement_is_stable_bytes():
    """Signed bytes must not depend on the order in which a later version declares its fields."""
    said = looks.Statement(schema="s", seq=1, previous="p", at_us=2, action="opened", person="x", by="y")
    assert looks.encode_statement(said) == msgspec.json.encode(
        {"action": "opened", "at_us": 2, "by": "y", "person": "x", "previous": "p", "schema": "s", "seq": 1}
    )
