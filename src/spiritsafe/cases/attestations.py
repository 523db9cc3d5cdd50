"""Who vouches for whom: owned, edited and consulted here, handed to `scan` as the contract's `attestations`.

An attestation has an owner who answers for it and a day on which it ends. Nothing is done to an account for which
one is in force (`cases.actions`).
Comes from the command; goes on to `cases.filing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from spiritsafe.cases.filing import record_of
from spiritsafe.cases.lookups import attestations_in
from spiritsafe.cases.model import ATTESTATIONS, CaseUnknownError
from spiritsafe.errors import UsageError
from spiritsafe.events.model import UTC_US
from spiritsafe.evidence.records import Personal, new_id, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.model import Attestation, AttestationKind
    from spiritsafe.keys.persons import Signer


class AttestationError(UsageError):
    """An attestation would end before it begins."""

    code = "cases.attestation"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an attestation says: of which kind, who answers for it, why, and from when to when (UTC microseconds)."""

    kind: AttestationKind
    owner: str
    reason: str
    not_before_us: int
    expires_us: int


def attest(book: CaseBook, subject: str, terms: Terms, *, signer: Signer) -> str:
    """Vouch for an account or a verified organisation; the attestation's id."""
    attestation_id = new_id()
    with book.doing() as doing:
        _file(doing, attestation_id, subject, terms, "given", signer)
    return attestation_id


def change_attestation(book: CaseBook, attestation_id: str, terms: Terms, *, signer: Signer) -> None:
    """Give an attestation other terms: from here on these hold."""
    with book.doing() as doing:
        _file(doing, attestation_id, _found(doing, attestation_id).subject, terms, "changed", signer)


def withdraw_attestation(book: CaseBook, attestation_id: str, *, reason: str, signer: Signer) -> None:
    """End an attestation now."""
    with book.doing() as doing:
        held = _found(doing, attestation_id)
        terms = Terms(held.kind, held.owner, reason, held.not_before_us, held.expires_us)  # type: ignore[arg-type]
        _file(doing, held.attestation_id, held.subject, terms, "withdrawn", signer)


def attestations_table(held: Iterable[Attestation]) -> pa.Table:
    """Attestations as `scan --attestations` reads them; those that were withdrawn are left out."""
    kept = [one for one in held if not one.withdrawn and one.subject]
    times = {
        "not_before": [one.not_before_us for one in kept],
        "expires_at": [one.expires_us for one in kept],
    }
    return pa.table(
        {name: pa.array([getattr(one, name) for one in kept], pa.string()) for name in _TEXTS}
        | {name: pa.array(values, pa.int64()).cast(UTC_US) for name, values in times.items()}
    )


_TEXTS = ("subject", "kind", "owner", "reason")


def _found(doing: Doing, attestation_id: str) -> Attestation:
    for one in attestations_in(doing.tables):
        if one.attestation_id == attestation_id:
            return one
    raise CaseUnknownError(f"there is no attestation {attestation_id[:60]}", hint="`spiritsafe case attest list`")


def _file(doing: Doing, attestation_id: str, subject: str, terms: Terms, state: str, signer: Signer) -> None:
    doing.check_person(signer)
    if terms.expires_us <= terms.not_before_us:
        raise AttestationError("an attestation that ends before it begins vouches for nothing", hint="see its days")
    record = record_of(
        doing,
        "attestation/1",
        ATTESTATIONS,
        signer=signer,
        attestation=attestation_id,
        kind=terms.kind,
        state=state,
        not_before=utc_text(terms.not_before_us),
        expires_at=utc_text(terms.expires_us),
        owner=terms.owner,
        reason=terms.reason,
        subject=Personal(subject, subject),
    )
    doing.file([record])
