"""Content evidence: phrases and beginnings that an account uses habitually and few others do.

A template comes back in request after request, so its phrases stand out of an account's vocabulary; a data
set's do not. That a phrase is habitual for two accounts says much when it is habitual for hardly anyone else. Where a
gateway logs the hash chain that its cache is keyed by, the beginning of an input is known without its text.
Comes from `sketch` and `signals`; goes on to `campaigns.grouping`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.links.infrastructure import MOST_SHARE

if TYPE_CHECKING:
    import ibis.expr.types as ir

HABIT_SHARE: Final = 0.02
HABIT_MINIMUM: Final = 3
"""A phrase is habitual in at least 2 % of an account's requests and in three or more of them."""

PREFIX_BLOCK: Final = "prefix_block"
PREFIX_DEPTHS: Final = tuple(2**power - 1 for power in range(13))
"""The blocks of an input that are looked at: the first, second, fourth and so on to the 4096th, counted from 0."""


def habitual_phrases(
    requests: ir.Table,
    signals: ir.Table,
    *,
    share: float = HABIT_SHARE,
    minimum: int = HABIT_MINIMUM,
    most_share: float = MOST_SHARE,
) -> ir.Table:
    """Which accounts use which phrases habitually, for phrases that at least two of them do.

    Parameters
    ----------
    requests
        Numbered `sketches` rows (`signals.batch.number_accounts`).
    signals
        Account signals, for each account's number of exchanges.
    share, minimum
        A phrase is habitual if it is in `share` of an account's requests and in at least `minimum`.
    most_share
        Phrases that are habitual for more than this share of accounts are left out.

    Returns
    -------
    `account`, `phrase`, `requests` (of the account with it), `holders` (accounts for which it is habitual).
    """
    said = requests.select("account", value=requests.phrases.unnest())
    told = _held(_habits(said, signals, share=share, minimum=minimum)).cross_join(signals.agg(accounts=signals.count()))
    rare = told.filter(told.holders <= most_share * told.accounts)
    return rare.select("account", "requests", "holders", phrase=rare.value)


def habitual_prefixes(
    requests: ir.Table,
    signals: ir.Table,
    *,
    share: float = HABIT_SHARE,
    minimum: int = HABIT_MINIMUM,
    most_share: float = MOST_SHARE,
) -> ir.Table:
    """Which accounts begin their inputs habitually with which blocks, for beginnings that at least two of them have.

    A block's hash stands for all of the input up to its end, so of a chain only the blocks at `PREFIX_DEPTHS` are
    looked at: how long a beginning two accounts share is known to within a factor of two.

    Parameters
    ----------
    requests, signals, share, minimum, most_share
        As for `habitual_phrases`; `most_share` is of the accounts for which blocks are known.

    Returns
    -------
    As `links.shared_things` returns things; `thing` is `PREFIX_BLOCK`.
    """
    import ibis

    known = requests.filter(requests.prefix_blocks.length() > 0)
    some = known.prefix_blocks.filter(lambda _block, depth: depth.isin(PREFIX_DEPTHS))
    habits = _habits(known.select("account", value=some.unnest()), signals, share=share, minimum=minimum)
    told = _held(habits).cross_join(known.agg(observed=known.account.nunique()))
    rare = told.filter(told.holders <= most_share * told.observed)
    rare = rare.mutate(thing=ibis.literal(PREFIX_BLOCK), value=rare.value.cast("string"))
    return rare.select("account", "thing", "value", "requests", "holders", "observed")


def _habits(said: ir.Table, signals: ir.Table, *, share: float, minimum: int) -> ir.Table:
    """What each account says habitually: `account`, `value`, `requests`. `said` has `account`, `value`."""
    counted = said.group_by(["account", "value"]).agg(requests=said.count())
    counted = counted.filter(counted.requests >= minimum)
    sized = counted.inner_join(signals.select("account", "exchanges"), "account")
    return sized.filter(sized.requests >= share * sized.exchanges).select("account", "value", "requests")


def _held(habits: ir.Table) -> ir.Table:
    """Habits that at least two accounts have, with `holders`."""
    import ibis

    held = habits.mutate(holders=habits.count().over(ibis.window(group_by=habits.value)))
    return held.filter(held.holders >= 2)
