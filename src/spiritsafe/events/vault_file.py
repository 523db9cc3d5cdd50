"""The vault as a file: one private SQLite database without leftovers of what was erased.

Comes from `events.vault`, which knows what the bytes mean; goes on to `SPIRITSAFE_HOME/vault.db`.
"""

from __future__ import annotations

from spiritsafe.errors import EnvironmentFault, InputError
from spiritsafe.files.database import PrivateDatabase


class VaultFileError(InputError):
    """The vault's file is damaged, or is no vault."""

    code = "events.vault.file"


class VaultVersionError(InputError):
    """The vault's file was written by another major version."""

    code = "events.vault.version"


class VaultFault(EnvironmentFault):
    """The vault cannot be written or read: no space, no permission, or open to other users."""

    code = "events.vault.access"


class VaultBusyFault(EnvironmentFault):
    """Another process holds the vault for too long."""

    code = "events.vault.busy"


class VaultFile(PrivateDatabase):
    """The vault's database."""

    what = "vault"
    version = 1
    application = 0x53534146  # "SSAF"
    damaged = VaultFileError
    other_version = VaultVersionError
    unreachable = VaultFault
    held = VaultBusyFault
    how_to_begin = "`spiritsafe identity init` makes the home"
    schema = """
CREATE TABLE identities (
  id INTEGER PRIMARY KEY, pseudonym TEXT NOT NULL UNIQUE, column_name TEXT NOT NULL,
  wrapped BLOB NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE tombstones (pseudonym TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE looks (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, signature BLOB NOT NULL);
CREATE TRIGGER looks_stay BEFORE UPDATE ON looks BEGIN SELECT RAISE(ABORT, 'looks are never changed'); END;
CREATE TRIGGER looks_last BEFORE DELETE ON looks BEGIN SELECT RAISE(ABORT, 'looks are never removed'); END;
CREATE TRIGGER tombstones_stay BEFORE UPDATE ON tombstones BEGIN SELECT RAISE(ABORT, 'tombstones stay'); END;
CREATE TRIGGER tombstones_last BEFORE DELETE ON tombstones BEGIN SELECT RAISE(ABORT, 'tombstones stay'); END;
"""
