"""Whom does somebody with a name vouch for, and for how much of what they did?

An attestation protects what was done while it was in force, and nothing before or after: an account counts as
attested when at least half of its exchanges fell into that time. One made for an organisation counts only for
accounts whose membership is verified: a name is no proof. Comes from account signals and the `attestations`
table; goes on to `campaigns.background`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa

from spiritsafe.campaigns.facts import Attested
from spiritsafe.events.model import UTC_US

if TYPE_CHECKING:
    import ibis.expr.types as ir

    Period = tuple[int, int, int]


def periods(signals: pa.Table, attestations: pa.Table) -> pa.Table:
    """When an attestation was in force for which account; periods of one account do not overlap.

    Parameters
    ----------
    signals
        Account signals, sorted by account number from 0.
    attestations
        The `attestations` table.

    Returns
    -------
    `account` (its number), `attestation` (row of the table; the first that is in force), `not_before`,
    `expires_at`: in force from the one until just before the other.
    """
    begins = attestations["not_before"].cast(pa.int64()).to_pylist()
    ends = attestations["expires_at"].cast(pa.int64()).to_pylist()
    by_subject: dict[str, list[Period]] = {}
    for row, (subject, begin, end) in enumerate(zip(attestations["subject"].to_pylist(), begins, ends, strict=True)):
        by_subject.setdefault(subject, []).append((begin, end, row))
    told = (signals[name].to_pylist() for name in ("account_id", "organization_id", "organization_verified"))
    found = [
        (account, *piece)
        for account, (name, organization, verified) in enumerate(zip(*told, strict=True))
        for piece in _apart(by_subject.get(name, []) + (by_subject.get(organization, []) if verified else []))
    ]
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    return pa.table(
        {
            "account": pa.array(columns[0], pa.int64()),
            "attestation": pa.array(columns[3], pa.int64()),
            "not_before": pa.array(columns[1], pa.int64()).cast(UTC_US),
            "expires_at": pa.array(columns[2], pa.int64()).cast(UTC_US),
        }
    )


def _apart(whole: list[Period]) -> list[Period]:
    """The same time cut where a period begins or ends, each piece once, so that no exchange counts twice."""
    edges = sorted({edge for begin, end, _ in whole for edge in (begin, end)})
    pieces = []
    for begin, end in pairwise(edges):
        in_force = [row for first, last, row in whole if first <= begin and end <= last]
        if in_force:
            pieces.append((begin, end, min(in_force)))
    return pieces


def covered(requests: ir.Table, in_force: ir.Table) -> ir.Table:
    """How many exchanges of an account fell into each attestation's time: `account`, `attestation`, `exchanges`.

    Parameters
    ----------
    requests
        Numbered `sketches` rows.
    in_force
        As `periods` gives it; only its accounts are looked at.
    """
    during = requests.select("account", "time").inner_join(in_force, "account")
    during = during.filter((during.time >= during.not_before) & (during.time < during.expires_at))
    return during.group_by(["account", "attestation"]).agg(exchanges=during.count())


def attested(signals: pa.Table, attestations: pa.Table, counts: pa.Table) -> dict[int, Attested]:
    """Account number to who vouches for it, and for how many of its exchanges.

    Parameters
    ----------
    signals, attestations
        As for `periods`.
    counts
        As `covered` computes it.

    Returns
    -------
    Every account of which an exchange is covered. Where several attestations cover it, the one that covers most
    is named.
    """
    exchanges = signals["exchanges"].to_pylist()
    by_account: dict[int, list[tuple[int, int]]] = {}
    for row in counts.to_pylist():
        by_account.setdefault(row["account"], []).append((-row["exchanges"], row["attestation"]))
    told = attestations.select(["kind", "owner", "reason"]).to_pylist()
    return {
        account: Attested(
            **told[min(found)[1]], covered=-sum(count for count, _ in found), exchanges=exchanges[account]
        )
        for account, found in sorted(by_account.items())
    }
