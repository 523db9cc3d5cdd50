"""Do bits mean what they say? Of accounts in any group, by their total bits: how many are a campaign's?

Bits of the kinds of evidence are added up, at most one agreement of each kind (its strongest), so that what depends on
one another does not add. Were they calibrated, odds would double with every bit from the prior on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import compose
from spiritsafe.campaigns.model import AxisStatus, EvidenceKind
from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from spiritsafe.stats import logistic_fit, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE: Final = Path(__file__).with_suffix(".md")
PICTURE: Final = PAGE.parents[2] / "docs" / "images" / "bits.svg"
SEED: Final = 951
EDGES: Final = (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 25, 30, 40, 80)
SMALLEST_BIN: Final = 20


def measured(work: Path, *, quick: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Total bits of accounts in groups, whether each is a campaign's, and whether its group is open about itself."""
    compose("floor-test", SEED, work / "world", scale=0.5 if quick else 1.0)
    sides: dict[str, Any] = {
        name: work / "world" / f"{name}.parquet" for name in ("accounts", "account_events", "attestations")
    }
    settings = load_settings({"home": work / "home"})
    found = find_campaigns(work / "world" / "requests.parquet", out=work / "found", settings=settings, **sides)
    truth = pq.read_table(work / "world" / "truth" / "accounts.parquet").to_pylist()
    guilty = {row["account_id"] for row in truth if row["campaign_id"]}
    rows = [
        (
            sum(getattr(member, f"bits_{kind.value}") for kind in EvidenceKind),
            member.account_id in guilty,
            group.axes[2].status is AxisStatus.CONTRADICTED,
        )
        for group in found.groups
        for member in group.members
    ]
    bits, bad, is_open = (np.array(column) for column in zip(*rows, strict=True))
    return bits.astype(np.float64), bad.astype(bool), is_open.astype(bool)


def binned(bits: NDArray[np.float64], bad: NDArray[np.bool_]) -> list[tuple[float, float, int, int]]:
    """(mean bits, share, bad, accounts) of each bin that is large enough."""
    place = np.digitize(bits, EDGES[1:-1])
    made = []
    for number in range(len(EDGES) - 1):
        inside = place == number
        if inside.sum() >= SMALLEST_BIN:
            made.append(
                (float(bits[inside].mean()), float(bad[inside].mean()), int(bad[inside].sum()), int(inside.sum()))
            )
    return made


WIDTH: Final = 560
HEIGHT: Final = 300
LEFT: Final = 48
BOTTOM: Final = 40
BITS_MOST: Final = 48.0
GREY: Final = "#333333"


def _spot(bits: float, share: float) -> tuple[float, float]:
    x = LEFT + min(bits, BITS_MOST) / BITS_MOST * (WIDTH - LEFT - 12)
    return x, (HEIGHT - BOTTOM) - share * (HEIGHT - BOTTOM - 16)


def _label(x: float, y: float, text: str, *, colour: str = GREY, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def picture(series: dict[str, list[tuple[float, float, int, int]]]) -> str:
    """Both series as a small SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = _spot(0, share)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 12}" stroke="#dddddd"/>')
        parts.append(_label(LEFT - 6, y + 4, f"{share:.0%}", anchor="end"))
    for bits in range(0, 49, 8):
        x, y = _spot(bits, 0)
        parts.append(_label(x, y + 18, str(bits), anchor="middle"))
    for number, (name, rows) in enumerate(series.items()):
        colour = ("#1f5fa8", "#b3541e")[number]
        points = [_spot(bits, share) for bits, share, *_ in rows]
        line = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_label(LEFT + 8, 28 + 16 * number, name, colour=colour))
    parts.append(_label(WIDTH / 2, HEIGHT - 6, "total bits of an account", anchor="middle"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(one: tuple[float, float, int, int] | None) -> list[str]:
    if one is None:
        return ["", "", ""]
    mean, share, count, of = one
    sure = wilson(count, of)
    return [f"{mean:.1f}", f"{share:.0%} ({sure.low:.0%} to {sure.high:.0%})", f"{of:,}"]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.bits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small world; nothing is written")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        bits, bad, is_open = measured(Path(scratch), quick=args.quick)
    every, others = binned(bits, bad), binned(bits[~is_open], bad[~is_open])
    series = {"all accounts in groups": every, "groups that are not open about themselves": others}
    rows = [_row(one) + _row(other) for one, other in zip_longest(every, others, fillvalue=None) if one or other]
    slope = logistic_fit(bits[~is_open], bad[~is_open])[1]
    page = PAGE_TEXT.format(
        frame=frame("benchmarks.detection.bits"),
        seed=SEED,
        table=table(["bits", "a campaign's", "accounts", "bits, groups not open", "a campaign's", "accounts"], rows),
        slope=f"{slope / np.log(2):.2f}",
    )
    if not args.quick:
        PAGE.write_text(page, encoding="utf-8")
        PICTURE.write_text(picture(series), encoding="utf-8")
    sys.stdout.write(page)
    return 0


PAGE_TEXT: Final = """# Bits, and who is a campaign's

Do bits mean what they say?

{frame}
One world (preset `floor-test`, seed {seed}, which nothing was tuned on), every account in a group of any verdict, by
its total bits: the strongest agreement of each kind of evidence, kinds added. Intervals: Wilson over accounts; accounts
of one campaign are not independent.

![Share of campaign accounts by total bits](../../docs/images/bits.svg)

{table}
Among accounts of groups that are not open about themselves one bit more is worth {slope} bits of odds (a logistic
fit): 1 would be calibrated. Bits say that accounts act as one, not that they are a campaign's: verified fleets,
licensed customers and companies have as many. That is why the verdict has two more axes, and why no probability of
guilt is made of bits alone. How they fare on an operator's own labels, `scan --known` says.
"""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
