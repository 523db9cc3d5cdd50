"""Why a request is answered so, in sentences that a reviewer and the account's holder may read.

No value of a mark stands in them (an address, a phrase): only of which kind it is. Comes from `guard.matching`; goes
into decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.guard.matching import CARRIED, TEMPLATE
from spiritsafe.guard.model import Reason
from spiritsafe.roster.model import Kind

if TYPE_CHECKING:
    from spiritsafe.guard.matching import Match
    from spiritsafe.guard.model import Answer
    from spiritsafe.roster.model import Campaign, Source

_MARKS: Final = {
    TEMPLATE: "its prompt is an instance of the campaign's template",
    CARRIED: "it goes on with a conversation in which the campaign's template was used",
    "system_prompt_hash": "its system prompt is the campaign's",
    "assistant_prefill_hash": "it begins the answer as the campaign does",
    "prefix_block": "its input begins as the campaign's do",
    "tool_schema_hash": "its tools are the campaign's",
    "client_ip": "it comes from an address of the campaign",
    "ja4": "its TLS client is the campaign's",
    "http2_fingerprint": "its HTTP/2 client is the campaign's",
    "user_agent": "its user agent is the campaign's",
    "conversation_id": "it goes on with a conversation of the campaign",
    "payment_fingerprint": "its account is paid as accounts of the campaign are",
    "email_pattern": "its account's address is formed as the campaign's are",
    "organization_id": "its account names an organisation of the campaign",
}
_KINDS: Final = {kind: kind.name.lower() for kind in Kind if kind.name}


def kind_words(kinds: int) -> str:
    """Kinds of evidence in words.

    Examples
    --------
    >>> kind_words(Kind.CONTENT | Kind.TIMING)
    'content, timing'
    """
    return ", ".join(word for kind, word in _KINDS.items() if kinds & kind)


def told(one: Match, campaign: Campaign, sources: tuple[Source, ...], *, member: bool) -> list[Reason]:
    """What ties the request to the campaign."""
    reasons = []
    if one.listed:
        taken = "" if member else ", which is less than the rule asks for"
        reasons.append(
            Reason(
                "listed",
                f"its account is one of {campaign.members:,} of the campaign with probability "
                f"{one.probability:.2f}{taken}, by {kind_words(one.listed)}",
            )
        )
    reasons += [Reason(_KINDS[Kind(kind)], _MARKS[what]) for _, kind, what in one.marks]
    if campaign.sources:
        said = ", ".join(sources[place].name for place in campaign.sources)
        reasons.append(Reason("heard", f"the campaign was heard of from {said}"))
    return reasons


def held(why: str, asked: Answer, answer: Answer) -> Reason:
    """Why an answer is milder than the rule's."""
    return Reason("held", f"{answer.word} and not {asked.word}: {why}")
