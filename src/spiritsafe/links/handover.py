"""Does one account go on where another met its limit?

Whoever spreads a demand over accounts sends what was turned away at one account's limit again, over another, within
seconds. People whose own limit is met wait. Comes from exchanges; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

WITHIN_S: Final = 120
"""A program sends again at once, or after a pause of a minute; within two, other clocks included."""

AROUND_S: Final = 600
"""Ten minutes before and after say how often members ask the same in any case: a class on one exercise does."""

REFUSED_MINIMUM: Final = 2
"""One prompt that is asked again elsewhere may be a person with two accounts."""


@dataclass(frozen=True, slots=True)
class HandOvers:
    """Of `refused` prompts that were turned away at a limit, `taken` were asked by another member within two minutes,
    and `expected` would be by chance. `members` holds one p-value an account."""

    refused: int
    taken: int
    expected: float
    p_value: float
    members: Floats


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts and when some accounts sent them, parallel arrays. `member` numbers the accounts from 0."""

    member: Ints
    at_s: Ints
    item: Ints


def hand_overs(refused: Prompts, answered: Prompts, members: int) -> HandOvers | None:
    """Test whether prompts refused at limits are taken over by other members.

    Parameters
    ----------
    refused
        What was turned away at a limit. Of a prompt that met several limits the first counts.
    answered
        What was not.
    members
        How many accounts there are.

    Returns
    -------
    None where fewer than two prompts were refused.

    Notes
    -----
    Null: when others ask the same has nothing to do with the limit. Of it two things follow, and both must fall
    (intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790). A refusal at a random time within ten
    minutes would be followed within two with the share of that time that lies within two minutes before an answer;
    the sum of such trials has a tail no heavier than the binomial with their mean chance (Hoeffding 1956,
    doi:10.1214/aoms/1177728178), for counts above the mean. And who keeps step with others, as a class does, asks as
    often just before them as just after: a sign test. An account's trials are those in which it met the
    limit or could have taken; its count is held against a Poisson with their sum, and signed as well.
    """
    order = np.lexsort((refused.at_s, refused.item))
    first = order[np.flatnonzero(np.diff(refused.item[order], prepend=-1 - refused.item[order][:1]))]
    if len(first) < REFUSED_MINIMUM:
        return None
    order = np.lexsort((answered.at_s, answered.item))
    item, at_s, who = answered.item[order], answered.at_s[order], answered.member[order]
    chances, taken, signs = np.zeros(len(first)), np.zeros(len(first), dtype=bool), np.zeros((1, 2), dtype=np.int64)
    expected, seen = np.zeros(members), np.zeros(members, np.int64)
    signs_of = np.zeros((members, 2), dtype=np.int64)
    for trial, place in enumerate(first.tolist()):
        met, when = int(refused.member[place]), int(refused.at_s[place])
        here = slice(*(int(np.searchsorted(item, refused.item[place], side=side)) for side in ("left", "right")))
        others = who[here] != met
        theirs_s, whose = at_s[here][others], who[here][others]
        after_s = theirs_s - when
        soon = (after_s >= 0) & (after_s <= WITHIN_S)
        chances[trial], taken[trial] = _chance(theirs_s, when), soon.any()
        expected[met] += chances[trial]
        for one in np.unique(whose).tolist():
            expected[one] += _chance(theirs_s[whose == one], when)
        seen[met] += taken[trial]
        seen[np.unique(whose[soon])] += 1
        # In the same second is neither before nor after.
        for side, there in enumerate((soon & (after_s > 0), (after_s < 0) & (after_s >= -WITHIN_S))):
            signs[0, side] += there.any()
            signs_of[met, side] += there.any()
            signs_of[np.unique(whose[there]), side] += 1
    return HandOvers(
        refused=len(first),
        taken=int(taken.sum()),
        expected=float(chances.sum()),
        p_value=max(_binomial_tail(int(taken.sum()), chances), float(_signed(signs)[0])),
        members=np.maximum(_poisson_tail(seen, expected), _signed(signs_of)),
    )


def _chance(at_s: Ints, when_s: int) -> float:
    """The share of the time around `when_s` that is followed by one of `at_s` (ascending) within `WITHIN_S`."""
    ends = np.clip(at_s, when_s - AROUND_S, when_s + AROUND_S)
    begins = np.clip(at_s - WITHIN_S, when_s - AROUND_S, when_s + AROUND_S)
    begins = np.maximum(begins, np.concatenate([begins[:1], ends[:-1]]))
    return float(np.maximum(ends - begins, 0).sum()) / (2 * AROUND_S)


def _binomial_tail(successes: int, chances: Floats) -> float:
    """P(at least so many); 1 where Hoeffding's bound does not hold."""
    from scipy.special import bdtrc

    mean = float(chances.mean())
    if successes < 1 or successes < mean * len(chances) + 1:
        return 1.0
    return float(bdtrc(successes - 1, len(chances), mean))


def _signed(signs: Ints) -> Floats:
    """P(so many after, or more), where before is as likely. `signs` has shape (tests, 2): after and before."""
    from scipy.special import bdtrc

    after, every = signs[:, 0], signs.sum(axis=1)
    tails: Floats = np.where(after > 0, bdtrc(np.maximum(after - 1, 0), every, 0.5), 1.0)
    return tails


def _poisson_tail(seen: Ints, expected: Floats) -> Floats:
    """P(at least so many), for each account; 1 for who took no part."""
    from scipy.special import pdtrc

    tails: Floats = np.where(seen > 0, pdtrc(np.maximum(seen - 1, 0), expected), 1.0)
    return tails
