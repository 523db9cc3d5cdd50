"""Weighed holdings, and the groups of accounts that they tie together.

A holding is "this account has this value": a habitual phrase, an address, a means of payment. Its weight is
the rarity of the value in this log. Accounts that hold enough rare values in common are tied; accounts tied
directly or through others form a group. This is the floor: one tie in error joins two groups. Comes from `links`;
goes on to `campaigns.facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.campaigns.grouping import components
from spiritsafe.links.infrastructure import ACCOUNT_THINGS, REQUEST_THINGS
from spiritsafe.links.weights import rarity_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TYING_BITS: Final = 4.0
"""A value ties its holders from 16 : 1 on: fewer than one account in 17 may hold it."""

TEMPLATE_PHRASES: Final = 8
"""Phrases in common that tie two accounts: eight runs of four words are a sentence. With three, half of a
thousand honest developers hang together (`docs/explanation/the-floor.md`)."""

NEIGHBOURS: Final = 8

GROUP_MINIMUM: Final = 4
"""Smaller groups are not looked at: two or three people who share a flat or a script are no campaign."""

_KINDS: Final = {"phrase": "content"} | REQUEST_THINGS | ACCOUNT_THINGS


@dataclass(frozen=True, slots=True)
class Holdings:
    """Parallel arrays, one entry a holding of a value that ties.

    `account` is the account's number, `value` numbers the distinct (thing, value) pairs; `things` and
    `labels` name each value by its number.
    """

    account: Ints
    value: Ints
    requests: Ints
    bits: Floats
    holders: Ints
    things: tuple[str, ...]
    labels: tuple[str, ...]

    def kind(self, value: int) -> str:
        """The kind of evidence a value is."""
        return _KINDS[self.things[value]]


def weigh(phrases: pa.Table, things: pa.Table, *, accounts: int, tying_bits: float = TYING_BITS) -> Holdings:
    """Give every holding its weight and keep those that tie.

    Parameters
    ----------
    phrases
        As `links.habitual_phrases` computes it.
    things
        As `links.shared_things` computes it.
    accounts
        Accounts in the log.
    tying_bits
        Values of less weight are dropped, in bits.

    Returns
    -------
    The holdings in a fixed order (by thing, value and account).
    """
    said = pa.table(
        {
            "account": phrases["account"],
            "thing": pa.array(["phrase"] * phrases.num_rows, pa.string()),
            "value": phrases["phrase"].cast(pa.string()),
            "requests": phrases["requests"],
            "holders": phrases["holders"],
            "observed": pa.array(np.full(phrases.num_rows, accounts, dtype=np.int64)),
        }
    )
    rows = pa.concat_tables([said, things.select(said.column_names).cast(said.schema)])
    bits = _bits(rows)
    rows = rows.append_column("bits", pa.array(bits)).filter(pa.array(bits >= tying_bits))
    rows = rows.sort_by([("thing", "ascending"), ("value", "ascending"), ("account", "ascending")])
    names = pc.binary_join_element_wise(rows["thing"], rows["value"], "\x1f").combine_chunks()
    numbered = names.dictionary_encode()
    labels = [name.split("\x1f", 1) for name in numbered.dictionary.to_pylist()]
    return Holdings(
        account=rows["account"].to_numpy(),
        value=numbered.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        requests=rows["requests"].to_numpy(),
        bits=rows["bits"].to_numpy(),
        holders=rows["holders"].to_numpy(),
        things=tuple(thing for thing, _ in labels),
        labels=tuple(label for _, label in labels),
    )


def _bits(rows: pa.Table) -> Floats:
    holders = rows["holders"].to_numpy().astype(np.int64)
    observed = rows["observed"].to_numpy().astype(np.int64)
    bits = np.zeros(len(holders))
    for total in np.unique(observed):
        here = observed == total
        bits[here] = rarity_bits(holders[here], int(total))
    return bits


def tie(holdings: Holdings, *, accounts: int, minimum: int = GROUP_MINIMUM) -> list[Ints]:
    """The groups: accounts that are tied directly or through others.

    Two accounts are tied by `TEMPLATE_PHRASES` habitual phrases in common (a sentence or so), or by a thing
    of each of two kinds (the same card and the same address). One phrase, or one address, ties nobody.

    Parameters
    ----------
    holdings
        Rare values and who holds them.
    accounts
        How many accounts there are.
    minimum
        Smaller groups are left out.

    Returns
    -------
    Account numbers of each group in ascending order; largest group first, then by first account.
    """
    of_phrase = np.array([thing == "phrase" for thing in holdings.things], dtype=bool)
    of_identity = np.array([_KINDS[thing] == "identity" for thing in holdings.things], dtype=bool)
    said = of_phrase[holdings.value]
    known = of_identity[holdings.value]
    wording, phrases = _neighbours(holdings, said, accounts)
    same_identity, _ = _neighbours(holdings, known, accounts)
    same_infrastructure, _ = _neighbours(holdings, ~said & ~known, accounts)
    pairs = np.concatenate(
        [wording[phrases >= TEMPLATE_PHRASES], np.intersect1d(same_identity, same_infrastructure, assume_unique=True)]
    )
    labels = components(accounts, pairs // accounts, pairs % accounts)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(labels))[:-1])
    kept = [group for group in groups if len(group) >= minimum]
    return sorted(kept, key=lambda group: (-len(group), int(group[0])))


def _neighbours(holdings: Holdings, chosen: NDArray[np.bool_], accounts: int) -> tuple[Ints, Ints]:
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
