"""`spiritsafe guard serve`, `envoy`, `status`: the guard's doors as processes of their own, and how they are.

Comes from `cli.guard`; goes on to `guard.gateways`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.guard_text import ask_status, tell_status
from spiritsafe.cli.identity_session import json_option, say_json
from spiritsafe.errors import EnvironmentFault

if TYPE_CHECKING:
    from spiritsafe.cli.case_session import CaseSession

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class EnvoyMissingFault(EnvironmentFault):
    """The libraries for Envoy's external authorisation are not installed."""

    code = "cli.guard.envoy"


@click.command("serve")
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


@click.command("status")
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
    status = ask_status(watch)
    tell_status(status, as_json=as_json)
    context.exit(4 if status["faults"] else 0)


@click.command("envoy")
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
