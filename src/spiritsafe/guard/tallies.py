"""What a policy did, or would have done, to whom: innocents first.

Comes from decisions, one at a time; goes on to the shadow report and to `guard replay`. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.guard.model import Answer

if TYPE_CHECKING:
    from spiritsafe.guard.model import Decision, Request
    from spiritsafe.roster.model import Standing

CLASSES: Final = (
    "vouched for", "verified holder", "old account", "new account", "listed",
)  # fmt: skip
"""Whom an answer may meet, the most surely innocent first. `listed`: a campaign's list names the account."""

EXAMPLES: Final = 5


class Tally:
    """Counts of one policy's decisions. Holds the accounts it met."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.exchanges: Counter[Answer] = Counter()
        self.rules: Counter[tuple[str, Answer]] = Counter()
        self.campaigns: dict[str, Counter[Answer]] = defaultdict(Counter)
        self._accounts: dict[str, tuple[str, Answer]] = {}
        self._examples: dict[tuple[str, Answer], dict[str, Decision]] = defaultdict(dict)
        self.first_us = self.last_us = 0

    def add(self, account: str, time_us: int, decision: Decision, who: str) -> None:
        """Count one decision about an account, which is of the class `who` or has that label."""
        answer = decision.answer
        self.first_us = min(self.first_us or time_us, time_us)
        self.last_us = max(self.last_us, time_us)
        self.exchanges[answer] += 1
        if decision.rule:
            self.rules[decision.rule, answer] += 1
        if decision.campaign_id:
            self.campaigns[decision.campaign_id][answer] += 1
        worst = max(answer, self._accounts[account][1]) if account in self._accounts else answer
        self._accounts[account] = (who, worst)
        if answer > Answer.OBSERVE:
            examples = self._examples[who, answer]
            if len(examples) < EXAMPLES:
                examples.setdefault(account, decision)

    def accounts(self) -> dict[str, Counter[Answer]]:
        """For each class of accounts (or label), how many had which answer as their sternest."""
        found: dict[str, Counter[Answer]] = defaultdict(Counter)
        for who, worst in self._accounts.values():
            found[who][worst] += 1
        order = {who: place for place, who in enumerate(CLASSES)}
        return {who: found[who] for who in sorted(found, key=lambda who: (order.get(who, -1), who))}

    def examples(self) -> list[tuple[str, Answer, str, Decision]]:
        """A few accounts that were answered more than observed: class, answer, account, a decision."""
        order = {who: place for place, who in enumerate(CLASSES)}
        keys = sorted(self._examples, key=lambda key: (order.get(key[0], -1), key[0], -key[1]))
        return [
            (who, answer, account, one) for who, answer in keys for account, one in self._examples[who, answer].items()
        ]

    def to_builtins(self) -> dict[str, Any]:
        """As JSON has it; without accounts' names."""
        return {
            "policy": self.policy,
            "exchanges": _words(self.exchanges),
            "accounts": {who: _words(counts) for who, counts in self.accounts().items()},
            "campaigns": {campaign: _words(counts) for campaign, counts in sorted(self.campaigns.items())},
            "rules": {f"{rule}: {answer.word}": count for (rule, answer), count in sorted(self.rules.items())},
        }


def _words(counts: Counter[Answer]) -> dict[str, int]:
    return {answer.word: counts[answer] for answer in Answer if counts[answer]}


def class_of(request: Request, standing: Standing, decision: Decision) -> str:
    """The class of whoever sent a request, at the time of the decision."""
    if decision.rule == "attested":
        return "vouched for"
    if standing.campaign >= 0:
        return "listed"
    if request.organization_verified or request.verified:
        return "verified holder"
    return "old account" if standing.established else "new account"
