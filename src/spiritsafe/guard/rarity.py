"""Is a fingerprint still the campaign's own, or have strangers come to share it?

A template goes viral, an address turns out to be a university's, or somebody plants a competitor's words in a campaign
to have its customers blocked. Then accounts that were there long before, or whose holders are verified, show the mark
too. Each account that shows it and is on no list is a bet between two statements: it is drawn as all accounts are, of
which a share is established; or it is one of the campaign's own newcomers, of which hardly any is. Once the first is
ten thousand times likelier than the second, for the accounts since some moment, the mark says nothing.

That is Page's test. While a mark is the campaign's own, ten thousand of its newcomers pass between two wrong
suspensions on average, or more (Lorden 1971, doi:10.1214/aoms/1177693055). The bound holds for a share of established
accounts that changes, since it is taken before the account comes, and for newcomers of which fewer look established.
Comes from `guard.deciding`; goes back to it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

OWN_ESTABLISHED: Final = 0.05
"""Of a campaign's own newcomers so many look established: bought or aged accounts. With more it can suspend its own
fingerprint, and is then known by its listed accounts only."""

SUSPENDING: Final = math.log(10_000)
MOST_EVIDENCE: Final = 2 * SUSPENDING
"""More evidence is not kept, so that a mark that strangers gave up again speaks again: when it is all gone."""

ACCOUNTS_A_MARK: Final = 256
"""Accounts that are told apart for each mark: those that showed it last."""

ACCOUNTS: Final = 400_000
"""Accounts that are told apart for all marks together: some 60 MB. The mark seen longest ago is forgotten first."""

EVERYBODY: Final = 200_000
"""Accounts of which the share of established ones is taken: those seen last."""


class Everybody:
    """How many of the accounts seen of late are established."""

    def __init__(self, most: int = EVERYBODY) -> None:
        self._most = most
        self._seen: OrderedDict[int, bool] = OrderedDict()
        self._established = 0

    def see(self, account: int, *, established: bool) -> None:
        """An account made a request."""
        before = self._seen.pop(account, False)
        self._seen[account] = established
        self._established += established - before
        if len(self._seen) > self._most:
            self._established -= self._seen.popitem(last=False)[1]

    @property
    def share(self) -> float:
        """The share of established accounts, never quite 0 or 1."""
        return (self._established + 1) / (len(self._seen) + 2)


class _Audience:
    __slots__ = ("accounts", "evidence", "suspended")

    def __init__(self) -> None:
        self.accounts: OrderedDict[int, None] = OrderedDict()
        self.evidence = 0.0
        self.suspended = False


class LiveRarity:
    """Which marks are suspended, from the accounts that show them.

    Parameters
    ----------
    accounts
        Accounts that are told apart, for all marks together.
    """

    def __init__(self, *, accounts: int = ACCOUNTS) -> None:
        self._most = accounts
        self._held = 0
        self._audiences: OrderedDict[int, _Audience] = OrderedDict()
        self.everybody = Everybody()

    def suspended(self, mark: int) -> bool:
        """Whether a mark says nothing at the moment."""
        found = self._audiences.get(mark)
        return found is not None and found.suspended

    @property
    def suspensions(self) -> list[int]:
        """The marks that are suspended."""
        return [mark for mark, one in self._audiences.items() if one.suspended]

    def shown_by(self, mark: int, account: int) -> bool:
        """Whether an account is known to have shown a mark."""
        found = self._audiences.get(mark)
        return found is not None and account in found.accounts

    def show(self, mark: int, account: int, *, established: bool) -> bool:
        """An account that is on no list shows a mark; whether the mark is suspended now."""
        found = self._audiences.get(mark)
        if found is None:
            found = self._audiences[mark] = _Audience()
        if account in found.accounts:
            return found.suspended
        self._audiences.move_to_end(mark)
        found.accounts[account] = None
        if len(found.accounts) > ACCOUNTS_A_MARK:
            found.accounts.popitem(last=False)
        else:
            self._held += 1
        self._weigh(found, established=established)
        while self._held > self._most:
            _, oldest = self._audiences.popitem(last=False)
            self._held -= len(oldest.accounts)
        return found.suspended

    def _weigh(self, found: _Audience, *, established: bool) -> None:
        share = self.everybody.share
        if share <= OWN_ESTABLISHED:  # hardly anybody is known to be established: nothing can be told
            return
        ratio = share / OWN_ESTABLISHED if established else (1 - share) / (1 - OWN_ESTABLISHED)
        found.evidence = min(max(found.evidence + math.log(ratio), 0.0), MOST_EVIDENCE)
        if found.evidence >= SUSPENDING:
            found.suspended = True
        elif found.evidence == 0.0:
            found.suspended = False
