"""Take up a newer roster or policy when its file changes; what is damaged or mistaken is told, and the old one stays.

A roster is read, hashed and checked in a thread of its own, so that no request waits. Comes from `watch.publishing` and
`guard.adopting`, which swap files in; goes on to the `Guard` in force.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import SpiritsafeError
from spiritsafe.guard.policy import read_policy
from spiritsafe.roster.reading import Roster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.guard.deciding import Guard

EVERY_S: Final = 2.0


class Reloader:
    """Looks at two files every so often.

    Parameters
    ----------
    guard
        In which what is new is put in force.
    roster, policy
        The files; a policy of None does not change.
    clock_s
        Seconds since 1970, to tell how old the roster is.
    """

    def __init__(
        self, guard: Guard, roster: Path, policy: Path | None, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._guard, self._roster, self._policy = guard, roster, policy
        self._clock_s = clock_s
        self._seen = {path: _state(path) for path in (roster, policy) if path is not None}
        self.faults: dict[str, str] = {}
        self.reloads = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def roster_age_s(self) -> float:
        """How long ago the roster in force was made."""
        return max(self._clock_s() - self._guard.roster.head.created_us / 1e6, 0.0)

    def look(self) -> None:
        """Look once, and take up what is new."""
        for name, path in (("roster", self._roster), ("policy", self._policy)):
            if path is None:
                continue
            state = _state(path)
            if state is None or state == self._seen[path]:
                continue
            self._seen[path] = state
            try:
                if name == "roster":
                    self._guard.swap(roster=Roster(path))
                else:
                    self._guard.swap(policy=read_policy(path))
            except SpiritsafeError as error:
                self.faults[name] = str(error)
            else:
                self.faults.pop(name, None)
                self.reloads += 1

    def start(self) -> None:
        """Look every `EVERY_S` seconds, until `stop`."""
        self._thread = threading.Thread(target=self._work, name="guard-reloader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.look()


def _state(path: Path) -> tuple[int, int, int] | None:
    """What tells one version of a file from the next; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
