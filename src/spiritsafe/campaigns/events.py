"""From a finding back to the requests it rests on: `exchanges.parquet` and `evidence.parquet`.

These are as long as the log, so they are engine expressions and never come into memory. Comes from judged
groups and the numbered requests; `pipeline` writes them.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from spiritsafe.campaigns.model import Verdict
from spiritsafe.engine import epoch_s
from spiritsafe.links.infrastructure import REQUEST_THINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.model import Group

EVENTS_A_VALUE: Final = 50
VALUES_A_FINDING: Final = 20
"""Evidence names up to 50 events for each of the 20 values that tie a campaign most."""


def membership(groups: Sequence[Group], facts: Sequence[GroupFacts], *, accused_only: bool) -> pa.Table:
    """Accounts of groups: `account`, `number` (of the group), `campaign_id`, `probability`."""
    chosen = [
        (number, group, known)
        for number, (group, known) in enumerate(zip(groups, facts, strict=True))
        if not accused_only or group.verdict is Verdict.CAMPAIGN
    ]
    return pa.table(
        {
            "account": pa.array([int(account) for _, _, k in chosen for account in k.accounts], pa.int64()),
            "number": pa.array([n for n, g, _ in chosen for _ in g.members], pa.int64()),
            "campaign_id": pa.array([g.campaign_id for _, g, _ in chosen for _ in g.members], pa.string()),
            "probability": pa.array([m.probability for _, g, _ in chosen for m in g.members], pa.float64()),
        }
    )


def exchanges(requests: ir.Table, members: ir.Table) -> ir.Table:
    """Every exchange of an accused account: `campaign_id`, `event_id`, `probability`.

    The floor cannot tell a relay's innocents from its distiller, so an exchange has its account's probability.
    """
    joined = requests.select("account", "event_id").inner_join(members, "account")
    return joined.select("campaign_id", "event_id", "probability")


def evidence_values(groups: Sequence[Group], facts: Sequence[GroupFacts]) -> pa.Table:
    """The values that tie accused groups most: `campaign_id`, `kind`, `thing`, `value`, `account`."""
    rows = [
        (group.campaign_id, one.kind, one.thing, one.label, int(account))
        for group, known in zip(groups, facts, strict=True)
        if group.verdict is Verdict.CAMPAIGN
        for one in known.shared[:VALUES_A_FINDING]
        for account in known.accounts[one.members]
    ]
    names = ("campaign_id", "kind", "thing", "value")
    columns = {name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(names)}
    return pa.table({**columns, "account": pa.array([row[4] for row in rows], pa.int64())})


def evidence(requests: ir.Table, values: ir.Table) -> ir.Table:
    """Finding to events: `campaign_id`, `kind`, `thing`, `value`, `account_id`, `event_id`, `time`.

    The earliest events of each value, up to `EVENTS_A_VALUE`.
    """
    import ibis

    base = ["account", "account_id", "event_id", "time"]
    concerned = requests.select(*base, "phrases", *REQUEST_THINGS).semi_join(values, "account")
    held = [_said(concerned.select(*base, "phrases"), values)]
    for thing in REQUEST_THINGS:
        known = concerned.filter(concerned[thing].notnull())
        rows = known.select(*base, value=known[thing].cast("string"), thing=ibis.literal(thing))
        held.append(rows.inner_join(values, ["account", "thing", "value"]))
    columns = [*base, "campaign_id", "kind", "thing", "value"]
    held = [rows.select(*columns) for rows in held]
    found = reduce(lambda one, other: one.union(other), held)
    rank = ibis.row_number().over(
        group_by=[found.campaign_id, found.thing, found.value], order_by=[found.time, found.event_id]
    )
    ranked = found.mutate(rank=rank)
    return ranked.filter(ranked.rank < EVENTS_A_VALUE).select(
        "campaign_id", "kind", "thing", "value", "account_id", "event_id", "time"
    )


def _said(requests: ir.Table, values: ir.Table) -> ir.Table:
    """The requests in which a phrase of `values` is, one row for each.

    Compared as numbers: written as text, as values are, the phrases of an accused eighth of a million requests took
    a third longer (0.47 instead of 0.36 s of processor).
    """
    import ibis

    is_phrase = values.thing == "phrase"
    # Only a phrase is a number, and an engine may convert before it filters.
    phrases = values.mutate(phrase=ibis.ifelse(is_phrase, values.value, None).cast("int64")).filter(is_phrase)
    said = requests.mutate(phrase=requests.phrases.unnest()).drop("phrases")
    return said.inner_join(phrases, ["account", "phrase"])


def activity(requests: ir.Table, members: ir.Table, *, first_s: int) -> ir.Table:
    """How busy each group was: `number`, `hour` (since `first_s`), `model`, `exchanges`."""
    hour = ((epoch_s(requests.time) - first_s) / 3600).floor().cast("int64")
    rows = requests.select("account", "model", hour=hour).inner_join(members, "account")
    return rows.group_by(["number", "hour", "model"]).agg(exchanges=rows.count())
