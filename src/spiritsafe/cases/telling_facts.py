"""What was found, done and appealed, told: findings, actions, appeals and retractions.

What was done in the world is told even where it breaks a rule: it must be possible to undo it.
Comes from `cases.replay`; goes on to `cases.tables`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from spiritsafe.cases import life
from spiritsafe.cases.lookups import is_scans
from spiritsafe.cases.model import CaseUnknownError
from spiritsafe.cases.tables import (
    ACTIONS,
    APPEALS,
    CASES,
    EVIDENCE_KINDS,
    FINDINGS,
    MEMBERS,
    RETRACTIONS,
    TRAITS,
)
from spiritsafe.cases.telling import (
    RecordIrregularError,
    Telling,
    check_independent,
    note_irregular,
    tell_approval,
    tell_join,
    tell_member,
    tell_move,
    tell_proposal,
    tell_run,
    tell_step,
)
from spiritsafe.evidence.reading import utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNDOABLE = ("done", "undo_ordered")


def tell_finding(told: Telling) -> None:
    """`finding/1`: its accounts join the case; those that were cleared stay cleared."""
    members = {one["account"]: one for one in told.field("members", [])}
    there = set(
        told.connection.execute(sa.select(MEMBERS.c.account_id).where(MEMBERS.c.number == told.number)).scalars()
    )
    rows = [
        {
            "account_id": account,
            "probability": float(one["probability"]),
            "role": one["role"],
            "first_seen": one["first_seen"],
            "exchanges": int(one["exchanges"]),
            "organization_id": one.get("organization_id", ""),
            "found_at": told.record.position,
            **{f"bits_{kind}": float(one["bits"][kind]) for kind in EVIDENCE_KINDS},
        }
        for account, one in sorted(members.items())
    ]
    new = {"number": told.number, "joined_at": told.record.position, "confirmed": False, "cleared": False}
    _many(told, sa.insert(MEMBERS), [row | new for row in rows if row["account_id"] not in there])
    known = sa.update(MEMBERS).where(MEMBERS.c.number == told.number, MEMBERS.c.account_id == sa.bindparam("of"))
    renamed = [{("of" if key == "account_id" else key): value for key, value in row.items()} for row in rows]
    _many(told, known, [row for row in renamed if row["of"] in there])
    _tell_traits(told, [trait for one in members.values() for trait in one.get("traits", [])])
    kept = ("headline", "verdict", "axes", "evidence", "significance", "exposure", "alternatives", "missing")
    body = {name: told.field(name, None) for name in (*kept, "q_value", "joined", "run_record")}
    told.connection.execute(
        sa.insert(FINDINGS).values(
            record_id=told.record.record_id,
            number=told.number,
            position=told.record.position,
            time_us=told.record.time_us,
            campaign_id=told.field("campaign_id"),
            body=json.dumps(body),
        )
    )
    if is_scans(body):
        told.connection.execute(
            sa.update(CASES).where(CASES.c.number == told.number).values(headline=told.field("headline"))
        )
    fresh = sum(account not in there for account in members)
    joined = f", {fresh} of them new to the case" if there else ""
    told.note(f"finding {told.field('campaign_id')}: {len(members)} accounts{joined}")


def tell_action(told: Telling) -> None:
    """`action/1`: told in whatever state the case is, so that it can be undone; then said to be irregular."""
    told.check_person()
    accounts, outcome = told.field("accounts", []), told.field("outcome")
    action = told.field("action")
    if outcome in {"done", "failed"}:
        row = {
            "action_id": action,
            "number": told.number,
            "kind": told.field("kind"),
            "ground": told.field("ground"),
            "outcome": outcome,
            "automated": bool(told.field("automated")),
            "time_us": told.record.time_us,
        }
        gone = sa.delete(ACTIONS).where(ACTIONS.c.action_id == action, ACTIONS.c.account_id == sa.bindparam("of"))
        _many(told, gone, [{"of": account} for account in accounts])  # tried again
        _many(told, sa.insert(ACTIONS), [row | {"account_id": account} for account in accounts])
    else:
        undoable = sa.or_(*(ACTIONS.c.outcome == one for one in UNDOABLE))
        change = sa.update(ACTIONS).where(
            ACTIONS.c.action_id == action, ACTIONS.c.account_id == sa.bindparam("of"), undoable
        )
        _many(told, change.values(outcome=outcome), [{"of": account} for account in accounts])
    what = f"{told.field('kind')}: {len(accounts)} accounts, {outcome.replace('_', ' ')}"
    told.note(what, took_part=outcome in {"done", "failed"})
    if outcome == "done" and told.state not in life.UNDER_ACTION:
        why = f"something was done to accounts of a case that is {told.state}"
        note_irregular(told.connection, told.record, f"[{RecordIrregularError.code}] {why}")


def tell_appeal(told: Telling) -> None:
    """`appeal/1`."""
    appeal, state = told.field("appeal"), told.field("state")
    told.check_person()
    if state == "made":
        told.connection.execute(
            sa.insert(APPEALS).values(
                appeal_id=appeal,
                number=told.number,
                account_id=told.field("account"),
                state=state,
                made_us=told.record.time_us,
                due_us=utc_us(told.field("due_at")),
                reviewer="",
                decided_us=0,
                reason="",
                statement=told.field("statement"),
                relief=False,
                whole_case=False,
            )
        )
        told.note(f"appeal made by {told.field('account') or '(erased)'}")
        return
    mine = sa.update(APPEALS).where(APPEALS.c.appeal_id == appeal, APPEALS.c.number == told.number)
    found = told.connection.execute(sa.select(APPEALS).where(APPEALS.c.appeal_id == appeal)).mappings().first()
    if found is None or found["state"] not in {"made", "in_review"}:
        raise CaseUnknownError("no such appeal is open", hint="`spiritsafe case appeal list`")
    if state == "interim_relief":
        told.connection.execute(mine.values(relief=True))
        told.note("appeal's clock ran out: interim relief")
        return
    check_independent(told.connection, told.number, told.record.signer)
    if state == "in_review":
        told.connection.execute(mine.values(state=state, reviewer=told.field("name")))
    else:
        decided = {"state": state, "reviewer": told.field("name"), "decided_us": told.record.time_us}
        whole = bool(told.field("whole_case", False))
        told.connection.execute(mine.values(**decided, reason=told.field("reason"), whole_case=whole))
    told.note(f"appeal {state.replace('_', ' ')}")


def tell_retraction(told: Telling) -> None:
    """`retraction/1`: the accounts are cleared."""
    accounts = told.field("accounts", [])
    clear = sa.update(MEMBERS).where(MEMBERS.c.number == told.number, MEMBERS.c.account_id == sa.bindparam("of"))
    _many(told, clear.values(cleared=True, confirmed=False), [{"of": account} for account in accounts])
    told.connection.execute(
        sa.insert(RETRACTIONS).values(
            retraction_id=told.field("retraction"),
            number=told.number,
            position=told.record.position,
            scope=told.field("scope"),
            campaign_ids=json.dumps(told.field("campaign_ids")),
            account_ids=json.dumps(accounts),
            reason=told.field("reason"),
            time_us=told.record.time_us,
        )
    )
    told.note(f"retracted: {told.field('scope')}")


def _tell_traits(told: Telling, traits: Iterable[tuple[str, str, float]]) -> None:
    best: dict[tuple[str, str], float] = {}
    for thing, value, bits in traits:
        best[thing, value] = max(bits, best.get((thing, value), 0.0))
    there = {
        (row.thing, row.value): row.bits
        for row in told.connection.execute(sa.select(TRAITS).where(TRAITS.c.number == told.number))
    }
    better = {key: bits for key, bits in best.items() if bits > there.get(key, 0.0)}
    rows = [
        {"thing": thing, "value": value, "number": told.number, "bits": bits}
        for (thing, value), bits in sorted(better.items())
    ]
    gone = sa.delete(TRAITS).where(
        TRAITS.c.number == told.number, TRAITS.c.thing == sa.bindparam("a"), TRAITS.c.value == sa.bindparam("b")
    )
    _many(told, gone, [{"a": thing, "b": value} for thing, value in better if (thing, value) in there])
    _many(told, sa.insert(TRAITS), rows)


def _many(told: Telling, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        told.connection.execute(statement, rows)


ELSEWHERE = frozenset({"case_move/1", "case_proposal/1", "finding/1", "case_join/1", "case_member/1"})
"""Records that change nothing in a case that was joined to another. What was done to somebody counts wherever it is."""
BOOKKEEPING = frozenset({"playbook_run/1", "playbook_step/1"})
"""Records that tell how far a playbook is: nobody who looked at the case before need look again."""
TOLD: dict[str, Callable[[Telling], None]] = {
    "case_move/1": tell_move,
    "case_proposal/1": tell_proposal,
    "finding/1": tell_finding,
    "case_join/1": tell_join,
    "case_member/1": tell_member,
    "action/1": tell_action,
    "appeal/1": tell_appeal,
    "retraction/1": tell_retraction,
    "approval/1": tell_approval,
    "playbook_run/1": tell_run,
    "playbook_step/1": tell_step,
}
