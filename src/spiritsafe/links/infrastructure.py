"""Things that accounts share: addresses, client builds, means of payment, organisations, system prompts, tools.

A shared address, SDK or cloud is common and says little; how little is read off this log, not off a list.
A value that ten thousand accounts hold costs ten thousand rows and weighs next to nothing. Comes from
`sketches` and `accounts`; goes on to `campaigns.grouping`.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ibis.expr.types as ir

# column -> kind of evidence (campaigns.model.EvidenceKind)
REQUEST_THINGS: Final = {
    "client_ip": "infrastructure",
    "ja4": "infrastructure",
    "http2_fingerprint": "infrastructure",
    "user_agent": "infrastructure",
    "system_prompt_hash": "content",
    "tool_schema_hash": "content",
    "assistant_prefill_hash": "content",
    "conversation_id": "work",
}
ACCOUNT_THINGS: Final = {
    "payment_fingerprint": "identity",
    "email_pattern": "identity",
    "organization_id": "identity",
}

MOST_SHARE: Final = 0.05
"""A value that more than one account in 20 holds carries less than 4.2 bits and is not even listed."""


def shared_things(
    requests: ir.Table, signals: ir.Table, accounts: ir.Table | None, *, most_share: float = MOST_SHARE
) -> ir.Table:
    """Which accounts hold which value of each thing, for values that at least two hold and few do.

    Parameters
    ----------
    requests
        Numbered `sketches` rows.
    signals
        Account signals; they carry the organisation.
    accounts
        The `accounts` table, if there is one.
    most_share
        Values that more than this share of accounts hold are left out.

    Returns
    -------
    `account`, `thing` (the column), `value`, `requests` (of the account with it), `holders` (accounts that
    hold it), `observed` (accounts for which the thing is known at all).
    """
    import ibis

    held = [_held(requests, thing) for thing in REQUEST_THINGS]
    held.append(_held(signals, "organization_id"))
    if accounts is not None:
        numbered = accounts.inner_join(signals.select("account_id", "account"), "account_id")
        held += [_held(numbered, thing) for thing in ACCOUNT_THINGS if thing != "organization_id"]
    every = reduce(lambda one, other: one.union(other), held)
    known = every.group_by("thing").agg(seen=every.account.nunique())
    talking = requests.filter(requests.conversation_id.notnull()).agg(talking=requests.account.nunique())
    known = known.cross_join(talking)
    # Conversations that stay in one account were left out; the accounts that have them are still accounts with some.
    known = known.select("thing", observed=ibis.ifelse(known.thing == "conversation_id", known.talking, known.seen))
    every = every.mutate(holders=every.count().over(ibis.window(group_by=[every.thing, every.value])))
    shared = every.filter(every.holders >= 2).inner_join(known, "thing")
    shared = shared.filter(shared.holders <= most_share * shared.observed)
    return shared.select("account", "thing", "value", "requests", "holders", "observed")


def _held(rows: ir.Table, thing: str) -> ir.Table:
    import ibis

    known = rows.filter(rows[thing].notnull())
    if thing == "conversation_id":
        # Nearly every conversation stays in one account: those are left out before anything is counted.
        ends = known.group_by(thing).agg(low=known.account.min(), high=known.account.max())
        known = known.semi_join(ends.filter(ends.low < ends.high), thing)
    pairs = known.select("account", value=known[thing].cast("string"))
    counted = pairs.group_by(["account", "value"]).agg(requests=pairs.count())
    return counted.select("account", "value", "requests", thing=ibis.literal(thing))
