"""What would we have found? Campaigns of known size and stealth, planted in a copy of the operator's own log.

"Nothing found" means little until it is known what would have been. Each trial plants one labelled campaign in
the copy, scans it, and asks whether one group with verdict `campaign` holds at least half of the planted accounts
while hardly any of the operator's own are newly accused. Out comes a power curve and one sentence. Trials are
kept one by one, so that a killed run goes on where it stopped. Read `inject_log`, `inject_plant`, then `inject_result`.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spiritsafe import __version__
from spiritsafe.errors import UsageError
from spiritsafe.files import MARKER, check_folder, fault_of, scratch_folder, write_atomically, write_parquet
from spiritsafe.proving.inject_log import Log, copy_log
from spiritsafe.proving.inject_plant import plant
from spiritsafe.proving.inject_result import SIZES, InjectResult, Plan, Trial, summarise
from spiritsafe.proving.inject_sentence import default_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from spiritsafe.events.sources import ReadOptions
    from spiritsafe.proving.inject_plant import CampaignTexts

    Progress = Callable[[str, float, float], None]
    Scan = Callable[[Sequence[Path], Mapping[str, Path], Path], None]

__all__ = ["InjectResult", "inject_campaigns"]

STEALTHS: Final = (0, 1, 2, 3)


class PlanError(UsageError):
    """The output folder holds trials of another log, seed, rate or version."""

    code = "proving.inject_plan"


def inject_campaigns(
    logs: Sequence[str],
    *,
    out: Path,
    texts: CampaignTexts,
    options: ReadOptions,
    accounts: str | None = None,
    account_events: str | None = None,
    attestations: str | None = None,
    sizes: Iterable[int] | None = None,
    stealths: Iterable[int] = STEALTHS,
    repeats: int = 3,
    rate_per_day: float | None = None,
    error: float = 0.001,
    power: float = 0.9,
    seed: int = 0,
    texts_name: str = "composed",
    scan: Scan | None = None,
    progress: Progress | None = None,
) -> InjectResult:
    """Plant, scan and count. The log is read once, copied, and not changed.

    Parameters
    ----------
    logs, accounts, account_events, attestations, options
        As for `find_campaigns`: what the scan that this speaks for is given.
    out
        Folder for the trials and the result; given again, it goes on with the trials that are missing.
    texts
        `(n, stealth, rng)` to n prompts of one campaign; see `inject_texts.composed_texts`.
    sizes, stealths, repeats
        The grid of trials. None takes those of `SIZES` that could be found among so many accounts.
    rate_per_day
        Exchanges a day of each planted account; None keeps the volume of the account it takes after.
    error
        A find counts only while at most this share of the operator's own accounts is newly accused.
    power
        Share of trials in which a size must be found to be called found.
    texts_name
        Says in the plan where the texts came from.
    scan
        `(logs, tables, out)`: writes `groups.parquet`; the real pipeline where None.

    Raises
    ------
    PlanError
        `out` holds trials of another log or of other options.
    TooFewAccountsError
        The log holds too few accounts to take traits from.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    tables = {"accounts": accounts, "account_events": account_events, "attestations": attestations}
    _claim(out, [*logs, *(path for path in tables.values() if path is not None)])
    tell("copy", 0, 1)
    with scratch_folder(out, prefix=".copy.") as work:
        log = copy_log(logs, tables, work, options=options, seed=seed)
        chosen = default_sizes(log.accounts, SIZES) if sizes is None else sizes
        grid = [
            (stealth, size, k) for k in range(repeats) for size in sorted({*chosen}) for stealth in sorted({*stealths})
        ]
        _keep_plan(
            out,
            Plan(
                log_digest=log.digest,
                tables=log.tables,
                seed=seed,
                rate_per_day=rate_per_day,
                error=error,
                texts=texts_name,
                version=__version__,
            ),
        )
        run = _Runner(log, work, scan or real_scan, texts, seed=seed, rate_per_day=rate_per_day, error=error)
        tell("baseline", 0, 1)
        own_accused, own_groups = _baseline(out, run)
        trials = []
        for done, (stealth, size, repeat) in enumerate(grid):
            tell("trials", done, len(grid))
            trials.append(_kept_or_run(out, run, stealth, size, repeat, own_accused))
        tell("trials", len(grid), len(grid))
        plan = msgspec.json.decode((out / "plan.json").read_bytes(), type=Plan)
        result = summarise(log, plan, trials, power=power, accused=len(own_accused), groups=own_groups)
    write_atomically(out / "inject.json", msgspec.json.format(msgspec.json.encode(result), indent=2))
    return result


def _claim(out: Path, inputs: Sequence[str | Path]) -> None:
    """Make or recognise the output folder."""
    check_folder(out, kind="inject", inputs=inputs)
    # The marker first: a folder of ours without it would be nobody's when the next run looks.
    write_atomically(out / MARKER, b"inject\n")
    try:
        (out / "trials").mkdir(exist_ok=True)
    except OSError as error:
        raise fault_of(error, out) from error
    # What a killed run left of its copy goes first: it holds prompts.
    for left in out.glob(".copy.*"):
        shutil.rmtree(left, ignore_errors=True)


def _keep_plan(out: Path, plan: Plan) -> None:
    path = out / "plan.json"
    if path.is_file():
        earlier = msgspec.json.decode(path.read_bytes(), type=Plan)
        if earlier != plan:
            differs = [name for name in plan.__struct_fields__ if getattr(earlier, name) != getattr(plan, name)]
            raise PlanError(
                f"{out} holds trials with another {', '.join(differs)}",
                hint="choose a new --out, or give the same log and options to go on",
            )
        return
    write_atomically(path, msgspec.json.encode(plan))


class _Runner:
    """Plants and scans one campaign at a time."""

    def __init__(
        self,
        log: Log,
        work: Path,
        scan: Scan,
        texts: CampaignTexts,
        *,
        seed: int,
        rate_per_day: float | None,
        error: float,
    ) -> None:
        self.log = log
        self._work = work
        self._scan = scan
        self._texts = texts
        self._seed = seed
        self._rate = rate_per_day
        self._error = error

    def groups(self, logs: Sequence[Path], tables: Mapping[str, Path]) -> list[tuple[str, set[str]]]:
        """Verdict and members of every group that a scan finds."""
        import pyarrow.parquet as pq

        with scratch_folder(self._work) as folder:
            out = folder / "scan"
            self._scan(logs, tables, out)
            rows = pq.read_table(out / "groups.parquet", columns=["verdict", "account_ids"]).to_pylist()
        return [(row["verdict"], set(row["account_ids"])) for row in rows]

    def trial(self, stealth: int, size: int, repeat: int, own_accused: set[str]) -> Trial:
        """Plant one campaign, scan, and count."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from spiritsafe.events.model import ACCOUNTS, REQUESTS

        began = time.monotonic()
        planted = plant(
            self.log,
            size=size,
            stealth=stealth,
            rate_per_day=self._rate,
            texts=self._texts,
            seed=(self._seed, stealth, size, repeat),
        )
        with scratch_folder(self._work) as folder:
            requests = folder / "planted.parquet"
            write_parquet(planted.requests, requests, REQUESTS.tag)
            tables = dict(self.log.beside)
            if planted.profiles is not None and "accounts" in tables:
                own = pq.read_table(tables["accounts"]).replace_schema_metadata(None)
                tables["accounts"] = folder / "accounts.parquet"
                both = pa.concat_tables([own, planted.profiles.select(own.column_names)], promote_options="permissive")
                write_parquet(both, tables["accounts"], ACCOUNTS.tag)
            groups = self.groups([*self.log.files, requests], tables)
        names = set(planted.account_ids)
        newly = set().union(*(members for verdict, members in groups if verdict == "campaign")) - names - own_accused
        return Trial(
            stealth=stealth,
            size=size,
            repeat=repeat,
            exchanges=planted.requests.num_rows,
            best_campaign_share=_best(groups, names, "campaign"),
            best_unknown_share=_best(groups, names, "coordinated_unknown"),
            best_group_share=_best(groups, names, None),
            newly_accused=len(newly),
            within_error=len(newly) <= self._error * self.log.accounts,
            seconds=round(time.monotonic() - began, 2),
        )


def _best(groups: Sequence[tuple[str, set[str]]], names: set[str], verdict: str | None) -> float:
    shares = [len(members & names) / len(names) for one, members in groups if verdict in {None, one}]
    return max(shares, default=0.0)


def _baseline(out: Path, run: _Runner) -> tuple[set[str], int]:
    """The operator's accounts that are accused with nothing planted, and the number of groups; kept like a trial."""
    path = out / "baseline.json"
    if not path.is_file():
        groups = run.groups(run.log.files, run.log.beside)
        accused = sorted(set().union(*(members for verdict, members in groups if verdict == "campaign")))
        write_atomically(path, msgspec.json.encode({"accused": accused, "groups": len(groups)}))
    kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return set(kept["accused"]), int(kept["groups"])


def _kept_or_run(out: Path, run: _Runner, stealth: int, size: int, repeat: int, own_accused: set[str]) -> Trial:
    path = out / "trials" / f"stealth-{stealth}-size-{size}-repeat-{repeat}.json"
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=Trial)
    trial = run.trial(stealth, size, repeat, own_accused)
    write_atomically(path, msgspec.json.encode(trial))
    return trial


def real_scan(logs: Sequence[Path], tables: Mapping[str, Path], out: Path) -> None:
    """Scan with the installed pipeline and the operator's settings; names stay, so that the planted are known again."""
    from spiritsafe.pipeline import find_campaigns
    from spiritsafe.settings import load_settings

    settings = load_settings({"pseudonymise": False})
    find_campaigns(
        [str(path) for path in logs],
        out=out,
        accounts=tables.get("accounts"),
        account_events=tables.get("account_events"),
        attestations=tables.get("attestations"),
        settings=settings,
    )
