"""A log's signed state: whose log it is, how many entries, and the root over them.

Comes from `evidence.ledger`, or from a file of somebody else's log; goes on to proofs and witnesses.
Source: c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import InputError, VerificationError
from spiritsafe.evidence.merkle import HASH_BYTES, verify_inclusion
from spiritsafe.evidence.notes import COSIGNATURE, ED25519, Note, SignatureError, parse_note, verify_cosignature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.evidence.notes import VerifierKey

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_MAX_STEPS: Final = 63


class CheckpointError(InputError):
    """A signed note is not a checkpoint of a log."""

    code = "evidence.checkpoint"


class ProofError(InputError):
    """A file is not a proof that an entry is in a log."""

    code = "evidence.proof"


class WitnessMissingError(VerificationError):
    """Fewer witnesses than asked for saw this state of the log."""

    code = "evidence.witnesses"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log. `root` is 32 bytes; `extensions` are further lines, which prove nothing."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry is at `index` of a log: the path to the root, and the signed root itself."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note

    def __str__(self) -> str:
        steps = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.path)
        return f"{PROOF_HEADER}\nindex {self.index}\n{steps}\n{self.checkpoint}"

    def verify(self, leaf_hash: bytes, trusted: Sequence[VerifierKey], *, witnesses: int = 0) -> Checkpoint:
        """Hold that the entry is in a log that a trusted key signed; the state it is in.

        Raises
        ------
        SignatureError, WitnessMissingError, InclusionError
            Nobody trusted signed, too few witnesses did, or the entry is not there.
        """
        state = verify_checkpoint(self.checkpoint, trusted, witnesses=witnesses)
        verify_inclusion(leaf_hash, self.index, state.size, self.path, state.root)
        return state


def parse_checkpoint(note: Note) -> Checkpoint:
    """The state that a note states; raises `CheckpointError`, and verifies nothing."""
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or not _DECIMAL.fullmatch(lines[1]):
        raise CheckpointError("the note is no checkpoint of a log", hint="its lines are origin, size and root")
    return Checkpoint(lines[0], int(lines[1]), _hash_of(lines[2], CheckpointError), tuple(lines[3:]))


def verify_checkpoint(note: Note, trusted: Sequence[VerifierKey], *, witnesses: int = 0) -> Checkpoint:
    """The state of a log, held to its signatures.

    A log's key is trusted for the log of its own name only (tlog-checkpoint: the two should match), so that
    one operator's key never speaks for another's log. `witnesses` is how many of the trusted witness keys must
    have cosigned.

    Raises
    ------
    SignatureError
        No trusted key of this log signed, or a signature of a trusted key does not hold.
    WitnessMissingError
        Fewer witnesses than asked for.
    """
    state = parse_checkpoint(note)
    logs = [key for key in trusted if key.kind == ED25519 and key.name == state.origin]
    if not logs:
        raise SignatureError(
            f"no trusted key is of the log {state.origin}",
            hint="get that log's key from its operator by another way than this file, and pass it with --key",
        )
    note.signers(logs)
    seen = cosigners(note, trusted)
    if len(seen) < witnesses:
        raise WitnessMissingError(
            f"{len(seen)} of {witnesses} trusted witnesses cosigned this state of {state.origin}",
            hint="ask for a checkpoint with more cosignatures, or pass the witnesses' keys with --key",
        )
    return state


def cosigners(note: Note, trusted: Sequence[VerifierKey]) -> dict[str, int]:
    """The trusted witnesses that cosigned, by name, with the time in POSIX seconds; raises `SignatureError`."""
    found: dict[str, int] = {}
    for key in trusted:
        for line in note.signatures:
            if key.kind == COSIGNATURE and line.is_by(key):
                found[key.name] = verify_cosignature(note.text, line, key)
    return found


def parse_proof(data: bytes) -> InclusionProof:
    """A proof from its bytes; raises `ProofError` or `NoteError`, and verifies nothing."""
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("the proof is not plain text", hint="it was altered, or is no proof") from error
    if len(lines) > 1 and lines[1].startswith("extra "):
        del lines[1]  # not authenticated, and nothing of ours
    index = lines[1].removeprefix("index ") if len(lines) > 1 else ""
    if lines[0] != PROOF_HEADER or not blank or not _DECIMAL.fullmatch(index) or len(lines) > 2 + _MAX_STEPS:
        raise ProofError("the file is no proof of an entry in a log", hint=f"its first line is {PROOF_HEADER}")
    path = tuple(_hash_of(line, ProofError) for line in lines[2:])
    return InclusionProof(int(index), path, parse_note(note))


def _hash_of(text: str, error: type[CheckpointError | ProofError]) -> bytes:
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != text:
        raise error("a hash in it is not 32 bytes in base64", hint="the file was altered or cut short")
    return found
