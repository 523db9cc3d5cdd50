"""The power curve of a scan on one log: what was planted, what was found, and the one sentence to print.

Comes from `inject`'s trials; goes on to `cli.prove_inject`, and its sentence to every report of "nothing found".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from spiritsafe.stats import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.proving.inject_log import Log

FOUND_SHARE: Final = 0.5


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What every trial in a folder has in common. Sizes, stealth levels and repeats may be added later."""

    log_digest: str
    seed: int
    rate_per_day: float | None
    error: float
    texts: str
    version: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One planted campaign and what the scan made of it.

    `best_*_share` is the largest share of the planted accounts in one group of that verdict. `newly_accused`
    counts the operator's own accounts that are accused with the campaign in the log and were not without it.
    """

    stealth: int
    size: int
    repeat: int
    exchanges: int
    best_campaign_share: float
    best_unknown_share: float
    best_group_share: float
    newly_accused: int
    within_error: bool
    seconds: float

    @property
    def found(self) -> bool:
        """Accused, and at no more than the set error."""
        return self.best_campaign_share >= FOUND_SHARE and self.within_error

    @property
    def noticed(self) -> bool:
        """In one group with verdict `campaign` or `coordinated_unknown`, whatever the error."""
        return max(self.best_campaign_share, self.best_unknown_share) >= FOUND_SHARE


class PowerPoint(msgspec.Struct, frozen=True, kw_only=True):
    """How often campaigns of one size and stealth were found, with Wilson's 95 % interval."""

    stealth: int
    size: int
    trials: int
    found: Interval
    noticed: Interval
    mean_newly_accused: float
    exchanges_an_account: float


class InjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """The power curve of a scan on one log. `smallest` is by stealth level, None where no size sufficed."""

    schema: str = "inject/1.0"
    plan: Plan
    requests: int
    accounts: int
    days: float
    power: float
    baseline_accused: int
    baseline_groups: int
    points: tuple[PowerPoint, ...]
    smallest: dict[int, int | None]
    smallest_noticed: dict[int, int | None]
    trials: tuple[Trial, ...]
    sentence: str = ""


def summarise(
    log: Log, plan: Plan, trials: Sequence[Trial], *, power: float, accused: int, groups: int
) -> InjectResult:
    """The power curve of a set of trials, and its sentence."""
    points = []
    for stealth, size in sorted({(trial.stealth, trial.size) for trial in trials}):
        same = [trial for trial in trials if (trial.stealth, trial.size) == (stealth, size)]
        points.append(
            PowerPoint(
                stealth=stealth,
                size=size,
                trials=len(same),
                found=wilson(sum(trial.found for trial in same), len(same)),
                noticed=wilson(sum(trial.noticed for trial in same), len(same)),
                mean_newly_accused=float(np.mean([trial.newly_accused for trial in same])),
                exchanges_an_account=float(np.mean([trial.exchanges / trial.size for trial in same])),
            )
        )
    result = InjectResult(
        plan=plan,
        requests=log.requests,
        accounts=log.accounts,
        days=round(log.days, 2),
        power=power,
        baseline_accused=accused,
        baseline_groups=groups,
        points=tuple(points),
        smallest=_smallest(points, power, "found"),
        smallest_noticed=_smallest(points, power, "noticed"),
        trials=tuple(trials),
    )
    return msgspec.structs.replace(result, sentence=detection_limit_sentence(result))


def _smallest(points: Sequence[PowerPoint], power: float, outcome: str) -> dict[int, int | None]:
    """By stealth, the smallest size from which on every size tried was found often enough."""
    smallest: dict[int, int | None] = {}
    for stealth in sorted({point.stealth for point in points}):
        smallest[stealth] = None
        for point in sorted((p for p in points if p.stealth == stealth), key=lambda p: -p.size):
            share: Interval = getattr(point, outcome)
            if share.value < power:
                break
            smallest[stealth] = point.size
    return smallest


def detection_limit_sentence(result: InjectResult) -> str:
    """What this scan would have found on this log, in words that every "nothing found" can print."""
    trials = min((point.trials for point in result.points), default=0)
    largest = max((point.size for point in result.points), default=0)
    rate = float(np.median([point.exchanges_an_account for point in result.points])) if result.points else 0.0
    sizes = [f"{size} accounts at stealth {stealth}" for stealth, size in result.smallest.items() if size is not None]
    missed = [str(stealth) for stealth, size in result.smallest.items() if size is None]
    told = []
    if sizes:
        sure = min(p.found.low for p in result.points if result.smallest[p.stealth] == p.size)
        told.append(
            f"planted campaigns from {_and(sizes)} on were found in at least {result.power:.0%} of "
            f"{trials} trial{'' if trials == 1 else 's'} each, which proves a rate of {sure:.0%} or more"
        )
    if missed:
        told.append(f"none of up to {largest} accounts was found so often at stealth {_and(missed)}")
    return (
        f"On a copy of this log ({result.accounts:,} accounts, {result.days:g} days, about {rate:,.0f} exchanges a "
        f"planted account), {'; '.join(told) or 'nothing was tried'}. A smaller, quieter or better hidden campaign "
        "may be in this log unseen."
    )


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
