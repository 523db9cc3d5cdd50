"""How strongly one agreement says that two accounts have the same operator.

"Same payment card", "the same rare sentence in their prompts": each is worth the log of how much likelier it
is under one operator than under two. Bits, so that independent agreements add. How common a value is among
*this log's* accounts sets the chance; no list of popular values is kept. Comes from the agreements that
`links.phrases` and `links.infrastructure` find; goes on to `campaigns.grouping`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class ProbabilityError(InputError):
    """A probability is missing, or is not strictly between 0 and 1."""

    code: ClassVar[str] = "links.probability"


def match_weight(same: Floats, chance: Floats) -> Floats:
    """Evidence for one operator carried by each agreement.

    Parameters
    ----------
    same
        Shape (k,). P(agree | one operator), each in (0, 1).
    chance
        Shape (k,). P(agree | two unrelated operators), each in (0, 1).

    Returns
    -------
    Shape (k,), in bits. +10 is about 1000 to 1 for one operator; 0 says nothing.

    Raises
    ------
    ProbabilityError
        A value is 0, 1, NaN or outside: certainty has no finite weight.

    Examples
    --------
    >>> match_weight(np.array([0.9]), np.array([0.001])).round(2)
    array([9.81])

    Source: Fellegi & Sunter (1969), doi:10.1080/01621459.1969.10501049 (their m and u).
    """
    both = np.concatenate([same, chance])
    if not np.all((both > 0) & (both < 1)):
        raise ProbabilityError(
            "`same` and `chance` must lie strictly inside (0, 1)",
            hint="smooth the counts first: (agreements + 0.5) / (pairs + 1)",
        )
    return np.log2(same / chance)


def chance_of_sharing(holders: Ints, accounts: int | Ints) -> Floats:
    """P(another, unrelated account has a value), from how many accounts hold it.

    Given that one account holds the value, the chance that a second account picked at random holds it too is
    about (holders - 1) / (accounts - 1); half a count is added so that it is never 0 or 1.

    Parameters
    ----------
    holders
        Shape (k,). Accounts that hold each value, at least 1.
    accounts
        Accounts for which the column was observable; shape (k,) where it differs by value.

    Returns
    -------
    Shape (k,), each in (0, 1).

    Examples
    --------
    >>> chance_of_sharing(np.array([2, 500]), 1001).round(4)
    array([0.0015, 0.499 ])
    """
    chance: Floats = (holders.astype(np.float64) - 1 + 0.5) / (np.maximum(accounts, 2) - 1 + 1)
    return chance


def rarity_bits(holders: Ints, accounts: int | Ints, *, same: float = 0.9) -> Floats:
    """`match_weight` of agreeing on a value that `holders` of `accounts` hold. Shape (k,), in bits."""
    chance = chance_of_sharing(holders, accounts)
    return match_weight(np.full(chance.shape, same), chance)
