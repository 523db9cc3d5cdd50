"""What is filed stays, whoever else files, and whatever is done to the file is found."""

from __future__ import annotations

import base64
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from spiritsafe.evidence.audit import LedgerTamperedError, audit_ledger
from spiritsafe.evidence.checkpoints import parse_checkpoint, parse_proof
from spiritsafe.evidence.disclosures import verify_field
from spiritsafe.evidence.erasure import HeldError, HoldError, NothingHeldError, erase_subject, place_hold, release_hold
from spiritsafe.evidence.ledger import EntryMissingError, Ledger
from spiritsafe.evidence.merkle import hash_leaf, verify_consistency
from spiritsafe.evidence.notes import SignatureError
from spiritsafe.evidence.record_spec import RecordError
from spiritsafe.evidence.records import Personal, Record
from spiritsafe.evidence.store import LedgerFault, LedgerFileError, LedgerVersionError
from spiritsafe.evidence.writing import EntrySizeError
from tests.evidence.ledgers import ADA, CASE, KEYS, ORIGIN, appeal, note, open_ledger

ROOT = Path(__file__).parent.parent.parent
NOW_US = 1_764_504_000_000_000
DAY_US = 86_400_000_000


def edit(ledger: Ledger, statement: str, *values: object) -> None:
    """Change the file as somebody would who has it: without the triggers that keep us from it."""
    ledger.close()
    connection = sqlite3.connect(ledger.folder / "ledger.db", isolation_level=None)
    for trigger in ("entries_stay", "entries_last", "signed_stay", "signed_last"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement, values)
    connection.close()


def test_a_filed_record_is_proved_and_shown_field_by_field(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note(f"remark {number}") for number in range(300)])
    ledger.checkpoint()
    proof = parse_proof(str(ledger.prove(123)).encode())
    body = ledger.entry(123).body
    assert proof.verify(hash_leaf(body), ledger.verifier_keys()).size == 300
    entry = json.loads(body)
    assert entry["open"] == {"by": "person"}
    told = re.sub(rb"[A-Za-z0-9+/]{40,}=*", b"", body)  # three letters may stand in a digest by chance
    assert b"remark" not in told
    assert b"ada" not in told
    shown = {opening.field: opening.disclosure for opening in ledger.openings(123)}
    digest = base64.b64decode(entry["sealed"]["text"])
    assert verify_field("text", digest, shown["text"]) == "remark 123"


def test_every_signed_state_is_shown_to_have_grown_out_of_the_one_before(tmp_path):
    ledger = open_ledger(tmp_path)
    states = []
    for step in (1, 255, 1, 300):
        ledger.append([note() for _ in range(step)])
        states.append(parse_checkpoint(ledger.checkpoint()))
    for old, new in itertools.pairwise(states):
        verify_consistency(old.size, old.root, new.size, new.root, ledger.prove_growth(old.size, new.size))
    assert [state.size for state in states] == [1, 256, 257, 557]


def test_a_state_that_was_signed_is_not_signed_again(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    assert str(ledger.checkpoint()) == str(ledger.checkpoint())
    assert len(ledger.checkpoints()) == 1


def test_what_is_not_in_the_log_is_not_proved(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    with pytest.raises(EntryMissingError, match="no signed state"):
        ledger.prove(0)
    ledger.checkpoint()
    with pytest.raises(EntryMissingError):
        ledger.prove(1)
    with pytest.raises(EntryMissingError):
        ledger.prove(0, size=7)
    with pytest.raises(EntryMissingError):
        ledger.entry("nobody")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record("nothing/1", {}), "is nothing that is filed"),
        (Record("note/1", {"by": "person"}), "lacks name, text"),
        (Record("note/1", {"by": "person", "name": "a", "text": "b", "mood": "c"}), "has mood"),
        (Record("note/1", {"by": "person", "name": "a", "text": ("b",)}), "is not one value"),
        (Record("note/1", {"by": "person", "name": "a", "text": Personal("acct", "b")}), "is about nobody"),
        (Record("appeal/1", {**appeal("a").fields, "account": "a"}, case_id=CASE), "says whose it is"),
        (Record("appeal/1", appeal("a").fields), "belongs to no case"),
        (Record("note/1", note().fields), "is signed by nobody"),
        (Record("note/1", {**note().fields, "by": "rule"}, signer=ADA), "signed, and no person did it"),
        (Record("note/1", {**note().fields, "name": "grace"}, signer=ADA), "signed by ada and done by another"),
    ],
)
def test_a_record_that_is_not_what_its_type_holds_is_refused_and_nothing_filed(tmp_path, record, said):
    ledger = open_ledger(tmp_path)
    with pytest.raises(RecordError, match=said):
        ledger.append([note(), record])
    assert list(ledger.entries()) == []


def test_an_entry_has_a_largest_size(tmp_path):
    ledger = open_ledger(tmp_path)
    fields = {"direction": "sent", "tlp": "x" * 70_000, "bundle_sha256": "", "legal_basis": "", "partner": ""}
    long = Record("share/1", {"by": "program", "name": "a", **fields})
    with pytest.raises(EntrySizeError, match="bytes of at most 65,535"):
        ledger.append([note(), long])
    assert list(ledger.entries()) == []


def test_entries_are_found_by_case_and_by_type(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note(), appeal("acct-1"), note(), appeal("acct-2", case_id="another")])
    assert [entry.position for entry in ledger.entries(case_id=CASE)] == [1]
    assert [entry.position for entry in ledger.entries(record="note/1")] == [0, 2]


def test_entries_beyond_a_page_all_come_while_others_file(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note() for _ in range(2_500)])
    seen = []
    for entry in ledger.entries():
        if entry.position == 1_200:
            ledger.append([note()])
        seen.append(entry.position)
    assert seen == list(range(2_501))


def file_some(folder: Path, count: int) -> None:
    ledger = open_ledger(folder)
    for _ in range(count):
        ledger.append([note()])
    ledger.close()


def test_several_processes_file_at_once_and_nothing_is_lost(tmp_path):
    ledger = open_ledger(tmp_path)
    started = [multiprocessing.get_context("spawn").Process(target=file_some, args=(tmp_path, 40)) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0, 0]
    ledger.checkpoint()
    assert audit_ledger(ledger).entries == 120


KILLED = """
import sys
from pathlib import Path
from tests.evidence.ledgers import note, open_ledger
ledger = open_ledger(Path(sys.argv[1]))
for number in range(10_000):
    (filed,) = ledger.append([note(str(number))])
    sys.stdout.write(f"{filed.position} {filed.record_id}\\n")
    sys.stdout.flush()
    if number % 7 == 0:
        ledger.checkpoint()
"""


@pytest.mark.parametrize("after", [3, 40])
def test_what_was_acknowledged_survives_a_kill(tmp_path, after):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ.copy(),
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().split() for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [line.split() for line in child.stdout.read().splitlines() if len(line.split()) == 2]
    child.wait()
    child.stdout.close()
    ledger = open_ledger(tmp_path)
    kept = {json.loads(entry.body)["id"]: entry.position for entry in ledger.entries()}
    for position, record_id in acknowledged:
        assert kept[record_id] == int(position)
    assert audit_ledger(ledger).entries == len(kept) >= after


def changed_entry(ledger: Ledger) -> None:
    body = bytearray(ledger.entry(5).body)
    body[40] ^= 1
    edit(ledger, "UPDATE entries SET entry = ? WHERE position = 5", bytes(body))


TAMPERED = {
    "an entry was changed": (changed_entry, "the tree is not that of the entries"),
    "an entry was taken out": (
        lambda ledger: edit(ledger, "DELETE FROM entries WHERE position = 5"),
        "entry 0 or one soon after it is missing",
    ),
    "the last entry was taken out": (
        lambda ledger: edit(ledger, "DELETE FROM entries WHERE position = 299"),
        "entry 299 or one soon after it is missing",
    ),
    "the size was set back": (
        lambda ledger: edit(ledger, "UPDATE log SET size = 299"),
        "1 entries stand beyond the log's 299",
    ),
    "a tile was changed": (
        lambda ledger: edit(ledger, "UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1"),
        r"the tree is not that of the entries \(tile \(1, 0\)\)",
    ),
    "a tile was taken out": (
        lambda ledger: edit(ledger, "DELETE FROM tiles WHERE level = 0 AND position = 1"),
        r"tile \(0, 1\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_found(tmp_path, what):
    ledger = open_ledger(tmp_path)
    ledger.append([note(str(number)) for number in range(300)])
    ledger.checkpoint()
    assert audit_ledger(ledger).entries == 300
    tamper, said = TAMPERED[what]
    tamper(ledger)
    with pytest.raises(LedgerTamperedError, match=said):
        audit_ledger(open_ledger(tmp_path))


def test_a_ledger_put_back_to_an_older_copy_is_found_by_what_was_signed_since(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    ledger.close()
    shutil.copytree(ledger.folder, tmp_path / "older")
    ledger.append([note()])
    signed = ledger.checkpoint()
    ledger.close()
    shutil.rmtree(ledger.folder)
    (tmp_path / "older").rename(ledger.folder)
    back = open_ledger(tmp_path)
    edit(back, "INSERT INTO checkpoints VALUES (2, ?)", str(signed).encode())
    with pytest.raises(LedgerTamperedError, match="2 entries were signed, and 1 are there"):
        audit_ledger(open_ledger(tmp_path))


def test_a_state_signed_by_somebody_else_is_found(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note()])
    text = str(ledger.checkpoint())
    changed = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
    edit(ledger, "UPDATE checkpoints SET note = ?", changed.encode())
    with pytest.raises(SignatureError):
        audit_ledger(open_ledger(tmp_path))


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([note() for _ in range(50)])
    ledger.close()
    path = ledger.folder / "ledger.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LedgerFileError, match="damaged"):
        audit_ledger(open_ledger(tmp_path))
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(LedgerFileError):
        open_ledger(tmp_path)
    path.write_bytes(whole)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LedgerVersionError, match="version 9"):
        open_ledger(tmp_path)


def test_a_ledger_that_others_may_read_is_refused(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.close()
    (ledger.folder / "ledger.db").chmod(0o644)
    with pytest.raises(LedgerFault, match="open to other users"):
        open_ledger(tmp_path)


def test_the_origin_of_a_ledger_stays(tmp_path):
    open_ledger(tmp_path).close()
    assert Ledger(tmp_path / "ledger", KEYS, origin="example.com/another").origin == ORIGIN


def test_a_ledger_without_a_name_takes_one_that_is_nobody_elses(tmp_path):
    one, two = (Ledger(tmp_path / name, KEYS).origin for name in ("one", "two"))
    assert one != two
    assert one.startswith("spiritsafe.invalid/")


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_who_is_erased_can_no_longer_be_read_and_the_proof_still_holds(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([appeal("acct-7"), appeal("acct-8")])
    assert [opening.disclosure.value for opening in ledger.openings(0) if opening.field == "account"] == ["acct-7"]
    with ledger.reading() as connection:
        wrapped = bytes(connection.execute("SELECT wrapped FROM subjects ORDER BY id").fetchone()[0])
    filed = erase_subject(ledger, CASE, "acct-7", basis="asked by the holder", signer=ADA, at_us=NOW_US)
    ledger.close()
    assert wrapped not in everything(ledger.folder)
    again = open_ledger(tmp_path)
    assert {opening.field for opening in again.openings(0)} == {"name", "reason", "signature"}
    assert [opening.disclosure.value for opening in again.openings(1) if opening.field == "account"] == ["acct-8"]
    again.checkpoint()
    assert audit_ledger(again).entries == 3
    tombstone = json.loads(again.entry(filed.position).body)
    assert (tombstone["record"], tombstone["case"], tombstone["open"]["field_count"]) == ("erasure/1", CASE, 2)
    with pytest.raises(NothingHeldError):
        erase_subject(again, CASE, "acct-7", basis="again", signer=ADA, at_us=NOW_US)


def test_somebody_erased_in_one_case_is_kept_in_another(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([appeal("acct-7"), appeal("acct-7", case_id="another")])
    erase_subject(ledger, CASE, "acct-7", basis="asked", signer=ADA, at_us=NOW_US)
    assert [opening.field for opening in ledger.openings(1)] == [
        "account",
        "name",
        "reason",
        "signature",
        "statement",
    ]


def test_a_legal_hold_keeps_from_erasure_until_it_ends_or_is_released(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([appeal("acct-7"), appeal("acct-8")])
    tomorrow_us = NOW_US + DAY_US
    hold = place_hold(ledger, CASE, owner="counsel", reason="trial", expires_us=tomorrow_us, signer=ADA, at_us=NOW_US)
    with pytest.raises(HeldError, match="until 2025-12-01"):
        erase_subject(ledger, CASE, "acct-7", basis="asked", signer=ADA, at_us=NOW_US)
    assert len(ledger.openings(0)) == 5
    release_hold(ledger, hold, owner="counsel", reason="settled", signer=ADA, at_us=NOW_US)
    erase_subject(ledger, CASE, "acct-7", basis="asked", signer=ADA, at_us=NOW_US)
    place_hold(ledger, CASE, owner="counsel", reason="again", expires_us=tomorrow_us, signer=ADA, at_us=NOW_US)
    erase_subject(ledger, CASE, "acct-8", basis="asked", signer=ADA, at_us=tomorrow_us)
    kinds = [json.loads(entry.body)["record"] for entry in ledger.entries()]
    assert kinds[2:] == ["hold/1", "hold/1", "erasure/1", "hold/1", "erasure/1"]
    with pytest.raises(HoldError, match="no hold"):
        release_hold(ledger, hold, owner="counsel", reason="twice", signer=ADA, at_us=NOW_US)
    with pytest.raises(HoldError, match="expired already"):
        place_hold(ledger, CASE, owner="counsel", reason="late", expires_us=NOW_US, signer=ADA, at_us=NOW_US)


def test_nothing_that_tells_who_somebody_is_stands_in_the_log(tmp_path):
    ledger = open_ledger(tmp_path)
    ledger.append([appeal("acct-secret-7", "my shop is Lingua Ltd")])
    ledger.close()
    found = everything(ledger.folder)
    assert b"acct-secret-7" not in found
    assert b"Lingua" not in found
