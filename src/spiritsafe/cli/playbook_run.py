"""`spiritsafe playbook run`, `approve`, `status`, ...: playbooks that are run, and what persons say meanwhile.

Comes from `cli.playbook`; goes on to `playbooks.runner` and `playbooks.deciding`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.case_session import Act, deciding, reason_option
from spiritsafe.cli.identity_session import guide, json_option, moment, say_json
from spiritsafe.cli.playbook_session import PlaybookSession, cacao_now, named_playbook, pairs, tell_run
from spiritsafe.errors import SpiritsafeError

if TYPE_CHECKING:
    from spiritsafe.playbooks.runner import Runner
    from spiritsafe.playbooks.runs import Run

_COUNT = click.IntRange(min=0)
_SET = click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeatable.")


@click.command()
@click.argument("playbook_name", metavar="PLAYBOOK")
@click.option("--case", "case", metavar="CASE", help="The case that it is about: a number or an id.")
@_SET
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Also trust this signer: PEM without its frame.")
@reason_option
@json_option
@deciding
def run(
    session: PlaybookSession, act: Act, playbook_name: str, case: str | None, given: tuple[str, ...],
    keys: tuple[str, ...], reason: str, as_json: bool,
) -> None:  # fmt: skip
    """Run PLAYBOOK: one that `playbook list` names, its CACAO id, or a file.

    The variable __case__ is the case's number. It goes on until it ends or waits: for a person (`playbook approve`),
    for its time, or for a receiver that cannot be reached (`playbook resume`). Nothing keeps running meanwhile. A file
    must be signed by a registered person.

    \b
      spiritsafe playbook run identify-campaign --case 7 --reason "today's scan" --as ada
      spiritsafe playbook run throttle --case 7 --set __ground__="Terms 4.2" --reason "confirmed" --as ada
      spiritsafe playbook run our-own.json --reason "a drill" --as ada
    """
    signer = act.signer(session)
    session.check_person(signer)
    runner = session.runner(signer)
    found, values, case_id = named_playbook(session, playbook_name), pairs(given), ""
    if case is not None:
        number, case_id = _case(session, case)
        if "__case__" in found.document.get("playbook_variables", {}):
            values.setdefault("__case__", number)
    trusted = session.trusted() | {"".join(key.split()) for key in keys}
    started = runner.start(
        found, values, signer=signer, reason=reason, trusted=trusted, case_id=case_id, now=cacao_now()
    )  # fmt: skip
    _tell(runner, started, as_json=as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("step", required=False, default="")
@click.option("--refuse", is_flag=True, help="No: the step fails. Of what you did by hand: it did not go well.")
@click.option("--most-accounts", type=_COUNT, help="Let it touch this many accounts. [default: as many as now]")
@click.option(
    "--most-verified", type=_COUNT, default=0, help="Let it touch this many of verified customers. [default: none]"
)
@click.option("--most-organizations", type=_COUNT, help="And of so many organisations. [default: as many as now]")
@click.option(
    "--expect-objections", type=click.FloatRange(0, 1), default=0.05, show_default=True,
    help="The share of touched accounts whose holder you expect to object; with more the run halts.",
)  # fmt: skip
@_SET
@reason_option
@json_option
@deciding
def approve(
    session: PlaybookSession, act: Act, run_id: str, step: str, refuse: bool, most_accounts: int | None,
    most_verified: int, most_organizations: int | None, expect_objections: float, given: tuple[str, ...],
    reason: str, as_json: bool,
) -> None:  # fmt: skip
    """Agree to what STEP of RUN asks, or say that you did what it asks you to do. The run goes on from there.

    `playbook status RUN` tells what waits, what it would touch, and which values a step gives. What touches accounts
    or other systems needs as many persons as `playbook_approvals` says, each of whom agrees to exactly that, and no
    further than they say.

    \b
      spiritsafe playbook approve 1f3a9c02 judge --set __verdict__=campaign --reason "three axes" --as ada
      spiritsafe playbook approve 1f3a9c02 "one in ten: throttle" --expect-objections 0.1 --reason "agreed" --as bob
      spiritsafe playbook approve 1f3a9c02 --refuse --reason "a reseller, see the contract" --as bob
    """
    from spiritsafe.playbooks.deciding import Said, say

    signer = act.signer(session)
    session.check_person(signer)
    runner = session.runner(signer)
    found = runner.journal.find(run_id)
    said = Said(
        not refuse, reason, accounts=most_accounts, verified=most_verified, organizations=most_organizations,
        objections_share=expect_objections, values=pairs(given),
    )  # fmt: skip
    after = say(runner, found.run_id, step, said, signer=signer, trusted=session.trusted(), now=cacao_now())
    _tell(runner, after, as_json=as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@json_option
@click.pass_obj
def status(session: PlaybookSession, run_id: str, as_json: bool) -> None:
    """Where RUN stands: what was done, what waits for whom, what it would touch, and what to say.

    \b
      spiritsafe playbook status 1f3a9c02
    """
    runner = session.runner()
    _tell(runner, runner.journal.find(run_id), as_json=as_json)


@click.command(name="list")
@click.option("--library", is_flag=True, help="The playbooks that can be run, in place of runs.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many runs, the newest.")
@json_option
@click.pass_obj
def list_(session: PlaybookSession, library: bool, limit: int, as_json: bool) -> None:
    """List runs, the last changed last; or the playbooks that there are.

    \b
      spiritsafe playbook list
      spiritsafe playbook list --library
    """
    from spiritsafe.events.mapping_text import visible

    if library:
        for one in session.shelf.all(report=lambda path, error: guide(f"warning [{error.code}] {path.name}: {error}")):
            where = "ships" if one.ships else "this home"
            what = str(one.playbook.document.get("description", "")).partition("\n")[0]
            if as_json:
                say_json(
                    name=one.name, id=one.playbook.playbook_id, version=one.playbook.version, where=where, what=what
                )
            else:
                click.echo(f"{one.name:<26}  {where:<9}  {visible(what)}")
        return
    for line in session.journal.lines(limit=limit):
        state = "running" if line.state in {"started", "resumed"} else line.state
        if as_json:
            say_json(
                run_id=line.run_id, case_id=line.case_id, playbook=line.title, state=state,
                started_at=moment(line.started_us), changed_at=moment(line.changed_us),
            )  # fmt: skip
        else:
            click.echo(
                f"{line.run_id}  {moment(line.changed_us)}  {state.replace('_', ' '):<11}  {visible(line.title)}"
            )


@click.command()
@click.argument("run_id", metavar="RUN")
@reason_option
@json_option
@deciding
def halt(session: PlaybookSession, act: Act, run_id: str, reason: str, as_json: bool) -> None:
    """Stop RUN where it is. What was done stays done: `playbook rollback` takes it back.

    \b
      spiritsafe playbook halt 1f3a9c02 --reason "a customer called" --as ada
    """
    from spiritsafe.playbooks.deciding import halt as halted

    signer = act.signer(session)
    session.check_person(signer)
    runner = session.runner(signer)
    after = halted(runner, runner.journal.find(run_id).run_id, reason=reason, signer=signer)
    _tell(runner, after, as_json=as_json)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--reason", default="", help="Of a run that was halted: why it may go on.")
@click.option("--as", "name", metavar="NAME", help="Of a run that was halted: who you are.")
@click.option("--person-file", type=click.Path(path_type=Path), help="Your key file, if not in the home.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Read your passphrase from this file.")
@json_option
@click.pass_obj
def resume(
    session: PlaybookSession, run_id: str | None, reason: str, name: str | None, person_file: Path | None,
    passphrase_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Go on with RUN, or with every run: after a crash, when a delay is over, when a receiver can be reached again.

    Run it every few minutes from a timer. A run that was halted goes on only by a person's word (--as, --reason), and
    asks for every agreement again.

    \b
      spiritsafe playbook resume
      spiritsafe playbook resume 1f3a9c02 --reason "the objections were one school's, now attested" --as ada
    """
    from spiritsafe.playbooks.deciding import resume as resumed

    if name and not (run_id and reason):
        raise click.UsageError("--as is for one run that was halted: name it, and give a --reason")
    runner = session.runner()
    lines = [runner.journal.find(run_id).run_id] if run_id else runner.journal.unfinished()
    if name:
        signer = Act(name, person_file, passphrase_file).signer(session)
        session.check_person(signer)
        resumed(session.runner(signer), lines[0], reason=reason, signer=signer)
    trusted = session.trusted()
    faults = []
    for one in lines:
        try:
            _tell(runner, runner.advance(one, trusted=trusted, now=cacao_now()), as_json=as_json)
        except SpiritsafeError as error:  # the others go on
            guide(f"run {one}: [{error.code}] {error}")
            faults.append(error)
    if faults:
        raise faults[0]


@click.command()
@click.argument("run_id", metavar="RUN")
@reason_option
@json_option
@deciding
def rollback(session: PlaybookSession, act: Act, run_id: str, reason: str, as_json: bool) -> None:
    """End RUN and take back all that it did, the last first.

    What was done to accounts is ordered to be undone, in the ledger and at whoever carried it out; what cannot be taken
    back from here is said. Report what was undone with `spiritsafe case undone`.

    \b
      spiritsafe playbook rollback 1f3a9c02 --reason "it was one company" --as ada
    """
    from spiritsafe.events.mapping_text import visible
    from spiritsafe.playbooks.deciding import roll_back

    signer = act.signer(session)
    session.check_person(signer)
    runner = session.runner(signer)
    found = runner.journal.find(run_id)
    told = roll_back(runner, found.run_id, reason=reason, signer=signer)
    if as_json:
        say_json(run_id=found.run_id, status="rolled_back", steps=told)
        return
    for line in told or ["nothing had been done"]:
        click.echo(visible(line))


def _case(session: PlaybookSession, case: str) -> tuple[str, str]:
    """A case's number and id."""
    from spiritsafe.cases.lookups import find_current

    with session.book.reading() as tables:
        found = find_current(tables, case)
    return str(found.number), found.case_id


def _tell(runner: Runner, found: Run, *, as_json: bool) -> None:
    """Where a run stands, and then those that it waits for."""
    from spiritsafe.playbooks.deciding import asked_now, played_now

    played = played_now(runner, found)
    tell_run(found, asked_now(runner, found), played, as_json=as_json)
    for one in played:
        _tell(runner, one, as_json=as_json)
