"""Which kinds of evidence and which axes a log can show at all, and whether `campaign` can be reached.

A verdict `campaign` needs two independent kinds of coordination evidence, extraction and concealment. What
cannot be observed never counts as support, so a log may be read without error and yet never lead to that
verdict. A test holds this page against what `campaigns.axes` really weighs.
Comes from `events.silences`; goes on to `events.doctor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.events.silences import DEAD, Silence

if TYPE_CHECKING:
    import pyarrow as pa

KIND_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "content": ("prompt", "phrases"),
    "work": ("conversation_id", "prompt"),
    "timing": ("time",),
    "infrastructure": ("client_ip", "ja4", "http2_fingerprint", "user_agent"),
    "identity": ("payment_fingerprint", "email_pattern", "organization_id"),
    "lifecycle": ("created_at",),
}
"""Any one of these columns makes a kind possible. `phrases` stands for the prompt in sketches."""

_SAYS_NOTHING: Final = {
    "doctor.one_ja4": "ja4", "doctor.one_http2": "http2_fingerprint", "doctor.one_user_agent": "user_agent",
    "doctor.one_address": "client_ip", "doctor.one_organization": "organization_id",
}  # fmt: skip
KINDS_NEEDED: Final = 2


class KindFact(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of coordination evidence, and whether this log can show it."""

    name: str
    observable: bool
    by: tuple[str, ...]
    why: str


class AxisFact(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three axes, and whether this log can show it."""

    name: str
    observable: bool
    why: str


def _filled(table: pa.Table | None, name: str) -> bool:
    return _share(table, name) > 0


def _share(table: pa.Table | None, name: str) -> float:
    """Share of rows that have a value."""
    if table is None or name not in table.column_names or not table.num_rows:
        return 0.0
    return 1 - int(table[name].null_count) / int(table.num_rows)


def kinds_of(rows: pa.Table, accounts: pa.Table | None, warnings: tuple[Silence, ...]) -> tuple[KindFact, ...]:
    """What each of the six kinds of evidence could rest on in these tables."""
    killed = {kind: warning.code for warning in warnings if warning.severity == DEAD for kind in warning.kills}
    mute = {_SAYS_NOTHING[warning.code] for warning in warnings if warning.code in _SAYS_NOTHING}
    facts = []
    for kind, columns in KIND_COLUMNS.items():
        there = [name for name in columns if _filled(rows, name) or _filled(accounts, name)]
        by = tuple(name for name in there if name not in mute)
        code = killed.get("all") or ("" if len(by) > 1 else killed.get(kind, ""))
        if code:
            observable, why = False, f"dead: see {code}"
        elif by:
            observable, why = True, f"by {', '.join(by)}"
        else:
            observable, why = False, f"needs one of {', '.join(columns)}" if not there else "what there is says nothing"
        facts.append(KindFact(name=kind, observable=observable, by=by if observable else (), why=why))
    return tuple(facts)


def axes_of(
    rows: pa.Table, accounts: pa.Table | None, kinds: tuple[KindFact, ...], warnings: tuple[Silence, ...]
) -> tuple[AxisFact, ...]:
    """Whether each axis can be observed."""
    seen = [kind.name for kind in kinds if kind.observable]
    content = next(kind for kind in kinds if kind.name == "content")
    everything = next((warning.code for warning in warnings if "all" in warning.kills), "")
    verified = max(_share(rows, "organization_verified"), _share(accounts, "organization_verified"))
    by = "by which organisations are verified"
    if 0 < verified < 0.5:
        by += f", known in {verified:.0%} of rows: a group of which less than half is known is not accused"
    tied = bool({"content", "work"} & set(seen)) or {"infrastructure", "identity"} <= set(seen)
    why = f"by {' and '.join(seen)}"
    if len(seen) < KINDS_NEEDED:
        why = f"{len(seen)} of the {KINDS_NEEDED} kinds of evidence it needs: {', '.join(seen) or 'none'}"
    elif not tied:
        why = f"{' and '.join(seen)} can test a group; wording, conversations, or address and identity must find it"
    coordination = AxisFact(name="coordination", observable=tied and len(seen) >= KINDS_NEEDED, why=why)
    extraction = AxisFact(
        name="extraction",
        observable=content.observable,
        why="by what prompts ask for" if content.observable else "without prompts nobody can say what was asked for",
    )
    concealment = AxisFact(
        name="concealment",
        observable=verified > 0 and not everything,
        why=by if verified else "needs organization_verified (a contract or KYC)",
    )
    return coordination, extraction, concealment
