"""Is the guard blind without knowing it? A proxy hides the callers' addresses, a column stops coming, no roster comes.

Detection that is silently dead looks like traffic without campaigns. So the last requests are held against the ones
before: how many addresses and accounts they came from, and how many had each column. Comes from the doors; goes on to
`/health` and the metrics.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spiritsafe.guard.model import Request

WINDOW: Final = 500
"""Requests that are looked at together."""

OLD_ROSTER_S: Final = 3_600.0

WATCHED: Final = ("prompt", "system_prompt", "client_ip", "user_agent", "ja4", "conversation_id", "plan", "verified")
"""Columns of which it is noticed when they stop coming."""

USUAL_SHARE: Final = 0.2
"""A column that so many requests had, and of `WINDOW` requests none any more, has stopped coming."""

ONE_ADDRESS_ACCOUNTS: Final = 20
"""So many accounts from one address and nobody from another: something in between hides who calls."""


class Health:
    """Looks at what comes in."""

    def __init__(self) -> None:
        self._last: deque[tuple[str, str | None, frozenset[str]]] = deque(maxlen=WINDOW)
        self._usual: dict[str, float] = dict.fromkeys(WATCHED, 0.0)
        self.seen = 0

    def see(self, request: Request) -> None:
        """A request came in."""
        self.seen += 1
        there = frozenset(name for name in WATCHED if getattr(request, name) is not None)
        if len(self._last) == WINDOW:
            _, _, oldest = self._last[0]
            for name in WATCHED:  # what leaves the window becomes what is usual
                self._usual[name] += ((name in oldest) - self._usual[name]) / WINDOW
        self._last.append((request.account_id, request.client_ip, there))

    def faults(self) -> dict[str, str]:
        """What is amiss, by a name that stays, in words."""
        if len(self._last) < WINDOW:
            return {}
        found = {}
        addresses = {address for _, address, _ in self._last}
        accounts = len({account for account, _, _ in self._last})
        if len(addresses) == 1 and accounts >= ONE_ADDRESS_ACCOUNTS:
            address = next(iter(addresses)) or "no address"
            found["one_address"] = (
                f"the last {WINDOW} requests of {accounts} accounts all come from {address}: a proxy"
                " in front hides the callers; set guard_hops to the number of yours"
            )
        shares = Counter(name for _, _, there in self._last for name in there)
        for name in WATCHED:
            if not shares[name] and self._usual[name] >= USUAL_SHARE:
                found[f"column_{name}"] = f"no request has {name} any more: {self._usual[name]:.0%} had it before"
        return found
