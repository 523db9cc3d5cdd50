"""The power curve of a scan on one log: what was planted, and what was found.

Comes from `inject`'s trials; goes on to `inject_sentence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from spiritsafe.proving.inject_sentence import detection_limit_sentence
from spiritsafe.stats import Interval, clopper_pearson, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.proving.inject_log import Log

FOUND_SHARE: Final = 0.5
SIZES: Final = (8, 16, 32, 64, 128, 256)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What every trial in a folder has in common. Sizes, stealth levels and repeats may be added later.

    `log_digest` is `digest_of` the log's files, `tables` the SHA-256 of each table beside it.
    """

    log_digest: str
    tables: dict[str, str] = {}
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
    """How often campaigns of one size and stealth were found, with Wilson's two-sided 95 % interval."""

    stealth: int
    size: int
    trials: int
    found: Interval
    noticed: Interval
    mean_newly_accused: float
    exchanges_an_account: float

    @property
    def found_at_least(self) -> float:
        """The rate that the trials prove: the exact one-sided 95 % lower bound (Clopper-Pearson)."""
        return clopper_pearson(round(self.found.value * self.trials), self.trials, side="lower").low


class InjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """The power curve of a scan on one log.

    `smallest` is by stealth level the smallest size tried that was found in a share `power` of its trials, None
    where none was. Larger ones may have failed: `points` and the sentence say which were found.
    """

    schema: str = "inject/1.1"
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
    passed_over: tuple[str, ...] = ()
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
        passed_over=log.passed_over,
    )
    return msgspec.structs.replace(result, sentence=detection_limit_sentence(result))


def _smallest(points: Sequence[PowerPoint], power: float, outcome: str) -> dict[int, int | None]:
    """By stealth, the smallest size tried that was found often enough, whatever became of larger ones."""
    smallest: dict[int, int | None] = {}
    for point in sorted(points, key=lambda point: (point.stealth, -point.size)):
        share: Interval = getattr(point, outcome)
        smallest.setdefault(point.stealth, None)
        if share.value >= power:
            smallest[point.stealth] = point.size
    return smallest
