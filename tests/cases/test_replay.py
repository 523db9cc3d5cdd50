"""The ledger is the truth: whatever the tables say can be told from it again, and only that."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.cases.actions import act, order_undo, report_undone
from spiritsafe.cases.appeals import decide_appeal, make_appeal, run_clock, take_appeal
from spiritsafe.cases.lookups import appeals_in, history_of, list_cases, members_of
from spiritsafe.cases.model import CaseState
from spiritsafe.cases.moves import clear_account, join_case
from spiritsafe.cases.replay import LedgerBehindError
from spiritsafe.cases.store import open_store
from spiritsafe.cases.tables import METADATA
from spiritsafe.errors import SpiritsafeError
from spiritsafe.evidence.erasure import erase_subject
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.evidence.records import Personal, Record
from tests.cases.desk import DAY_US, GROUND, WHY, Desk, Found, accounts


def tables_of(desk):
    with desk.book.reading() as tables:
        return {
            table.name: sorted(map(repr, tables.execute(sa.select(table)).all())) for table in METADATA.sorted_tables
        }


def a_long_story(desk):
    desk.acted(Found(accounts("acct", 6), {("payment_fingerprint", "card"): 9.0}))
    desk.open(Found(accounts("acct", 8)), Found(accounts("other", 3)))
    clear_account(desk.book, "2", desk.name("other-001"), signer=desk.alan, **WHY)
    appeal = make_appeal(desk.book, "1", desk.name("acct-001"), statement="a school", days=14)
    desk.clock.us += 15 * DAY_US
    run_clock(desk.book)
    take_appeal(desk.book, appeal.appeal_id, signer=desk.alan)
    decide_appeal(desk.book, appeal.appeal_id, granted=True, reason="yes", signer=desk.alan)
    report_undone(desk.book, "1", detail="done", signer=desk.ada)


def test_told_from_the_beginning_it_is_the_same(desk):
    a_long_story(desk)
    before = tables_of(desk)
    assert len(before["events"]) > 20
    desk.book.rebuild()
    assert tables_of(desk) == before
    assert desk.book.irregular() == []


def test_another_database_tells_the_same(desk, tmp_path, cluster):
    a_long_story(desk)
    before = tables_of(desk)
    desk.store.close()
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    desk.store = open_store(other, "" if desk.url else cluster.new_database())
    desk.book = desk.new_book()
    assert tables_of(desk) == before


def test_what_was_filed_and_not_told_before_a_crash_is_told_by_the_next(desk, monkeypatch):
    desk.open(Found(accounts("acct", 6)))
    before = desk.book.catch_up
    calls = []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:  # the first tells what was there, the second what was just filed
            raise RuntimeError("killed")
        return before(*given)

    monkeypatch.setattr(desk.book, "catch_up", dies)
    with pytest.raises(RuntimeError, match="killed"):
        desk.move(1, "in_review")
    desk.book = desk.new_book()
    assert desk.case().state is CaseState.IN_REVIEW


def test_records_that_break_a_rule_change_nothing_and_are_listed(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    account = desk.name("acct-000")
    forged = [
        ("case_move/1", desk.ada, {"before": "suspected", "after": "confirmed", "as_of": 9, "reason": "x"}),
        ("case_move/1", desk.ada, {"before": "in_review", "after": "confirmed", "as_of": 9, "reason": "x"}),
        ("case_move/1", desk.eve, {"before": "suspected", "after": "in_review", "as_of": 9, "reason": "x"}),
        ("case_move/1", None, {"before": "suspected", "after": "in_review", "as_of": 9, "reason": "x"}),
        ("case_move/1", None, {"before": "", "after": "suspected", "as_of": 9, "reason": "again"}),
        ("case_move/1", desk.ada, {"before": "suspected", "after": "nowhere", "as_of": 9, "reason": "x"}),
        ("appeal/1", desk.ada, {"appeal": "a", "state": "granted", "reason": "x", "account": Personal("a", account)}),
        ("case_member/1", desk.ada, {"state": "cleared", "reason": "x", "account": Personal("a", "p1_nobody")}),
    ]  # fmt: skip
    for kind, signer, fields in forged:
        by = {"by": "person", "name": signer.name} if signer else {"by": "rule", "name": "verdict-is-campaign/1"}
        desk.ledger.append(
            [Record(kind, by | fields, case_id=opened.case_id, time_us=desk.clock(), signer=signer)]  # type: ignore[arg-type]
        )
    found = desk.book.irregular()
    assert [one[1] for one in found][:4] == ["case_move/1"] * 4
    assert len(found) == len(forged) - 1  # opening it once more is no harm, and is told
    assert "[cases.stranger]" in found[2][3]
    assert (desk.case().state, desk.case().cleared) == (CaseState.SUSPECTED, 0)


def test_something_done_to_a_case_that_nobody_confirmed_is_told_so_that_it_can_be_undone(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    fields: dict[str, Any] = {
        "by": "program", "name": "rogue", "action": "a1", "kind": "suspend", "outcome": "done", "automated": True,
        "ground": "", "detail": "", "accounts": (Personal("a", desk.name("acct-000")),),
    }  # fmt: skip
    desk.ledger.append([Record("action/1", fields, case_id=opened.case_id, time_us=desk.clock())])
    ((_, _, _, why),) = desk.book.irregular()
    assert "a case that is suspected" in why
    assert order_undo(desk.book, "1", reason="rogue program", signer=desk.ada) == 1


def test_records_of_other_rooms_are_lines_of_the_history_and_of_no_case_are_passed_over(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    by = {"by": "program", "name": "p"}
    desk.ledger.append(
        [
            Record("note/1", by | {"text": "x"}, case_id=opened.case_id),
            Record("note/1", by | {"text": "x"}, case_id="0190b0f6-0000-7000-8000-000000000009"),
            Record("note/1", by | {"text": "x"}),
        ]
    )
    with desk.book.reading() as tables:
        assert [one.what for one in history_of(tables, 1)][-1] == "note"
        assert len(list_cases(tables)) == 1


def test_a_case_that_nobody_may_open_is_none(desk):
    desk.open(Found(accounts("acct", 6)))
    other = "0190b0f6-0000-7000-8000-000000000009"
    fields = {"before": "", "after": "suspected", "as_of": 1, "reason": "x"}
    for by in ({"by": "program", "name": "rogue"}, {"by": "rule", "name": "score-above-0.9/1"}):
        desk.ledger.append([Record("case_move/1", by | fields, case_id=other, time_us=desk.clock())])  # type: ignore[arg-type]
    assert [one[2] for one in desk.book.irregular()] == [other, other]
    with desk.book.reading() as tables:
        assert [one.number for one in list_cases(tables)] == [1]


def test_of_many_erasures_at_once_none_leaves_anything(desk):
    (opened,) = desk.open(Found(accounts("acct", 6)))
    for account in accounts("acct", 5):
        who = desk.name(account)
        erase_subject(desk.ledger, opened.case_id, who, basis="asked", signer=desk.ada, at_us=desk.clock())
    with desk.book.reading() as tables:
        assert [one.account_id for one in members_of(tables, 1)] == [desk.name("acct-005")]
    before = tables_of(desk)
    desk.book.rebuild()
    assert tables_of(desk) == before


def test_a_ledger_that_was_rolled_back_or_exchanged_is_refused(desk, tmp_path):
    home = desk.office.home
    desk.open(Found(accounts("acct", 6)))
    backup = tmp_path / "backup"
    desk.ledger.close()
    shutil.copytree(home / "ledger", backup)
    desk.move(1, "in_review")
    desk.ledger.close()
    shutil.rmtree(home / "ledger")
    shutil.copytree(backup, home / "ledger")
    with pytest.raises(LedgerBehindError, match="no longer holds") as caught:
        desk.case()
    assert "case rebuild" in caught.value.hint
    desk.book.rebuild()
    assert desk.case().state is CaseState.SUSPECTED
    desk.ledger = Ledger(tmp_path / "elsewhere", desk.office.keys, origin="other.example/ledger")
    desk.book = desk.new_book()
    with pytest.raises(LedgerBehindError, match="other\\.example"):
        desk.case()


STEPS = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 2), st.integers(0, 5)), max_size=25)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_whatever_is_tried_in_whatever_order_the_tables_and_the_ledger_agree(tmp_path_factory, steps):
    desk = Desk(tmp_path_factory.mktemp("desk"), "")
    opened = desk.open(Found(accounts("acct", 4)), Found(accounts("other", 2)), rows=False)
    people = (desk.ada, desk.grace, desk.alan)
    for what, who, which in steps:
        desk.clock.us += DAY_US
        try:
            attempt(desk, what, people[who], desk.name(f"acct-00{which}"), opened[0].case_id)
        except SpiritsafeError:
            continue
    assert desk.book.irregular() == []
    with desk.book.reading() as tables:
        for case in list_cases(tables):
            members = members_of(tables, case.number)
            assert case.members == len(members)
            assert case.unconfirmed == sum(not one.confirmed and not one.cleared for one in members)
            assert case.open_appeals == (len(appeals_in(tables, open_only=True)) if case.number == 1 else 0)
            assert (case.state is CaseState.APPEALED) == (case.open_appeals > 0)
            assert case.state is CaseState.CLOSED or not case.joined_to
    before = tables_of(desk)
    desk.book.rebuild()
    assert tables_of(desk) == before
    desk.close()


def attempt(desk, what, person, account, case_id):
    states = ("in_review", "confirmed", "dismissed", "closed")
    if what < 4:
        desk.move(1, states[what], signer=person)
    elif what == 4:
        act(desk.book, "1", "suspend", ground=GROUND, detail="x", signer=person)
    elif what == 5:
        make_appeal(desk.book, "1", account, statement="x", days=3)
    elif what == 6:
        run_clock(desk.book)
    elif what == 7:
        clear_account(desk.book, "1", account, signer=person, **WHY)
    elif what == 8:
        desk.open(Found(accounts("acct", 6)), rows=False)
    elif what == 9:
        report_undone(desk.book, "1", detail="x", signer=person)
    elif what == 10:
        erase_subject(desk.ledger, case_id, account, basis="asked", signer=person, at_us=desk.clock())
    elif what == 11:
        join_case(desk.book, "2", "1", signer=person, **WHY)
    elif what == 12:
        clear_account(desk.book, "2", desk.name("other-000"), signer=person, **WHY)
    else:
        with desk.book.reading() as tables:
            first = appeals_in(tables, open_only=True)[:1]
        for appeal in first:
            granted = account.endswith(("0", "2", "4", "6", "8"))
            decide_appeal(desk.book, appeal.appeal_id, granted=granted, reason="x", signer=person, whole_case=granted)
