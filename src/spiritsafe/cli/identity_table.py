"""`spiritsafe identity pseudonymise`: a side table for somebody who gets only a sketch.

Comes from `cli.identity`; goes on to `events.beside` and `events.identity`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.identity_session import guide
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from spiritsafe.cli.identity_session import Session
    from spiritsafe.events.pseudonyms import Naming

_KINDS = ("accounts", "account-events", "attestations", "known")


class NoPseudonymsError(UsageError):
    """The sketches that a table should join with hold names as given, so there is no key to use."""

    code = "cli.identity.like"


@click.command()
@click.argument("table")
@click.option("--kind", required=True, type=click.Choice(_KINDS), help="What TABLE is: the option of `scan` it is for.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--like", metavar="SKETCHES", help="Use the key of these sketches; by default the newest key.")
@click.option("--map", "map_path", type=click.Path(exists=True, dir_okay=False), help="How its columns become ours.")
@click.option("--timezone", metavar="ZONE", help="Zone of times without an offset, e.g. Europe/Paris.")
@click.pass_obj
def pseudonymise(
    session: Session, table: str, kind: str, out: Path, like: str | None, map_path: str | None, timezone: str | None
) -> None:
    """Write TABLE with pseudonyms instead of names, so that it joins with a sketch.

    For whoever gets your sketches and not your key. Columns that the contract does not know are left out. What
    is no name stays as it is: the reason and owner of an attestation, a plan, a country; read the file before you
    hand it out.

    \b
      spiritsafe sketch requests.parquet --out sketches.parquet
      spiritsafe identity pseudonymise accounts.csv --kind accounts --like sketches.parquet --out accounts.parquet
    """
    from spiritsafe.cli.reading import read_options
    from spiritsafe.events.beside import SIDES, shareable
    from spiritsafe.events.identity import open_pseudonymiser
    from spiritsafe.files import check_file, staged_file, write_parquet
    from spiritsafe.settings import load_settings

    schema = SIDES[kind.replace("-", "_")]
    check_file(out, table=schema.name, inputs=[table, *([like] if like else []), session.settings.home])
    settings = load_settings({"home": session.settings.home, "timezone": timezone})
    hide = open_pseudonymiser(settings, like=None if like is None else _names_in(like))
    options = read_options(settings, map_path=map_path, sql=None, format_=None, storage=(), keep_raw=False)
    rows, left_out, refused = shareable(table, schema, options, hide)
    with staged_file(out) as staged:
        write_parquet(rows, staged, schema.tag, hide.metadata())
    click.echo(f"{rows.num_rows:,} rows written to {out}, {hide.naming}")
    if left_out:
        click.echo(f"{len(left_out):,} columns beyond the contract's left out")
    if refused:
        reasons = ", ".join(f"{rows:,} {code}" for code, rows in Counter(one.code for one in refused).most_common())
        guide(f"{len(refused):,} rows refused ({reasons})")


def _names_in(sketches: str) -> Naming:
    from spiritsafe.events.sources import ReadOptions, open_source
    from spiritsafe.sketch.given import names_in

    found = names_in(open_source(sketches, ReadOptions(keep_raw=False)))
    if not found.pseudonymised:
        raise NoPseudonymsError(
            f"{sketches} holds names as given, or is no sketch",
            hint="beside names as given a table joins as it is; `spiritsafe sketch` makes pseudonyms",
        )
    return found
