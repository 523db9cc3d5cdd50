"""Seeing that a log shows everybody the same past: a witness signs only states that grew out of what it saw.

Whoever operates a ledger could show one past to a court and another to a partner. A witness, which is another
firm's hub or any machine that is not ours, remembers the newest state of each log it knows and cosigns the
next only with a proof that it grew. Two histories can then not both be cosigned.
Comes from a log that asks; the answer goes on to `Ledger.add_cosignatures`.
Source: c2sp.org/tlog-witness (`add-checkpoint`, with its status codes), c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import EnvironmentFault, InputError, SpiritsafeError, VerificationError
from spiritsafe.evidence.checkpoints import CheckpointError, parse_checkpoint
from spiritsafe.evidence.merkle import HASH_BYTES, ConsistencyError, verify_consistency
from spiritsafe.evidence.notes import (
    Note,
    NoteError,
    SignatureError,
    cosign,
    parse_note,
    parse_signature_lines,
    verify_cosignature,
)
from spiritsafe.evidence.timestamps import TIMEOUT_S, RefusedFault, post
from spiritsafe.files.database import PrivateDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.notes import SignerKey, VerifierKey

_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")
_MAX_STEPS: Final = 63


class WitnessFileError(InputError):
    """A witness's file is damaged, or is none."""

    code = "evidence.witness.file"


class WitnessVersionError(InputError):
    """A witness's file was written by another major version."""

    code = "evidence.witness.version"


class WitnessFault(EnvironmentFault):
    """A witness's file cannot be written or read."""

    code = "evidence.witness.access"


class WitnessBusyFault(EnvironmentFault):
    """Another process holds a witness's file for too long."""

    code = "evidence.witness.busy"


class WitnessRefusedError(VerificationError):
    """A witness does not cosign what it was shown."""

    code = "evidence.witness.refused"


class ForkError(VerificationError):
    """A witness saw another past of this log than the one it is shown now."""

    code = "evidence.fork"


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What a witness answers: an HTTP status, a body, and the body's type."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class WitnessFile(PrivateDatabase):
    """The newest state of each log that a witness cosigned."""

    what = "witness"
    version = 1
    application = 0x5353574E  # "SSWN"
    damaged = WitnessFileError
    other_version = WitnessVersionError
    unreachable = WitnessFault
    held = WitnessBusyFault
    schema = "CREATE TABLE seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) WITHOUT ROWID;\n"


class Witness:
    """Cosigns the states of the logs whose keys it was given. `signer` is a key of kind `COSIGNATURE`."""

    def __init__(self, path: Path, signer: SignerKey, logs: Sequence[VerifierKey]) -> None:
        self._file = WitnessFile(path)
        self._signer = signer
        self._logs = tuple(logs)

    def add_checkpoint(self, request: bytes, *, at_s: int) -> WitnessAnswer:
        """The answer to a request to cosign, as c2sp.org/tlog-witness has it. On disk before it is given."""
        try:
            old, proof, note = _parse_request(request)
            state = parse_checkpoint(note)
        except (ValueError, NoteError, CheckpointError) as error:
            return WitnessAnswer(400, f"{error}\n".encode())
        keys = [key for key in self._logs if key.name == state.origin]
        if not keys:
            return WitnessAnswer(404, b"this log is not known here\n")
        try:
            note.signers(keys)
        except SignatureError as error:
            return WitnessAnswer(403, f"{error}\n".encode())
        if old > state.size:
            return WitnessAnswer(400, b"the old size is larger than the new one\n")
        with self._file.writing() as connection:
            row = connection.execute("SELECT size, root FROM seen WHERE origin = ?", (state.origin,)).fetchone()
            seen_size, seen_root = (int(row[0]), bytes(row[1])) if row else (0, b"")
            if old != seen_size or (old == state.size and old and seen_root != state.root):
                return WitnessAnswer(409, f"{seen_size}\n".encode(), "text/x.tlog.size")
            try:
                if old:
                    verify_consistency(old, seen_root, state.size, state.root, proof)
                elif proof:
                    raise ConsistencyError("a first state needs no proof", hint="send none")
            except ConsistencyError as error:
                return WitnessAnswer(422, f"{error}\n".encode())
            connection.execute(
                "INSERT INTO seen VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root",
                (state.origin, state.size, state.root),
            )
        return WitnessAnswer(200, str(cosign(note.text, self._signer, at_s=at_s)).encode())


def ask_witness(ledger: Ledger, url: str, key: VerifierKey, *, timeout_s: float = TIMEOUT_S) -> int:
    """Have a witness cosign the ledger's newest state; the time that it states, in POSIX seconds.

    `url` is the witness's submission prefix; `key` its public key, without which its word counts for nothing.

    Raises
    ------
    ForkError
        The witness saw another past. That is what witnesses are for: find out before anything else.
    AuthorityFault, SignatureError
        It does not answer, refuses, or the answer is not signed by `key`.
    """
    note = ledger.checkpoint()
    state = parse_checkpoint(note)
    place = f"{url.rstrip('/')}/add-checkpoint"
    old = 0
    for _ in range(3):  # it may be asked by others meanwhile, and then says how far it is
        if old > state.size:
            raise _forked(url, old, state.size)
        proof = ledger.prove_growth(old, state.size) if old else []
        try:
            answer = post(place, _request(old, proof, note), "text/plain", timeout_s=timeout_s)
        except RefusedFault as refused:
            if refused.status == 409 and refused.body.strip().isdigit() and int(refused.body) != old:
                old = int(refused.body)
                continue
            if refused.status in {409, 422}:
                raise _forked(url, old, state.size) from refused
            raise
        return _keep(ledger, state.size, note, answer, key)
    raise RefusedFault(f"{url} goes on faster than it can be asked", hint="try again")


def _keep(ledger: Ledger, size: int, note: Note, answer: bytes, key: VerifierKey) -> int:
    """Keep the line that is this witness's, once it holds."""
    for line in parse_signature_lines(answer):
        if line.is_by(key):
            at_s = verify_cosignature(note.text, line, key)
            ledger.add_cosignatures(size, str(line).encode())
            return at_s
    raise SignatureError(f"the witness did not sign as {key.name}", hint="see that its public key is the right one")


def _request(old: int, proof: Sequence[bytes], note: Note) -> bytes:
    steps = "".join(f"{base64.b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{steps}\n{note}".encode()


def _parse_request(request: bytes) -> tuple[int, list[bytes], Note]:
    """Old size, proof and state; raises `ValueError` or `NoteError`."""
    head, blank, note = request.partition(b"\n\n")
    lines = head.decode("ascii").split("\n")
    old = _OLD.fullmatch(lines[0])
    if not blank or old is None or len(lines) > 1 + _MAX_STEPS:
        raise ValueError("the request is no old size, proof and checkpoint")
    proof = [base64.b64decode(line.encode("ascii"), validate=True) for line in lines[1:]]
    if any(len(step) != HASH_BYTES for step in proof):
        raise ValueError("a step of the proof is not 32 bytes")
    return int(old[1]), proof, parse_note(note)


def _forked(url: str, seen: int, size: int) -> SpiritsafeError:
    return ForkError(
        f"{url} saw {seen} entries of this log that the {size} it is shown now do not begin with",
        hint="the ledger was put back or rewritten: stop, keep it, and compare with a backup and what was published",
    )
