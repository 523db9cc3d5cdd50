"""`spiritsafe watch`: look at a log as it comes, open cases, tell the guards."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.case_session import CaseSession
from spiritsafe.cli.identity_session import home_option, json_option
from spiritsafe.cli.reading import reading_options
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.settings import Settings
    from spiritsafe.watch.running import Watcher


class WatchOptionsError(UsageError):
    """No log was named, or options do not go together."""

    code = "cli.watch"


@click.command()
@click.argument("requests", nargs=-1)
@click.option("--accounts", metavar="PATH", help="The accounts table; read anew at each look, as are the next two.")
@click.option("--account-events", metavar="PATH", help="What happened to accounts: suspensions and the like.")
@click.option(
    "--attestations", metavar="PATH", help="Who is known to be allowed. [default: with pseudonyms, those of the home]"
)
@click.option("--every", "every_min", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
              metavar="MINUTES", help="How often it is looked for new files.")  # fmt: skip
@click.option("--look-every", "look_min", type=click.FloatRange(0, min_open=True), metavar="MINUTES",
              help="How often at most what came is looked at. [default: as --every]")  # fmt: skip
@click.option("--look", type=click.Choice(["news", "always"]), default="news", show_default=True,
              help="Look daily and when accounts come to share something new, or whenever anything came.")  # fmt: skip
@click.option("--window-days", type=click.IntRange(1, 366), default=14, show_default=True,
              help="How far back a look reaches.")  # fmt: skip
@click.option("--keep-days", type=click.IntRange(1, 3660), default=35, show_default=True,
              help="How long rows are remembered: those that come again later would count as new.")  # fmt: skip
@click.option("--settle", "settle_s", type=click.FloatRange(0), default=30.0, show_default=True, metavar="SECONDS",
              help="A local file that was written to within this time is left for the next round.")  # fmt: skip
@click.option("--collect", is_flag=True, help="Take in first what the home's guards wrote down, and watch that too.")
@click.option("--once", is_flag=True, help="One round, then leave; for a timer.")
@click.option("--status", "only_status", is_flag=True, help="Say what the state holds, and leave.")
@click.option("--state", "state_dir", type=click.Path(path_type=Path, file_okay=False),
              help="Where it remembers. [default: in the home]")  # fmt: skip
@reading_options
@click.option("--pseudonymise", is_flag=True, help="Remember pseudonyms instead of account ids, addresses and names.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="Where tables are computed.")
@click.option("--workers", type=click.IntRange(1), help="Processes that read and sketch.")
@home_option
@json_option
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def watch(
    context: click.Context,
    /,
    requests: tuple[str, ...],
    home: Path | None,
    state_dir: Path | None,
    only_status: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Watch REQUESTS as they come: take in what is new, look at the last days, open cases, tell the guards.

    REQUESTS are what `scan` reads: files, folders, globs, object stores. Each file is read once, and again if it grew;
    rows that come late or twice are counted once. What it knows lies in a folder (state/ in the home) that is whole
    at any moment: stop it, kill it, start it again.

    A look scans the window as `scan` would: once a day, and when accounts have come to share a template that the
    last look could not know of. A campaign opens a case by itself, and the guards know of it at once; they act on it
    when the case is confirmed, within seconds of that. Looks share the error of one: of all that is
    named in a window, at most one in a hundred is false, on average.

    \b
    Examples:
      spiritsafe watch logs/ --accounts accounts.parquet
      spiritsafe watch s3://bucket/logs/ --every 15 --look-every 120
      spiritsafe watch --collect --once
      spiritsafe watch --status
    """
    from spiritsafe.cli.watch_text import tell_published_again, tell_round, tell_state
    from spiritsafe.settings import load_settings

    flags = {name: given.pop(name) for name in ("engine", "workers", "timezone")}
    settings = load_settings({"home": home, "pseudonymise": given.pop("pseudonymise") or None, **flags})
    folder = state_dir or settings.open_home() / "state"
    if only_status:
        tell_state(folder, as_json=as_json)
        return
    context.obj = session = CaseSession(settings.home)
    context.call_on_close(session.close)
    once, show = given.pop("once"), not given.pop("quiet") and not as_json
    with _watcher(session, settings, folder, requests, show=show, **given) as watcher:
        if once:
            tell_round(watcher.round(), as_json=as_json)
            return
        watcher.run(
            lambda one: tell_round(one, as_json=as_json), lambda one: tell_published_again(one, as_json=as_json)
        )


@contextlib.contextmanager
def _watcher(
    session: CaseSession,
    settings: Settings,
    folder: Path,
    requests: tuple[str, ...],
    *,
    show: bool,
    collect: bool,
    keep_days: int,
    settle_s: float,
    every_min: float,
    look: str,
    look_min: float | None,
    window_days: int,
    accounts: str | None,
    account_events: str | None,
    attestations: str | None,
    **reading: Any,
) -> Iterator[Watcher]:
    """The watcher that the options ask for, with its state held."""
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.watch.increments import Feed
    from spiritsafe.watch.looking import Aims
    from spiritsafe.watch.running import Pace, Watcher
    from spiritsafe.watch.state import open_state

    if keep_days < window_days:
        raise WatchOptionsError(
            f"--keep-days {keep_days} is less than the window of {window_days} days", hint="keep the window at least"
        )
    if not requests and not collect:
        raise WatchOptionsError("no log was named", hint="name files or a folder, or use --collect")
    options = read_options(settings, **reading, keep_raw=not settings.pseudonymise)
    pace = Pace(every_s=every_min * 60, look_every_s=(look_min or every_min) * 60, always=look == "always")
    aims = Aims(
        options=options,
        accounts=accounts,
        account_events=account_events,
        attestations=attestations,
        window_days=window_days,
    )
    with open_state(folder) as state, progress_bar(show=show) as tell:
        yield Watcher(
            state,
            session.book,
            settings,
            feed=Feed(requests, options, settle_s),
            aims=aims,
            pace=pace,
            keep_days=keep_days,
            collects=collect,
            progress=tell,
        )
