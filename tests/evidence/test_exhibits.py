"""What a record rests on is kept as long as it may be, and no longer."""

from __future__ import annotations

import json
import sqlite3

import pytest

from spiritsafe.evidence.bundle import make_bundle, read_bundle, verify_bundle
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.exhibits import ExhibitAlteredError, ExhibitMissingError, Exhibits, Rows
from tests.evidence.ledgers import ADA, CASE, open_ledger

ROWS = {
    "acct-1": Rows(2, b'{"prompt": "one"}\n{"prompt": "two"}\n'),
    "acct-2": Rows(1, b'{"prompt": "secret three"}\n'),
}
AT_US = 1_764_504_000_000_000


@pytest.fixture
def kept(tmp_path):
    ledger = open_ledger(tmp_path)
    exhibits = Exhibits(ledger)
    filed = exhibits.preserve(
        CASE, ROWS, media_type="application/jsonl", source_sha256=["ab" * 32], source="scan of 3 May", signer=ADA
    )
    ledger.checkpoint()
    return ledger, exhibits, filed


def test_rows_are_kept_and_read_by_subject(kept):
    _, exhibits, _ = kept
    assert exhibits.read_rows(CASE, "acct-1") == [ROWS["acct-1"].data]
    with pytest.raises(ExhibitMissingError):
        exhibits.read_rows(CASE, "acct-3")
    with pytest.raises(ExhibitMissingError):
        exhibits.read_rows("another", "acct-1")


def test_an_outsider_sees_that_rows_were_kept_and_whose_only_where_shown(kept):
    ledger, _, filed = kept
    data = make_bundle(ledger, [filed.position], show=lambda _head, opening: opening.item == 1)
    (found,) = verify_bundle(read_bundle(data), ledger.verifier_keys())
    open_fields, part = found.head["open"], found.shown["parts[1]"]
    assert isinstance(open_fields, dict)
    assert isinstance(part, dict)
    assert (open_fields["row_count"], part["subject"]) == (3, "acct-2")
    assert b"acct-1" not in data


def test_nothing_of_the_rows_stands_in_the_files(kept):
    ledger, exhibits, _ = kept
    ledger.close()
    exhibits.close()
    found = b"".join(path.read_bytes() for path in ledger.folder.iterdir())
    assert b"secret three" not in found


def test_rows_of_somebody_erased_are_gone_and_the_others_stay(kept):
    ledger, exhibits, _ = kept
    erase_subject(ledger, CASE, "acct-2", basis="asked", signer=ADA, at_us=AT_US)
    with pytest.raises(ExhibitMissingError, match="keeps no rows of acct-2"):
        exhibits.read_rows(CASE, "acct-2")
    assert exhibits.read_rows(CASE, "acct-1") == [ROWS["acct-1"].data]


def test_an_altered_exhibit_is_found(kept):
    _, exhibits, _ = kept
    connection = sqlite3.connect(exhibits.path)
    connection.execute("UPDATE parts SET body = zeroblob(length(body))")
    connection.commit()
    connection.close()
    with pytest.raises(ExhibitAlteredError):
        exhibits.read_rows(CASE, "acct-1")


def test_a_file_about_nobody_is_kept_whole(tmp_path):
    ledger = open_ledger(tmp_path)
    exhibits = Exhibits(ledger)
    filed = exhibits.keep(b"{}", media_type="application/json", title="a playbook", source="the library", by="test 1")
    digest = json.loads(ledger.entry(filed.position).body)["open"]["sha256"]
    assert exhibits.read(digest) == b"{}"
    with pytest.raises(ExhibitMissingError):
        exhibits.read("00" * 32)
