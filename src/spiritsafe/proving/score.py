"""How good was a scan, on traffic whose truth we know? Innocents flagged beside campaigns found.

In come pairs of a composed world and a scan of it; out comes a `Scorecard`, every figure with its interval.
Two outcomes are judged side by side: *accused* (a member of a group with verdict `campaign`, which opens a case)
and *grouped* (a member of any group, which does not). Accounts of one campaign or one organisation are not
independent, so campaigns and organisations count. Read `score_scan.Judged` first; `score_report` prints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from spiritsafe.proving.score_equality import LABELS, OUTCOMES, Equality, equality
from spiritsafe.proving.score_exchanges import FirstFlag, MixedAccounts, mixed_accounts
from spiritsafe.stats import (
    BCubed,
    ClusteredBound,
    Interval,
    ReliabilityBin,
    b_cubed,
    brier_score,
    clopper_pearson,
    clustered_interval,
    clustered_upper_bound,
    expected_calibration_error,
    precision_at_prevalence,
    reliability_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.score_equality import Outcome
    from spiritsafe.proving.score_scan import Judged

    Bools = NDArray[np.bool_]
    Strings = NDArray[np.object_]

FEWEST_ACCOUNTS: Final = 3_000
FEWEST_ORGANISATIONS: Final = 30
FOUND_SHARE: Final = 0.5  # a campaign is found when one accused group holds at least half of its accounts


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A share of campaign accounts, with its interval over campaigns. `exchanges_accused` is the share of their
    exchanges that came through accused accounts: an account of a thousand exchanges counts a thousand times."""

    name: str
    campaigns: int
    accounts: int
    accused: Interval
    grouped: Interval
    exchanges_accused: Interval
    campaigns_found: int


class LookAlike(msgspec.Struct, frozen=True, kw_only=True):
    """False positives among one kind of innocent. `claim` says whether there were enough to claim a rate."""

    kind: str
    accused: ClusteredBound
    grouped: ClusteredBound
    claim: bool


class AtPrevalence(msgspec.Struct, frozen=True, kw_only=True):
    """Precision, were campaign accounts this share of all accounts."""

    prevalence: float
    accused: Interval
    grouped: Interval


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The accused groups. *False*: no operator runs the majority. *Innocent*: one does, and is no campaign."""

    accused: int
    false: int
    innocent: int
    false_discovery_rate: Interval
    of_any_verdict: int
    no_operator_of_any_verdict: int


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign: share of its accounts accused, and share in the one group that holds most of them."""

    campaign_id: str
    archetype: str
    variant: str
    stealth: int
    accounts: int
    accused_share: float
    best_accused_group_share: float
    best_group_share: float

    @property
    def found(self) -> bool:
        """Whether one accused group holds at least half of its accounts."""
        return self.best_accused_group_share >= FOUND_SHARE


class Probability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether `probability` means what it says. Brier over all accounts, the rest over the accused."""

    brier: float
    brier_of_the_base_rate: float
    calibration_error: float | None
    reliability: tuple[ReliabilityBin, ...]


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """Every score of one scan, or of several pooled.

    Where the worlds have no innocents, `false_positives` is None, `look_alikes` and `equality` are empty, and no
    precision is known.
    """

    schema: str = "score/1.1"
    pairs: tuple[tuple[str, str], ...]
    accounts: int
    campaign_accounts: int
    recall: Rate
    precision_as_composed: Interval
    false_positives: LookAlike | None
    at_prevalence: tuple[AtPrevalence, ...]
    by_stealth: tuple[Rate, ...]
    by_archetype: tuple[Rate, ...]
    by_variant: tuple[Rate, ...]
    by_mixing: tuple[Rate, ...]
    look_alikes: tuple[LookAlike, ...]
    equality: tuple[Equality, ...]
    mixed: MixedAccounts | None
    grouping_accused: BCubed | None
    grouping_any: BCubed | None
    grouping_by_stealth: tuple[tuple[str, BCubed], ...]
    groups: Groups
    campaigns: tuple[Campaign, ...]
    probability: Probability
    first_flags: tuple[FirstFlag, ...] = ()


def score(
    judged: Judged,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    prevalences: Sequence[float] = (0.01, 0.001),
    seed: int = 0,
) -> Scorecard:
    """Score a scan against the truth.

    Parameters
    ----------
    judged
        Truth and finding side by side, from `score_scan.load_judged`.
    pairs
        Names of the worlds and scans, for the record.
    prevalences
        Shares of campaign accounts among all accounts at which to state precision.
    seed
        Of the bootstrap and of the permutations.
    """
    truth = judged.truth
    innocent = ~truth.guilty
    campaigns = _campaigns(judged)
    found = {one.campaign_id for one in campaigns if one.found}
    return Scorecard(
        pairs=tuple(pairs),
        accounts=len(truth.account_id),
        campaign_accounts=int(truth.guilty.sum()),
        recall=_rate("all", judged, truth.guilty, found),
        precision_as_composed=_precision_as_composed(judged),
        false_positives=_look_alike("all innocents", judged, innocent, seed=seed) if innocent.any() else None,
        at_prevalence=tuple(_at_prevalence(judged, share) for share in prevalences),
        by_stealth=_rates(judged, truth.stealth.astype(str).astype(object), found),
        by_archetype=_rates(judged, truth.archetype, found),
        by_variant=_rates(judged, truth.variant, found),
        by_mixing=_rates(judged, np.where(truth.mixed, "mixed", "unmixed").astype(object), found),
        look_alikes=tuple(
            _look_alike(kind, judged, innocent & (truth.kind == kind), seed=seed)
            for kind in sorted(set(truth.kind[innocent]))
        ),
        equality=tuple(
            equality(judged, label, outcome, seed=seed) for label in LABELS for outcome in OUTCOMES if innocent.any()
        ),
        mixed=mixed_accounts(judged),
        grouping_accused=_grouping(judged, judged.accused),
        grouping_any=_grouping(judged, judged.grouped),
        grouping_by_stealth=_grouping_by_stealth(judged),
        groups=_groups(judged),
        campaigns=campaigns,
        probability=_probability(judged),
    )


def _recall(judged: Judged, chosen: Bools, outcome: Outcome, *, confidence: float = 0.95) -> Interval:
    if not chosen.any():
        return Interval(float("nan"), 0.0, 1.0)
    flagged: Bools = getattr(judged, outcome)
    return clustered_interval(flagged[chosen], judged.truth.campaign[chosen].astype(str), confidence=confidence)


def _rate(name: str, judged: Judged, chosen: Bools, found: set[str]) -> Rate:
    wanted = set(judged.truth.campaign[chosen])
    return Rate(
        name=name,
        campaigns=len(wanted),
        accounts=int(chosen.sum()),
        accused=_recall(judged, chosen, "accused"),
        grouped=_recall(judged, chosen, "grouped"),
        exchanges_accused=_by_exchanges(judged, chosen),
        campaigns_found=len(wanted & found),
    )


def _by_exchanges(judged: Judged, chosen: Bools) -> Interval:
    """Of the campaigns' exchanges through the chosen accounts, the share that came through accused ones."""
    account = judged.exchange_account[judged.exchange_guilty]
    account = account[chosen[account]]
    if not len(account):
        return Interval(float("nan"), 0.0, 1.0)
    return clustered_interval(judged.accused[account], judged.truth.campaign[account].astype(str))


def _rates(judged: Judged, labels: Strings, found: set[str]) -> tuple[Rate, ...]:
    guilty = judged.truth.guilty
    return tuple(_rate(str(name), judged, guilty & (labels == name), found) for name in sorted(set(labels[guilty])))


def _precision_as_composed(judged: Judged) -> Interval:
    """Share of the accused who are guilty, at the world's own prevalence; groups count, not accounts."""
    if not judged.accused.any():
        return Interval(float("nan"), 0.0, 1.0)
    return clustered_interval(judged.truth.guilty[judged.accused], judged.group[judged.accused].astype(str))


def _look_alike(kind: str, judged: Judged, chosen: Bools, *, seed: int) -> LookAlike:
    units = judged.truth.unit[chosen].astype(str)
    accused = clustered_upper_bound(judged.accused[chosen], units, seed=seed)
    return LookAlike(
        kind=kind,
        accused=accused,
        grouped=clustered_upper_bound(judged.grouped[chosen], units, seed=seed),
        claim=accused.accounts >= FEWEST_ACCOUNTS and accused.units >= FEWEST_ORGANISATIONS,
    )


def _at_prevalence(judged: Judged, prevalence: float) -> AtPrevalence:
    """Worst recall with worst false positives, each at 97.5 %: at least 95 % together."""

    def precision(outcome: Outcome) -> Interval:
        innocent = ~judged.truth.guilty
        if not innocent.any():
            return Interval(float("nan"), 0.0, 1.0)
        flagged: Bools = getattr(judged, outcome)
        units = judged.truth.unit[innocent].astype(str)
        alarms = clustered_interval(flagged[innocent], units, confidence=0.975)
        return precision_at_prevalence(
            _recall(judged, judged.truth.guilty, outcome, confidence=0.975), alarms, prevalence
        )

    return AtPrevalence(prevalence=prevalence, accused=precision("accused"), grouped=precision("grouped"))


def _grouping(judged: Judged, flagged: Bools, of: Bools | None = None) -> BCubed | None:
    """B-cubed over accounts that a campaign used or that were flagged; who is not flagged stands alone.

    `of` chooses, of all accounts, whose view is averaged.
    """
    chosen = np.flatnonzero(flagged | judged.truth.guilty)
    if len(chosen) == 0:
        return None
    alone = np.array([f"alone {row}" for row in chosen], object)
    found = np.where(flagged[chosen], judged.group[chosen], alone)
    return b_cubed(judged.truth.operator[chosen].astype(str), found.astype(str), of=None if of is None else of[chosen])


def _grouping_by_stealth(judged: Judged) -> tuple[tuple[str, BCubed], ...]:
    """B-cubed of the accused groups, as the accounts of each level's campaigns see it."""
    guilty, stealth = judged.truth.guilty, judged.truth.stealth
    seen = (
        (str(level), _grouping(judged, judged.accused, guilty & (stealth == level)))
        for level in np.unique(stealth[guilty])
    )
    return tuple((level, found) for level, found in seen if found is not None)


def _groups(judged: Judged) -> Groups:
    false = innocent = accused = no_operator = 0
    for group in judged.groups:
        operators, counts = np.unique(judged.truth.operator[group.members].astype(str), return_counts=True)
        shared = counts.max() * 2 > len(group.members)
        no_operator += not shared
        if group.verdict != "campaign":
            continue
        accused += 1
        false += not shared
        chief = judged.truth.operator[group.members] == operators[counts.argmax()]
        innocent += bool(shared and not judged.truth.guilty[group.members[chief]].any())
    return Groups(
        accused=accused,
        false=false,
        innocent=innocent,
        false_discovery_rate=clopper_pearson(false + innocent, accused),
        of_any_verdict=len(judged.groups),
        no_operator_of_any_verdict=no_operator,
    )


def _campaigns(judged: Judged) -> tuple[Campaign, ...]:
    truth = judged.truth
    found = []
    for name, accounts in judged.used.items():
        inside = np.zeros(len(truth.account_id), bool)
        inside[accounts] = True
        first, size = int(accounts[0]), len(accounts)
        held = [(group.verdict, int(inside[group.members].sum())) for group in judged.groups]
        found.append(
            Campaign(
                campaign_id=name,
                archetype=truth.archetype[first],
                variant=truth.variant[first],
                stealth=int(truth.stealth[first]),
                accounts=size,
                accused_share=float(judged.accused[inside].mean()),
                best_accused_group_share=max((n for verdict, n in held if verdict == "campaign"), default=0) / size,
                best_group_share=max((n for _, n in held), default=0) / size,
            )
        )
    return tuple(found)


def _probability(judged: Judged) -> Probability:
    """An accused account is right when its campaign is the commonest one of its group."""
    truth = judged.truth
    right = truth.guilty.copy()
    for group in judged.groups:
        names = truth.campaign[group.members]
        campaigns, counts = np.unique(names[names != ""].astype(str), return_counts=True)
        if group.verdict == "campaign":
            chief = campaigns[counts.argmax()] if len(campaigns) else None
            right[group.members] = (names == chief) & (names != "")
    accused = judged.accused
    stated, outcome = judged.probability[accused], right[accused]
    share = float(right.mean())
    return Probability(
        brier=brier_score(judged.probability, right),
        brier_of_the_base_rate=share * (1 - share),
        calibration_error=expected_calibration_error(stated, outcome) if accused.any() else None,
        reliability=reliability_table(stated, outcome) if accused.any() else (),
    )
