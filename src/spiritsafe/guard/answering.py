"""Which answer a request gets, under one roster and one policy.

A roster and a policy in force are one value here, so that both are put in another's place in one step; what is counted
outlives them (`Counts`). Comes from `guard.deciding`; uses `guard.ceilings`.
"""

from __future__ import annotations

from collections import OrderedDict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.guard.ceilings import ceiling
from spiritsafe.guard.counters import HOUR_US, FadingCounts
from spiritsafe.guard.matching import TEMPLATE
from spiritsafe.guard.model import Answer, Decision, Reason
from spiritsafe.guard.rarity import LiveRarity
from spiritsafe.guard.reasons import held, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.guard.matching import Match
    from spiritsafe.guard.model import Request
    from spiritsafe.guard.policy import Policy, Rule
    from spiritsafe.roster.model import Campaign, Standing
    from spiritsafe.roster.names import Names
    from spiritsafe.roster.reading import Roster

COUNTED: Final = 200_000
"""Accounts that showed a mark of a campaign, marks, and campaigns' budgets that are counted: those of late."""

TOLD: Final = 50_000
"""What waits to be told to other guards of a fleet, at most."""

CAMPAIGNS_REMEMBERED: Final = 4_096
MODELS_REMEMBERED: Final = 1_024
"""Pairs of model and plan: what clients call a model is up to them."""


class Counts:
    """What is counted while requests go by: budgets of campaigns, rates of accounts and of marks, who passed.

    `budgets` by campaign and rule, `rates` by account and campaign, `shown` by mark: exchanges an hour, fading.
    """

    def __init__(self) -> None:
        self.budgets: FadingCounts[tuple[str, str]] = FadingCounts(most=COUNTED)
        self.rates: FadingCounts[tuple[int, str]] = FadingCounts(most=COUNTED)
        self.shown: FadingCounts[int] = FadingCounts(most=COUNTED)
        self.rarity = LiveRarity()
        self._carried: OrderedDict[int, int] = OrderedDict()
        self._passed: dict[int, int] = {}
        self._told: list[dict[str, int]] | None = None

    def share(self) -> None:
        """From here on keep what other guards of a fleet have to know."""
        self.budgets.share()
        self._told = []

    def take_told(self) -> list[dict[str, int]]:
        """What other guards have to know, since it was last taken."""
        told, self._told = self._told or [], []
        return told

    def tell_again(self, told: list[dict[str, int]]) -> None:
        """What was taken could not be told: keep it, as far as there is room."""
        self._told = [*told, *(self._told or [])][-TOLD:]

    def hear(self, told: Mapping[str, str]) -> None:
        """What another guard says: who passed until when, or who showed a mark. What is none of these is left out."""
        try:
            account = int(told["a"])
            if "u" in told:
                self._passed[account] = int(told["u"])
            elif "m" in told:
                self.rarity.show(int(told["m"]), account, established=told["e"] == "1")
        except (KeyError, ValueError):
            return

    def show(self, mark: int, account: int, *, established: bool) -> None:
        """An account that is on no list shows a mark."""
        if self._told is not None and len(self._told) < TOLD and not self.rarity.shown_by(mark, account):
            self._told.append({"m": mark, "a": account, "e": int(established)})
        self.rarity.show(mark, account, established=established)

    def passed(self, account: int, until_us: int, *, at_us: int) -> None:
        """An account passed a challenge, and is not challenged again until then."""
        if self._told is not None and len(self._told) < TOLD:
            self._told.append({"a": account, "u": until_us})
        if len(self._passed) >= COUNTED:
            self._passed = {key: until for key, until in self._passed.items() if until > at_us}
        self._passed[account] = until_us

    def carry(self, account: int, conversation: str, template: int) -> None:
        """A template, by its key, was used in a conversation of an account."""
        key = hash((account, conversation))
        self._carried[key] = template
        self._carried.move_to_end(key)
        if len(self._carried) > COUNTED:
            self._carried.popitem(last=False)

    def carried(self, account: int, conversation: str | None) -> int | None:
        """The key of the template that was used in a conversation before, or None."""
        return None if conversation is None else self._carried.get(hash((account, conversation)))

    def has_passed(self, account: int, at_us: int) -> bool:
        """Whether an account passed a challenge of late."""
        return self._passed.get(account, 0) > at_us


class Seen(msgspec.Struct, gc=False):
    """A request as it is looked at: its account by its hash, what is known of it, the tactics it shows, the time."""

    request: Request
    account: int
    standing: Standing
    established: bool
    shown: tuple[str, ...]
    at_us: int


class InForce:
    """A roster and a policy, and how they answer. Nothing that it holds refers to it, so that a roster is given back as
    soon as another is in its place, and not when Python next looks for cycles."""

    def __init__(self, roster: Roster, policy: Policy, names: Names, counts: Counts) -> None:
        self.roster, self.policy = roster, policy
        self._names, self._counts = names, counts
        self.nothing = Decision(Answer.ALLOW, Answer.ALLOW, policy.full_name, roster.head.roster_id)
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._campaigns: dict[int, Campaign] = {}

    def answer(self, seen: Seen, found: list[Match]) -> Decision:
        """The sternest answer over all campaigns that a request touches.

        Raises
        ------
        RosterError
            The roster is damaged inside.
        """
        attested = self._attested(seen)
        for one in found:
            self._count(seen, one, attested=attested is not None)
        if attested is not None:
            reason = Reason("attested", f"somebody with a name vouches for this account: {attested}")
            return msgspec.structs.replace(self.nothing, rule="attested", reasons=(reason,))
        best = self.nothing
        for one in found:
            if not one.shown and not one.listed:
                continue
            campaign = self._campaign(one.campaign)
            if campaign.expires_s * 1_000_000 <= seen.at_us:
                continue
            self._counts.rates.add((seen.account, campaign.key), seen.at_us)
            decision = self._by_rule(seen, one, campaign)
            if decision.answer > best.answer or best is self.nothing:
                best = decision
        return best

    def _attested(self, seen: Seen) -> str | None:
        at_s, request = seen.at_us // 1_000_000, seen.request
        kind = self.roster.attested(seen.account, at_s)
        if kind is None and request.organization_verified and request.organization_id:
            kind = self.roster.attested(self._names.hashed("organization_id", request.organization_id), at_s)
        return kind

    def _count(self, seen: Seen, one: Match, *, attested: bool) -> None:
        """Count what a request shows; leave out of it what says nothing at the moment."""
        rarity, stranger = self._counts.rarity, not one.listed and not attested
        for mark, _, _ in one.marks:
            self._counts.shown.add(mark, seen.at_us)
            if stranger:
                self._counts.show(mark, seen.account, established=seen.established)
        one.without(rarity.suspended)
        conversation = seen.request.conversation_id
        if conversation is not None:
            for mark, _, what in one.marks:
                if what == TEMPLATE:
                    self._counts.carry(seen.account, conversation, mark)

    def _rules_for(self, model: str, plan: str) -> tuple[Rule, ...]:
        rules = self._rules.get((model, plan))
        if rules is None:
            rules = tuple(
                rule
                for rule in self.policy.rules
                if any(fnmatchcase(model, one) for one in rule.models)
                and any(fnmatchcase(plan, one) for one in rule.plans)
            )
            if len(self._rules) >= MODELS_REMEMBERED:
                self._rules = {}
            self._rules[model, plan] = rules
        return rules

    def _campaign(self, place: int) -> Campaign:
        campaign = self._campaigns.get(place)
        if campaign is None:
            campaign = self.roster.campaign(place)
            if len(self._campaigns) >= CAMPAIGNS_REMEMBERED:
                self._campaigns = {}
            self._campaigns[place] = campaign
        return campaign

    def _by_rule(self, seen: Seen, one: Match, campaign: Campaign) -> Decision:
        """The answer of the first rule that fits."""
        request = seen.request
        for rule in self._rules_for(request.model or "", request.plan or ""):
            member = one.listed != 0 and one.probability >= rule.probability
            if (rule.who == "member" and not member) or (rule.who == "newcomer" and (one.listed or seen.established)):
                continue
            if one.kinds(member=member).bit_count() < rule.kinds:
                continue
            if rule.tactics and not set(rule.tactics).intersection(seen.shown):
                continue
            return self._under(rule, seen, one, campaign, member=member)
        return self.nothing

    def _under(self, rule: Rule, seen: Seen, one: Match, campaign: Campaign, *, member: bool) -> Decision:
        sources = self.roster.head.sources
        most, why = ceiling(one, campaign, sources, member=member, established=seen.established)
        reasons = told(one, campaign, sources, member=member)
        answer = min(rule.given, most)
        if answer < rule.given:
            reasons.append(held(why, rule.given, answer))
        if answer is Answer.CHALLENGE and self._counts.has_passed(seen.account, seen.at_us):
            answer = Answer.OBSERVE
            reasons.append(Reason("passed", "the account passed a challenge a while ago"))
        wait_s = 0
        if answer > Answer.OBSERVE and rule.free_per_hour:
            wait_s = self._spend(rule, campaign, seen.at_us)
            if not wait_s:
                answer = Answer.OBSERVE
                reasons.append(Reason("budget", "the campaign's exchanges of this hour are within what is let through"))
        acted = self._acted(answer, campaign, reasons)
        return Decision(
            answer=answer,
            acted=acted,
            policy=self.policy.full_name,
            roster=self.roster.head.roster_id,
            rule=rule.name,
            reasons=tuple(reasons),
            campaign_id=campaign.campaign_id,
            expires_us=min(seen.at_us + round(rule.holds_hours * HOUR_US), campaign.expires_s * 1_000_000),
            appeal_to=self.policy.appeal_to if answer > Answer.OBSERVE else "",
            retry_after_s=wait_s if answer is Answer.THROTTLE else 0,
            measures=rule.measures if answer is Answer.DEGRADE else (),
            token_limit=rule.token_limit if answer is Answer.DEGRADE else 0,
        )

    def _spend(self, rule: Rule, campaign: Campaign, at_us: int) -> int:
        """Take one exchange from a campaign's budget: 0, or in how many seconds there is one again."""
        budgets, budget = self._counts.budgets, (campaign.key, rule.name)
        if budgets.count(budget, at_us) + 1 <= rule.free_per_hour:
            budgets.add(budget, at_us)
            return 0
        return max(-(-budgets.wait_us(budget, at_us, max(rule.free_per_hour - 1, 0.0)) // 1_000_000), 1)

    def _acted(self, answer: Answer, campaign: Campaign, reasons: list[Reason]) -> Answer:
        """What is to be done now: nothing that is felt in shadow mode, nor before a person confirmed the campaign."""
        if answer <= Answer.OBSERVE:
            return answer
        if self.policy.mode == "shadow":
            return Answer.ALLOW
        if not campaign.confirmed:
            reasons.append(Reason("unconfirmed", "no person has confirmed the campaign: it is not acted on"))
            return Answer.OBSERVE
        return answer
