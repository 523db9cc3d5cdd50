"""What the `playbook` commands that run share: the runner of this home, and how a run is printed.

Comes from `cli.playbook_run`; goes on to `playbooks` and `cases`.
"""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.case_session import CaseSession
from spiritsafe.cli.identity_session import guide, moment, say_json
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.deciding import Asked
    from spiritsafe.playbooks.journal import Journal
    from spiritsafe.playbooks.model import Playbook
    from spiritsafe.playbooks.orders import Executor
    from spiritsafe.playbooks.runner import Runner
    from spiritsafe.playbooks.runs import Run
    from spiritsafe.playbooks.shelf import Shelf


class AnswerError(UsageError):
    """What is said at a rehearsal is no answer, or a variable is not given as NAME=VALUE."""

    code = "cli.playbook.answer"


class PlaybookSession(CaseSession):
    """One command's view of the home, its cases and its runs."""

    @functools.cached_property
    def shelf(self) -> Shelf:
        from spiritsafe.playbooks.shelf import Shelf

        return Shelf(self.settings.open_home())

    @functools.cached_property
    def executors(self) -> dict[str, Executor]:
        """Whoever carries out commands here; one that cannot be used is told."""
        from spiritsafe.playbooks.orders import EXECUTORS

        return EXECUTORS.load_all(report=lambda fault: guide(f"warning [{fault.code}] {fault}"))

    def runner(self, signer: Signer | None = None) -> Runner:
        """The runner, with a person at the desk or with none."""
        from spiritsafe.cases.executors import objections_in
        from spiritsafe.playbooks.orders import Home
        from spiritsafe.playbooks.runner import Runner

        book = self.book
        home = Home(self.settings, self.ledger, book, signer, lambda case, keys: objections_in(book, case, keys))
        return Runner(self.journal, home, self.executors, self.shelf)

    def trusted(self) -> set[str]:
        """The public keys of the persons who are registered here and were not retired."""
        from spiritsafe.playbooks.signatures import public_key_of

        persons = self.vault.book.history().persons.values()
        return {public_key_of(one.public_key) for one in persons if one.retired_us is None}

    def check_person(self, signer: Signer) -> None:
        """Raise `StrangerError` unless whoever acts is registered here."""
        with self.book.doing() as doing:
            doing.check_person(signer)

    def close(self) -> None:
        """Give everything back."""
        if "journal" in self.__dict__:
            self.journal.close()
        super().close()

    @functools.cached_property
    def journal(self) -> Journal:
        """The runs in this home's ledger."""
        from spiritsafe.cases.persons import VaultPersons
        from spiritsafe.playbooks.journal import Journal

        return Journal(self.ledger, VaultPersons(self.vault))


def pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Variables as they are given; raises `AnswerError`."""
    found = dict(one.partition("=")[::2] for one in given)
    if any("=" not in one for one in given):
        raise AnswerError("a variable is given as NAME=VALUE", hint="e.g. __case__=7")
    return found


def named_playbook(session: PlaybookSession, name: str) -> Playbook:
    """A playbook by its short name or its CACAO id, or from a file (NAME.json, or a path)."""
    from pathlib import Path

    from spiritsafe.cli.evidence_session import read_file
    from spiritsafe.playbooks.reading import read_playbook

    if name.endswith(".json") or "/" in name:
        return read_playbook(read_file(Path(name)))
    return session.shelf.find(name).playbook


def cacao_now() -> str:
    """The time, as CACAO writes times."""
    return f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:23] + "Z"


def tell_run(run: Run, asked: list[Asked], played: list[Run], *, as_json: bool) -> None:
    """Where a run stands: what was done, what waits for whom, and what to say."""
    from spiritsafe.events.mapping_text import visible

    if as_json:
        say_json(**_run_as_json(run, asked), waits_for_runs=[one.run_id for one in played])
        return
    colour = {"running": "cyan", "succeeded": "green"}.get(run.status, "red")
    status = click.style(run.status.replace("_", " "), fg=colour)
    why = f": {visible(run.why)}" if run.why else ""
    click.echo(f"run {run.run_id}  {visible(run.playbook.name)}  {status}{why}")
    for trace in run.traces.values():
        detail = f"  {visible(trace.detail)}" if trace.detail else ""
        click.echo(f"  {moment(trace.changed_us or trace.begun_us)}  {trace.state:<8}  {visible(trace.title)}{detail}")
    for one in asked:
        click.echo(click.style(f"waits for you: {visible(one.work.name)}", bold=True))
        for line in _asked_lines(run, one):
            click.echo(f"  {line}")
        if run.status == "running" and (one.touches != "accounts" or one.reach.accounts):
            click.echo(
                f'  spiritsafe playbook approve {run.run_id[-8:]} "{visible(one.work.name)}" --reason ... --as NAME'
            )
    if run.strangers:
        click.echo(
            click.style(f"{len(run.strangers)} records by persons who are not registered count for nothing", fg="red")
        )


def _asked_lines(run: Run, one: Asked) -> list[str]:
    from spiritsafe.events.mapping_text import visible
    from spiritsafe.playbooks.agreements import told_reach

    command = one.order.command
    lines = [visible(str(command["description"]))] if command.get("description") else []
    if one.order.type == "manual":
        lines.append(visible(str(command.get("command", ""))))
    else:
        shown = {name: _plain(value) for name, value in command.items() if name not in {"type", "description"}}
        lines.append(
            f"{one.order.type} {visible(', '.join(f'{name}: {value}' for name, value in shown.items()))}".rstrip()
        )
        if one.touches == "accounts":
            whom = (
                told_reach(one.reach)
                if one.reach.accounts
                else "nobody now: the case is not confirmed, or all are spared"
            )
            lines.append(f"would touch {whom}")
    said = [
        visible(f"{word.name} {'agreed' if word.approved else 'refused'}") for word in run.approvals_of(one.order.asked)
    ]
    lines += [", ".join(said)] if said else []
    lines += [f"gives: {', '.join(one.order.out_args)} (--set NAME=VALUE)"] if one.order.out_args else []
    return lines


def _plain(value: object) -> object:
    """A value as it is read: {accounts: 9} is "9 accounts"."""
    return ", ".join(f"{number:,} {name}" for name, number in value.items()) if isinstance(value, dict) else value


def _run_as_json(run: Run, asked: list[Asked]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "case_id": run.case_id,
        "playbook": run.playbook.name,
        "playbook_id": run.playbook.playbook_id,
        "playbook_sha256": run.playbook.sha256,
        "interpreter": run.interpreter,
        "status": run.status,
        "why": run.why,
        "started_by": run.started_by,
        "started_at": moment(run.started_us),
        "variables": run.state.variables,
        "steps": [
            {"step": one.instance, "name": one.title, "state": one.state, "detail": one.detail, "values": one.values}
            for one in run.traces.values()
        ],
        "waits_for": [
            {
                "step": one.work.step_id, "name": one.work.name, "command": one.order.command,
                "sha256": one.order.sha256,
                "accounts": one.reach.accounts, "verified": one.reach.verified,
                "organizations": one.reach.organizations, "gives": one.order.out_args,
            }
            for one in asked
        ],
    }  # fmt: skip
