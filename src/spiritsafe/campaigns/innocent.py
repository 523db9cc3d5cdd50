"""Who is innocent, of those who come near a campaign: said beside the accused, for whoever reads only the page.

Some use the same template and do nothing else together, some share one address, some share an account with the
distiller and not the purpose. Comes from `campaigns.facts` and the campaign's own exchanges; goes into every
accused group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.campaigns.exchanges import RELAY
from spiritsafe.campaigns.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.campaigns.exchanges import OwnWork
    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.model import Group

_THINGS: Final = {
    "client_ip": "call from one of their addresses",
    "ja4": "use their TLS client build",
    "http2_fingerprint": "use their HTTP/2 client build",
    "user_agent": "send their user agent",
    "payment_fingerprint": "pay with one of their means of payment",
    "organization_id": "name one of their organisations",
}


def with_innocent(groups: Sequence[Group], facts: Sequence[GroupFacts], work: Sequence[OwnWork | None]) -> list[Group]:
    """The groups, each accused one with who comes near it and is not accused.

    Parameters
    ----------
    groups, facts
        Judged groups with their roles, and what they rest on.
    work
        What each group's accounts did for the campaign, where its template shows it.
    """
    return [
        msgspec.structs.replace(group, innocent=_innocent(group, known, own))
        if group.verdict is Verdict.CAMPAIGN
        else group
        for group, known, own in zip(groups, facts, work, strict=True)
    ]


def _innocent(group: Group, facts: GroupFacts, own: OwnWork | None) -> tuple[str, ...]:
    told = []
    relay = all(member.role == RELAY for member in group.members)
    if relay and own is None:
        told.append(
            "Conversations go on from one of these accounts to another, as those of a relay's users do, and no "
            "exchange shows a template: which of their exchanges are the campaign's cannot be told, "
            "and none is said to be."
        )
    if relay and own is not None:
        others = own.exchanges - own.own
        told.append(
            f"These accounts may carry other people's traffic: {others:,} of their {own.exchanges:,} exchanges do not "
            "show the campaign's template. Who sent those is not accused (exchanges.parquet says which are which)."
        )
    if facts.template_users:
        told.append(
            f"{_accounts(facts.template_users)} outside sent the template too, and nothing else ties "
            f"{'it' if facts.template_users == 1 else 'them'} to the members: a template may be copied."
        )
    if facts.let_go:
        told.append(
            f"{_accounts(facts.let_go)} {_were(facts.let_go)} found with the members and let go: "
            "they have nothing in common with them but wording."
        )
    told += _sharing_one_thing(facts)
    uncertain = sum(member.role == "uncertain" for member in group.members)
    if uncertain:
        told.append(f"{_accounts(uncertain)} of the members may well not belong (role uncertain): look at these first.")
    told.append("Whoever shares one thing only with a member, be it a network, a client or a sentence, is not accused.")
    return tuple(told)


def _sharing_one_thing(facts: GroupFacts) -> list[str]:
    """Of each thing that members share, the value that most others have too."""
    others: dict[str, int] = {}
    for one in facts.shared:
        if one.thing in _THINGS:
            others[one.thing] = max(others.get(one.thing, 0), one.holders - len(one.members))
    return [f"{_accounts(count)} outside {_THINGS[thing]}, and no more." for thing, count in others.items() if count]


def _accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{count:,} accounts"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
