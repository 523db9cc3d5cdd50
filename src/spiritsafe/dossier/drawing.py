"""Drawings in vector form: which kinds of evidence tie how many, what ties whom, and what happened when.

Written as SVG by us, as the report's are (docs/decisions/0061): plain shapes, no script, no font of their own.
Comes from the parts; goes on to `dossier.rendering`.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

INK, PALE, ACCENT, SECOND = "#1c2733", "#d5dbe2", "#9c4a1a", "#2b5d8a"
_KINDS: Final = ("content", "work", "timing", "infrastructure", "identity", "lifecycle")
_FONT: Final = 'font-family="sans-serif" font-size="11"'
MOST_DRAWN: Final = 200
MOST_THINGS: Final = 40
_LANES: Final = 4


def draw_kinds(members: Sequence[dict[str, Any]]) -> str:
    """A bar for each kind: how many accounts it ties; darker, those whom it ties by more than seven bits."""
    width, row = 640, 24
    lines = []
    for number, kind in enumerate(_KINDS):
        bits = [float(one["bits"].get(kind, 0.0)) for one in members]
        some, strong = sum(one > 0 for one in bits), sum(one > 7 for one in bits)
        y = 8 + number * row
        scale = 380 / max(len(members), 1)
        lines += [
            f'<text x="104" y="{y + 12}" text-anchor="end" fill="{INK}" {_FONT}>{kind}</text>',
            f'<rect x="112" y="{y}" width="380" height="15" fill="none" stroke="{PALE}"/>',
            f'<rect x="112" y="{y}" width="{some * scale:.1f}" height="15" fill="{ACCENT}" fill-opacity="0.45"/>',
            f'<rect x="112" y="{y}" width="{strong * scale:.1f}" height="15" fill="{ACCENT}"/>',
            f'<text x="500" y="{y + 12}" fill="{INK}" {_FONT}>{some} of {len(members)}, {strong} strongly</text>',
        ]
    return _svg(width, 16 + row * len(_KINDS), lines)


def draw_ties(members: Sequence[dict[str, Any]]) -> str:
    """Accounts on a circle, the rarest things that at least two of them share within it, and lines between.

    Of more than `MOST_DRAWN` accounts those with the rarest things: more are a black disc.
    """
    if len(members) > MOST_DRAWN:
        members = sorted(members, key=_rarest, reverse=True)[:MOST_DRAWN]
    holders: dict[tuple[str, str], list[int]] = {}
    bits: dict[tuple[str, str], float] = {}
    for number, one in enumerate(members):
        for thing, value, rarity in one.get("traits", ()):
            holders.setdefault((thing, value), []).append(number)
            bits[thing, value] = float(rarity)
    shared = sorted((key for key, held in holders.items() if len(held) > 1), key=lambda key: (-bits[key], key))
    shared = shared[:MOST_THINGS]
    width, height, cx, cy, radius = 640, 420, 320.0, 210.0, 180.0
    places = [_on_circle(cx, cy, radius, number, len(members)) for number in range(len(members))]
    ties, squares = [], []
    for number, key in enumerate(shared):
        held = [places[one] for one in holders[key]]
        x, y = (sum(values) / len(held) for values in zip(*held, strict=True))
        inner = _on_circle(cx, cy, 70.0, number, len(shared))
        x, y = (x + inner[0]) / 2, (y + inner[1]) / 2
        ties += [
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{a:.1f}" y2="{b:.1f}" stroke="{SECOND}" stroke-opacity="0.3"/>'
            for a, b in held
        ]
        size = 3 + min(bits[key], 16) / 2
        squares.append(
            f'<rect x="{x - size / 2:.1f}" y="{y - size / 2:.1f}" width="{size:.1f}" height="{size:.1f}" '
            f'fill="{ACCENT}"><title>{escape(key[0])}: {len(held)} accounts, {bits[key]:.1f} bits</title></rect>'
        )
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{INK}"/>' for x, y in places]
    return _svg(width, height, [*ties, *squares, *dots])


def draw_timeline(events: Sequence[tuple[int, str]]) -> str:
    """What happened when: `events` are times (UTC microseconds) and words, oldest first."""
    width, left, right = 640, 40, 600
    first, last = events[0][0], max(events[-1][0], events[0][0] + 1)
    lines = [f'<line x1="{left}" y1="30" x2="{right}" y2="30" stroke="{INK}"/>']
    for number, (time_us, text) in enumerate(events):
        x = left + (right - left) * (time_us - first) / (last - first)
        y = 52 + 18 * number
        lines += [
            f'<path d="M {x:.1f} 30 V {y - 4}" stroke="{PALE}" fill="none"/>',
            f'<circle cx="{x:.1f}" cy="30" r="4" fill="{ACCENT}"/>',
            f'<circle cx="{x:.1f}" cy="{y - 4}" r="2" fill="{SECOND}"/>',
            _label(x, y, text, width),
        ]
    return _svg(width, 60 + 18 * len(events), lines)


def _rarest(member: dict[str, Any]) -> float:
    return max((float(bits) for *_, bits in member.get("traits", ())), default=0.0)


def _label(x: float, y: float, text: str, width: int) -> str:
    """Words beside a point, on the side where there is room."""
    to_left = x > width / 2
    anchor, at = ("end", x - 6) if to_left else ("start", x + 6)
    return f'<text x="{at:.1f}" y="{y}" text-anchor="{anchor}" fill="{INK}" {_FONT}>{escape(text)}</text>'


def _on_circle(cx: float, cy: float, radius: float, number: int, count: int) -> tuple[float, float]:
    angle = 2 * math.pi * number / max(count, 1) - math.pi / 2
    return cx + radius * math.cos(angle), cy + radius * math.sin(angle)


def _svg(width: int, height: int, lines: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img">{"".join(lines)}</svg>'
    )
