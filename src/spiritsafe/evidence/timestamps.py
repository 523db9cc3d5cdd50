"""When a signed state existed, by somebody who is neither us nor a witness: RFC 3161 time-stamps.

A time-stamp authority signs the digest of a log's signed state together with the time. A log's own times are
its own word; with a time-stamp nothing in it can have been written later than the authority says.
Comes from `evidence.ledger` (a state), over HTTP from the authority; goes on to bundles.
Source: RFC 3161; sections 2.4.1 and 2.4.2 (request and response), 3.4 (HTTP). The library checks chain,
extended key usage, nonce and digest.
"""

from __future__ import annotations

import datetime
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from cryptography import x509

from spiritsafe.errors import EnvironmentFault, InputError, UsageError, VerificationError
from spiritsafe.evidence.checkpoints import parse_checkpoint
from spiritsafe.evidence.notes import ED25519, Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.evidence.ledger import Ledger
    from spiritsafe.evidence.notes import VerifierKey

TIMEOUT_S: Final = 20.0
_MAX_TOKEN_BYTES: Final = 64 * 1024


class AuthorityFault(EnvironmentFault):
    """A time-stamp authority did not answer, or refused."""

    code = "evidence.authority"


class RefusedFault(AuthorityFault):
    """An outside service answered with an error. `status` and `body` are its answer."""

    code = "evidence.refused"

    def __init__(self, message: str, *, hint: str = "", status: int = 0, body: bytes = b"") -> None:
        super().__init__(message, hint=hint or "nothing was changed; ask whoever runs it")
        self.status = status
        self.body = body


class AuthorityAddressError(UsageError):
    """A time-stamp authority's or witness's address is no http or https URL."""

    code = "evidence.address"


class TokenError(InputError):
    """A file is no time-stamp, or the certificates given are none."""

    code = "evidence.token"


class TimestampError(VerificationError):
    """A time-stamp does not hold: another state, another authority, or no certificate for time-stamping."""

    code = "evidence.timestamp"


def stamped_bytes(note: Note, keys: Sequence[VerifierKey]) -> bytes:
    """What is stamped: the state as the log signed it, without the cosignatures that came later."""
    logs = [key for key in keys if key.kind == ED25519]
    lines = tuple(line for line in note.signatures if any(line.is_by(key) for key in logs))
    return str(Note(note.text, lines)).encode()


def stamp(ledger: Ledger, authority: str, *, roots: bytes, timeout_s: float = TIMEOUT_S) -> datetime.datetime:
    """Have the ledger's newest signed state stamped, verify the answer, and keep it; the time that it states.

    Parameters
    ----------
    authority
        URL of the authority.
    roots
        The authority's root certificates, PEM: an answer that does not verify is not kept.

    Raises
    ------
    AuthorityAddressError, AuthorityFault
        Not an address to ask, or it did not answer with a time-stamp.
    TokenError, TimestampError
        The answer is broken, or does not hold.
    """
    from rfc3161_client import TimestampRequestBuilder

    note = ledger.checkpoint()
    message = stamped_bytes(note, ledger.verifier_keys())
    request = TimestampRequestBuilder().data(message).cert_request(cert_request=True).build()
    token = post(authority, request.as_bytes(), "application/timestamp-query", timeout_s=timeout_s)
    moment = verify_timestamp(token, message, roots=roots, nonce=request.nonce)
    ledger.add_timestamp(parse_checkpoint(note).size, authority, token)
    return moment


def verify_timestamp(token: bytes, message: bytes, *, roots: bytes, nonce: int | None = None) -> datetime.datetime:
    """The time at which `message` existed, by an authority under `roots` (PEM).

    Raises
    ------
    TokenError
        `token` or `roots` cannot be read.
    TimestampError
        The time-stamp is of something else, or not by an authority under these roots.
    """
    from rfc3161_client import VerificationError as Refused
    from rfc3161_client import Verifier, VerifierBuilder, decode_timestamp_response

    try:
        response = decode_timestamp_response(token)
        certificates = x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise TokenError(f"this is no time-stamp, or no certificate: {error}", hint="see both files") from error
    verifier: Verifier = VerifierBuilder(roots=certificates, nonce=nonce).build()
    try:
        verifier.verify_message(response, message)
    except (Refused, ValueError) as error:
        raise TimestampError(
            f"the time-stamp does not hold: {error}",
            hint="it is of another state, or of an authority that these root certificates do not vouch for",
        ) from error
    return response.tst_info.gen_time


def post(url: str, body: bytes, kind: str, *, timeout_s: float) -> bytes:
    """What an outside service answers; raises `AuthorityAddressError` or `AuthorityFault`."""
    if not url.startswith(("http://", "https://")):
        raise AuthorityAddressError(f"{url[:200]!r} is no http or https address", hint="give the whole URL")
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind}, method="POST")  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - checked above
            return bytes(answer.read(_MAX_TOKEN_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(_MAX_TOKEN_BYTES)
        raise RefusedFault(f"{url} answered {error.code}", status=error.code, body=said) from error
    except OSError as error:
        raise AuthorityFault(f"{url} did not answer: {error}", hint="nothing was changed; try again later") from error
