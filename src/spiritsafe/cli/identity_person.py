"""`spiritsafe identity person`: who may ask, agree and forget.

Comes from `cli.identity`; goes on to `keys.persons` and `events.vault`.
"""

from __future__ import annotations

from pathlib import Path

import click

from spiritsafe.cli.identity_session import Session, acting, guide, json_option, moment, passphrase_of, say_json
from spiritsafe.errors import UsageError


class PersonFileExistsError(UsageError):
    """A key file stands where the new person's should go."""

    code = "cli.identity.person_file"


@click.group()
def person() -> None:
    """Register the persons who may ask to resolve an identity, agree to it, or have one forgotten.

    The first two register themselves; each later one needs a sponsor who is registered, so that nobody can
    bring an accomplice in quietly. Every registration is in the log.

    \b
      spiritsafe identity person add ada
      spiritsafe identity person add grace
      spiritsafe identity person add alan --sponsor ada
      spiritsafe identity person list
    """


@person.command()
@click.argument("name")
@click.option("--sponsor", metavar="NAME", help="A registered person who vouches; needed from the third person on.")
@click.option("--person-file", type=click.Path(path_type=Path), help="Where to keep the key, if not in the home.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Read the new passphrase from here.")
@click.option("--sponsor-file", type=click.Path(path_type=Path), help="The sponsor's key file.")
@click.option("--sponsor-passphrase-file", type=click.Path(path_type=Path), help="Read the sponsor's passphrase here.")
@json_option
@click.pass_obj
def add(
    session: Session,
    name: str,
    sponsor: str | None,
    person_file: Path | None,
    passphrase_file: Path | None,
    sponsor_file: Path | None,
    sponsor_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Register NAME and make their key.

    The key file opens only with the passphrase; a lost passphrase cannot be recovered. NAME is written into
    the log for good. With --person-file the key can stand on a disk that NAME carries away.

    \b
      spiritsafe identity person add alan --sponsor ada
    """
    from spiritsafe.keys.guarded import create_whole, make_private_folder
    from spiritsafe.keys.persons import new_person

    path = person_file or session.person_path(name)
    if path.exists():
        raise PersonFileExistsError(f"{path} is there already", hint="choose another name or --person-file")
    vouching = session.signer(sponsor, sponsor_file, sponsor_passphrase_file) if sponsor else None
    data, signer = new_person(name, passphrase_of(name, passphrase_file, new=True))
    if person_file is None:
        make_private_folder(path.parent)
    # The file first: a registered person without a key would hold the name for ever.
    if not create_whole(path, data):
        raise PersonFileExistsError(f"{path} is there already", hint="choose another name or --person-file")
    try:
        session.vault.add_person(signer, sponsor=vouching)
    except BaseException:
        path.unlink()
        raise
    if as_json:
        say_json(name=name, public_key=signer.public_key.hex(), sponsor=sponsor, person_file=str(path))
    else:
        click.echo(name)
        guide(f"the key of {name} is in {path}; keep the passphrase, nobody can reset it")


@person.command("list")
@json_option
@click.pass_obj
def list_persons(session: Session, as_json: bool) -> None:
    """List who is registered, since when, and who vouched. Verifies the log on the way.

    \b
      spiritsafe identity person list
    """
    for one in session.vault.book.history().persons.values():
        state = "active" if one.retired_us is None else "retired"
        vouched = None if one.sponsor == one.name else one.sponsor
        if as_json:
            say_json(
                name=one.name,
                public_key=one.public_key.hex(),
                sponsor=vouched,
                state=state,
                added_at=moment(one.added_us),
                retired_at=moment(one.retired_us) or None,
            )
        else:
            by = f"vouched for by {vouched}" if vouched else "registered themselves"
            click.echo(f"{one.name:20} {state:8} {moment(one.added_us)}  {one.public_key.hex()[:16]}  {by}")


@person.command()
@click.argument("leaving", metavar="PERSON")
@click.option("--reason", required=True, help="Why; filed with your signature.")
@acting
@click.pass_obj
def retire(
    session: Session, leaving: str, reason: str, name: str, person_file: Path | None, passphrase_file: Path | None
) -> None:
    """End PERSON's part. Requests that they approved and nobody used are void.

    \b
      spiritsafe identity person retire alan --as ada --reason "left the company"
    """
    signer = session.signer(name, person_file, passphrase_file)
    session.vault.retire_person(leaving, by=signer, reason=reason)
    click.echo(f"{leaving} is retired")
