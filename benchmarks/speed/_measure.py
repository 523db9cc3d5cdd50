"""How long, how much work and how much memory a command takes, its children included. Linux only: reads /proc."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_S: Final = 0.25
"""Looking costs: at every 50 ms it took a quarter of one of the two processors that it measures."""
WORKERS: Final = 2
_LIBRARIES: Final = ("duckdb", "google-re2", "ibis-framework", "numpy", "pyarrow", "rensa")


@dataclass(frozen=True)
class Measured:
    """One run. `cpu_s` is the work of all processes together; it hardly changes when others use the machine too.

    `peak_bytes` is the largest sum, over the processes, of proportional set sizes: a page that two processes share
    counts once. `said` is what the command printed, if that was JSON.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    load: float
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def peak_gib(self) -> float:
        return self.peak_bytes / 2**30


class RunError(RuntimeError):
    """A measured command failed."""


def measure(command: Sequence[str], *, env: dict[str, str] | None = None, limit_s: float | None = None) -> Measured:
    """Run a command to its end, with `WORKERS` CPUs if there are as many.

    Raises
    ------
    RunError
        It left with another code than 0, or took longer than `limit_s`.
    """
    cpus = set(sorted(os.sched_getaffinity(0))[:WORKERS])
    load, begun = os.getloadavg()[0], time.monotonic()
    process = subprocess.Popen(
        [*command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),  # noqa: PLW1509
        start_new_session=True,
    )
    peaks = [0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, done))
    watcher.start()
    before = os.times()
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, 9)
        process.communicate()
        raise RunError(f"stopped after {limit_s:.0f} s") from error
    finally:
        done.set()
        watcher.join()
    wall_s, after = time.monotonic() - begun, os.times()
    if process.returncode:
        raise RunError(f"{' '.join(map(str, command))} left with {process.returncode}:\n{err[-2000:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall_s, cpu_s, peaks[0], load, _json(out))


def best_of(times: int, command: Sequence[str], **more: Any) -> Measured:
    """The quickest of several runs; the peak of memory is that of all of them."""
    runs = [measure(command, **more) for _ in range(times)]
    quickest = min(runs, key=lambda run: run.wall_s)
    return Measured(quickest.wall_s, quickest.cpu_s, max(run.peak_bytes for run in runs), quickest.load, quickest.said)


def _json(text: str) -> dict[str, Any]:
    line = text.strip().rpartition("\n")[2]
    said = json.loads(line) if line.startswith("{") else {}
    assert isinstance(said, dict)
    return said


def _watch(pid: int, peaks: list[int], done: threading.Event) -> None:
    while not done.wait(SAMPLE_S):
        peaks[0] = max(peaks[0], sum(_own_bytes(one) for one in _tree(pid)))


def _tree(pid: int) -> list[int]:
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                left += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _own_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def machine() -> str:
    """Cores, memory, versions and date, as a page states them."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    return (
        f"{WORKERS} of {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, {versions}; "
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def python(module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]
