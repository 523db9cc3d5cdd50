"""Is this the campaign of a case that is open already, with other accounts?

Two ways to know it again. *By membership*: at least three of the finding's accounts, and a third of the smaller
side, are the case's; where accounts were picked at random from the log, that has a probability, which is told.
*By traits*, when every account is new: rare things of at least two independent kinds of evidence are the same. One
kind alone (a template that goes around, an address that many share) makes a case *related*, which a person looks
at, and joins nothing. How often either is wrong is measured in docs/explanation/cases.md.
Comes from `cases.opening`; goes on to a finding's `joined`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sqlalchemy as sa

from spiritsafe.cases.scans import TRAIT_THINGS
from spiritsafe.cases.tables import CASES, MEMBERS, TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MIN_SHARED: Final = 3
MIN_SHARE: Final = 1 / 3
MIN_KINDS: Final = 2
MIN_BITS: Final = 5.0
_PARAMETERS: Final = 500


@dataclass(frozen=True, slots=True)
class Match:
    """How a finding and a case fit together. `bits` by kind of evidence: of the rarest thing that both have.

    `chance_log10` is the logarithm of the probability that as many accounts are shared where the finding's are
    picked at random from the log's.
    """

    number: int
    case_id: str
    state: str
    shared_accounts: int
    case_accounts: int
    finding_accounts: int
    chance_log10: float
    bits: Mapping[str, float]

    @property
    def joins(self) -> bool:
        """Whether it is the same campaign."""
        smaller = min(self.case_accounts, self.finding_accounts)
        return (self.shared_accounts >= MIN_SHARED and self.shared_accounts >= MIN_SHARE * smaller) or (
            len(self.bits) >= MIN_KINDS
        )

    def told(self) -> dict[str, Any]:
        """As it is filed."""
        return {
            "by": "membership" if self.shared_accounts >= MIN_SHARED else "traits",
            "shared_accounts": self.shared_accounts,
            "case_accounts": self.case_accounts,
            "finding_accounts": self.finding_accounts,
            "chance_log10": round(self.chance_log10, 1),
            "bits": {kind: round(bits, 2) for kind, bits in sorted(self.bits.items())},
        }


def matches(tables: Connection, members: Mapping[str, Mapping[str, Any]], *, log_accounts: int) -> list[Match]:
    """Cases that share something with a finding, those it belongs to first, the closest of them first.

    Parameters
    ----------
    tables
        As `CaseBook.doing` gives it.
    members
        The finding's accounts, as `scans.named_members` names them.
    log_accounts
        How many accounts the log had.
    """
    from scipy.stats import hypergeom  # takes most of a second to import

    shared = _shared_accounts(tables, sorted(members))
    kinds = _shared_kinds(tables, members)
    numbers = sorted(shared.keys() | kinds.keys())
    rows = [
        row
        for part in _parts(numbers)
        for row in tables.execute(
            sa.select(CASES.c.number, CASES.c.case_id, CASES.c.state, CASES.c.members).where(
                CASES.c.number.in_(part), CASES.c.joined_to == 0
            )
        )
    ]
    found = []
    for row in rows:
        both, total = shared.get(row.number, 0), max(log_accounts, row.members, len(members))
        chance = hypergeom.logsf(both - 1, total, row.members, len(members)) / np.log(10) if both else 0.0
        found.append(
            Match(
                row.number, row.case_id, row.state, both, row.members, len(members), float(chance),
                kinds.get(row.number, {}),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (not one.joins, -one.shared_accounts, -sum(one.bits.values()), one.number))


def _shared_accounts(tables: Connection, accounts: Sequence[str]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for part in _parts(accounts):
        query = sa.select(MEMBERS.c.number, sa.func.count()).where(MEMBERS.c.account_id.in_(part))
        for number, count in tables.execute(query.group_by(MEMBERS.c.number)):
            counts[number] += count
    return counts


def _shared_kinds(tables: Connection, members: Mapping[str, Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Of each case, the bits of the rarest thing of each kind that both have, where they are enough."""
    mine = {(thing, value): bits for one in members.values() for thing, value, bits in one["traits"]}
    by_thing: dict[str, list[str]] = defaultdict(list)
    for thing, value in sorted(mine):
        by_thing[thing].append(value)
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for thing, values in by_thing.items():
        for part in _parts(values):
            for row in tables.execute(sa.select(TRAITS).where(TRAITS.c.thing == thing, TRAITS.c.value.in_(part))):
                bits = min(row.bits, mine[thing, row.value])
                kind = TRAIT_THINGS[thing]
                if bits >= MIN_BITS and bits > found[row.number].get(kind, 0.0):
                    found[row.number][kind] = bits
    return {number: kinds for number, kinds in found.items() if kinds}


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[at : at + _PARAMETERS] for at in range(0, len(values), _PARAMETERS)]
