"""The guards are told what scans found, and what persons decided of it holds."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.campaigns.model import EvidenceKind, Run
from spiritsafe.campaigns.tables import FINGERPRINTS, MEMBERS
from spiritsafe.cases.actions import act
from spiritsafe.cases.appeals import make_appeal
from spiritsafe.cases.attestations import Terms as Vouching
from spiritsafe.cases.attestations import attest, withdraw_attestation
from spiritsafe.cases.moves import clear_account
from spiritsafe.cases.opening import open_cases
from spiritsafe.cases.scans import ScanFolderError, read_scan
from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.pseudonyms import Domain
from spiritsafe.roster import Kind, Names, Role, Roster
from spiritsafe.watch.publishing import publish
from spiritsafe.watch.rosters import ScanKeysError, Terms, gather
from tests.cases.desk import DAY_US, GROUND, WHY, Desk, Found, accounts

SKETCH = {"spiritsafe.sketch.key_id": "k1", "spiritsafe.sketch.seed": "1"}
NAMED = accounts("acct", 6)
MARKS = (
    ("content", "phrase", "11", 6, 7, 2),
    ("content", "phrase", "12", 6, 6, 2),
    ("content", "phrase", "13", 2, 9, 2),  # most who say it are others
    ("content", "phrase", "14", 4, 4, None),  # rare, and not the template's
    ("infrastructure", "client_ip", "192.0.2.1", 6, 6, None),
    ("infrastructure", "client_ip", "192.0.2.9", 3, 30, None),  # a provider's
    ("identity", "payment_fingerprint", "card-1", 4, 5, None),
)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path, "")
    yield made
    made.close()


def scan_of(desk: Desk, *found: Found, strangers: dict[str, tuple[int | None, bool | None]] | None = None, **run: Any):
    """A scan's folder with all that a roster is made of. `strangers`: when they opened (seconds), verified or not."""
    folder = desk.scan(*found)
    if run:
        told = msgspec.json.decode((folder / "run.json").read_bytes(), type=Run)
        (folder / "run.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(told, **run)))
    bits = {f"bits_{kind.value}": 0.0 for kind in EvidenceKind} | {"bits_work": 9.0, "bits_identity": 7.0}
    members = [
        {"campaign_id": one.id, "account_id": name, "probability": 0.97, "role": "core", "first_seen": None, **bits}
        for one in found for name in one.accounts
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(members, schema=MEMBERS), folder / "members.parquet")
    marks = [
        dict(zip(FINGERPRINTS.names, (one.id, kind, thing, value, 9.0, held, holders, 90, least), strict=True))
        for one in found for kind, thing, value, held, holders, least in MARKS
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(marks, schema=FINGERPRINTS), folder / "fingerprints.parquet")
    known = dict.fromkeys((name for one in found for name in one.accounts), (None, None)) | (strangers or {})
    people = {
        "account_id": pa.array(list(known), pa.string()),
        "created_s": pa.array([opened for opened, _ in known.values()], pa.int64()),
        "last_s": pa.array([0] * len(known), pa.int64()),
        "organization_id": pa.array([None] * len(known), pa.string()),
        "organization_verified": pa.array([verified for _, verified in known.values()], pa.bool_()),
    }
    pq.write_table(pa.table(people), folder / "accounts.parquet")
    return read_scan(folder)


def terms_of(desk: Desk, **more: Any) -> Terms:
    key = desk.office.keys.key("pseudonym")
    names = Names(
        b"roster key for tests, 32 bytes!!",
        pseudonym=Domain("party", key.secret, key.epoch).make,
        made_with={"spiritsafe.pseudonym.key_id": key.key_id},
    )
    return Terms(names=names, sketch=SKETCH, pseudonym_key_id=key.key_id, at_us=desk.clock(), **more)


def roster_of(desk: Desk, *scans, book: bool = True, **more: Any) -> tuple[Roster, Terms]:
    terms = terms_of(desk, **more)
    found = publish(gather(scans, desk.book if book else None, terms), home=desk.office.home, ledger=desk.ledger)
    return Roster(found.path), terms


def standing(roster: Roster, terms: Terms, name: str):
    return roster.standing(terms.names.hashed("account_id", name))


def confirm(desk: Desk, scan) -> str:
    (opened,) = open_cases(desk.book, scan, desk.hide, log=None)
    desk.move(opened.number, "in_review")
    desk.move(opened.number, "confirmed")
    desk.move(opened.number, "confirmed", signer=desk.grace)
    return str(opened.number)


def test_a_scan_says_who_is_in_which_campaign_and_by_what_it_is_known(desk):
    roster, terms = roster_of(desk, scan_of(desk, Found(NAMED)), book=False)
    found = standing(roster, terms, "acct-003")
    assert (found.campaign, found.role, found.established) == (0, Role.CORE, False)
    assert found.kinds == Kind.WORK | Kind.IDENTITY
    assert found.probability == pytest.approx(0.97)
    campaign = roster.campaign(0)
    assert (campaign.members, campaign.confirmed, campaign.own, campaign.case) == (6, False, True, None)
    assert campaign.expires_s == desk.clock() // 1_000_000 + 30 * 86_400
    assert roster.head.sketch == SKETCH


def test_marks_are_values_that_mostly_the_campaign_holds(desk):
    roster, terms = roster_of(desk, scan_of(desk, Found(NAMED)))
    assert roster.template_hits((11, 12, 13, 14)) == {0: 2}
    assert roster.template(0)[:2] == (0, 2)
    assert roster.value(terms.names.hashed("client_ip", "192.0.2.1")) == [(0, Kind.INFRASTRUCTURE)]
    assert roster.value(terms.names.hashed("client_ip", "192.0.2.9")) == []
    assert roster.value(terms.names.hashed("payment_fingerprint", "card-1")) == [(0, Kind.IDENTITY)]


def test_a_template_of_too_few_phrases_is_left_out(desk, monkeypatch):
    import tests.watch.test_rosters as here

    monkeypatch.setattr(here, "MARKS", tuple((*mark[:5], mark[5] and 3) for mark in MARKS))
    roster, _ = roster_of(desk, scan_of(desk, Found(NAMED)))
    assert (roster.templates, roster.values) == (0, 2)


def test_old_accounts_and_those_of_verified_organisations_are_established(desk):
    day_s = DAY_US // 1_000_000
    now_s = desk.clock() // 1_000_000
    strangers = {"old": (now_s - 200 * day_s, None), "young": (now_s - 100 * day_s, False), "sure": (None, True)}
    scan = scan_of(desk, Found(NAMED), strangers={**strangers, "unknown": (None, None)})
    roster, terms = roster_of(desk, scan)
    told = {name: standing(roster, terms, name).established for name in (*strangers, "unknown", "acct-000")}
    assert told == {"old": True, "young": False, "sure": True, "unknown": False, "acct-000": False}
    roster, terms = roster_of(desk, scan, established_days=50)
    assert standing(roster, terms, "young").established


def test_a_campaign_is_confirmed_when_two_persons_confirmed_its_case(desk):
    scan = scan_of(desk, Found(NAMED))
    open_cases(desk.book, scan, desk.hide, log=None)
    assert not roster_of(desk, scan)[0].campaign(0).confirmed
    case = confirm(desk, scan)
    campaign = roster_of(desk, scan)[0].campaign(0)
    assert (campaign.confirmed, campaign.case) == (True, int(case))
    assert campaign.key == desk.case(int(case)).case_id


@pytest.mark.parametrize("moves", [["dismissed"], ["dismissed", "closed"]])
def test_a_campaign_whose_case_is_over_is_left_out(desk, moves):
    scan = scan_of(desk, Found(NAMED))
    (opened,) = open_cases(desk.book, scan, desk.hide, log=None)
    desk.move(opened.number, "in_review")
    for state in moves:
        desk.move(opened.number, state)
    roster, terms = roster_of(desk, scan)
    assert (roster.campaigns, roster.templates, roster.values) == (0, 0, 0)
    assert standing(roster, terms, "acct-000").campaign == -1


def test_who_was_cleared_or_appeals_is_in_no_campaign_and_not_met_as_a_newcomer_either(desk):
    scan = scan_of(desk, Found(NAMED))
    case = confirm(desk, scan)
    act(desk.book, case, "suspend", ground=GROUND, detail="at the gateway", signer=desk.ada)
    make_appeal(desk.book, case, desk.name("acct-001"), statement="I am one person.", days=14)
    clear_account(desk.book, case, desk.name("acct-002"), signer=desk.ada, **WHY)
    roster, terms = roster_of(desk, scan)
    told = {at: (standing(roster, terms, f"acct-00{at}")) for at in range(4)}
    assert [told[at].campaign for at in range(4)] == [0, -1, -1, 0]
    assert [told[at].established for at in range(4)] == [False, True, True, False]


def test_attestations_in_force_are_in_it_and_withdrawn_ones_not(desk):
    at_us = desk.clock()
    vouched = Vouching("academic", "Prof. X", "a study", at_us, at_us + DAY_US)
    for subject in ("kept", "withdrawn"):
        given = attest(desk.book, desk.name(subject), vouched, signer=desk.ada)
        if subject == "withdrawn":
            withdraw_attestation(desk.book, given, signer=desk.ada, **WHY)
    roster, terms = roster_of(desk, scan_of(desk, Found(NAMED)))
    at_s = at_us // 1_000_000
    kept, withdrawn = (terms.names.hashed("account_id", subject) for subject in ("kept", "withdrawn"))
    assert (roster.attested(kept, at_s), roster.attested(withdrawn, at_s)) == ("academic", None)
    assert roster.attested(kept, at_s + 86_400) is None


def test_a_later_scan_of_the_same_case_goes_on_under_the_same_key(desk):
    first = scan_of(desk, Found(NAMED, {("payment_fingerprint", "card-1"): 9.0}))
    case = confirm(desk, first)
    second = scan_of(desk, Found([*NAMED[1:], "acct-new"], {("payment_fingerprint", "card-1"): 9.0}))
    open_cases(desk.book, second, desk.hide, log=None)
    roster, terms = roster_of(desk, first, second)
    assert roster.campaigns == 1
    campaign = roster.campaign(0)
    assert (campaign.confirmed, campaign.case, campaign.campaign_id) == (
        True,
        int(case),
        second.campaigns[0].campaign_id,
    )
    assert {standing(roster, terms, name).campaign for name in (*NAMED, "acct-new")} == {0}


def test_the_list_of_a_confirmed_campaign_stays_when_a_later_scan_does_not_show_it(desk):
    first = scan_of(desk, Found(NAMED))
    others = accounts("other", 6)
    later = scan_of(desk, Found(others), strangers=dict.fromkeys(NAMED, (None, None)))
    roster, terms = roster_of(desk, first, later)
    assert standing(roster, terms, "acct-000").campaign == -1  # nobody confirmed it: the last scan holds
    case = confirm(desk, first)
    roster, terms = roster_of(desk, first, later)
    assert {standing(roster, terms, name).campaign for name in NAMED} == {0}
    assert {standing(roster, terms, name).campaign for name in others} == {1}
    desk.move(int(case), "in_review")  # a person's word, taken back
    roster, terms = roster_of(desk, first, later)
    assert standing(roster, terms, "acct-000").campaign == -1


def test_who_left_a_confirmed_campaign_is_let_go_when_a_later_scan_shows_it_without_them(desk):
    card = {("payment_fingerprint", "card-1"): 9.0}
    first = scan_of(desk, Found(NAMED, card))
    confirm(desk, first)
    later = scan_of(desk, Found(NAMED[1:], card), strangers={NAMED[0]: (None, None)})
    open_cases(desk.book, later, desk.hide, log=None)
    roster, terms = roster_of(desk, first, later)
    assert [standing(roster, terms, name).campaign for name in NAMED] == [-1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("run", "what"), [
    ({"key_id": "other"}, "sketch"), ({"pseudonymised": True, "pseudonym_key_id": "other"}, "pseudonym"),
])  # fmt: skip
def test_a_scan_of_other_keys_is_refused(desk, run, what):
    with pytest.raises(ScanKeysError, match=what):
        roster_of(desk, scan_of(desk, Found(NAMED), **run))


def test_of_a_pseudonymised_scan_only_what_a_gateway_can_make_is_a_mark(desk):
    names = [desk.name(name) for name in NAMED]
    key_id = desk.office.keys.key("pseudonym").key_id
    roster, terms = roster_of(desk, scan_of(desk, Found(names), pseudonymised=True, pseudonym_key_id=key_id))
    assert standing(roster, terms, "acct-003").campaign == 0
    assert (roster.templates, roster.values) == (1, 1)  # the template by its key


def test_a_scan_without_fingerprints_is_told(desk):
    scan = scan_of(desk, Found(NAMED))
    (scan.folder / "fingerprints.parquet").unlink()
    with pytest.raises(ScanFolderError, match="fingerprints"):
        roster_of(desk, scan)


def test_what_is_published_is_filed_by_its_digest(desk):
    roster, _ = roster_of(desk, scan_of(desk, Found(NAMED)))
    (filed,) = list(desk.ledger.entries(record="roster/1"))
    told = msgspec.json.decode(filed.body)["open"]
    path = desk.office.home / "roster" / "roster.bin"
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() == roster.sha256
    assert (told["roster"], told["campaigns"], told["confirmed"]) == (roster.head.roster_id, 1, 0)
    assert [one.name for one in path.parent.iterdir()] == ["roster.bin"]


def test_a_roster_that_cannot_be_filed_is_not_put_in_force(desk, monkeypatch):
    roster, _ = roster_of(desk, scan_of(desk, Found(NAMED)))

    def refuse(_records):
        raise SpiritsafeError("the disk is full")

    monkeypatch.setattr(desk.ledger, "append", refuse)
    with pytest.raises(SpiritsafeError):
        roster_of(desk, scan_of(desk, Found(NAMED)))
    assert Roster(desk.office.home / "roster" / "roster.bin").sha256 == roster.sha256
    assert len(list((desk.office.home / "roster").iterdir())) == 1
