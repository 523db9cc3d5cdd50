"""A copy of the operator's own log, and what its accounts look like: the ground that campaigns are planted in.

The log is read once through the usual readers and copied in the contract's form; the original is never written
to. A sample of its accounts are the donors from which planted accounts take every trait that is not text. Comes
from `inject`; goes on to `inject_plant`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.errors import InputError
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS
from spiritsafe.files import tagged, write_parquet
from spiritsafe.proving.inject_sentence import digest_of, digests_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.events.sources import ReadOptions as Options

    Ints = NDArray[np.int64]

MOST_DONORS: Final = 600
FEWEST_REQUESTS: Final = 3  # an account with fewer says too little to lend its ways
COMMON_HOLDERS: Final = 20  # a value that so many accounts hold says nothing about any one of them
# Values that tie accounts together when they are rare; a common one (a client build, a plan) is kept.
TYING_COLUMNS: Final = ("user_agent", "ja4", "http2_fingerprint", "tool_schema_hash", "system_prompt")
TYING_PROFILE: Final = ("email_domain", "email_pattern", "phone_prefix")


class NoTextError(InputError):
    """The input is sketches: text-free rows, to which no prompt can be added."""

    code = "proving.inject_sketches"


class TooFewAccountsError(InputError):
    """The log holds too few accounts to lend their traits to planted ones."""

    code = "proving.donors"


@dataclass(frozen=True, slots=True)
class Log:
    """The copied log. `donors` are row numbers of `rows` by donor; `common` the common values of tying columns.

    `rows` holds the donors' requests without text; `profiles` their rows of the accounts table, in the donors'
    order, or None when no such table was given. `taken` are the account ids and addresses that the log holds.
    `beside` are the copied tables beside the log, by name; `digest` and `tables` name the bytes that were copied;
    `passed_over` are files that are no logs by their names.
    """

    files: tuple[Path, ...]
    beside: dict[str, Path]
    digest: str
    tables: dict[str, str]
    passed_over: tuple[str, ...]
    requests: int
    accounts: int
    first_us: int
    last_us: int
    rows: pa.Table
    donors: tuple[Ints, ...]
    profiles: pa.Table | None
    common: dict[str, set[Any]]
    taken: set[str]
    has_prompts: bool

    @property
    def days(self) -> float:
        """Length of the log in days, at least one hour of it."""
        return max(self.last_us - self.first_us, 3_600_000_000) / 86_400_000_000


def copy_log(logs: Sequence[str], tables: Mapping[str, str | None], work: Path, *, options: Options, seed: int) -> Log:
    """Copy a log and the tables beside it into `work` in the contract's form, and pick donors.

    Parameters
    ----------
    logs, options
        As for `find_campaigns`.
    tables
        Of `accounts`, `account_events` and `attestations`: paths, or None.
    work
        A folder of ours.
    seed
        Equal seeds pick equal donors.

    Raises
    ------
    TooFewAccountsError
        Fewer than eight accounts with three requests each.
    InputError
        A file cannot be read; see `events.sources`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from spiritsafe.events.sources import open_source, read_shard

    work.mkdir(parents=True, exist_ok=True)
    source = open_source(list(logs), options)
    if source.format == "sketches":
        raise NoTextError(
            "sketches hold no text, and campaigns cannot be planted beside them",
            hint="give the log that the sketches were made from",
        )
    digest = digest_of(sha256 for _, sha256, _ in source.inputs())
    writers: dict[tuple[str, ...], pq.ParquetWriter] = {}
    try:
        for shard in source.shards:
            for batch in read_shard(shard, options):
                table = batch.table.select([n for n in batch.table.schema.names if n in REQUESTS.by_name])
                names = tuple(table.schema.names)
                if not table.num_rows:
                    continue
                if names not in writers:
                    path = work / f"log-{len(writers)}.parquet"
                    writers[names] = pq.ParquetWriter(path, tagged(table.schema, REQUESTS.tag), compression="zstd")
                rows = pa.Table.from_batches([table]).replace_schema_metadata(writers[names].schema.metadata)
                writers[names].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()
    files = tuple(work / f"log-{number}.parquet" for number in range(len(writers)))
    return _describe(files, *_copy_beside(tables, work, options), digest, source.passed_over, seed=seed)


def _copy_beside(
    tables: Mapping[str, str | None], work: Path, options: Options
) -> tuple[dict[str, Path], dict[str, str], pa.Table | None]:
    """The tables beside the log as a scan reads them: where they were copied, what they were, and the accounts."""
    from spiritsafe.events.beside import read_beside

    read = read_beside(
        accounts=tables.get("accounts"),
        account_events=tables.get("account_events"),
        attestations=tables.get("attestations"),
        labels=None,
        options=replace(options, sql=None, format=None, columns=None),
    )
    digests = digests_of((name, sha256) for name, _, sha256, _ in read.files)
    copied, known, profiles = {}, {}, None
    for name, table, schema in (
        ("accounts", read.accounts, ACCOUNTS),
        ("account_events", read.account_events, ACCOUNT_EVENTS),
        ("attestations", read.attestations, ATTESTATIONS),
    ):
        if table is None:
            continue
        # Columns that the file did not have come back empty: a planted account must not have what nobody has.
        filled = [n for n in schema.by_name if n in schema.required or table[n].null_count < table.num_rows]
        copied[name], known[name] = work / f"{name}.parquet", digests[name]
        write_parquet(table.select(filled), copied[name], schema.tag)
        if name == "accounts":
            profiles = table.select(filled)
    return copied, known, profiles


def _describe(
    files: tuple[Path, ...],
    beside: dict[str, Path],
    tables: dict[str, str],
    profiles: pa.Table | None,
    digest: str,
    passed_over: tuple[str, ...],
    *,
    seed: int,
) -> Log:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    logs = ds.dataset([ds.dataset(str(path)) for path in files])
    who = logs.to_table(columns=["account_id", "time"])
    counted = who.group_by("account_id").aggregate([("account_id", "count")]).sort_by("account_id")
    able = counted.filter(pc.greater_equal(counted.column("account_id_count"), FEWEST_REQUESTS)).column("account_id")
    if len(able) < 8:
        raise TooFewAccountsError(
            f"only {len(able)} accounts of the log have {FEWEST_REQUESTS} requests or more",
            hint="give a longer stretch of the log: planted accounts take their traits from real ones",
        )
    rng = np.random.default_rng(seed)
    chosen = able.take(pa.array(np.sort(rng.permutation(len(able))[:MOST_DONORS]))).combine_chunks()
    wanted = [name for name in logs.schema.names if name not in {"prompt", "assistant_prefill", "response"}]
    rows = logs.to_table(columns=wanted, filter=ds.field("account_id").isin(chosen)).combine_chunks()
    donor = pc.index_in(rows.column("account_id"), chosen).combine_chunks().to_numpy(zero_copy_only=False)
    order = np.argsort(donor, kind="stable")
    bounds = np.searchsorted(donor[order], np.arange(len(chosen) + 1))
    time = who.column("time").cast(pa.int64())
    own_profiles = None
    if profiles is not None:
        own_profiles = profiles.take(pc.index_in(chosen, profiles.column("account_id").combine_chunks()))
    common = {
        name: _common(logs.to_table(columns=["account_id", name]), name) for name in _present(logs, TYING_COLUMNS)
    }
    if profiles is not None:
        common |= {name: _common(profiles, name) for name in TYING_PROFILE if name in profiles.column_names}
    return Log(
        files=files,
        beside=beside,
        digest=digest,
        tables=tables,
        passed_over=passed_over,
        requests=who.num_rows,
        accounts=counted.num_rows,
        first_us=pc.min(time).as_py(),
        last_us=pc.max(time).as_py(),
        rows=rows,
        donors=tuple(order[start:end] for start, end in pairwise(bounds)),
        profiles=own_profiles,
        common=common,
        taken=_taken(logs, counted.column("account_id")),
        has_prompts="prompt" in logs.schema.names,
    )


def _taken(logs: Any, accounts: Any) -> set[str]:
    """Account ids and addresses of the log."""
    addresses = logs.to_table(columns=["client_ip"]) if "client_ip" in logs.schema.names else None
    seen = [] if addresses is None else addresses.column("client_ip").unique().drop_null().to_pylist()
    return {*accounts.to_pylist(), *seen}


def _present(logs: Any, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in logs.schema.names]


def _common(table: pa.Table, name: str) -> set[Any]:
    """Values of a column that many accounts hold."""
    import pyarrow.compute as pc

    held = table.select(["account_id", name]).group_by(name).aggregate([("account_id", "count_distinct")])
    many = held.filter(pc.greater_equal(held.column("account_id_count_distinct"), COMMON_HOLDERS))
    return set(many.column(name).to_pylist()) - {None}
