"""Answers held against the reasoning withheld from them: each way to write it is seen, honest ones leave whole."""

from __future__ import annotations

import base64
import codecs
import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiritsafe.guard.leaks.chains import Follower, Index
from spiritsafe.guard.leaks.checking import HIDDEN_WORDS, MOST_HELD, LeakCheck, Thoughts
from spiritsafe.guard.leaks.decoding import SHORTEST, base16_decoder, base32_decoder, base64_decoder
from spiritsafe.guard.leaks.words import Unseen, plain
from spiritsafe.guard.leaks.writings import AS_IT_IS, WRITINGS

PROMPT = "Plan a kitchen garden for my narrow balcony that faces north."
REASONING = """Okay, the user wants me to plan a kitchen garden for a narrow balcony that faces north. First I should
think about light: north means shade most of the day, so tomatoes and peppers are out. Leafy crops would cope: spinach,
rocket, mint, parsley, maybe chard. Wait, wind matters too, a tenth floor balcony dries pots quickly, so self-watering
boxes make sense. Let me estimate the weight: wet compost is about 1.2 kilograms per litre, and six boxes of twenty
litres would be 144 kilograms, which most slabs carry. I might mention asking the landlord. Hmm, should I give a sowing
calendar? Probably a short one, from March to September, in fortnights. I need to keep the answer under 200 words and
end with a friendly line."""
ANSWER = """Your balcony gets little sun, so grow leaves rather than fruit: spinach, rocket, mint, parsley and chard.
Use self-watering boxes, because wind dries pots. Six boxes weigh around 144 kg when wet; ask your landlord
whether that is fine. Sow a little every fortnight between March and September. Enjoy your salads!"""
WORDS = REASONING.split()


def moved(text: str, by: int) -> str:
    return "".join(chr((ord(c) - 97 + by) % 26 + 97) if c.isascii() and c.isalpha() else c for c in text.lower())


def bits(data: bytes, zero: str, one: str) -> str:
    return "".join(one if byte >> place & 1 else zero for byte in data for place in range(7, -1, -1))


def without_some(share: float, seed: int = 1) -> str:
    keep = random.Random(seed)
    return " ".join(word for word in WORDS if keep.random() > share)


BYTES = REASONING.encode()
WAYS = {
    "verbatim": (REASONING, AS_IT_IS),
    "its first half": (REASONING[: len(REASONING) // 2], AS_IT_IS),
    "its second half": (REASONING[len(REASONING) // 2 :], AS_IT_IS),
    "capitals and markup": ("**" + "** **".join(WORDS).upper() + "**", AS_IT_IS),
    "every third word dropped": (" ".join(w for n, w in enumerate(WORDS) if n % 3), AS_IT_IS),
    "two in five words dropped": (without_some(0.4), AS_IT_IS),
    "words put in": (" ".join(w + (" quack quack" if n % 3 == 0 else "") for n, w in enumerate(WORDS)), AS_IT_IS),
    "zero-width joiners between letters": ("\u200d".join(REASONING), AS_IT_IS),
    "base64": (base64.b64encode(BYTES).decode(), "in base 64"),
    "base64url": (base64.urlsafe_b64encode(BYTES).decode(), "in base 64"),
    "base64 in lines": (base64.encodebytes(BYTES).decode(), "in base 64"),
    "base64 in short words": (" ".join(base64.b64encode(BYTES).decode()[n : n + 5] for n in range(0, 1000, 5)),
                              "in base 64"),
    "base32": (base64.b32encode(BYTES).decode(), "in base 32"),
    "base16": (BYTES.hex(), "in base 16"),
    "base16 in capitals": (BYTES.hex().upper(), "in base 16"),
    "base16 byte by byte": (BYTES.hex(" "), "in base 16"),
    "percent signs": ("%" + BYTES.hex("%"), "in base 16"),
    "ROT13": (codecs.encode(REASONING, "rot13"), "moved along the alphabet"),
    "Caesar's cipher": (moved(REASONING, 3), "moved along the alphabet"),
    "reversed": (REASONING[::-1], "from its end to its beginning"),
    "each word reversed": (" ".join(word[::-1] for word in WORDS), "words spelled backwards"),
    "tag characters": ("".join(chr(0xE0000 + ord(c)) for c in REASONING), "unseen (tags)"),
    "variation selectors": ("".join(chr(0xE0100 + byte - 16) if byte > 15 else chr(0xFE00 + byte) for byte in BYTES),
                            "unseen (selectors)"),
    "zero-width bits": (bits(BYTES, "\u200b", "\u200c"), "unseen (bits)"),
    "zero-width bits, of other characters": (bits(BYTES, "\u2060", "\u200b"), "unseen"),
    "base64 twice": (base64.b64encode(base64.b64encode(BYTES)).decode(), "in base 64, in base 64"),
    "ROT13 in base64": (base64.b64encode(codecs.encode(REASONING, "rot13").encode()).decode(),
                        "in base 64, moved along the alphabet"),
}  # fmt: skip


def check(prompt: str = PROMPT, reasoning: str = REASONING) -> LeakCheck:
    thoughts = Thoughts(prompt)
    thoughts.add(reasoning)
    return LeakCheck(thoughts)


def passed(one: LeakCheck, text: str, size: int = 0) -> str:
    size = size or max(len(text), 1)
    return "".join(one.feed(text[at : at + size]) for at in range(0, len(text), size)) + one.end()


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize("way", WAYS)
def test_reasoning_is_seen_however_it_is_written(way, size):
    text, told = WAYS[way]
    one = check()
    left = passed(one, "Here it is. " + text, size)
    assert one.leak is not None
    assert one.leak.way.startswith(told)
    # What left of it before it was clear: a few words of it, however many characters each of them has.
    assert len(left) - 12 <= (3 * SHORTEST if not size else len(text) // 8)
    assert left.startswith("Here it is."[: len(left)])


@pytest.mark.parametrize("size", [0, 1, 7])
def test_an_honest_answer_leaves_whole(size):
    one = check()
    assert passed(one, ANSWER, size) == ANSWER
    assert one.leak is None


def test_a_draft_that_the_answer_repeats_is_no_leak():
    one = check(reasoning=REASONING + " Draft: " + ANSWER)
    assert passed(one, ANSWER, 5) == ANSWER
    assert one.leak is None


def test_what_the_prompt_says_is_no_secret():
    """Whoever asks to have their own text encoded gets it, though the model repeated it to itself."""
    encoded = base64.b64encode(BYTES).decode()
    one = check(prompt="Encode this in base64: " + REASONING)
    assert passed(one, encoded, 9) == encoded
    assert one.leak is None
    assert len(check(prompt="Encode this").feed(encoded)) <= SHORTEST


def test_the_opening_of_a_long_reasoning_is_a_leak_though_it_is_a_small_share_of_it():
    more = " ".join(f"Then step {n} follows from what came before it, number {n * 7}." for n in range(200))
    one = check(reasoning=REASONING + more)
    passed(one, " ".join(WORDS[:60]), 6)
    assert one.leak is not None
    assert one.leak.share < 0.1
    middle = check(reasoning="Well. " + more + REASONING)
    said = " ".join(WORDS[:60])
    assert passed(middle, said, 6) == said  # as far into it, so few words may be a draft


def test_without_reasoning_nothing_is_held():
    one = LeakCheck(Thoughts(PROMPT))
    assert one.feed(REASONING[:99]) == REASONING[:99]
    assert one.end() == ""


def test_reasoning_between_the_parts_of_an_answer_is_seen_too():
    one = check(reasoning="Hm, let me see what I can do for this person here.")
    assert one.feed("One moment. ") == "One moment. "
    one.thoughts.add(REASONING)
    one.feed(REASONING)
    assert one.leak is not None


def test_no_more_is_held_back_than_stated():
    """A draft that goes on and on, word for word, leaves in the end."""
    long = " ".join(f"word{n}" for n in range(4_000))
    one = check(reasoning="Let me think about this for quite a while before. " * 600 + long)
    held = 0
    for at in range(0, len(long), 50):
        one.feed(long[at : at + 50])
        held = max(held, len(one._held))
    assert (held, one.leak) == (MOST_HELD, None)


def test_nothing_leaves_after_a_leak():
    one = check()
    one.feed(BYTES.hex())
    assert one.leak is not None
    assert one.leak.words >= HIDDEN_WORDS
    assert one.feed("And now for something else.") + one.end() == ""


@settings(max_examples=150)
@given(answer=st.text(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_whatever_is_said_leaves_as_it_was_and_in_order(answer, cuts):
    """Strangers' texts: nothing fails, nothing is lost, nothing is changed."""
    one, left = check(), ""
    places = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
    for begin, end in itertools.pairwise(places):
        left += one.feed(answer[begin:end])
        assert answer.startswith(left)
    assert left + one.end() == answer
    assert one.leak is None


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_reasoning_can_be_read(reasoning, answer):
    one = check(prompt=answer[:20], reasoning=reasoning)
    assert answer.startswith(passed(one, answer, 3))


@given(st.binary(min_size=1, max_size=60), st.integers(0, 7))
def test_bases_are_read_from_wherever_they_begin(data, before):
    text = "".join(chr(32 + byte % 95) for byte in data) + "and so on, to the end"
    for make, encode, filler in (
        (base64_decoder, base64.b64encode, "q"), (base32_decoder, base64.b32encode, "Q"),
        (base16_decoder, base64.b16encode, "A"),
    ):  # fmt: skip
        said = make().feed(filler * before + encode(text.encode()).decode().rstrip("="))
        assert any(text.strip() in one for one in said)


def test_what_nobody_sees_is_taken_out_and_read():
    assert plain("Ｗａｉｔ,\u200b ﬁne\ufe0f") == "wait, fine"
    assert Unseen().feed("Hi" + "".join(chr(0xE0000 + ord(c)) for c in "wait")) == {"tags": "wait"}
    assert Unseen().feed("no more than this") == {}


def test_chains_come_about_by_chance_as_seldom_as_stated():
    """Words in an order that has nothing to do with the reasoning's, of the same make: the null."""
    rng = random.Random(3)
    vocabulary = [f"w{n}" for n in range(60)]
    weights = [1 / (n + 1) for n in range(60)]
    highest = []
    for _ in range(200):
        index = Index(WRITINGS[AS_IT_IS])
        for word in rng.choices(vocabulary, weights, k=200):
            index.add(word)
        follower = Follower(index, set())
        best = 0.0
        for word in rng.choices(vocabulary, weights, k=200):
            follower.feed(word, 0)
            best = max([best, *(chain.bits for chain in follower._chains)])
        highest.append(best)
        assert not follower.carried
    bound = math.log2(200 * 200)
    for more in (1, 2, 3):
        assert sum(best >= bound + more for best in highest) <= 200 * 2.0**-more
    assert sum(best >= bound / 2 for best in highest) > 10  # chains do come up by chance, only not so strong ones
