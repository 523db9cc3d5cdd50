"""From a finding back to the requests it rests on: `evidence.parquet`, and what is counted over exchanges.

These are as long as the log, so they are engine expressions and never come into memory. Comes from judged
groups and the numbered requests; `pipeline` writes them.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from spiritsafe.campaigns.axes import told
from spiritsafe.campaigns.extension import PHRASES_A_REQUEST, SYSTEM_PROMPT_HITS
from spiritsafe.campaigns.model import Verdict
from spiritsafe.engine import epoch_s
from spiritsafe.links.infrastructure import REQUEST_THINGS
from spiritsafe.links.phrases import PREFIX_BLOCK
from spiritsafe.signals.batch import LIMIT_STATUS
from spiritsafe.signals.tactics import FAILED_STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.model import Group

EVENTS_A_VALUE: Final = 50
VALUES_A_FINDING: Final = 20
"""Evidence names up to 50 events for each value that a statement tells, and of the 20 that tie a campaign most."""

ACTS_AN_ACCOUNT: Final = 256
"""Exchanges of an account that its rhythm is judged by."""

PROMPTS_AN_ACCOUNT: Final = 48
"""Different prompts of an account by which it is judged whether it asks about what the others ask about."""

EXAMPLES_A_STATEMENT: Final = 5
"""Event ids that stand beside a statement itself; the rest is in `evidence.parquet`."""

_LISTS: Final = {"phrase": "phrases", PREFIX_BLOCK: "prefix_blocks"}
"""Things of which a request has several, and the column that lists them."""

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
    concerned = requests.select(*base, *_LISTS.values(), *REQUEST_THINGS).semi_join(values, "account")
    held = [_said(concerned, values, thing) for thing in _LISTS]
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
    # Statements on shared values come first; those on conduct rest on no single event.
    shown = [*ids, *[()] * (len(together.evidence) - len(ids))]
    evidence = tuple(
        msgspec.structs.replace(item, event_ids=tuple(dict.fromkeys(events)))
        for item, events in zip(together.evidence, shown, strict=True)
    )
    together = msgspec.structs.replace(together, evidence=evidence)
    return msgspec.structs.replace(group, axes=(together, others[0], others[1]))


def _said(requests: ir.Table, values: ir.Table, thing: str) -> ir.Table:
    """The requests that list a value of this thing, one row for each.

    Compared as numbers: written as text, as values are, the phrases of an accused eighth of a million requests took
    a third longer (0.47 instead of 0.36 s of processor).
    """
    import ibis

    listed = values.thing == thing
    # Only what is listed is a number, and an engine may convert before it filters.
    numbers = values.mutate(number=ibis.ifelse(listed, values.value, None).cast("int64")).filter(listed)
    column = _LISTS[thing]
    rows = requests.select("account", "account_id", "event_id", "time", column)
    said = rows.mutate(number=rows[column].unnest()).drop(column)
    return said.inner_join(numbers, ["account", "number"])


def prompts(requests: ir.Table, members: ir.Table) -> ir.Table:
    """How much each group repeats itself: `number`, `prompts` that were answered, `distinct_prompts` among them."""
    # What was turned away at a limit or failed is sent again: that is one question, not two.
    served = requests.filter(_served(requests))
    rows = served.select("account", "prompt_hash").inner_join(members, "account")
    return rows.group_by("number").agg(prompts=rows.prompt_hash.count(), distinct_prompts=rows.prompt_hash.nunique())


def acts(requests: ir.Table, wanted: ir.Table, *, most: int = ACTS_AN_ACCOUNT) -> ir.Table:
    """When the wanted accounts asked what: `account`, `at_s`, `item` (the prompt's hash), `limited`, `begins`.

    `item` is null of what was turned away or failed: it is sent again, on another account where one is at its limit.
    What was turned away at a limit is in `limited` instead. `begins` is true of a conversation's first exchange among
    these accounts, and of exchanges in no conversation. Of an account with more than `most` exchanges those with the
    lowest prompt hashes are kept: a fixed choice that has nothing to do with time, and the same prompts in every
    account.
    """
    import ibis

    item = ibis.ifelse(_served(requests), requests.prompt_hash, None)
    limited = ibis.ifelse(requests.status == LIMIT_STATUS, requests.prompt_hash, None)
    chosen = requests.select("account", "time", "conversation_id", item=item, limited=limited)
    rows = _beginning(chosen.semi_join(wanted, "account"))
    place = ibis.row_number().over(group_by=rows.account, order_by=[rows.item, rows.time])
    kept = rows.mutate(place=place).filter(ibis._.place < most)
    return kept.select("account", "item", "limited", "begins", at_s=epoch_s(kept.time))


def asked(requests: ir.Table, wanted: ir.Table, *, most: int = PROMPTS_AN_ACCOUNT) -> ir.Table:
    """What the wanted accounts asked about: `account`, `item` (the prompt's hash), `phrases`; each prompt once.

    Only what began a conversation or stands in none, and was answered: a second turn goes on about the same thing. Of
    an account with more than `most` prompts those with the lowest hashes are kept.
    """
    import ibis

    served = requests.filter(_served(requests) & requests.prompt_hash.notnull())
    rows = served.select("account", "time", "conversation_id", "phrases", item=served.prompt_hash)
    rows = _beginning(rows.semi_join(wanted, "account"))
    once = rows.filter(rows.begins).group_by(["account", "item"]).agg(phrases=rows.phrases.arbitrary())
    place = ibis.row_number().over(group_by=once.account, order_by=once.item)
    return once.mutate(place=place).filter(ibis._.place < most).drop("place")


def _served(requests: ir.Table) -> ir.BooleanValue:
    served: ir.BooleanValue = requests.status.isnull() | (requests.status < FAILED_STATUS)
    return served


def _beginning(rows: ir.Table) -> ir.Table:
    """With `begins`: whether an exchange is its conversation's first here, or stands in none."""
    first = rows.time.min().over(group_by=rows.conversation_id)
    return rows.mutate(begins=rows.conversation_id.isnull() | (rows.time == first))


def in_parts(sketches: ir.Table, parts: int) -> list[ir.Table]:
    """The rows of a log in so many parts of whole accounts."""
    if parts == 1:
        return [sketches]
    part = (sketches.account_id.hash() % parts + parts) % parts  # which part is the engine's affair, and no matter
    return [sketches.filter(part == number) for number in range(parts)]


def template_requests(sketches: ir.Table, templates: ir.Table) -> ir.Table:
    """Requests in which phrases of a group's template are: `number`, `account_id`, `event_id`, `hits` (how many).

    `templates` is as `campaigns.extension.templates` makes it; a system prompt of the template counts as
    `SYSTEM_PROMPT_HITS` phrases. `sketches` are not numbered yet: DuckDB 2.0.0 fails on lists unnested above a join of
    a million rows ("global dictionary column 0 changed identity").
    """
    import ibis

    phrases = templates.filter(templates.phrase.notnull()).select("number", "phrase")
    rows = sketches.select("account_id", "event_id", "phrases")
    said = rows.mutate(phrase=rows.phrases.unnest()).drop("phrases").inner_join(phrases, "phrase")
    said = said.group_by(["number", "account_id", "event_id"]).agg(hits=said.count())
    prompts = templates.filter(templates.system_prompt_hash.notnull()).select("number", "system_prompt_hash")
    led = sketches.select("account_id", "event_id", "system_prompt_hash").inner_join(prompts, "system_prompt_hash")
    led = led.select("number", "account_id", "event_id", hits=ibis.literal(SYSTEM_PROMPT_HITS, "int64"))
    every = said.select("number", "account_id", "event_id", "hits").union(led)
    every = every.group_by(["number", "account_id", "event_id"]).agg(hits=every.hits.sum())
    return every.filter(every.hits >= PHRASES_A_REQUEST)


def template_users(instances: ir.Table) -> ir.Table:
    """How every account used each group's template: `number`, `account`, `hits`, `requests` (with so many hits)."""
    return instances.group_by(["number", "account", "hits"]).agg(requests=instances.count())


def activity(requests: ir.Table, members: ir.Table, *, first_s: int) -> ir.Table:
    """How busy each group was: `number`, `hour` (since `first_s`), `model`, `exchanges`."""
    hour = ((epoch_s(requests.time) - first_s) / 3600).floor().cast("int64")
    rows = requests.select("account", "model", hour=hour).inner_join(members, "account")
    return rows.group_by(["number", "hour", "model"]).agg(exchanges=rows.count())
