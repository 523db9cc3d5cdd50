"""Watch a log as it comes: take in, look, file, tell the guards; again and again, or once.

Each step leaves its result on disk before the next begins, and each can be done again: whoever is killed goes on
where they were. What is wrong with one file or one table is told, and the rest goes on. Comes from the command; asks
`increments` and `looking`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spiritsafe.campaigns.tying import GROUP_MINIMUM
from spiritsafe.errors import EnvironmentFault, InputError, SpiritsafeError
from spiritsafe.guard.home import collected_path, journal_path, open_parameters
from spiritsafe.watch.collecting import collect
from spiritsafe.watch.increments import Taken, expire, sum_up, take_new
from spiritsafe.watch.looking import look_at, tell_guards

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.cases.book import CaseBook
    from spiritsafe.settings import Settings
    from spiritsafe.watch.increments import Feed
    from spiritsafe.watch.looking import Aims, Seen
    from spiritsafe.watch.publishing import Published
    from spiritsafe.watch.state import State

    Progress = Callable[[str, float, float], None]

TICK_S: Final = 5.0
"""So often it is looked whether persons have decided anything; then the guards are told at once."""


DAY_S: Final = 86_400.0
DAILY_SHARE: Final = 0.9
"""Of the error that the looks at one window share, what those of the day have; the rest is for looks at news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often logs are looked for, and how often at most there is a look (seconds).

    There is one a day, and one when there is news in between; with `always` whenever anything came. Looks at one
    window share the error of one, by weighted Bonferroni: however alike they are, of all that is named at any of them
    at most one in a hundred is false, on average. A look of the day has so large a share that it finds nearly what a
    single scan does; a look at news has a small one, and finds what stands out far.

    Source: Genovese, Roeder & Wasserman, Biometrika 93 (2006), doi:10.1093/biomet/93.3.509.
    """

    every_s: float = 3600.0
    look_every_s: float = 3600.0
    always: bool = False

    def shared_by(self, window_days: int, *, daily: bool) -> int:
        """In how many looks one of this kind would be, if all had its share."""
        apart_s = max(self.every_s, self.look_every_s)
        looks = max(1, math.ceil(window_days * DAY_S / apart_s))
        days = min(window_days, looks)
        if self.always or looks == days:
            return looks
        return math.ceil(days / DAILY_SHARE) if daily else math.ceil((looks - days) / (1 - DAILY_SHARE))


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what was taken in, what a look saw if there was one, what went, and what was wrong."""

    taken: Taken
    seen: Seen | None
    expired: int
    collected: int
    fault: SpiritsafeError | None = None


class Watcher:
    """Watches one log.

    Parameters
    ----------
    state, book, settings
        Where it remembers, files and publishes.
    feed, aims, pace
        What it reads, how it looks, and how often.
    keep_days
        Days that are remembered; at least the window.
    collects
        Whether what guards wrote down is taken in first (`watch.collecting`), and read beside the feed.
    """

    def __init__(
        self,
        state: State,
        book: CaseBook,
        settings: Settings,
        *,
        feed: Feed,
        aims: Aims,
        pace: Pace,
        keep_days: int,
        collects: bool = False,
        progress: Progress | None = None,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._state, self._book, self._settings = state, book, settings
        self._feed, self._aims, self._pace = feed, aims, pace
        self._keep_days, self._collects = max(keep_days, aims.window_days), collects
        self._progress, self._clock_s = progress, clock_s
        self._filed = -1

    def round(self) -> Round:
        """Take in what came and look at it.

        Raises
        ------
        SpiritsafeError
            As `take_new` and `look_at`. What was done before it, is done.
        """
        collected, feed = self._collect() if self._collects else 0, self._feed
        if self._collects and (requests := collected_path(self._settings.open_home()) / "requests").exists():
            feed = replace(feed, paths=(*feed.paths, str(requests)))
        taken = Taken()
        if feed.paths:
            taken = take_new(self._state, feed, self._settings, progress=self._progress, now_s=self._clock_s)
        expired = expire(self._state, keep_days=self._keep_days)
        daily = self._is_due()
        if daily is None:
            return Round(taken, None, expired, collected)
        sum_up(self._state, self._settings)
        seen = look_at(
            self._state,
            self._book,
            self._aims,
            self._settings,
            at_us=round(self._clock_s() * 1e6),
            shared_by=self._pace.shared_by(self._aims.window_days, daily=daily),
            daily=daily,
            progress=self._progress,
        )
        self._filed = self._book.ledger.size
        return Round(taken, seen, expired, collected)

    def tell(self) -> Published | None:
        """Tell the guards what persons have decided since they were last told; None where that is nothing."""
        looks = self._state.manifest.looks
        if not looks or self._book.ledger.size == self._filed:
            return None
        published = tell_guards(self._state, looks, self._book, self._aims, self._settings)
        self._filed = self._book.ledger.size
        return published

    def run(
        self,
        told: Callable[[Round], None],
        decided: Callable[[Published], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Go on for ever. What goes wrong is told with its round, and tried again in the next."""
        while True:
            began_s = self._clock_s()
            told(self._tried())
            while (left_s := began_s + self._pace.every_s - self._clock_s()) > 0:
                try:
                    if (published := self.tell()) is not None:
                        decided(published)
                except (InputError, EnvironmentFault) as fault:
                    told(Round(Taken(), None, 0, 0, fault))
                sleep(min(left_s, TICK_S))

    def _tried(self) -> Round:
        try:
            return self.round()
        except (InputError, EnvironmentFault) as fault:
            return Round(Taken(), None, 0, 0, fault)

    def _is_due(self) -> bool | None:
        """Whether the look of the day is due (true), or one at news (false), or none."""
        manifest, now_us = self._state.manifest, self._clock_s() * 1e6
        last = manifest.looks[-1] if manifest.looks else None
        if manifest.taken == (0 if last is None else last.taken):
            return None
        # A little early is on time: rounds are as far apart as looks, and neither is exact.
        early_us = TICK_S * 1e6
        if last is not None and now_us - last.at_us < self._pace.look_every_s * 1e6 - early_us:
            return None
        if now_us - manifest.daily_us >= DAY_S * 1e6 - early_us:
            return True
        return False if self._pace.always or len(manifest.news) >= GROUP_MINIMUM else None

    def _collect(self) -> int:
        home, parameters = self._settings.open_home(), open_parameters(self._settings)
        found = collect(
            journal_path(home),
            collected_path(home),
            ledger=self._book.ledger,
            sketch=parameters.metadata(),
            tactics=parameters.tactics,
        )
        return sum(one.rows for one in found)
