"""Content evidence: phrases that an account uses habitually and few others do.

A template comes back in request after request, so its phrases stand out of an account's vocabulary; a data
set's do not. That a phrase is habitual for two accounts says much when it is habitual for hardly anyone else.
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
    import ibis

    said = requests.select("account", phrase=requests.phrases.unnest())
    counted = said.group_by(["account", "phrase"]).agg(requests=said.count())
    counted = counted.filter(counted.requests >= minimum)
    sized = counted.inner_join(signals.select("account", "exchanges"), "account")
    habits = sized.filter(sized.requests >= share * sized.exchanges).select("account", "phrase", "requests")
    held = habits.mutate(holders=habits.count().over(ibis.window(group_by=habits.phrase)))
    accounts = signals.agg(accounts=signals.count())
    told = held.filter(held.holders >= 2).cross_join(accounts)
    return told.filter(told.holders <= most_share * told.accounts).drop("accounts")
