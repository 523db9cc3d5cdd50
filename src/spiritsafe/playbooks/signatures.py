"""Who answers for a playbook? Its signatures, made and checked as CACAO says.

A signature is over the playbook with that signature's object in it, without the object's `value` and without other
signatures: canonical JSON (RFC 8785), hashed; what is signed is the hash in hexadecimal, by an algorithm of JOSE
(RFC 7518, RFC 9864), and written in base64url. That it is the hexadecimal text and not the bytes is our reading, and
that of the one other program that signs (cacao-roaster, in the steps that it quotes).
A key that stands in a signature proves nothing: whoever checks says whom they trust.
Comes from the command and whoever runs a playbook; goes on to `joserfc`.
Source: CACAO 2.0 section 10.15 and appendix A.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from spiritsafe.errors import VerificationError
from spiritsafe.evidence.disclosures import canonical
from spiritsafe.playbooks.model import PlaybookError
from spiritsafe.playbooks.reading import read_playbook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.model import Playbook

HASHES: Final[Mapping[str, str]] = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
_KEYS: Final[Mapping[str, Any]] = {
    "Ed25519": OKPKey, "Ed448": OKPKey, "ES256": ECKey, "ES384": ECKey, "ES512": ECKey,
    "RS256": RSAKey, "RS384": RSAKey, "RS512": RSAKey, "PS256": RSAKey, "PS384": RSAKey, "PS512": RSAKey,
}  # fmt: skip


class PlaybookSignatureError(VerificationError):
    """A playbook is not signed by anybody who is trusted, or a signature on it does not hold."""

    code = "playbooks.signature"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds: what the signee is called there, and the public key, PEM without its frame."""

    signee: str
    algorithm: str
    public_key: str


def sign_playbook(body: bytes, signer: Signer, *, now: str) -> bytes:
    """The playbook with one more signature, by a person's key.

    Parameters
    ----------
    body
        A playbook without a fault.
    signer
        The person.
    now
        The time, as CACAO writes times (RFC 3339, UTC, with milliseconds).
    """
    document = dict(read_playbook(body).document)
    signature = {
        "type": "jss",
        "id": f"jss--{uuid.uuid4()}",
        "created": now,
        "modified": now,
        "signee": signer.name,
        "related_to": document["id"],
        "related_version": document["modified"],
        "hash_algorithm": "sha-256",
        "algorithm": "Ed25519",
        "public_key": public_key_of(signer.public_key),
    }
    value = signer.sign_hexadecimal(_digest(document, signature))
    signature["value"] = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    document["signatures"] = [*document.get("signatures", []), signature]
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def check_signatures(playbook: Playbook, trusted: Collection[str], *, now: str) -> list[Signed]:
    """The signatures of a playbook that are by somebody who is trusted.

    Parameters
    ----------
    playbook
        A playbook that was read.
    trusted
        Public keys, PEM without its frame, as `public_key_of` writes them.
    now
        The time, as CACAO writes times.

    Raises
    ------
    PlaybookSignatureError
        None is, or any signature on it, by whomever, does not hold: then it was changed after it was signed.
    """
    document = playbook.document
    held = [_held(document, signature) for signature in document.get("signatures", ())]
    found = [
        one
        for one, signature in zip(held, document.get("signatures", ()), strict=True)
        if one.public_key in set(trusted) and not _is_out_of_time(signature, now)
    ]
    if not found:
        by = ", ".join(one.signee for one in held) or "nobody"
        raise PlaybookSignatureError(
            f"the playbook {playbook.name!r} is signed by nobody who is trusted here (by {by})",
            hint="read it, and sign it: `spiritsafe playbook sign`; or name the key that you trust",
        )
    return found


def public_key_of(raw: bytes) -> str:
    """An Ed25519 public key as a signature object has it: PEM without header and footer."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(raw)
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _held(document: Mapping[str, Any], signature: Mapping[str, Any]) -> Signed:
    """A signature, once it is seen to hold."""
    signee, algorithm = str(signature["signee"]), str(signature["algorithm"])
    if signature["related_to"] != document["id"] or signature["related_version"] != document["modified"]:
        raise _broken(signee, "is of another playbook, or of another version of it")
    if algorithm not in _KEYS or signature["hash_algorithm"] not in HASHES or "public_key" not in signature:
        raise _broken(
            signee, f"is of a kind that is not checked here ({algorithm[:40]}, {signature['hash_algorithm'][:40]})"
        )
    if "signature" in signature:
        raise _broken(signee, "is countersigned, which is not checked here")
    digest = _digest(document, signature)
    try:
        value = base64.b64decode(
            signature["value"] + "=" * (-len(signature["value"]) % 4), altchars=b"-_", validate=True
        )
        pem = f"-----BEGIN PUBLIC KEY-----\n{signature['public_key']}\n-----END PUBLIC KEY-----\n"
        key = _KEYS[algorithm].import_key(pem)
        method = JWSRegistry.algorithms[algorithm]
        method.check_key(key)
        holds = method.verify(digest.encode("ascii"), value, key)
    except (JoseError, ValueError, TypeError) as error:
        raise _broken(signee, "cannot be read") from error
    if not holds:
        raise _broken(signee, "does not hold: the playbook was changed after it was signed")
    return Signed(signee, algorithm, "".join(str(signature["public_key"]).split()))


def _digest(document: Mapping[str, Any], signature: Mapping[str, Any]) -> str:
    """The hash that is signed, in hexadecimal."""
    bare = {name: value for name, value in signature.items() if name != "value"}
    try:
        name = HASHES[str(signature["hash_algorithm"])]
    except KeyError as error:
        raise PlaybookError(
            "the signature's hash is none of sha-256, sha-384, sha-512", hint="sign it again"
        ) from error
    return hashlib.new(name, canonical({**document, "signatures": [bare]})).hexdigest()


def _is_out_of_time(signature: Mapping[str, Any], now: str) -> bool:
    return bool(signature.get("revoked")) or not (
        signature.get("valid_from", "") <= now < signature.get("valid_until", "9999")
    )


def _broken(signee: str, what: str) -> PlaybookSignatureError:
    return PlaybookSignatureError(
        f"the signature of {signee[:80]} {what}", hint="ask who gave it to you for the playbook as it was signed"
    )
