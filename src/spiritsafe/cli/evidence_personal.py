"""`spiritsafe evidence erase` and `hold`: what is about a person, forgotten or kept from being forgotten.

Comes from `cli.evidence`; goes on to `evidence.erasure`.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.identity_session import acting, guide, json_option, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.cli.evidence_session import EvidenceSession


@click.command()
@click.option("--case", "case_id", required=True, metavar="ID", help="The case.")
@click.option("--subject", required=True, help="Account, organisation or person, as it is known in the case.")
@click.option("--basis", required=True, help="On whose request, and on which ground.")
@acting
@json_option
@click.pass_obj
def erase(
    session: EvidenceSession,
    case_id: str,
    subject: str,
    basis: str,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Destroy what opens everything about SUBJECT in a case. It cannot be undone.

    The log keeps that it was done, and every proof still holds. Refused while a legal hold is in force. Backups of
    the home are not reached: erase there too, or let them expire.

    \b
      spiritsafe evidence erase --case 0190... --subject acct-7 --basis "art. 17 request of 3 May" --as ada
    """
    from spiritsafe.evidence.erasure import erase_subject
    from spiritsafe.evidence.records import now_us

    signer = session.signer(name, person_file, passphrase_file)
    filed = erase_subject(session.ledger, case_id, subject, basis=basis, signer=signer, at_us=now_us())
    if as_json:
        say_json(position=filed.position, id=filed.record_id)
    else:
        click.echo(f"{filed.position}  {filed.record_id}")
    guide(f"{subject} is erased from case {case_id}; backups of the home still hold it")


@click.group()
def hold() -> None:
    """Legal holds: keep a case's personal data from erasure until a day.

    \b
      spiritsafe evidence hold place --case 0190... --until 2027-05-01 --owner counsel --reason "trial" --as ada
      spiritsafe evidence hold release HOLD --owner counsel --reason "settled" --as ada
    """


@hold.command()
@click.option("--case", "case_id", required=True, metavar="ID", help="The case.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day on which it ends, UTC.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Why.")
@acting
@json_option
@click.pass_obj
def place(
    session: EvidenceSession,
    case_id: str,
    until: datetime.datetime,
    owner: str,
    reason: str,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Place a hold on a case; prints the hold's id.

    \b
      spiritsafe evidence hold place --case 0190... --until 2027-05-01 --owner counsel --reason "trial" --as ada
    """
    from spiritsafe.evidence.erasure import place_hold
    from spiritsafe.evidence.records import now_us

    signer = session.signer(name, person_file, passphrase_file)
    expires_us = int(until.replace(tzinfo=datetime.UTC).timestamp()) * 1_000_000
    found = place_hold(
        session.ledger, case_id, owner=owner, reason=reason, expires_us=expires_us, signer=signer, at_us=now_us()
    )
    if as_json:
        say_json(hold=found)
    else:
        click.echo(found)


@hold.command()
@click.argument("hold_id", metavar="HOLD")
@click.option("--owner", required=True, help="Who answers for its end.")
@click.option("--reason", required=True, help="Why.")
@acting
@click.pass_obj
def release(
    session: EvidenceSession,
    hold_id: str,
    owner: str,
    reason: str,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
) -> None:
    """End a hold before its day.

    \b
      spiritsafe evidence hold release 0190... --owner counsel --reason "settled" --as ada
    """
    from spiritsafe.evidence.erasure import release_hold
    from spiritsafe.evidence.records import now_us

    signer = session.signer(name, person_file, passphrase_file)
    release_hold(session.ledger, hold_id, owner=owner, reason=reason, signer=signer, at_us=now_us())
    guide(f"the hold {hold_id} is released")
