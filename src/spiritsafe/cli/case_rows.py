"""`spiritsafe case rows`: the rows that were kept for a case, with a reason.

Comes from `cli.case`; goes on to `cases.looking`.
"""

from __future__ import annotations

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option


@click.command()
@click.argument("which", metavar="CASE")
@click.argument("accounts", metavar="PSEUDONYM...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Rows of each account.")
@reason_option
@deciding
def rows(session: CaseSession, act: Act, which: str, accounts: tuple[str, ...], limit: int, reason: str) -> None:
    """Print rows that were kept of a CASE's accounts: what was asked and answered, one JSON object a line.

    They are customers' words: each look is filed with who looked, at whose rows, and why, before anything is shown.

    \b
      spiritsafe case rows 1 p1_0af3be35a65b32f6ae25ade14522b88f --reason "triage" --as ada
    """
    from spiritsafe.cases.looking import look_at_rows

    found = look_at_rows(session.book, which, accounts, reason=reason, signer=act.signer(session))
    for lines in found.values():
        for line in lines[:limit]:
            click.echo(line)
