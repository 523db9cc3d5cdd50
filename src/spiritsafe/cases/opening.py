"""A scan's findings become cases, or join those that are open.

Only a group with the verdict `campaign` opens a case. What is filed: the scan as it was run, the case, the finding
with its evidence and its accounts, and the rows that it rests on. Doing it twice does nothing twice.
Comes from the command and `watch`; goes on to the ledger.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe.cases import life
from spiritsafe.cases.filing import move_of, record_of
from spiritsafe.cases.lookups import find_case, findings_of
from spiritsafe.cases.matching import matches
from spiritsafe.cases.model import CaseState, CaseUnknownError
from spiritsafe.cases.preserving import MEDIA_TYPE, gather_rows
from spiritsafe.cases.scans import named_members, wanted_events
from spiritsafe.evidence.disclosures import canonical
from spiritsafe.evidence.exhibits import Exhibits
from spiritsafe.evidence.records import Personal, Record, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from spiritsafe.campaigns.model import Group
    from spiritsafe.cases.book import CaseBook, Doing
    from spiritsafe.cases.matching import Match
    from spiritsafe.cases.scans import Scan
    from spiritsafe.events.identity import Pseudonymiser
    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.evidence.exhibits import Rows
    from spiritsafe.keys.persons import Signer

ROWS_A_CASE: Final = 50_000
"""Rows that are kept of a case at most: those named as evidence first."""


@dataclass(frozen=True, slots=True)
class LogRows:
    """How to read the log again: `paths` if it moved, and the options with which it was scanned."""

    options: ReadOptions
    paths: Sequence[str | Path] = ()
    most: int = ROWS_A_CASE


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one finding: a new case, one that it joined, or one that had it already."""

    campaign_id: str
    number: int
    case_id: str
    outcome: str
    accounts: int
    rows: int
    related: tuple[Match, ...]


def open_cases(
    book: CaseBook,
    scan: Scan,
    hide: Pseudonymiser,
    *,
    log: LogRows | None,
    only: Collection[str] = (),
    signer: Signer | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Opened]:
    """File a scan's campaigns as cases.

    Parameters
    ----------
    book, scan
        The cases and the scan.
    hide
        Gives pseudonyms: the home's, or those of the scan.
    log
        Where the rows are that the findings rest on; None preserves nothing.
    only
        These campaigns; all by default.
    signer
        The person who opens them; by default the rule that a campaign opens a case.
    progress
        Told stage, done and total.

    Raises
    ------
    CaseUnknownError
        The scan has no campaign of `only`.
    LogChangedError
        The log is not the one that was scanned. Nothing was filed.
    """
    groups = _chosen(scan, only)
    members = {group.campaign_id: named_members(scan, group, hide) for group in groups}
    rows: Mapping[str, Mapping[str, Rows]] = {}
    if log is not None and groups:
        wanted = {group.campaign_id: wanted_events(scan, group.campaign_id, log.most) for group in groups}
        tell = (lambda done, total: progress("log", done, total)) if progress else None
        rows = gather_rows(scan, wanted, hide, log.options, paths=log.paths, progress=tell)
    opened = []
    for done, group in enumerate(groups):
        if progress is not None:
            progress("cases", done, len(groups))
        opened.append(_open(book, scan, group, members[group.campaign_id], rows.get(group.campaign_id, {}), signer))
    return opened


def _chosen(scan: Scan, only: Collection[str]) -> list[Group]:
    strange = sorted(set(only) - {group.campaign_id for group in scan.campaigns})
    if strange:
        raise CaseUnknownError(
            f"the scan accuses no group {strange[0][:60]}",
            hint="only a group with the verdict `campaign` opens a case; campaigns.json lists them",
        )
    return [group for group in scan.campaigns if not only or group.campaign_id in only]


def _open(
    book: CaseBook,
    scan: Scan,
    group: Group,
    members: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Rows],
    signer: Signer | None,
) -> Opened:
    with book.doing() as doing:
        if signer is not None:
            doing.check_person(signer)
        run_record = _run_record(doing, scan, signer)
        near = matches(doing.tables, members, log_accounts=scan.run.coverage.accounts)
        match = next((one for one in near if one.joins), None)
        related = tuple(one for one in near if one is not match)
        if match is not None and _has(doing, match, group.campaign_id, run_record.record_id):
            outcome = "known"
            case_id = match.case_id
        else:
            case_id = match.case_id if match else new_id()
            records = [] if doing.holds(run_record.record_id) else [run_record]
            records += _case_records(doing, match, case_id, signer)
            records.append(_finding_record(doing, scan, group, members, match, case_id, run_record.record_id, signer))
            doing.file(records)
            outcome = "joined" if match else "opened"
    kept = _preserve(book, scan, case_id, rows, signer)
    with book.reading() as tables:
        number = find_case(tables, case_id).number
    return Opened(group.campaign_id, number, case_id, outcome, len(members), kept, related)


def _has(doing: Doing, match: Match, campaign: str, run_record: str) -> bool:
    """Whether the case has this very finding of this very scan."""
    return any(
        one["campaign_id"] == campaign and one["run_record"] == run_record
        for one in findings_of(doing.tables, match.number)
    )


def _case_records(doing: Doing, match: Match | None, case_id: str, signer: Signer | None) -> list[Record]:
    """What the finding does to the case: it opens it, or wakes one that was closed."""
    if match is None:
        why = "a scan found a campaign: all three axes are supported"
        rule = "" if signer else life.OPENED
        return [move_of(doing, case_id, "", CaseState.SUSPECTED, reason=why, signer=signer, rule=rule)]
    if match.state == CaseState.CLOSED:
        why = "a scan found the campaign again"
        return [move_of(doing, case_id, match.state, CaseState.SUSPECTED, reason=why, rule=life.SEEN_AGAIN)]
    return []


def _finding_record(
    doing: Doing,
    scan: Scan,
    group: Group,
    members: Mapping[str, Mapping[str, Any]],
    match: Match | None,
    case_id: str,
    run_record: str,
    signer: Signer | None,
) -> Record:
    told = _plain(group)
    more = {"joined": match.told()} if match else {}
    return record_of(
        doing,
        "finding/1",
        case_id,
        signer=signer,
        rule="" if signer else life.OPENED,
        campaign_id=group.campaign_id,
        run_record=run_record,
        verdict=group.verdict.value,
        q_value=group.significance.q_value,
        axes={axis.name: axis.status.value for axis in group.axes},
        headline=group.headline,
        evidence={"axes": told["axes"], "archetype": group.archetype, "techniques": told["techniques"]},
        significance=told["significance"],
        exposure=told["exposure"],
        alternatives={"checked": told["alternatives"], "would_change_our_mind": told["would_change_our_mind"]},
        missing=_plain(scan.run.missing),
        members=tuple(Personal(account, dict(one)) for account, one in sorted(members.items())),
        **more,
    )


def _run_record(doing: Doing, scan: Scan, signer: Signer | None) -> Record:
    """The scan's record. Its id is made of the run's digest, so that it is filed once."""
    record_id = f"run-{scan.run_sha256[:32]}"
    run = scan.run
    fields: dict[str, Any] = {
        "by": "person" if signer else "program",
        "name": signer.name if signer else f"spiritsafe {run.spiritsafe_version}",
        "version": run.spiritsafe_version,
        "run_sha256": scan.run_sha256,
        "input_sha256": sorted(one.sha256 for one in run.inputs),
        "output_sha256": dict(scan.output_sha256),
        "settings_sha256": hashlib.sha256(canonical(run.settings)).hexdigest(),  # type: ignore[arg-type]
        "campaign_count": len(scan.campaigns),
        "settings": dict(run.settings),
        "clock_range": [run.clock_first, run.clock_last],
        "coverage": _plain(run.coverage),
    }
    return Record("scan_run/1", fields, record_id=record_id, time_us=doing.now_us, signer=signer)


def _preserve(book: CaseBook, scan: Scan, case_id: str, rows: Mapping[str, Rows], signer: Signer | None) -> int:
    """Keep the rows, unless this scan's are kept; how many are."""
    count = sum(one.count for one in rows.values())
    source = f"rows of the log that {scan.run_sha256} scanned, under pseudonyms, one JSON object a line"
    kept = [
        int(str(one.fields["row_count"]))
        for one in book.ledger.records(case_id=case_id, record="preserved/1")
        if one.fields.get("source") == source
    ]
    if kept or not rows:
        return sum(kept)
    exhibits = Exhibits(book.ledger)
    try:
        exhibits.preserve(
            case_id,
            rows,
            media_type=MEDIA_TYPE,
            source_sha256=scan.log_digests,
            source=source,
            signer=signer,
            by="" if signer else f"spiritsafe {scan.run.spiritsafe_version}",
        )
    finally:
        exhibits.close()
    return count


def _plain(value: object) -> Any:
    """A value of ours as JSON has it: lists, not tuples."""
    return msgspec.json.decode(msgspec.json.encode(value))
