"""How much a leaf's values say about which contract column it is, in bits; None where they forbid it.

Every column starts from what is known before looking: a log has forty columns and few of them are this one.
Each fact about the values adds or takes bits, and what was found goes into a sentence for the map file. The
numbers were set on the tables of tests/events/shapes.py and measured on those of shapes_held_out.py.
Comes from `events.score_rules`; goes on to `events.propose`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.events.score_rules import (
    PRIOR_BITS,
    Verdict,
    account,
    address,
    anything,
    autonomous,
    choices,
    count,
    entity,
    event,
    few_words,
    model,
    most_tokens,
    operation,
    prefill,
    prompt,
    response,
    shaped,
    status,
    system,
    temperature,
    time,
    tls,
    tokens,
    truth,
    turn,
    verified,
)

if TYPE_CHECKING:
    from spiritsafe.events.profile import Profile

_TRANSFORM_FOR: Final = {
    "last_user_message": {"prompt": 6.0}, "system_message": {"system_prompt": 6.0},
    "assistant_prefill": {"assistant_prefill": 6.0}, "response_text": {"response": 5.0},
    "turn_of_messages": {"turn": 6.0}, "count_images": {"image_count": 6.0}, "forwarded_for": {"client_ip": 5.0},
    "without_port": {"client_ip": 5.0}, "fingerprint": {"api_key_id": 4.0}, "less_one": {"turn": 0.5},
    "digits": {"asn": 3.0}, "first": {"finish_reason": 0.5}, "hash64": {"tool_schema_hash": 0.0},
    "present": {"tools": -0.5, "logit_bias": -0.5, "logprobs": -0.5, "reasoning": -0.5},
}  # fmt: skip


def value_bits(column: str, profile: Profile, *, table: str = "requests") -> Verdict:
    """Bits for `column` from the values alone, prior included, and why; None where they cannot be it."""
    leaf = profile.leaf
    contract = (ACCOUNTS if table == "accounts" else REQUESTS).by_name[column]
    if not profile.values:
        return None if leaf.transform or contract.required else (-3.0, "always empty in the sample")
    if leaf.transform:
        return _transformed(column, profile)
    if leaf.nested:
        return _nested(column, profile)
    judge = _JUDGES.get(column)
    if judge is None:
        judge = truth if str(contract.type) == "bool" else anything
    return judge(profile)


def _transformed(column: str, profile: Profile) -> Verdict:
    if profile.leaf.transform == "text":
        judge = _JUDGES.get(column) if column in ("prompt", "system_prompt", "response") else None
        judged = judge(profile) if judge else None
        return (judged[0] + 1.0, judged[1]) if judged else None
    extra = _TRANSFORM_FOR.get(profile.leaf.transform, {}).get(column)
    if extra is None:
        return None
    bits = PRIOR_BITS + extra
    if column == "client_ip":
        judged = address(profile)
        # A hop that is always one of a few addresses is a proxy of one's own; further left is what the client says.
        few = profile.distinct <= max(3, profile.rows // 200)
        bits = (judged or (bits, ""))[0] - (4.0 if few else 0.0) - 0.3 * profile.leaf.hop
        if profile.present < 0.5:
            bits -= 3.0
        return bits, f"addresses, hop {profile.leaf.hop} from the right"
    if column in ("prompt", "system_prompt", "response"):
        return bits, f"text of {profile.length_median:.0f} characters in messages"
    return bits, f"by {profile.leaf.transform}"


def _nested(column: str, profile: Profile) -> Verdict:
    """Lists and objects as they stand."""
    if column != "prefix_blocks":
        return None
    lists = [value for value in profile.values if isinstance(value, list)]
    whole = all(isinstance(item, int) for value in lists for item in value)
    return (PRIOR_BITS + 1, "lists of whole numbers") if lists and whole else None


_JUDGES: Final[dict[str, Callable[[Profile], Verdict]]] = {
    "event_id": event,
    "time": time,
    "created_at": time,
    "account_id": account,
    "api_key_id": entity("key", PRIOR_BITS, -4.0),
    "end_user_id": entity("account", PRIOR_BITS - 1.0, -1.0),
    "organization_id": entity("organization", PRIOR_BITS, -6.0),
    "organization_verified": verified,
    "verified": verified,
    "conversation_id": entity("conversation", PRIOR_BITS, -1.5),
    "channel": few_words(12),
    "operation": operation,
    "model": model,
    "prompt": prompt,
    "system_prompt": system,
    "assistant_prefill": prefill,
    "response": response,
    "tool_schema_hash": count(-(2**63), 2**63, -1.0),
    "image_count": count(0, 1000, -0.5),
    "turn": turn,
    "input_tokens": tokens,
    "output_tokens": tokens,
    "max_tokens": most_tokens,
    "temperature": temperature,
    "choice_count": choices,
    "finish_reason": shaped("finish", 6.0, "known finish reasons", otherwise=-2.0),
    "refusal_source": few_words(12),
    "status": status,
    "error_type": few_words(60),
    "limit_requests_per_minute": count(-1, 10_000_000, -1.0),
    "limit_remaining": count(-1, 10_000_000, -1.0),
    "client_ip": address,
    "asn": autonomous,
    "country": shaped("country", 5.5, "ISO country codes"),
    "user_agent": shaped("user_agent", 6.5, "names of clients with versions", otherwise=-2.0),
    "ja4": tls,
    "http2_fingerprint": shaped("http2", 9.0, "HTTP/2 fingerprints", otherwise=-2.0),
    "prefix_blocks": lambda _: None,
    "plan": few_words(30),
}
