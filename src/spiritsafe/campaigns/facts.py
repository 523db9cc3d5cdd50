"""What is known of one group, gathered before anything is judged.

Pure bookkeeping over arrays: who holds what in common, how much they asked, under which names. Comes from
`campaigns.holdings` and `signals`; goes on to `campaigns.axes`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.campaigns.model import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.campaigns.conduct import Conduct
    from spiritsafe.campaigns.holdings import Holdings
    from spiritsafe.campaigns.tying import Found

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


ONE_NAME_SHARE: Final = 0.8
"""Who hides behind several shells puts half of its accounts under one of them; a company puts all under its own."""


SEVERAL: Final = 4
"""Accounts of one verified organisation in a group from which on they are that organisation's, not shells."""


QUEUE_P: Final = 0.001
"""A class or a benchmark's users are many, so that what would make a campaign of one must be plain."""

OWN_PHRASES: Final = 3
OWN_SHARE: Final = 2 / 3
"""A template is a group's own when two in three members use three of its phrases, and two in three of all who use these
are members: of what many use, or of what is said in a language that few write, most users are strangers."""


@dataclass(frozen=True, slots=True)
class SharedValue:
    """A value that several members hold. `members` are positions in the group, not account numbers.

    `holders` counts accounts of the whole log, of `observed` for which the thing is known at all; of a phrase,
    `observed` counts the accounts that talk as its holders do.
    """

    thing: str
    label: str
    kind: str
    bits: float
    holders: int
    observed: int
    members: Ints


@dataclass(frozen=True, slots=True)
class Attested:
    """Who vouches for an account, and for how many of its exchanges the word was in force."""

    kind: str
    owner: str
    reason: str
    covered: int
    exchanges: int

    @property
    def most(self) -> bool:
        """Whether at least half of the account's exchanges are covered: only then it counts as attested."""
        return self.covered * 2 >= self.exchanges


@dataclass(frozen=True, slots=True)
class Activity:
    """What a group did, counted over its requests: the models asked, and (hours since the log's first, exchanges).

    Of `prompts` that were there to be read, `distinct_prompts` differ from one another, whoever sent them.
    """

    models: tuple[str, ...]
    hourly: tuple[tuple[int, int], ...]
    prompts: int
    distinct_prompts: int


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of the log as a whole; the background a group is compared with.

    `signals` holds one NumPy array a signal column, indexed by account number. `observable` names the
    contract columns that have any value. `attested` maps account numbers to who vouches for them; None when no
    attestations were given, so that nobody could look.
    """

    signals: dict[str, NDArray[Any]]
    observable: frozenset[str]
    attested: dict[int, Attested] | None = None

    @property
    def accounts(self) -> int:
        return len(self.signals["exchanges"])

    @property
    def exchanges(self) -> int:
        return int(self.signals["exchanges"].sum())

    @property
    def verified_organisations(self) -> Ints:
        """The verified organisation of each account, numbered from 0; -1 where there is none. Shape (accounts,)."""
        return self._organisations(verified=True)

    @property
    def stated_organisations(self) -> Ints:
        """The organisation that each account states and nobody verified, numbered from 0; -1 where there is none."""
        return self._organisations(verified=False)

    def _organisations(self, *, verified: bool) -> Ints:
        owner = np.full(self.accounts, -1, dtype=np.int64)
        if {"organization_verified", "organization_id"} <= self.observable:
            names = self.signals["organization_id"]
            told = zip(self.signals["organization_verified"], names, strict=True)
            chosen = [place for place, (sure, name) in enumerate(told) if name is not None and bool(sure) is verified]
            owner[chosen] = np.unique(names[chosen].astype(str), return_inverse=True)[1]
        return owner


@dataclass(frozen=True, slots=True)
class Names:
    """Whose a group's members are, as far as a contract or KYC says.

    `accounts` are the members, `known` those of which it is known whether their organisation is verified. Of
    these `verified` belong to one of `organisations` verified ones, `largest` to the largest of them; the others
    are verified by nobody, whatever name they gave. `stated` give one and the same name, verified or not. `settled`
    belong to verified organisations that have at least `SEVERAL` of the members.
    """

    accounts: int
    known: int
    verified: int
    organisations: int
    largest: int
    stated: int
    settled: int

    @property
    def counted(self) -> str:
        """Which accounts a sentence is about: all of them, or those of which it is known."""
        if self.known == self.accounts:
            return f"{self.accounts} accounts"
        return f"the {self.known} accounts (of {self.accounts}) whose verification is known"

    @property
    def enough(self) -> bool:
        """Whether at least half of the members are known: fewer cannot speak for the group."""
        return self.known > 0 and self.known * 2 >= self.accounts

    @property
    def verified_organisations(self) -> bool:
        """Whether at least half of those known belong to verified organisations that have several accounts here."""
        return self.enough and self.settled * 2 >= self.known

    @property
    def one_stated_name(self) -> bool:
        """Whether nearly all of those known give one name, verified or not."""
        return self.enough and self.stated >= ONE_NAME_SHARE * self.known

    @property
    def one_organisation(self) -> bool:
        """Whether at least half of those known belong to one verified organisation."""
        return self.enough and self.largest * 2 >= self.known


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One group: its accounts, what they share, and their bits by kind of evidence.

    `bits[kind]` has one entry a member: the weight of the rarest value of that kind shared with another
    member. Within a kind agreements depend on one another (an address implies its network, one phrase the
    next), so the strongest counts and the rest do not add. `without` names the kinds that were not needed to find the
    group. `conduct` is how the accounts act beside one another, once it was looked at, and `chance`, shape (members,),
    of how many strangers one shows as much as each besides wording. `template_users` accounts outside sent the group's
    template, `let_go` were found with the members and showed nothing but words. Where too few would have been left
    without those, they stay in it, and it is `scattered`.
    """

    accounts: Ints
    shared: tuple[SharedValue, ...]
    bits: dict[str, Floats]
    without: frozenset[EvidenceKind] = frozenset()
    conduct: Conduct | None = None
    chance: Floats | None = None
    template_users: int = 0
    let_go: int = 0
    scattered: bool = False

    def of(self, log: Log, name: str) -> NDArray[Any]:
        """A signal of the members. Shape (members,)."""
        return log.signals[name][self.accounts]

    def attested(self, log: Log) -> list[Attested]:
        """Attestations of members of which an exchange is covered, in order of account number."""
        told = log.attested or {}
        return [told[int(one)] for one in self.accounts if int(one) in told]

    def names(self, log: Log) -> Names:
        """Whose accounts these are, counted over the members of which it is known: a missing cell says nothing, and
        in a log without any name of an organisation nobody can say whether they have one."""
        known = []
        if {"organization_verified", "organization_id"} <= log.observable:
            told = zip(self.of(log, "organization_verified"), self.of(log, "organization_id"), strict=True)
            known = [one for one in told if one[0] is not None]
        organizations = Counter(name for verified, name in known if verified and name is not None)
        return Names(
            accounts=len(self.accounts),
            known=len(known),
            verified=organizations.total(),
            organisations=len(organizations),
            largest=max(organizations.values(), default=0),
            settled=sum(count for count in organizations.values() if count >= SEVERAL),
            stated=max(Counter(name for _, name in known if name is not None).values(), default=0),
        )

    @property
    def own_template(self) -> bool:
        """Whether most members have wording in common that hardly anybody else uses. Wording of their prompts: one
        application's users have its system prompt in common."""
        size = len(self.accounts)
        common = [one for one in self.shared if one.thing == "phrase" and len(one.members) >= OWN_SHARE * size]
        return sum(len(one.members) >= OWN_SHARE * one.holders for one in common) >= OWN_PHRASES

    @property
    def takes_turns(self) -> bool:
        """Whether one demand is dealt out to the members in turns: what several of them ask stands in one queue."""
        took = None if self.conduct is None else self.conduct.turns
        return took is not None and took.p_value <= QUEUE_P

    def total_bits(self) -> Floats:
        """Bits of all kinds together, for each member."""
        total: Floats = np.sum(list(self.bits.values()), axis=0)
        return total


def activities_of(busy: pa.Table, asked: pa.Table, *, groups: int) -> list[Activity]:
    """What each group did.

    Parameters
    ----------
    busy, asked
        As `campaigns.events.activity` and `campaigns.events.prompts` count it.
    groups
        How many there are; they are numbered from 0.
    """
    hourly: list[Counter[int]] = [Counter() for _ in range(groups)]
    models: list[set[str]] = [set() for _ in range(groups)]
    for row in busy.to_pylist():
        hourly[row["number"]][row["hour"]] += row["exchanges"]
        models[row["number"]] |= {row["model"]} - {None}
    prompts = {row["number"]: row for row in asked.to_pylist()}
    return [
        Activity(
            models=tuple(sorted(models[number])),
            hourly=tuple(sorted(hourly[number].items())),
            prompts=prompts[number]["prompts"],
            distinct_prompts=prompts[number]["distinct_prompts"],
        )
        for number in range(groups)
    ]


def gather(groups: Sequence[Found], holdings: Holdings) -> list[GroupFacts]:
    """Facts of every group.

    Parameters
    ----------
    groups
        Groups with ascending account numbers.
    holdings
        What the groups were tied by.

    Returns
    -------
    One `GroupFacts` a group, in the same order.
    """
    if not groups:
        return []
    size = max(int(group.accounts[-1]) for group in groups) + 1
    group_of = np.full(size, -1, dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[group.accounts] = number
    inside = (holdings.account < size) & (group_of[np.minimum(holdings.account, size - 1)] >= 0)
    rows = np.flatnonzero(inside)
    owner = group_of[holdings.account[rows]]
    order = rows[np.argsort(owner, kind="stable")]
    bounds = np.searchsorted(np.sort(owner), np.arange(len(groups) + 1))
    return [
        _gather_one(group, order[bounds[number] : bounds[number + 1]], holdings) for number, group in enumerate(groups)
    ]


def _gather_one(found: Found, rows: Ints, holdings: Holdings) -> GroupFacts:
    group = found.accounts
    position = np.searchsorted(group, holdings.account[rows])
    order = np.lexsort((position, holdings.value[rows]))
    rows, position = rows[order], position[order]
    # What only one member holds it shares with strangers: that says nothing of the group.
    _, number, held_by = np.unique(holdings.value[rows], return_inverse=True, return_counts=True)
    together = held_by[number] > 1
    rows, position = rows[together], position[together]
    begins = np.flatnonzero(np.diff(holdings.value[rows], prepend=-1))
    ends = np.append(begins, len(rows))[1:].tolist()
    shared = [
        SharedValue(
            thing=holdings.things[value],
            label=holdings.labels[value],
            kind=holdings.kind(value),
            bits=weight,
            holders=holders,
            observed=observed,
            members=position[begin:end],
        )
        for value, weight, holders, observed, begin, end in zip(
            holdings.value[rows[begins]].tolist(),
            holdings.bits[rows[begins]].tolist(),
            holdings.holders[rows[begins]].tolist(),
            holdings.observed[rows[begins]].tolist(),
            begins.tolist(),
            ends,
            strict=True,
        )
    ]
    bits = {kind.value: np.zeros(len(group)) for kind in EvidenceKind}
    for one in shared:
        strongest = bits[one.kind]
        strongest[one.members] = np.maximum(strongest[one.members], one.bits)
    shared.sort(key=lambda one: (-len(one.members) * one.bits, one.thing, one.label))
    return GroupFacts(accounts=group, shared=tuple(shared), bits=bits, without=found.without)
