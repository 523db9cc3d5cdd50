"""How good is a scan on your own traffic? A sample that people look at, and what it says of all accounts.

Accounts are drawn by strata, so that the accused and the missed both get their share of looks; whoever looks is not
told which is which. What the looks say is put together by the strata's sizes, with bounds that hold for this very
population: accounts of one campaign are alike, but they were drawn one by one, and the bounds rest on nothing else.

Pure: from tables to tables. Comes from a scan's result folder; goes on to `campaigns.review_files` and `sample`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from spiritsafe.campaigns.model import Verdict
from spiritsafe.stats import Interval, exact_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Label = Literal["campaign", "innocent", "unsure"]

SURE: Final = 0.9
BUSIEST: Final = 0.9
"""Of the accounts in no group, the busiest tenth is a stratum of its own: what is missed is more often there."""

STRATA: Final = {
    "accused_surely": "accused, probability 90 % or more",
    "accused_less_surely": "accused, probability below 90 %",
    "grouped": "in a group that is not accused",
    "busiest": "in no group, the busiest tenth",
    "others": "in no group, the others",
}
ACCUSED: Final = ("accused_surely", "accused_less_surely")
SHARES: Final = {
    "accused_surely": 0.35,
    "accused_less_surely": 0.15,
    "grouped": 0.2,
    "busiest": 0.15,
    "others": 0.15,
}
"""How a sample is spread; what a stratum cannot fill goes to the others."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """`accounts` of the scan, of which `drawn` were drawn, and as they were labelled."""

    name: str
    accounts: int
    drawn: int
    campaign: int
    innocent: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """What a review says. Counts of accounts; every interval holds at `confidence`, whatever the campaigns are.

    `precision` is the share of the accused that are a campaign's, `missed` the number of campaign accounts that are not
    accused, `recall` the share of all campaign accounts that are accused (None where there is none).
    """

    strata: tuple[Stratum, ...]
    reviewed: int
    precision: Interval | None
    missed: Interval
    recall: Interval | None
    confidence: float


def stratified(accounts: pa.Table, members: pa.Table) -> dict[str, list[str]]:
    """Account ids of each stratum, ascending.

    Parameters
    ----------
    accounts, members
        As `accounts.parquet` and `members.parquet` of a result folder.
    """
    probability = dict(zip(members["account_id"].to_pylist(), members["probability"].to_pylist(), strict=True))
    ids, verdicts = accounts["account_id"].to_pylist(), accounts["verdict"].to_pylist()
    exchanges = accounts["exchanges"].to_numpy().astype(np.float64)
    alone = np.array([verdict is None for verdict in verdicts], dtype=bool)
    busy_from = float(np.quantile(exchanges[alone], BUSIEST)) if alone.any() else math.inf
    placed: dict[str, list[str]] = {name: [] for name in STRATA}
    for account_id, verdict, count in zip(ids, verdicts, exchanges.tolist(), strict=True):
        if verdict == Verdict.CAMPAIGN.value:
            sure = probability.get(account_id, 0.0) >= SURE
            placed["accused_surely" if sure else "accused_less_surely"].append(account_id)
        elif verdict is not None:
            placed["grouped"].append(account_id)
        else:
            placed["busiest" if count > busy_from else "others"].append(account_id)
    return {name: sorted(found) for name, found in placed.items()}


def drawn(strata: Mapping[str, Sequence[str]], *, size: int, seed: int) -> dict[str, list[str]]:
    """`size` accounts, or all there are, at random within each stratum."""
    counts = _allotted({name: len(found) for name, found in strata.items()}, size)
    random = np.random.default_rng(seed)
    return {
        name: sorted(random.choice(np.array(found, dtype=object), counts[name], replace=False).tolist())
        if found
        else []
        for name, found in strata.items()
    }


def _allotted(sizes: Mapping[str, int], size: int) -> dict[str, int]:
    """How many of each stratum: by `SHARES`, none more than it has, what is left over to those that have more."""
    counts = {name: min(round(SHARES[name] * size), sizes[name]) for name in sizes}
    while (left := min(size, sum(sizes.values())) - sum(counts.values())) > 0:
        open_ = [name for name in sizes if counts[name] < sizes[name]]
        for name in open_:
            share = max(1, round(left * SHARES[name] / sum(SHARES[one] for one in open_)))
            counts[name] += min(
                share, sizes[name] - counts[name], min(size, sum(sizes.values())) - sum(counts.values())
            )
    return counts


def estimates(
    sizes: Mapping[str, int], labels: Mapping[str, Sequence[Label]], *, confidence: float = 0.95
) -> Estimates:
    """Precision, missed accounts and recall from reviewed accounts.

    Parameters
    ----------
    sizes
        Accounts of each stratum.
    labels
        The labels of each stratum's reviewed accounts, a random sample of it.
    confidence
        Of every interval.

    Notes
    -----
    Each stratum has an exact interval for its number of campaign accounts (hypergeometric, both tails), their errors
    sharing what is allowed (Bonferroni); sums of the ends bound the sums. "Unsure" counts as innocent at the lower end
    and as a campaign's at the upper one. Conservative: it covers at least as often as it says.
    """
    strata = [
        Stratum(
            name, sizes[name], len(found), *(list(found).count(word) for word in ("campaign", "innocent", "unsure"))
        )
        for name, found in ((name, labels.get(name, ())) for name in STRATA if name in sizes)
    ]
    asked = [one for one in strata if one.accounts]
    each = 1 - (1 - confidence) / max(len(asked), 1)
    counts = {one.name: _campaign_accounts(one, each) for one in asked}
    accused = _sum([counts[one.name] for one in asked if one.name in ACCUSED])
    missed = _sum([counts[one.name] for one in asked if one.name not in ACCUSED])
    flagged = sum(one.accounts for one in asked if one.name in ACCUSED)
    return Estimates(
        strata=tuple(strata),
        reviewed=sum(one.drawn for one in strata),
        precision=None if not flagged else _scaled(accused, 1 / flagged),
        missed=missed,
        recall=_recall(accused, missed),
        confidence=confidence,
    )


def _campaign_accounts(one: Stratum, confidence: float) -> Interval:
    """How many campaign accounts a stratum has. Its middle leaves the unsure out."""
    sure = one.campaign + one.innocent
    middle = one.accounts * one.campaign / sure if sure else math.nan
    low = exact_count(one.campaign, one.drawn, one.accounts, confidence=confidence).low
    high = exact_count(one.campaign + one.unsure, one.drawn, one.accounts, confidence=confidence).high
    return Interval(middle, low, high)


def _sum(parts: Sequence[Interval]) -> Interval:
    return Interval(*(float(sum(getattr(one, end) for one in parts)) for end in ("value", "low", "high")))


def _scaled(one: Interval, factor: float) -> Interval:
    return Interval(one.value * factor, one.low * factor, min(one.high * factor, 1.0))


def _recall(accused: Interval, missed: Interval) -> Interval | None:
    if accused.high + missed.high <= 0:
        return None
    ends = [(accused.value, missed.value), (accused.low, missed.high), (accused.high, missed.low)]
    shares = [found / (found + lost) if found + lost > 0 else math.nan for found, lost in ends]
    low = 0.0 if math.isnan(shares[1]) else shares[1]
    high = 1.0 if math.isnan(shares[2]) else shares[2]
    return Interval(shares[0], low, high)


def facts_of(accounts: pa.Table, account_id: str, places: Mapping[str, int], tactics: Sequence[str]) -> dict[str, Any]:
    """What a reviewer is shown of an account: what it did, and nothing of what the scan made of it."""
    row = accounts.slice(places[account_id], 1).to_pylist()[0]
    shown = sorted(((row.get(f"{name}_exchanges") or 0, name) for name in tactics), reverse=True)
    return {
        "account_id": account_id,
        "exchanges": row["exchanges"],
        "first_seen": _moment(row["first_s"]),
        "last_seen": _moment(row["last_s"]),
        "active_hours": row["active_hours"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "distinct_prompts": row["distinct_prompts"],
        "addresses": row["addresses"],
        "models": row["models"],
        "refused_exchanges": row["refused_exchanges"],
        "organization_id": row["organization_id"],
        "organization_verified": row["organization_verified"],
        "tactics": ", ".join(f"{name} {count}" for count, name in shown if count),
    }


def _moment(second: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(second, UTC).isoformat()
