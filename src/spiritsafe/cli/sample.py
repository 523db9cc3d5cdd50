"""`spiritsafe sample`: a review set of a scan, and what the review says of the scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.campaigns.review import Estimates
    from spiritsafe.campaigns.review_files import Reviewed
    from spiritsafe.stats import Interval


class SampleUsageError(UsageError):
    """Neither a review set to write nor one to read was asked for, or both."""

    code = "cli.sample"


@click.command()
@click.argument("findings", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the review set.")
@click.option("--size", type=click.IntRange(10), default=200, show_default=True, help="Accounts to look at.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw: another seed, other accounts.")
@click.option(
    "--reviewed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="A sheet that was filled in: say what it says of the scan.",
)
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The sheet's key.  [default: key.json beside the sheet]",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option("--json", "as_json", is_flag=True, help="The estimates as one JSON object.")
def sample(
    findings: Path,
    out: Path | None,
    size: int,
    seed: int,
    reviewed: Path | None,
    key: Path | None,
    confidence: float,
    as_json: bool,
) -> None:
    """Draw accounts of a scan for review, or say what a review says of the scan in FINDINGS.

    FINDINGS is the result folder of `spiritsafe scan`. The first call writes review.csv, in which nothing says
    what the scan made of an account, and key.json, which does: keep it from whoever reviews. They write
    campaign, innocent or unsure into the column `label`, from the top; the order is random, so one may stop
    anywhere. The second call prints how many of the accused are a campaign's, how many campaign accounts were
    missed, and between which bounds that is certain.

    \b
    Examples:
      spiritsafe sample findings --out review
      spiritsafe sample findings --reviewed review/review.csv
      spiritsafe sample findings --reviewed review/review.csv --json
    """
    if (out is None) == (reviewed is None):
        raise SampleUsageError("give --out to draw a review set, or --reviewed to read one", hint="one of the two")
    if out is not None:
        for line in _draw(findings, out, size=size, seed=seed):
            click.echo(line)
        return
    assert reviewed is not None
    _tell(findings, reviewed, key or reviewed.with_name("key.json"), confidence=confidence, as_json=as_json)


def _draw(findings: Path, out: Path, *, size: int, seed: int) -> Iterator[str]:
    import numpy as np

    from spiritsafe.campaigns.review import drawn, facts_of, stratified
    from spiritsafe.campaigns.review_files import KEY, SHEET, Drawn, Key, sheet, write_key
    from spiritsafe.files import staged_folder
    from spiritsafe.signals import installed_tactics

    accounts, members, digest = _findings(findings)
    strata = stratified(accounts, members)
    chosen = [(one, name) for name, ids in drawn(strata, size=size, seed=seed).items() for one in ids]
    order = np.random.default_rng([seed, 1]).permutation(len(chosen))
    rows = [Drawn(f"r{number:04}", *chosen[place]) for number, place in enumerate(order.tolist(), start=1)]
    places = {account_id: place for place, account_id in enumerate(accounts["account_id"].to_pylist())}
    tactics = [tactic.text.name for tactic in installed_tactics()]
    shown = [{"review": one.review, **facts_of(accounts, one.account_id, places, tactics)} for one in rows]
    key = Key(digest, seed, {name: len(ids) for name, ids in strata.items()}, tuple(rows))
    with staged_folder(out, kind="review", inputs=[findings]) as folder:
        (folder / SHEET).write_text(sheet(shown), encoding="utf-8")
        (folder / KEY).write_bytes(write_key(key))
    yield f"{len(rows):,} of {accounts.num_rows:,} accounts drawn, in random order."
    yield f"Fill in the column `label` of {out / SHEET}: campaign, innocent or unsure."
    yield f"Keep {out / KEY} from whoever reviews: it says what the scan made of each account."
    yield f"Then: spiritsafe sample {findings} --reviewed {out / SHEET}"


def _findings(findings: Path) -> tuple[Any, Any, str]:
    """Accounts and members of a result folder, and what identifies it."""
    import hashlib

    import pyarrow as pa
    import pyarrow.parquet as pq

    from spiritsafe.campaigns.review_files import ReviewError

    try:
        found = (findings / "accounts.parquet").read_bytes()
        accounts = pq.read_table(pa.BufferReader(found))
        return accounts, pq.read_table(findings / "members.parquet"), hashlib.sha256(found).hexdigest()
    except (OSError, pa.ArrowInvalid) as error:
        raise ReviewError(
            f"{findings} is no result of `spiritsafe scan`: {error}", hint="give the folder that scan wrote"
        ) from error


def _tell(findings: Path, reviewed: Path, key_path: Path, *, confidence: float, as_json: bool) -> None:
    import msgspec

    from spiritsafe.campaigns.review import estimates
    from spiritsafe.campaigns.review_files import ReviewError, read_key, read_sheet

    key = read_key(key_path)
    *_, digest = _findings(findings)
    if digest != key.findings_sha256:
        raise ReviewError(
            f"{key_path} is the key to another scan than {findings}",
            hint="give the findings that the sample was drawn from, or draw a new one",
        )
    found = read_sheet(reviewed, key)
    made = estimates(key.accounts, found.labels, confidence=confidence)
    if as_json:
        click.echo(msgspec.json.encode({"schema": "review/1.0", **msgspec.to_builtins(made)}, order="deterministic"))
        return
    for line in _lines(made, found):
        click.echo(line)


def _lines(made: Estimates, found: Reviewed) -> Iterator[str]:
    from spiritsafe.campaigns.review import STRATA

    yield f"{made.reviewed:,} accounts reviewed" + (f", {found.waiting:,} not yet" if found.waiting else "")
    if found.gaps:
        yield f"{found.gaps:,} rows between reviewed ones are empty and count as unsure."
    yield ""
    yield f"{'':<36}{'accounts':>10}{'reviewed':>10}{'campaign':>10}{'innocent':>10}{'unsure':>8}"
    for one in made.strata:
        yield (
            f"{STRATA[one.name]:<36}{one.accounts:>10,}{one.drawn:>10,}{one.campaign:>10,}{one.innocent:>10,}"
            f"{one.unsure:>8,}"
        )
    yield ""
    yield f"With {made.confidence:.0%} confidence:"
    if made.precision is None:
        yield "  nobody is accused"
    else:
        yield f"  of the accused, a campaign's are   {_between(made.precision, percent=True)}"
    yield f"  campaign accounts not accused      {_between(made.missed, percent=False)}"
    if made.recall is not None:
        yield f"  of campaign accounts, accused are  {_between(made.recall, percent=True)}"
    least = max(made.strata, key=lambda one: one.accounts - one.drawn)
    if least.drawn < least.accounts:
        yield (
            f"\nWhat is least certain lies among accounts {STRATA[least.name]}: {least.drawn:,} of {least.accounts:,} "
            "were reviewed. A larger --size narrows it."
        )


def _between(one: Interval, *, percent: bool) -> str:
    import math

    def said(number: float) -> str:
        return "?" if math.isnan(number) else f"{number:.1%}" if percent else f"{number:,.0f}"

    return f"{said(one.value)} ({said(one.low)} to {said(one.high)})"
