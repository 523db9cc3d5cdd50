"""Inside the accounts: which exchanges of a shared account were the distiller's, and how soon was he noticed?

Comes from `score_scan.Judged` and, for the first flag, from scans of the world cut off at an hour (`score_rescan`);
goes on to `score.Scorecard`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from spiritsafe.proving.score_scan import EXCHANGE_LIMIT
from spiritsafe.proving.score_truth import load_exchanges, read_world_table
from spiritsafe.stats import Interval, clustered_interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.proving.score_scan import Judged

    Ints = NDArray[np.int64]
    Progress = Callable[[str, float, float], None]
    ScanUntil = Callable[[int], set[str]]

HOUR_US: Final = 3_600_000_000


class MixedAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges of accounts in which innocents and a distiller were mixed; intervals are over accounts.

    `guilty_share` is the precision of flagging every exchange of these accounts: what telling them apart must beat.
    """

    accounts: int
    exchanges: int
    guilty_share: float
    recall: Interval
    precision: Interval


class FirstFlag(msgspec.Struct, frozen=True, kw_only=True):
    """When a campaign's first account was accused. `hours` and `served_share` count from its first exchange.

    Both are None where no account was accused even with the whole log.
    """

    campaign_id: str
    exchanges: int
    hours: float | None
    served_share: float | None


def mixed_accounts(judged: Judged) -> MixedAccounts | None:
    """Exchange-level recall and precision in mixed accounts; None where the worlds have none."""
    inside = judged.truth.mixed[judged.exchange_account] & judged.truth.guilty[judged.exchange_account]
    if not inside.any():
        return None
    owner, guilty = judged.exchange_account[inside], judged.exchange_guilty[inside]
    flagged = judged.exchange_probability[inside] >= EXCHANGE_LIMIT
    unknown = Interval(float("nan"), 0.0, 1.0)
    return MixedAccounts(
        accounts=len(np.unique(owner)),
        exchanges=int(inside.sum()),
        guilty_share=float(guilty.mean()),
        recall=clustered_interval(flagged[guilty], owner[guilty]) if guilty.any() else unknown,
        precision=clustered_interval(guilty[flagged], owner[flagged]) if flagged.any() else unknown,
    )


def first_flags(world: Path, scan_until: ScanUntil, *, progress: Progress | None = None) -> tuple[FirstFlag, ...]:
    """Bisect, for each campaign, for the first hour boundary at which one of its accounts is accused.

    Parameters
    ----------
    world
        A composed world.
    scan_until
        Takes a time in microseconds; returns the accounts accused when the log ends there. Called about
        log2(hours) times a campaign, never twice for one hour.
    progress
        Called with (stage, done, total).

    Returns
    -------
    One entry a campaign. Bisection takes it that who is accused stays accused as the log grows; where that
    does not hold, the true first flag may have been earlier.
    """
    when, campaign_of, accounts_of, last_us = _campaign_exchanges(world)
    start_us = int(min(times[0] for times in when.values())) // HOUR_US * HOUR_US if when else 0
    end_hour = (last_us - start_us) // HOUR_US + 1 if when else 0
    accused: dict[int, set[str]] = {}
    campaigns = sorted(campaign_of)
    likely = max(1, len(campaigns)) * max(1, end_hour.bit_length())

    def flagged(hour: int, accounts: set[str]) -> bool:
        if hour not in accused:
            accused[hour] = scan_until(start_us + hour * HOUR_US)
            if progress is not None:
                progress("first flag", len(accused), max(likely, len(accused)))
        return bool(accused[hour] & accounts)

    found = []
    for name in campaigns:
        hour = _first_true(end_hour, partial(flagged, accounts=accounts_of[name]))
        times = when[name]
        at_us = None if hour is None else start_us + hour * HOUR_US
        found.append(
            FirstFlag(
                campaign_id=name,
                exchanges=len(times),
                hours=None if at_us is None else float(at_us - times[0]) / HOUR_US,
                served_share=None if at_us is None else float((times < at_us).mean()),
            )
        )
    return tuple(found)


def _first_true(last: int, holds: Callable[[int], bool]) -> int | None:
    """The smallest number in 1..last for which `holds`, taking it that it holds from there on."""
    if last < 1 or not holds(last):
        return None
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _campaign_exchanges(world: Path) -> tuple[dict[str, Ints], set[str], dict[str, set[str]], int]:
    """Sorted times of each campaign's exchanges, the campaigns, the accounts each used, and the log's last time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    true = load_exchanges(world)
    true = true.filter(true.column("campaign_id").is_valid())
    requests = read_world_table(world, "requests.parquet", ["event_id", "time"])
    row = pc.index_in(true.column("event_id"), requests.column("event_id").combine_chunks())
    every = requests.column("time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    time = every.take(row).to_numpy()
    campaign = np.array(true.column("campaign_id").to_pylist(), object)
    account = np.array(true.column("account_id").to_pylist(), object)
    names = set(campaign)
    return (
        {name: np.sort(time[campaign == name]) for name in names},
        names,
        {name: set(account[campaign == name]) for name in names},
        int(pc.max(every).as_py() or 0),
    )
