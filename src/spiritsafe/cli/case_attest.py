"""`spiritsafe case attest`: who vouches for whom.

Comes from `cli.case`; goes on to `cases.attestations`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from spiritsafe.cases.model import ATTESTATION_KINDS
from spiritsafe.cli.case_session import Act, CaseSession, deciding, reason_option, utc_us
from spiritsafe.cli.identity_session import guide, json_option, moment, say_json


def _terms(command: Any) -> Any:
    for option in (
        click.option("--until", required=True, metavar="DAY", help="When it ends, UTC, e.g. 2027-06-30."),
        click.option("--from", "since", metavar="DAY", help="From when it holds, UTC; from now by default."),
        reason_option,
        click.option("--owner", required=True, help="Who answers for it, e.g. partnerships@provider.example."),
        click.option("--kind", type=click.Choice(ATTESTATION_KINDS), required=True, help="Which kind."),
    ):
        command = option(command)
    return command


@click.group()
def attest() -> None:
    """Attestations: somebody with a name vouches for an account or a verified organisation, until a day.

    Nothing is done to whom an attestation protects, and `scan --attestations` reads what `export` writes.

    \b
      spiritsafe case attest give ORG --kind reseller --owner partnerships@provider.example \\
        --until 2027-06-30 --reason "contract 77" --as ada
      spiritsafe case attest export attestations.parquet
    """


@attest.command()
@click.argument("subject", metavar="PSEUDONYM")
@_terms
@json_option
@deciding
def give(session: CaseSession, act: Act, subject: str, as_json: bool, **terms: Any) -> None:
    """Vouch for an account or a verified organisation.

    \b
      spiritsafe case attest give p1_0af3be35a65b32f6ae25ade14522b88f --kind academic --owner "Dr Lee" \\
        --until 2027-06-30 --reason "course CS224, register entry 5" --as ada
    """
    from spiritsafe.cases.attestations import attest as file_attestation

    found = file_attestation(session.book, subject, _read(session, terms), signer=act.signer(session))
    if as_json:
        say_json(attestation=found)
    else:
        click.echo(found)


@attest.command()
@click.argument("attestation", metavar="ID")
@_terms
@deciding
def change(session: CaseSession, act: Act, attestation: str, **terms: Any) -> None:
    """Give an attestation other terms.

    \b
      spiritsafe case attest change 01a22cfe-4a16-715f-9351-22c5b15a672f --kind academic --owner "Dr Lee" \\
        --until 2027-12-31 --reason "the course runs again" --as ada
    """
    from spiritsafe.cases.attestations import change_attestation

    change_attestation(session.book, attestation, _read(session, terms), signer=act.signer(session))
    click.echo(f"{attestation}: changed")


@attest.command()
@click.argument("attestation", metavar="ID")
@reason_option
@deciding
def withdraw(session: CaseSession, act: Act, attestation: str, reason: str) -> None:
    """End an attestation now.

    \b
      spiritsafe case attest withdraw 01a22cfe-4a16-715f-9351-22c5b15a672f --reason "contract ended" --as ada
    """
    from spiritsafe.cases.attestations import withdraw_attestation

    withdraw_attestation(session.book, attestation, reason=reason, signer=act.signer(session))
    click.echo(f"{attestation}: withdrawn")


@attest.command("list")
@click.option("--all", "all_", is_flag=True, help="Those that ended or were withdrawn, too.")
@json_option
@click.pass_obj
def list_(session: CaseSession, all_: bool, as_json: bool) -> None:
    """List attestations.

    \b
      spiritsafe case attest list
    """
    from spiritsafe.cases.lookups import attestations_in

    with session.book.reading() as tables:
        found = attestations_in(tables, at_us=None if all_ else session.book.now_us)
    for one in found:
        if as_json:
            say_json(**asdict(one))
            continue
        state = "withdrawn" if one.withdrawn else f"until {moment(one.expires_us)[:10]}"
        click.echo(f"{one.attestation_id}  {one.subject}  {one.kind}, {one.owner}, {state}: {one.reason}")


@attest.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def export(session: CaseSession, out: Path) -> None:
    """Write attestations to OUT (Parquet), for `scan --attestations`.

    Subjects are pseudonyms: they join with a log under the same key (`scan --pseudonymise`, `sketch`).

    \b
      spiritsafe case attest export attestations.parquet
    """
    from spiritsafe.cases.attestations import attestations_table
    from spiritsafe.cases.lookups import attestations_in
    from spiritsafe.files import write_parquet

    with session.book.reading() as tables:
        table = attestations_table(attestations_in(tables))
    write_parquet(table, out, "attestations/1.0")
    guide(f"{table.num_rows} attestations are in {out}")


def _read(session: CaseSession, terms: dict[str, Any]) -> Any:
    from spiritsafe.cases.attestations import Terms

    begins = utc_us(terms["since"]) if terms["since"] else session.book.now_us
    return Terms(terms["kind"], terms["owner"], terms["reason"], begins, utc_us(terms["until"]))
