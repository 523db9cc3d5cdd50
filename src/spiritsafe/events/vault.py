"""Who is it really? The only way back from a pseudonym, and it takes two persons and a reason.

Each identity is sealed under a key of its own, which is wrapped under the epoch's vault key; to forget one,
its key is overwritten. Asking, agreeing, seeing, forgetting and every refusal are looks, filed before they
take effect (`events.looks`). What this does and does not protect against: docs/explanation/identity.md.
Comes from `events.identity`, which records pairs while it pseudonymises; goes on to `cli.identity`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.events.identity import Pseudonymiser
from spiritsafe.events.lookbook import ForgottenError, LookBook, NotInVaultError, now_us, replayed
from spiritsafe.events.looks import Action, History, LogBrokenError, Request, possession_text
from spiritsafe.events.pseudonyms import parse_pseudonym
from spiritsafe.events.seals import Sealer, SealError
from spiritsafe.events.vault_file import VaultBusyFault, VaultFile
from spiritsafe.keys.envelope import epoch_mark

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spiritsafe.keys import KeyProvider
    from spiritsafe.keys.persons import Signer
    from spiritsafe.settings import Settings

DEFAULT_HOURS: Final = 24.0

_HOUR_US: Final = 3_600_000_000
_REWRAP_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What a resolved pseudonym stands for."""

    pseudonym: str
    column: str
    original: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of the whole log and vault found in order."""

    head: str
    looks: int
    identities: int
    forgotten: int


class Vault:
    """The vault of one home. Several processes may use it at once; picklable.

    Parameters
    ----------
    path
        The database, made with mode 0600 when it is not there.
    keys
        Where the `vault` keys come from (and the `pseudonym` keys, to resolve an address).
    clock_us
        UTC microseconds; for tests.
    """

    def __init__(self, path: Path, keys: KeyProvider, *, clock_us: Callable[[], int] = now_us) -> None:
        self._file = VaultFile(path)
        self._keys = keys
        self.book = LookBook(self._file, clock_us)
        self._sealer = Sealer(keys)

    def close(self) -> None:
        """Give the database back."""
        self._file.close()

    def record(self, column: str, pseudonyms: Sequence[str], originals: Sequence[str]) -> int:
        """Keep the way back for each pair; answers how many were new.

        Known pairs are left alone, and forgotten ones stay forgotten. On disk when it returns.
        """
        with self._file.reading() as connection:
            known = _known(connection, pseudonyms)
        fresh = {new: old for new, old in zip(pseudonyms, originals, strict=True) if new not in known}
        if not fresh:
            return 0
        self._sealer.refresh()
        rows = [(new, column, *self._sealer.seal(new, column, old)) for new, old in fresh.items()]
        with self._file.writing() as connection:
            known = _known(connection, list(fresh))  # another process may have been quicker
            rows = [row for row in rows if row[0] not in known]
            connection.executemany(
                "INSERT INTO identities (pseudonym, column_name, wrapped, sealed) VALUES (?, ?, ?, ?)", rows
            )
        return len(rows)

    def add_person(self, new: Signer, *, sponsor: Signer | None = None) -> None:
        """Register a person; the third and later need a sponsor who is registered."""
        self.book.file(
            "person_added",
            sponsor or new,
            person=new.name,
            public_key=new.public_key.hex(),
            possession=new.sign(possession_text(new.name, new.public_key)).hex(),
        )

    def retire_person(self, name: str, *, by: Signer, reason: str) -> None:
        """End a person's part: what they asked or approved and nobody used is void."""
        self.book.file("person_retired", by, person=name, reason=reason)

    def request(self, pseudonym: str, *, by: Signer, reason: str, case: str, hours: float = DEFAULT_HOURS) -> Request:
        """Ask to see whom a pseudonym stands for. A second person must `approve` before the hours are over.

        Raises
        ------
        NotInVaultError, ForgottenError
            There is nothing to see.
        WordingError
            The reason or the case is missing.
        """
        parsed = parse_pseudonym(pseudonym)

        def look_up(connection: sqlite3.Connection, _: History) -> None:
            if parsed.address is None or _is_forgotten(connection, pseudonym):
                _entry(connection, pseudonym)

        request_id = secrets.token_hex(6)
        history = self.book.file(
            "requested", by, look_up, expires_in_us=int(hours * _HOUR_US), request_id=request_id,
            pseudonyms=(pseudonym,), reason=reason, case=case,
        )  # fmt: skip
        return history.requests[request_id]

    def approve(self, request_id: str, *, by: Signer) -> Request:
        """Agree to a request. Raises `TwoPersonsError`, `ExpiredError` or `ClosedError`; refusals are filed."""
        asked = self.book.history().request(request_id)
        history = self.book.file(
            "approved", by, request_id=request_id, request_hash=asked.hash, pseudonyms=(asked.pseudonym,)
        )
        return history.requests[request_id]

    def decline(self, request_id: str, *, by: Signer, reason: str) -> None:
        """Say no to a request, or take one's own back. It can then never be approved."""
        self.book.file("declined", by, request_id=request_id, reason=reason)

    def resolve(self, request_id: str, *, by: Signer) -> Identity:
        """See whom the pseudonym of an approved request stands for: once, and only who asked.

        The whole log is verified first; the look is on disk before the identity is returned, so a crash in
        between costs a new request.

        Raises
        ------
        NotApprovedError, ExpiredError, ClosedError
            The request is not in a state to be used.
        ForgottenError, SealError
            The identity is gone, or its entry was tampered with.
        """
        found: list[Identity] = []

        def look_up(connection: sqlite3.Connection, history: History) -> None:
            found.append(self._reveal(connection, history.requests[request_id].pseudonym))

        self.book.file("resolved", by, look_up, request_id=request_id)
        return found[0]

    def forget(self, pseudonyms: Sequence[str], *, by: Signer, reason: str) -> None:
        """Destroy the way back from pseudonyms for good; the vault will not take them up again.

        Raises
        ------
        NotInVaultError
            One was never here; then none is forgotten.
        VaultBusyFault
            They are forgotten, but another process still reads pages in which their keys stand; the next
            use of the vault removes those.
        """
        wanted = tuple(dict.fromkeys(pseudonyms))

        def erase(connection: sqlite3.Connection, history: History) -> None:
            for pseudonym in wanted:
                if not _is_forgotten(connection, pseudonym):
                    if parse_pseudonym(pseudonym).address is None:
                        _erase(connection, _entry(connection, pseudonym))
                    connection.execute("INSERT INTO tombstones VALUES (?, ?)", (pseudonym, history.seq))
            connection.execute("UPDATE scrub SET pending = 1")

        self.book.file("forgotten", by, erase, pseudonyms=wanted, reason=reason)
        if not self._file.scrub():
            raise VaultBusyFault(
                "the identities are forgotten, but another process still reads old pages of the vault",
                hint="when it has ended, run `spiritsafe identity log --verify`: opening the vault cleans up",
            )

    def rewrap(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Wrap every identity's key under the newest vault key; answers how many. Afterwards the older vault
        keys open nothing here, and destroying them makes backups of the vault unreadable too.
        """
        self._sealer.refresh()
        done, last = 0, 0
        while True:
            with self._file.writing() as connection:
                rows = connection.execute(
                    "SELECT id, pseudonym, column_name, wrapped FROM identities WHERE id > ? ORDER BY id LIMIT ?",
                    (last, _REWRAP_ROWS),
                ).fetchall()
                if not rows:
                    break
                last = rows[-1][0]
                new = [(wrapped, at) for at, *row in rows if (wrapped := self._sealer.rewrapped(*row)) is not None]
                connection.executemany("UPDATE identities SET wrapped = ? WHERE id = ?", new)
                connection.execute("UPDATE scrub SET pending = 1")
            done += len(new)
            progress(len(rows))
        self._file.scrub()
        return done

    def in_epoch(self, epoch: int) -> int:
        """How many identities need the vault key of this epoch."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT count(*) FROM identities WHERE substr(wrapped, 1, 4) = ?", (epoch_mark(epoch),)
            )
            return int(found.fetchone()[0])

    def held(self, pseudonyms: Sequence[str]) -> set[str]:
        """Those that the vault holds or has forgotten."""
        with self._file.reading() as connection:
            return _known(connection, pseudonyms)

    def note(self, action: Action, detail: str, *, by: Signer | None = None, reason: str = "") -> None:
        """File something that happens beside the vault: a key made or destroyed, pseudonyms derived."""
        self.book.file(action, by, detail=detail, reason=reason)

    def refuse(self, detail: str, *, request_id: str = "", person: str = "") -> None:
        """File an attempt that was refused. Nobody signs: nobody was recognised."""
        self.book.file("refused", None, detail=detail, request_id=request_id, person=person)

    def verify(self, *, expected_head: str = "") -> Verified:
        """Check every signature, link and rule of the log, and that what was forgotten is gone.

        Parameters
        ----------
        expected_head
            A head noted earlier. The log must still contain it: this is what finds a log that was cut short.

        Raises
        ------
        LogBrokenError, SignatureError, ...
            With the first look that does not hold.
        SealError
            The vault holds a key for something forgotten, or lacks a tombstone.
        """
        with self._file.reading() as connection:
            heads: set[str] = set()
            history = replayed(connection, heads)
            if expected_head and expected_head not in heads:
                raise LogBrokenError(
                    f"the log does not contain the head {expected_head[:16]}",
                    hint="it was cut short or replaced after you noted that head: compare with a backup",
                )
            buried = {row[0] for row in connection.execute("SELECT pseudonym FROM tombstones")}
            risen = connection.execute(
                "SELECT count(*) FROM tombstones JOIN identities USING (pseudonym) "
                "WHERE wrapped != zeroblob(length(wrapped))"
            ).fetchone()[0]
            if buried != history.forgotten or risen:
                raise SealError(
                    "the vault does not agree with its log on what was forgotten",
                    hint="somebody changed the file by hand: compare with a backup",
                )
            alive = connection.execute(
                "SELECT count(*) FROM identities WHERE wrapped != zeroblob(length(wrapped))"
            ).fetchone()[0]
        return Verified(history.head, history.seq, alive, len(buried))

    def _reveal(self, connection: sqlite3.Connection, pseudonym: str) -> Identity:
        parsed = parse_pseudonym(pseudonym)
        if parsed.address is not None and not _is_forgotten(connection, pseudonym):
            key = self._keys.key("pseudonym", parsed.epoch)
            hidden = Pseudonymiser(key.secret, key.key_id, epoch=key.epoch)
            return Identity(pseudonym, "client_ip", hidden.reveal_address(parsed))
        _, column, wrapped, sealed = _entry(connection, pseudonym)
        return Identity(pseudonym, column, self._sealer.open(pseudonym, column, wrapped, sealed))


def open_vault(settings: Settings) -> Vault:
    """The vault of this home; the file is made when it is first used, the vault key when it first seals."""
    from spiritsafe.keys import open_keys

    home = settings.open_home()
    provider = open_keys(settings.key_provider, home / "keys", command=settings.key_command)
    return Vault(home / "vault.db", provider)


def _known(connection: sqlite3.Connection, pseudonyms: Sequence[str]) -> set[str]:
    """Those that the vault has, or has forgotten."""
    found = connection.execute(
        "WITH asked AS (SELECT value FROM json_each(?)) "
        "SELECT pseudonym FROM identities WHERE pseudonym IN asked "
        "UNION SELECT pseudonym FROM tombstones WHERE pseudonym IN asked",
        (msgspec.json.encode(list(pseudonyms)).decode(),),
    )
    return {row[0] for row in found}


def _is_forgotten(connection: sqlite3.Connection, pseudonym: str) -> bool:
    found = connection.execute("SELECT 1 FROM tombstones WHERE pseudonym = ?", (pseudonym,))
    return found.fetchone() is not None


def _entry(connection: sqlite3.Connection, pseudonym: str) -> tuple[int, str, bytes, bytes]:
    """Row id, column, wrapped key and ciphertext of what the vault holds for a pseudonym."""
    if _is_forgotten(connection, pseudonym):
        raise ForgottenError(f"{pseudonym} was forgotten", hint="its key is destroyed: nobody can bring it back")
    row = connection.execute(
        "SELECT id, column_name, wrapped, sealed FROM identities WHERE pseudonym = ?", (pseudonym,)
    ).fetchone()
    if row is None:
        raise NotInVaultError(
            f"the vault never held {pseudonym}",
            hint="check for a typing error; the setting vault_columns says which columns it keeps",
        )
    return int(row[0]), str(row[1]), bytes(row[2]), bytes(row[3])


def _erase(connection: sqlite3.Connection, entry: tuple[int, str, bytes, bytes]) -> None:
    """Overwrite key and ciphertext with as many zeros: in place, since their sizes stay."""
    at, _, wrapped, sealed = entry
    connection.execute(
        "UPDATE identities SET wrapped = zeroblob(?), sealed = zeroblob(?) WHERE id = ?",
        (len(wrapped), len(sealed), at),
    )
