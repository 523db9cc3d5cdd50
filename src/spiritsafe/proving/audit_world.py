"""A composed world as arrays: what an account-by-account observer could see, and the labels to judge him by.

Comes from a world's folder; goes on to `audit_rows` (every column), `audit_accounts` (every aggregate) and
`audit_texts`. Rows keep the file's order, because the order itself may give the answer away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.score_truth import (
    Truth,
    WorldError,
    load_exchanges,
    load_truth,
    read_world_table,
    strings,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

# Texts are read by `audit_texts`; how often a text occurs over all accounts is what a detector is for.
TEXT_COLUMNS: Final = ("prompt", "system_prompt", "assistant_prefill", "response")


@dataclass(frozen=True, slots=True)
class AuditWorld:
    """One world. `account` numbers the accounts of `truth`, one entry a row of `requests`.

    `sent_by_campaign` marks the exchanges that the distiller sent. `profiles` is `accounts.parquet` with one
    row an account of `truth`, in that order (nulls where the file has no row), and the row's `position`.
    """

    requests: pa.Table
    account: Ints
    sent_by_campaign: Bools
    profiles: pa.Table
    account_events: pa.Table | None
    attested: Bools
    truth: Truth

    @property
    def accounts(self) -> int:
        return len(self.truth.account_id)

    @property
    def time_us(self) -> Ints:
        """Shape (rows,). Microseconds since 1970 of each request."""
        return microseconds(self.requests.column("time"))


def microseconds(column: Any) -> Ints:
    """A timestamp column without nulls as microseconds since 1970."""
    import pyarrow as pa

    whole: Ints = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy().astype(np.int64)
    return whole


def load_audit_world(world: Path) -> AuditWorld:
    """Read a world and line its tables up.

    Raises
    ------
    WorldError
        A table is missing, or the traffic holds accounts or exchanges that the truth does not know.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    truth = load_truth(world)
    ids = pa.array(truth.account_id.tolist(), pa.string())
    requests = read_world_table(world, "requests.parquet")
    account = pc.index_in(requests.column("account_id").cast(pa.string()), ids)
    exchanges = load_exchanges(world)
    exchange = pc.index_in(requests.column("event_id"), exchanges.column("event_id").combine_chunks())
    if requests.num_rows == 0 or account.null_count or exchange.null_count:
        raise WorldError(
            f"{world}: {account.null_count} requests of unknown accounts, {exchange.null_count} of no exchange",
            hint="compose the world again; requests and truth must be of one run",
        )
    campaign = exchanges.column("campaign_id").take(exchange)
    known = read_world_table(world, "accounts.parquet")
    known = known.append_column("position", pa.array(np.arange(known.num_rows, dtype=np.float64)))
    row_of = pc.index_in(ids, known.column("account_id").combine_chunks())
    events_file = world / "account_events.parquet"
    return AuditWorld(
        requests=requests,
        account=account.to_numpy().astype(np.int64),
        sent_by_campaign=campaign.is_valid().to_numpy(),
        profiles=known.take(row_of),
        account_events=read_world_table(world, "account_events.parquet") if events_file.is_file() else None,
        attested=_attested(world, truth, known.take(row_of)),
        truth=truth,
    )


def _attested(world: Path, truth: Truth, profiles: pa.Table) -> Bools:
    """Shape (accounts,). Whether an attestation names the account or its organisation."""
    if not (world / "attestations.parquet").is_file():
        return np.zeros(len(truth.account_id), bool)
    subjects = set(strings(read_world_table(world, "attestations.parquet"), "subject"))
    named = np.array([account in subjects for account in truth.account_id])
    if "organization_id" in profiles.column_names:
        named |= np.array([bool(name) and name in subjects for name in strings(profiles, "organization_id")])
    return named
