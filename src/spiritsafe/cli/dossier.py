"""`spiritsafe dossier`: a case put before a court or an office, from its ledger entries alone.

Comes from the command line; goes on to `dossier`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.case_session import Act, CaseSession, deciding
from spiritsafe.cli.evidence_session import Seal, sealing
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json

if TYPE_CHECKING:
    from spiritsafe.dossier.building import Terms
    from spiritsafe.dossier.model import Dossier
    from spiritsafe.keys.persons import Signer

MARKINGS = ("clear", "green", "amber", "amber+strict", "red")


@click.command()
@click.argument("case")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for it; an earlier dossier there is replaced whole."
)
@click.option("--leaves", is_flag=True, help="The version that is meant to leave the firm: without what may not.")
@click.option("--marking", type=click.Choice(MARKINGS), default="amber+strict", show_default=True, help="TLP 2.0.")
@click.option("--legal-basis", default="", help="On which basis it is handed over, in words of your counsel.")
@click.option("--read", "reading", is_flag=True, help="Say that you read what it says now, as the second person.")
@click.option("--reason", default="", help="With --read: what you found.")
@sealing
@json_option
@home_option
@deciding
@click.pass_context
def dossier(
    context: click.Context, _session: object, act: Act, case: str, out: Path | None, leaves: bool, marking: str,
    legal_basis: str, reading: bool, reason: str, seal: Seal, as_json: bool, home: Path | None,
) -> None:  # fmt: skip
    """Put CASE before a court or an office: twelve parts, as HTML, PDF and JSON, each entry with its proof.

    Nothing is said that the ledger does not hold. It is a draft until a second registered person has read just what it
    says (--read). Likelihood mixed with confidence, reasoning from nationality, a claim without other explanations and,
    in a version that leaves, prices, volumes, customers and prompt text are refused.

    \b
      spiritsafe dossier 1 --out dossier --as ada
      spiritsafe dossier 1 --read --reason "each claim stands on its own" --as bob
      spiritsafe dossier 1 --leaves --marking amber --legal-basis "18 U.S.C. 1030" --out paper --as ada \\
        --authority https://tsa.example --roots tsa.pem
    """
    session = CaseSession(home)
    context.call_on_close(session.close)
    if reading == (out is not None):
        raise click.UsageError("give --out, or --read to say that you read it")
    signer = act.signer(session)
    with session.book.doing() as doing:
        doing.check_person(signer)
    case_id = _case_id(session, case)
    if reading:
        from spiritsafe.dossier.building import file_reading

        digest = file_reading(
            session.ledger, case_id, leaves=leaves, reason=reason, signer=signer, irregular=_irregular(session)
        )
        guide(f"{act.name} read what the dossier of case {case} says now: {digest}")
        return
    assert out is not None
    from spiritsafe.dossier.building import Terms

    made = _drawn(session, signer, case_id, Terms(leaves, f"TLP:{marking.upper()}", legal_basis), seal, out)
    if as_json:
        head = made.header
        say_json(
            folder=str(out), case_id=case_id, draft=head.is_draft, content_sha256=head.content_sha256,
            entries=head.entries,
        )  # fmt: skip
        return
    click.echo(f"{out}/dossier.pdf, dossier.html, dossier.json; bundle.json proves what they say")
    if made.header.is_draft:
        guide(
            f"a draft: a second person reads it and runs `spiritsafe dossier {case}{' --leaves' * leaves} --read`, "
            "then draw it up again"
        )


def _drawn(session: CaseSession, signer: Signer, case_id: str, terms: Terms, seal: Seal, out: Path) -> Dossier:
    from spiritsafe.cases.persons import VaultPersons
    from spiritsafe.dossier.building import draw_up
    from spiritsafe.dossier.rendering import write_dossier
    from spiritsafe.files import check_folder

    check_folder(out, kind="dossier")
    persons = VaultPersons(session.vault)
    made = draw_up(
        session.ledger, case_id, terms, signer=signer, irregular=_irregular(session),
        is_registered=lambda name, key, at_us: persons.key_of(name, at_us) == key,
        seal=lambda: seal.put_on(session.ledger),
    )  # fmt: skip
    write_dossier(session.ledger, made, out)
    return made


def _irregular(session: CaseSession) -> frozenset[int]:
    """Places of records that break a rule, and so changed nothing."""
    return frozenset(position for position, *_ in session.book.irregular())


def _case_id(session: CaseSession, case: str) -> str:
    from spiritsafe.cases.lookups import find_current

    with session.book.reading() as tables:
        return find_current(tables, case).case_id
