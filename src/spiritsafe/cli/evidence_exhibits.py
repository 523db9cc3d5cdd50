"""`spiritsafe evidence keep`, `take`: files that are kept with the ledger, and taken out again.

Comes from `cli.evidence`; goes on to `evidence.exhibits`.
"""

from __future__ import annotations

from pathlib import Path

import click

from spiritsafe.cli.evidence_session import EvidenceSession, read_file
from spiritsafe.cli.identity_session import acting, guide

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--title", required=True, help="What it shows.")
@click.option("--source", required=True, help="Where it came from and how it was taken.")
@click.option("--media-type", default="application/octet-stream", show_default=True, help="What the bytes are.")
@acting
@click.pass_obj
def keep(
    session: EvidenceSession, file: Path, title: str, source: str, media_type: str, name: str,
    person_file: Path | None, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Keep FILE with the ledger and file its digest: a contract, a list, a plan. It must be about nobody.

    What is about a person belongs to a case, where it can be erased.

    \b
      spiritsafe evidence keep plan.pdf --title "the test plan" --source "model security" --as ada
    """
    from spiritsafe.evidence.exhibits import Exhibits

    signer = session.signer(name, person_file, passphrase_file)
    exhibits = Exhibits(session.ledger)
    try:
        data = read_file(file)
        filed = exhibits.keep(data, media_type=media_type, title=title, source=source, signer=signer)
    finally:
        exhibits.close()
    guide(f"entry {filed.position}: {len(data):,} bytes")
    click.echo(filed.record_id)


@click.command()
@click.argument("sha256")
@click.option("--out", type=_FILE, required=True, help="Where it goes (- for standard output).")
@click.pass_obj
def take(session: EvidenceSession, sha256: str, out: Path) -> None:
    """Take out the exhibit with this SHA256, held to its digest.

    \b
      spiritsafe evidence take 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --out plan.pdf
    """
    from spiritsafe.evidence.exhibits import Exhibits
    from spiritsafe.files import write_atomically

    exhibits = Exhibits(session.ledger)
    try:
        data = exhibits.read(sha256)
    finally:
        exhibits.close()
    if str(out) == "-":
        click.echo(data, nl=False)
    else:
        write_atomically(out, data)
