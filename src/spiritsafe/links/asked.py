"""What accounts ask about: their prompts as lists of phrases, of a group or of strangers.

Comes from `campaigns.events.asked`; goes on to `links.one_source`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.links.ragged import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

FITS: Final = 0.5
"""A stranger asks about a source when it resembles its users at least half as much as one source would make it."""

NEAR: Final = 0.1
"""And comes near it from a tenth on: strangers who write the same language, or of the same subject."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Different prompts of some accounts, by ascending account: whose, which, and the phrases of each.

    `phrases[begins[k] : begins[k + 1]]` are those of prompt `k`; `begins` has one entry more than there are prompts.
    """

    account: Ints
    item: Ints
    phrases: Ints
    begins: Ints

    def of(self, accounts: Ints) -> Asked:
        """The prompts of these accounts (ascending), under their positions."""
        low, high = np.searchsorted(self.account, accounts), np.searchsorted(self.account, accounts, side="right")
        rows = ranges(low, high - low)
        sizes = np.diff(self.begins)[rows]
        return Asked(
            np.repeat(np.arange(len(accounts)), high - low),
            self.item[rows],
            self.phrases[ranges(self.begins[rows], sizes)],
            np.concatenate([[0], np.cumsum(sizes)]),
        )

    def and_of(self, more: Asked) -> Asked:
        """With the prompts of further accounts."""
        account = np.concatenate([self.account, more.account])
        order = np.argsort(account, kind="stable")
        begins = np.concatenate([self.begins[:-1], more.begins[:-1] + len(self.phrases)])[order]
        sizes = np.concatenate([np.diff(self.begins), np.diff(more.begins)])[order]
        return Asked(
            account[order],
            np.concatenate([self.item, more.item])[order],
            np.concatenate([self.phrases, more.phrases])[ranges(begins, sizes)],
            np.concatenate([[0], np.cumsum(sizes)]),
        )


@dataclass(frozen=True, slots=True)
class Source:
    """What a group asks about, for strangers to be held against: `phrases` (ascending) of its data weigh `weights`, and
    every prompt about it is expected to resemble it by `each`."""

    phrases: Ints
    weights: Floats
    each: float


@dataclass(frozen=True, slots=True)
class Outsiders:
    """What strangers of the same log ask about: `phrase` ascending, with the stranger (`account`) who said it in a
    prompt. `prompts` has shape (strangers,)."""

    phrase: Ints
    account: Ints
    prompts: Ints

    @classmethod
    def of(cls, asked: Asked) -> Outsiders:
        """From their prompts; accounts are numbered anew."""
        _, account = np.unique(asked.account, return_inverse=True)
        rows = np.repeat(np.arange(len(asked.item)), np.diff(asked.begins))
        # A phrase counts once in a prompt.
        order = np.lexsort((rows, asked.phrases))
        phrase, rows = asked.phrases[order], rows[order]
        new = np.ones(len(rows), dtype=bool)
        new[1:] = (np.diff(phrase) != 0) | (np.diff(rows) != 0)
        return cls(phrase[new], account.ravel()[rows[new]], np.bincount(account.ravel()))

    def fitting(self, source: Source) -> tuple[float, float]:
        """Share of the strangers that ask about a source, and their share of those who come near it.

        One more than seen is counted, of one more stranger and of three more who come near, so that few prove nothing.
        A member that nobody found counts as a stranger, which can only make the source look less theirs.
        """
        low, high = (np.searchsorted(self.phrase, source.phrases, side=side) for side in ("left", "right"))
        who = self.account[ranges(low, high - low)]
        seen = np.bincount(who, weights=np.repeat(source.weights, high - low), minlength=len(self.prompts))
        alike = seen / np.maximum(source.each * self.prompts, 1e-12)
        fits, near = int((alike >= FITS).sum()), int((alike >= NEAR).sum())
        return (fits + 1) / (len(self.prompts) + 1), (fits + 1) / (near + 3)
