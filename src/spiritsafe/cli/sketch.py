"""`spiritsafe sketch`: the text-free table."""

from __future__ import annotations

from typing import Any

import click

from spiritsafe.cli.reading import reading_options


@click.command()
@click.argument("requests", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="The Parquet file to write.")
@reading_options
@click.option("--keep-ids", is_flag=True, help="Keep account ids and addresses as they are instead of pseudonyms.")
@click.option("--workers", type=click.IntRange(1), help="Processes that read and sketch.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def sketch(
    requests: tuple[str, ...],
    out: str,
    keep_ids: bool,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write the text-free table of REQUESTS: what `scan` needs, and no prompt.

    Prompts become keyed hashes of rare phrases, a MinHash, a layout and tactic scores; names become
    pseudonyms under your key. Scanning the sketch finds what scanning the log finds. Without the key
    nobody can test whether a given sentence is in it.

    \b
    Examples:
      spiritsafe sketch requests.parquet --out sketches.parquet
      spiritsafe sketch 'logs/*.jsonl.zst' --map map.toml --out sketches.parquet
      spiritsafe scan sketches.parquet --out findings
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.events.sources.storage import passed_over
    from spiritsafe.pipeline import write_sketch_file
    from spiritsafe.settings import load_settings

    flags = {"workers": workers, "pseudonymise": not keep_ids, "timezone": given.pop("timezone")}
    settings = load_settings(flags)
    with progress_bar(show=not quiet and not as_json) as progress:
        counts = write_sketch_file(
            requests,
            out=out,
            options=read_options(settings, **given, keep_raw=False),
            settings=settings,
            progress=progress,
        )
    if as_json:
        import json

        click.echo(json.dumps(counts, sort_keys=True))
        return
    click.echo(f"{counts['rows_kept']:,} rows written to {out}")
    if counts["passed_over"]:
        click.echo(f"not read: {passed_over(counts['passed_over'])}")
    if counts["rows_refused"]:
        click.echo(f"{counts['rows_refused']:,} rows refused: see {out}.quarantine.parquet")
