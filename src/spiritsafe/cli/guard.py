"""`spiritsafe guard`: decide on requests while a campaign runs.

Comes from the command line; goes on to `guard` and `watch`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option
from spiritsafe.cli.guard_serve import envoy_, serve_, status_
from spiritsafe.cli.guard_text import tell_decision, tell_policy, tell_published, tell_tallies
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json
from spiritsafe.cli.reading import reading_options
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from spiritsafe.guard.deciding import Guard
    from spiritsafe.guard.tallies import Tally

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class RequestLineError(InputError):
    """What should be a request is no JSON object with the contract's columns."""

    code = "cli.guard.request"


@click.group()
@home_option
@click.pass_context
def guard(context: click.Context, home: Path | None) -> None:
    """Decide on requests while a campaign runs: allow, observe, throttle, challenge, degrade, block.

    It knows what scans found and persons confirmed (the roster), answers by a policy that people write, and acts on
    nobody by one kind of evidence alone. A policy begins in shadow mode: it decides and records, and acts on nobody.

    \b
    From a finding to a policy in force:
      spiritsafe guard publish findings
      spiritsafe guard check policy.toml
      spiritsafe guard replay logs/ --policy policy.toml
      spiritsafe guard adopt policy.toml --as ada --reason "agreed on Tuesday"
    """
    context.obj = CaseSession(home)
    context.call_on_close(context.obj.close)


guard.add_command(envoy_)
guard.add_command(serve_)
guard.add_command(status_)


@guard.command("publish")
@click.argument("scan_dirs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--days",
    type=click.FloatRange(0, 366, min_open=True),
    default=30.0,
    show_default=True,
    help="How long the campaigns stay in it.",
)
@click.option(
    "--established-days",
    type=click.FloatRange(1),
    default=180.0,
    show_default=True,
    help="From which age on an account is established: acted on only if a list names it.",
)
@json_option
@click.pass_obj
def publish_(
    session: CaseSession, /, scan_dirs: tuple[Path, ...], days: float, established_days: float, as_json: bool
) -> None:  # fmt: skip
    """Tell the guards what the scans in SCAN_DIRS found and what persons decided of it. The later scan holds.

    A campaign whose case was dismissed, overturned or closed is left out, and so is who was cleared or appeals. One
    that nobody confirmed is in it, and is not acted on. For whom somebody vouches is let through. It holds keyed
    hashes and no names; its digest is filed.

    \b
      spiritsafe guard publish findings
      spiritsafe guard publish findings-october findings-november --days 60
    """
    from spiritsafe.cases.scans import read_scan
    from spiritsafe.evidence.records import now_us
    from spiritsafe.guard.home import PSEUDONYM_KEY, open_names, open_parameters
    from spiritsafe.watch.publishing import publish, share
    from spiritsafe.watch.rosters import Terms, gather

    names = open_names(session.settings)
    terms = Terms(
        names=names,
        sketch=open_parameters(session.settings).metadata(),
        pseudonym_key_id=names.made_with[PSEUDONYM_KEY],
        at_us=now_us(),
        holds_days=days,
        established_days=established_days,
    )
    contents = gather([read_scan(folder) for folder in scan_dirs], session.book, terms)
    published = publish(contents, home=session.settings.open_home(), ledger=session.ledger)
    share(published, session.settings)
    tell_published(published, as_json=as_json)


@guard.command("check")
@click.argument("policy", required=False, type=_FILE)
@click.option("--roster", type=_FILE, help="Another roster than the one in force.")
@click.option("--request", "request_path", metavar="FILE", help="Decide on this request, JSON; - is standard input.")
@json_option
@click.pass_obj
def check_(
    session: CaseSession, /, policy: Path | None, roster: Path | None, request_path: str | None, as_json: bool
) -> None:
    """Check POLICY (by default the one in force), and say what it answers to a request. Changes nothing.

    A request is a JSON object with columns of the contract: account_id, prompt, client_ip and so on; `time_us` is now
    where it is left out.

    \b
      spiritsafe guard check policy.toml
      echo '{"account_id": "acme-7", "prompt": "..."}' | spiritsafe guard check policy.toml --request -
    """
    from spiritsafe.guard.home import SHIPPED_POLICY, open_guard, policy_path
    from spiritsafe.guard.policy import read_policy

    adopted = policy_path(session.settings.open_home())
    path = policy or (adopted if adopted.exists() else SHIPPED_POLICY)
    if request_path is None:
        tell_policy(read_policy(path), as_json=as_json)
        return
    request = _request(request_path)
    decision = open_guard(session.settings, roster=roster, policy=path).decide(request)
    tell_decision(decision, as_json=as_json)


def _request(path: str) -> Any:
    import msgspec

    from spiritsafe.evidence.records import now_us
    from spiritsafe.guard.model import Request

    try:
        with click.open_file(path, "rb") as stream:
            given = msgspec.json.decode(stream.read(1 << 24))
        if not isinstance(given, dict):
            raise RequestLineError("a request is a JSON object", hint='e.g. {"account_id": "a", "prompt": "..."}')
        return msgspec.convert({"time_us": now_us(), **given}, Request)
    except OSError as error:
        raise RequestLineError(
            f"cannot read {path}: {error.strerror}", hint="name a file, or - for standard input"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestLineError(f"it is no request: {error}", hint="columns: docs/reference/columns.md") from error


@guard.command("replay")
@click.argument("requests", nargs=-1, required=True)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=_FILE,
    help="A policy; may be repeated, to compare. [default: the one in force]",
)
@click.option("--roster", type=_FILE, help="Another roster than the one in force.")
@click.option(
    "--accounts", metavar="PATH", help="The accounts table: what the gateway knows of age, plan, verification."
)
@click.option("--known", metavar="PATH", help="Your own labels: account_id, label. The report counts by them.")
@reading_options
@click.option("--workers", type=click.IntRange(1), help="Processes that read and sketch.")
@json_option
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_obj
def replay_(
    session: CaseSession,
    /,
    requests: tuple[str, ...],
    policies: tuple[Path, ...],
    roster: Path | None,
    accounts: str | None,
    known: str | None,
    timezone: str | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Say what policies would have done to whom in past REQUESTS, innocents first. Acts on nobody, changes nothing.

    Requests are gone through by their time, each policy with counts of its own. What somebody would have done had they
    been answered otherwise nobody knows: it is counted as if they had gone on as they did.

    \b
      spiritsafe guard replay requests.parquet --accounts accounts.parquet
      spiritsafe guard replay logs/ --policy now.toml --policy stricter.toml --json
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.guard.home import open_guard
    from spiritsafe.guard.tallies import Tally
    from spiritsafe.settings import load_settings
    from spiritsafe.watch.past import past_of

    settings = load_settings({"home": session.settings.home, "timezone": timezone, "workers": workers})
    guards = [open_guard(settings, roster=roster, policy=path) for path in policies or (None,)]
    tallies = [Tally(one.policy.full_name) for one in guards]
    options = read_options(settings, **given, keep_raw=False)
    with (
        progress_bar(show=not quiet and not as_json) as tell,
        past_of(
            list(requests), options=options, settings=settings, accounts=accounts, known=known, progress=tell
        ) as past,
    ):
        for done, (request, sketch) in enumerate(past):
            label = past.labels.get(request.account_id, "not labelled") if past.labels else None
            _count(guards, tallies, request, sketch, label)
            if done % 1_000 == 0:
                tell("replay", done, past.rows)
    tell_tallies(tallies, guards[0].roster, as_json=as_json)


def _count(guards: list[Guard], tallies: list[Tally], request: Any, sketch: Any, label: str | None) -> None:
    from spiritsafe.guard.tallies import class_of

    for one, tally in zip(guards, tallies, strict=True):
        decision = one.decide(request, sketch)
        who = class_of(request, one.standing(request.account_id), decision) if label is None else label
        tally.add(request.account_id, request.time_us, decision, who)


@guard.command("adopt")
@click.argument("policy", type=_FILE)
@reason_option
@deciding
def adopt_(session: CaseSession, act: Act, /, policy: Path, reason: str) -> None:
    """Put POLICY in force: checked, kept, signed into the ledger by you, then swapped in. Guards take it up alone.

    \b
      spiritsafe guard adopt policy.toml --as ada --reason "challenge members, as agreed on Tuesday"
    """
    from spiritsafe.cli.evidence_session import read_file
    from spiritsafe.guard.adopting import adopt_policy

    found = adopt_policy(
        read_file(policy),
        home=session.settings.open_home(),
        ledger=session.ledger,
        signer=act.signer(session),
        reason=reason,
        where=policy.name,
    )
    click.echo(f"{found.full_name} is in force: mode {found.mode}, {len(found.rules)} rules")
    if found.mode == "enforce":
        guide("it acts, on campaigns that a person confirmed; `spiritsafe guard adopt` of another policy takes it back")


@guard.command("collect")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to. [default: in the home]")
@json_option
@click.pass_obj
def collect_(session: CaseSession, /, out: Path | None, as_json: bool) -> None:
    """Take in what the doors wrote down: sketches for `scan`, decisions for `report`, a record of each batch.

    Run it by a timer, beside guards that serve; what they still write is left for the next time. No text is in it.

    \b
      spiritsafe guard collect
      spiritsafe scan ~/.spiritsafe/guard/collected/requests --out findings
    """
    from spiritsafe.guard.home import collected_path, journal_path, open_parameters
    from spiritsafe.watch.collecting import collect

    home, parameters = session.settings.open_home(), open_parameters(session.settings)
    rows = decisions = segments = 0
    for one in collect(
        journal_path(home),
        out or collected_path(home),
        ledger=session.ledger,
        sketch=parameters.metadata(),
        tactics=parameters.tactics,
    ):
        rows, decisions, segments = rows + one.rows, decisions + one.decisions, segments + 1
        for text in one.refused:
            guide(f"segment {one.segment}, {text}")
        if one.lines_refused > len(one.refused):
            guide(f"segment {one.segment}: {one.lines_refused:,} lines were refused in all")
    if as_json:
        say_json(segments=segments, requests=rows, decisions=decisions)
    else:
        click.echo(f"{segments:,} segments: {rows:,} requests, {decisions:,} decisions")


@guard.command("report")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Only the last days, by the requests' time.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another folder of decisions.",
)
@json_option
@click.pass_obj
def report_(session: CaseSession, /, days: float | None, folder: Path | None, as_json: bool) -> None:
    """Say what the guard did to whom, or in shadow mode would have done: innocents first. Of what was collected.

    \b
      spiritsafe guard collect
      spiritsafe guard report --days 14
    """
    from spiritsafe.evidence.records import now_us
    from spiritsafe.guard.home import collected_path, roster_path
    from spiritsafe.guard.tallies import Tally
    from spiritsafe.roster.reading import Roster
    from spiritsafe.watch.collecting import decided

    home = session.settings.open_home()
    since_us = 0 if days is None else now_us() - round(days * 86_400_000_000)
    tallies: dict[str, Tally] = {}
    for account, time_us, who, decision in decided(folder or collected_path(home) / "decisions", from_us=since_us):
        tallies.setdefault(decision.policy, Tally(decision.policy)).add(account, time_us, decision, who)
    if not tallies:
        guide("nothing was decided, or nothing collected: `spiritsafe guard collect`")
        return
    tell_tallies([tallies[name] for name in sorted(tallies)], Roster(roster_path(home)), as_json=as_json)
