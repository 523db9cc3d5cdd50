"""From a finding back to the requests it rests on: `exchanges.parquet` and `evidence.parquet`.

These are as long as the log, so they are engine expressions and never come into memory. Comes from judged
groups and the numbered requests; `pipeline` writes them.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from spiritsafe.campaigns.axes import told
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
"""Evidence names up to 50 events for each value that a statement tells, and of the 20 that tie a campaign most."""

EXAMPLES_A_STATEMENT: Final = 5
"""Event ids that stand beside a statement itself; the rest is in `evidence.parquet`."""

_EVIDENCE: Final = ("campaign_id", "kind", "thing", "value", "account_id", "event_id", "time")


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
    # By a number, and only then by a name: by two names, sorting took two thirds longer.
    return joined.order_by(["number", "event_id"]).select("campaign_id", "event_id", "probability")


def evidence_values(groups: Sequence[Group], facts: Sequence[GroupFacts]) -> pa.Table:
    """The values that tie accused groups: `campaign_id`, `kind`, `thing`, `value`, `account`."""
    rows = [
        (group.campaign_id, one.kind, one.thing, one.label, int(account))
        for group, known in zip(groups, facts, strict=True)
        if group.verdict is Verdict.CAMPAIGN
        for one in {(one.thing, one.label): one for one in (*known.shared[:VALUES_A_FINDING], *told(known))}.values()
        for account in known.accounts[one.members]
    ]
    names = ("campaign_id", "kind", "thing", "value")
    columns = {name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(names)}
    return pa.table({**columns, "account": pa.array([row[4] for row in rows], pa.int64())})


def evidence(requests: ir.Table, values: ir.Table) -> ir.Table:
    """Finding to events: `campaign_id`, `kind`, `thing`, `value`, `account_id`, `event_id`, `time`, `rank`.

    The earliest events of each value, up to `EVENTS_A_VALUE`; `rank` counts them from 0. Still to be put `in_order`.
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
    return ranked.filter(ranked.rank < EVENTS_A_VALUE).select(*_EVIDENCE, "rank")


def in_order(found: ir.Table) -> ir.Table:
    """Evidence as it is written: a campaign's values one after the other, each from its first event on."""
    return found.order_by(["campaign_id", "kind", "thing", "value", "rank", "account_id"]).select(*_EVIDENCE)


def first_examples(found: ir.Table) -> ir.Table:
    """The first few events of each value: small enough for memory."""
    return found.filter(found.rank < EXAMPLES_A_STATEMENT).select("campaign_id", "thing", "value", "event_id", "rank")


def with_examples(groups: Sequence[Group], facts: Sequence[GroupFacts], examples: pa.Table) -> list[Group]:
    """The groups, with the first events of each value beside the statement that tells it.

    Parameters
    ----------
    groups, facts
        The judged groups, and what they rest on.
    examples
        As `first_examples` gives them.
    """
    ids: dict[tuple[str, str, str], list[str]] = {}
    for row in examples.sort_by([("rank", "ascending"), ("event_id", "ascending")]).to_pylist():
        ids.setdefault((row["campaign_id"], row["thing"], row["value"]), []).append(row["event_id"])
    return [
        _with_examples(group, [ids.get((group.campaign_id, one.thing, one.label), []) for one in told(known)])
        if group.verdict is Verdict.CAMPAIGN
        else group
        for group, known in zip(groups, facts, strict=True)
    ]


def _with_examples(group: Group, ids: Sequence[Sequence[str]]) -> Group:
    together, *others = group.axes
    evidence = tuple(
        msgspec.structs.replace(item, event_ids=tuple(dict.fromkeys(events)))
        for item, events in zip(together.evidence, ids, strict=True)
    )
    together = msgspec.structs.replace(together, evidence=evidence)
    return msgspec.structs.replace(group, axes=(together, others[0], others[1]))


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


def prompts(requests: ir.Table, members: ir.Table) -> ir.Table:
    """How much each group repeats itself: `number`, `prompts` that were there, `distinct_prompts` among them."""
    rows = requests.select("account", "prompt_hash").inner_join(members, "account")
    return rows.group_by("number").agg(prompts=rows.prompt_hash.count(), distinct_prompts=rows.prompt_hash.nunique())


def activity(requests: ir.Table, members: ir.Table, *, first_s: int) -> ir.Table:
    """How busy each group was: `number`, `hour` (since `first_s`), `model`, `exchanges`."""
    hour = ((epoch_s(requests.time) - first_s) / 3600).floor().cast("int64")
    rows = requests.select("account", "model", hour=hour).inner_join(members, "account")
    return rows.group_by(["number", "hour", "model"]).agg(exchanges=rows.count())
