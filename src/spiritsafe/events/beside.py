"""The tables beside a log: accounts, account events, attestations, labels that the operator already has.

All are optional. Broken rows are refused and counted like a log's. Comes from paths; goes on to `pipeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from spiritsafe.events.tables import one_row_an_account, read_side_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.events.joining import Namer
    from spiritsafe.events.sources import ReadOptions

LABELS: Final = TableSchema(
    "labels",
    "1.0",
    (
        Column("account_id", pa.string(), "the billing subject", required=True, personal=True),
        Column("label", pa.string(), "what the operator already holds of it", required=True),
    ),
)
SIDES: Final = {"accounts": ACCOUNTS, "account_events": ACCOUNT_EVENTS, "attestations": ATTESTATIONS, "known": LABELS}
"""The tables that `scan` takes beside a log, by the name of their option."""

_ONE_ROW_AN_ACCOUNT: Final = frozenset({"accounts", "labels"})


@dataclass(frozen=True, slots=True)
class Beside:
    """What was read beside the log. A table that was not given is None.

    `files` are (table, path, SHA-256 in hex, bytes) of every file.
    """

    accounts: pa.Table | None
    account_events: pa.Table | None
    attestations: pa.Table | None
    labels: pa.Table | None
    quarantine: pa.Table
    files: tuple[tuple[str, str, str, int], ...]

    @property
    def observable(self) -> frozenset[str]:
        """Account columns that have a value in any row."""
        if self.accounts is None:
            return frozenset()
        table = self.accounts
        return frozenset(n for n in table.column_names if table[n].null_count < table.num_rows)

    @property
    def unused(self) -> list[str]:
        """What was given and does not count, in words, so that nobody believes it did."""
        if not self.quarantine.num_rows:
            return []
        codes = ", ".join(sorted(set(self.quarantine["code"].to_pylist())))
        rows = "1 row" if self.quarantine.num_rows == 1 else f"{self.quarantine.num_rows:,} rows"
        return [f"Refused of the tables beside the log: {rows} ({codes}); see quarantine.parquet."]

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
    namer: Namer | None = None,
) -> Beside:
    """Read what was given. Every table is read whole before anything is written.

    Parameters
    ----------
    accounts, account_events, attestations, labels
        Paths, or None.
    options
        As for the log; a mapping applies by its section for each table, a query does not apply.
    namer
        Brings names to the form that they have in the log, so that the tables join; None leaves them.

    Raises
    ------
    InputError
        A file is broken or lacks a required column, or its names cannot be brought to the log's.
    """
    given = {
        "accounts": (accounts, ACCOUNTS),
        "account_events": (account_events, ACCOUNT_EVENTS),
        "attestations": (attestations, ATTESTATIONS),
        "labels": (labels, LABELS),
    }
    tables: dict[str, pa.Table | None] = dict.fromkeys(given)
    refused: list[Rejected] = []
    files: list[tuple[str, str, str, int]] = []
    for name, (path, schema) in given.items():
        if path is None:
            continue
        found = read_side_table(path, schema, options)
        table = found.rows if namer is None else named(found.rows, namer)
        refused += found.rejected
        if name in _ONE_ROW_AN_ACCOUNT:
            table, repeated = one_row_an_account(table, found.origins)
            refused += repeated
        tables[name] = _complete(table, schema)
        files += [(name, *one) for one in found.inputs]
    return Beside(**tables, quarantine=quarantine_table(refused), files=tuple(files))


def named(rows: pa.Table, namer: Namer) -> pa.Table:
    """The rows with names as `namer` has them."""
    batches = [namer.batch(batch) for batch in rows.to_batches()]
    return pa.Table.from_batches(batches, schema=batches[0].schema) if batches else rows


def shareable(
    path: str, schema: TableSchema, options: ReadOptions, namer: Namer
) -> tuple[pa.Table, list[str], list[Rejected]]:
    """A side table for somebody who holds only a sketch: its names hidden, nothing that the contract does not know.

    Returns
    -------
    The rows, in the order of their pseudonyms, since an order may tell who is who; the columns left out; and the
    rows refused.
    """
    found = read_side_table(path, schema, options)
    rows = named(found.rows, namer)
    left_out = [name for name in rows.column_names if name not in schema.by_name]
    return rows.drop_columns(left_out).sort_by(schema.required[0]), left_out, found.rejected


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
