"""`spiritsafe case appeal`: what holders ask for, who looks at it, and what is decided.

Comes from `cli.case`; goes on to `cases.appeals`.
"""

from __future__ import annotations

from pathlib import Path

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option, tell_appeal
from spiritsafe.cli.evidence_session import read_file
from spiritsafe.cli.identity_session import guide, json_option, say_json


@click.group()
def appeal() -> None:
    """Appeals: file, take, decide; and run the clock, which gives relief where nobody decides in time.

    \b
      spiritsafe case appeal make 1 ACCOUNT --statement letter.txt
      spiritsafe case appeal take APPEAL --as cyd
      spiritsafe case appeal decide APPEAL granted --as cyd --reason "a school; its proxy is named in the contract"
      spiritsafe case appeal clock                        from cron, once an hour
    """


@appeal.command()
@click.argument("which", metavar="CASE")
@click.argument("account", metavar="PSEUDONYM")
@click.option(
    "--statement", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=True,
    help="What the holder says (- for standard input), UTF-8.",
)  # fmt: skip
@json_option
@click.pass_obj
def make(session: CaseSession, which: str, account: str, statement: Path, as_json: bool) -> None:
    """File a holder's appeal. Its clock (setting appeal_days) runs from now.

    \b
      spiritsafe case appeal make 1 p1_0af3be35a65b32f6ae25ade14522b88f --statement letter.txt
    """
    from spiritsafe.cases.appeals import make_appeal

    text = read_file(statement).decode("utf-8", "replace")
    found = make_appeal(session.book, which, account, statement=text, days=session.settings.appeal_days)
    tell_appeal(found, as_json=as_json, now_us=session.book.now_us)


@appeal.command()
@click.argument("which", metavar="APPEAL")
@deciding
def take(session: CaseSession, act: Act, which: str) -> None:
    """Become the reviewer of an APPEAL. Whoever confirmed the case or acted on it cannot.

    \b
      spiritsafe case appeal take 01a22cfe-4a16-715f-9351-22c5b15a672f --as cyd
    """
    from spiritsafe.cases.appeals import take_appeal

    found = take_appeal(session.book, which, signer=act.signer(session))
    click.echo(f"{found.appeal_id}: {act.name} decides it")


@appeal.command()
@click.argument("which", metavar="APPEAL")
@click.argument("decision", type=click.Choice(("granted", "upheld")))
@reason_option
@click.option("--whole-case", is_flag=True, help="With granted: there is no campaign at all; undo everything.")
@json_option
@deciding
def decide(
    session: CaseSession, act: Act, which: str, decision: str, reason: str, whole_case: bool, as_json: bool
) -> None:
    """Decide an APPEAL: granted (undo what was done, clear the account, retract) or upheld (it stands).

    \b
      spiritsafe case appeal decide 01a22cfe-4a16-715f-9351-22c5b15a672f granted --as cyd --reason "a school"
    """
    from spiritsafe.cases.appeals import decide_appeal

    granted = decision == "granted"
    if whole_case and not granted:
        raise click.UsageError("--whole-case goes with granted")
    signer = act.signer(session)
    done = decide_appeal(session.book, which, granted=granted, reason=reason, signer=signer, whole_case=whole_case)
    if as_json:
        say_json(appeal=done.appeal.appeal_id, decision=decision, undo=done.undo, state=done.state)
        return
    click.echo(f"{done.appeal.appeal_id}: {decision}; the case is {done.state}")
    if done.undo:
        click.echo(f"to be undone for {done.undo} accounts; report it: `spiritsafe case undone {done.appeal.case_id}`")


@appeal.command("list")
@click.option("--all", "all_", is_flag=True, help="Decided ones, too.")
@json_option
@click.pass_obj
def list_(session: CaseSession, all_: bool, as_json: bool) -> None:
    """List appeals, the one that is due first first.

    \b
      spiritsafe case appeal list
    """
    from spiritsafe.cases.lookups import appeals_in

    with session.book.reading() as tables:
        found = appeals_in(tables, open_only=not all_)
    for one in found:
        tell_appeal(one, as_json=as_json, now_us=session.book.now_us)


@appeal.command()
@json_option
@click.pass_obj
def clock(session: CaseSession, as_json: bool) -> None:
    """Give interim relief to every appeal that was not decided in time. Run it from cron.

    \b
      spiritsafe case appeal clock
    """
    from spiritsafe.cases.appeals import run_clock

    found = run_clock(session.book)
    for one in found:
        tell_appeal(one, as_json=as_json, now_us=session.book.now_us)
    guide(f"{len(found)} appeals were not decided in time: what was done is suspended until they are")
