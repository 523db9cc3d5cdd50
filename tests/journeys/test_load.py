"""A guard at its peak, while all that it leans on breaks: nothing that was answered is lost unsaid, memory stays flat.

`make test` does it for half a minute, `make soak` for ten.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from spiritsafe.guard.home import policy_path, roster_path
from spiritsafe.signals.online import REMEMBERED
from tests.guard.guards import RULES
from tests.guard.homes import home_in
from tests.guard.load import LEAVER, MEMBER
from tests.guard.test_fleet import redis_at
from tests.guard.test_litellm import free_port
from tests.journeys.test_guard_serve import SPIRITSAFE, get, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POLICY = f'schema = "guard_policy/1"\nname = "house"\nversion = 2\nmode = "enforce"\nappeal_to = "here"\n{RULES}'
DISK = 2 << 30
FLUSHED_S = 2.0
"""What was answered so long ago is on disk, whoever is killed now."""

SPARE_BYTES = 8 << 20
WARM = 4 * REMEMBERED
"""So many prompts, none alike, and what a guard remembers of them takes no more room: a Python dict that is full and
goes on changing grows a last time when it has seen some thrice what it holds (`test_what_is_full_stays_as_it_is`)."""

SAMPLES = 20


class Answered(NamedTuple):
    account: str
    call: str
    status: int
    at_s: float


@contextlib.contextmanager
def running(command: list[object], **more: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(list(map(str, command)), text=True, **more) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """A small disk of its own at `folder`, where this machine lets us have one."""
    folder.mkdir()
    small = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield small.returncode == 0
    finally:
        if small.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def full(folder: Path, *, small: bool, pid: int) -> Iterator[None]:
    """The disk is full; or, where it is nobody's but ours to fill, the guard may not make a file longer."""
    if not small:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        return
    ballast = folder / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink()


class Site:
    """A home, what stands around its guard, and a person who looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, home_in(folder, POLICY)
        self.port, self.watch, self.upstream, self.redis = (free_port() for _ in range(4))
        self.environment = os.environ | {
            "SPIRITSAFE_HOME": str(self.home), "SPIRITSAFE_GUARD_ACCOUNT_HEADER": "x-account",
            "SPIRITSAFE_GUARD_REDIS": f"redis://127.0.0.1:{self.redis}/0",
        }  # fmt: skip

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        command = [SPIRITSAFE, "guard", "serve", "--upstream", f"http://127.0.0.1:{self.upstream}", "--listen",
                   f"127.0.0.1:{self.port}", "--watch", f"127.0.0.1:{self.watch}", "--json"]  # fmt: skip
        with running(command, stdout=subprocess.PIPE, env=self.environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(get(f"127.0.0.1:{self.watch}", "/health")[1])
        return told

    def comes(self, fault: str) -> None:
        wait_for(lambda: fault in self.status()["faults"])

    def goes(self, fault: str) -> None:
        wait_for(lambda: fault not in self.status()["faults"])

    def collect(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SPIRITSAFE, "guard", "collect"], capture_output=True, text=True, env=self.environment, check=False
        )

    def rows(self) -> Counter[tuple[str, str]]:
        """What is on record of each account's calls."""
        held: Counter[tuple[str, str]] = Counter()
        for path in (self.home / "guard" / "collected" / "requests").glob("*.parquet"):
            table = pq.read_table(path, columns=["account_id", "end_user_id"])
            held.update(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
        return held


class Memory:
    """What a process holds, looked at each half second."""

    def __init__(self, pid: int) -> None:
        self._held: list[int] = []
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            self._held.append(resident_bytes(self._pid))

    def stop(self) -> tuple[float, float]:
        """At first, and at last."""
        self._stop.set()
        self._thread.join()
        return statistics.median(self._held[:SAMPLES]), statistics.median(self._held[-SAMPLES:])


def resident_bytes(pid: int | str) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def fill(site: Site, load: Sequence[object], note: Path) -> None:
    """Let a guard see so much that it is full of what it remembers; what it writes down is collected meanwhile."""
    with running([*load, "callers", site.port, 86_400, note]):
        while site.status()["seen"] < WARM:
            assert site.collect().returncode == 0
            time.sleep(5)


def break_all(site: Site, process: subprocess.Popen[str], *, small: bool, wait_s: float) -> None:
    """One after the other, each for `wait_s`; each is told in `/health` and heals when its cause is gone."""
    with redis_at(site.redis, site.folder):
        site.goes("fleet")
        time.sleep(wait_s)
    site.comes("fleet")

    roster = roster_path(site.home)
    whole = roster.read_bytes()
    for broken in (b"no roster", whole[: len(whole) // 2], whole[:-1] + b"x"):
        roster.write_bytes(broken)
        site.comes("roster_refused")
        time.sleep(wait_s / 3)
    roster.write_bytes(whole)
    site.goes("roster_refused")

    policy = policy_path(site.home)
    policy.write_text(POLICY.replace('"block"', '"blok"'))
    site.comes("policy_refused")
    time.sleep(wait_s)
    policy.write_text(POLICY.replace("version = 2", "version = 3"))
    site.goes("policy_refused")
    wait_for(lambda: site.status()["policy"] == "house@3")

    with full(site.home, small=small, pid=process.pid):
        site.comes("journal")
        refused = site.collect()
        assert refused.returncode == (5 if small else 0), refused.stderr
        time.sleep(wait_s)
    site.goes("journal")

    with redis_at(site.redis, site.folder):
        site.goes("fleet")
        time.sleep(wait_s)


def killed_collecting(site: Site, until_s: float) -> int:
    """Collect again and again, and kill it at some moment of its work; how often."""
    times = 0
    while time.time() < until_s:
        with subprocess.Popen(
            [str(SPIRITSAFE), "guard", "collect"], env=site.environment, stdout=subprocess.DEVNULL
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0 + times % 10 / 5)
            process.kill()
        times += 1
        time.sleep(1)
    return times


@pytest.mark.parametrize("seconds", [30, pytest.param(600, marks=pytest.mark.soak)])
def test_nothing_that_was_answered_is_lost_unsaid(tmp_path, seconds):
    (tmp_path / "redis").mkdir()
    with disk(tmp_path / "disk") as small:
        site = Site(tmp_path / "disk")
        load = [sys.executable, "-m", "tests.guard.load"]
        note = tmp_path / "answered"
        with running([*load, "upstream", site.upstream]), site.serving() as guard:
            if seconds > 60:
                fill(site, load, tmp_path / "answered-before")
            memory = Memory(guard.pid)
            with running([*load, "callers", site.port, seconds, note]) as callers:
                began_s = time.time()
                break_all(site, guard, small=small, wait_s=seconds / 12)
                killed_collecting(site, began_s + seconds - 5)
                early, late = memory.stop()
                lost = site.status()["journal_lost"]
                guard.send_signal(signal.SIGKILL)
                killed_s = time.time()
                guard.wait()
                with site.serving() as second:
                    assert callers.wait(60) == 0
                    again = site.status()
                    second.send_signal(signal.SIGTERM)
                    assert second.wait(30) == 0
        assert site.collect().returncode == 0
        lines = [line.split() for path in tmp_path.glob("answered*") for line in path.read_text().splitlines()]
        answered = [Answered(a, b, int(c), float(d)) for a, b, c, d in (line for line in lines if len(line) == 4)]
        held = site.rows()
    sys.stdout.write(f"{len(answered):,} answered, {lost:,} lost; {early / 2**20:.0f} MiB, then {late / 2**20:.0f}\n")
    check(answered, held, lost=lost, killed_s=killed_s)
    assert (again["journal_lost"], again["policy"]) == (0, "house@3")
    if seconds > 60:
        assert late < early * 1.05 + SPARE_BYTES


def check(answered: list[Answered], held: Counter[tuple[str, str]], *, lost: int, killed_s: float) -> None:
    """Each answered call is on record once, but those that the guard said were lost, or were on the way to the disk
    when it was killed."""
    assert max(held.values()) == 1
    statuses = {account: Counter(one.status for one in answered if one.account == account) for account in (MEMBER, "")}
    assert set(statuses[MEMBER]) == {403}
    assert {one.status for one in answered if one.account != MEMBER} == {200}
    assert not any(one.account == LEAVER for one in answered)
    sure = [one for one in answered if not killed_s - FLUSHED_S < one.at_s < killed_s + 1]
    missing = [one for one in sure if (one.account, one.call) not in held]
    assert len(missing) <= lost
    assert len(answered) > 1_000
    assert any(one.at_s > killed_s + 1 for one in sure), "the second guard answered nothing"


@pytest.mark.soak
def test_what_is_full_stays_as_it_is():
    """The largest thing that a guard remembers, which is what each account asked, alone in a process."""
    told = subprocess.run(
        [sys.executable, "-c", _FILLS, str(WARM)], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    warm, later = map(int, told.split())
    assert later < warm * 1.05


_FILLS = """
import sys
from spiritsafe.signals.online import OnlineTactics
from tests.journeys.test_load import resident_bytes
tactics, warm = OnlineTactics(), int(sys.argv[1])
for number in range(3 * warm):
    if number == warm:
        print(resident_bytes("self"))
    tactics._repeated(hash((number * 7919, number)), "m-1")
print(resident_bytes("self"))
"""
