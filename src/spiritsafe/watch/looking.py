"""Look at a state: scan its window, file what is new as cases, and tell the guards.

A look is a scan of the state's sketches and finds what a scan of the same rows finds. A campaign that no case has yet
opens one or joins one, by rule; one that a case has already is not filed again. The roster tells the guards of the
campaigns of this look, and of those that earlier looks found and persons confirmed. So a finding reaches the guards
with no person in between, and is acted on when one has confirmed it. Comes from `watch.state`; goes on to `cases` and
`roster`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.cases.attestations import attestations_table
from spiritsafe.cases.life import UNDER_ACTION
from spiritsafe.cases.lookups import attestations_in, case_of_campaign, find_case
from spiritsafe.cases.model import CaseState, CaseUnknownError
from spiritsafe.cases.opening import LogRows, open_cases
from spiritsafe.cases.scans import read_scan
from spiritsafe.events.identity import open_pseudonymiser
from spiritsafe.evidence.records import new_id, now_us
from spiritsafe.files import staged_file, write_parquet
from spiritsafe.guard.home import PSEUDONYM_KEY, open_names, open_parameters
from spiritsafe.pipeline import find_campaigns
from spiritsafe.watch.publishing import publish, share
from spiritsafe.watch.rosters import Terms, gather
from spiritsafe.watch.state import DAY_S, Look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.cases.opening import Opened
    from spiritsafe.cases.scans import Scan
    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.settings import Settings
    from spiritsafe.watch.publishing import Published
    from spiritsafe.watch.state import State

    Progress = Callable[[str, float, float], None]

LOOKS_KEPT: Final = 3
"""So many of the last looks' folders stay, beside those that show a campaign which somebody confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What a look is made with: tables beside the log, how they are read, how many days it reaches back, and how long
    a campaign stays with the guards."""

    options: ReadOptions
    accounts: str | None = None
    account_events: str | None = None
    attestations: str | None = None
    window_days: int = 14
    holds_days: float = 30.0
    established_days: float = 180.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw and did. `seconds` are what it took."""

    look: Look
    folder: Path
    opened: tuple[Opened, ...]
    published: Published
    seconds: float


def look_at(
    state: State,
    book: CaseBook,
    aims: Aims,
    settings: Settings,
    *,
    at_us: int,
    shared_by: int,
    daily: bool,
    progress: Progress | None = None,
) -> Seen:
    """Look at the window that ends with the newest row.

    Parameters
    ----------
    at_us
        Now (UTC microseconds).
    shared_by
        How many looks share the error of one, this one among them.
    daily
        Whether it is the look of the day.

    Raises
    ------
    InputError
        A table beside the log is broken. Nothing was filed.
    """
    began = time.monotonic()
    manifest = state.manifest
    look_id = new_id()
    folder = state.folder / "looks" / look_id
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    from_day = manifest.last_us // 1_000_000 // DAY_S - aims.window_days + 1
    found = find_campaigns(
        [str(path) for path in state.parts(from_day=from_day)],
        out=folder,
        accounts=aims.accounts,
        account_events=aims.account_events,
        attestations=aims.attestations or _attestations(state, book, settings),
        options=_of_sketches(aims.options),
        settings=msgspec.structs.replace(settings, looks=shared_by),
        progress=progress,
    )
    scan = read_scan(folder)
    opened = _file(scan, book, aims, settings)
    cases = tuple(sorted({case for case in _cases(scan, book) if case}))
    look = Look(
        look_id=look_id,
        taken=manifest.taken,
        at_us=at_us,
        until_us=manifest.last_us,
        groups=len(found.groups),
        campaigns=len(found.campaigns),
        shared_by=shared_by,
        cases=cases,
    )
    kept = _kept((*manifest.looks, look), book)
    published = tell_guards(state, kept, book, aims, settings)
    daily_us = at_us if daily else manifest.daily_us
    state.commit(msgspec.structs.replace(state.manifest, looks=kept, news=(), daily_us=daily_us))
    return Seen(look, folder, opened, published, time.monotonic() - began)


def _file(scan: Scan, book: CaseBook, aims: Aims, settings: Settings) -> tuple[Opened, ...]:
    """Open cases for campaigns that none has, and keep the rows that a case rests on where none are kept yet."""
    with book.reading() as tables:
        cases = {group.campaign_id: case_of_campaign(tables, group.campaign_id) for group in scan.campaigns}
    new = [campaign for campaign, case in cases.items() if case is None or case.state == CaseState.CLOSED]
    hide = open_pseudonymiser(settings, like=scan.naming if scan.naming.pseudonymised else None)
    opened = open_cases(book, scan, hide, log=None, only=new) if new else []
    case_ids = {campaign: case.case_id for campaign, case in cases.items() if case is not None}
    case_ids |= {one.campaign_id: one.case_id for one in opened}
    bare = [campaign for campaign, case_id in case_ids.items() if not _has_rows(book, case_id)]
    if not bare:
        return tuple(opened)
    kept = open_cases(book, scan, hide, log=LogRows(_of_sketches(aims.options)), only=bare)
    rows = {one.campaign_id: one.rows for one in kept}
    return tuple(replace(one, rows=rows.get(one.campaign_id, one.rows)) for one in opened)


def _attestations(state: State, book: CaseBook, settings: Settings) -> str | None:
    """The home's own attestations as a table. They name pseudonyms, and join only with such."""
    if not settings.pseudonymise:
        return None
    with book.reading() as tables:
        held = attestations_table(attestations_in(tables))
    if not held.num_rows:
        return None
    path = state.folder / "attestations.parquet"
    with staged_file(path) as staged:
        write_parquet(held, staged, "attestations/1.0")
    return str(path)


def _has_rows(book: CaseBook, case_id: str) -> bool:
    return any(True for _ in book.ledger.entries(case_id=case_id, record="preserved/1"))


def _of_sketches(options: ReadOptions) -> ReadOptions:
    """What was said of the log's form was for the log; its rows are sketches now."""
    return replace(options, sql=None, format=None)


def _cases(scan: Scan, book: CaseBook) -> list[str]:
    with book.reading() as tables:
        found = [case_of_campaign(tables, group.campaign_id) for group in scan.campaigns]
    return ["" if case is None else case.case_id for case in found]


def _kept(looks: tuple[Look, ...], book: CaseBook) -> tuple[Look, ...]:
    """The last looks, and of each case that somebody confirmed the last look that showed it."""
    needed: dict[str, str] = {}
    for look in looks:
        needed |= dict.fromkeys(look.cases, look.look_id)
    with book.reading() as tables:
        confirmed = {case for case in needed if _under_action(tables, case)}
    keep = {needed[case] for case in confirmed} | {look.look_id for look in looks[-LOOKS_KEPT:]}
    return tuple(look for look in looks if look.look_id in keep)


def _under_action(tables: Connection, case_id: str) -> bool:
    try:
        return find_case(tables, case_id).state in UNDER_ACTION
    except CaseUnknownError:
        return False


def tell_guards(state: State, looks: tuple[Look, ...], book: CaseBook, aims: Aims, settings: Settings) -> Published:
    """Publish the roster of these looks, and of what persons have decided until now."""
    names = open_names(settings)
    terms = Terms(
        names=names,
        sketch=open_parameters(settings).metadata(),
        pseudonym_key_id=names.made_with[PSEUDONYM_KEY],
        at_us=now_us(),
        holds_days=aims.holds_days,
        established_days=aims.established_days,
    )
    scans = [read_scan(state.folder / "looks" / look.look_id) for look in looks]
    published = publish(gather(scans, book, terms), home=settings.open_home(), ledger=book.ledger)
    share(published, settings)
    return published
