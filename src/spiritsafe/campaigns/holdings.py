"""Weighed holdings: which account has which rare value, and what that is worth.

A holding is "this account has this value": a habitual phrase, an address, a means of payment. Its weight is
the rarity of the value in this log. Comes from `links`; goes on to `campaigns.tying` and `campaigns.facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spiritsafe.links.audience import audiences
from spiritsafe.links.infrastructure import ACCOUNT_THINGS, REQUEST_THINGS
from spiritsafe.links.phrases import PREFIX_BLOCK
from spiritsafe.links.weights import rarity_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.campaigns.model import EvidenceKind

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

TYING_BITS: Final = 4.0
"""A value ties its holders from 16 : 1 on: fewer than one account in 17 may hold it."""

_KINDS: Final = {"phrase": "content", PREFIX_BLOCK: "content"} | REQUEST_THINGS | ACCOUNT_THINGS


@dataclass(frozen=True, slots=True)
class Holdings:
    """Parallel arrays, one entry a holding of a value that ties.

    `account` is the account's number, `value` numbers the distinct (thing, value) pairs; `things` and
    `labels` name each value by its number. `share` is the part of the account's exchanges that have it (of a thing
    of the account itself, 1). `holders` of the `observed` accounts hold it: those for which the thing is known at all,
    or that talk as the holders of a phrase do.
    `accounts` is how many there are in the log.
    """

    account: Ints
    value: Ints
    share: Floats
    bits: Floats
    holders: Ints
    observed: Ints
    things: tuple[str, ...]
    labels: tuple[str, ...]
    accounts: int

    def kind(self, value: int) -> str:
        """The kind of evidence a value is."""
        return _KINDS[self.things[value]]

    def of_kind(self, kind: EvidenceKind) -> Bools:
        """Which holdings are evidence of this kind. Shape (holdings,)."""
        return np.array([_KINDS[thing] == kind for thing in self.things], dtype=bool)[self.value]


def weigh(
    phrases: pa.Table,
    things: pa.Table,
    *,
    exchanges: Ints,
    common: pa.Table | None = None,
    tying_bits: float = TYING_BITS,
) -> Holdings:
    """Give every holding its weight and keep those that tie.

    Parameters
    ----------
    phrases
        As `links.habitual_phrases` computes it.
    things
        As `links.shared_things` and `links.habitual_prefixes` compute them.
    exchanges
        Shape (accounts,). How many exchanges each account of the log has.
    common
        As `links.common_phrases` computes it: a phrase is then rare among accounts that talk as its holders do, not
        among all.
    tying_bits
        Values of less weight are dropped, in bits.

    Returns
    -------
    The holdings in a fixed order (by thing, value and account).
    """
    accounts = len(exchanges)
    among = np.full(phrases.num_rows, accounts) if common is None else audiences(phrases, common, accounts)
    said = pa.table(
        {
            "account": phrases["account"],
            "thing": pa.array(["phrase"] * phrases.num_rows, pa.string()),
            "value": phrases["phrase"].cast(pa.string()),
            "requests": phrases["requests"],
            "holders": phrases["holders"],
            "observed": pa.array(among, pa.int64()),
        }
    )
    rows = pa.concat_tables([said, things.select(said.column_names).cast(said.schema)])
    bits = _bits(rows)
    rows = rows.append_column("bits", pa.array(bits)).filter(pa.array(bits >= tying_bits))
    rows = rows.sort_by([("thing", "ascending"), ("value", "ascending"), ("account", "ascending")])
    names = pc.binary_join_element_wise(rows["thing"], rows["value"], "\x1f").combine_chunks()
    numbered = names.dictionary_encode()
    labels = [name.split("\x1f", 1) for name in numbered.dictionary.to_pylist()]
    account = rows["account"].to_numpy()
    of_account = pc.is_in(rows["thing"], pa.array(list(ACCOUNT_THINGS), pa.string())).to_numpy(zero_copy_only=False)
    share = np.where(of_account, 1.0, rows["requests"].to_numpy() / np.maximum(exchanges[account], 1))
    return Holdings(
        account=account,
        value=numbered.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        share=share,
        bits=rows["bits"].to_numpy(),
        holders=rows["holders"].to_numpy(),
        observed=rows["observed"].to_numpy(),
        things=tuple(thing for thing, _ in labels),
        labels=tuple(label for _, label in labels),
        accounts=accounts,
    )


def _bits(rows: pa.Table) -> Floats:
    return rarity_bits(rows["holders"].to_numpy().astype(np.int64), rows["observed"].to_numpy().astype(np.int64))
