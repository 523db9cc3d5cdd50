"""Hop's accounts as published before an airdrop: who dealt with whom, what is said of each, and two halves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

SPLIT_SEED: Final = 20_261_125
DAY_S: Final = 86_400


@dataclass(frozen=True)
class Hop:
    """Hop's accounts: ids, what is said of each, its report, its first use; and who dealt with whom, both ways."""

    account: Ints
    label: NDArray[np.str_]
    report: NDArray[np.str_]
    first_s: Ints
    actor: Ints
    object: Ints

    def acts(self, inside: Bools) -> pa.Table:
        """The table that `coordinate` is given: rows of these accounts only."""
        rows = inside[self.actor]
        times = self.first_s[self.actor[rows]] * 1_000_000
        return pa.table(
            {
                "actor": pa.array(self.account[self.actor[rows]]),
                "object": pa.array(self.object[rows]),
                "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
            }
        )


def load_hop(folder: Path) -> Hop:
    """From the shared data's two files."""
    accounts = pq.read_table(folder / "hop_accounts.parquet")
    edges = pq.read_table(folder / "hop_edges.parquet")
    ids = accounts["account"].to_numpy()
    order = np.argsort(ids)
    pieces = []
    for one, other, known in (("src", "dst", "src_is_account"), ("dst", "src", "dst_is_account")):
        rows = edges[known].to_numpy(zero_copy_only=False)
        pieces.append(np.stack([edges[one].to_numpy()[rows], edges[other].to_numpy()[rows]]))
    actor, counterparty = np.unique(np.concatenate(pieces, axis=1), axis=1)
    return Hop(
        account=ids,
        label=np.array(accounts["label_source"].to_pylist()),
        report=np.array([one or "" for one in accounts["group_id"].to_pylist()]),
        first_s=accounts["first_use_ts"].to_numpy(),
        actor=order[np.searchsorted(ids[order], actor)],
        object=counterparty,
    )


def close_components(hop: Hop, rows: Bools, *, holders: int, gap_s: int) -> Ints:
    """Accounts joined by a counterparty of few holders, or directly, with first uses close in time."""
    accounts = len(hop.account)
    own = np.isin(hop.account, hop.object[rows]) & np.isin(np.arange(accounts), hop.actor[rows])
    actor = np.concatenate([hop.actor[rows], np.flatnonzero(own)])
    thing = np.unique(np.concatenate([hop.object[rows], hop.account[own]]), return_inverse=True)[1]
    count = np.bincount(thing)
    some = (count[thing] >= 2) & (count[thing] <= holders)
    actor, thing = actor[some], thing[some]
    order = np.lexsort((hop.first_s[actor], thing))
    actor, thing = actor[order], thing[order]
    close = (np.diff(thing) == 0) & (np.diff(hop.first_s[actor]) <= gap_s)
    a, b = actor[:-1][close], actor[1:][close]
    return np.asarray(connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(accounts, accounts)))[1])


def halves(hop: Hop) -> Bools:
    """Whether each account is in the development half. Reports, and accounts that hang together within a week,
    stay on one side."""
    label = close_components(hop, np.ones(len(hop.actor), dtype=bool), holders=50, gap_s=7 * DAY_S)
    reported = hop.report != ""
    report = np.unique(hop.report[reported], return_inverse=True)[1]
    size = int(label.max()) + 1
    a, b = label[reported], report + size
    total = size + int(report.max()) + 1
    whole = np.asarray(connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(total, total)))[1])[label]
    random = np.random.default_rng(SPLIT_SEED)
    order = random.permutation(int(whole.max()) + 1)
    weight = np.bincount(whole)
    side = np.zeros(len(weight), dtype=np.int64)
    sums = [0, 0]
    for unit in sorted(order, key=lambda unit: -weight[unit]):
        side[unit] = random.integers(2) if abs(sums[0] - sums[1]) < 400 else int(sums[1] < sums[0])
        sums[side[unit]] += weight[unit]
    first: Bools = side[whole] == 0
    return first
