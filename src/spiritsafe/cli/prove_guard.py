"""`spiritsafe prove upstream` and `send`: try a guard without a model, with traffic whose truth is known.

Comes from `cli.prove`; goes on to `proving`.
"""

from __future__ import annotations

from pathlib import Path

import click

from spiritsafe.cli.identity_session import json_option, say_json


@click.command("upstream")
@click.option("--listen", default="127.0.0.1:8000", show_default=True, metavar="HOST:PORT", help="Where it answers.")
def upstream(listen: str) -> None:
    """Stand in for a model: answer OpenAI's chat completions and Anthropic's messages, the same to everybody.

    \b
      spiritsafe prove upstream --listen 127.0.0.1:8000
    """
    from spiritsafe.guard.gateways.serving import listening
    from spiritsafe.proving.model_server import serve_model

    where = listening(listen)
    host, port, *_ = where.getsockname()
    serve_model(where, ready=lambda: click.echo(f"a stand-in for a model answers at http://{host}:{port}"))


@click.command("send")
@click.argument("log", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", required=True, metavar="URL", help="A guard on this machine, e.g. http://127.0.0.1:8080.")
@click.option("--account", "accounts", multiple=True, metavar="ID", help="Only this account's; may be repeated.")
@click.option("--limit", type=click.IntRange(1), help="So many at most.")
@json_option
@click.option("--quiet", is_flag=True, help="No progress bar.")
def send(log: Path, to: str, accounts: tuple[str, ...], limit: int | None, as_json: bool, quiet: bool) -> None:
    """Send the requests of LOG to a guard on this machine, as their accounts would, and say how they were answered.

    The guard must believe whose they are: SPIRITSAFE_GUARD_ACCOUNT_HEADER=x-account, SPIRITSAFE_GUARD_HOPS=1,
    SPIRITSAFE_GUARD_FINGERPRINT_HEADER=x-ja4.

    \b
      spiritsafe prove send world/requests.parquet --to http://127.0.0.1:8080
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.proving.sending import send_log

    with progress_bar(show=not quiet and not as_json) as tell:
        sent = send_log(log, to, accounts=accounts, limit=limit, progress=tell)
    counts = {str(status): count for status, count in sorted(sent.statuses.items())}
    if as_json:
        say_json(requests=sent.statuses.total(), accounts=len(sent.accounts), statuses=counts, stopped=sent.stopped())
        return
    told = ", ".join(f"{count:,} with {status}" for status, count in counts.items())
    click.echo(f"{sent.statuses.total():,} requests of {len(sent.accounts):,} accounts: {told or 'none'}")
