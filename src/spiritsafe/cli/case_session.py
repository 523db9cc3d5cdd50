"""What the `case` commands share: the home's cases, and how they are printed.

Comes from `cli.case`; goes on to `cases`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.evidence_session import EvidenceSession
from spiritsafe.cli.identity_session import moment, say_json
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.model import Appeal, CaseSummary
    from spiritsafe.keys.persons import Signer


_JUDGED = frozenset({"confirmed", "acted_on", "appealed", "upheld"})


class TimeTextError(UsageError):
    """A day or time on the command line cannot be read."""

    code = "cli.case.time"


class CaseSession(EvidenceSession):
    """One command's view of the home and its cases."""

    @functools.cached_property
    def book(self) -> CaseBook:
        from spiritsafe.cases.book import CaseBook
        from spiritsafe.cases.persons import VaultPersons
        from spiritsafe.cases.store import open_store

        store = open_store(self.settings.open_home(), self.settings.cases_url)
        return CaseBook(self.ledger, store, VaultPersons(self.vault))

    def close(self) -> None:
        """Give everything back."""
        if "book" in self.__dict__:
            self.book.close()
        super().close()


class Act:
    """Who acts: a person's name, and where their key and passphrase are."""

    def __init__(self, name: str, person_file: Path | None, passphrase_file: Path | None) -> None:
        self.name = name
        self._files = (person_file, passphrase_file)

    def signer(self, session: CaseSession) -> Signer:
        """The person's key, opened."""
        return session.signer(self.name, *self._files)


def deciding(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that a person signs: it is given `session` and `act` before its own parameters."""
    from spiritsafe.cli.identity_session import acting

    @functools.wraps(command)
    @click.pass_obj
    def run(
        session: CaseSession,
        /,
        *given: Any,
        name: str,
        person_file: Path | None,
        passphrase_file: Path | None,
        **more: Any,
    ) -> Any:
        return command(session, Act(name, person_file, passphrase_file), *given, **more)

    return acting(run)


reason_option = click.option("--reason", required=True, help="Why, in words that whom it concerns may read.")


def utc_us(text: str) -> int:
    """A day or time in UTC, as microseconds; raises `TimeTextError`."""
    import datetime

    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise TimeTextError(f"{text[:40]!r} is no day or time", hint="e.g. 2027-01-31 or 2027-01-31T12:00Z") from error
    at = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
    return int(at.timestamp() * 1_000_000)


def tell_case(case: CaseSummary, *, as_json: bool) -> None:
    """A case in a line."""
    if as_json:
        say_json(**dataclasses.asdict(case))
        return
    marks = [
        f"{case.unconfirmed} not confirmed"
        if case.unconfirmed and case.state not in {"suspected", "in_review"} and not case.joined_to
        else "",
        f"goes on in case {case.joined_to}" if case.joined_to else "",
        f"{case.open_appeals} appeals open" if case.open_appeals else "",
        f"{case.owed} to be undone" if case.owed else "",
    ]
    told = "; ".join(mark for mark in marks if mark)
    click.echo(
        f"{case.number:>5}  {case.state:<10}  {moment(case.changed_us)[:10]}  {case.headline}"
        + (click.style(f"  [{told}]", fg="yellow") if told else "")
    )


def tell_appeal(appeal: Appeal, *, as_json: bool, now_us: int) -> None:
    """An appeal in a line."""
    if as_json:
        say_json(**dataclasses.asdict(appeal))
        return
    late = appeal.is_open and appeal.due_us <= now_us
    due = click.style(f"due {moment(appeal.due_us)[:10]}", fg="red" if late else None)
    who = f", {appeal.reviewer}" if appeal.reviewer else ""
    relief = ", interim relief" if appeal.relief else ""
    click.echo(f"{appeal.appeal_id}  {appeal.state.replace('_', ' ')}{who}{relief}  {due}  {appeal.account_id}")
