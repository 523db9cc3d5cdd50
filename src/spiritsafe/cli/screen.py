"""`spiritsafe screen`: names against lists of sanctioned and restricted parties.

Comes from the command line; goes on to `cases.screening`.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.case_session import CaseSession
from spiritsafe.cli.evidence_session import read_file
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json

if TYPE_CHECKING:
    from spiritsafe.cases.screening.model import Hit, Party, ScreeningList


@click.command()
@click.argument("parties", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--list", "lists", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True, required=True,
    help="A list that you fetched; may be repeated.",
)  # fmt: skip
@click.option("--threshold", type=float, default=0.75, show_default=True, help="Least score of a hit, 0 to 1.")
@click.option("--case", "which", metavar="CASE", help="File it under this case; needs --as.")
@click.option("--as", "name", metavar="NAME", help="Who screens: a registered person.")
@click.option("--person-file", type=click.Path(path_type=Path), help="Your key file, if it is not in the home.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Read your passphrase from this file.")
@home_option
@json_option
@click.pass_context
def screen(
    context: click.Context,
    parties: Path,
    lists: tuple[Path, ...],
    threshold: float,
    which: str | None,
    name: str | None,
    person_file: Path | None,
    passphrase_file: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Hold PARTIES against lists of sanctioned and restricted parties. A hit is a lead, no hit is no clearance.

    PARTIES is CSV with a column `name`, and `kind` (person, organization), `country` and `born` where you know them; or
    plain names, one a line; - for standard input. Lists are recognised by their content: OFAC's sdn.csv with the files
    beside it, sdn_advanced.xml, the Consolidated Screening List (CSV, JSON), FollowTheMoney entities. None is shipped.

    \b
      echo "Karimov, Muhammad" | spiritsafe screen - --list sdn.csv
      spiritsafe screen parties.csv --list sdn_advanced.xml --list consolidated.csv --case 1 --as ada
    """
    from spiritsafe.cases.screening.filing import file_screening, told
    from spiritsafe.cases.screening.lists import read_list
    from spiritsafe.cases.screening.screen import DISCLAIMER, Screener

    if (which is None) != (name is None):
        raise click.UsageError("--case and --as go together: a person answers for what is filed")
    asked = read_parties(read_file(parties))
    read = [read_list(path) for path in lists]
    for listed in read:
        _tell_list(listed)
    screener = Screener(read)
    hits = [hit for party in asked for hit in screener.screen(party, threshold=threshold)]
    for hit in hits:
        if as_json:
            say_json(**told(hit))
        else:
            _tell_hit(hit)
    if which is not None and name is not None:
        session = CaseSession(home)
        context.call_on_close(session.close)
        signer = session.signer(name, person_file, passphrase_file)
        number = file_screening(session.book, which, read, asked, hits, threshold=threshold, signer=signer)
        guide(f"filed under case {number}: {len(read)} lists")
    guide(f"{len(hits)} hits for {len(asked)} names. {DISCLAIMER}")


def read_parties(data: bytes) -> list[Party]:
    """Parties from CSV with a header, or names one a line; raises `PartiesError`."""
    from spiritsafe.cases.screening.model import PartiesError, Party
    from spiritsafe.cases.screening.screen import kind_of

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PartiesError("the parties are no UTF-8", hint="save the file as UTF-8") from error
    lines = [line for line in text.splitlines() if line.strip()]
    header = [column.strip().casefold() for column in next(csv.reader(lines[:1]), [])]
    if "name" not in header:
        found = [Party(line.strip()) for line in lines]
    else:
        rows = csv.DictReader(io.StringIO("\n".join([",".join(header), *lines[1:]])))
        found = []
        for number, row in enumerate(rows, start=2):
            called = (row["name"] or "").strip()
            if not called or None in row:
                raise PartiesError(f"row {number} has no name, or more columns than the header", hint="mend it")
            kind = kind_of(row.get("kind") or "")
            found.append(Party(called, kind, (row.get("country") or "").strip(), (row.get("born") or "").strip()))
    if not found:
        raise PartiesError("there is no name to screen", hint="one a line, or CSV with a column `name`")
    return found


def _tell_list(listed: ScreeningList) -> None:
    from spiritsafe.cases.screening.lists import STALE_HOURS, age_hours
    from spiritsafe.evidence.records import now_us

    by = "" if listed.issued_by_list else " (the file's date; the list says none)"
    guide(f"{listed.name}: {len(listed.entries):,} entries, issued {listed.issued}{by}, sha256 {listed.sha256[:16]}")
    hours = age_hours(listed, now_us())
    if hours > STALE_HOURS + 24:  # a day is as exact as the list tells it
        guide(click.style(f"  warning: it is {hours / 24:.0f} days old; fetch today's", fg="yellow"))
    for reason, count in listed.refused.items():
        guide(click.style(f"  warning: {count} rows could not be read: {reason}", fg="yellow"))


def _tell_hit(hit: Hit) -> None:
    from spiritsafe.events.mapping_text import visible

    weak = ", a weak alias" if hit.matched.quality == "weak" else ""
    click.echo(f"{hit.score:.2f}  {visible(hit.party.name)}  may be  {visible(hit.entry.name)}")
    click.echo(f"      {hit.list_name}, entry {hit.entry.entry_id}{weak}: {visible(hit.matched.text)}")
    click.echo(f"      {visible(hit.why)}")
    for one in hit.beside:
        click.echo(f"      {visible(one)}")
    if hit.entry.programs:
        click.echo(f"      {visible(', '.join(hit.entry.programs))}")
