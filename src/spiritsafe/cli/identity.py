"""`spiritsafe identity`: keys, pseudonyms, and the way back that takes two persons and a reason.

Comes from the command line; goes on to `keys`, `events.identity` and `events.vault`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.identity_keys import keys
from spiritsafe.cli.identity_person import person
from spiritsafe.cli.identity_session import (
    Session,
    acting,
    guide,
    home_option,
    json_option,
    moment,
    personal_column,
    read_values,
    say_json,
)
from spiritsafe.cli.identity_table import pseudonymise
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from spiritsafe.events.looks import Look, Request
    from spiritsafe.events.vault import Identity


class ResolveUsageError(UsageError):
    """`resolve` was given both a pseudonym and a request, or neither, or lacks the reason or case."""

    code = "cli.identity.resolve"


class ForgetUsageError(UsageError):
    """`forget` was given nothing to forget, or values without their column."""

    code = "cli.identity.forget"


@click.group()
@home_option
@click.pass_context
def identity(context: click.Context, home: Path | None) -> None:
    """Keys, pseudonyms, and the two-person way back.

    `sketch`, `--pseudonymise` and everything filed or shared hold pseudonyms such as p1_8c6e...; the vault in
    the home keeps whom they stand for, encrypted. One person asks with a reason, another agrees, and only
    then the first one sees the identity, once. Every step is signed and logged.

    \b
    Once:
      spiritsafe identity init
      spiritsafe identity person add ada
      spiritsafe identity person add grace
    To resolve p1_...:
      spiritsafe identity resolve p1_... --as ada --reason "notify before suspension" --case C-12
      spiritsafe identity approve REQUEST --as grace
      spiritsafe identity resolve --request REQUEST --as ada
    To see who looked:
      spiritsafe identity log --verify
    """
    context.obj = Session(home)
    context.call_on_close(context.obj.close)


identity.add_command(keys)
identity.add_command(person)
identity.add_command(pseudonymise)


@identity.command()
@json_option
@click.pass_obj
def init(session: Session, as_json: bool) -> None:
    """Make the home, its keys and the vault. Running it again changes nothing.

    \b
    Example:
      SPIRITSAFE_HOME=/srv/spiritsafe spiritsafe identity init
    """
    from spiritsafe.keys import PURPOSES, ensure_key
    from spiritsafe.keys.model import KeyReadOnlyError

    home = session.settings.open_home()
    made = {}
    for purpose in PURPOSES:
        try:
            made[purpose] = ensure_key(session.keys, purpose)
        except KeyReadOnlyError as error:  # the environment's keys are the operator's to make
            guide(f"{purpose:10}   -  not set: {error.hint}")
    head = session.vault.verify()
    if as_json:
        say_json(home=str(home), keys={purpose: key.key_id for purpose, key in made.items()}, looks=head.looks)
        return
    for purpose, key in made.items():
        click.echo(f"{purpose:10} {key.epoch:>3}  {key.key_id}")
    guide(f"keys and vault are in {home}; back it up where only you can read it")
    guide("next: `spiritsafe identity person add NAME`, for two persons")


@identity.command()
@click.argument("pseudonym", required=False)
@click.option("--request", "request_id", metavar="ID", help="See the identity of your approved request.")
@click.option("--reason", help="Why it is needed; the second person and every later reader of the log see it.")
@click.option("--case", help="The case that it belongs to.")
@acting
@json_option
@click.pass_obj
def resolve(
    session: Session,
    pseudonym: str | None,
    request_id: str | None,
    reason: str | None,
    case: str | None,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """See whom PSEUDONYM stands for: ask first, and when a second person agreed, look.

    The first call prints the request's id. A second person approves it. The second call prints the identity,
    once; if you lose it, ask again. An address such as p1_203.0.113.7 can be resolved too. Keep identities out
    of --reason: the log is never changed.

    \b
      spiritsafe identity resolve p1_... --as ada --reason "notify before suspension" --case C-12
      spiritsafe identity approve 5f0c6a7b1e2d --as grace
      spiritsafe identity resolve --request 5f0c6a7b1e2d --as ada
    """
    if (pseudonym is None) == (request_id is None):
        raise ResolveUsageError("give a PSEUDONYM to ask for, or --request ID to look", hint="see resolve --help")
    if request_id is not None:
        signer = session.signer(name, person_file, passphrase_file, request_id=request_id)
        _look(session.vault.resolve(request_id, by=signer), as_json=as_json)
        return
    if not reason or not case:
        raise ResolveUsageError("asking needs --reason and --case", hint='--reason "notify the customer" --case C-12')
    assert pseudonym is not None
    from spiritsafe.events.pseudonyms import parse_pseudonym

    parse_pseudonym(pseudonym)
    signer = session.signer(name, person_file, passphrase_file)
    asked = session.vault.request(pseudonym, by=signer, reason=reason, case=case, hours=session.settings.resolve_hours)
    if as_json:
        _say_request(asked, asked.asked_us)
        return
    click.echo(asked.request_id)
    guide(f"open until {moment(asked.expires_us)}; now a second person runs:")
    guide(f"  spiritsafe identity approve {asked.request_id} --as NAME")


def _look(found: Identity, *, as_json: bool) -> None:
    if as_json:
        say_json(pseudonym=found.pseudonym, column=found.column, identity=found.original)
        return
    from spiritsafe.events.mapping_text import visible

    click.echo(visible(found.original))
    guide(f"is the {found.column} behind {found.pseudonym}; this request is now closed")


def _say_request(one: Request, now_us: int) -> None:
    say_json(
        request_id=one.request_id,
        state=one.state(now_us),
        pseudonym=one.pseudonym,
        by=one.by,
        approved_by=one.approved_by or None,
        reason=one.reason,
        case=one.case,
        asked_at=moment(one.asked_us),
        expires_at=moment(one.expires_us),
    )


@identity.command()
@click.argument("request_id", metavar="REQUEST")
@acting
@json_option
@click.pass_obj
def approve(
    session: Session,
    request_id: str,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Agree that the asker of REQUEST may see one identity. You must be another person.

    Shows what was asked before it wants your passphrase. You will not see the identity.

    \b
      spiritsafe identity approve 5f0c6a7b1e2d --as grace
    """
    asked = session.vault.book.history().request(request_id)
    guide(f"{asked.by} asks to see {asked.pseudonym}\n  case   {asked.case}\n  reason {asked.reason}")
    signer = session.signer(name, person_file, passphrase_file, request_id=request_id)
    done = session.vault.approve(request_id, by=signer)
    if as_json:
        _say_request(done, done.asked_us)
        return
    click.echo(f"approved {request_id}")
    guide(f"{done.by} may look until {moment(done.expires_us)}: spiritsafe identity resolve --request {request_id}")


@identity.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", required=True, help="Why not; filed with your signature.")
@acting
@click.pass_obj
def decline(
    session: Session, request_id: str, reason: str, name: str, person_file: Path | None, passphrase_file: Path | None
) -> None:
    """Say no to REQUEST, or take your own back. It can then never be approved.

    \b
      spiritsafe identity decline 5f0c6a7b1e2d --as grace --reason "no notice is due yet"
    """
    signer = session.signer(name, person_file, passphrase_file, request_id=request_id)
    session.vault.decline(request_id, by=signer, reason=reason)
    click.echo(f"declined {request_id}")


@identity.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@json_option
@click.pass_obj
def requests(session: Session, everything: bool, as_json: bool) -> None:
    """List the requests that wait for somebody.

    \b
      spiritsafe identity requests --all
    """
    from spiritsafe.events.lookbook import now_us

    now = now_us()
    for one in session.vault.book.history().requests.values():
        if not everything and one.state(now) not in {"open", "approved"}:
            continue
        if as_json:
            _say_request(one, now)
        else:
            click.echo(
                f"{one.request_id}  {one.state(now):9} {moment(one.expires_us)}  {one.by}: {one.pseudonym}  "
                f"{one.case}  {one.reason}"
            )


@identity.command()
@click.argument("pseudonyms", metavar="[PSEUDONYM]...", nargs=-1)
@click.option(
    "--values", type=click.Path(path_type=Path, allow_dash=True), help="Identities, one a line; - reads stdin."
)
@click.option("--column", help="The column that the --values are of, e.g. account_id.")
@click.option("--reason", required=True, help="Why, e.g. the erasure request's number; filed with your signature.")
@acting
@json_option
@click.pass_obj
def forget(
    session: Session,
    pseudonyms: tuple[str, ...],
    values: Path | None,
    column: str | None,
    reason: str,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Destroy the way back from PSEUDONYMs, for good. No second person is needed, and nobody can undo it.

    With --values the identities themselves are given in a file; their pseudonyms of every epoch whose key is
    still there are forgotten. What stands elsewhere (your own account tables, backups of the vault) is not
    touched: see the how-to.

    \b
      spiritsafe identity forget p1_... --as ada --reason "erasure request 88"
      spiritsafe identity forget --values ids.txt --column account_id --as ada --reason "erasure request 88"
    """
    if bool(pseudonyms) == (values is not None) or (values is None) != (column is None):
        raise ForgetUsageError("give PSEUDONYMs, or --values FILE with --column NAME", hint="see forget --help")
    wanted = list(pseudonyms)
    if values is not None and column is not None:
        found = _pseudonyms_of(session, personal_column(column), read_values(values))
        wanted = sorted(session.vault.held(found))
    if wanted:
        signer = session.signer(name, person_file, passphrase_file)
        session.vault.forget(wanted, by=signer, reason=reason)
    if as_json:
        say_json(forgotten=wanted)
        return
    for one in wanted:
        click.echo(f"{one}  forgotten")
    if not wanted:
        guide("the vault holds none of them: nothing to forget")


def _pseudonyms_of(session: Session, column: str, originals: list[str]) -> list[str]:
    """The pseudonyms of identities, under every epoch whose key is still there."""
    from spiritsafe.events.identity import Pseudonymiser

    found = []
    for info in session.keys.epochs("pseudonym"):
        if info.destroyed_us is None:
            key = session.keys.key("pseudonym", info.epoch)
            hide = Pseudonymiser(key.secret, key.key_id, epoch=key.epoch)
            found += [hide.value(column, original) for original in originals]
    return found


@identity.command()
@click.argument("values", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--column", required=True, help="The column that the values are of, e.g. account_id.")
@click.option("--reason", required=True, help="Why; filed.")
@json_option
@click.pass_obj
def pseudonym(session: Session, values: Path, column: str, reason: str, as_json: bool) -> None:
    """Print the pseudonyms of the identities in VALUES (a file, or - for stdin), one a line each.

    For the question "is this customer in that report?". It links identities to pseudonyms, so it is filed. The
    vault takes the pairs up as `sketch` would.

    \b
      echo acme-main | spiritsafe identity pseudonym - --column account_id --reason "appeal 12"
    """
    import pyarrow as pa

    from spiritsafe.events.identity import open_pseudonymiser

    column = personal_column(column)
    originals = read_values(values)
    session.vault.note("derived", f"{len(originals)} values of {column}", reason=reason)
    hide = open_pseudonymiser(session.settings)
    for hidden in hide.column(column, pa.array(originals, pa.string())).to_pylist():
        if as_json:
            say_json(column=column, pseudonym=hidden)
        else:
            click.echo(hidden)


@identity.command()
@click.option("--verify", is_flag=True, help="Check every signature, link and rule; exit 4 if one does not hold.")
@click.option("--head", help="A head noted earlier: the log must still contain it.")
@json_option
@click.pass_obj
def log(session: Session, verify: bool, head: str | None, as_json: bool) -> None:
    """Show who looked at whom, and why; with --verify, check that nobody changed it.

    A log that was cut short still verifies, so note the head now and then somewhere that this machine cannot
    write, and give it back with --head.

    \b
      spiritsafe identity log
      spiritsafe identity log --verify --head 3b1f...
    """
    if not verify and head is None:
        for look in session.vault.book.looks():
            _show(look, as_json=as_json)
        return
    found = session.vault.verify(expected_head=head or "")
    if as_json:
        say_json(head=found.head, looks=found.looks, identities=found.identities, forgotten=found.forgotten)
    else:
        click.echo(f"the log holds: {found.looks} looks, {found.identities} identities, {found.forgotten} forgotten")
        click.echo(f"head {found.head}")


def _show(look: Look, *, as_json: bool) -> None:
    import msgspec

    from spiritsafe.events.mapping_text import visible

    said = look.statement
    if as_json:
        fields = {name: value for name, value in msgspec.to_builtins(said).items() if value not in ("", [], 0)}
        say_json(**fields, at=moment(said.at_us), hash=look.hash, signature=look.signature.hex())
        return
    about = [said.request_id, " ".join(said.pseudonyms), said.person, said.detail, said.case, said.reason]
    told = visible("  ".join(part for part in about if part))
    click.echo(f"{said.seq:>4}  {moment(said.at_us)}  {said.action:14} {said.by or '-':12}  {told}")
