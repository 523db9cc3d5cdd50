"""The nouns of `cases`: a case and its life, its accounts, and what was decided and done about them.

Every one of them is told by the ledger (`cases.replay`); the store only keeps the telling ready (`cases.store`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from spiritsafe.errors import UsageError, VerificationError

ATTESTATIONS: Final = "attestations"
"""The case id under which attestations are filed: their subjects belong to no case, and can be erased all the same."""


class CaseState(StrEnum):
    """Where a case stands."""

    SUSPECTED = "suspected"
    IN_REVIEW = "in_review"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    ACTED_ON = "acted_on"
    APPEALED = "appealed"
    UPHELD = "upheld"
    OVERTURNED = "overturned"
    CLOSED = "closed"


AttestationKind: TypeAlias = Literal[
    "licensed_distillation", "approved_red_team", "academic", "reseller", "customer_fleet"
]
ATTESTATION_KINDS: Final[tuple[AttestationKind, ...]] = (
    "licensed_distillation", "approved_red_team", "academic", "reseller", "customer_fleet",
)  # fmt: skip


Claim: TypeAlias = Literal["accounts_act_as_one", "operated_by", "outputs_trained_model"]
CLAIMS: Final[tuple[Claim, ...]] = ("accounts_act_as_one", "operated_by", "outputs_trained_model")
"""Kept apart: most public criticism is of sliding from the first to the third."""


class CaseUnknownError(UsageError):
    """There is no such case, account, action or appeal."""

    code = "cases.unknown"


class MoveError(UsageError):
    """A case cannot go from where it stands to where it was sent."""

    code = "cases.move"


class ChangedError(UsageError):
    """A case changed after whoever decides about it had looked."""

    code = "cases.changed"


class SecondPersonError(VerificationError):
    """The second person is the first, or a reviewer is somebody who had a part in what is appealed."""

    code = "cases.second_person"


class StrangerError(VerificationError):
    """Whoever signs is not registered in this home, or under another key."""

    code = "cases.stranger"


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A case in a line. `as_of` is how many entries the ledger held when it last changed.

    `exchanges`: of its accounts that are not cleared, as the newest finding of each counts them.
    `joined_to`: the number of the case that it was joined to by a person; 0 where it was not.
    """

    number: int
    case_id: str
    state: CaseState
    headline: str
    opened_us: int
    changed_us: int
    as_of: int
    members: int
    unconfirmed: int
    cleared: int
    exchanges: int
    open_appeals: int
    owed: int
    joined_to: int


@dataclass(frozen=True, slots=True)
class CaseMember:
    """An account of a case. `organization_id` only where its membership is verified.

    `confirmed`: a person confirmed the case having seen it; before, nothing may be done about it. `found_at`: the log's
    position of the newest finding that names it, which is what it may be told as the reason.
    """

    account_id: str
    probability: float
    role: str
    first_seen: str
    exchanges: int
    organization_id: str
    found_at: int
    confirmed: bool
    cleared: bool


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One line of a case's history."""

    position: int
    time_us: int
    what: str
    who: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """Somebody with a name vouches for an account or organisation, for a time."""

    attestation_id: str
    subject: str
    kind: str
    owner: str
    reason: str
    not_before_us: int
    expires_us: int
    withdrawn: bool

    def in_force(self, at_us: int) -> bool:
        """Whether it protects at a time."""
        return not self.withdrawn and self.not_before_us <= at_us < self.expires_us


@dataclass(frozen=True, slots=True)
class Action:
    """What was done to one account: `done`, `failed`, `undo_ordered` (still to be undone) or `undone`."""

    action_id: str
    case_id: str
    account_id: str
    kind: str
    ground: str
    outcome: str
    automated: bool
    time_us: int


@dataclass(frozen=True, slots=True)
class Appeal:
    """What an account's holder asked for. `account_id` is empty once they were erased.

    `relief`: the clock ran out before anybody decided, and what was done is suspended meanwhile.
    """

    appeal_id: str
    case_id: str
    account_id: str
    state: str
    made_us: int
    due_us: int
    reviewer: str
    decided_us: int
    reason: str
    statement: str
    relief: bool
    whole_case: bool

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to decide."""
        return self.state in {"made", "in_review"}


@dataclass(frozen=True, slots=True)
class Retraction:
    """What was found does not hold: of these accounts, or of the whole case. For whoever told others of it."""

    retraction_id: str
    case_id: str
    position: int
    scope: str
    campaign_ids: tuple[str, ...]
    account_ids: tuple[str, ...]
    reason: str
    time_us: int
