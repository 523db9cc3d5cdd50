"""The log of looks where it lives: statements made, checked against all before them, and filed.

A look and what it stands for are one transaction; what breaks a rule is filed as refused. The rules
themselves are in `events.looks`.
Comes from `events.vault`; goes on to `events.vault_file`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.errors import EnvironmentFault, InputError, SpiritsafeError, VerificationError
from spiritsafe.events.looks import LOOK_SCHEMA, Action, History, LogBrokenError, Look, Statement, encode_statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping

    from spiritsafe.events.vault_file import VaultFile
    from spiritsafe.keys.persons import Signer

_CLOCK_SLACK_US: Final = 300_000_000  # clocks are set back by seconds, not by minutes
# What depends on a time limit. Anything else, forgetting above all, must go on when the clock was once wrong.
_TIMED: Final = frozenset({"requested", "approved", "resolved"})


class NotInVaultError(InputError):
    """The vault never held this pseudonym: its column is not recorded, or it was made elsewhere."""

    code = "events.vault.unknown"


class ForgottenError(InputError):
    """The identity was forgotten; nobody can bring it back."""

    code = "events.vault.forgotten"


class ClockFault(EnvironmentFault):
    """The machine's clock stands before the last look: time limits would mean nothing."""

    code = "events.vault.clock"


def now_us() -> int:
    """The machine's clock."""
    return time.time_ns() // 1000


class LookBook:
    """Files looks in the vault's database. `clock_us` answers UTC microseconds."""

    def __init__(self, file: VaultFile, clock_us: Callable[[], int]) -> None:
        self._file = file
        self._clock_us = clock_us

    def looks(self) -> Iterator[Look]:
        """Every look, oldest first, unchecked. For the evidence ledger."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT body, signature FROM looks ORDER BY seq").fetchall()
        for row in rows:
            yield _look(*row)

    @property
    def size(self) -> int:
        """How many looks there are, unchecked: whether `history` has changed."""
        with self._file.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM looks").fetchone()[0])

    def history(self) -> History:
        """What the looks establish; raises when the log does not verify."""
        with self._file.reading() as connection:
            return replayed(connection)

    def file(
        self,
        action: Action,
        by: Signer | None,
        within: Callable[[sqlite3.Connection, History], None] | None = None,
        *,
        expires_in_us: int = 0,
        **fields: Any,
    ) -> History:
        """Sign a statement, check it against the whole log, file it, and do what it stands for: all or nothing.

        What breaks a rule is filed as refused before the error goes on.
        """
        try:
            with self._file.writing() as connection:
                history = replayed(connection)
                if history.seq == 0:
                    self._append(connection, history, "opened", None, {})
                if expires_in_us:
                    fields["expires_us"] = self._now_us(history, action) + expires_in_us
                self._append(connection, history, action, by, fields)
                if within is not None:
                    within(connection, history)
                return history
        except LogBrokenError:
            raise
        except (VerificationError, NotInVaultError, ForgottenError) as error:
            self._file_refusal(error, action, by, fields)
            raise

    def _append(
        self,
        connection: sqlite3.Connection,
        history: History,
        action: Action,
        by: Signer | None,
        fields: Mapping[str, Any],
    ) -> None:
        said = Statement(
            schema=LOOK_SCHEMA,
            seq=history.seq + 1,
            previous=history.head,
            at_us=self._now_us(history, action),
            action=action,
            by="" if by is None else by.name,
            **fields,
        )
        body = encode_statement(said)
        look = Look(body, b"" if by is None else by.sign(body))
        history.apply(look)
        connection.execute("INSERT INTO looks VALUES (?, ?, ?)", (said.seq, look.body, look.signature))

    def _file_refusal(
        self, error: SpiritsafeError, action: Action, by: Signer | None, fields: Mapping[str, Any]
    ) -> None:
        """File what was tried and why it was refused: signed, if whoever tried is who he says."""
        with self._file.writing() as connection:
            history = replayed(connection)
            known = by and history.persons.get(by.name)
            signer = by if by and known and known.public_key == by.public_key and not known.retired_us else None
            kept = {name: fields[name] for name in ("request_id", "pseudonyms") if name in fields}
            detail = f"{action}: {error.code}"
            self._append(
                connection, history, "refused", signer, {**kept, "detail": detail, "person": by.name if by else ""}
            )

    def _now_us(self, history: History, action: Action) -> int:
        """The present, but never before the last look."""
        now = self._clock_us()
        if action in _TIMED and now < history.last_us - _CLOCK_SLACK_US:
            raise ClockFault(
                "the clock of this machine stands before the last look that was filed",
                hint="set it right; if it is right, it was ahead when that look was filed: wait until then",
            )
        return max(now, history.last_us)


def replayed(connection: sqlite3.Connection, heads: set[str] | None = None) -> History:
    """The log from its first look, every rule checked; `heads` gets every head on the way."""
    history = History()
    for row in connection.execute("SELECT body, signature FROM looks ORDER BY seq"):
        history.apply(_look(*row))
        if heads is not None:
            heads.add(history.head)
    return history


def _look(body: object, signature: object) -> Look:
    if isinstance(body, bytes) and isinstance(signature, bytes):
        return Look(body, signature)
    raise LogBrokenError("a look is not stored as bytes", hint="somebody changed the file by hand")
