"""The tables that a scan writes, from judged groups. Pure: Arrow tables out, nothing on disk.

Schemas are the contract (`docs/reference/scan-output.md`). Comes from `campaigns.verdicts`; `pipeline` writes
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from spiritsafe.campaigns.model import EvidenceKind, Verdict
from spiritsafe.events.model import UTC_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.campaigns.facts import GroupFacts, Log
    from spiritsafe.campaigns.model import Group

MEMBERS: Final = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("account_id", pa.string()),
        ("probability", pa.float64()),
        ("role", pa.string()),
        ("first_seen", UTC_US),
        *[(f"bits_{kind.value}", pa.float64()) for kind in EvidenceKind],
    ]
)
LINKS: Final = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("account_a", pa.string()),
        ("account_b", pa.string()),
        ("kind", pa.string()),
        ("thing", pa.string()),
        ("value", pa.string()),
        ("bits", pa.float64()),
        ("first_seen", UTC_US),
        ("last_seen", UTC_US),
    ]
)
GROUPS: Final = pa.schema(
    [
        ("group_id", pa.string()),
        ("verdict", pa.string()),
        ("failed_axis", pa.string()),
        ("reason", pa.string()),
        ("accounts", pa.int64()),
        ("exchanges", pa.int64()),
        ("account_ids", pa.list_(pa.string())),
        ("coordination", pa.string()),
        ("extraction", pa.string()),
        ("concealment", pa.string()),
    ]
)
LINKED_VALUES_LIMIT: Final = 2_000
"""Values a group of which links are listed, strongest first; the rest repeat what these say."""


def members_table(groups: Sequence[Group], facts: Sequence[GroupFacts], log: Log) -> pa.Table:
    """`members.parquet`: accounts of groups with verdict `campaign` only."""
    rows: list[dict[str, Any]] = []
    for group, known in zip(groups, facts, strict=True):
        if group.verdict is not Verdict.CAMPAIGN:
            continue
        first = known.of(log, "first_s")
        rows += [
            {
                "campaign_id": group.campaign_id,
                "account_id": member.account_id,
                "probability": member.probability,
                "role": member.role,
                "first_seen": int(first[position]) * 1_000_000,
                **{f"bits_{kind.value}": getattr(member, f"bits_{kind.value}") for kind in EvidenceKind},
            }
            for position, member in enumerate(group.members)
        ]
    return pa.Table.from_pylist(rows, schema=MEMBERS)


def groups_table(groups: Sequence[Group]) -> pa.Table:
    """`groups.parquet`: every group looked at, with its verdict and the axis that failed."""
    rows = [
        {
            "group_id": group.campaign_id,
            "verdict": group.verdict.value,
            "failed_axis": group.failed_axis,
            "reason": next((axis.reason for axis in group.axes if axis.name == group.failed_axis), ""),
            "accounts": len(group.members),
            "exchanges": group.exposure.exchanges,
            "account_ids": [member.account_id for member in group.members],
            **{axis.name: axis.status.value for axis in group.axes},
        }
        for group in groups
    ]
    return pa.Table.from_pylist(rows, schema=GROUPS)


def links_table(groups: Sequence[Group], facts: Sequence[GroupFacts], log: Log) -> pa.Table:
    """`links.parquet`: who is tied to whom by what.

    A value that n members hold gives n - 1 links, from its first holder to each other: the number of rows
    grows with holdings, not with pairs. Times are those of the window in which both accounts were seen.
    """
    ids, first, last = (log.signals[name] for name in ("account_id", "first_s", "last_s"))
    pieces: list[pa.Table] = []
    for group, known in zip(groups, facts, strict=True):
        for one in known.shared[:LINKED_VALUES_LIMIT]:
            a, b = known.accounts[one.members[0]], known.accounts[one.members[1:]]
            begin, end = np.maximum(first[a], first[b]), np.minimum(last[a], last[b])
            count = len(b)
            columns = [
                pa.array([group.campaign_id] * count, pa.string()),
                pa.array([str(ids[a])] * count, pa.string()),
                pa.array(ids[b].astype(str), pa.string()),
                pa.array([one.kind] * count, pa.string()),
                pa.array([one.thing] * count, pa.string()),
                pa.array([one.label] * count, pa.string()),
                pa.array(np.full(count, one.bits)),
                pa.array(np.minimum(begin, end).astype(np.int64) * 1_000_000).cast(UTC_US),
                pa.array(np.maximum(begin, end).astype(np.int64) * 1_000_000).cast(UTC_US),
            ]
            pieces.append(pa.Table.from_arrays(columns, schema=LINKS))
    return pa.concat_tables(pieces).combine_chunks() if pieces else LINKS.empty_table()


def accounts_table(signals: pa.Table, groups: Sequence[Group], known: dict[str, str]) -> pa.Table:
    """`accounts.parquet`: every account with its signals, its group and verdict if it is in one, and the
    label that the operator already had for it."""
    group_of = {m.account_id: (g.campaign_id, g.verdict.value) for g in groups for m in g.members}
    ids = signals["account_id"].to_pylist()
    pairs = [group_of.get(one, (None, None)) for one in ids]
    return (
        signals.drop_columns(["account"])
        .append_column("group_id", pa.array([pair[0] for pair in pairs], pa.string()))
        .append_column("verdict", pa.array([pair[1] for pair in pairs], pa.string()))
        .append_column("known_label", pa.array([known.get(one) for one in ids], pa.string()))
    )
