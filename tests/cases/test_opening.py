"""What a scan found becomes a case once, joins the case that it belongs to, and nothing else."""

from __future__ import annotations

import json

import msgspec
import pytest

from spiritsafe.cases.looking import look_at_rows
from spiritsafe.cases.lookups import find_case, findings_of, history_of, list_cases, members_of
from spiritsafe.cases.model import CaseState, CaseUnknownError, StrangerError
from spiritsafe.cases.moves import clear_account
from spiritsafe.cases.opening import LogRows, open_cases
from spiritsafe.cases.preserving import LogChangedError
from spiritsafe.cases.scans import ScanFolderError, read_scan
from spiritsafe.events.sources import ReadOptions
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.exhibits import Exhibits
from tests.cases.desk import WHY, Found, accounts

PAYS = {("payment_fingerprint", "card-1"): 9.0}
WRITES = {("phrase", "77"): 9.5}


def test_a_campaign_opens_a_case_under_pseudonyms_with_its_evidence_and_its_rows(desk):
    (opened,) = desk.open(Found(accounts("acct", 6), PAYS))
    assert (opened.outcome, opened.number, opened.accounts, opened.rows) == ("opened", 1, 6, 12)
    case = desk.case()
    assert (case.state, case.members, case.unconfirmed) == (CaseState.SUSPECTED, 6, 6)
    with desk.book.reading() as tables:
        named = [one.account_id for one in members_of(tables, 1)]
        assert named == sorted(desk.name(account) for account in accounts("acct", 6))
        assert findings_of(tables, 1)[0]["evidence"]["axes"][0]["reason"] == "coordination is seen"
        assert [one.by for one in history_of(tables, 1)] == ["rule", "rule", "program"]
    exhibits = Exhibits(desk.ledger)
    (kept,) = exhibits.read_rows(opened.case_id, desk.name("acct-003"))
    rows = [msgspec.json.decode(line) for line in kept.splitlines()]
    assert [row["event_id"] for row in rows] == ["acct-003-0", "acct-003-1"]
    assert {row["account_id"] for row in rows} == {desk.name("acct-003")}
    exhibits.close()


def test_the_same_scan_again_files_nothing_again(desk):
    scan = read_scan(desk.scan(Found(accounts("acct", 6))))
    first = open_cases(desk.book, scan, desk.hide, log=LogRows(ReadOptions()))
    size = desk.ledger.size
    again = open_cases(desk.book, scan, desk.hide, log=LogRows(ReadOptions()))
    assert ([one.outcome for one in again], desk.ledger.size) == (["known"], size)
    assert again[0].rows == first[0].rows == 12


def test_rows_that_were_not_kept_the_first_time_are_kept_the_second(desk):
    scan = read_scan(desk.scan(Found(accounts("acct", 6))))
    open_cases(desk.book, scan, desk.hide, log=None)
    (again,) = open_cases(desk.book, scan, desk.hide, log=LogRows(ReadOptions()))
    assert (again.outcome, again.rows) == ("known", 12)


def test_a_later_scan_joins_by_membership_and_tells_how_probable_chance_is(desk):
    desk.open(Found(accounts("acct", 9)))
    (joined,) = desk.open(Found([*accounts("acct", 4), *accounts("new", 5)]), log_accounts=10_000)
    assert (joined.outcome, joined.number) == ("joined", 1)
    with desk.book.reading() as tables:
        why = findings_of(tables, 1)[1]["joined"]
    assert (why["by"], why["shared_accounts"]) == ("membership", 4)
    # 4 of 9 drawn from 10,000 of which 9 are marked: C(9,4) * 9*8*7*6 / 10,000**4 to first order.
    assert why["chance_log10"] == pytest.approx(-10.4, abs=0.3)
    assert desk.case().members == 14


def test_when_every_account_is_new_it_joins_by_two_kinds_of_rare_things_and_not_by_one(desk):
    desk.open(Found(accounts("acct", 6), PAYS | WRITES), Found(accounts("other", 6), WRITES))
    (new,) = desk.open(Found(accounts("new", 5), PAYS | WRITES))
    assert (new.outcome, new.number) == ("joined", 1)
    assert [(match.number, dict(match.bits)) for match in new.related] == [(2, {"content": 9.5})]
    (other,) = desk.open(Found(accounts("copycat", 5), WRITES))
    assert other.outcome == "opened"
    assert [match.number for match in other.related] == [1, 2]


def test_common_things_and_what_a_library_sends_join_nothing(desk):
    common = {("client_ip", "10.0.0.1"): 4.9, ("user_agent", "sdk/1"): 12.0, ("payment_fingerprint", "x"): 4.0}
    desk.open(Found(accounts("acct", 6), common))
    (new,) = desk.open(Found(accounts("new", 6), common))
    assert (new.outcome, new.related) == ("opened", ())


def test_a_closed_case_wakes_when_its_campaign_is_seen_again(desk):
    desk.open(Found(accounts("acct", 6)))
    for state in ("in_review", "dismissed", "closed"):
        desk.move(1, state)
    desk.open(Found(accounts("acct", 7)))
    assert desk.case().state is CaseState.SUSPECTED
    with desk.book.reading() as tables:
        assert history_of(tables, 1)[-3].what == "closed → suspected"


def test_who_was_cleared_stays_cleared_when_a_later_scan_names_them(desk):
    desk.open(Found(accounts("acct", 6)))
    clear_account(desk.book, "1", desk.name("acct-002"), signer=desk.ada, **WHY)
    desk.open(Found(accounts("acct", 7)))
    with desk.book.reading() as tables:
        assert [one.account_id for one in members_of(tables, 1) if one.cleared] == [desk.name("acct-002")]


def test_an_erased_account_is_gone_from_the_cases_and_from_their_file(sqlite_desk):
    desk = sqlite_desk
    (opened,) = desk.open(Found(accounts("acct", 6), PAYS))
    gone = desk.name("acct-001")
    desk.move(1, "in_review")
    erase_subject(desk.ledger, opened.case_id, gone, basis="asked", signer=desk.ada, at_us=desk.clock())
    with desk.book.reading() as tables:
        assert gone not in {one.account_id for one in members_of(tables, 1)}
    assert (desk.case().state, desk.case().members) == (CaseState.IN_REVIEW, 5)
    desk.close()
    for path in desk.office.home.glob("cases.db*"):
        assert gone.encode() not in path.read_bytes(), path


def test_an_erased_account_is_gone_from_postgresql_too(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    erase_subject(
        desk.ledger, opened.case_id, desk.name("acct-001"), basis="asked", signer=desk.ada, at_us=desk.clock()
    )
    assert desk.case().members == 5


def test_a_scan_that_was_changed_truncated_or_is_none_is_refused_before_anything_is_filed(desk):
    folder = desk.scan(Found(accounts("acct", 6)))
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    changed = json.loads(whole["campaigns.json"])
    changed["campaigns"][0]["members"].pop()
    newer = json.loads(whole["run.json"]) | {"schema": "run/2.0"}
    broken = {
        "campaigns.json": [json.dumps(changed).encode(), whole["campaigns.json"][:-20], b""],
        "run.json": [json.dumps(newer).encode(), b"[]", b"\xff"],
        "links.parquet": [whole["links.parquet"][:-9], b"no parquet"],
    }
    for name, bodies in broken.items():
        for body in bodies:
            (folder / name).write_bytes(body)
            with pytest.raises(ScanFolderError):
                open_cases(desk.book, read_scan(folder), desk.hide, log=None)
            (folder / name).write_bytes(whole[name])
    (folder / "members.parquet").unlink()
    with pytest.raises(ScanFolderError, match=r"members\.parquet"):
        read_scan(folder)
    assert desk.ledger.size == 0


def test_another_log_than_the_one_that_was_scanned_is_refused(desk):
    folder = desk.scan(Found(accounts("acct", 6)))
    log = folder.with_suffix(".parquet")
    log.write_bytes(desk.scan(Found(accounts("acct", 7))).with_suffix(".parquet").read_bytes())
    with pytest.raises(LogChangedError, match="digests"):
        open_cases(desk.book, read_scan(folder), desk.hide, log=LogRows(ReadOptions()))
    log.unlink()
    with pytest.raises(LogChangedError, match="cannot be read where it was scanned") as caught:
        open_cases(desk.book, read_scan(folder), desk.hide, log=LogRows(ReadOptions()))
    assert "--without-rows" in caught.value.hint
    assert desk.ledger.size == 0


def test_only_campaigns_that_the_scan_accuses_can_be_opened(desk):
    scan = read_scan(desk.scan(Found(accounts("acct", 6)), Found(accounts("other", 6))))
    with pytest.raises(CaseUnknownError, match="accuses no group"):
        open_cases(desk.book, scan, desk.hide, log=None, only=["c-0000000000000000"])
    (one,) = open_cases(desk.book, scan, desk.hide, log=None, only=[scan.campaigns[1].campaign_id])
    assert one.accounts == 6
    with desk.book.reading() as tables:
        assert len(list_cases(tables)) == 1


def test_nothing_that_is_filed_names_an_account_as_the_log_does(sqlite_desk):
    desk = sqlite_desk
    found = Found(accounts("acct", 6), {("payment_fingerprint", "card-77"): 9.0}, {"acct-001": "Acme GmbH"})
    desk.open(found)
    with desk.book.reading() as tables:
        assert find_case(tables, "1").members == 6
        (one,) = [one for one in members_of(tables, 1) if one.organization_id]
        assert one.organization_id == desk.hide.value("organization_id", "Acme GmbH")
    filed = json.dumps([dict(record.fields) for record in desk.ledger.records()])
    assert desk.name("acct-001") in filed
    desk.close()
    kept = b"".join(path.read_bytes() for path in desk.office.home.glob("**/*.db"))
    for name in ("acct-00", "card-77", "Acme", "secret is blue"):
        assert name not in filed
        assert name.encode() not in kept


def test_a_look_at_what_customers_wrote_is_filed_before_it_is_shown(desk):
    desk.open(Found(accounts("acct", 3)))
    one, other = desk.name("acct-000"), desk.name("acct-001")
    found = look_at_rows(desk.book, "1", [one], reason="triage", signer=desk.ada)
    assert [json.loads(line)["account_id"] for line in found[one]] == [one] * 2
    assert "secret is blue" in found[one][0].decode()
    (filed,) = desk.ledger.records(record="look/1")
    assert filed.signer is not None
    assert (filed.fields["accounts"], filed.fields["reason"], filed.signer[0]) == ([one], "triage", "ada")
    with pytest.raises(CaseUnknownError):
        look_at_rows(desk.book, "1", ["p1_" + "0" * 32], reason="curious", signer=desk.ada)
    with pytest.raises(StrangerError):
        look_at_rows(desk.book, "1", [other], reason="curious", signer=desk.eve)
    assert len(list(desk.ledger.records(record="look/1"))) == 1
    assert not desk.book.irregular()
