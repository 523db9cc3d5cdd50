"""`spiritsafe guard`: decide on requests while a campaign runs.

Comes from the command line; goes on to `guard` and `watch`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option
from spiritsafe.cli.guard_text import tell_decision, tell_policy, tell_published, tell_tallies
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json
from spiritsafe.cli.reading import reading_options
from spiritsafe.errors import EnvironmentFault, InputError

if TYPE_CHECKING:
    from spiritsafe.guard.deciding import Guard
    from spiritsafe.guard.tallies import Tally

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class EnvoyMissingFault(EnvironmentFault):
    """The libraries for Envoy's external authorisation are not installed."""

    code = "cli.guard.envoy"


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
    from spiritsafe.watch.publishing import publish
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
    tell_published(publish(contents, home=session.settings.open_home(), ledger=session.ledger), as_json=as_json)


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
    for one, tally in zip(guards, tallies, strict=True):
        tally.add(request, one.standing(request.account_id), one.decide(request, sketch), label=label)


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


@guard.command("serve")
@click.option("--upstream", required=True, metavar="URL", help="Where answers come from, e.g. http://127.0.0.1:8000.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="For the clients.")
@click.option(
    "--watch",
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="For whoever watches the guard: /health and /metrics (Prometheus). Never show it to clients.",
)
@click.option("--roster", type=_FILE, help="Another roster than the one in force.")
@click.option("--policy", type=_FILE, help="Another policy than the one in force.")
@json_option
@click.pass_obj
def serve_(
    session: CaseSession,
    /,
    upstream: str,
    listen: str,
    watch: str,
    roster: Path | None,
    policy: Path | None,
    as_json: bool,
) -> None:
    """Stand in front of a server that speaks OpenAI's or Anthropic's API, and decide on every call to a model.

    Clients call it in the server's place; answers pass as they come, streams too. A newer roster or policy is taken up
    within seconds, a damaged one is told and the old one stays. In shadow mode nobody notices it.

    Whose a request is the API key tells (guard_keys), or a header of your gateway (guard_account_header); where
    proxies of yours stand in front, set guard_hops. It ends on SIGTERM, when what was begun has its answer.

    \b
      spiritsafe guard serve --upstream http://127.0.0.1:8000
      SPIRITSAFE_GUARD_HOPS=1 spiritsafe guard serve --upstream https://models.example --listen 0.0.0.0:8080
    """
    from spiritsafe.guard.gateways.opening import open_door
    from spiritsafe.guard.gateways.serving import listening, serve

    main, other = listening(listen), listening(watch)
    door = open_door(session.settings, roster=roster, policy=policy)
    places = [f"{host}:{port}" for host, port, *_ in (main.getsockname(), other.getsockname())]

    def ready() -> None:
        force = {"policy": door.guard.policy.full_name, "mode": door.guard.policy.mode}
        if as_json:
            say_json(listen=places[0], watch=places[1], upstream=upstream, **force)
        else:
            click.echo(f"http://{places[0]} -> {upstream}, {force['policy']} in {force['mode']} mode")
            click.echo(f"health and metrics: http://{places[1]}/health, /metrics")

    serve(door, upstream, main=main, watch=other, ready=ready)


@guard.command("status")
@click.option(
    "--watch", default="127.0.0.1:9464", show_default=True, metavar="HOST:PORT", help="Of a guard that serves."
)
@json_option
@click.pass_context
def status_(context: click.Context, watch: str, as_json: bool) -> None:
    """Say how a guard that serves is: what is in force, what it did, what is amiss. Exit code 4 when something is.

    \b
      spiritsafe guard status
      spiritsafe guard status --json | jq .faults
    """
    from spiritsafe.cli.guard_text import ask_status, tell_status

    status = ask_status(watch)
    tell_status(status, as_json=as_json)
    context.exit(4 if status["faults"] else 0)


@guard.command("envoy")
@click.option("--listen", default="127.0.0.1:9191", show_default=True, metavar="HOST:PORT", help="For Envoy (gRPC).")
@click.option("--roster", type=_FILE, help="Another roster than the one in force.")
@click.option("--policy", type=_FILE, help="Another policy than the one in force.")
@json_option
@click.pass_obj
def envoy_(session: CaseSession, /, listen: str, roster: Path | None, policy: Path | None, as_json: bool) -> None:
    """Decide for Envoy, as its external authorisation service (ext_authz). Needs the extra `spiritsafe[envoy]`.

    Envoy's filter must send bodies: `with_request_body` with `pack_as_bytes`, and no partial ones. What a degraded
    answer is to lack is told to the server behind in the header x-spiritsafe-measures.

    \b
      spiritsafe guard envoy --listen 127.0.0.1:9191
    """
    try:
        from spiritsafe.guard.gateways.envoy import serve
    except ImportError as error:
        raise EnvoyMissingFault(
            f"a library for Envoy is not installed: {error}", hint="pip install 'spiritsafe[envoy]'"
        ) from error
    from spiritsafe.guard.gateways.opening import open_door

    door = open_door(session.settings, roster=roster, policy=policy)

    def ready(port: int) -> None:
        where = f"{listen.rpartition(':')[0]}:{port}"
        force = {"policy": door.guard.policy.full_name, "mode": door.guard.policy.mode}
        if as_json:
            say_json(listen=where, **force)
        else:
            click.echo(f"for Envoy at {where}, {force['policy']} in {force['mode']} mode")

    serve(door, listen, ready=ready)
