"""`spiritsafe prove inject`: what would a scan of this log have found?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cli.reading import reading_options

if TYPE_CHECKING:
    from spiritsafe.proving.inject_result import InjectResult


class _Numbers(click.ParamType[Any]):
    """A list of whole numbers, written 8,16,32."""

    name = "numbers"

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers like 8,16,32", param, ctx)
        if not all(self._low <= number <= self._high for number in numbers):
            self.fail(f"{value!r} must lie in {self._low} to {self._high}", param, ctx)
        return numbers


@click.command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the trials.")
@click.option("--accounts", metavar="PATH", help="The accounts table, if you scan with one.")
@click.option("--account-events", metavar="PATH", help="Account events, if you scan with them.")
@click.option("--attestations", metavar="PATH", help="Attestations, if you scan with them.")
@click.option(
    "--sizes",
    type=_Numbers(2, 100_000),
    help="Accounts a campaign; default: those of 8,16,32,64,128,256 that are not too many for so small a log.",
)
@click.option("--stealth", type=_Numbers(0, 4), default="0,1,2,3", show_default=True, help="Levels of hiding, 0 to 4.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Trials of each size and level.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Exchanges a day an account; default: as your accounts do."
)
@click.option(
    "--error",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="A find counts while at most this share of your accounts is newly accused with it.",
)
@click.option(
    "--power", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Found means: in this share of trials."
)
@click.option(
    "--prompts", multiple=True, type=click.Path(exists=True, path_type=Path), help="Prompt sets to draw from."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same campaigns.")
@reading_options
@click.option("--json", "as_json", is_flag=True, help="The whole result as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def inject(
    logs: tuple[str, ...],
    out: Path,
    accounts: str | None,
    account_events: str | None,
    attestations: str | None,
    sizes: tuple[int, ...] | None,
    stealth: tuple[int, ...],
    repeats: int,
    rate: float | None,
    error: float,
    power: float,
    prompts: tuple[Path, ...],
    seed: int,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Plant labelled campaigns in a copy of LOGS and say the smallest that a scan finds.

    Planted accounts behave like accounts of yours (clock, client, limits, models) under made-up names, and send a
    campaign's prompts. Every trial is one scan, so this takes as long as sizes times levels times repeats scans;
    a run that was stopped goes on where it was. LOGS are read, never written; the copy is deleted at the end.

    \b
    Examples:
      spiritsafe prove inject requests.parquet --accounts accounts.parquet --out limits
      spiritsafe prove inject requests.parquet --out limits --sizes 16,64 --stealth 0,1 --repeats 10
      spiritsafe prove inject 'logs/*.jsonl.gz' --map map.toml --rate 25 --out limits --json | jq .sentence
    """
    import msgspec

    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.cli.reading import read_options
    from spiritsafe.proving.inject import inject_campaigns
    from spiritsafe.proving.inject_texts import composed_texts
    from spiritsafe.settings import load_settings

    settings = load_settings({"timezone": given.pop("timezone")})
    with progress_bar(show=not quiet and not as_json) as progress:
        result = inject_campaigns(
            logs,
            out=out,
            texts=composed_texts(prompts),
            texts_name=", ".join(path.name for path in prompts) or "bundled sample",
            options=read_options(settings, **given),
            accounts=accounts,
            account_events=account_events,
            attestations=attestations,
            sizes=sizes,
            stealths=stealth,
            repeats=repeats,
            rate_per_day=rate,
            error=error,
            power=power,
            seed=seed,
            progress=progress,
        )
    click.echo(msgspec.json.encode(result) if as_json else _told(result))


def _told(result: InjectResult) -> str:
    from spiritsafe.events.sources.storage import passed_over

    lines = [f"not read: {passed_over(result.passed_over)}"] if result.passed_over else []
    lines += [
        f"{result.requests:,} requests of {result.accounts:,} accounts over {result.days:g} days; with nothing planted "
        f"{result.baseline_accused:,} accounts are accused",
        "",
        "found: one accused group holds half of the planted accounts, and at most "
        f"{result.plan.error:.1%} of your accounts are newly accused",
        f"{'stealth':>8}{'accounts':>10}{'trials':>8}   {'found (95 %)':<20}{'noticed':<10}"
        f"{'newly accused':>14}{'exchanges each':>16}",
    ]
    lines += [
        f"{point.stealth:>8}{point.size:>10}{point.trials:>8}   "
        f"{f'{point.found.value:.0%} ({point.found.low:.0%}-{point.found.high:.0%})':<20}"
        f"{f'{point.noticed.value:.0%}':<10}{point.mean_newly_accused:>14.1f}{point.exchanges_an_account:>16.0f}"
        for point in result.points
    ]
    lines += ["noticed: half of them in one group that is accused or `coordinated_unknown`", "", result.sentence]
    return "\n".join(lines)
