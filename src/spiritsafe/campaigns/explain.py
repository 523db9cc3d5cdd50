"""Words for a judgement: the headline, what was taken, what to do, what would change our mind.

Every sentence here is read by the person who decides and may be read by the person accused. Comes from
`campaigns.facts` and the axes; goes into every group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spiritsafe.campaigns.model import AxisStatus, Technique, Verdict
from spiritsafe.signals.tactics import installed_tactics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.campaigns.facts import GroupFacts, Log, SharedValue
    from spiritsafe.campaigns.model import Axis, Exposure

REASONS_SHOWN: Final = 3

_CAPABILITY_SHARE: Final = 0.05
_CAPABILITY_LIFT: Final = 2.0

_KIND_WORDS: Final = {
    "content": "wording",
    "work": "how work is dealt out",
    "infrastructure": "infrastructure",
    "identity": "identity",
    "timing": "timing",
    "lifecycle": "life cycle",
}
_WHY: Final = {
    "phrase": "a habitual phrase",
    "client_ip": "an address",
    "ja4": "a TLS client build",
    "http2_fingerprint": "an HTTP/2 client build",
    "user_agent": "a user agent",
    "system_prompt_hash": "a system prompt",
    "tool_schema_hash": "a set of tools",
    "assistant_prefill_hash": "the beginning of the answer",
    "prefix_block": "the beginning of the input",
    "conversation_id": "a conversation",
    "payment_fingerprint": "a means of payment",
    "email_pattern": "a pattern of sign-up address",
    "organization_id": "a stated organisation",
}


def why_in(one: SharedValue) -> str:
    """Why holding this value puts an account into the group."""
    others = len(one.members) - 1
    subject = "other member" if others == 1 else "other members"
    return f"shares {_WHY[one.thing]} with {others} {subject} ({one.bits:.1f} bits)"


def headline(verdict: Verdict, members: int, kinds: Sequence[str], exposure: Exposure) -> str:
    """One line a person can repeat: how many, tied by what, after what."""
    tied = f"{members:,} accounts tied by {_list([_KIND_WORDS[kind] for kind in kinds] or ['chains of others'])}"
    match verdict:
        case Verdict.CAMPAIGN:
            return f"{tied} take {_list(exposure.capabilities[:2]) or 'answers in bulk'} under no common contract"
        case Verdict.OPEN_COORDINATION:
            return f"{tied} act as one, openly"
        case Verdict.COORDINATED_UNKNOWN:
            return f"{tied}; why is not clear"
        case Verdict.INSUFFICIENT_DATA:
            return f"{tied}; too little is known to judge"


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def capabilities(facts: GroupFacts, log: Log) -> tuple[str, ...]:
    """What the group asked for: tactics in at least 5 % of its exchanges and in twice as many as elsewhere, most
    frequent first."""
    exchanges = max(int(facts.of(log, "exchanges").sum()), 1)
    others = max(log.exchanges - exchanges, 1)
    shares = []
    for tactic in installed_tactics():
        column = f"{tactic.text.name}_exchanges"
        inside = int(facts.of(log, column).sum())
        outside = int(log.signals[column].sum()) - inside
        share = inside / exchanges
        if share >= max(_CAPABILITY_SHARE, _CAPABILITY_LIFT * outside / others):
            shares.append((share, tactic.takes))
    return tuple(takes for _, takes in sorted(shares, reverse=True))


def techniques(taking: Axis) -> tuple[Technique, ...]:
    """MITRE ATLAS techniques of the tactics that stand out."""
    found = {evidence.kind for evidence in taking.evidence}
    named = {t.technique_id: t.technique_name for t in installed_tactics() if t.text.name in found}
    if taking.status is AxisStatus.SUPPORTED:
        named.setdefault("AML.T0024.002", "Extract AI Model")
    return tuple(Technique(id=key, name=named[key]) for key in sorted(named))


def archetype(taking: Axis, exposure: Exposure, members: int) -> str:
    """The published pattern that the group resembles most, in words; a label, not evidence."""
    kinds = {evidence.kind for evidence in taking.evidence}
    if taking.status is not AxisStatus.SUPPORTED:
        return "unknown"
    if "rubric_grading" in kinds:
        return "reasoning and rubric"
    if "tool_trajectory" in kinds:
        return "agentic"
    if "reasoning_elicitation" in kinds:
        return "reasoning-trace coercion" if exposure.exchanges > 200 * members else "reasoning elicitation"
    return "sweep"


def actions(verdict: Verdict, failed_axis: str) -> tuple[str, ...]:
    """What to do next: reversible steps first, and a person before any of them."""
    if verdict is Verdict.CAMPAIGN:
        return (
            "Have a second person read the evidence and the alternatives below before anything is done.",
            "Keep the source rows that this finding rests on: logs expire.",
            "Ask the account holders who they are (verification); it is reversible and answers most doubts.",
            "Put the group, not single accounts, under one shared rate limit while it is reviewed.",
            "Suspend only after review, with a statement of reasons and a way to appeal.",
        )
    if verdict is Verdict.OPEN_COORDINATION:
        return ("Nothing against the accounts. If the use breaks the contract, speak to the customer.",)
    if verdict is Verdict.COORDINATED_UNKNOWN:
        return (f"Look, do not act. What is missing is {failed_axis}: see that axis for what would settle it.",)
    return ("Do nothing. Log the missing columns if you want an answer next time.",)


def would_change_our_mind(verdict: Verdict, three: tuple[Axis, Axis, Axis]) -> tuple[str, ...]:
    """Facts that, if shown, would overturn the verdict."""
    if verdict is Verdict.CAMPAIGN:
        return (
            "A contract or verification that names these accounts as one customer.",
            "A public source for the shared wording that unrelated people would have copied.",
            "Evidence that the accounts are end users of one reseller or application.",
        )
    if verdict is Verdict.OPEN_COORDINATION:
        return ("Proof that the verification or the attestation is false, or does not cover what they do.",)
    missing = sorted({column for axis in three for column in axis.missing_columns})
    if missing:
        return (f"These columns, which this log lacks or has empty for these accounts: {', '.join(missing)}.",)
    return ("A second, independent kind of evidence that they have one operator, or that they have not.",)
