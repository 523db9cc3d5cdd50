"""The first tables: cases, their accounts and traits, what was decided and done."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _what_is_told()
    _what_was_found()
    _what_was_decided()
    _who_is_protected()


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]


def _flag(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean, nullable=False) for name in names]


def _float(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float, nullable=False) for name in names]


def _what_is_told() -> None:
    op.create_table(
        "applied",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        *_text("origin"),
        *_big("position"),
        *_text("entry_sha256"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "irregular",
        *_big("position"),
        *_text("record", "case_id", "why"),
        sa.PrimaryKeyConstraint("position"),
    )


def _what_was_found() -> None:
    op.create_table(
        "cases",
        *_big("number"),
        *_text("case_id", "state", "headline"),
        *_big("opened_us", "changed_us", "as_of", "members", "unconfirmed", "cleared", "exchanges"),
        *_big("open_appeals", "owed", "joined_to"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("cases_by_change", "cases", ["changed_us", "number"])
    op.create_index("cases_by_id", "cases", ["case_id"], unique=True)
    op.create_index("cases_by_state", "cases", ["state", "changed_us", "number"])
    op.create_table(
        "members",
        *_big("number"),
        *_text("account_id"),
        *_float("probability"),
        *_text("role", "first_seen"),
        *_big("exchanges"),
        *_text("organization_id"),
        *_big("joined_at", "found_at"),
        *_flag("confirmed", "cleared"),
        *_float("bits_content", "bits_work", "bits_timing", "bits_infrastructure", "bits_identity", "bits_lifecycle"),
        sa.PrimaryKeyConstraint("number", "account_id"),
    )
    op.create_index("members_by_account", "members", ["account_id"])
    op.create_table(
        "traits",
        *_text("thing", "value"),
        *_big("number"),
        *_float("bits"),
        sa.PrimaryKeyConstraint("thing", "value", "number"),
    )
    op.create_index("traits_by_case", "traits", ["number"])
    op.create_table(
        "findings",
        *_text("record_id"),
        *_big("number", "position", "time_us"),
        *_text("campaign_id", "body"),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_index("findings_by_case", "findings", ["number", "position"])


def _what_was_decided() -> None:
    op.create_table(
        "events",
        *_big("position", "number", "time_us"),
        *_text("what", "who", "by", "reason", "public_key"),
        *_flag("took_part"),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("events_by_case", "events", ["number", "position"])
    op.create_table(
        "proposals",
        *_text("record_id"),
        *_big("number"),
        *_text("after"),
        *_big("as_of"),
        *_text("who", "public_key"),
        *_big("time_us"),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_index("proposals_by_case", "proposals", ["number"])
    op.create_table(
        "actions",
        *_text("action_id", "account_id"),
        *_big("number"),
        *_text("kind", "ground", "outcome"),
        *_flag("automated"),
        *_big("time_us"),
        sa.PrimaryKeyConstraint("action_id", "account_id"),
    )
    op.create_index("actions_by_case", "actions", ["number"])
    op.create_table(
        "appeals",
        *_text("appeal_id"),
        *_big("number"),
        *_text("account_id", "state"),
        *_big("made_us", "due_us"),
        *_text("reviewer"),
        *_big("decided_us"),
        *_text("reason", "statement"),
        *_flag("relief", "whole_case"),
        sa.PrimaryKeyConstraint("appeal_id"),
    )
    op.create_index("appeals_by_case", "appeals", ["number"])
    op.create_index("appeals_by_clock", "appeals", ["state", "due_us"])


def _who_is_protected() -> None:
    op.create_table(
        "attestations",
        *_text("attestation_id", "subject", "kind", "owner", "reason"),
        *_big("not_before_us", "expires_us"),
        *_flag("withdrawn"),
        sa.PrimaryKeyConstraint("attestation_id"),
    )
    op.create_index("attestations_by_subject", "attestations", ["subject"])
    op.create_table(
        "retractions",
        *_text("retraction_id"),
        *_big("number", "position"),
        *_text("scope", "campaign_ids", "account_ids", "reason"),
        *_big("time_us"),
        sa.PrimaryKeyConstraint("retraction_id"),
    )
    op.create_index("retractions_by_position", "retractions", ["position"])
