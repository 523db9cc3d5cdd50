"""`spiritsafe prove audit`: does a composed world give its campaigns away?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("world_a", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("world_b", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--stealth", type=click.IntRange(0, 4), default=1, show_default=True, help="Judge campaigns from this level up."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for audit.json and audit.txt.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def audit(world_a: Path, world_b: Path, stealth: int, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Fail two composed worlds that a fool could solve.

    Judges that see one account at a time learn on WORLD_A and are judged on WORLD_B: every column, every
    aggregate of an account, a language model's perplexity, the words, and gradient boosting over all of it. If
    one of them passes AUC 0.99, or recall 0.5 at precision 0.99, no figure measured on these worlds says
    anything about finding accounts that act as one. Then the command leaves with exit code 4 and names the tell.

    Needs scikit-learn: pip install 'spiritsafe[prove]'

    \b
    Examples:
      spiritsafe prove --seed 1 --out one && spiritsafe prove --seed 2 --out two
      spiritsafe prove audit one two
      spiritsafe prove audit one two --stealth 2 --json | jq '.checks[] | select(.auc > 0.9)'
    """
    import msgspec

    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.files import check_folder, staged_folder
    from spiritsafe.proving.audit import LeakError, audit_worlds
    from spiritsafe.proving.audit_report import audit_text

    if out is not None:
        check_folder(out, kind="audit", inputs=(world_a, world_b))
    with progress_bar(show=not quiet and not as_json) as progress:
        report = audit_worlds(world_a, world_b, stealth=stealth, progress=progress)
    written = msgspec.json.format(msgspec.json.encode(report), indent=2)
    if out is not None:
        with staged_folder(out, kind="audit") as folder:
            (folder / "audit.json").write_bytes(written)
            (folder / "audit.txt").write_text(audit_text(report) + "\n", encoding="utf-8")
    click.echo(written if as_json else audit_text(report))
    if not report.passed:
        worst = report.leaks[0].name if report.leaks else "labels dealt at random"
        raise LeakError(
            f"{len(report.leaks)} judges of single accounts solve these worlds; the worst: {worst}",
            hint="mend the composer so that campaigns draw this from the same sampler as honest developers",
        )
