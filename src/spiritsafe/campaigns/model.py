"""The nouns of `campaigns`: a group of accounts, judged on three axes, with its reasons.

Everything here is a frozen value that turns into JSON as it stands (`msgspec.json.encode`). The report, the
OCSF findings and `campaigns.json` are three renderings of the same `Group`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What may be said of a group. Only `CAMPAIGN` opens an enforcement case."""

    CAMPAIGN = "campaign"
    OPEN_COORDINATION = "open_coordination"
    COORDINATED_UNKNOWN = "coordinated_unknown"
    INSUFFICIENT_DATA = "insufficient_data"


class AxisStatus(StrEnum):
    """`NOT_OBSERVABLE` means that the columns were missing. It never counts as support."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_OBSERVABLE = "not_observable"


class EvidenceKind(StrEnum):
    """Independent kinds of coordination evidence; `campaign` needs two of them.

    `WORK` is how work is spread over accounts: conversations that move between them, items asked k times by several.
    """

    CONTENT = "content"
    WORK = "work"
    TIMING = "timing"
    INFRASTRUCTURE = "infrastructure"
    IDENTITY = "identity"
    LIFECYCLE = "lifecycle"


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen, keyword-only, strict."""


class Evidence(_Value, frozen=True):
    """One statement that a person can check. `statement` is a full sentence with its numbers.

    `kind` is an `EvidenceKind` for coordination, otherwise the name of a signal. `accounts` counts the
    members it holds for; `rarity` says how common the same thing is among all accounts ("3 of 9,412").
    `event_ids` are the first few exchanges that show it, of campaigns and where single exchanges can.
    """

    kind: str
    statement: str
    bits: float | None = None
    accounts: int = 0
    rarity: str = ""
    innocent_explanation: str = ""
    event_ids: tuple[str, ...] = ()


class Axis(_Value, frozen=True):
    """One of coordination, extraction, concealment. `reason` says why the status is what it is."""

    name: str
    status: AxisStatus
    reason: str
    evidence: tuple[Evidence, ...] = ()
    missing_columns: tuple[str, ...] = ()


class Alternative(_Value, frozen=True):
    """An innocent explanation and how it fared: `fits`, `does_not_fit` or `not_checkable`."""

    name: str
    question: str
    outcome: str
    finding: str


class Exposure(_Value, frozen=True):
    """What was taken, as far as the log shows. Tokens are None when the columns were missing.

    `own_exchanges` show the campaign's template, or stand in a conversation that does: in a relay, the campaign's. From
    `visible_from` on four accounts had used the template as a habit, so that it could be seen; `before_visible_share`
    of the exchanges were served before. All three are None where there is no template.
    """

    exchanges: int
    exchanges_share: float
    input_tokens: int | None
    output_tokens: int | None
    models: tuple[str, ...]
    capabilities: tuple[str, ...]
    first_seen: str
    last_seen: str
    own_exchanges: int | None = None
    visible_from: str | None = None
    before_visible_share: float | None = None


class Technique(_Value, frozen=True):
    """A MITRE ATLAS technique, e.g. `AML.T0024.002`."""

    id: str
    name: str


class Significance(_Value, frozen=True):
    """`p_value` is None where no valid test was made, and `statement` says why."""

    method: str
    null: str
    p_value: float | None
    q_value: float | None
    statement: str


class Member(_Value, frozen=True):
    """An account of a group. `probability`: operated by the group's operator, given this window."""

    account_id: str
    probability: float
    role: str
    first_seen: str
    exchanges: int
    bits_content: float
    bits_work: float
    bits_timing: float
    bits_infrastructure: float
    bits_identity: float
    bits_lifecycle: float
    why: tuple[str, ...] = ()


class Group(_Value, frozen=True):
    """A set of accounts that looks like one operator, with the verdict and every reason for it.

    `failed_axis` names the axis that kept the group from being a campaign ("" for a campaign).
    `hourly` is (hours since `Run.clock_first`, exchanges) for the timeline. `known_labels` counts the members that
    the operator already had under a label (`--known`); it is shown and decides nothing. `innocent` says who comes near
    a campaign and is not accused.
    """

    campaign_id: str
    verdict: Verdict
    failed_axis: str
    headline: str
    axes: tuple[Axis, Axis, Axis]
    significance: Significance
    members: tuple[Member, ...]
    alternatives: tuple[Alternative, ...]
    exposure: Exposure
    archetype: str
    techniques: tuple[Technique, ...]
    actions: tuple[str, ...]
    would_change_our_mind: tuple[str, ...]
    predecessor_ids: tuple[str, ...] = ()
    hourly: tuple[tuple[int, int], ...] = ()
    innocent: tuple[str, ...] = ()
    known_labels: dict[str, int] = {}


class InputFile(_Value, frozen=True):
    """A file that was read, so that the run can be repeated on the same bytes.

    `table` is empty for the log; else the table beside it that the file is of, or is one of many of.
    """

    path: str
    sha256: str
    size_bytes: int
    table: str = ""


class MissingColumn(_Value, frozen=True):
    """A contract column without a value, and what its absence costs detection.

    Only columns of which the contract says a cost are told so; others may be empty or absent too.
    """

    column: str
    axis: str
    cost: str


class Coverage(_Value, frozen=True):
    """What was read and what was refused.

    `column_shares` is the share of kept rows with a value, of each contract column of the requests that is read.
    """

    rows_read: int
    rows_kept: int
    rows_quarantined: int
    quarantine_reasons: dict[str, int]
    accounts: int
    column_shares: dict[str, float]


class Run(_Value, frozen=True):
    """What a run read, with which settings, and what it could not see (`run.json`).

    `key_id` names the sketch key, `pseudonym_key_id` that of the pseudonyms ("" where names are as given).
    """

    schema: str
    spiritsafe_version: str
    inputs: tuple[InputFile, ...]
    settings: dict[str, object]
    seed: int
    clock_first: str
    clock_last: str
    coverage: Coverage
    missing: tuple[MissingColumn, ...]
    engine: str
    pseudonymised: bool
    key_id: str
    warnings: tuple[str, ...] = ()
    detection_limit: str = ""
    versions: dict[str, str] = {}
    pseudonym_key_id: str = ""
