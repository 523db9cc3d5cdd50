"""What the `identity` commands share: the home, the persons' files, passphrases that never stand on a command line.

Comes from `cli.identity`; goes on to `events.vault` and `keys`.
"""

from __future__ import annotations

import datetime
import functools
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from spiritsafe.errors import InputError, UsageError
from spiritsafe.settings import help_of, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.events.vault import Vault
    from spiritsafe.keys import KeyProvider
    from spiritsafe.keys.persons import Signer
    from spiritsafe.settings import Settings

_MAX_BYTES: Final = 4096


class PassphraseFileError(InputError):
    """The file with the passphrase cannot be read, is empty, or is open to other users."""

    code = "cli.identity.passphrase"


class PersonFileMissingError(UsageError):
    """There is no key file for the person who wants to act."""

    code = "cli.identity.person"


class PersonalColumnError(UsageError):
    """`--column` names a column that is never pseudonymised, so nothing has a pseudonym of it."""

    code = "cli.identity.column"


class ValuesFileError(InputError):
    """The file with identities cannot be read, or is no text."""

    code = "cli.identity.values"


class Session:
    """One command's view of the home."""

    def __init__(self, home: Path | None) -> None:
        self._home = home

    @functools.cached_property
    def settings(self) -> Settings:
        return load_settings({"home": self._home})

    @functools.cached_property
    def keys(self) -> KeyProvider:
        from spiritsafe.keys import open_keys

        home = self.settings.open_home()
        return open_keys(self.settings.key_provider, home / "keys", command=self.settings.key_command)

    @functools.cached_property
    def vault(self) -> Vault:
        from spiritsafe.events.vault import open_vault

        return open_vault(self.settings)

    def close(self) -> None:
        """Give the vault back."""
        if "vault" in self.__dict__:
            self.vault.close()

    def person_path(self, name: str) -> Path:
        """Where a person's key file is unless he keeps it elsewhere."""
        from spiritsafe.keys.persons import checked_name

        return self.settings.open_home() / "persons" / f"{checked_name(name)}.json"

    def signer(self, name: str, key_file: Path | None, passphrase_file: Path | None, *, request_id: str = "") -> Signer:
        """Open a person's key; a wrong passphrase is filed as a refused attempt."""
        from spiritsafe.keys.guarded import read_guarded
        from spiritsafe.keys.persons import WrongPassphraseError, unlock

        path = key_file or self.person_path(name)
        if not path.is_file():
            raise PersonFileMissingError(
                f"there is no key file for {name} at {path}",
                hint=f"`spiritsafe identity person add {name}` makes one; --person-file says where it is kept",
            )
        data = read_guarded(path)
        try:
            signer = unlock(data, passphrase_of(name, passphrase_file))
        except WrongPassphraseError:
            self.vault.refuse("wrong passphrase", request_id=request_id, person=name)
            raise
        if signer.name != name:
            raise PersonFileMissingError(
                f"the key file {path} is {signer.name}'s", hint=f"act --as {signer.name}, or give another --person-file"
            )
        return signer


def passphrase_of(name: str, file: Path | None, *, new: bool = False) -> str:
    """A passphrase from a file or descriptor (its first line), else asked for without echo."""
    if file is None:
        text: str = click.prompt(
            f"Passphrase of {name}", hide_input=True, confirmation_prompt="Again" if new else False, err=True
        )
        return text
    try:
        with file.open("rb") as stream:
            found = os.fstat(stream.fileno())
            data = stream.read(_MAX_BYTES + 1)
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
            raise PassphraseFileError(
                f"{file} is open to other users", hint=f"`chmod 600 {file}`, and choose another passphrase"
            )
        line = data.decode("utf-8").partition("\n")[0].removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise PassphraseFileError(f"cannot read a passphrase from {file}", hint="one line of UTF-8 text") from error
    if not line or len(data) > _MAX_BYTES:
        raise PassphraseFileError(f"{file} holds no passphrase", hint="one line of UTF-8 text")
    return line


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that a person signs."""
    for option in reversed(
        [
            click.option("--as", "name", required=True, metavar="NAME", help="Who you are: a registered person."),
            click.option(
                "--person-file",
                type=click.Path(path_type=Path),
                help="Your key file, if you keep it elsewhere than in the home.",
            ),
            click.option(
                "--passphrase-file",
                type=click.Path(path_type=Path),
                help="Read your passphrase from this file or descriptor (/dev/fd/3) instead of asking.",
            ),
        ]
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
home_option = click.option("--home", type=click.Path(path_type=Path), help=help_of("home"))


def say_json(**fields: object) -> None:
    """One JSON object on standard output."""
    import msgspec

    click.echo(msgspec.json.encode(fields))


def guide(text: str) -> None:
    """A word to the person at the terminal; standard output stays for results."""
    click.echo(text, err=True)


def moment(at_us: int | None) -> str:
    """A time as people and JSON read it."""
    if at_us is None:
        return ""
    at = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=at_us)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def personal_column(name: str) -> str:
    """`name`, if it is a column that pseudonymisation treats; under another, every answer would be a wrong one."""
    from spiritsafe.events.identity import PERSONAL
    from spiritsafe.events.mapping import nearest
    from spiritsafe.events.mapping_text import visible

    if name not in PERSONAL:
        known = sorted(PERSONAL)
        raise PersonalColumnError(
            f"{visible(name[:60])!r} is no column that has pseudonyms",
            hint=nearest(name, known) or f"the columns are: {', '.join(known)}",
        )
    return name


def read_values(file: Path) -> list[str]:
    """Identities from a file or `-`, one a line, so that none stands on a command line."""
    try:
        with click.open_file(str(file), "rb") as stream:
            text = stream.read().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValuesFileError(f"cannot read {file}: it must be UTF-8 text", hint="one identity a line") from error
    return [line for line in text.splitlines() if line]
