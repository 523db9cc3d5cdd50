"""`spiritsafe evidence`: file, prove, verify and publish; hold and erase.

Comes from the command line; goes on to `evidence`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.evidence_exhibits import keep, take
from spiritsafe.cli.evidence_personal import erase, hold
from spiritsafe.cli.evidence_session import EvidenceSession, Seal, read_file, read_records, sealing
from spiritsafe.cli.identity_session import guide, home_option, json_option, say_json

if TYPE_CHECKING:
    from spiritsafe.evidence.bundle import VerifiedEntry
    from spiritsafe.evidence.notes import VerifierKey

_BUNDLE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group()
@home_option
@click.pass_context
def evidence(context: click.Context, home: Path | None) -> None:
    """The ledger: what was recorded, and proofs that an outsider can check.

    An append-only log of what was found, decided and done. Each field can be shown or withheld on its own; what
    is about a person can be erased, and the rest still holds.

    \b
    File, sign, prove:
      echo '{"record": "note/1", "fields": {"text": "seen"}}' | spiritsafe evidence append -
      spiritsafe evidence checkpoint --publish public
      spiritsafe evidence prove 0 --out case.json
    What an outsider does, with the log's key from you and not from the file:
      spiritsafe evidence verify case.json --key "$(spiritsafe evidence keys)"
      spiritsafe evidence verifier > verify_evidence.py     the same, without us
    """
    context.obj = EvidenceSession(home)
    context.call_on_close(context.obj.close)


evidence.add_command(erase)
evidence.add_command(keep)
evidence.add_command(take)
evidence.add_command(hold)


@evidence.command()
@click.argument("records", type=_BUNDLE)
@click.option("--as", "name", metavar="NAME", help="Sign them as this person; without it a program files them.")
@click.option("--person-file", type=click.Path(path_type=Path), help="Your key file, if it is not in the home.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Read your passphrase from this file.")
@json_option
@click.pass_obj
def append(
    session: EvidenceSession,
    records: Path,
    name: str | None,
    person_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """File RECORDS, one JSON object a line (- for standard input), all of them or none.

    Of a field about somebody say whose it is: {"subject": "acct-7", "value": ...}. `spiritsafe evidence types`
    lists what may be filed.

    \b
      echo '{"record": "note/1", "fields": {"text": "seen"}}' | spiritsafe evidence append - --as ada
    """
    signer = session.signer(name, person_file, passphrase_file) if name else None
    for filed in session.ledger.append(read_records(read_file(records), signer)):
        if as_json:
            say_json(position=filed.position, id=filed.record_id)
        else:
            click.echo(f"{filed.position}  {filed.record_id}")


@evidence.command()
@json_option
def types(as_json: bool) -> None:
    """List what may be filed: each record type, and which of its fields are open, sealed or personal.

    \b
      spiritsafe evidence types --json
    """
    from spiritsafe.evidence.record_types import TYPES

    for kind in TYPES.values():
        if as_json:
            fields = {spec.name: {"visibility": spec.visibility, "many": spec.many} for spec in kind.fields}
            say_json(record=kind.full_name, what=kind.what, fields=fields)
            continue
        click.echo(f"{kind.full_name}: {kind.what}")
        for spec in kind.fields:
            click.echo(f"  {spec.visibility:9} {spec.name}{'[]' if spec.many else ''}: {spec.what}")


@evidence.command("list")
@click.option("--case", "case_id", metavar="ID", help="Of this case only.")
@click.option("--record", metavar="TYPE", help="Of this type only, e.g. finding/1.")
@json_option
@click.pass_obj
def list_entries(session: EvidenceSession, case_id: str | None, record: str | None, as_json: bool) -> None:
    """List entries in the order in which they were filed.

    \b
      spiritsafe evidence list --record erasure/1
    """
    for entry in session.ledger.entries(case_id=case_id, record=record):
        head = json.loads(entry.body)
        if as_json:
            say_json(position=entry.position, **{name: head.get(name) for name in ("id", "record", "time", "case")})
        else:
            click.echo(f"{entry.position:>8}  {head['time']}  {head['record']:16} {head['id']}  {head.get('case', '')}")


@evidence.command()
@json_option
@click.pass_obj
def keys(session: EvidenceSession, as_json: bool) -> None:
    """Print the log's public keys, newest last. Give them to whoever shall verify, by a way of their own.

    \b
      spiritsafe evidence keys
    """
    from spiritsafe.keys import ensure_key

    ensure_key(session.keys, "ledger")
    for key in session.ledger.verifier_keys():
        if as_json:
            say_json(origin=key.name, key=str(key))
        else:
            click.echo(str(key))


@evidence.command()
@click.option("--publish", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write static files there.")
@sealing
@json_option
@click.pass_obj
def checkpoint(session: EvidenceSession, folder: Path | None, seal: Seal, as_json: bool) -> None:
    """Sign the log's state; have it witnessed, time-stamped and published.

    \b
      spiritsafe evidence checkpoint --publish public
      spiritsafe evidence checkpoint --witness https://hub.example/w "hub.example/w+1a2b3c4d+BK..."
      spiritsafe evidence checkpoint --authority https://tsa.example --roots tsa.pem
    """
    from spiritsafe.evidence.published import publish

    seal.put_on(session.ledger)
    if folder is not None:
        done = publish(session.ledger, folder)
        guide(f"{done.size} entries are in {folder}; {done.files} files were written")
    note = str(session.ledger.checkpoint())
    if as_json:
        say_json(checkpoint=note)
    else:
        click.echo(note, nl=False)


@evidence.command()
@click.argument("places", nargs=-1, required=True, metavar="PLACE...")
@click.option("--out", type=_BUNDLE, required=True, help="The bundle to write (- for standard output).")
@click.option("--withhold", multiple=True, metavar="FIELD", help="Leave this field out; may be repeated.")
@click.option("--only", multiple=True, metavar="FIELD", help="Show only this field; may be repeated.")
@click.pass_obj
def prove(
    session: EvidenceSession, places: tuple[str, ...], out: Path, withhold: tuple[str, ...], only: tuple[str, ...]
) -> None:
    """Bundle entries with their proofs. A PLACE is a position or a record's id.

    The state must be signed before: `spiritsafe evidence checkpoint`. What was erased cannot be shown.

    \b
      spiritsafe evidence prove 0 1 7 --withhold members --out case.json
    """
    from spiritsafe.evidence.bundle import make_bundle
    from spiritsafe.files import write_atomically

    positions = [session.ledger.entry(int(place) if place.isdigit() else place).position for place in places]
    data = make_bundle(
        session.ledger,
        positions,
        show=lambda _head, opening: opening.field not in withhold and (not only or opening.field in only),
    )
    if str(out) == "-":
        click.echo(data)
        return
    write_atomically(out, data)
    guide(f"{len(positions)} entries are in {out}; send the log's key by another way: `spiritsafe evidence keys`")


@evidence.command()
@click.argument("bundle", type=_BUNDLE, required=False)
@click.option(
    "--key", "trusted", multiple=True, metavar="NAME+ID+KEY", help="Keys of logs and witnesses that you trust."
)
@click.option("--witnesses", type=click.IntRange(0), default=0, show_default=True, help="How many must have cosigned.")
@click.option("--roots", type=_BUNDLE, help="Root certificates, PEM, of the time-stamp authorities that you trust.")
@json_option
@click.pass_obj
def verify(
    session: EvidenceSession,
    bundle: Path | None,
    trusted: tuple[str, ...],
    witnesses: int,
    roots: Path | None,
    as_json: bool,
) -> None:
    """Verify a BUNDLE of anybody's log; without one, this home's whole ledger.

    Leaves with 4 where something does not hold. That a record was filed and not altered is proved; that what it
    says is true is not.

    \b
      spiritsafe evidence verify case.json --key "provider.example/ledger+1a2b3c4d+AR..."
      spiritsafe evidence verify
    """
    from spiritsafe.evidence.notes import parse_verifier_key

    if bundle is None:
        _verify_home(session, as_json=as_json)
        return
    if not trusted:
        raise click.UsageError("say whom you trust with --key; a file cannot vouch for itself")
    from spiritsafe.evidence.bundle import read_bundle, verify_bundle, verify_timestamps

    given = read_bundle(read_file(bundle))
    keys_trusted: list[VerifierKey] = [parse_verifier_key(key) for text in trusted for key in text.split()]
    found = verify_bundle(given, keys_trusted, witnesses=witnesses)
    stamps = verify_timestamps(given, keys_trusted, roots=read_file(roots)) if roots is not None else []
    for entry in found:
        _tell_entry(entry, as_json=as_json)
    for stamp, moment in stamps:
        if as_json:
            say_json(size=stamp.size, authority=stamp.authority, stamped_at=moment.isoformat())
        else:
            click.echo(f"the state of {stamp.size} entries was there at {moment:%Y-%m-%d %H:%M:%S}Z: {stamp.authority}")
    if given.timestamps and roots is None:
        guide(f"{len(given.timestamps)} time-stamps were not checked: give the authority's certificates with --roots")
    guide(f"verified: {len(found)} entries")


def _verify_home(session: EvidenceSession, *, as_json: bool) -> None:
    from spiritsafe.cli.progress import progress_bar
    from spiritsafe.evidence.audit import audit_ledger

    with progress_bar(show=not as_json) as tell:
        done = audit_ledger(session.ledger, progress=lambda at, total: tell("entries", at, total))
    if as_json:
        say_json(entries=done.entries, checkpoints=done.checkpoints, newest_size=done.newest_size)
    else:
        click.echo(f"{done.entries} entries and {done.checkpoints} signed states are in order")


def _tell_entry(entry: VerifiedEntry, *, as_json: bool) -> None:
    if as_json:
        say_json(
            index=entry.index,
            size=entry.size,
            witnesses=entry.witnesses,
            entry=entry.head,
            shown=entry.shown,
            withheld=entry.withheld,
            signer=entry.signer,
        )
        return
    from spiritsafe.events.mapping_text import visible

    click.echo(f"entry {entry.index} of {entry.size}, seen by {len(entry.witnesses)} witnesses")
    opened = {name: value for name, value in entry.head.items() if name not in {"open", "schema"}}
    shown = entry.head["open"]
    told = {**opened, **(shown if isinstance(shown, dict) else {}), **entry.shown}
    told.pop("signature", None)
    for name, value in told.items():
        click.echo(f"  {visible(name)}: {visible(json.dumps(value, ensure_ascii=False))}")
    for name in entry.withheld:
        click.echo(f"  {name}: withheld or erased")
    if entry.signer is not None:
        click.echo(f"  signed by {visible(entry.signer[0])} with the key {visible(entry.signer[1])}")


@evidence.command()
def verifier() -> None:
    """Print the verifier that needs nothing of ours: one file, for Python 3.9 or later without any package.

    \b
      spiritsafe evidence verifier > verify_evidence.py
      python3 verify_evidence.py case.json --key "provider.example/ledger+1a2b3c4d+AR..."
    """
    from importlib.resources import files

    click.echo(files("spiritsafe.evidence").joinpath("standalone.py").read_text("utf-8"), nl=False)


@evidence.command()
@click.argument("request", type=_BUNDLE)
@click.option("--name", required=True, help="Your name as a witness, e.g. hub.example/w1.")
@click.option("--log", "logs", multiple=True, required=True, metavar="NAME+ID+KEY", help="A log that you witness.")
@click.pass_obj
def cosign(session: EvidenceSession, request: Path, name: str, logs: tuple[str, ...]) -> None:
    """Be a witness: answer another log's REQUEST (c2sp.org/tlog-witness) with a cosignature, or refuse.

    The newest state of each log is kept in the home, and only what grew out of it is cosigned. For logs that
    cannot ask over a network; a hub answers the same over HTTP.

    \b
      spiritsafe evidence cosign request.txt --name hub.example/w1 --log "provider.example/ledger+1a2b3c4d+AR..."
    """
    from spiritsafe.evidence.notes import COSIGNATURE, SignerKey, parse_verifier_key
    from spiritsafe.evidence.witness import Witness, WitnessRefusedError
    from spiritsafe.keys import ensure_key

    secret = ensure_key(session.keys, "ledger").derive(f"witness {name}")
    signer = SignerKey(name, secret, COSIGNATURE)
    witness = Witness(session.settings.open_home() / "witness.db", signer, [parse_verifier_key(log) for log in logs])
    answer = witness.add_checkpoint(read_file(request), at_s=int(time.time()))
    guide(f"the key of {name}: {signer.verifier}")
    if answer.status != 200:
        raise WitnessRefusedError(
            f"refused with {answer.status}: {answer.body.decode('utf-8', 'replace').strip()}",
            hint="see c2sp.org/tlog-witness for what the status means",
        )
    click.echo(answer.body.decode(), nl=False)
