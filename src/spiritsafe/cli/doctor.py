"""`spiritsafe doctor`: what a log holds, what is missing, and the map for a table of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.reading import reading_options
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from spiritsafe.events.doctor import Examination, Findings


@click.command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--accounts", metavar="PATH", help="The accounts table beside the log.")
@click.option("--write-map", type=click.Path(dir_okay=False), help="Write the proposed mapping here, to be corrected.")
@click.option("--force", is_flag=True, help="Let --write-map replace a file.")
@click.option("--rows", type=click.IntRange(1), default=50_000, show_default=True, help="Rows to look at.")
@click.option("--show-examples", is_flag=True, help="Show values as logged; personal ones and text are masked else.")
@click.option("--strict", is_flag=True, help="Exit 3 when detection would be dead on this log.")
@reading_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(
    logs: tuple[str, ...],
    accounts: str | None,
    write_map: str | None,
    force: bool,
    rows: int,
    show_examples: bool,
    strict: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Say what LOGS hold, what is missing and what that costs. Changes nothing but --write-map.

    LOGS are files, folders, globs or URLs, as for `scan`. Where the columns are not the contract's, a mapping is
    proposed with its reasons and doubts; write it, correct it, then scan with --map.

    Doctor also warns where detection would be silently dead although no column is missing: every request from
    your proxy's address, one account, a clock in whole days, prompts that are hashes or cut.

    \b
    Examples:
      spiritsafe doctor requests.parquet --accounts accounts.parquet
      spiritsafe doctor 'logs/*.jsonl.gz' --write-map map.toml
      spiritsafe doctor logs/ --map map.toml --strict
      spiritsafe doctor export.csv --json | jq '.warnings[].code'
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.events.doctor import DeadLogError, UnreadableLogError, examine
    from spiritsafe.settings import load_settings

    if write_map is not None:
        _check_map(Path(write_map), force=force)
    settings = load_settings({"timezone": reading.pop("timezone")})
    with progress_bar(show=not as_json) as progress:
        examined = examine(
            logs,
            options=read_options(settings, **reading),
            accounts=accounts,
            map_path=write_map or reading["map_path"],
            rows=rows,
            show_examples=show_examples,
            progress=progress,
        )
    found = examined.findings
    if write_map is not None:
        _write_map(examined, Path(write_map), told=not as_json)
    if as_json:
        _print_json(found)
    else:
        from spiritsafe.cli.doctor_text import tell

        tell(found, rich=sys.stdout.isatty())
    if not found.readable:
        raise UnreadableLogError(found.problem, hint=_way_out(write_map))
    if strict and found.dead:
        codes = ", ".join(warning.code for warning in found.warnings if warning.severity == "dead")
        raise DeadLogError(
            f"detection would be silently dead ({codes})", hint="do what the warnings say, or drop --strict"
        )


class MapExistsError(UsageError):
    """The file that --write-map names is there already: a person may have corrected it."""

    code = "cli.map_exists"


def _check_map(path: Path, *, force: bool) -> None:
    """A map that a person has corrected must not be lost to a second look; nor the look to a bad path."""
    from spiritsafe.files import check_writable

    if not force and path.exists():
        raise MapExistsError(f"{path} exists", hint="give another name, or --force to replace it")
    check_writable(path)


def _write_map(examined: Examination, path: Path, *, told: bool) -> None:
    from spiritsafe.files import write_atomically

    if not examined.map_text:
        click.echo(f"no mapping is needed or can be proposed for this format; {path} was not written", err=True)
        return
    write_atomically(path, examined.map_text.encode("utf-8"))
    if told:
        doubtful = sum((one.confidence or 1.0) < 0.7 for one in examined.findings.columns if one.status == "proposed")
        check = f"; {doubtful} of its columns are guesses, look at those first" if doubtful else ""
        click.echo(f"wrote {path}{check}", err=True)


def _way_out(write_map: str | None) -> str:
    if write_map is not None:
        return f"fill in the sections marked `Not found` in {write_map}, then: spiritsafe doctor LOGS --map {write_map}"
    return "write the proposal with --write-map map.toml, fill in what is missing, then look again with --map map.toml"


def _print_json(found: Findings) -> None:
    import msgspec

    click.echo(msgspec.json.encode(found, order="deterministic"))
