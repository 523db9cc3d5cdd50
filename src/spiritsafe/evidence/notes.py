"""Signed notes: a text, and under it a line for each key that signed it.

Comes from texts and keys; goes on to `evidence.checkpoints` (what a log signs) and `evidence.witness`
(what others sign under it).
Source: c2sp.org/signed-note; the text form of keys is that of golang.org/x/mod/sumdb/note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spiritsafe.errors import InputError, UsageError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MAX_NOTE_BYTES: Final = 128 * 1024
MAX_SIGNATURES: Final = 100
_DASH: Final = "\N{EM DASH} "
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4


class NoteError(InputError):
    """A signed note is not one: no signature, a broken line, control characters, or too large."""

    code = "evidence.note"


class VerifierKeyError(UsageError):
    """A public key is not of the form `NAME+ID+KEY`, or its id is another key's."""

    code = "evidence.verifier_key"


class SignatureError(VerificationError):
    """No key that is trusted signed this, or a signature of one does not hold."""

    code = "evidence.signature"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name. `kind` is 1 for a log's signature, 4 for a witness's cosignature."""

    name: str
    public: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line opens with."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Hold that this key signed; raises `SignatureError`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(
                f"the signature of {self.name} does not hold",
                hint="the text was altered after it was signed, or somebody else used this name",
            ) from error


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A secret key with its name. Its `repr` hides the secret."""

    name: str
    secret: bytes = field(repr=False)
    kind: int = ED25519

    @property
    def verifier(self) -> VerifierKey:
        """What others need to check a signature."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw(), self.kind)

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes (RFC 8032)."""
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line under a note: who claims to have signed, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether name and id are this key's; says nothing yet of the signature."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures. Nothing of it may be believed before `signers`."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(map(str, self.signatures))

    def signers(self, trusted: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The trusted keys that signed, each held to its signature.

        Raises
        ------
        SignatureError
            None of them did, or a line that bears a trusted key's name and id does not hold.
        """
        message, found = self.text.encode(), []
        for key in trusted:
            lines = [line for line in self.signatures if line.is_by(key)]
            for line in lines:
                key.verify(line.signature, message)
            found += [key] * bool(lines)
        if not found:
            names = ", ".join(sorted({line.name for line in self.signatures}))
            raise SignatureError(
                f"no trusted key signed this; it is signed by {names}",
                hint="get the log's key from its operator by another way than this file, and pass it with --key",
            )
        return tuple(found)


def sign_note(text: str, *signers: SignerKey) -> Note:
    """A note of `text`, signed with each key (the key's kind must be `ED25519`)."""
    _check_text(text)
    signed = tuple(NoteSignature(key.name, key.verifier.key_id, key.sign(text.encode())) for key in signers)
    return Note(text, signed)


def parse_note(data: bytes) -> Note:
    """A note from its bytes; raises `NoteError`, and verifies nothing."""
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError(f"a signed note of {len(data):,} bytes is refused", hint=f"at most {MAX_NOTE_BYTES:,} are read")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("the signed note is not UTF-8", hint="it was altered, or is no note") from error
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("the signed note has no signature lines", hint="it was cut short, or is no note")
    text += "\n"
    _check_text(text)
    signatures = tuple(_parse_line(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"a note with {len(signatures)} signatures is refused", hint=f"at most {MAX_SIGNATURES}")
    return Note(text, signatures)


def parse_signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines alone, as a witness answers; raises `NoteError`."""
    return parse_note(b"lines\n\n" + data).signatures


def parse_verifier_key(text: str) -> VerifierKey:
    """A public key from `NAME+ID+KEY` (id in hexadecimal, key in base64 with its kind before it).

    Examples
    --------
    >>> parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").name
    'PeterNeumann'
    """
    parts = text.strip().split("+", 2)
    if len(parts) == 3:
        name, key_id, encoded = parts
        key = _unbase64(encoded)
        if _is_name(name) and len(key) == 1 + _KEY_BYTES and key[0] in {ED25519, COSIGNATURE}:
            found = VerifierKey(name, key[1:], key[0])
            if found.key_id.hex() == key_id:
                return found
    raise VerifierKeyError(
        f"{text.strip()[:120]!r} is no public key of a log or witness",
        hint="the form is NAME+ID+KEY, as `spiritsafe evidence keys` prints it",
    )


def cosign_message(text: str, at_s: int) -> bytes:
    """What a witness signs of a checkpoint's text (c2sp.org/tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def cosign(text: str, signer: SignerKey, *, at_s: int) -> NoteSignature:
    """A witness's line: at `at_s` (POSIX seconds) this was the largest consistent state that it had seen."""
    signature = struct.pack(">Q", at_s) + signer.sign(cosign_message(text, at_s))
    return NoteSignature(signer.name, signer.verifier.key_id, signature)


def verify_cosignature(text: str, line: NoteSignature, key: VerifierKey) -> int:
    """The time of a cosignature in POSIX seconds; raises `SignatureError`."""
    at_s = int.from_bytes(line.signature[:8], "big")
    if len(line.signature) != 8 + 64 or at_s >= 1 << 63:
        raise SignatureError(f"the cosignature of {key.name} is cut short", hint="ask the witness again")
    key.verify(line.signature[8:], cosign_message(text, at_s))
    return at_s


def _parse_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    signature = _unbase64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or len(signature) <= _ID_BYTES:
        raise NoteError("a signature line of the note is broken", hint="the note was altered or cut short")
    return NoteSignature(name, signature[:_ID_BYTES], signature[_ID_BYTES:])


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(sign) < 0x20 and sign != "\n" for sign in text):
        raise NoteError("a note's text ends in a newline and has no control characters", hint="see signed-note")


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(sign.isspace() for sign in name)


def _unbase64(text: str) -> bytes:
    """The bytes; empty where the text is not plain base64, which every caller refuses by length."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if base64.b64encode(found).decode() == text else b""
