"""The nouns of `guard`: a request as a gateway sees it, an answer, and a decision with its reasons.

Comes from a door or a log; goes on to `guard.deciding` and back.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec


class Answer(IntEnum):
    """What is done with a request, mildest first. Each but the first two is felt by whoever sent it."""

    ALLOW = 0
    OBSERVE = 1
    THROTTLE = 2
    CHALLENGE = 3
    DEGRADE = 4
    BLOCK = 5

    @property
    def word(self) -> str:
        """As it stands in policies and records."""
        return self.name.lower()


ANSWERS: Final = {answer.word: answer for answer in Answer}


class Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request: columns of the contract's `requests` and `accounts`, by their names. What is None is not known.

    A text may be left out where its hash is given, as sketches have it. `time_us` is its arrival (UTC microseconds);
    `plan`, `verified` and `account_created_us` are what the gateway knows of the account, for those that opened since
    the roster was made.
    """

    account_id: str
    time_us: int
    event_id: str | None = None
    model: str | None = None
    operation: str | None = None
    plan: str | None = None
    end_user_id: str | None = None
    conversation_id: str | None = None
    organization_id: str | None = None
    organization_verified: bool | None = None
    verified: bool | None = None
    account_created_us: int | None = None
    prompt: str | None = None
    system_prompt: str | None = None
    system_prompt_hash: int | None = None
    assistant_prefill: str | None = None
    assistant_prefill_hash: int | None = None
    prefix_blocks: list[int] | None = None
    tool_schema_hash: int | None = None
    choice_count: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    logprobs: bool | None = None
    logit_bias: bool | None = None
    tools: bool | None = None
    stream: bool | None = None
    reasoning: bool | None = None
    image_count: int | None = None
    status: int | None = None
    client_ip: str | None = None
    asn: int | None = None
    country: str | None = None
    user_agent: str | None = None
    ja4: str | None = None
    http2_fingerprint: str | None = None
    payment_fingerprint: str | None = None
    email_pattern: str | None = None


class Reason(msgspec.Struct, frozen=True):
    """One ground of a decision: its kind (of evidence, or `rule`, `attested`, `held`) and a sentence."""

    kind: str
    statement: str


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be done with a request, and why.

    `answer` is what the policy says; `acted` what is to be done now, which in shadow mode is never felt. Both hold
    until `expires_us`. `retry_after_s` comes with a throttle, `measures` with a degrade. `shown` names the tactics that
    the request shows. Where nothing is known against a request all is empty.
    """

    answer: Answer
    acted: Answer
    policy: str
    roster: str
    rule: str = ""
    reasons: tuple[Reason, ...] = ()
    campaign_id: str = ""
    expires_us: int = 0
    appeal_to: str = ""
    retry_after_s: int = 0
    measures: tuple[str, ...] = ()
    token_limit: int = 0
    shown: tuple[str, ...] = ()

    @property
    def felt(self) -> bool:
        """Whether whoever sent the request notices anything."""
        return self.acted > Answer.OBSERVE
