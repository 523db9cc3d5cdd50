"""Which accounts are tied, and the groups that they form.

Three rules, each about something that strangers do not share: most of a template; a means of payment or an identity
together with an address or a client; several conversations. Accounts that are tied to one another more than to others
form a group. How a group was found is kept, since evidence that made it cannot prove it. Comes from
`campaigns.holdings`; goes on to `campaigns.facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.campaigns.facts import ONE_NAME_SHARE, SEVERAL
from spiritsafe.campaigns.grouping import apart_at_one, communities, components
from spiritsafe.campaigns.model import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.holdings import Holdings

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

TEMPLATE_SHARE: Final = 0.4
"""How much of two accounts' habits must be the same to tie them: 1 is the same template and nothing else. A tie weighs
as much as its share; what strangers share by chance ties them to nobody else (`docs/explanation/detection.md`)."""

TEMPLATE_PHRASES: Final = 3
"""And at least so many phrases, six words or so. Prompts that are worded anew each time have few habits."""

EMPHASIS: Final = 3
"""How much more whole templates tie than halves: a tie weighs its similarity to this power."""

LONG_THINGS: Final = ("system_prompt_hash", "tool_schema_hash")
LONG_PHRASES: Final = 8.0
"""A system prompt, and the tools that are offered, count as so many phrases: each is a sentence or more, and known by
one hash. They count from `GROUP_MINIMUM` accounts on; that two or three have one in common is chance, since ordinary
ones come up again."""

CONVERSATIONS: Final = 2
"""Conversations in common that tie two accounts as much as anything can. One ties half as much: it may be an id that
two customers chose alike ("test", "1")."""

STRAGGLER_WEIGHT: Final = 0.8
STRAGGLER_SHARE: Final = 0.25
"""A member is tied to two or three others by a template, or to one by anything else; and its ties weigh a quarter of
what ties the group's middle member."""

NEIGHBOURS: Final = 16

PAIRS_AT_ONCE: Final = 100_000
"""Pairs whose habits are compared in one go: some 50 MB."""

COMPANY: Final = 24
"""Accounts that state one organisation, and are so many, are taken for a company's that nobody verified. An operator's
shells have few accounts each; strangers state no name, or each their own."""

GROUP_MINIMUM: Final = 4
"""Smaller groups are not looked at: two or three people who share a flat or a script are no campaign."""


@dataclass(frozen=True, slots=True)
class Found:
    """A group of accounts and how it was found.

    `without` names the kinds of evidence without whose ties at least half of the group still hangs together: what those
    kinds say of the group was not used to find it.
    """

    accounts: Ints
    without: frozenset[EvidenceKind]


def tie(
    holdings: Holdings,
    *,
    organisation: Ints | None = None,
    stated: Ints | None = None,
    minimum: int = GROUP_MINIMUM,
) -> list[Found]:
    """The groups: accounts that are tied to one another more than to others.

    Parameters
    ----------
    holdings
        Rare values and who holds them.
    organisation
        Shape (accounts,): the verified organisation of each, -1 where there is none.
    stated
        Shape (accounts,): the organisation that each states and nobody verified, -1 where there is none.
    minimum
        Smaller groups are left out.

    Returns
    -------
    Largest group first, then by first account.
    """
    accounts = holdings.accounts
    content, alike = _same_template(holdings)
    owner = _same_owner(holdings)
    conversations, carried = _same_conversations(holdings)
    rules = {
        frozenset({EvidenceKind.CONTENT}): content,
        frozenset({EvidenceKind.IDENTITY, EvidenceKind.INFRASTRUCTURE}): owner,
        frozenset({EvidenceKind.WORK}): conversations,
    }
    every, weight = _together(list(rules.values()), [alike, np.ones(len(owner)), carried])
    labels = communities(accounts, every // accounts, every % accounts, weight)
    labels = apart_at_one(labels, every // accounts, every % accounts, weight, least=minimum)
    labels = _without_stragglers(labels, every // accounts, every % accounts, weight)
    if organisation is not None:
        labels = _organisations_apart(labels, organisation)
    if stated is not None:
        labels = _companies_apart(labels, stated)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    kept = sorted((g for g in groups if len(g) >= minimum), key=lambda group: (-len(group), int(group[0])))
    apart = {
        kinds: _joined([pairs for other, pairs in rules.items() if other is not kinds], accounts) for kinds in rules
    }
    return [
        Found(group, frozenset().union(*(kinds for kinds, label in apart.items() if _holds(label[group]))))
        for group in kept
    ]


def _together(rules: Sequence[Ints], weights: Sequence[Floats]) -> tuple[Ints, Floats]:
    """Every tied pair once, and what its ties weigh together."""
    every, place = np.unique(np.concatenate(rules), return_inverse=True)
    weight = np.concatenate(weights)
    total: Floats = np.bincount(place.ravel(), weights=weight, minlength=len(every)).astype(np.float64)
    return every, total


def _without_stragglers(labels: Ints, a: Ints, b: Ints, weight: Floats) -> Ints:
    """Accounts that little ties to their group stand alone: little in itself, or beside what ties the others."""
    inside = labels[a] == labels[b]
    held = np.bincount(a[inside], weights=weight[inside], minlength=len(labels))
    held += np.bincount(b[inside], weights=weight[inside], minlength=len(labels))
    order = np.lexsort((held, labels))
    sizes = np.bincount(labels)
    middle = held[order][np.cumsum(sizes) - sizes + sizes // 2]
    alone = (held < STRAGGLER_WEIGHT) | (held < STRAGGLER_SHARE * middle[labels])
    labels = labels.copy()
    labels[alone] = len(labels) + np.arange(int(alone.sum()))
    named: Ints = np.unique(labels, return_inverse=True)[1].ravel()
    return named


def _organisations_apart(labels: Ints, organisation: Ints) -> Ints:
    """Accounts of verified organisations that got among strangers are groups of their own.

    Several of one organisation are its own business, whoever else uses the same card, address or wording. Where such
    are half of a group they speak for all of it (`facts.Names.verified_organisations`), and it is left whole.
    """
    place, size = _of_one_name(labels, organisation)
    settled = size >= SEVERAL
    strangers = 2 * np.bincount(labels, weights=settled) < np.bincount(labels)
    return _apart(labels, settled & strangers[labels], place)


def _companies_apart(labels: Ints, stated: Ints) -> Ints:
    """The many accounts of one unverified name are a group of their own, unless they are nearly all of one.

    A name is no proof. But so many under one are as likely a company's, and by themselves they neither hide nor show
    who they are (`axes.concealment`): among others they must not take on what those hide.
    """
    place, size = _of_one_name(labels, stated)
    strangers = size < ONE_NAME_SHARE * np.bincount(labels)[labels]
    return _apart(labels, (size >= COMPANY) & strangers, place)


def company(stated: Ints) -> int | None:
    """The unverified name that nearly all of a group state, if they are as many as a company's accounts.

    Parameters
    ----------
    stated
        Shape (members,): the organisation that each states and nobody verified, -1 where there is none.
    """
    names, counts = np.unique(stated[stated >= 0], return_counts=True)
    most = int(counts.max(initial=0))
    if most < COMPANY or most < ONE_NAME_SHARE * len(stated):
        return None
    return int(names[counts.argmax()])


def _of_one_name(labels: Ints, organisation: Ints) -> tuple[Ints, Ints]:
    """Of each account the number of its group and organisation together, and how many it is of; 0 without any."""
    pairs = labels * (int(organisation.max(initial=-1)) + 2) + organisation + 1
    _, place, size = np.unique(pairs, return_inverse=True, return_counts=True)
    of: Ints = np.where(organisation >= 0, size[place.ravel()], 0)
    return place.ravel(), of


def _apart(labels: Ints, moved: Bools, place: Ints) -> Ints:
    labels = labels.copy()
    labels[moved] = len(labels) + place[moved]
    named: Ints = np.unique(labels, return_inverse=True)[1].ravel()
    return named


def _joined(pairs: list[Ints], accounts: int) -> Ints:
    every = np.concatenate(pairs)
    return components(accounts, every // accounts, every % accounts)


def _holds(labels: Ints) -> bool:
    """Whether at least half of these accounts are still in one piece."""
    return 2 * int(np.bincount(labels).max()) >= len(labels)


def _same_template(holdings: Holdings) -> tuple[Ints, Floats]:
    """Pairs of which many habits are the same: `a * accounts + b` with a < b, and how alike they are. Shape (pairs,).

    The weighted Jaccard similarity of habits: of each phrase the smaller share of requests over the larger, weighed
    by the phrase's bits (Ruzicka 1958; Ioffe 2010, doi:10.1109/ICDM.2010.80). Two templates that have a sentence in
    common are not the same; two accounts of which one does other things besides are still half alike.
    """
    said = holdings.of_kind(EvidenceKind.CONTENT)
    accounts = holdings.accounts
    leads = np.array([thing in LONG_THINGS for thing in holdings.things], dtype=bool)
    held_by = np.bincount(holdings.value, minlength=len(holdings.things))
    worth = np.where(leads & (held_by >= GROUP_MINIMUM), LONG_PHRASES, 1.0)
    pairs, _ = neighbours(holdings, said, accounts)
    if not len(pairs):
        return pairs, np.empty(0)
    from scipy.sparse import csr_array

    account, value = holdings.account[said], holdings.value[said]
    phrases = worth[value]
    share = holdings.share[said] * holdings.bits[said] * np.sqrt(phrases)
    length = np.sqrt(np.bincount(account, weights=np.square(share), minlength=accounts))
    shape = (accounts, len(holdings.things))
    habits = csr_array((share / np.maximum(length, 1e-12)[account], (account, value)), shape=shape)
    counts = csr_array((np.sqrt(phrases), (account, value)), shape=shape)
    alike, count = np.empty(len(pairs)), np.empty(len(pairs))
    for begin in range(0, len(pairs), PAIRS_AT_ONCE):
        part = slice(begin, begin + PAIRS_AT_ONCE)
        one, other = pairs[part] // accounts, pairs[part] % accounts
        alike[part] = habits[one].multiply(habits[other]).sum(axis=1)
        count[part] = counts[one].multiply(counts[other]).sum(axis=1)
    same = (count >= TEMPLATE_PHRASES) & (alike >= TEMPLATE_SHARE)
    return pairs[same], alike[same] ** EMPHASIS


def _same_owner(holdings: Holdings) -> Ints:
    """Pairs with a thing of each of two kinds in common: the same card and the same address."""
    accounts = holdings.accounts
    same_identity, _ = neighbours(holdings, holdings.of_kind(EvidenceKind.IDENTITY), accounts)
    same_infrastructure, _ = neighbours(holdings, holdings.of_kind(EvidenceKind.INFRASTRUCTURE), accounts)
    both: Ints = np.intersect1d(same_identity, same_infrastructure, assume_unique=True)
    return both


def _same_conversations(holdings: Holdings) -> tuple[Ints, Floats]:
    """Pairs with conversations in common, and how much these tie them: 1 from `CONVERSATIONS` on."""
    pairs, count = neighbours(holdings, holdings.of_kind(EvidenceKind.WORK), holdings.accounts)
    return pairs, np.minimum(count / CONVERSATIONS, 1.0)


def neighbours(holdings: Holdings, chosen: Bools, accounts: int) -> tuple[Ints, Ints]:
    """Pairs of accounts that hold a value in common, and how many values they have in common.

    Each holder is paired with the next `NEIGHBOURS` holders in order of account number. The order is the
    same for every value, so accounts that share many values meet in many of them, and a value that n
    accounts hold costs n * NEIGHBOURS pairs and not n squared.

    Returns
    -------
    Shape (pairs,): `a * accounts + b` with a < b, ascending; and shape (pairs,): the counts.
    """
    value, account = holdings.value[chosen], holdings.account[chosen]
    order = np.lexsort((account, value))
    value, account = value[order], account[order]
    pieces = []
    for step in range(1, min(NEIGHBOURS, max(len(value) - 1, 0)) + 1):
        same = value[step:] == value[:-step]
        pieces.append(account[:-step][same] * accounts + account[step:][same])
    pairs = np.sort(np.concatenate(pieces)) if pieces else np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])) if len(pairs) else pairs
    return pairs[first], np.diff(np.append(first, len(pairs)))
