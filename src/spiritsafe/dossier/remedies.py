"""Part 12: what was done, to how many, on which ground, who was told, who appealed and what came of it.

Comes from `dossier.building`; goes on to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.dossier.drawing import draw_timeline
from spiritsafe.dossier.model import Block, Figure, Heading, Paragraph, Part, Table
from spiritsafe.evidence.records import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.dossier.filing import CaseFile
    from spiritsafe.evidence.reading import FiledRecord

_MOST_POINTS: Final = 24


def remedies(file: CaseFile) -> Part:
    """Part 12: remedies and appeals."""
    blocks: list[Block] = [Heading("What happened when")]
    events = _events(file)
    shown = events if len(events) <= _MOST_POINTS else [*events[: _MOST_POINTS - 1], events[-1]]
    left = f" {len(events) - len(shown)} events between are left out." if len(shown) < len(events) else ""
    blocks.append(Figure(draw_timeline(shown), f"The case from its first finding on; every point is an entry.{left}"))
    blocks += _log("Decisions", ("entry", "when", "decision", "by", "why"), [
        _row(one, f"{one.fields['before'] or 'nothing'} → {one.fields['after']}", one.fields.get("reason", ""))
        for one in file.of("case_move/1", "case_proposal/1")
    ])  # fmt: skip
    blocks += _log("What was done to accounts", ("entry", "when", "what", "by", "ground"), [
        _row(one, f"{one.fields['kind']}: {one.fields['outcome']}{_of(one)}", one.fields.get("ground", ""))
        for one in file.of("action/1")
    ])  # fmt: skip
    blocks += _notices(file)
    blocks += _appeals(file)
    blocks += _log("Retractions", ("entry", "when", "of", "by", "why"), [
        _row(one, str(one.fields["scope"]), one.fields.get("reason", "")) for one in file.of("retraction/1")
    ])  # fmt: skip
    blocks += _log("Playbooks", ("entry", "when", "run", "by", "why"), [
        _row(one, f"{one.fields['title']}: {str(one.fields['state']).replace('_', ' ')}", one.fields.get("reason", ""))
        for one in file.of("playbook_run/1")
    ])  # fmt: skip
    blocks += _log("Agreements", ("entry", "when", "decision", "by", "why"), [
        _row(one, f"{one.fields['decision']}, at most {_scope(one)}", one.fields.get("reason", ""))
        for one in file.of("approval/1")
    ])  # fmt: skip
    if file.irregular:
        entries = ", ".join(f"{one.position} ({one.record})" for one in file.irregular)
        blocks.append(Paragraph(f"Entries that break a rule, changed nothing and are left out above: {entries}."))
    return Part(12, "Remedies and appeals", tuple(blocks))


def _notices(file: CaseFile) -> list[Block]:
    """Notices, those that were given in one go in one row."""
    groups: list[list[FiledRecord]] = []
    for record in file.of("notice/1"):
        key = (record.fields["form"], record.fields.get("name"), record.time_us // 60_000_000)
        last = groups[-1][0] if groups else None
        if last and key == (last.fields["form"], last.fields.get("name"), last.time_us // 60_000_000):
            groups[-1].append(record)
        else:
            groups.append([record])
    rows = [_row(group[0], f"{len(group):,} to the {group[0].fields['form']}", _automated(group)) for group in groups]
    return _log("Notices", ("from entry", "when", "statements of reasons", "by", "decided"), rows)


def _automated(group: list[FiledRecord]) -> str:
    return "by a machine" if any(one.fields["automated"] for one in group) else "by persons"


def _appeals(file: CaseFile) -> list[Block]:
    """Each appeal from when it was made to when it was decided, and how long that took."""
    made: dict[str, FiledRecord] = {}
    rows = []
    for record in file.of("appeal/1"):
        appeal, state = str(record.fields["appeal"]), str(record.fields["state"])
        first = made.setdefault(appeal, record)
        days = (record.time_us - first.time_us) / 86_400_000_000
        took = f", after {days:.1f} days" if state in {"granted", "upheld", "interim_relief"} else ""
        rows.append(_row(record, f"{state.replace('_', ' ')}{took}", record.fields.get("reason", "")))
    return _log("Appeals", ("entry", "when", "what", "by", "why"), rows)


def _events(file: CaseFile) -> list[tuple[int, str]]:
    """What a timeline shows: findings, decisions, acts, the first and last notice, appeals."""
    told: dict[str, Callable[[FiledRecord], str]] = {
        "finding/1": lambda one: f"found: {one.fields['campaign_id']}",
        "case_move/1": lambda one: str(one.fields["after"]).replace("_", " "),
        "action/1": lambda one: f"{one.fields['kind']}: {str(one.fields['outcome']).replace('_', ' ')}",
        "appeal/1": lambda one: f"appeal {str(one.fields['state']).replace('_', ' ')}",
        "retraction/1": lambda one: f"retraction of {one.fields['scope']}",
        "assessment/1": lambda one: f"assessed: {str(one.fields['claim']).replace('_', ' ')}",
        "notice/1": lambda _one: "notice given",
    }
    found: list[tuple[int, str]] = []
    for record in file.records:
        if record.record in told:
            text = told[record.record](record)
            if not found or found[-1][1] != text:  # many notices in a row are one point
                found.append((record.time_us, text))
    return [(time_us, f"{utc_text(time_us)[:16].replace('T', ' ')}  {text}") for time_us, text in found]


def _log(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[Block]:
    if not rows:
        return [Heading(title), Paragraph("None.")]
    return [Heading(title), Table(columns, tuple(rows), (2, 4, 8, 6, 8))]


def _row(record: FiledRecord, what: str, why: Any) -> tuple[str, ...]:
    who = str(record.fields.get("name", ""))
    return (str(record.position), utc_text(record.time_us)[:16].replace("T", " "), what, who, str(why))


def _of(record: FiledRecord) -> str:
    accounts = record.fields.get("accounts")
    return f", {len(accounts):,} accounts" if isinstance(accounts, list) else ""


def _scope(record: FiledRecord) -> str:
    scope: Any = record.fields["scope"]
    return (
        f"{scope['accounts']:,} accounts, {scope['verified']:,} of verified customers"
        if isinstance(scope, dict)
        else str(scope)
    )
