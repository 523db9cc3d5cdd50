"""`spiritsafe coordinate`: which actors of any table act as one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spiritsafe.coordination import Coordination

_SHOWN = 10
_IDS_SHOWN = 5


@click.command()
@click.argument("table", nargs=-1, required=True)
@click.option("--actor", required=True, metavar="COL", help="Who acts: account, wallet, key.")
@click.option("--object", "object_", required=True, metavar="COL", help="What is acted on: address, item, document.")
@click.option("--time", metavar="COL", help="When. Without it people of one taste can look like one hand.")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for what is found.")
@click.option(
    "--smallest", type=click.IntRange(3), default=10, show_default=True, help="Groups of fewer actors are left out."
)
@click.option(
    "--objects-are-actors/--objects-are-not-actors",
    "objects_are_actors",
    default=None,
    help="Whether an object with an actor's id is that actor.  [default: look whether acts are mutual]",
)
@click.option("--timezone", metavar="ZONE", help="Zone of times without an offset, e.g. Europe/Paris.")
@click.option(
    "--storage",
    multiple=True,
    metavar="KEY=VALUE",
    help="Object store option, e.g. endpoint_url=https://minio.example. Repeatable.",
)
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="Where tables are computed.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def coordinate(
    table: tuple[str, ...],
    actor: str,
    object_: str,
    time: str | None,
    out: str,
    smallest: int,
    objects_are_actors: bool | None,
    timezone: str | None,
    storage: tuple[str, ...],
    engine: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find actors that act as one in any TABLE of who did what to what. Changes nothing but --out.

    TABLE is Parquet, JSON lines or CSV (also gzip, zstd; files, folders, globs, object stores), one row an
    act. Two actors on one object are tied by it. How much a tie says is learnt from the table itself: ties of
    its kind, so rare and so close in time, must be confirmed by other objects of the same two actors more
    often than taste explains.

    There is no verdict: the table does not say what is taken or whether anything is hidden. A company's own
    fleet acts as one too.

    \b
    Writes members.parquet (group_id, actor, probability), actors.parquet (every actor), ties.parquet (what
    holds each group together), quarantine.parquet and run.json.

    \b
    Examples:
      spiritsafe coordinate stars.csv --actor user --object repo --time starred_at --out groups
      spiritsafe coordinate transfers.parquet --actor src --object dst --time first_seen --out groups
      spiritsafe coordinate 'acts/*.jsonl.gz' --actor key --object document --out groups --json
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.coordination import find_coordination
    from spiritsafe.events.actions import ActionColumns
    from spiritsafe.settings import load_settings

    settings = load_settings({"engine": engine, "timezone": timezone})
    with progress_bar(show=not quiet and not as_json) as progress:
        found = find_coordination(
            table,
            columns=ActionColumns(actor, object_, time),
            out=out,
            smallest=smallest,
            objects_are_actors=objects_are_actors,
            options=read_options(settings, map_path=None, sql=None, format_=None, storage=storage),
            settings=settings,
            progress=progress,
        )
    if as_json:
        import json

        click.echo(json.dumps(found.summary, sort_keys=True))
    else:
        _print_text(found, timed=time is not None)


def _print_text(found: Coordination, *, timed: bool) -> None:
    told = found.summary
    click.echo(
        f"{told['rows_kept']:,} acts of {told['actors']:,} actors; {told['shared_objects']:,} objects that several "
        f"have; {told['pairs_tied']:,} pairs tied"
    )
    if told["rows_quarantined"]:
        reasons = ", ".join(f"{count:,} {code}" for code, count in told["quarantine_reasons"].items())
        click.echo(f"{told['rows_quarantined']:,} rows refused ({reasons}): see quarantine.parquet")
    if told["objects_are_actors"]:
        click.echo("Objects are actors too: a is tied to b when a acts on b.")
    click.echo(_kinds_text(told["kinds"], timed=timed))
    if not found.groups:
        click.echo(f"No group of {told['smallest']} or more acts as one.")
    from spiritsafe.coordination import group_id
    from spiritsafe.events.mapping_text import visible

    for group in found.groups[:_SHOWN]:
        more = ", ..." if len(group) > _IDS_SHOWN else ""
        names = ", ".join(visible(str(name)) for name in group[:_IDS_SHOWN])
        click.echo(f"{group_id(group)}  {len(group):,} actors: {names}{more}")
    if len(found.groups) > _SHOWN:
        click.echo(f"... and {len(found.groups) - _SHOWN} more groups: see members.parquet")
    for warning in told["warnings"]:
        click.echo(f"\n{click.style('warning', fg='yellow', bold=True)} {warning}")
    click.echo(f"\nWrote {found.out}. To act as one is no offence: look at ties.parquet, then ask.")


def _kinds_text(kinds: list[dict[str, float]], *, timed: bool) -> str:
    """What ties were worth here, a line for each popularity: the widest and the closest kind."""
    if not kinds:
        return ""
    lines = ["\nWhat a tie is worth in this table (ties confirmed by other objects of the same two actors):"]
    for most in sorted({kind["holders_up_to"] for kind in kinds}):
        row = [kind for kind in kinds if kind["holders_up_to"] == most]
        ties, confirmed = sum(kind["ties"] for kind in row), sum(kind["confirmed"] for kind in row)
        low, high = (pick(kind["probability"] for kind in row) for pick in (min, max))
        worth = f"{low:.2f} apart to {high:.2f} together" if timed and len(row) > 1 else f"{high:.2f}"
        holders = f"{most:.0f}" if most <= 2 else f"{most // 2 + 1:.0f}-{most:.0f}"
        lines.append(f"  {holders:>11} actors on it  {ties:>9,} ties  {confirmed / ties:>4.0%} confirmed  P {worth}")
    return "\n".join(lines) + "\n"
