"""Is withheld reasoning seen in an answer, and how often is an answer cut that carries none?

There is no public set of reasoning with its answers here, so people's own long messages stand for both. Two messages
that have nothing to do with each other, and two that follow one another in a conversation (often about one thing, often
with parts of the first repeated in the second), say how often an answer would be cut for nothing; a message that is
written in each of the ways says what is seen, and how much of it has left by then.
"""

from __future__ import annotations

import argparse
import base64
import codecs
import itertools
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import shared
from spiritsafe.guard.leaks.checking import LeakCheck, Thoughts
from spiritsafe.stats import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE: Final = Path(__file__).with_suffix(".md")
LEAST_WORDS: Final = 60
PIECE: Final = 5
SEED: Final = 7


def _dropped(text: str) -> str:
    keep = random.Random(SEED)
    return " ".join(word for word in text.split() if keep.random() > 1 / 3)


def _put_in(text: str) -> str:
    put = random.Random(SEED)
    return " ".join(word + (" indeed" if put.random() < 1 / 3 else "") for word in text.split())


def _bits(text: str) -> str:
    return "".join("\u200b\u200c"[byte >> place & 1] for byte in text.encode() for place in range(7, -1, -1))


WAYS: Final[dict[str, Callable[[str], str]]] = {
    "word for word": str,
    "its second half": lambda text: text[len(text) // 2 :],
    "a third of the words dropped": _dropped,
    "a word put in after every third": _put_in,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base16": lambda text: text.encode().hex(),
    "ROT13": lambda text: codecs.encode(text, "rot13"),
    "reversed": lambda text: text[::-1],
    "zero-width characters between letters": "\u200b".join,
    "zero-width bits": _bits,
}


def check(reasoning: str, prompt: str = "") -> LeakCheck:
    thoughts = Thoughts(prompt)
    thoughts.add(reasoning)
    return LeakCheck(thoughts)


def streamed(one: LeakCheck, answer: str) -> tuple[str, int]:
    """What left, and the most that was held back at a time (characters)."""
    left, held, came = 0, 0, 0
    said = []
    for at in range(0, len(answer), PIECE):
        piece = answer[at : at + PIECE]
        out = one.feed(piece)
        came, left = came + len(piece), left + len(out)
        held = max(held, came - left)
        said.append(out)
    return "".join(said) + one.end(), held


def innocent(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """How many of these answers would be cut, in a hidden way or word for word, and how long they were held back."""
    hidden = plain = 0
    helds = []
    for reasoning, answer in pairs:
        one = check(reasoning)
        _, held = streamed(one, answer)
        helds.append(held)
        if one.leak is not None:
            plain += one.leak.way == "as it is"
            hidden += one.leak.way != "as it is"
    cut = [f"{count} (to {wilson(count, len(pairs)).high:.2%})" for count in (hidden, plain)]
    return [f"{len(pairs):,}", *cut, f"{np.mean(np.array(helds) > 0):.1%}", f"{np.quantile(helds, 0.99):,.0f}"]


def seen(texts: Sequence[str], write: Callable[[str], str]) -> list[str]:
    """How many of these are seen when they are written so, and which share of them has left by then."""
    found, shares = 0, []
    for text in texts:
        one, answer = check(text), write(text)
        left, _ = streamed(one, answer)
        if one.leak is not None:
            found += 1
            shares.append(len(left) / len(answer))
    interval = wilson(found, len(texts))
    middle, most = (f"{np.quantile(shares, q):.1%}" for q in (0.5, 0.95)) if shares else ("", "")
    return [f"{found / len(texts):.1%} ({interval.low:.1%} to {interval.high:.1%})", middle, most]


def cost_us(texts: Sequence[str]) -> float:
    """Microseconds a thousand characters of an answer that comes in pieces of five."""
    spent = characters = 0.0
    for reasoning, answer in zip(texts[::2], texts[1::2], strict=False):
        one = check(reasoning)
        began = time.perf_counter()
        streamed(one, answer)
        spent, characters = spent + time.perf_counter() - began, characters + len(answer)
    return spent / characters * 1e9


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.leaks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few messages; the page is not written")
    args = parser.parse_args(argv)
    folder = shared("prompts")
    if folder is None:
        sys.stderr.write("the public prompt sets are not here: set SPIRITSAFE_SHARED_DATA to their folder\n")
        return 5
    rows = pq.read_table(
        folder / "prompts_benign_multiturn.parquet", columns=["conv_id", "part", "turn", "prompt"]
    ).to_pylist()
    long = [row for row in rows if len(row["prompt"].split()) >= LEAST_WORDS]
    follow = [
        (one["prompt"], other["prompt"])
        for one, other in itertools.pairwise(long)
        if (one["conv_id"], one["part"]) == (other["conv_id"], other["part"]) and one["prompt"] != other["prompt"]
    ]
    rng = random.Random(SEED)
    few = 60 if args.quick else 10_000
    drawn = [rng.sample(long, 2) for _ in range(few)]
    apart = [(one["prompt"], other["prompt"]) for one, other in drawn if one["conv_id"] != other["conv_id"]]
    texts = [row["prompt"] for row in rng.sample(long, min(500, few))]
    head = ["pairs of messages", "", "cut, hidden ways", "cut, word for word", "held back at all", "99 % at most"]
    none = [
        ["that have nothing to do with each other", *innocent(apart)],
        ["that follow one another in a conversation", *innocent(follow[:few])],
    ]
    carry = [[way, *seen(texts, write)] for way, write in WAYS.items()]
    page = [
        "# Withheld reasoning in answers\n\nIs it seen, and how often is an answer cut that carries none?\n\n"
        + frame("benchmarks.detection.leaks"),
        f"ShareGPT messages of {LEAST_WORDS} words or more stand for reasoning and for answers; no threshold "
        f"was chosen by them. Answers come in pieces of {PIECE} characters. Intervals: Wilson, 95 %.\n",
        "## Answers that carry none\n\n" + table(head, none),
        "Held back: in characters, until it was clear that the answer did not go on to follow the other text. People "
        "send a text again with changes, so that a message is often most of the one before it: word for word, the "
        "second row says how often that was seen, not how often it was wrong.\n",
        f"## Answers that carry it\n\n{len(texts)} messages, each the reasoning of an answer that is it, written so. A "
        "half is a leak where it is two fifths of the words that are not in the prompt, and forty words.\n\n"
        + table(["written", "seen", "left by then, median", "95 %"], carry),
        f"## Cost\n\n{cost_us(texts) / 1000:.1f} ms a thousand characters of an answer, all ways looked for.\n",
        "## What this does not show\n\nMessages are no reasoning. A model drafts in its reasoning what it then says, "
        "and people do not; how often a draft is taken for a leak is not measured here. Nor are paraphrase, summary "
        "and translation looked for: nothing here sees them.\n",
    ]
    if not args.quick:
        PAGE.write_text("\n".join(page), encoding="utf-8")
    sys.stdout.write("\n".join(page))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
