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

SUCCESSION_S: Final = (3600, 12 * 3600)
"""A successor is opened within the hour of the ban, or within half a day. Both are looked at; the one that stands out
more is counted, and that two were tried."""

CHAIN_SHARE: Final = 0.1
"""Who is in the chain came so soon after a ban, or went so shortly before a sign-up, as one stranger in ten does: in a
week of many bans most who sign up follow one within half a day."""

BURST_S: Final = DAY_S
"""Sign-ups of one batch fall into a day."""

DRAWS: Final = 999


@dataclass(frozen=True, slots=True)
class Succession:
    """`followed` of `banned` members had another member opened within `within_s`; chance gives `expected`.

    `chance` has shape (members,): as `chance_of_succession` says it. `members` marks those in the chain.
    """

    banned: int
    followed: int
    expected: float
    within_s: int
    p_value: float
    members: Bools
    chance: Floats


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


def succession(
    created_s: Floats, suspended_s: Floats, members: Ints, window: Window, *, seed: int
) -> Succession | None:
    """Are this group's bans followed by sign-ups of this group?

    Parameters
    ----------
    created_s, suspended_s
        Shape (accounts,), of the whole log, in epoch seconds; NaN where it is not known or never happened.
    members
        Account numbers, ascending.
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
    kept; permutation test on how many are followed, for each of `SUCCESSION_S`, times their number.
    """
    opened_s, banned_s = created_s[members], suspended_s[members]
    banned = np.flatnonzero((banned_s >= window.begin_s) & (banned_s <= window.end_s))
    opened = np.flatnonzero(opened_s >= window.begin_s)
    if len(banned) < 2 or len(opened) < 2 or window.days < DAYS_MINIMUM:
        return None
    order = opened[np.argsort(opened_s[opened], kind="stable")]
    births, bans = opened_s[order], banned_s[banned]
    shifts = np.random.default_rng(seed).integers(1, window.days, (DRAWS, len(banned))) * DAY_S
    moved_s = window.begin_s + (bans - window.begin_s + shifts) % (window.days * DAY_S)
    gaps = [_gap(one, births) for one in moved_s]
    tests = [_chain_test(_gap(bans, births), gaps, within_s) for within_s in SUCCESSION_S]
    best = int(np.argmin([p_value for p_value, _ in tests]))
    p_value, expected = tests[best]
    chance = chance_of_succession(created_s, suspended_s, members, window)[members]
    return Succession(
        banned=len(banned),
        followed=int((_gap(bans, births) <= SUCCESSION_S[best]).sum()),
        expected=expected,
        within_s=SUCCESSION_S[best],
        p_value=min(p_value * len(SUCCESSION_S), 1.0),
        members=chance <= CHAIN_SHARE,
        chance=chance,
    )


def _chain_test(gaps_s: Floats, moved_gaps_s: list[Floats], within_s: int) -> tuple[float, float]:
    """The p-value of so many bans followed, and how many chance gives."""
    moved = np.array([(one <= within_s).sum() for one in moved_gaps_s], dtype=np.float64)
    count = float((gaps_s <= within_s).sum())
    ranked = float((1 + (moved >= count).sum()) / (1 + DRAWS))
    standardised = (count - moved.mean()) / max(float(moved.std()), 1e-9)
    return permuted_tail(standardised, moved, ranked=ranked), float(moved.mean())


def _gap(bans: Floats, births: Floats) -> Floats:
    """How long after each ban the next of the sign-ups (ascending) came, in seconds; infinite if none did."""
    gap: Floats = np.append(births, np.inf)[np.searchsorted(births, bans, side="right")] - bans
    return gap


def chance_of_succession(
    created_s: Floats, suspended_s: Floats, members: Ints, window: Window, *, others: Ints | None = None
) -> Floats:
    """How many strangers come as soon after a member's ban, or go as shortly before a member's sign-up.

    Parameters
    ----------
    created_s, suspended_s
        As for `succession`.
    members
        Account numbers.
    window
        What the log covers.
    others
        Who may be members, too. The rest are strangers.

    Returns
    -------
    Shape (accounts,): of each account, the share of strangers that are as close; 1 for who is not within the longest of
    `SUCCESSION_S`. To the strangers that came or went in the window one is added who did at a random time.
    """
    came = np.where(created_s >= window.begin_s, created_s, np.nan)
    went = np.where((suspended_s >= window.begin_s) & (suspended_s <= window.end_s), suspended_s, np.nan)
    bans, births = np.sort(went[members][~np.isnan(went[members])]), np.sort(came[members][~np.isnan(came[members])])
    strangers = np.ones(len(created_s), dtype=bool)
    strangers[members if others is None else np.append(members, others)] = False
    # Looked at backwards in time, a ban follows a sign-up.
    after = _as_close(-came, np.sort(-bans), strangers, window)
    before = _as_close(went, births, strangers, window)
    ways = (after < 1.0).astype(np.int64) + (before < 1.0)
    chance: Floats = np.minimum(np.minimum(after, before) * np.maximum(ways, 1), 1.0)
    return chance


def _as_close(at_s: Floats, then_s: Floats, strangers: Bools, window: Window) -> Floats:
    """The share of strangers that one of `then_s` (ascending) follows as soon as it follows each account."""
    share = np.ones(len(at_s))
    known = ~np.isnan(at_s)
    gap = _gap(at_s[known], then_s)
    close = np.flatnonzero(gap <= SUCCESSION_S[-1])
    if len(close):
        theirs = np.sort(gap[strangers[known]])
        apart = np.append(np.diff(then_s), np.inf)
        random = np.array([np.minimum(apart, one).sum() for one in gap[close]]) / max(window.end_s - window.begin_s, 1)
        as_close = np.searchsorted(theirs, gap[close], side="right") + np.minimum(random, 1.0)
        share[np.flatnonzero(known)[close]] = as_close / (len(theirs) + 1)
    return share


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
