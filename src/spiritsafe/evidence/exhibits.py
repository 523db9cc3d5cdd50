"""What a record rests on, kept beside the log: whole files that are about nobody, and rows, each account's by itself.

A provider's logs expire; a finding rests on them longer. When a case opens, the rows behind it are kept, each
account's encrypted under the key by which this person can be erased from this case (`evidence.personal`), so that
erasure reaches them too. What is filed are digests: of the encrypted bytes, so that an outsider can be shown that
they are still there, and of the rows, so that whoever may read them can see that they are those.
Comes from `cases` and the command; goes on to `SPIRITSAFE_HOME/ledger/exhibits.db` and to the log.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.errors import EnvironmentFault, InputError, UsageError, VerificationError
from spiritsafe.evidence.records import Personal, Record
from spiritsafe.files.database import PrivateDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from spiritsafe.evidence.disclosures import Json
    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.writing import Filed
    from spiritsafe.keys.persons import Signer


class ExhibitFileError(InputError):
    """The file of exhibits is damaged, or is none."""

    code = "evidence.exhibits.file"


class ExhibitVersionError(InputError):
    """The file of exhibits was written by another major version."""

    code = "evidence.exhibits.version"


class ExhibitFault(EnvironmentFault):
    """The file of exhibits cannot be written or read."""

    code = "evidence.exhibits.access"


class ExhibitBusyFault(EnvironmentFault):
    """Another process holds the file of exhibits for too long."""

    code = "evidence.exhibits.busy"


class ExhibitMissingError(UsageError):
    """No exhibit has this digest, or nothing of this subject was kept in this case."""

    code = "evidence.exhibits.unknown"


class ExhibitAlteredError(VerificationError):
    """An exhibit is not what was filed."""

    code = "evidence.exhibits.altered"


class _ExhibitFile(PrivateDatabase):
    what = "file of exhibits"
    version = 1
    application = 0x53534558  # "SSEX"
    damaged = ExhibitFileError
    other_version = ExhibitVersionError
    unreachable = ExhibitFault
    held = ExhibitBusyFault
    schema = "CREATE TABLE parts (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;\n"


@dataclass(frozen=True, slots=True)
class Rows:
    """One subject's rows: how many, and their bytes."""

    count: int
    data: bytes


class Exhibits:
    """The exhibits of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._file = _ExhibitFile(ledger.folder / "exhibits.db")

    @property
    def path(self) -> Path:
        """Where they are."""
        return self._file.path

    def close(self) -> None:
        """Give the database back."""
        self._file.close()

    def keep(
        self, data: bytes, *, media_type: str, title: str, source: str, signer: Signer | None = None, by: str = ""
    ) -> Filed:
        """Keep a file that is about nobody, and file its digest. `by` is the program, where no person signs."""
        digest = hashlib.sha256(data).hexdigest()
        self._put({digest: data})
        fields = _done_by(signer, by) | {
            "media_type": media_type,
            "size_bytes": len(data),
            "sha256": digest,
            "title": title,
            "source": source,
        }
        return self._ledger.append([Record("exhibit/1", fields, signer=signer)])[0]

    def preserve(
        self,
        case_id: str,
        rows: Mapping[str, Rows],
        *,
        media_type: str,
        source_sha256: Sequence[str],
        source: str,
        signer: Signer | None = None,
        by: str = "",
    ) -> Filed:
        """Keep the rows that a case rests on, by subject, and file their digests.

        Parameters
        ----------
        case_id
            The case.
        rows
            Each subject's rows.
        media_type
            What their bytes are.
        source_sha256
            Digests of the files that they were taken from.
        source
            How they were taken.
        signer, by
            The person who did it, or the program.
        """
        sealed: dict[str, bytes] = {}
        parts: list[Personal] = []
        with self._ledger.writing() as writer:
            for subject, kept in sorted(rows.items()):
                number = writer.subjects.find_or_make(writer.connection, case_id, subject)
                body = writer.subjects.seal(writer.connection, number, kept.data, f"rows|{case_id}")
                digest = hashlib.sha256(body).hexdigest()
                sealed[digest] = body
                parts.append(
                    Personal(
                        subject,
                        {
                            "subject": subject,
                            "rows": kept.count,
                            "sha256": digest,
                            "content_sha256": hashlib.sha256(kept.data).hexdigest(),
                        },
                    )
                )
            self._put(sealed)  # on disk before the log says so; without a record nobody ever looks for them
            fields: dict[str, Json | Personal | tuple[Json | Personal, ...]] = {
                **_done_by(signer, by),
                "media_type": media_type,
                "row_count": sum(kept.count for kept in rows.values()),
                "source_sha256": [*sorted(source_sha256)],
                "source": source,
                "parts": tuple(parts),
            }
            return writer.append([Record("preserved/1", fields, case_id=case_id, signer=signer)])[0]

    def read(self, sha256: str) -> bytes:
        """An exhibit's bytes as they are kept, held to its digest.

        Raises
        ------
        ExhibitMissingError
            There is none.
        ExhibitAlteredError
            It is not what was filed.
        """
        with self._file.reading() as connection:
            row = connection.execute("SELECT body FROM parts WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise ExhibitMissingError(f"there is no exhibit {sha256}", hint="`spiritsafe evidence list` shows records")
        if not hmac.compare_digest(hashlib.sha256(row[0]).hexdigest(), sha256):
            raise ExhibitAlteredError(
                f"exhibit {sha256} is not what was filed", hint="keep the home, and compare with a backup"
            )
        return bytes(row[0])

    def read_rows(self, case_id: str, subject: str) -> list[bytes]:
        """What was kept of a subject in a case, oldest first.

        Raises
        ------
        ExhibitMissingError
            Nothing was kept, or it was erased.
        ExhibitAlteredError
            Rows are not those that were filed.
        """
        found = [self._rows(case_id, subject, part) for part in self._parts_of(case_id, subject)]
        if not found:
            raise ExhibitMissingError(
                f"case {case_id} keeps no rows of {subject}", hint="none were kept, or they were erased"
            )
        return found

    def rows_of_case(self, case_id: str) -> Iterator[bytes]:
        """What was kept in a case, of everybody who was not erased; see `read_rows`."""
        for part in self._parts_in(case_id):
            yield self._rows(case_id, str(part["subject"]), part)

    def _parts_of(self, case_id: str, subject: str) -> list[dict[str, Json]]:
        return [part for part in self._parts_in(case_id) if part["subject"] == subject]

    def _parts_in(self, case_id: str) -> Iterator[dict[str, Json]]:
        for entry in self._ledger.entries(case_id=case_id, record="preserved/1"):
            for opening in self._ledger.openings(entry.position):
                if opening.field == "parts" and isinstance(value := opening.disclosure.value, dict):
                    yield value

    def _rows(self, case_id: str, subject: str, part: dict[str, Json]) -> bytes:
        """A part's rows, decrypted and held to their digest."""
        body = self.read(str(part["sha256"]))
        with self._ledger.reading() as connection:
            number = self._ledger.subjects.find(connection, case_id, subject)
            data = self._ledger.subjects.open(connection, number or 0, body, f"rows|{case_id}")
        if hashlib.sha256(data).hexdigest() != part["content_sha256"]:
            raise ExhibitAlteredError(f"rows of {subject} are not those filed", hint="compare with a backup")
        return data

    def _put(self, parts: Mapping[str, bytes]) -> None:
        with self._file.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?)", list(parts.items()))


def _done_by(signer: Signer | None, by: str) -> dict[str, Json | Personal | tuple[Json | Personal, ...]]:
    return {"by": "person", "name": signer.name} if signer else {"by": "program", "name": by}
