"""The tables in which the telling of the ledger is kept ready to be read.

Portable between SQLite and PostgreSQL: text, 64-bit integers, floats and booleans only; times are UTC
microseconds. How they change from version to version is in `cases.migrations`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table, Text

METADATA = MetaData()
EVIDENCE_KINDS = ("content", "work", "timing", "infrastructure", "identity", "lifecycle")


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _big(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=False, autoincrement=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


APPLIED = Table(
    "applied",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _text("origin"),
    _big("position"),
    _text("entry_sha256"),
)
"""One row: which ledger this is told from, how many of its entries are in it, and the digest of the last."""

CASES = Table(
    "cases",
    METADATA,
    _big("number", key=True),
    _text("case_id"),
    _text("state"),
    _text("headline"),
    _big("opened_us"),
    _big("changed_us"),
    _big("as_of"),
    _big("members"),
    _big("unconfirmed"),
    _big("cleared"),
    _big("exchanges"),
    _big("open_appeals"),
    _big("owed"),
    _big("joined_to"),
    Index("cases_by_id", "case_id", unique=True),
    Index("cases_by_change", "changed_us", "number"),
    Index("cases_by_state", "state", "changed_us", "number"),
)
MEMBERS = Table(
    "members",
    METADATA,
    _big("number", key=True),
    _text("account_id", key=True),
    Column("probability", Float, nullable=False),
    _text("role"),
    _text("first_seen"),
    _big("exchanges"),
    _text("organization_id"),
    _big("joined_at"),
    _big("found_at"),
    _flag("confirmed"),
    _flag("cleared"),
    *(Column(f"bits_{kind}", Float, nullable=False) for kind in EVIDENCE_KINDS),
    Index("members_by_account", "account_id"),
)
TRAITS = Table(
    "traits",
    METADATA,
    _text("thing", key=True),
    _text("value", key=True),
    _big("number", key=True),
    Column("bits", Float, nullable=False),
    Index("traits_by_case", "number"),
)
"""Rare things that accounts of a case share: by these it is known again when all its accounts are new."""

FINDINGS = Table(
    "findings",
    METADATA,
    _text("record_id", key=True),
    _big("number"),
    _big("position"),
    _big("time_us"),
    _text("campaign_id"),
    _text("body"),
    Index("findings_by_case", "number", "position"),
)
EVENTS = Table(
    "events",
    METADATA,
    _big("position", key=True),
    _big("number"),
    _big("time_us"),
    _text("what"),
    _text("who"),
    _text("by"),
    _text("reason"),
    _text("public_key"),
    _flag("took_part"),
    Index("events_by_case", "number", "position"),
)
PROPOSALS = Table(
    "proposals",
    METADATA,
    _text("record_id", key=True),
    _big("number"),
    _text("after"),
    _big("as_of"),
    _text("who"),
    _text("public_key"),
    _big("time_us"),
    Index("proposals_by_case", "number"),
)
ACTIONS = Table(
    "actions",
    METADATA,
    _text("action_id", key=True),
    _text("account_id", key=True),
    _big("number"),
    _text("kind"),
    _text("ground"),
    _text("outcome"),
    _flag("automated"),
    _big("time_us"),
    Index("actions_by_case", "number"),
)
APPEALS = Table(
    "appeals",
    METADATA,
    _text("appeal_id", key=True),
    _big("number"),
    _text("account_id"),
    _text("state"),
    _big("made_us"),
    _big("due_us"),
    _text("reviewer"),
    _big("decided_us"),
    _text("reason"),
    _text("statement"),
    _flag("relief"),
    _flag("whole_case"),
    Index("appeals_by_case", "number"),
    Index("appeals_by_clock", "state", "due_us"),
)
ATTESTATIONS = Table(
    "attestations",
    METADATA,
    _text("attestation_id", key=True),
    _text("subject"),
    _text("kind"),
    _text("owner"),
    _text("reason"),
    _big("not_before_us"),
    _big("expires_us"),
    _flag("withdrawn"),
    Index("attestations_by_subject", "subject"),
)
RETRACTIONS = Table(
    "retractions",
    METADATA,
    _text("retraction_id", key=True),
    _big("number"),
    _big("position"),
    _text("scope"),
    _text("campaign_ids"),
    _text("account_ids"),
    _text("reason"),
    _big("time_us"),
    Index("retractions_by_position", "position"),
)
IRREGULAR = Table(
    "irregular",
    METADATA,
    _big("position", key=True),
    _text("record"),
    _text("case_id"),
    _text("why"),
)
"""Records that break a rule of the life of a case: they stand in the log and change nothing."""

OF_A_CASE = (MEMBERS, TRAITS, FINDINGS, EVENTS, PROPOSALS, ACTIONS, APPEALS, RETRACTIONS)
"""Tables with a `number`: what is told again when somebody of a case was erased."""
