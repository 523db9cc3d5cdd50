"""What each kind of record changes: the cases as the ledger tells them, one record after the other.

A judgement that breaks a rule (`cases.life`, a stranger's signature, a second person who is the first) changes
nothing and is noted as irregular. Here are moves and what they rest on; what was found and done is in
`cases.telling_facts`.
Comes from `cases.replay`; goes on to `cases.tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from spiritsafe.cases import life
from spiritsafe.cases.lookups import check_undecided
from spiritsafe.cases.model import CaseState, CaseUnknownError, MoveError, SecondPersonError, StrangerError
from spiritsafe.cases.tables import (
    ACTIONS,
    APPEALS,
    CASES,
    EVENTS,
    IRREGULAR,
    MEMBERS,
    PROPOSALS,
)
from spiritsafe.errors import SpiritsafeError

if TYPE_CHECKING:
    from spiritsafe.evidence.reading import FiledRecord
    from spiritsafe.keys.persons import Persons

_LIVE = "done"


class RecordIrregularError(SpiritsafeError):
    """A record contradicts what was filed before; it stands in the log and changes nothing."""

    code = "cases.irregular"


@dataclass(frozen=True, slots=True)
class Telling:
    """One record, where its case stands, and the tables to change."""

    connection: sa.Connection
    record: FiledRecord
    number: int
    persons: Persons

    def field(self, name: str, otherwise: Any = "") -> Any:
        """A field's value; of one that is absent or was erased, `otherwise`."""
        found = self.record.fields.get(name)
        return otherwise if found is None else found

    @property
    def state(self) -> CaseState:
        """Where the case stands."""
        found = self.connection.execute(sa.select(CASES.c.state).where(CASES.c.number == self.number)).scalar_one()
        return CaseState(found)

    def check_person(self) -> None:
        """Raise `StrangerError` unless whoever signed is registered under that key."""
        if self.field("by") == "person":
            check_signer(self.persons, self.record.signer, self.record.time_us)

    def note(self, what: str, *, took_part: bool = False) -> None:
        """A line of the case's history. Whoever `took_part` reviews no appeal of the case."""
        signer = self.record.signer
        row = {
            "position": self.record.position,
            "number": self.number,
            "time_us": self.record.time_us,
            "what": what,
            "who": self.field("name"),
            "by": self.field("by"),
            "reason": str(self.field("reason") or self.field("detail")),
            "public_key": signer[1].hex() if signer else "",
            "took_part": took_part,
        }
        self.connection.execute(sa.insert(EVENTS).values(**row))


def note_irregular(connection: sa.Connection, record: FiledRecord, why: str) -> None:
    """Note that a record breaks a rule."""
    row = {"position": record.position, "record": record.record, "case_id": record.case_id or "", "why": why}
    connection.execute(sa.insert(IRREGULAR).values(**row))


def check_signer(persons: Persons, signer: tuple[str, bytes] | None, at_us: int) -> None:
    """Raise `StrangerError` unless whoever signs is registered under that key."""
    if signer is None or persons.key_of(signer[0], at_us) != signer[1]:
        raise StrangerError(
            f"{signer[0] if signer else 'nobody'} is not registered in this home under that key",
            hint="`spiritsafe identity person list` shows who is; `identity person add` registers",
        )


def tell_move(told: Telling) -> None:
    """`case_move/1`: also how a case begins (its row is there already, as suspected)."""
    before, after = told.field("before"), CaseState(told.field("after"))
    life.check_move(CaseState(before) if before else None, after, by=told.field("by"), name=told.field("name"))
    told.check_person()
    if before and told.state != before:
        raise MoveError(f"the case is {told.state} and not {before}", hint="the record contradicts the log before it")
    as_of = min(told.field("as_of"), _agreed(told, after)) if told.field("proposal") else told.field("as_of")
    if told.field("by") == "rule" and before:
        _check_rule(told, after)
    if after is CaseState.CONFIRMED:
        told.connection.execute(
            sa.update(MEMBERS)
            .where(MEMBERS.c.number == told.number, MEMBERS.c.joined_at < as_of, ~MEMBERS.c.cleared)
            .values(confirmed=True)
        )
    if before:
        told.connection.execute(sa.update(CASES).where(CASES.c.number == told.number).values(state=after.value))
    told.connection.execute(sa.delete(PROPOSALS).where(PROPOSALS.c.number == told.number))
    told.note(f"{before} → {after}" if before else "opened", took_part=after is CaseState.CONFIRMED)


def tell_proposal(told: Telling) -> None:
    """`case_proposal/1`."""
    after = CaseState(told.field("after"))
    told.check_person()
    life.check_move(told.state, after, by="person", name=told.field("name"))
    signer = told.record.signer
    told.connection.execute(
        sa.insert(PROPOSALS).values(
            record_id=told.record.record_id,
            number=told.number,
            after=after.value,
            as_of=told.field("as_of"),
            who=told.field("name"),
            public_key=signer[1].hex() if signer else "",
            time_us=told.record.time_us,
        )
    )
    told.note(f"{after} proposed", took_part=after is CaseState.CONFIRMED)


def tell_join(told: Telling) -> None:
    """`case_join/1`: the case is over, and says where it goes on."""
    told.check_person()
    check_undecided(told.connection, told.number, told.state)
    into = told.connection.execute(sa.select(CASES.c.number).where(CASES.c.case_id == told.field("into"))).scalar()
    if into is None or into == told.number:
        raise CaseUnknownError("it is joined to no other case", hint="see the cases")
    told.connection.execute(
        sa.update(CASES).where(CASES.c.number == told.number).values(state=CaseState.CLOSED.value, joined_to=int(into))
    )
    told.connection.execute(sa.delete(PROPOSALS).where(PROPOSALS.c.number == told.number))
    told.note(f"joined to case {into}")


def tell_member(told: Telling) -> None:
    """`case_member/1`: an account is cleared, or that is taken back."""
    told.check_person()
    account = told.field("account")
    cleared = told.field("state") == "cleared"
    values = {"cleared": True, "confirmed": False} if cleared else {"cleared": False}
    changed = told.connection.execute(
        sa.update(MEMBERS).where(MEMBERS.c.number == told.number, MEMBERS.c.account_id == account).values(**values)
    )
    if account and not changed.rowcount:
        raise CaseUnknownError("the account is none of the case's", hint="see its members")
    told.note(f"account {account or '(erased)'} {told.field('state')}")


def tell_approval(told: Telling) -> None:
    """`approval/1`: whoever agrees to what is done to accounts has a part in it."""
    told.check_person()
    agreed = told.field("decision") == "approved"
    told.note(f"playbook: {'agreed' if agreed else 'refused'}", took_part=agreed)


def tell_step(told: Telling) -> None:
    """`playbook_step/1`: what was done and what failed; that it began and waits, the run tells."""
    if told.field("state") in {"done", "failed"}:
        told.note(f"playbook: {told.field('title')} {told.field('state')}")


def tell_run(told: Telling) -> None:
    """`playbook_run/1`."""
    told.check_person()
    told.note(f"playbook {told.field('title')}: {str(told.field('state')).replace('_', ' ')}")


def tell_other(told: Telling) -> None:
    """Anything else that was filed under the case."""
    told.check_person()
    name = told.record.record.partition("/")[0].replace("_", " ")
    detail = next(
        (str(told.field(field)) for field in ("form", "state", "decision", "claim", "title") if told.field(field)), ""
    )
    rows = told.field("row_count", 0)
    told.note(f"{name}: {detail or f'{rows:,} rows'}" if detail or rows else name)


def check_independent(connection: sa.Connection, number: int, signer: tuple[str, bytes] | None) -> None:
    """Raise `SecondPersonError` where whoever reviews had a part in confirming the case or acting on it."""
    had_part = connection.execute(
        sa.select(EVENTS.c.who, EVENTS.c.public_key).where(
            EVENTS.c.number == number, EVENTS.c.by == "person", EVENTS.c.took_part
        )
    )
    if signer is None or any(signer[0] == who or signer[1].hex() == key for who, key in had_part):
        raise SecondPersonError(
            f"{signer[0] if signer else 'nobody'} confirmed this case or acted on it",
            hint="an appeal is decided by somebody who had no part in what is appealed",
        )


def _agreed(told: Telling, after: CaseState) -> int:
    """What the first person had seen, once the second is seen to be another."""
    first = told.connection.execute(
        sa.select(PROPOSALS).where(
            PROPOSALS.c.record_id == told.field("proposal"),
            PROPOSALS.c.number == told.number,
            PROPOSALS.c.after == after.value,
        )
    ).first()
    signer = told.record.signer
    if first is None or signer is None:
        raise RecordIrregularError("the move rests on a proposal that is not open", hint="propose it again")
    check_second(signer, first.who, first.public_key)
    return int(first.as_of)


def check_second(signer: tuple[str, bytes], first_name: str, first_key: str) -> None:
    """Raise `SecondPersonError` where the second person is the first, by name or by key."""
    if signer[0] == first_name or signer[1].hex() == first_key:
        raise SecondPersonError(f"{signer[0]} asked for it", hint="another person must agree")


def _check_rule(told: Telling, after: CaseState) -> None:
    """Hold a rule's move to what it follows from."""
    count = told.connection.execute(sa.select(sa.func.count()).select_from(APPEALS).where(
        APPEALS.c.number == told.number, APPEALS.c.state.in_(("made", "in_review"))
    )).scalar_one()  # fmt: skip
    done = told.connection.execute(sa.select(sa.func.count()).select_from(ACTIONS).where(
        ACTIONS.c.number == told.number, ACTIONS.c.outcome == _LIVE
    )).scalar_one()  # fmt: skip
    holds = {
        CaseState.APPEALED: count > 0,
        CaseState.UPHELD: count == 0,
        CaseState.OVERTURNED: count == 0,
        CaseState.ACTED_ON: done > 0,
        CaseState.SUSPECTED: True,
    }
    if not holds[after]:
        raise RecordIrregularError(f"nothing was filed from which {after} follows", hint="see the case's history")
