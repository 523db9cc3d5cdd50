"""`spiritsafe scan`: find groups of accounts that act as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.reading import reading_options
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spiritsafe.campaigns.model import InputFile
    from spiritsafe.pipeline import ScanResult


class MomentType(click.ParamType):  # type: ignore[type-arg]
    """A time as ISO 8601 has it, and as our own output writes it: microseconds since 1970; UTC without an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from datetime import UTC, datetime, timedelta

        from spiritsafe.events.values import plain_iso  # loads Arrow: keep `--help` quick

        try:
            time = datetime.fromisoformat(plain_iso(str(value).strip()))
            aware = time if time.tzinfo else time.replace(tzinfo=UTC)
            return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-03-05 or 2026-03-05T06:00:00Z", param, ctx)


@click.command()
@click.argument("requests", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for the findings.")
@click.option("--accounts", metavar="PATH", help="The accounts table: sign-up, organisation, payment.")
@click.option(
    "--account-events", metavar="PATH", help="What happened to accounts: suspensions, which new accounts may answer."
)
@click.option("--attestations", metavar="PATH", help="Who is known to be allowed, by whom, from when until when.")
@click.option(
    "--known",
    metavar="PATH",
    help="Your own labels: account_id, label (banned, cleared, ...). Held against the findings, never used to accuse.",
)
@click.option(
    "--until",
    "until_us",
    type=MomentType(),
    metavar="TIME",
    help="Leave out what happened from this time on, e.g. 2026-03-05T06:00:00Z; UTC without an offset.",
)
@click.option(
    "--injected",
    type=click.Path(exists=True),
    help="What `prove inject` found on this log, so that the report says what it could have missed.",
)
@reading_options
@click.option(
    "--actors",
    type=click.Choice(["account", "organization", "end_user"]),
    help="Whose groups are looked for. An organisation stands for all its accounts, so that shells are seen side by "
    "side; of end users only what they ask and when is known, and they are never accused.",
)
@click.option(
    "--looks",
    type=click.IntRange(1, 1_000),
    help="How many times you scan this log as it grows, say every day for a month: 30. They share the error of one.",
)
@click.option("--pseudonymise", is_flag=True, help="Replace account ids, addresses and other names by pseudonyms.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="Where tables are computed.")
@click.option("--workers", type=click.IntRange(1), help="Processes that read and sketch.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a group, one a line.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def scan(
    requests: tuple[str, ...],
    out: str,
    until_us: int | None,
    injected: str | None,
    actors: str | None,
    looks: int | None,
    pseudonymise: bool,
    engine: str | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Find groups of accounts that act as one in REQUESTS. Reads them and changes nothing but --out.

    REQUESTS are files, folders, globs or object-store URLs: Parquet, JSONL or CSV (also gzip, zstd),
    OpenTelemetry, LiteLLM, OpenAI-style logs, or what `spiritsafe sketch` wrote. A table of your own is read
    with --map or --sql; `spiritsafe doctor` proposes the map.

    Every group gets a verdict on three axes: do they act as one, do they take training data, do they hide
    it? Only all three make a campaign, and a campaign is a reason to look, not proof.

    \b
    Examples:
      spiritsafe scan requests.parquet --accounts accounts.parquet --out findings
      spiritsafe scan 'logs/2026-11-*.jsonl.gz' --map map.toml --out findings
      spiritsafe scan s3://bucket/logs/ --storage endpoint_url=https://minio.example --out findings
      spiritsafe scan requests.parquet --out findings --json | jq 'select(.verdict == "campaign")'
    """
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.cli.scan_text import scan_lines
    from spiritsafe.files import check_folder
    from spiritsafe.pipeline import ASK_INJECT, find_campaigns
    from spiritsafe.settings import load_settings

    flags = {"engine": engine, "workers": workers, "pseudonymise": pseudonymise or None}
    settings = load_settings({**flags, "actors": actors, "looks": looks, "timezone": given.pop("timezone")})
    check_folder(Path(out), kind="scan", inputs=[one for one in (given["map_path"], injected) if one is not None])
    tables = {name: given.pop(name) for name in ("accounts", "account_events", "attestations", "known")}
    limit = _detection_limit(injected) if injected else ASK_INJECT
    with progress_bar(show=not quiet and not as_json) as progress:
        found = find_campaigns(
            requests,
            out=out,
            **tables,
            until_us=until_us,
            options=read_options(settings, **given, keep_raw=not settings.pseudonymise),
            settings=settings,
            progress=progress,
            detection_limit=limit,
        )
    if as_json:
        _print_json(found)
    else:
        for line in scan_lines(found):
            click.echo(line)


class InjectedError(InputError):
    """What --injected names is no result of `spiritsafe prove inject`."""

    code = "cli.injected"


def _detection_limit(injected: str) -> Callable[[Sequence[InputFile]], str]:
    """From the folder of an earlier `prove inject` (or its `inject.json`), the sentence for a scan of these files."""
    import msgspec

    from spiritsafe.proving.inject_result import InjectResult
    from spiritsafe.proving.inject_sentence import digests_of, sentence_beside

    path = Path(injected)
    file = path / "inject.json" if path.is_dir() else path
    try:
        result = msgspec.json.decode(file.read_bytes(), type=InjectResult)
    except (OSError, msgspec.DecodeError) as error:
        raise InjectedError(
            f"{file} is no result of `spiritsafe prove inject`: {error}", hint="give its --out folder or inject.json"
        ) from error

    def told(read: Sequence[InputFile]) -> str:
        log = [one.sha256 for one in read if not one.table]
        beside = digests_of((one.table, one.sha256) for one in read if one.table not in ("", "labels"))
        return sentence_beside(result, log, beside)

    return told


def _print_json(found: ScanResult) -> None:
    import msgspec

    encoder = msgspec.json.Encoder(order="deterministic")
    for group in found.groups:
        click.echo(encoder.encode(group))
    for warning in found.run.warnings:
        click.echo(f"warning {warning}", err=True)
