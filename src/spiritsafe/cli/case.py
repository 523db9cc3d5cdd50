"""`spiritsafe case`: from a finding to what is decided and done about it.

Comes from the command line; goes on to `cases`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cases.model import CaseState
from spiritsafe.cli.case_appeal import appeal
from spiritsafe.cli.case_assess import assess
from spiritsafe.cli.case_attest import attest
from spiritsafe.cli.case_notice import notice, retractions
from spiritsafe.cli.case_rows import rows
from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option, tell_case
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json
from spiritsafe.cli.reading import reading_options

if TYPE_CHECKING:
    from spiritsafe.cases.opening import LogRows, Opened

STATES = ("in_review", "confirmed", "dismissed", "closed")


@click.group()
@home_option
@click.pass_context
def case(context: click.Context, home: Path | None) -> None:
    """Cases: review a finding, decide, act, notify, hear appeals. Every step is filed in the ledger.

    \b
    From a scan to a decision:
      spiritsafe case open findings
      spiritsafe case show 1
      spiritsafe case move 1 in_review --as ada --reason "first look"
      spiritsafe case move 1 confirmed --as ada --reason "work is dealt out, and they pay as one"
      spiritsafe case move 1 confirmed --as bob --reason "the same, and no contract names them"
    What follows:
      spiritsafe case act 1 suspend --ground "Terms 4.2" --as ada --reason "at the gateway"
      spiritsafe case notice 1 ACCOUNT --as ada
      spiritsafe case appeal make 1 ACCOUNT --statement letter.txt
    """
    context.obj = CaseSession(home)
    context.call_on_close(context.obj.close)


case.add_command(appeal)
case.add_command(assess)
case.add_command(attest)
case.add_command(notice)
case.add_command(retractions)
case.add_command(rows)


@case.command("open")
@click.argument("scan_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--campaign", "campaigns", multiple=True, metavar="ID", help="Only this campaign; may be repeated.")
@click.option("--log", "logs", multiple=True, metavar="LOGS", help="Where the scanned log is now, if it was moved.")
@click.option("--without-rows", is_flag=True, help="Preserve no rows of the log: the log expires, the case stays.")
@click.option("--rows", "most", type=click.IntRange(1), default=50_000, show_default=True, help="Rows a case, at most.")
@reading_options
@json_option
@click.pass_obj
def open_(
    session: CaseSession,
    /,
    scan_dir: Path,
    campaigns: tuple[str, ...],
    logs: tuple[str, ...],
    without_rows: bool,
    most: int,
    timezone: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Open a case for each campaign in SCAN_DIR, or join it to the case that is open already.

    Names become pseudonyms, with the way back in the vault. The rows that a finding rests on are kept, each
    account's encrypted by itself, since logs expire. Running it twice does nothing twice.

    \b
      spiritsafe case open findings
      spiritsafe case open findings --log s3://archive/2026-11/ --campaign c-5bdd463be203a833
    """
    from spiritsafe.cases.opening import LogRows, open_cases
    from spiritsafe.cases.scans import read_scan
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.events.identity import open_pseudonymiser
    from spiritsafe.settings import load_settings

    scan = read_scan(scan_dir)
    settings = load_settings({"home": session.settings.home, "timezone": timezone})
    log: LogRows | None = None
    if not without_rows:
        log = LogRows(read_options(settings, **given, keep_raw=False), logs, most)
    hide = open_pseudonymiser(settings, like=scan.naming if scan.naming.pseudonymised else None)
    with progress_bar(show=not as_json) as tell:
        opened = open_cases(session.book, scan, hide, log=log, only=campaigns, progress=tell)
    for one in opened:
        _tell_opened(one, as_json=as_json)
    if not opened:
        guide("the scan accuses nobody: there is no case to open")
    elif not as_json:
        guide(f"next: `spiritsafe case show {opened[0].number}`")


def _tell_opened(one: Opened, *, as_json: bool) -> None:
    near = [f"case {match.number} ({_why(match)})" for match in one.related]
    if as_json:
        related = [{"number": match.number, **match.told()} for match in one.related]
        say_json(
            number=one.number, case_id=one.case_id, campaign_id=one.campaign_id, outcome=one.outcome,
            accounts=one.accounts, rows=one.rows, related=related,
        )  # fmt: skip
        return
    told = {"opened": "opened", "joined": "joined to", "known": "already in"}[one.outcome]
    click.echo(
        f"{one.campaign_id}: {told} case {one.number}, {one.accounts} accounts, {one.rows:,} rows kept"
        + (f"; see also {', '.join(near)}" if near else "")
    )


def _why(match: Any) -> str:
    shared = [f"{match.shared_accounts} accounts in common"] * bool(match.shared_accounts)
    return ", ".join([*shared, *(f"the same rare {kind}" for kind in match.bits)])


@case.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in CaseState]),
    help="Only these; may be repeated.",
)
@click.option("--account", metavar="PSEUDONYM", help="Only cases that this account belongs to.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@json_option
@click.pass_obj
def list_(session: CaseSession, states: tuple[str, ...], account: str | None, limit: int, as_json: bool) -> None:
    """List cases, the last changed first.

    \b
      spiritsafe case list --state suspected --state in_review
    """
    from spiritsafe.cases.lookups import count_by_state, list_cases

    with session.book.reading() as tables:
        found = list_cases(tables, states=[CaseState(state) for state in states], account_id=account, limit=limit)
        counts = count_by_state(tables)
    for one in found:
        tell_case(one, as_json=as_json)
    if not as_json:
        guide(", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items()) or "no cases yet")


@case.command()
@click.argument("which", metavar="CASE")
@json_option
@click.pass_obj
def show(session: CaseSession, which: str, as_json: bool) -> None:
    """Show a CASE (its number or id): what was found, why, what else it could be, and what was decided.

    \b
      spiritsafe case show 1
    """
    from spiritsafe.cases.assessments import assessments_of
    from spiritsafe.cases.lookups import actions_of, appeals_in, find_case, findings_of, history_of

    with session.book.reading() as tables:
        found = find_case(tables, which)
        findings = findings_of(tables, found.number)
        history = history_of(tables, found.number)
        actions = actions_of(tables, found.number) if as_json else []
        appeals = appeals_in(tables, number=found.number)
    judged = assessments_of(session.book, found.case_id)
    if as_json:
        say_json(
            case=asdict(found),
            findings=findings,
            history=[asdict(one) for one in history],
            actions=[asdict(one) for one in actions],
            appeals=[asdict(one) for one in appeals],
            assessments=[asdict(one) for one in judged],
        )
        return
    from spiritsafe.cli.case_text import case_text

    click.echo(case_text(found, findings, history, appeals, judged), nl=False)


@case.command()
@click.argument("which", metavar="CASE")
@json_option
@click.pass_obj
def members(session: CaseSession, which: str, as_json: bool) -> None:
    """List the accounts of a CASE, by pseudonym: how sure, in which role, and whether anybody confirmed them.

    \b
      spiritsafe case members 1
    """
    from spiritsafe.cases.lookups import find_case, members_of
    from spiritsafe.cli.case_text import member_text

    with session.book.reading() as tables:
        found = members_of(tables, find_case(tables, which).number)
    for one in found:
        if as_json:
            say_json(**asdict(one))
        else:
            click.echo(member_text(one))


@case.command()
@click.argument("which", metavar="CASE")
@click.argument("state", type=click.Choice(STATES))
@reason_option
@click.option("--as-of", type=click.IntRange(0), help="What `case show` said: refuse if the case changed since.")
@json_option
@deciding
def move(session: CaseSession, act: Act, which: str, state: str, reason: str, as_of: int | None, as_json: bool) -> None:
    """Move a CASE: take it into review, confirm or dismiss it, close it.

    Where two persons must agree (setting two_persons), the first one's word waits for the second's, who runs the
    same command. Confirming covers the accounts that both could see; who joins later is confirmed again.

    \b
      spiritsafe case move 1 in_review --as ada --reason "first look"
    """
    from spiritsafe.cases.moves import move_case

    moved = move_case(
        session.book,
        which,
        CaseState(state),
        reason=reason,
        signer=act.signer(session),
        as_of=as_of,
        two_persons=session.settings.two_persons,
    )
    if as_json:
        say_json(number=moved.case.number, state=state, waiting=moved.waiting, record=moved.record_id)
    elif moved.waiting:
        click.echo(f"case {moved.case.number}: {act.name} proposes {state}; a second person runs the same command")
    else:
        click.echo(f"case {moved.case.number}: {moved.case.state} → {state}")


@case.command()
@click.argument("which", metavar="CASE")
@click.argument("into", metavar="INTO")
@reason_option
@deciding
def join(session: CaseSession, act: Act, which: str, into: str, reason: str) -> None:
    """Join a CASE to another one: you judge that it is the same campaign. Its accounts are confirmed there anew.

    A scan joins by itself where two kinds of evidence agree; `case open` names other cases as "see also".

    \b
      spiritsafe case join 5 4 --as ada --reason "one template, and the same customer's data"
    """
    from spiritsafe.cases.moves import join_case

    found, other = join_case(session.book, which, into, reason=reason, signer=act.signer(session))
    click.echo(f"case {found.number}: joined to case {other.number}")


@case.command()
@click.argument("which", metavar="CASE")
@click.argument("account", metavar="PSEUDONYM")
@reason_option
@click.option("--restore", is_flag=True, help="Take it back.")
@deciding
def clear(session: CaseSession, act: Act, which: str, account: str, reason: str, restore: bool) -> None:
    """Clear an account of a CASE: it is none of the campaign's. A later scan does not bring it in again.

    \b
      spiritsafe case clear 1 p1_0af3be35a65b32f6ae25ade14522b88f --as ada --reason "a school's proxy"
    """
    from spiritsafe.cases.moves import clear_account

    found = clear_account(session.book, which, account, reason=reason, signer=act.signer(session), restore=restore)
    click.echo(f"case {found.number}: {account} {'restored' if restore else 'cleared'}")


@case.command("act")
@click.argument("which", metavar="CASE")
@click.argument("kind")
@click.option("--ground", required=True, help="The rule of your terms that was broken; it stands in the notice.")
@reason_option
@click.option("--account", "accounts", multiple=True, metavar="PSEUDONYM", help="Only this one; may be repeated.")
@json_option
@deciding
def act_(
    session: CaseSession,
    act: Act,
    which: str,
    kind: str,
    ground: str,
    reason: str,
    accounts: tuple[str, ...],
    as_json: bool,
) -> None:
    """File that KIND (suspend, throttle, challenge, ...) was done to a CASE's accounts.

    It is done at your gateway, and filed here. Spared are accounts that nobody confirmed, that were cleared, for
    whom somebody vouches (`case attest`), or whose appeal is open.

    \b
      spiritsafe case act 1 suspend --ground "Terms 4.2: accounts under false names" --as ada --reason "ticket 881"
    """
    from spiritsafe.cases.actions import act as file_action

    signer = act.signer(session)
    acted = file_action(session.book, which, kind, ground=ground, detail=reason, signer=signer, only=accounts or None)
    if as_json:
        say_json(action=acted.action_id, accounts=acted.reach.accounts, spared=acted.reach.spared)
        return
    click.echo(f"case {acted.case.number}: {kind}, {len(acted.reach.accounts)} accounts")
    for account, why in acted.reach.spared.items():
        click.echo(f"  spared {account}: {why}")


@case.command()
@click.argument("which", metavar="CASE")
@reason_option
@click.option("--account", "accounts", multiple=True, metavar="PSEUDONYM", help="Only of this one; may be repeated.")
@click.option("--order", is_flag=True, help="Order it; without this, report that it was done.")
@deciding
def undone(session: CaseSession, act: Act, which: str, reason: str, accounts: tuple[str, ...], order: bool) -> None:
    """Report that what had to be undone in a CASE was undone; or, with --order, order that all of it is.

    \b
      spiritsafe case undone 1 --as ada --reason "reinstated at the gateway, ticket 902"
    """
    from spiritsafe.cases.actions import order_undo, report_undone

    signer, only = act.signer(session), accounts or None
    if order:
        count = order_undo(session.book, which, reason=reason, signer=signer, only=only)
        click.echo(f"to be undone for {count} accounts; report it with `spiritsafe case undone {which}`")
    else:
        count = report_undone(session.book, which, detail=reason, signer=signer, only=only)
        click.echo(f"undone for {count} accounts")


@case.command()
@click.argument("which", metavar="CASE")
@click.argument("accounts", metavar="PSEUDONYM...", nargs=-1, required=True)
@reason_option
@deciding
def passed(session: CaseSession, act: Act, which: str, accounts: tuple[str, ...], reason: str) -> None:
    """Report that holders of a CASE's accounts passed the challenge that was put to them.

    The challenge is over for them. A playbook that put it halts when more pass than was predicted.

    \b
      spiritsafe case passed 1 p1_c0ffee --as ada --reason "showed a company's invoice"
    """
    from spiritsafe.cases.actions import report_passed

    count = report_passed(session.book, which, accounts, detail=reason, signer=act.signer(session))
    click.echo(f"passed: {count} accounts")


@case.command()
@json_option
@click.pass_obj
def rebuild(session: CaseSession, as_json: bool) -> None:
    """Tell every case again from the ledger, and list records that break a rule and so changed nothing.

    The database of the cases holds nothing that the ledger does not tell: run this after you lost or moved it.

    \b
      spiritsafe case rebuild
    """
    from spiritsafe.cli.progress import progress_bar

    with progress_bar(show=not as_json) as tell:
        session.book.rebuild(lambda done, total: tell("entries", done, total))
    found = session.book.irregular()
    for position, record, case_id, why in found:
        if as_json:
            say_json(position=position, record=record, case_id=case_id, why=why)
        else:
            click.echo(f"{position:>8}  {record:16}  {case_id}  {why}")
    guide(f"told again from {session.ledger.size} entries; {len(found)} of them break a rule")
