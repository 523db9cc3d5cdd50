"""Is there anything new to look at? Counts of what each account says, kept by day, and who is tied by new habits.

A look is a scan and costs as much. What it could find that the last did not are accounts that have come to share a
template. So the counts by which habits are known are kept (how often each account said each phrase, system prompt and
set of tools, by day; they add up), and of them, summed, those that a habit may rest on. New rows change of these only
what they touch, and are asked: which accounts have new habits that some others have and few do, and are these accounts
then tied, by the rule that a look ties by? Whoever shares a means of payment or a conversation and no wording is seen
by the look of the day.

Comes from `watch.increments`; goes on to `watch.running`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.campaigns.holdings import weigh
from spiritsafe.campaigns.tying import GROUP_MINIMUM, TEMPLATE_PHRASES, tie
from spiritsafe.links.infrastructure import MOST_SHARE
from spiritsafe.links.phrases import HABIT_MINIMUM, HABIT_SHARE

if TYPE_CHECKING:
    from collections.abc import Set

    import ibis.expr.types as ir

    from spiritsafe.engine import Engine

SCHEMA: Final = "watch_keys/1.0"
EXCHANGES, PHRASE, SYSTEM_PROMPT, TOOLS = range(4)
"""What a count is of; `EXCHANGES` counts an account's rows, with the value 0."""

_NAMES: Final = {SYSTEM_PROMPT: "system_prompt_hash", TOOLS: "tool_schema_hash"}
VALUE: Final = ("thing", "value")
KEY: Final = (*VALUE, "account_id")


def key_counts(rows: ir.Table) -> ir.Table:
    """How often each account has each thing in these sketches: `thing`, `value`, `account_id`, `requests`."""
    import ibis

    def of(thing: int, value: ir.Value) -> ir.Table:
        held = rows.select("account_id", value=value.cast("int64"))
        return held.filter(held.value.notnull()).mutate(thing=ibis.literal(thing, "int32"))

    things = [
        of(EXCHANGES, ibis.literal(0, "int64")),
        rows.select("account_id", value=rows.phrases.unnest()).mutate(thing=ibis.literal(PHRASE, "int32")),
        of(SYSTEM_PROMPT, rows.system_prompt_hash),
        of(TOOLS, rows.tool_schema_hash),
    ]
    together = ibis.union(*(one.select(*KEY) for one in things))
    return together.group_by(list(KEY)).agg(requests=together.count())


def summed(counts: ir.Table) -> ir.Table:
    """Counts of several days or deliveries as one."""
    return counts.group_by(list(KEY)).agg(requests=counts.requests.sum().cast("int64"))


def often(counts: ir.Table) -> ir.Table:
    """Of counts, summed, those that a habit may rest on, and of each account its rows."""
    total = summed(counts)
    return total.filter((total.thing == EXCHANGES) | (total.requests >= HABIT_MINIMUM))


def often_now(held: ir.Table, new: ir.Table, before: ir.Table) -> ir.Table:
    """What is `often` with the new rows, from what was before: only what they touch is counted anew.

    Parameters
    ----------
    held
        `often` of `before`.
    new
        `key_counts` of the new rows.
    before
        Counts of all rows before, of several days and deliveries.
    """
    touched = new.select(*KEY)
    earlier = before.semi_join(touched, list(KEY)).select(*KEY, "requests")
    fresh = often(earlier.union(new.select(*KEY, "requests")))
    return held.anti_join(touched, list(KEY)).select(*KEY, "requests").union(fresh.select(*KEY, "requests"))


def new_habits(new: ir.Table, before: ir.Table, now: ir.Table) -> ir.Table:
    """What accounts have come to share by these rows.

    Parameters
    ----------
    new
        `key_counts` of the new rows.
    before, now
        What was `often` without them, and is with them.

    Returns
    -------
    `thing`, `value`, `account_id`: new habits that at least `GROUP_MINIMUM` accounts have and at most `MOST_SHARE` of
    all do, of accounts with so many that they could be a template.
    """
    touched = new.select(*KEY)
    fresh = habits(now, touched).anti_join(habits(before, touched), list(KEY)).select(*KEY)
    of_these = habits(now, fresh.select(*VALUE).distinct())
    shared = fresh.semi_join(_held(of_these, now, least=GROUP_MINIMUM), list(VALUE))
    found = shared.group_by("account_id").agg(phrases=_phrases(shared))
    return shared.semi_join(found.filter(found.phrases >= TEMPLATE_PHRASES), "account_id")


def tied_anew(new: ir.Table, before: ir.Table, now: ir.Table, known: Set[str], engine: Engine) -> list[str]:
    """Accounts that these rows tie to others: in a group now, by wording alone, and in none before.

    Parameters
    ----------
    new, before, now
        As for `new_habits`.
    known
        Accounts that the last look saw in a group, by all that it knows. They are no news.

    Returns
    -------
    Sorted.
    """
    shared = engine.keep(new_habits(new, before, now), "new-habits")
    if not engine.arrow(shared.limit(1)).num_rows:
        return []
    holders = habits(now, shared.select(*VALUE).distinct()).select(*VALUE, other="account_id")
    pairs = shared.inner_join(holders, list(VALUE))
    alike = pairs.group_by(["account_id", "other"]).agg(phrases=_phrases(pairs))
    near = alike.filter(alike.phrases >= TEMPLATE_PHRASES).select(account_id="other").distinct()
    near = engine.keep(near, "near")
    fresh = _grouped(now, near, engine) - known
    return sorted(fresh - _grouped(before, near, engine)) if fresh else []


def habits(held: ir.Table, these: ir.Table) -> ir.Table:
    """Of what is `often` the habits, as `links.phrases` has it, that are among `these` by the columns that it has; with
    the account's `exchanges`."""
    said = held.filter(held.thing != EXCHANGES).semi_join(these, list(these.columns))
    sized = said.inner_join(_busy(held), "account_id")
    return sized.filter(sized.requests >= HABIT_SHARE * sized.exchanges).select(*KEY, "requests", "exchanges")


def _busy(held: ir.Table) -> ir.Table:
    """Each account's rows."""
    return held.filter(held.thing == EXCHANGES).select("account_id", exchanges="requests")


def _phrases(things: ir.Table) -> ir.IntegerValue:
    """For how many phrases these things stand."""
    stands_for: Any = (things.thing == PHRASE).ifelse(1, TEMPLATE_PHRASES)
    total: ir.IntegerValue = stands_for.sum()
    return total


def _grouped(held: ir.Table, near: ir.Table, engine: Engine) -> set[str]:
    """Of these accounts those that their habits tie into groups."""
    theirs = engine.keep(habits(held, near), "habits")
    of_these = habits(held, theirs.select(*VALUE).distinct())
    rows = engine.arrow(theirs.inner_join(_held(of_these, held, least=2), list(VALUE)))
    accounts: int = engine.arrow(_busy(held).count().name("accounts").as_table())["accounts"][0].as_py()
    return {account for group in _groups(rows, accounts) for account in group}


def _groups(rows: pa.Table, accounts: int) -> list[list[str]]:
    """Accounts that these habits tie, as a look would tie them: by wording alone, rare among all accounts."""
    names, place = np.unique(rows["account_id"].to_pylist(), return_inverse=True)
    table = rows.append_column("account", pa.array(place.astype(np.int64)))
    exchanges = np.zeros(max(accounts, len(names)), dtype=np.int64)
    exchanges[place] = table["exchanges"].to_numpy()
    phrases = table.filter(pc.equal(table["thing"], PHRASE)).select(["account", "value", "requests", "holders"])
    others = table.filter(pc.not_equal(table["thing"], PHRASE))
    things = pa.table(
        {
            "account": others["account"],
            "thing": pa.array([_NAMES[thing] for thing in others["thing"].to_pylist()], pa.string()),
            "value": others["value"].cast(pa.string()),
            "requests": others["requests"],
            "holders": others["holders"],
            "observed": pa.array([accounts] * others.num_rows, pa.int64()),
        }
    )
    holdings = weigh(phrases.rename_columns(["account", "phrase", "requests", "holders"]), things, exchanges=exchanges)
    return [[str(names[account]) for account in one.accounts] for one in tie(holdings)]


def _held(habits: ir.Table, held: ir.Table, *, least: int) -> ir.Table:
    """Values that so many accounts have as a habit, and few: `thing`, `value`, `holders`."""
    holders = habits.group_by(list(VALUE)).agg(holders=habits.count())
    among = holders.cross_join(_busy(held).agg(accounts=lambda busy: busy.count()))
    return among.filter((among.holders >= least) & (among.holders <= MOST_SHARE * among.accounts)).drop("accounts")
