"""`spiritsafe case notice` and `retractions`: what is owed to a holder, and to whoever was told of a case.

Comes from `cli.case`; goes on to `cases.notices`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding
from spiritsafe.cli.identity_session import json_option, moment, say_json


@click.command()
@click.argument("which", metavar="CASE")
@click.argument("account", metavar="PSEUDONYM")
@click.option(
    "--form", type=click.Choice(("holder", "reviewer", "regulator")), default="holder", show_default=True,
    help="For whom: each reads what concerns them.",
)  # fmt: skip
@click.option("--draft", is_flag=True, help="Print it and file nothing.")
@deciding
def notice(session: CaseSession, act: Act, which: str, account: str, form: Any, draft: bool) -> None:
    """Write the statement of reasons that an account's holder is owed, and file that it was given.

    You send it; --draft only prints. What may not be said (other people's data, prices, reasoning from
    nationality, a likelihood mixed with a confidence) is refused.

    \b
      spiritsafe case notice 1 p1_0af3be35a65b32f6ae25ade14522b88f --as ada
    """
    from spiritsafe.cases.notices import give_notice, render, statement_of

    settings = session.settings
    redress: dict[str, Any] = {"appeal_to": settings.appeal_to, "appeal_days": settings.appeal_days}
    if draft:
        with session.book.reading() as tables:
            click.echo(render(statement_of(tables, which, account, **redress), form), nl=False)
        return
    click.echo(give_notice(session.book, which, account, form, signer=act.signer(session), **redress), nl=False)


@click.command()
@click.option("--after", type=int, default=-1, metavar="POSITION", help="Only those filed behind this entry.")
@json_option
@click.pass_obj
def retractions(session: CaseSession, after: int, as_json: bool) -> None:
    """List what was found and does not hold, for whoever told others of it.

    \b
      spiritsafe case retractions --json
    """
    from spiritsafe.cases.lookups import retractions_in

    with session.book.reading() as tables:
        found = retractions_in(tables, after=after)
    for one in found:
        if as_json:
            say_json(**asdict(one))
        else:
            whom = "the whole case" if one.scope == "case" else ", ".join(one.account_ids)
            click.echo(f"{one.position:>8}  {moment(one.time_us)}  {whom}: {one.reason}")
