"""The path as one function: from a log to groups of accounts, with reasons.

    events -> sketch -> signals -> links -> campaigns

Read `find_campaigns` from top to bottom: each step is a room, and each room's `__init__` says what it does.
The rooms are pure; what has an effect (files, keys, the engine) is here and in `cli`.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from spiritsafe.campaigns import attested as campaign_attested
from spiritsafe.campaigns import events as campaign_events
from spiritsafe.campaigns import exchanges as campaign_exchanges
from spiritsafe.campaigns.background import first_suspensions, log_of
from spiritsafe.campaigns.conduct import Scene
from spiritsafe.campaigns.exchanges import with_own_work, with_roles
from spiritsafe.campaigns.facts import activities_of
from spiritsafe.campaigns.holdings import weigh
from spiritsafe.campaigns.innocent import with_innocent
from spiritsafe.campaigns.known import held_against
from spiritsafe.campaigns.labels import with_labels
from spiritsafe.campaigns.model import InputFile, Verdict
from spiritsafe.campaigns.results import Findings, write_results
from spiritsafe.campaigns.run import describe_run
from spiritsafe.campaigns.search import search
from spiritsafe.campaigns.significance import significances
from spiritsafe.campaigns.verdicts import judge
from spiritsafe.engine import open_engine
from spiritsafe.events.beside import read_beside
from spiritsafe.events.identity import open_pseudonymiser
from spiritsafe.events.joining import names_like, refuse_foreign, unmatched
from spiritsafe.events.model import QUARANTINE
from spiritsafe.events.pseudonyms import Naming
from spiritsafe.events.sources import ReadOptions, open_source
from spiritsafe.events.sources.storage import passed_over
from spiritsafe.files import scratch_folder, staged_folder
from spiritsafe.keys import ensure_key, open_keys
from spiritsafe.links import common_phrases, habitual_phrases, habitual_prefixes, shared_things
from spiritsafe.links.releases import first_uses, releases
from spiritsafe.links.rhythm import Window
from spiritsafe.settings import load_settings
from spiritsafe.signals import account_signals, installed_tactics, text_tactics
from spiritsafe.signals.actors import actors_in_words, as_actors
from spiritsafe.signals.batch import number_accounts
from spiritsafe.sketch.given import names_in
from spiritsafe.sketch.intake import check_sketches_file, take_in, write_sketches_file
from spiritsafe.sketch.parameters import SketchParameters
from spiritsafe.sketch.table import SketchTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from spiritsafe.campaigns.exchanges import OwnWork
    from spiritsafe.campaigns.facts import Attested, GroupFacts, Log
    from spiritsafe.campaigns.known import Known
    from spiritsafe.campaigns.model import Group, Run
    from spiritsafe.engine import Engine
    from spiritsafe.events.beside import Beside
    from spiritsafe.events.sources import Source
    from spiritsafe.settings import Settings
    from spiritsafe.sketch.intake import Intake

    Progress = Callable[[str, float, float], None]
    Ints = NDArray[np.int64]

MEASURED_WARNING: Final = (
    "How good this is was measured on composed traffic only (docs/explanation/detection.md): what is accused there is "
    "nearly always a campaign, and most campaigns that hide well are missed. Yours may differ. "
    "A finding is a reason to look."
)
ASK_INJECT: Final = (
    "What this log could hide from us has not been measured. `spiritsafe prove inject LOGS --out DIR` plants "
    "campaigns of known size in a copy and says the smallest that is found."
)


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, and where it was written."""

    out: Path
    run: Run
    groups: tuple[Group, ...]
    known: Known | None = None

    @property
    def campaigns(self) -> tuple[Group, ...]:
        """The accused groups."""
        return tuple(group for group in self.groups if group.verdict is Verdict.CAMPAIGN)


def find_campaigns(
    requests: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    accounts: str | Path | None = None,
    account_events: str | Path | None = None,
    attestations: str | Path | None = None,
    known: str | Path | None = None,
    until_us: int | None = None,
    options: ReadOptions | None = None,
    settings: Settings | None = None,
    detection_limit: str | Callable[[Sequence[InputFile]], str] = ASK_INJECT,
    progress: Progress | None = None,
) -> ScanResult:
    """Find groups of accounts that act as one, judge each, and write what was found to `out`.

    Parameters
    ----------
    requests
        The log: files, folders, globs or fsspec URLs; or sketches that `spiritsafe sketch` wrote.
    out
        The result folder. It appears whole or not at all; an earlier scan is replaced, anything else refused.
    accounts, account_events, attestations, known
        The tables beside the log, each optional; `known` has `account_id` and `label`. Beside pseudonymous
        sketches their names become pseudonyms of the same key.
    until_us
        Leave out what happened at or after this time, in microseconds since 1970.
    options
        How to read the log (mapping, time zone, limits).
    settings
        Engine, memory, workers, keys; by default from the environment and `spiritsafe.toml`.
    detection_limit
        A sentence on what this log could hide, printed when nothing is found; or what makes it from the files read.
    progress
        Called with (stage, done, total).

    Returns
    -------
    Every group looked at, accused or not, with its verdict and reasons.

    Raises
    ------
    InputError
        A file is broken or is not what it claims, or names cannot be made to join; nothing was written.
    """
    settings = settings or load_settings({})
    options = _discreet(options or ReadOptions.under(settings), hide=settings.pseudonymise)
    tell = progress or (lambda _stage, _done, _total: None)
    sides = (accounts, account_events, attestations, known)
    not_out = (*sides, settings.home, settings.temp_dir)
    read = [*_listed(requests), *(path for path in not_out if path is not None)]
    with (
        staged_folder(Path(out), kind="scan", inputs=read) as folder,
        _workplace(settings) as (scratch, engine),
        ThreadPoolExecutor(1) as aside,
    ):
        source = open_source(requests, options)
        log_names = names_in(source)
        if settings.pseudonymise:
            refuse_foreign(log_names, settings)
        digests = aside.submit(source.inputs)
        task = sketch_task(settings, options, scratch, names=log_names)
        beside = read_beside(
            accounts=_path(accounts),
            account_events=_path(account_events),
            attestations=_path(attestations),
            labels=_path(known),
            options=_discreet(options, hide=log_names.pseudonymised),
            namer=task.pseudonymiser or (names_like(log_names, settings) if any(sides) else None),
        )
        intake = take_in(source, engine, task, workers=settings.workers, until_us=until_us, progress=tell)
        intake, beside = as_actors(intake, beside, engine, settings.actors)
        seen = _look(intake, beside, engine, tell, settings)
        tell("judge", 0, 1)
        groups = _judge(seen, engine, first_us=intake.first_us, looks=settings.looks)
        groups, evidence = _lead_back(groups, seen, engine)
        work, left, own = _own_work(groups, seen, engine)
        groups = with_own_work(with_roles(groups, left), own, first_us=intake.first_us)
        groups = with_labels(with_innocent(groups, seen.facts, own), beside.known)
        inputs = _input_files(digests.result(), beside)
        names = [set(seen.log.signals[name]) for name in ("account_id", "organization_id")]
        run = describe_run(
            intake,
            inputs=inputs,
            settings=settings.public(),
            seed=settings.seed,
            engine=engine.name,
            accounts=seen.log.accounts,
            account_columns=beside.observable,
            detection_limit=detection_limit if isinstance(detection_limit, str) else detection_limit(inputs),
            warnings=(*_warned_of(settings, source), *unmatched(beside, *names), *beside.unused),
        )
        tell("write", 0, 1)
        against = held_against(groups, seen.log.signals["account_id"].tolist(), beside.known)
        judged = (run, groups, seen.facts, seen.log, seen.signals, seen.least)
        found = Findings(*judged, beside.known, against, appeal_to=settings.appeal_to)
        # Half of writing is Python, which one core does; the other half the engine's, in other files.
        events = aside.submit(_write_events, work, left, evidence, engine, folder)
        refused = aside.submit(_write_quarantine, intake, beside, engine, folder)
        write_results(found, folder)
        events.result()
        refused.result()
        tell("write", 1, 1)
    return ScanResult(out=Path(out), run=run, groups=tuple(groups), known=against)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen: numbered requests, account signals, groups with what ties them, and uses of their templates."""

    requests: ir.Table
    signals: pa.Table
    log: Log
    facts: list[GroupFacts]
    instances: ir.Table
    least: Ints


def _look(intake: Intake, beside: Beside, engine: Engine, tell: Progress, settings: Settings) -> _Seen:
    """Signals -> links -> groups, and how their accounts act beside one another."""
    accounts = None if beside.accounts is None else engine.table(beside.accounts, "accounts")
    tell("signals", 0, 1)
    signals = engine.keep(account_signals(intake.requests, accounts, tactics=installed_tactics()), "signals")
    requests = number_accounts(intake.requests, signals)
    tell("links", 0, 2)
    phrases, common = (engine.arrow(said(requests, signals)) for said in (habitual_phrases, common_phrases))
    tell("links", 1, 2)
    things = engine.arrow(shared_things(requests, signals, accounts))
    if "prefix_blocks" in intake.observable:
        things = pa.concat_tables([things, engine.arrow(habitual_prefixes(requests, signals))])
    tell("links", 2, 2)
    table = engine.arrow(signals).sort_by("account")
    attested = _attested(table, beside.attestations, requests, engine)
    log = log_of(table, observable=intake.observable | beside.observable, attested=attested)
    holdings = weigh(phrases, things, exchanges=log.signals["exchanges"], common=common)
    tell("groups", 0, 1)
    window = Window(intake.first_us // 1_000_000, intake.last_us // 1_000_000)
    suspended_s = None if beside.account_events is None else first_suspensions(beside.account_events, log)
    out = releases(engine.arrow(first_uses(requests)), log.signals["first_s"], log.signals["last_s"], window)
    scene = Scene(log, holdings, window, suspended_s, out, settings.seed, settings.looks)
    found = search(intake.requests, signals, scene, engine)
    return _Seen(requests, table, log, found.facts, found.instances, found.least)


def _attested(
    signals: pa.Table, attestations: pa.Table | None, requests: ir.Table, engine: Engine
) -> dict[int, Attested] | None:
    """Who vouches for which accounts, and for how many of their exchanges; None when nobody was asked."""
    if attestations is None:
        return None
    periods = campaign_attested.periods(signals, attestations)
    if not periods.num_rows:
        return {}
    counts = engine.arrow(campaign_attested.covered(requests, engine.table(periods, "attested")))
    return campaign_attested.attested(signals, attestations, counts)


def _judge(seen: _Seen, engine: Engine, *, first_us: int, looks: int) -> list[Group]:
    """A verdict with its reasons for every group; campaigns first, larger groups first."""
    placed = {"account": pa.array([int(a) for f in seen.facts for a in f.accounts], pa.int64())}
    placed["number"] = pa.array([n for n, f in enumerate(seen.facts) for _ in f.accounts], pa.int64())
    members = engine.table(pa.table(placed), "members")
    busy = engine.arrow(campaign_events.activity(seen.requests, members, first_s=first_us // 1_000_000))
    asked = engine.arrow(campaign_events.prompts(seen.requests, members))
    activities = activities_of(busy, asked, groups=len(seen.facts))
    stated = significances(seen.facts, looks=looks)
    return [judge(facts, seen.log, one, sure) for facts, one, sure in zip(seen.facts, activities, stated, strict=True)]


def _lead_back(groups: list[Group], seen: _Seen, engine: Engine) -> tuple[list[Group], ir.Table]:
    """From each campaign's evidence to events: the first few beside the statements, all in a table."""
    values = engine.table(campaign_events.evidence_values(groups, seen.facts), "evidence-values")
    evidence = engine.keep(campaign_events.evidence(seen.requests, values), "evidence")
    examples = engine.arrow(campaign_events.first_examples(evidence))
    return campaign_events.with_examples(groups, seen.facts, examples), evidence


def _own_work(groups: Sequence[Group], seen: _Seen, engine: Engine) -> tuple[ir.Table, pa.Table, list[OwnWork | None]]:
    """Exchanges of accused accounts, which of them are the campaign's own, what the others say, and both by group."""
    members = engine.table(campaign_events.membership(groups, seen.facts, accused_only=True), "accused")
    least = engine.table(campaign_exchanges.least_table(seen.least), "least")
    work = engine.keep(campaign_exchanges.own_work(seen.requests, members, seen.instances, least), "own-work")
    counts = engine.arrow(campaign_exchanges.counted(work))
    own = campaign_exchanges.summed(counts, engine.arrow(campaign_exchanges.habits(work)), groups=len(groups))
    long = engine.arrow(campaign_exchanges.lengths(work))
    return work, campaign_exchanges.leftover(counts, long), own


def _write_events(work: ir.Table, left: pa.Table, evidence: ir.Table, engine: Engine, folder: Path) -> None:
    """The two files that may be as long as the log."""
    told = campaign_exchanges.exchanges(work, engine.table(left, "leftover"))
    engine.write(told, folder / "exchanges.parquet", "exchanges/1.0")
    engine.write(campaign_events.in_order(evidence), folder / "evidence.parquet", "evidence/1.0")


def _write_quarantine(intake: Intake, beside: Beside, engine: Engine, folder: Path) -> None:
    """The refused rows of the log and of the tables beside it."""
    refused = intake.quarantine.union(engine.table(beside.quarantine, "refused-beside"))
    engine.write(
        refused.order_by(["source", "position", "code", "reason"]), folder / "quarantine.parquet", QUARANTINE.tag
    )


def _discreet(options: ReadOptions, *, hide: bool) -> ReadOptions:
    """Where names are hidden, a refused row must not show them."""
    return replace(options, keep_raw=False) if hide else options


def sketch_task(settings: Settings, options: ReadOptions, scratch: Path, *, names: Naming | None = None) -> SketchTask:
    """How this installation sketches: its key, the tactics it knows, and pseudonyms if it is set to.

    `names` is the form of the names in the input: pseudonyms are left as they are.
    """
    hide = settings.pseudonymise and not (names is not None and names.pseudonymised)
    keys = open_keys(settings.key_provider, settings.open_home() / "keys", command=settings.key_command)
    key = ensure_key(keys, "sketch")
    return SketchTask(
        options=options,
        parameters=SketchParameters(key=key.secret, key_id=key.key_id, seed=settings.seed, tactics=text_tactics()),
        out=scratch / "sketches",
        pseudonymiser=open_pseudonymiser(settings) if hide else None,
    )


def write_sketch_file(
    requests: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    options: ReadOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the text-free `sketches` table of a log as one Parquet file, and its refused rows beside it.

    Parameters
    ----------
    requests, options, settings, progress
        As for `find_campaigns`.
    out
        The file; it appears whole or not at all, in place of earlier sketches but of nothing else. Refused rows,
        if any, go to `<out>.quarantine.parquet`.

    Returns
    -------
    `rows_kept`, `rows_refused` and `passed_over`, the files of a folder that are no logs by their names.
    """
    settings = settings or load_settings({"pseudonymise": True})
    options = _discreet(options or ReadOptions.under(settings), hide=True)
    tell = progress or (lambda _stage, _done, _total: None)
    check_sketches_file(Path(out), _listed(requests))
    with _workplace(settings) as (scratch, engine):
        source = open_source(requests, options)
        task = sketch_task(settings, options, scratch, names=names_in(source))
        intake = take_in(source, engine, task, workers=settings.workers, progress=tell)
        tell("write", 0, 1)
        write_sketches_file(intake, engine, task, Path(out))
        tell("write", 1, 1)
    return {
        "rows_kept": intake.rows_kept,
        "rows_refused": intake.rows_refused,
        "passed_over": list(source.passed_over),
    }


@contextlib.contextmanager
def _workplace(settings: Settings) -> Iterator[tuple[Path, Engine]]:
    with (
        scratch_folder(settings.temp_dir) as scratch,
        open_engine(settings.engine, settings, scratch=scratch) as engine,
    ):
        yield scratch, engine


def _warned_of(settings: Settings, source: Source) -> list[str]:
    """What a reader has to know of this scan, whatever it found."""
    left = [f"Not read: {passed_over(source.passed_over)}."] if source.passed_over else []
    return [MEASURED_WARNING, *actors_in_words(settings.actors), *left]


def _listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _path(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _input_files(log: Sequence[tuple[str, str, int]], beside: Beside) -> list[InputFile]:
    read = [InputFile(path=p, sha256=digest, size_bytes=size) for p, digest, size in log]
    return read + [InputFile(path=p, sha256=digest, size_bytes=size, table=t) for t, p, digest, size in beside.files]
