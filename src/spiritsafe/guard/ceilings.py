"""How far an answer may go, whatever a policy says. Pure.

- One kind of evidence is observed and no more: a template may be copied, an address shared, a moment be chance.
- In a relay others share the account: only what shows the campaign's content is the campaign's.
- An established account that no list names is observed and no more: lists are for persons to make.
- What another firm said alone is challenged at most, until two firms that did not hear it from one another say it, or
  evidence of one's own agrees.
- In enforcing mode only campaigns that a person confirmed are acted on.

Comes from `guard.matching`; goes on to `guard.deciding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiritsafe.guard.model import Answer
from spiritsafe.roster.model import Kind, Role

if TYPE_CHECKING:
    from spiritsafe.guard.matching import Match
    from spiritsafe.roster.model import Campaign, Source

KINDS_TO_ACT = 2
ORIGINS_TO_ACT = 2


def ceiling(
    match: Match, campaign: Campaign, sources: tuple[Source, ...], *, member: bool, established: bool
) -> tuple[Answer, str]:
    """The most that may be answered to a request on this evidence, and why no more; "" where nothing holds it down.

    `member`: the campaign's list names the account, and the rule believes it.
    """
    if member and match.role == Role.RELAY and not match.shown & Kind.CONTENT:
        return (
            Answer.OBSERVE,
            "other people use this account too, and this request does not show the campaign's content",
        )
    if match.kinds(member=member).bit_count() < KINDS_TO_ACT:
        return Answer.OBSERVE, "one kind of evidence is not enough to act on"
    if established and not member:
        return Answer.OBSERVE, "the account is old or its holder verified, and no list names it"
    own = campaign.own or (member and match.listed != 0)
    if not own and len({sources[place].origin for place in campaign.sources}) < ORIGINS_TO_ACT:
        return Answer.CHALLENGE, "one other firm says so, and no evidence of our own"
    return Answer.BLOCK, ""
