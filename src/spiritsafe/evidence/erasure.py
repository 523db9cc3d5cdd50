"""Forgetting somebody in one case, and legal holds, which forbid it for a time.

Comes from `cases` and the command; goes on to `evidence.personal`, which destroys the key, and to the log,
which keeps that it was done, when, on whose request and how many fields can no longer be opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.errors import UsageError, VerificationError
from spiritsafe.evidence.records import Record, new_id, utc_text

if TYPE_CHECKING:
    import sqlite3

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.writing import Filed
    from spiritsafe.keys.persons import Signer


class HeldError(VerificationError):
    """A legal hold keeps this case's data from erasure."""

    code = "evidence.held"


class HoldError(UsageError):
    """There is no such hold, it is released already, or it would end before it begins."""

    code = "evidence.hold"


class NothingHeldError(UsageError):
    """Nothing about this subject is kept in this case."""

    code = "evidence.nobody"


def place_hold(
    ledger: Ledger, case_id: str, *, owner: str, reason: str, expires_us: int, signer: Signer, at_us: int
) -> str:
    """Keep a case's personal data from erasure until `expires_us` (UTC microseconds); the hold's id."""
    if expires_us <= at_us:
        raise HoldError("a hold that has expired already holds nothing", hint="give a later day with --until")
    hold = new_id()
    with ledger.writing() as writer:
        writer.append([_hold_record(case_id, hold, "placed", expires_us, owner, reason, signer, at_us)])
        writer.connection.execute("INSERT INTO holds VALUES (?, ?, ?, 0)", (hold, case_id, expires_us))
    return hold


def release_hold(ledger: Ledger, hold: str, *, owner: str, reason: str, signer: Signer, at_us: int) -> Filed:
    """End a hold before its time; raises `HoldError`."""
    with ledger.writing() as writer:
        row = writer.connection.execute(
            "SELECT case_id, expires_us FROM holds WHERE hold = ? AND NOT released", (hold,)
        ).fetchone()
        if row is None:
            raise HoldError(f"there is no hold {hold} in force", hint="`spiritsafe evidence list --record hold/1`")
        case_id, expires_us = row
        record = _hold_record(case_id, hold, "released", expires_us, owner, reason, signer, at_us)
        filed = writer.append([record])
        writer.connection.execute("UPDATE holds SET released = 1 WHERE hold = ?", (hold,))
    return filed[0]


def holds_on(connection: sqlite3.Connection, case_id: str, at_us: int) -> list[tuple[str, int]]:
    """The holds in force on a case, with the time at which each ends."""
    rows = connection.execute(
        "SELECT hold, expires_us FROM holds WHERE case_id = ? AND NOT released AND expires_us > ? ORDER BY expires_us",
        (case_id, at_us),
    )
    return [(str(hold), int(expires_us)) for hold, expires_us in rows]


def erase_subject(ledger: Ledger, case_id: str, subject: str, *, basis: str, signer: Signer, at_us: int) -> Filed:
    """Destroy what opens everything about a subject in a case, and file that it was done.

    When it returns no copy is left in the ledger's files; backups are not reached.

    Raises
    ------
    HeldError
        A legal hold is in force; nothing was done.
    NothingHeldError
        Nothing about the subject is kept in this case, or it was erased before.
    """
    with ledger.writing() as writer:
        held = holds_on(writer.connection, case_id, at_us)
        if held:
            raise HeldError(
                f"a legal hold until {utc_text(held[-1][1])} keeps case {case_id} from erasure",
                hint=f"its owner may release it: `spiritsafe evidence hold release {held[-1][0]}`",
            )
        number = writer.subjects.find(writer.connection, case_id, subject)
        if number is None:
            raise NothingHeldError(
                f"case {case_id} keeps nothing about {subject}", hint="see the case's accounts, and earlier erasures"
            )
        handle, count = writer.subjects.erase(writer.connection, number)
        fields: dict[str, Json] = {
            "by": "person",
            "name": signer.name,
            "subject": handle,
            "field_count": count,
            "basis": basis,
        }
        filed = writer.append([Record("erasure/1", fields, case_id=case_id, time_us=at_us, signer=signer)])
    ledger.scrub()
    return filed[0]


def _hold_record(
    case_id: str, hold: str, state: str, expires_us: int, owner: str, reason: str, signer: Signer, at_us: int
) -> Record:
    fields: dict[str, Json] = {
        "by": "person",
        "name": signer.name,
        "hold": hold,
        "state": state,
        "expires_at": utc_text(expires_us),
        "owner": owner,
        "reason": reason,
    }
    return Record("hold/1", fields, case_id=case_id, time_us=at_us, signer=signer)
