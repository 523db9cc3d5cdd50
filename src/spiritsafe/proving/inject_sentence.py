"""What a scan would have found, in one sentence that every "nothing found" can print, and that is true of its log.

Comes from `inject_result`; goes on to `cli.prove_inject`, `cli.scan` and every report of "nothing found".
"""

from __future__ import annotations

import bisect
import hashlib
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spiritsafe.proving.inject_result import InjectResult, PowerPoint

THIS_LOG: Final = "On a copy of this log"


def digest_of(files: Iterable[str]) -> str:
    """One digest for a log, from the SHA-256 of each of its files in any order."""
    return hashlib.sha256(repr(sorted(files)).encode()).hexdigest()


def digests_of(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The digest of each table, from (table, SHA-256) of its files: of one file its own, else as a log's."""
    found: dict[str, list[str]] = {}
    for table, sha256 in files:
        found.setdefault(table, []).append(sha256)
    return {table: held[0] if len(held) == 1 else digest_of(held) for table, held in found.items()}


def common_from(accounts: int) -> int:
    """The smallest campaign, planted in a log of `accounts` accounts, whose traits would be too common to tie it.

    The scan leaves out phrases and things that many accounts hold (`links.infrastructure.MOST_SHARE`), and what is
    left must weigh enough (`campaigns.holdings.TYING_BITS`). What all of a large campaign share, in a small log, is
    dropped as common.

    Examples
    --------
    >>> common_from(500), common_from(5_000)
    (27, 264)
    """
    from spiritsafe.campaigns.holdings import TYING_BITS
    from spiritsafe.links import rarity_bits
    from spiritsafe.links.infrastructure import MOST_SHARE

    def is_common(size: int) -> bool:
        total = accounts + size
        return size > MOST_SHARE * total or rarity_bits(np.array([size]), total)[0] < TYING_BITS

    return 1 + bisect.bisect_left(range(1, accounts + 1), True, key=is_common)


def default_sizes(accounts: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Those of `sizes` that a scan of so many accounts could find; the largest that it could where none is left.

    Examples
    --------
    >>> default_sizes(1_000, (8, 16, 32, 64)), default_sizes(100, (8, 16, 32, 64)), default_sizes(12, (8, 16))
    ((8, 16, 32), (5,), (4,))
    """
    from spiritsafe.campaigns.tying import GROUP_MINIMUM

    limit = common_from(accounts)
    return tuple(size for size in sizes if size < limit) or (max(limit - 1, GROUP_MINIMUM),)


def detection_limit_sentence(result: InjectResult, *, measured: str = THIS_LOG) -> str:
    """What this scan would have found on this log; `measured` says on which, where it was another."""
    rate = float(np.median([point.exchanges_an_account for point in result.points])) if result.points else 0.0
    told = [*_tried(result), *_crowded(result)]
    return (
        f"{measured} ({result.accounts:,} accounts, {result.days:g} days, about {rate:,.0f} exchanges a "
        f"planted account), {'; '.join(told) or 'nothing was tried'}. A campaign of another size, a quieter or a "
        "better hidden one may be in this log unseen."
    )


def sentence_beside(result: InjectResult, log: Iterable[str], tables: Mapping[str, str]) -> str:
    """The sentence as it may stand beside a scan of other files: it says so when it was measured elsewhere.

    Parameters
    ----------
    log
        SHA-256 of the log files that the scan read.
    tables
        SHA-256 of the tables that it read beside them, by name.
    """
    if digest_of(log) != result.plan.log_digest:
        return detection_limit_sentence(
            result, measured="Measured on another log, not on the one scanned here: on a copy of that log"
        )
    differ = [
        name for name in sorted({*tables, *result.plan.tables}) if tables.get(name) != result.plan.tables.get(name)
    ]
    if differ:
        words = _and([name.replace("_", " ") for name in differ])
        return detection_limit_sentence(
            result,
            measured=f"Measured with other tables beside this log ({words}) than this scan read: on a copy of it",
        )
    return result.sentence


def _tried(result: InjectResult) -> Iterable[str]:
    """Of each set of sizes that was tried, which were found at which levels. No size is named that was not tried."""
    levels: dict[tuple[int, ...], list[int]] = {}
    for stealth in sorted({point.stealth for point in result.points}):
        sizes = tuple(sorted(point.size for point in result.points if point.stealth == stealth))
        levels.setdefault(sizes, []).append(stealth)
    for sizes, stealths in levels.items():
        points = [point for point in result.points if point.stealth in stealths]
        yield f"of planted campaigns of {_and(map(str, sizes))} accounts, {_found(result, sizes, points)}"


def _found(result: InjectResult, sizes: Sequence[int], points: Sequence[PowerPoint]) -> str:
    """Which of `points`, all of `sizes`, were found often enough, and what that proves."""
    enough = [point for point in points if point.found.value >= result.power]
    at: dict[tuple[int, ...], list[str]] = {}
    for stealth in sorted({point.stealth for point in points}):
        found = tuple(sorted(point.size for point in enough if point.stealth == stealth))
        at.setdefault(found, []).append(str(stealth))
    none = at.pop((), [])
    told = []
    for found, stealths in at.items():
        which = "those" if len(sizes) == 1 else f"those of {_and(map(str, found))}"
        told.append(f"{which} at stealth {_and(stealths)}")
    often = f"found in at least {result.power:.0%} of {_trials(enough or points)}"
    if not told:
        return f"none was {often} at stealth {_and(none)}"
    # Rounded down: "at least 37%" would be more than a bound of 36.8% says.
    sure = math.floor(100 * min(point.found_at_least for point in enough) + 1e-9)
    rest = f", and none at stealth {_and(none)}" if none else ""
    return f"{_and(told)} were {often} (a rate of at least {sure}% at 95% confidence){rest}"


def _trials(points: Sequence[PowerPoint]) -> str:
    fewest, most = (pick(point.trials for point in points) for pick in (min, max))
    if fewest < most:
        return f"{fewest} to {most} trials each"
    return "1 trial each" if most == 1 else f"{most} trials each"


def _crowded(result: InjectResult) -> Iterable[str]:
    """Why large campaigns are missed in a small log, where that is why."""
    limit = common_from(result.accounts)
    sizes = sorted({p.size for p in result.points if p.size >= limit and p.found.value < result.power})
    if sizes:
        yield (
            f"what {_and([str(size) for size in sizes])} accounts share is too common to tie anybody in a log of "
            f"{result.accounts:,} (from {limit} accounts on it counts as common)"
        )


def _and(words: Iterable[str]) -> str:
    parts = list(words)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
