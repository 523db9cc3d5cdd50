"""How accounts come and go: opened together, or opened to take a banned one's place.

Whoever is banned and goes on opens a new account within hours. One such account may be chance; that a group's new
accounts follow its bans is not. And who opens fifty accounts opens them on one day, on which few others sign up.
Comes from sign-ups and account events; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.rhythm import DAY_S, DAYS_MINIMUM
from spiritsafe.stats.tails import permuted_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.links.rhythm import Window

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

SUCCESSION_S: Final = 12 * 3600
"""A successor is opened within half a day of the ban."""

BURST_S: Final = DAY_S
"""Sign-ups of one batch fall into a day."""

DRAWS: Final = 999


@dataclass(frozen=True, slots=True)
class Succession:
    """`followed` of `banned` members had another member opened within `SUCCESSION_S`; chance gives `expected`.

    `members` marks the banned that were followed and their successors.
    """

    banned: int
    followed: int
    expected: float
    p_value: float
    members: Bools


@dataclass(frozen=True, slots=True)
class Burst:
    """`opened` members signed up within one day, in which `background` of all accounts did.

    `members` marks them. The p-value counts that the day was looked for.
    """

    opened: int
    known: int
    begin_s: int
    background: float
    p_value: float
    members: Bools


def succession(created_s: Floats, suspended_s: Floats, window: Window, *, seed: int) -> Succession | None:
    """Are this group's bans followed by sign-ups of this group?

    Parameters
    ----------
    created_s, suspended_s
        Shape (members,), in epoch seconds; NaN where it is not known or never happened.
    window
        What the log covers. Bans are moved within it.
    seed
        Of the draws.

    Returns
    -------
    None where fewer than two members were banned or opened in the window, or the window is too short.

    Notes
    -----
    Null: bans have nothing to do with when members sign up. Each ban is moved to another day of the window, its hour
    kept; permutation test on how many are followed.
    """
    banned = np.flatnonzero(~np.isnan(suspended_s) & (suspended_s >= window.begin_s) & (suspended_s <= window.end_s))
    opened = np.flatnonzero(~np.isnan(created_s) & (created_s >= window.begin_s))
    if len(banned) < 2 or len(opened) < 2 or window.days < DAYS_MINIMUM:
        return None
    order = opened[np.argsort(created_s[opened], kind="stable")]
    births = created_s[order]
    followed, successor = _followed(suspended_s[banned], births)
    members = np.zeros(len(created_s), dtype=bool)
    members[banned[followed]] = True
    members[order[successor[followed]]] = True
    random = np.random.default_rng(seed)
    span_s = window.days * DAY_S
    shifts = random.integers(1, window.days, (DRAWS, len(banned))) * DAY_S
    moved_s = window.begin_s + (suspended_s[banned] - window.begin_s + shifts) % span_s
    moved = np.array([_followed(one, births)[0].sum() for one in moved_s], dtype=np.float64)
    count = float(followed.sum())
    ranked = float((1 + (moved >= count).sum()) / (1 + DRAWS))
    standardised = (count - moved.mean()) / max(float(moved.std()), 1e-9)
    p_value = permuted_tail(standardised, moved, ranked=ranked)
    return Succession(len(banned), int(count), float(moved.mean()), p_value, members)


def _followed(bans: Floats, births: Floats) -> tuple[Bools, Ints]:
    """Which bans have a sign-up within `SUCCESSION_S` after them, and which sign-up."""
    place = np.searchsorted(births, bans, side="right")
    inside = np.minimum(place, len(births) - 1)
    return (place < len(births)) & (births[inside] - bans <= SUCCESSION_S), inside


def in_the_chain(created_s: Floats, suspended_s: Floats, members: Ints, others: Ints) -> Bools:
    """Which of the others took a banned member's place, or were banned before a member took theirs.

    Parameters
    ----------
    created_s, suspended_s
        Shape (accounts,), in epoch seconds; NaN where it is not known or never happened.
    members, others
        Account numbers.

    Returns
    -------
    Shape (others,): signed up within `SUCCESSION_S` of a member's ban, or banned so shortly before a member's sign-up.
    """
    bans, births = np.sort(suspended_s[members]), np.sort(created_s[members])
    after = _follow(bans[~np.isnan(bans)], created_s[others])
    before = _follow(suspended_s[others], births[~np.isnan(births)], backwards=True)
    return after | before


def _follow(first: Floats, then: Floats, *, backwards: bool = False) -> Bools:
    """Of each `then`, whether a `first` (ascending) came shortly before; backwards, of each `first` whether a `then`
    (ascending) came shortly after. NaN never does."""
    asked = first if backwards else then
    if not len(first) or not len(then):
        return np.zeros(len(asked), dtype=bool)
    if backwards:
        gap = then[np.minimum(np.searchsorted(then, first), len(then) - 1)] - first
    else:
        gap = then - first[np.maximum(np.searchsorted(first, then, side="right") - 1, 0)]
    shortly: Bools = (gap >= 0) & (gap <= SUCCESSION_S)
    return shortly


def burst(created_s: Floats, everyone_s: Floats) -> Burst | None:
    """Did an unusual share of these accounts sign up within one day?

    Parameters
    ----------
    created_s
        Shape (members,), in epoch seconds; NaN where it is not known.
    everyone_s
        Sign-ups of all accounts of the log, sorted, without NaN. A day on which many sign up counts little.

    Returns
    -------
    None where fewer than four sign-ups are known.

    Notes
    -----
    Null: members sign up when the log's accounts do. Binomial tail of the fullest day, times the days tried
    (Bonferroni over the windows that begin with a member).
    """
    known = np.flatnonzero(~np.isnan(created_s))
    if len(known) < 4 or not len(everyone_s):
        return None
    order = known[np.argsort(created_s[known], kind="stable")]
    births = created_s[order]
    last = np.searchsorted(births, births + BURST_S, side="right")
    sizes = last - np.arange(len(births))
    others = np.searchsorted(everyone_s, births + BURST_S, side="right") - np.searchsorted(everyone_s, births)
    share = np.minimum((others + 1) / (len(everyone_s) + 1), 1.0)
    # The member that begins the day is given; the others fall into it or not.
    tails = np.array([_binomial_tail(int(k) - 1, len(births) - 1, float(p)) for k, p in zip(sizes, share, strict=True)])
    best = int(np.argmin(tails))
    members = np.zeros(len(created_s), dtype=bool)
    members[order[best : last[best]]] = True
    return Burst(
        opened=int(sizes[best]),
        known=len(births),
        begin_s=int(births[best]),
        background=float(share[best]),
        p_value=min(float(tails[best]) * len(births), 1.0),
        members=members,
    )


def _binomial_tail(successes: int, trials: int, chance: float) -> float:
    """P(at least so many)."""
    from scipy.special import bdtrc

    return 1.0 if successes <= 0 else float(bdtrc(successes - 1, trials, chance))
