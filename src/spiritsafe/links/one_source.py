"""Do these accounts ask about one and the same source, or does each bring data of its own?

A template that went viral has hundreds of users, and each pastes something of its own into it: two prompts of one user
resemble one another more than prompts of two users do. Where one source is dealt out, whose prompt it is makes no
difference: prompts of two accounts resemble one another as much as prompts of one. What is compared is what is left
of the prompts when the template is taken off, so that the template cannot prove itself. And what anybody might ask is
no source of theirs: strangers of the same log are held against it too.

Comes from the exchanges of a group; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.links.asked import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.links.asked import Asked, Outsiders

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

ALIKE_OF_STRANGERS: Final = 1 / 3
"""The null: data of two accounts are at most a third as alike as data of one. Users of viral templates, popular apps
and gateways were measured at 0.00 to 0.27 (`docs/explanation/detection.md`)."""

COLLISIONS_MINIMUM: Final = 5.0
"""Independent resemblances inside accounts that one source must lead to expect; with fewer nothing is said."""

TEMPLATE_ACCOUNTS: Final = 0.3
"""A phrase that so many of the accounts repeat is the template's."""

HABIT_REQUESTS: Final = 3
HABIT_SHARE: Final = 0.02
WHOLE_PHRASES: Final = 3
"""A template is said whole: the middle one of all occurrences of its phrases stands in a prompt with two others or
more. What is said often in a language is said one phrase at a time."""

WHOLE_SHARE: Final = 0.6
PHRASES_A_REQUEST: Final = 2
"""A prompt is an instance of the template when it holds this much of what the middle one holds."""

COMMON_SHARE: Final = 0.1
"""Who deals a source out asks hardly anything twice. Where one prompt in ten is asked by several accounts, they have a
list in common, as classes and benchmarks do (`links.dealing`)."""

ACCOUNTS_MINIMUM: Final = 6
"""A handful of people who took one script and the data that came with it ask about one source too."""

CORE: Final = 48
"""So many accounts, evenly chosen, stand for a larger group; every account is then held against them."""

HOLDERS: Final = 200
"""Of phrases in more prompts than this nothing is learnt, and their pairs are many."""

COMMON_SOURCE: Final = 1 / 17
"""A source about which more of the strangers ask says nothing, as a value that more accounts hold ties nobody."""

MEMBERS_FIT: Final = 0.75
"""An account is shown to ask about the source when it resembles the others three quarters as much as one source would
make it. Strangers are held to less (`asked.FITS`): both err on the side of whoever is looked at."""

NEAR_SHARE: Final = (1 / 3, 1 / 2)
A_DOZEN: Final = 12
"""Where so large a share of the strangers who come near a source ask about it as its members do, it is the language, or
the subject, that makes them alike: a third for a few accounts, half for a dozen or more. Nine users of one viral
template in French were at 0.48, and some forty of 294 groups of campaigns between the two."""

ALIKE_MINIMUM: Final = 0.5
"""Nearer to one source than to none, too: of 294 groups of campaigns every one was at 0.6 at least, and eight
strangers who had one template and one subject at 0.42, which many prompts make significant."""

PROBABILITY_MINIMUM: Final = 1e-6
"""No fitted tail is believed below this."""


@dataclass(frozen=True, slots=True)
class OneSource:
    """How alike the data of a group's accounts are. `members` marks those that ask from what the others ask from.

    `alike` is Morisita's index: resemblance of prompts of two accounts over that of prompts of one account. 1 is one
    source, 0 are sources that have nothing in common. `prompts` were compared, and `inside` resemblances within
    accounts were found where one source leads to expect `expected`. `p_value` has the null that `alike` is a third at
    most. `outside` is the share of strangers that ask about the same, `near` that of strangers who come near it; more
    than seen are counted in both (`asked.Outsiders.fitting`). `instances` has shape (members,): how many prompts of
    each could be looked at.
    """

    prompts: int
    alike: float
    inside: float
    expected: float
    p_value: float
    outside: float
    near: float
    members: Bools
    instances: Ints

    @property
    def theirs(self) -> bool:
        """Whether it is one source, and hardly any stranger asks about it, even of those who come near."""
        most = NEAR_SHARE[len(self.members) >= A_DOZEN]
        return self.alike >= ALIKE_MINIMUM and self.outside <= COMMON_SOURCE and self.near <= most

    @property
    def shown(self) -> int:
        """How many members ask from the source."""
        return int(self.members.sum())


def one_source(asked: Asked, members: int, outsiders: Outsiders) -> OneSource | None:
    """Test whether accounts draw from one source of data.

    Parameters
    ----------
    asked
        Their prompts, the accounts numbered from 0.
    members
        How many accounts there are.
    outsiders
        What accounts in no group ask about.

    Returns
    -------
    None where the accounts or prompts are too few, or too little alike, to say, where several accounts ask the same
    ones, and where what they have in common is no template.

    Notes
    -----
    Of every phrase in `t` prompts each pair of prompts that hold it counts 1 / (t - 1), so that each of its occurrences
    counts one. `inside` is what falls to pairs of one account. If prompts were dealt at random, its mean and variance
    over all ways of dealing as many to each account are known exactly (join counts under randomisation: Cliff & Ord
    1981, Spatial Processes). Under the null there are more resemblances inside, by the index (Morisita 1959, Memoirs
    of the Faculty of Science, Kyushu University, Series E 3) at its bound; a gamma distribution with that mean and
    with the variance in proportion is the reference.
    """
    parted = _Parted.of(asked, members) if members >= ACCOUNTS_MINIMUM else None
    if parted is None:
        return None
    core = np.unique(np.linspace(0, members - 1, min(members, CORE)).astype(np.int64))
    chosen = parted.whole & np.isin(asked.account, core)
    entries = chosen[parted.rows]
    kept = _Collisions.of(asked.account, parted.rows[entries], parted.value[entries], chosen, members)
    if kept is None:
        return None
    expected, variance = kept.if_dealt()
    if expected <= 0 or variance <= 0 or expected**2 / variance < COLLISIONS_MINIMUM:
        return None
    from scipy.special import gammainc

    outside, near = outsiders.fitting(kept.source(parted))
    within = kept.within / kept.pairs_within
    between = (kept.every - kept.within) / kept.pairs_between
    null = kept.every / (1 + ALIKE_OF_STRANGERS * kept.pairs_between / kept.pairs_within)
    shape = null / (variance / expected)
    return OneSource(
        prompts=int(kept.prompts.sum()),
        alike=min(between / within, 9.99) if within > 0 else 9.99,
        inside=kept.within,
        expected=expected,
        p_value=max(float(gammainc(shape, kept.within * shape / null)), PROBABILITY_MINIMUM),
        outside=outside,
        near=near,
        members=kept.fitting(asked.account, parted, core),
        instances=np.bincount(asked.account[parted.whole], minlength=members),
    )


@dataclass(frozen=True, slots=True)
class _Parted:
    """Prompts parted into template and data.

    `phrases` (ascending) are all that is said; those of the data are in `rows` (prompts), and `value` says which.
    `whole` marks prompts that are instances of the template.
    """

    phrases: Ints
    rows: Ints
    value: Ints
    whole: Bools

    @classmethod
    def of(cls, asked: Asked, members: int) -> _Parted | None:
        """None where the accounts ask the same things, or nothing, or have no template."""
        rows = np.repeat(np.arange(len(asked.item)), np.diff(asked.begins))
        phrases, value = np.unique(asked.phrases, return_inverse=True)
        count = len(phrases)
        _, place, askers = np.unique(asked.item, return_inverse=True, return_counts=True)
        alone = askers[place.ravel()] == 1
        if not count or float(np.mean(~alone)) > COMMON_SHARE:
            return None
        said = np.unique(rows * count + value.ravel())
        rows, value = said // count, said % count
        pairs, held = np.unique(asked.account[rows] * count + value, return_counts=True)
        prompts = np.bincount(asked.account, minlength=members)
        habit = (held >= HABIT_REQUESTS) & (held >= HABIT_SHARE * prompts[pairs // count])
        repeated_by = np.bincount(pairs[habit] % count, minlength=count)
        template = repeated_by >= max(TEMPLATE_ACCOUNTS * members, 2)
        hits = np.bincount(rows, weights=template[value], minlength=len(asked.item))
        if not hits.any() or _middle_occurrence(hits) < WHOLE_PHRASES:
            return None
        used = hits >= PHRASES_A_REQUEST
        least = max(PHRASES_A_REQUEST, np.ceil(WHOLE_SHARE * float(np.median(hits[used]))))
        data = ~template[value]
        return cls(phrases, rows[data], value[data], alone & (hits >= least))


def _middle_occurrence(hits: NDArray[Any]) -> float:
    """In how many hits of its prompt the middle hit stands. `hits` has shape (prompts,)."""
    ordered = np.sort(hits)
    counted = np.cumsum(ordered)
    return float(ordered[np.searchsorted(counted, counted[-1] / 2)])


@dataclass(frozen=True, slots=True)
class _Collisions:
    """Resemblances between prompts: `every` of them, and those `within` one account.

    `prompts` has shape (members,), how many of each are compared. `squares` is the sum of the squared resemblances of
    pairs, `phrases_squared` that of prompts' telling phrases. `holders` has shape (phrases,): how many prompts hold a
    telling phrase, 0 for the others.
    """

    prompts: Floats
    every: float
    within: float
    squares: float
    phrases_squared: float
    holders: Ints

    @classmethod
    def of(cls, account: Ints, rows: Ints, value: Ints, chosen: Bools, members: int) -> _Collisions | None:
        """From phrases (`value`) of prompts (`rows`); None where no two prompts of one account could be alike."""
        from scipy.sparse import csr_array

        prompts = np.bincount(account[chosen], minlength=members).astype(np.float64)
        total = prompts.sum()
        if not (prompts >= 2).any() or total <= prompts.max():
            return None
        size = int(value.max(initial=-1)) + 1
        holders = np.bincount(value, minlength=size)
        telling = (holders[value] >= 2) & (holders[value] <= HOLDERS)
        rows, value = rows[telling], value[telling]
        if not len(rows):
            return None
        pairs, held = np.unique(account[rows] * size + value, return_counts=True)
        within = float((held * (held - 1) / 2 / (holders[pairs % size] - 1)).sum())
        number, place = np.unique(rows, return_inverse=True)
        columns, column = np.unique(value, return_inverse=True)
        root = 1 / np.sqrt(holders[value] - 1.0)
        matrix = csr_array((root, (place.ravel(), column.ravel())), shape=(len(number), len(columns)))
        alike = (matrix @ matrix.T).tocsr()
        own = np.bincount(place.ravel(), weights=root**2, minlength=len(number))
        squares = float((np.square(alike.data).sum() - np.square(own).sum()) / 2)
        # Every occurrence of a phrase counts one: a prompt's resemblances add up to its phrases.
        phrases = np.bincount(place.ravel(), minlength=len(number)).astype(np.float64)
        counted = np.zeros(size, dtype=np.int64)
        counted[columns] = holders[columns]
        return cls(prompts, float(phrases.sum() / 2), within, squares, float(np.square(phrases).sum()), counted)

    @property
    def pairs_within(self) -> float:
        """Pairs of prompts of one account."""
        return float((self.prompts * (self.prompts - 1) / 2).sum())

    @property
    def pairs_between(self) -> float:
        """Pairs of prompts of two accounts."""
        total = float(self.prompts.sum())
        return total * (total - 1) / 2 - self.pairs_within

    def if_dealt(self) -> tuple[float, float]:
        """Mean and variance of `within` when as many prompts are dealt to each account at random."""
        counts, total = self.prompts, float(self.prompts.sum())
        two, three, four = (_falling(counts, k).clip(0.0) for k in (2, 3, 4))
        twice = two.sum() / _falling(total, 2)
        thrice = three.sum() / _falling(total, 3) if total > 2 else 0.0
        apart = (four.sum() + two.sum() ** 2 - np.square(two).sum()) / _falling(total, 4) if total > 3 else 0.0
        sharing = self.phrases_squared - 2 * self.squares
        disjoint = self.every**2 - self.phrases_squared + self.squares
        variance = self.squares * twice + sharing * thrice + disjoint * apart - (self.every * twice) ** 2
        return float(self.every * twice), float(variance)

    @property
    def each(self) -> float:
        """Resemblance of a pair of prompts, were all dealt from one source."""
        total = float(self.prompts.sum())
        return self.every / (total * (total - 1) / 2)

    def source(self, parted: _Parted) -> Source:
        """What is asked about, for strangers to be held against."""
        telling = np.flatnonzero(self.holders)
        holders = self.holders[telling].astype(np.float64)
        return Source(
            phrases=parted.phrases[telling],
            weights=holders / (holders - 1),
            each=self.each * float(self.prompts.sum()),
        )

    def fitting(self, account_of: Ints, parted: _Parted, core: Ints) -> Bools:
        """Which accounts resemble the core as one source would make them. Shape (members,).

        `account_of` says whose each prompt is.
        """
        members, size = len(self.prompts), len(self.holders)
        counts = parted.whole[parted.rows] & (parted.value < size)
        account, value = account_of[parted.rows[counts]], parted.value[counts]
        account, value = account[self.holders[value] > 0], value[self.holders[value] > 0]
        pairs, held = np.unique(account * size + value, return_counts=True)
        who, phrase = pairs // size, pairs % size
        in_core = np.isin(np.arange(members), core)
        others = self.holders[phrase] - held * in_core[who]
        seen = np.bincount(who, weights=held * others / (self.holders[phrase] - 1), minlength=members)
        total = float(self.prompts.sum())
        prompts = np.bincount(account_of[parted.whole], minlength=members).astype(np.float64)
        wanted = prompts * (total - np.where(in_core, self.prompts, 0.0)) * self.each
        fits: Bools = (seen > 0) & (seen >= MEMBERS_FIT * wanted)
        return fits


def _falling(number: Floats | float, factors: int) -> Floats:
    """`number * (number - 1) * ...`, so many factors."""
    product = np.ones_like(np.asarray(number, dtype=np.float64))
    for step in range(factors):
        product = product * (np.asarray(number, dtype=np.float64) - step)
    return product
