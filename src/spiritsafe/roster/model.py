"""The nouns of `roster`: kinds of evidence, an account's standing, a campaign, a source that was heard.

Comes from nothing; goes on to the file and to `guard`.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import msgspec


class Kind(IntFlag):
    """Kinds of coordination evidence, as `campaigns.model.EvidenceKind` names them; several at once."""

    CONTENT = 1
    WORK = 2
    TIMING = 4
    INFRASTRUCTURE = 8
    IDENTITY = 16
    LIFECYCLE = 32


class Role(IntEnum):
    """An account's part in its campaign: `RELAY` carries other people's traffic too."""

    NONE = 0
    CORE = 1
    RELAY = 2
    UNCERTAIN = 3


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What is known of an account.

    `campaign` is its place in the roster, -1 where it is in none; `probability` that it is operated by the campaign's
    operator; `kinds` the kinds of evidence that found it. `established`: it is old, or its holder is verified, and it
    is in no campaign.
    """

    campaign: int
    probability: float
    kinds: int
    role: int
    established: bool


class Source(msgspec.Struct, frozen=True):
    """Another firm from which something was heard. `origin` is where it comes from at first: one that was passed on by
    many is still one. `reputation`: the share of what it said that turned out true, in [0, 1]."""

    name: str
    origin: str
    reputation: float


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True):
    """A campaign as the request path knows it.

    `key` stays the same from roster to roster, however its members change: budgets and live counts are kept under it.
    `confirmed`: a person confirmed its case. `own`: evidence of this firm's own found it; otherwise only `sources` say
    so (places in the roster's list). It is in force until `expires_s` (UTC seconds).
    """

    campaign_id: str
    key: str
    members: int
    expires_s: int
    confirmed: bool = False
    own: bool = True
    case: int | None = None
    sources: tuple[int, ...] = ()
    techniques: tuple[str, ...] = ()
