"""Who is linked to whom, and by which kind of evidence: a ring of accounts, once for each kind.

Every panel keeps every account in the same place, so the eye compares kinds instead of decoding colours. The
ring needs no iteration and no randomness: the same links give the same picture on every machine. More than
sixty accounts would be a hairball, so the sixty with the strongest links are drawn, and what was left out is
said. Comes from `model` and the links between members; goes on to `report`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from markupsafe import Markup

from spiritsafe.campaigns import report_text as text
from spiritsafe.campaigns.charts import KINDS
from spiritsafe.campaigns.report_templates import render

if TYPE_CHECKING:
    from collections.abc import Sequence


# account, other account, kind of evidence, bits
Link: TypeAlias = "tuple[str, str, str, float]"

MOST_ACCOUNTS: Final = 60
_MOST_LINES: Final = 400
_RADIUS: Final = 128.0
_CENTRE: Final = 160.0
# How far a line is drawn towards the middle: 0 is a straight chord, 1 goes through the centre.
_BEND: Final = 0.62


@dataclass(frozen=True, slots=True)
class Spot:
    """One account on the ring: its number on the picture and where its number stands."""

    number: int
    account_id: str
    x: float
    y: float
    label_x: float
    label_y: float
    partners: int


@dataclass(frozen=True, slots=True)
class Panel:
    """The links of one kind, as the data of one SVG path."""

    kind: str
    links: int
    drawn: int
    lines: Markup


@dataclass(frozen=True, slots=True)
class Ring:
    """What `membership_map` draws. `accounts` and `links` count all, also those not drawn."""

    spots: tuple[Spot, ...]
    dots: Markup
    every: Panel
    panels: tuple[Panel, ...]
    accounts: int
    links: int
    words: str


def membership_map(links: Sequence[Link]) -> Markup:
    """The links among a campaign's accounts as rings: all kinds together, then one small ring a kind.

    Parameters
    ----------
    links
        (account, other account, kind, bits), each pair and kind at most once. Loops, links without positive
        bits and repeated pairs are ignored.

    Returns
    -------
    A figure with its words and a numbered list of the accounts; empty markup when nothing is linked.
    """
    ring = read_ring(links)
    return render("chart_map.html.j2", ring=ring)


def read_ring(links: Sequence[Link]) -> Ring | None:
    """The geometry behind `membership_map`; None when no two accounts are linked."""
    strongest: dict[tuple[str, str, str], float] = {}
    for one, other, kind, bits in links:
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
    spots = _spots(order, inside)
    place = {spot.account_id: (spot.x, spot.y) for spot in spots}
    panels = tuple(
        _panel(kind, {(a, b): w for (a, b, k), w in strongest.items() if k == kind}, place)
        for kind in _kinds_in_order({kind for _, _, kind in strongest})
    )
    every = _panel("all kinds", dict(pair_bits), place)
    dots = Markup("".join(f"M{spot.x:g} {spot.y:g}h0" for spot in spots))  # noqa: S704  numbers only
    words = _words(spots, panels, len(account_bits), len(pair_bits))
    return Ring(spots, dots, every, panels, len(account_bits), len(pair_bits), words)


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


def _spots(order: list[str], pairs: dict[tuple[str, str], float]) -> tuple[Spot, ...]:
    partners: dict[str, int] = defaultdict(int)
    for one, other in pairs:
        partners[one] += 1
        partners[other] += 1
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
                partners=partners[account],
            )
        )
    return tuple(spots)


def _panel(kind: str, pairs: dict[tuple[str, str], float], place: dict[str, tuple[float, float]]) -> Panel:
    ranked = sorted(
        (pair for pair in pairs if pair[0] in place and pair[1] in place), key=lambda pair: (-pairs[pair], pair)
    )
    drawn = ranked[:_MOST_LINES]
    lines = Markup("".join(_line(place[a], place[b]) for a, b in drawn))  # noqa: S704  numbers only
    return Panel(kind, len(pairs), len(drawn), lines)


def _line(one: tuple[float, float], other: tuple[float, float]) -> str:
    x = (one[0] + other[0]) / 2 * (1 - _BEND) + _CENTRE * _BEND
    y = (one[1] + other[1]) / 2 * (1 - _BEND) + _CENTRE * _BEND
    return f"M{one[0]:g} {one[1]:g}Q{x:.0f} {y:.0f} {other[0]:g} {other[1]:g}"


def _words(spots: tuple[Spot, ...], panels: tuple[Panel, ...], accounts: int, links: int) -> str:
    most = max(spots, key=lambda spot: (spot.partners, -spot.number))
    kinds = ", ".join(f"{panel.kind} {panel.links:,}" for panel in panels)
    shown = (
        f"{text.plural(accounts, 'account')}, {text.plural(links, 'linked pair')} ({kinds})."
        if accounts == len(spots)
        else f"The {len(spots)} most strongly linked of {accounts:,} accounts; {text.plural(links, 'linked pair')} in "
        f"all ({kinds})."
    )
    return f"{shown} Number {most.number} has the most partners here: {most.partners}."
