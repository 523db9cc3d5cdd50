"""Who is linked to whom, and by which kind of evidence: a ring of accounts, once for each kind.

Every panel keeps every account in the same place, so the eye compares kinds instead of decoding colours. The
ring needs no iteration and no randomness: the same links give the same picture on every machine. More than
sixty accounts would be a hairball, so sixty are drawn, and what was left out is said: the numbers are those of
the whole group. Comes from `partners`; goes on to `report`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from spiritsafe.campaigns import report_text as text
from spiritsafe.campaigns.charts import KINDS
from spiritsafe.campaigns.partners import MOST_ACCOUNTS
from spiritsafe.campaigns.report_templates import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.campaigns.partners import Ties

_MOST_LINES: Final = 400
_RADIUS: Final = 128.0
_CENTRE: Final = 160.0
# How far a line is drawn towards the middle: 0 is a straight chord, 1 goes through the centre.
_BEND: Final = 0.62


@dataclass(frozen=True, slots=True)
class Spot:
    """One account on the ring: its number on the picture and where its number stands.

    `partners` counts the whole group; None where the group is too large to count.
    """

    number: int
    account_id: str
    x: float
    y: float
    label_x: float
    label_y: float
    partners: int | None


@dataclass(frozen=True, slots=True)
class Panel:
    """The links of one kind, as the data of one SVG path.

    `links` counts the pairs of the whole group (None: too many to count), `among` those between accounts on the
    ring, `drawn` the strongest of these, which have a line.
    """

    kind: str
    links: int | None
    among: int
    drawn: int
    lines: Markup


@dataclass(frozen=True, slots=True)
class Ring:
    """What `membership_map` draws. `accounts` counts all, also those not drawn."""

    spots: tuple[Spot, ...]
    dots: Markup
    every: Panel
    panels: tuple[Panel, ...]
    accounts: int
    words: str


def membership_map(ties: Ties) -> Markup:
    """The links among a campaign's accounts as rings: all kinds together, then one small ring a kind.

    Parameters
    ----------
    ties
        The links to draw, and the counts of the whole group. Loops, links without positive bits and repeated
        pairs are ignored.

    Returns
    -------
    A figure with its words and a numbered list of the accounts; empty markup when nothing is linked.
    """
    ring = read_ring(ties)
    return render("chart_map.html.j2", ring=ring)


def read_ring(ties: Ties) -> Ring | None:
    """The geometry behind `membership_map`; None when no two accounts are linked."""
    strongest: dict[tuple[str, str, str], float] = {}
    for one, other, kind, bits in ties.links:
        if one != other and math.isfinite(bits) and bits > 0:
            key = (min(one, other), max(one, other), kind)
            strongest[key] = max(bits, strongest.get(key, 0.0))
    if not strongest:
        return None
    pair_bits: dict[tuple[str, str], float] = defaultdict(float)
    account_bits: dict[str, float] = defaultdict(float)
    for (one, other, _), bits in sorted(strongest.items()):
        pair_bits[one, other] += bits
        account_bits[one] += bits
        account_bits[other] += bits
    chosen = set(sorted(account_bits, key=lambda a: (-account_bits[a], a))[:MOST_ACCOUNTS])
    inside = {pair: bits for pair, bits in pair_bits.items() if pair[0] in chosen and pair[1] in chosen}
    order = ring_order(inside, chosen)
    spots = _spots(order, ties.partners)
    place = {spot.account_id: (spot.x, spot.y) for spot in spots}
    panels = tuple(
        _panel(kind, {(a, b): w for (a, b, k), w in strongest.items() if k == kind}, place, ties.kind_pairs.get(kind))
        for kind in _kinds_in_order({kind for _, _, kind in strongest} | set(ties.kind_pairs))
    )
    every = _panel("all kinds", inside, place, ties.pairs)
    dots = Markup("".join(f"M{spot.x:g} {spot.y:g}h0" for spot in spots))  # noqa: S704  numbers only
    return Ring(spots, dots, every, panels, ties.accounts, _words(spots, every, panels, ties.accounts))


def _kinds_in_order(kinds: set[str]) -> list[str]:
    known = [kind.value for kind in KINDS if kind.value in kinds]
    return known + sorted(kinds - set(known))


def ring_order(pair_bits: dict[tuple[str, str], float], accounts: set[str]) -> list[str]:
    """Accounts in the order of the ring: each next to one it is strongly linked to, ties by id."""
    near: dict[str, dict[str, float]] = {account: {} for account in accounts}
    for (one, other), bits in pair_bits.items():
        near[one][other] = near[other][one] = bits
    left = set(accounts)
    order: list[str] = []
    while left:
        # The latest account on the ring that still has a partner to place; so each cluster stays together.
        following = next((near[placed] for placed in reversed(order) if not left.isdisjoint(near[placed])), None)
        if following is None:
            following = {account: sum(near[account].values()) for account in left}
        _, chosen = min((-weight, account) for account, weight in following.items() if account in left)
        order.append(chosen)
        left.discard(chosen)
    return order


def _spots(order: list[str], partners: Mapping[str, int]) -> tuple[Spot, ...]:
    spots = []
    for index, account in enumerate(order):
        turn = 2 * math.pi * index / len(order) - math.pi / 2
        x, y = math.cos(turn), math.sin(turn)
        spots.append(
            Spot(
                number=index + 1,
                account_id=account,
                x=round(_CENTRE + _RADIUS * x, 1),
                y=round(_CENTRE + _RADIUS * y, 1),
                label_x=round(_CENTRE + (_RADIUS + 14) * x, 1),
                label_y=round(_CENTRE + (_RADIUS + 14) * y + 3, 1),
                partners=partners.get(account),
            )
        )
    return tuple(spots)


def _panel(
    kind: str, pairs: dict[tuple[str, str], float], place: dict[str, tuple[float, float]], links: int | None
) -> Panel:
    ranked = sorted(
        (pair for pair in pairs if pair[0] in place and pair[1] in place), key=lambda pair: (-pairs[pair], pair)
    )
    drawn = ranked[:_MOST_LINES]
    lines = Markup("".join(_line(place[a], place[b]) for a, b in drawn))  # noqa: S704  numbers only
    return Panel(kind, links, len(ranked), len(drawn), lines)


def _line(one: tuple[float, float], other: tuple[float, float]) -> str:
    x = (one[0] + other[0]) / 2 * (1 - _BEND) + _CENTRE * _BEND
    y = (one[1] + other[1]) / 2 * (1 - _BEND) + _CENTRE * _BEND
    return f"M{one[0]:g} {one[1]:g}Q{x:.0f} {y:.0f} {other[0]:g} {other[1]:g}"


def _words(spots: tuple[Spot, ...], every: Panel, panels: tuple[Panel, ...], accounts: int) -> str:
    told = [_how_many(every, panels, accounts)]
    if every.drawn < every.among:
        lines = f"the strongest {every.drawn:,} of the {every.among:,} pairs"
        told.append(
            f"Drawn are {lines}."
            if accounts == len(spots)
            else f"Drawn are the {len(spots)} accounts with the most evidence, and {lines} among them."
        )
    elif accounts > len(spots):
        told.append(f"Drawn are the {len(spots)} accounts with the most evidence, and all pairs among them.")
    return " ".join([*told, *_most_partners(spots, of_all=accounts == len(spots))])


def _how_many(every: Panel, panels: tuple[Panel, ...], accounts: int) -> str:
    if every.links is None:
        return f"{text.plural(accounts, 'account')}, too many for their linked pairs to be counted."
    kinds = ", ".join(f"{panel.kind} {panel.links:,}" for panel in panels if panel.links is not None)
    return f"{text.plural(accounts, 'account')}, {text.plural(every.links, 'linked pair')} ({kinds})."


def _most_partners(spots: tuple[Spot, ...], *, of_all: bool) -> list[str]:
    """Who has the most partners, where they were counted."""
    counted = [(spot.partners, -spot.number) for spot in spots if spot.partners is not None]
    if not counted:
        return []
    most, number = max(counted)
    if most == min(counted)[0]:
        return [f"Each {'of them' if of_all else 'of those drawn'} has {text.plural(most, 'partner')}."]
    return [f"Number {-number} has the most partners{'' if of_all else ' of those drawn'}: {most:,}."]
