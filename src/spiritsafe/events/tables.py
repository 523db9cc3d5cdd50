"""The small tables beside the log: accounts, account events, attestations, labels.

They are read whole, by the same readers and rules as the log: a broken row is refused with its reason and the
rest goes on. An attestation that is misspelt is refused aloud: silently ignored it would protect nobody.
Comes from `cli`; goes on to `pipeline`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from spiritsafe.events.joining import agreed
from spiritsafe.events.model import Rejected
from spiritsafe.events.pseudonyms import naming_of
from spiritsafe.events.sources.discover import Source, open_table
from spiritsafe.events.sources.errors import NoRowsError
from spiritsafe.events.sources.options import ReadOptions
from spiritsafe.events.sources.read import read_table_shard
from spiritsafe.events.sources.storage import expand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.events.model import TableSchema

REPEATED_ACCOUNT: Final = "events.repeated_account"


@dataclass(frozen=True, slots=True)
class SideTable:
    """A table that was read whole: its rows, those refused, and (path, SHA-256, bytes) of its files.

    The rows' metadata says whether their names are pseudonyms, as the files say. `origins` says where the rows
    stand, in their order: a file, and positions in it, as in `Rejected`.
    """

    rows: pa.Table
    rejected: list[Rejected]
    inputs: list[tuple[str, str, int]]
    origins: list[tuple[str, NDArray[np.int64]]]


def read_table(
    path: str | Path | Sequence[str | Path], schema: TableSchema, options: ReadOptions | None = None
) -> tuple[pa.Table, list[Rejected]]:
    """`read_side_table`: its rows, and those refused."""
    found = read_side_table(path, schema, options)
    return found.rows, found.rejected


def read_side_table(
    path: str | Path | Sequence[str | Path], schema: TableSchema, options: ReadOptions | None = None
) -> SideTable:
    """A contract table from Parquet, CSV or JSON lines.

    Parameters
    ----------
    path
        One or several files, folders, globs or URLs.
    schema
        `ACCOUNTS`, `ACCOUNT_EVENTS`, `ATTESTATIONS`, or another table of the same form.
    options
        `sql`, `format` and `columns` are for logs and are not used; a mapping is, where it has a section for
        this table.

    Returns
    -------
    The rows, in exactly the contract's types (columns that the file has, then extras), and those refused. Of
    a file with nothing in it: no rows (nobody has been attested yet).

    Raises
    ------
    The same errors as `open_source`, and `ForeignPseudonymsError` where the files' names have several forms.
    """
    options = dataclasses.replace(options or ReadOptions(), sql=None, format=None, columns=None)
    try:
        source = open_table(path, options, schema)
    except NoRowsError:
        source = Source((), "", tuple(expand(path, options)), options)
    batches = []
    rejected: list[Rejected] = []
    namings = []
    origins = []
    for shard in source.shards:
        for batch in read_table_shard(shard, options, schema):
            rejected += batch.rejected
            if batch.table.num_columns:
                namings.append((shard.url, naming_of(batch.table.schema.metadata)))
                batches.append(pa.Table.from_batches([batch.table]).replace_schema_metadata())
                origins.append((shard.url, batch.positions))
    if not batches:
        return SideTable(schema.arrow(schema.required).empty_table(), rejected, source.inputs(), [])
    table = pa.concat_tables(batches, promote_options="permissive")
    names = [name for name in schema.by_name if name in table.column_names]
    table = table.select([*names, *(n for n in table.column_names if n not in schema.by_name)])
    table = table.replace_schema_metadata(agreed(namings).metadata())
    return SideTable(table, rejected, source.inputs(), origins)


def one_row_an_account(
    table: pa.Table, origins: Sequence[tuple[str, NDArray[np.int64]]]
) -> tuple[pa.Table, list[Rejected]]:
    """The first row of each `account_id`, and the others refused.

    Two rows of one account would count it twice wherever the table is joined, and which of them is right nobody
    here can know.

    Parameters
    ----------
    table
        A table of which an account may have one row.
    origins
        Where its rows stand, as in `SideTable`.
    """
    ids = table["account_id"].combine_chunks().dictionary_encode()
    _, first = np.unique(ids.indices.to_numpy(), return_index=True)
    if len(first) == table.num_rows:
        return table, []
    again = np.delete(np.arange(table.num_rows), first)
    places = [(url, int(position)) for url, positions in origins for position in positions]
    refused = []
    for row, name in zip(again, table["account_id"].take(pa.array(again)).to_pylist(), strict=True):
        url, position = places[row]
        reason = f"account_id {name!r} was already seen; the first row with it was kept"
        refused.append(Rejected(url, position, REPEATED_ACCOUNT, reason))
    return table.take(pa.array(np.sort(first))), refused
