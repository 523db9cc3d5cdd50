"""The tables that a scan writes, from judged groups. Pure: Arrow tables out, nothing on disk.

Schemas are the contract (`docs/reference/scan-output.md`). Comes from `campaigns.verdicts`; `pipeline` writes
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from spiritsafe.campaigns.extension import template_of
from spiritsafe.campaigns.model import EvidenceKind, Verdict
from spiritsafe.events.model import UTC_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
FINGERPRINTS: Final = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("kind", pa.string()),
        ("thing", pa.string()),
        ("value", pa.string()),
        ("bits", pa.float64()),
        ("members", pa.int64()),
        ("holders", pa.int64()),
        ("observed", pa.int64()),
        ("template_least", pa.int64()),
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
    ids = pa.array(log.signals["account_id"], pa.string())
    pieces = [
        _links_of(group.campaign_id, known, log, ids)
        for group, known in zip(groups, facts, strict=True)
        if known.shared
    ]
    return pa.concat_tables(pieces).combine_chunks() if pieces else LINKS.empty_table()


def fingerprints_table(groups: Sequence[Group], facts: Sequence[GroupFacts], least: NDArray[np.int64]) -> pa.Table:
    """`fingerprints.parquet`: by what each campaign is known, and how many others have it. Campaigns only.

    `template_least` is null but for the phrases of the campaign's template: a prompt that holds so many of them is an
    instance of it. Shape of `least`: (groups,).
    """
    rows: list[dict[str, Any]] = []
    for number, (group, known) in enumerate(zip(groups, facts, strict=True)):
        if group.verdict is not Verdict.CAMPAIGN:
            continue
        phrases = {one.label for one in template_of(known) if one.thing == "phrase"}
        rows += [
            {
                "campaign_id": group.campaign_id,
                "kind": one.kind,
                "thing": one.thing,
                "value": one.label,
                "bits": one.bits,
                "members": len(one.members),
                "holders": one.holders,
                "observed": one.observed,
                "template_least": int(least[number]) if one.thing == "phrase" and one.label in phrases else None,
            }
            for one in known.shared[:LINKED_VALUES_LIMIT]
        ]
    return pa.Table.from_pylist(rows, schema=FINGERPRINTS)


def _links_of(campaign_id: str, known: GroupFacts, log: Log, ids: pa.Array) -> pa.Table:
    """One group's links, a value's links together."""
    shared = known.shared[:LINKED_VALUES_LIMIT]
    counts = [len(one.members) - 1 for one in shared]
    value = pa.array(np.repeat(np.arange(len(shared)), counts))
    a = np.repeat(known.accounts[[one.members[0] for one in shared]], counts)
    b = known.accounts[np.concatenate([one.members[1:] for one in shared])]
    first, last = log.signals["first_s"], log.signals["last_s"]
    begin, end = np.maximum(first[a], first[b]), np.minimum(last[a], last[b])
    columns = [
        pa.repeat(campaign_id, len(b)),
        ids.take(pa.array(a)),
        ids.take(pa.array(b)),
        pa.array([one.kind for one in shared], pa.string()).take(value),
        pa.array([one.thing for one in shared], pa.string()).take(value),
        pa.array([one.label for one in shared], pa.string()).take(value),
        pa.array([one.bits for one in shared], pa.float64()).take(value),
        pa.array(np.minimum(begin, end).astype(np.int64) * 1_000_000).cast(UTC_US),
        pa.array(np.maximum(begin, end).astype(np.int64) * 1_000_000).cast(UTC_US),
    ]
    return pa.Table.from_arrays(columns, schema=LINKS)


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
