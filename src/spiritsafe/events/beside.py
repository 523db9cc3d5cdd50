"""The tables beside a log: accounts, account events, attestations, labels that the operator already has.

All are optional. Broken rows are refused and counted like a log's. Comes from paths; goes on to `pipeline`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.events.model import (
    ACCOUNT_EVENTS,
    ACCOUNTS,
    ATTESTATIONS,
    QUARANTINE,
    Column,
    Rejected,
    TableSchema,
)
from spiritsafe.events.tables import one_row_an_account, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.events.identity import Pseudonymiser
    from spiritsafe.events.sources import ReadOptions

LABELS: Final = TableSchema(
    "labels",
    "1.0",
    (
        Column("account_id", pa.string(), "the billing subject", required=True, personal=True),
        Column("label", pa.string(), "what the operator already holds of it", required=True),
    ),
)

_ONE_ROW_AN_ACCOUNT: Final = frozenset({"accounts", "labels"})


@dataclass(frozen=True, slots=True)
class Beside:
    """What was read beside the log. A table that was not given is None."""

    accounts: pa.Table | None
    account_events: pa.Table | None
    attestations: pa.Table | None
    labels: pa.Table | None
    quarantine: pa.Table
    files: tuple[tuple[str, str, int, int], ...]

    @property
    def observable(self) -> frozenset[str]:
        """Account columns that have a value in any row."""
        if self.accounts is None:
            return frozenset()
        table = self.accounts
        return frozenset(n for n in table.column_names if table[n].null_count < table.num_rows)

    @property
    def known(self) -> dict[str, str]:
        """Account id to the operator's own label."""
        if self.labels is None:
            return {}
        return dict(zip(self.labels["account_id"].to_pylist(), self.labels["label"].to_pylist(), strict=True))


def read_beside(
    *,
    accounts: str | None,
    account_events: str | None,
    attestations: str | None,
    labels: str | None,
    options: ReadOptions,
    pseudonymiser: Pseudonymiser | None = None,
) -> Beside:
    """Read what was given. Every table is read whole before anything is written.

    Parameters
    ----------
    accounts, account_events, attestations, labels
        Paths, or None.
    options
        As for the log; a mapping applies by its section for each table, a query does not apply.
    pseudonymiser
        Replaces names as in the log, so that the tables still join.

    Raises
    ------
    InputError
        A file is broken or lacks a required column.
    """
    given = {
        "accounts": (accounts, ACCOUNTS),
        "account_events": (account_events, ACCOUNT_EVENTS),
        "attestations": (attestations, ATTESTATIONS),
        "labels": (labels, LABELS),
    }
    tables: dict[str, pa.Table | None] = dict.fromkeys(given)
    refused: list[Rejected] = []
    files = []
    for name, (path, schema) in given.items():
        if path is None:
            continue
        table, rejected = read_table(path, schema, options)
        if pseudonymiser is not None:
            table = pa.Table.from_batches(
                [pseudonymiser.batch(batch) for batch in table.to_batches()], schema=table.schema
            )
        if name in _ONE_ROW_AN_ACCOUNT:
            table, repeated = one_row_an_account(table, str(path))
            rejected = rejected + repeated
        tables[name] = _complete(table, schema)
        refused += rejected
        files.append((str(path), _digest(path), _size(path), table.num_rows))
    return Beside(**tables, quarantine=quarantine_table(refused), files=tuple(files))


def _complete(table: pa.Table, schema: TableSchema) -> pa.Table:
    """All columns of the contract, null where the file has none, so that expressions need not ask."""
    for column in schema.columns:
        if column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.type))
    return table


def quarantine_table(refused: Sequence[Rejected]) -> pa.Table:
    """Refused rows as the `quarantine` table."""
    columns = {
        "source": [one.source for one in refused],
        "position": [one.position for one in refused],
        "code": [one.code for one in refused],
        "reason": [one.reason for one in refused],
        "raw": [one.raw for one in refused],
    }
    return pa.table(columns, schema=QUARANTINE.arrow())


def _digest(path: str) -> str:
    if not Path(path).is_file():
        return ""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).is_file() else 0
