"""`spiritsafe identity keys`: see, rotate and destroy keys. The secrets themselves are never shown.

Comes from `cli.identity`; goes on to `keys` and, for the vault's key, to `events.vault`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from spiritsafe.cli.identity_session import Session, acting, guide, json_option, moment, say_json
from spiritsafe.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.events.vault import Vault
    from spiritsafe.keys import KeyInfo

_DAY_US = 86_400_000_000
_PURPOSES = ("pseudonym", "sketch", "vault", "ledger", "exports")


class KeyInUseError(UsageError):
    """The key still opens something, or the confirmation names another key."""

    code = "cli.identity.key"


@click.group()
def keys() -> None:
    """See, rotate and destroy keys.

    A key has a purpose and an epoch. `rotate` makes the next epoch; older epochs still open what they closed
    until they are destroyed. Pseudonyms of two epochs cannot be compared: rotate between scans, never within one.

    \b
      spiritsafe identity keys list
      spiritsafe identity keys rotate pseudonym
      spiritsafe identity keys destroy vault 1 --confirm k0123456789abcdef --as ada --reason "rotated, backups expire"
    """


@keys.command("list")
@json_option
@click.pass_obj
def list_keys(session: Session, as_json: bool) -> None:
    """List every key: purpose, epoch, public name, age, and what became of it.

    \b
      spiritsafe identity keys list --json
    """
    for purpose in _PURPOSES:
        known = session.keys.epochs(purpose)
        newest = max((info.epoch for info in known if info.destroyed_us is None), default=0)
        for info in known:
            state = _state(info, newest, session.settings.key_epoch_days)
            if as_json:
                say_json(
                    purpose=purpose,
                    epoch=info.epoch,
                    key_id=info.key_id,
                    state=state,
                    created_at=moment(info.created_us) or None,
                    destroyed_at=moment(info.destroyed_us) or None,
                )
            else:
                click.echo(f"{purpose:10} {info.epoch:>3}  {info.key_id}  {moment(info.created_us):20}  {state}")
        if not known and not as_json:
            click.echo(f"{purpose:10}   -  no key yet")


def _state(info: KeyInfo, newest: int, epoch_days: int) -> str:
    if info.destroyed_us is not None:
        return "destroyed"
    if info.epoch != newest:
        return "older"
    due = info.created_us is not None and time.time_ns() // 1000 - info.created_us > epoch_days * _DAY_US
    return "due for rotation" if due else "current"


@keys.command()
@click.argument("purpose", type=click.Choice(_PURPOSES))
@json_option
@click.pass_obj
def rotate(session: Session, purpose: str, as_json: bool) -> None:
    """Make the next epoch of PURPOSE's key.

    Rotating `vault` also wraps every identity anew, so that the older vault key opens nothing here any more
    and can be destroyed; that makes older backups of the vault unreadable.

    \b
      spiritsafe identity keys rotate vault
    """
    known = session.keys.epochs(purpose)
    key = session.keys.rotate(purpose, after=known[-1].epoch if known else 0)
    session.vault.note("key_rotated", f"{purpose} {key.epoch} {key.key_id}")
    rewrapped = _rewrap(session.vault) if purpose == "vault" else 0
    if as_json:
        say_json(purpose=purpose, epoch=key.epoch, key_id=key.key_id, rewrapped=rewrapped)
        return
    click.echo(f"{purpose:10} {key.epoch:>3}  {key.key_id}")
    if purpose == "vault":
        guide(f"{rewrapped} identities are wrapped anew; older vault keys may now be destroyed")
    if purpose == "pseudonym":
        guide(f"new pseudonyms begin with p{key.epoch}_; do not compare them with older ones")


def _rewrap(vault: Vault) -> int:
    if not sys.stderr.isatty():
        return vault.rewrap()
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("wrapping identities anew", total=vault.verify().identities)
        return vault.rewrap(lambda rows: bar.advance(task, rows))


@keys.command()
@click.argument("purpose", type=click.Choice(_PURPOSES))
@click.argument("epoch", type=click.IntRange(min=1))
@click.option("--confirm", required=True, metavar="KEY_ID", help="The key's public name, from `keys list`.")
@click.option("--reason", required=True, help="Why; filed with your signature.")
@click.option("--lose-identities", is_flag=True, help="Destroy a vault key although identities still need it.")
@acting
@click.pass_obj
def destroy(
    session: Session,
    purpose: str,
    epoch: int,
    confirm: str,
    reason: str,
    lose_identities: bool,
    name: str,
    person_file: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Destroy one epoch of a key for good: overwritten, removed, a tombstone left.

    Nothing that only this key opens can ever be opened again. Backups of the key are yours to destroy.

    \b
      spiritsafe identity keys destroy vault 1 --confirm k0123456789abcdef --as ada --reason "rotated"
    """
    found = next((info for info in session.keys.epochs(purpose) if info.epoch == epoch), None)
    if found is None or found.key_id != confirm:
        raise KeyInUseError(
            f"--confirm {confirm[:40]} is not the {purpose} key of epoch {epoch}",
            hint="`spiritsafe identity keys list` shows the names",
        )
    if purpose == "ledger":
        raise KeyInUseError(
            "a ledger key is not destroyed: it opens what is recorded about people, and proves what it signed",
            hint="`spiritsafe evidence erase` forgets one person; `keys rotate ledger` makes the next key",
        )
    needed = session.vault.in_epoch(epoch) if purpose == "vault" else 0
    if needed and not lose_identities:
        raise KeyInUseError(
            f"{needed} identities in the vault still need this key",
            hint="`spiritsafe identity keys rotate vault` wraps them anew; --lose-identities gives them up",
        )
    if session.settings.key_provider == "environment":
        session.keys.destroy(purpose, epoch)  # refuses, and says who can
    signer = session.signer(name, person_file, passphrase_file)
    session.vault.note("key_destroyed", f"{purpose} {epoch} {found.key_id}", by=signer, reason=reason)
    session.keys.destroy(purpose, epoch)
    click.echo(f"{purpose:10} {epoch:>3}  {found.key_id}  destroyed")
