"""May an order be carried out? What persons agreed to, how far that reaches, and whether their prediction holds.

An agreement is to exactly what was asked, with every value in its place, and no further than it says: most accounts,
verified customers, organisations. It predicts the share of touched accounts whose holder will object; where more do,
the run halts, and every agreement that was given before ends. Of what one person said last counts.
Pure. Comes from `playbooks.runner` and `playbooks.deciding`; goes on to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.playbooks.orders import Objections, Reach, Result

if TYPE_CHECKING:
    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.orders import Executor, Home, Order
    from spiritsafe.playbooks.runs import Approval, Run


@dataclass(frozen=True, slots=True)
class Standing:
    """What was said in a run, and how its predictions fare."""

    run: Run
    home: Home
    objections: Objections
    predicted_share: float

    @property
    def is_worse_than_predicted(self) -> bool:
        """Whether more holders object than anybody who agreed predicted."""
        return self.objections.objected > self.predicted_share * self.objections.touched

    @property
    def told(self) -> str:
        """Why it is halted."""
        seen = self.objections
        return (
            f"{seen.objected} of {seen.touched} accounts object (appeals, passed challenges); "
            f"{self.predicted_share:.0%} were predicted"
        )

    def manual(self, order: Order) -> Result:
        """What a person reported of what they were to do."""
        said = self.latest(order)
        if not said:
            return Result("waiting", "somebody must do it, and say how it went")
        last = said[-1]
        return Result("done" if last.approved else "failed", f"{last.name}: {last.reason}", last.values)

    def held_up(self, order: Order, executor: Executor) -> Result | None:
        """Why an order is not carried out now: it was refused, or waits for agreements. None where it may be."""
        said = self.latest(order)
        refused = next((one for one in said if not one.approved), None)
        if refused is not None:
            return Result("failed", f"{refused.name} refused: {refused.reason}")
        if executor.touches == "nothing":
            return None
        reach = executor.reach(order, self.home)
        if executor.touches == "accounts" and not reach.accounts:
            return None  # there is nothing to agree to: the executor says why, or that it is done
        lacking = self.home.settings.playbook_approvals - len(said)
        if lacking > 0:
            return Result("waiting", f"{lacking} more must agree" if said else f"{lacking} must agree")
        if not all(reach.within(one.most) for one in said):
            return Result("waiting", f"it would touch {told_reach(reach)} by now, more than was agreed to: agree again")
        return None

    def least(self, order: Order) -> Reach | None:
        """The furthest that everybody who agreed lets an order go; None where nobody needed to."""
        most = [one.most for one in self.latest(order) if one.approved]
        if not most:
            return None
        return Reach(
            min(one.accounts for one in most), min(one.verified for one in most), min(one.organizations for one in most)
        )

    def signer(self, order: Order) -> Signer | None:
        """Whoever is at the desk, if they agreed to just this order: nothing else is signed in their name."""
        who = self.home.signer
        if who is None:
            return None
        mine = [one for one in self.latest(order) if one.public_key == who.public_key and one.approved]
        return who if mine else None

    def latest(self, order: Order) -> list[Approval]:
        """The last word of each person on an order as it is asked now; two names under one key are one person."""
        last: dict[bytes, Approval] = {}
        for one in self.run.approvals_of(order.asked):
            if one.asked_sha256 == order.sha256:
                last.pop(one.public_key, None)
                last[one.public_key] = one
        by_name = {one.name: one for one in last.values()}
        return list(by_name.values())


def standing_of(run: Run, home: Home) -> Standing:
    """What was said in a run so far, with what came of it."""
    shares = [one.objections_share for one in run.approvals if one.approved]
    if not shares or not run.keys:
        return Standing(run, home, Objections(0, 0), 1.0)
    return Standing(run, home, home.objections(run.case_id, run.keys), min(shares))


def told_reach(reach: Reach) -> str:
    """A reach in words."""
    return (
        f"{reach.accounts:,} accounts ({reach.verified:,} of verified customers) of {reach.organizations:,} "
        "verified organisations"
    )
