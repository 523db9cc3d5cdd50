"""`spiritsafe prove score`: how good was a scan, on traffic whose truth is known?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.proving.score import Scorecard

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("world", type=_FOLDER, required=False)
@click.argument("scans", type=_FOLDER, nargs=-1)
@click.option(
    "--pair", "pairs", multiple=True, metavar="WORLD:SCAN", help="A world and its scan, to be pooled. Repeatable."
)
@click.option(
    "--prevalence",
    "prevalences",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    multiple=True,
    default=(0.01, 0.001),
    show_default=True,
    help="State precision for this share of campaign accounts. Repeatable.",
)
@click.option(
    "--first-flag",
    is_flag=True,
    help="When was it noticed? Also scans WORLD cut off by the hour, with the tables that SCAN read. SCAN must be of "
    "this version and of the whole world's own files.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap and the permutations.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for score.json and score.txt.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a scorecard, one a line.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def score(
    world: Path | None,
    scans: tuple[Path, ...],
    pairs: tuple[str, ...],
    prevalences: tuple[float, ...],
    first_flag: bool,
    seed: int,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score scans of a composed WORLD against its truth: innocents flagged beside campaigns found.

    Each of SCANS is a result folder of `spiritsafe scan` on WORLD and gets a scorecard of its own. Pairs given
    with --pair are pooled into one scorecard, which is how a rate comes to rest on enough accounts: it is
    claimed from 3,000 independent accounts of 30 organisations a look-alike on, and stands with its one-sided
    95 % bound.

    \b
    Examples:
      spiritsafe prove --seed 1 --out world
      spiritsafe scan world/requests.parquet --accounts world/accounts.parquet --out found
      spiritsafe prove score world found
      spiritsafe prove score world found --first-flag --json
      spiritsafe prove score --pair w1:f1 --pair w2:f2 --pair w3:f3 --out scorecard
    """
    import msgspec

    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.files import check_folder, staged_folder
    from spiritsafe.proving.score_report import score_text

    wanted = _wanted(world, scans, pairs)
    if out is not None:
        check_folder(out, kind="score", inputs=[folder for one in wanted for pair in one for folder in pair])
    with progress_bar(show=not quiet and not as_json) as progress:
        cards = [
            _scorecard(one, prevalences=prevalences, first_flag=first_flag, seed=seed, progress=progress)
            for one in wanted
        ]
    encode = msgspec.json.Encoder(order="deterministic").encode
    if out is not None:
        with staged_folder(out, kind="score") as folder:
            (folder / "score.json").write_bytes(b"".join(encode(card) + b"\n" for card in cards))
            (folder / "score.txt").write_text("\n\n".join(map(score_text, cards)) + "\n", encoding="utf-8")
    for number, card in enumerate(cards):
        if as_json:
            click.echo(encode(card))
        else:
            click.echo(("\n" if number else "") + score_text(card))


class PairsError(UsageError):
    """The worlds and scans to be scored were not given, or cannot be put in pairs."""

    code = "cli.pairs"


def _wanted(world: Path | None, scans: tuple[Path, ...], pairs: tuple[str, ...]) -> list[list[tuple[Path, Path]]]:
    """The (world, scan) pairs of each scorecard."""
    pooled: list[tuple[Path, Path]] = []
    for pair in pairs:
        one, colon, other = pair.rpartition(":")
        if not colon or not Path(one).is_dir() or not Path(other).is_dir():
            raise PairsError(f"--pair {pair} names no two folders", hint="write --pair WORLD:SCAN")
        pooled.append((Path(one), Path(other)))
    if world is not None and not scans:
        raise PairsError(f"no scan of {world} is given", hint="spiritsafe prove score WORLD SCAN")
    if world is not None and pooled and len(scans) > 1:
        raise PairsError("several SCANS and --pair cannot be pooled", hint="give every pair with --pair")
    if pooled:
        return [[*([] if world is None else [(world, scans[0])]), *pooled]]
    if world is None:
        raise PairsError("nothing to score", hint="spiritsafe prove score WORLD SCAN, or --pair WORLD:SCAN")
    return [[(world, scan)] for scan in scans]


def _scorecard(
    pairs: list[tuple[Path, Path]],
    *,
    prevalences: tuple[float, ...],
    first_flag: bool,
    seed: int,
    progress: Callable[[str, float, float], None],
) -> Scorecard:
    import msgspec

    from spiritsafe.proving.score import score as score_judged
    from spiritsafe.proving.score_exchanges import first_flags
    from spiritsafe.proving.score_rescan import scanner
    from spiritsafe.proving.score_scan import load_judged

    named = [(str(world), str(scan)) for world, scan in pairs]
    judged = load_judged(pairs)
    rescans = [scanner(world, scan) for world, scan in pairs] if first_flag else []
    card = score_judged(judged, pairs=named, prevalences=prevalences, seed=seed)
    flags = [
        msgspec.structs.replace(flag, campaign_id=f"{number}/{flag.campaign_id}")
        for number, ((world, _), rescan) in enumerate(zip(pairs, rescans, strict=False))
        for flag in first_flags(world, rescan, progress=progress)
    ]
    return msgspec.structs.replace(card, first_flags=tuple(flags))
