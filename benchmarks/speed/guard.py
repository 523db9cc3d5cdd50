"""What does a decision cost, with a roster of a million accounts and a hundred thousand fingerprints?

Prompts of 2 kB, one process, one core; a request in twenty touches a campaign. Beside it, in the same run: the naive
way to read a prompt (`re` one pattern after the other, and Python's own hashes of shingles), and a batch of one through
the scan's sketcher. Then whether a fingerprint that ten thousand accounts share costs more, what a newer roster's
arrival costs whoever asks meanwhile, against that of dictionaries, and the memory. `--quick` does it small and prints.
"""

from __future__ import annotations

import argparse
import functools
import gc
import random
import re
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks._page import frame, table
from spiritsafe.guard import Guard, Request
from spiritsafe.guard.policy import read_policy
from spiritsafe.roster import Campaign, Contents, Kind, Names, Role, Roster, write_roster
from spiritsafe.signals import text_tactics
from spiritsafe.sketch import TextSketcher
from spiritsafe.sketch.parameters import SketchParameters
from spiritsafe.sketch.single import PromptSketcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from spiritsafe.sketch.single import PromptSketch

PAGE: Final = Path(__file__).with_suffix(".md")
POLICY: Final = Path(__file__).parents[2] / "src/spiritsafe/guard/policies/default.toml"
KEY: Final = b"key of the benchmark, 32 bytes.."
PARAMETERS: Final = SketchParameters(key=KEY, key_id="bench", tactics=text_tactics())
NAMES: Final = Names(KEY)
NOW_S: Final = 1_770_000_000
CHARS: Final = 2_000
PHRASES: Final = 16
MARKED: Final = 20
"""One request in so many touches a campaign."""


def prompts(count: int, *, seed: int) -> list[str]:
    """Texts of made-up words as frequent as words are (Zipf), in lines."""
    rng = np.random.default_rng(seed)
    letters = random.Random(7)
    words = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=letters.randint(2, 9))) for _ in range(30_000)]
    texts = []
    for _ in range(count):
        drawn = np.minimum(rng.zipf(1.2, CHARS // 3), len(words)) - 1
        ends = rng.choice([" ", " ", " ", " ", ", ", ". ", "\n"], len(drawn))
        texts.append("".join(words[at] + end for at, end in zip(drawn, ends, strict=True))[:CHARS])
    return texts


def contents(accounts: int, fingerprints: int, template: tuple[int, ...], *, on_one: int = 25) -> Contents:
    """A roster: one account in twenty is in a campaign, `on_one` accounts each in the first of these; each fingerprint
    is a template of `PHRASES` phrases, and half of them have an address too."""
    rng = np.random.default_rng(3)
    campaigns = max(fingerprints // 10, 1)
    listed = rng.random(accounts) < 0.05
    listed[:on_one] = True
    campaign = np.where(listed, rng.integers(0, campaigns, accounts), -1)
    campaign[:on_one] = 0
    phrases = rng.integers(0, 1 << 52, (fingerprints, PHRASES)).astype(np.uint64)
    phrases[0, : len(template)] = template[:PHRASES]
    values = fingerprints // 2
    columns: dict[str, Any] = {
        "account_hash": np.array([NAMES.hashed("account_id", f"a{at}") for at in range(accounts)], dtype=np.uint64),
        "account_campaign": campaign,
        "account_probability": np.where(listed, 0.97, 0.0),
        "account_kinds": np.where(listed, int(Kind.CONTENT | Kind.TIMING), 0),
        "account_role": np.where(listed, int(Role.CORE), 0),
        "account_established": ~listed & (rng.random(accounts) < 0.7),
        "phrase": phrases.ravel(),
        "phrase_template": np.repeat(np.arange(fingerprints), PHRASES),
        "template_campaign": np.arange(fingerprints) % campaigns,
        "template_least": np.full(fingerprints, 6),
        "template_key": np.arange(fingerprints),
        "value_hash": np.array([NAMES.hashed("client_ip", address(at)) for at in range(values)], dtype=np.uint64),
        "value_campaign": np.arange(values) % campaigns,
        "value_kind": np.full(values, int(Kind.INFRASTRUCTURE)),
    }
    made = tuple(Campaign(f"c{at}", f"k{at}", 25, NOW_S + 10**8, confirmed=True) for at in range(campaigns))
    return Contents("bench", NOW_S * 1_000_000, {}, PARAMETERS.metadata(), made, columns)


def address(at: int) -> str:
    return f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"


def requests(texts: Sequence[str], accounts: int, *, template: str) -> list[Request]:
    """One in `MARKED` shows the first template, from one of its addresses."""
    rng = random.Random(11)
    made = []
    for at, text in enumerate(texts):
        marked = at % MARKED == 0
        made.append(
            Request(
                account_id=f"a{rng.randrange(accounts)}" if at % 10 else f"new{at}",
                time_us=(NOW_S + at // 100) * 1_000_000,
                prompt=template + text[len(template) :] if marked else text,
                client_ip=address(0 if marked else rng.randrange(1 << 24)),
                user_agent="python-sdk/1.2",
                ja4="t13d1516h2",
                model="m-1",
                plan="pro",
            )
        )
    return made


def spread(call: Callable[[Any], object], over: Iterable[Any]) -> tuple[float, float, float]:
    """p50, p99 and p99.9 of a call, in microseconds, after one round to warm up."""
    items, took = list(over), []
    for one in items[: len(items) // 5]:
        call(one)
    gc.collect()
    for one in items:
        began = time.perf_counter_ns()
        call(one)
        took.append(time.perf_counter_ns() - began)
    p50, p99, p999 = np.percentile(took, [50, 99, 99.9]) / 1000
    return float(p50), float(p99), float(p999)


def naive(text: str) -> int:
    """A prompt read the naive way: each pattern with `re`, each run of four words hashed by Python."""
    for tactic in PARAMETERS.tactics:
        for pattern, _ in tactic.patterns:
            re.search(pattern, text, re.IGNORECASE)
    words = re.findall(r"\w+", text.lower())
    return min((hash(tuple(words[at : at + 4])) for at in range(max(len(words) - 3, 1))), default=0)


def decisions(size: tuple[int, int, int], folder: Path) -> tuple[list[tuple[str, ...]], Guard, list[Request]]:
    """The table of decisions."""
    accounts, fingerprints, count = size
    texts = prompts(count, seed=1)
    template = (
        "Grade the student's answer below by the rubric, write out every step of your reasoning, then a score. " * 2
    )
    roster_of = functools.partial(_roster, folder, accounts, fingerprints, PromptSketcher(PARAMETERS).sketch(template))
    guard = Guard(roster_of(25), read_policy(POLICY), names=NAMES, parameters=PARAMETERS)
    every = requests(texts, accounts, template=template)
    pairs = [(one, guard.sketch(one.prompt or "")) for one in every]
    batch = TextSketcher(PARAMETERS)
    rows = [
        ("`decide`, the sketch computed", spread(guard.decide, every)),
        ("`decide`, the sketch given", spread(lambda pair: guard.decide(*pair), pairs)),
        ("the sketch alone", spread(guard.sketch, texts)),
    ]
    guard.swap(roster=roster_of(min(10_000, accounts)))
    rows += [
        ("`decide`, the sketch given, 10,000 accounts on one fingerprint", spread(lambda p: guard.decide(*p), pairs)),
        ("the naive way to read a prompt", spread(naive, texts[: count // 10])),
        ("a batch of one through the scan's sketcher", spread(lambda text: batch.sketch([text]), texts[: count // 10])),
    ]
    return [(name, *(f"{one:,.0f}" for one in told)) for name, told in rows], guard, every


def _roster(folder: Path, accounts: int, fingerprints: int, template: PromptSketch, on_one: int) -> Roster:
    path = folder / f"roster-{on_one}.bin"
    if not path.exists():
        write_roster(contents(accounts, fingerprints, template.phrases, on_one=on_one), path)
    return Roster(path)


def swaps(guard: Guard, every: list[Request], folder: Path, accounts: int) -> list[tuple[str, ...]]:
    """The longest that a decision took while rosters were swapped, and while none was; and freeing a dictionary."""
    path = next(folder.glob("roster-*.bin"))
    gc.collect()
    gc.freeze()  # what the benchmark holds is not the guard's to look through
    rows = [("no roster arrives", _longest(guard, every, None))]
    rows.append(
        ("rosters arrive, one after the other", _longest(guard, every, lambda: guard.swap(roster=Roster(path))))
    )
    keys = list(range(accounts))

    def build_and_drop() -> None:
        held = {key: (key, 0.5) for key in keys}
        del held

    rows.append(("dictionaries of as many accounts arrive", _longest(guard, every, build_and_drop)))
    return [(name, *(f"{one:.1f}" for one in told)) for name, told in rows]


def _longest(guard: Guard, every: list[Request], beside: Callable[[], object] | None) -> tuple[float, float]:
    """p99.9 and the longest decision in milliseconds, while a thread does something over and over."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and beside is not None:
            beside()

    thread = threading.Thread(target=work)
    thread.start()
    took = []
    try:
        for one in every * 2:
            began = time.perf_counter_ns()
            guard.decide(one)
            took.append(time.perf_counter_ns() - began)
    finally:
        stop.set()
        thread.join()
    return float(np.percentile(took, 99.9)) / 1e6, max(took) / 1e6


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.guard", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small roster; the page is printed, not written")
    args = parser.parse_args(argv)
    accounts, fingerprints, count = (20_000, 2_000, 1_000) if args.quick else (1_000_000, 100_000, 20_000)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows, guard, every = decisions((accounts, fingerprints, count), folder)
        memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pauses = swaps(guard, every, folder, accounts)
        size_mib = max(path.stat().st_size for path in folder.glob("roster-*.bin")) / 2**20
    page = (
        "# The speed of the guard\n\nWhat does a decision cost?\n\n"
        f"{frame('benchmarks.speed.guard')}\n"
        f"A roster of {accounts:,} accounts and {fingerprints:,} templates of {PHRASES} phrases each, {count:,} "
        f"requests with prompts of {CHARS:,} characters, one in {MARKED} of which touches a campaign. Microseconds:\n\n"
        + table(("what", "p50", "p99", "p99.9"), rows)
        + "\nThe longest decisions while something goes on in another thread of the process, milliseconds (the sketch "
        "computed):\n\n" + table(("what goes on", "p99.9", "longest"), pauses)
        + f"\nThe file has {size_mib:.0f} MiB; the process that made it, decided and held both rosters has "
        f"{memory_mib:,.0f} MiB at most, of which making the roster and the requests take a part.\n"
    )  # fmt: skip
    if args.quick:
        print(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
