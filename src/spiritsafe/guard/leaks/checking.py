"""Follow an answer beside the reasoning that is withheld from it, and say how much of it may leave.

What the prompt says is no secret and does not count. Written in a way that has no honest use (backwards, moved along
the alphabet, in a base, unseen) few words of the reasoning are a leak. Word for word it is another matter: a model
drafts in its reasoning what it then answers. There, a leak is so large a share of the reasoning that it is no draft, or
its opening, which is never one. Comes from `gateways.answers`; goes back to it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from spiritsafe.guard.leaks.chains import Follower, Index
from spiritsafe.guard.leaks.decoding import base16_decoder, base32_decoder, base64_decoder
from spiritsafe.guard.leaks.words import Unseen, plain, words
from spiritsafe.guard.leaks.writings import AS_IT_IS, WRITINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARE: Final = 0.4
"""So large a share of the reasoning, word for word, is no draft of the answer. Not calibrated: see the limits."""

WORDS: Final = 40
"""And so many words at least."""

OPENING: Final = 80
"""Words of the reasoning that are its opening. `WORDS` of them, word for word, are a leak."""

HIDDEN_WORDS: Final = 8
"""So many words, written in a way that has no honest use, are a leak."""

MOST_HELD: Final = 4_000
"""So many characters wait at most; the oldest then leave."""

LONGEST_WORDS: Final = 50_000
"""Of longer reasoning so many words are followed, and of a longer prompt."""

_BASES: Final = {"in base 64": base64_decoder, "in base 32": base32_decoder, "in base 16": base16_decoder}
PIECE: Final = 8
"""A text is read in pieces of so many characters: so exactly is known where a leak begins."""

DEEPEST: Final = 2
"""What was decoded is read for what is written in a base in it, so often."""


class Leak(msgspec.Struct, frozen=True):
    """That an answer carries withheld reasoning: how it is written, how many of the reasoning's words it carries and
    which share of it, and from which character of the answer on."""

    way: str
    words: int
    share: float
    begins: int


class Thoughts:
    """The reasoning of an exchange, as it comes, and which of its words the prompt says already."""

    def __init__(self, prompt: str = "") -> None:
        self.indexes = {way: Index(writing) for way, writing in WRITINGS.items()}
        self._prompt = plain(prompt)
        self._rest = ""
        self._public: set[int] | None = None

    def add(self, text: str) -> None:
        """More of the reasoning."""
        text = self._rest + plain(text)
        found = list(words(text))
        if found and found[-1][2] == len(text):
            found.pop()  # it may go on
        self._rest = text[found[-1][2] if found else 0 :]
        self._take(word for word, _, _ in found)

    def settle(self) -> None:
        """The reasoning is whole, as far as it goes."""
        self._take(word for word, _, _ in words(self._rest))
        self._rest = ""

    @property
    def public(self) -> set[int]:
        """Places in the reasoning where it repeats the prompt."""
        if self._public is None:
            follower = Follower(self.indexes[AS_IT_IS], set())
            for word, _, _ in itertools.islice(words(self._prompt), LONGEST_WORDS):
                follower.feed(word, 0)
            self._public = follower.carried
        return self._public

    def __len__(self) -> int:
        return len(self.indexes[AS_IT_IS].words)

    def _take(self, more: Iterator[str]) -> None:
        for word in more:
            if len(self) >= LONGEST_WORDS:
                return
            for index in self.indexes.values():
                index.add(word)
            self._public = None


class _Reading:
    """One text that an answer is, or says when it is decoded; read in every way."""

    def __init__(self, thoughts: Thoughts, seen: set[Follower], way: str = "", depth: int = 0) -> None:
        self._thoughts, self._seen, self._way, self._depth = thoughts, seen, way, depth
        self._followers = [
            Follower(
                index,
                seen,
                way=", ".join(filter(None, [way, name if name != AS_IT_IS or not way else ""])),
                hidden=bool(way) or name != AS_IT_IS,
            )
            for name, index in thoughts.indexes.items()
        ]
        self._word, self._word_begins = "", 0
        self._unseen = Unseen()
        self._bases = {name: make() for name, make in _BASES.items()} if depth < DEEPEST else {}
        self._inner: dict[str, _Reading] = {}

    def feed(self, text: str, begins: int, *, whole: bool = False) -> None:
        """More of the text, from this character of the answer on. Of a decoded text all of it begins there."""
        for name, said in self._unseen.feed(text).items():
            self._in(f"unseen ({name})").feed(said, begins)
        for name, decoder in self._bases.items():
            for place, said in enumerate(decoder.feed(text)):
                if said.strip() or (said and f"{name}\x1f{place}" in self._inner):
                    self._in(f"{name}\x1f{place}").feed(said, begins)
        self._read(text, begins, whole=whole)

    def _read(self, text: str, begins: int, *, whole: bool) -> None:
        before, held = len(self._word), self._word + plain(text)
        self._word = ""
        for word, start, end in words(held):
            at = self._word_begins if start < before else begins
            if end == len(held) and not whole:  # it may go on
                self._word, self._word_begins = held[start:], at
                return
            for follower in self._followers:
                follower.feed(word, at)

    def end(self) -> None:
        """The text is whole."""
        self._read("", self._word_begins, whole=True)
        for reading in self._inner.values():
            reading.end()

    def _in(self, name: str) -> _Reading:
        if name not in self._inner:
            way = name.partition("\x1f")[0]
            way = f"{self._way}, {way}" if self._way else way
            self._inner[name] = _Reading(self._thoughts, self._seen, way, self._depth + 1)
        return self._inner[name]


@dataclass(slots=True)
class LeakCheck:
    """Passes an answer on as it comes, without what of the reasoning it carries.

    Parameters
    ----------
    thoughts
        The reasoning; it may come before the answer or between its parts.

    Examples
    --------
    >>> thoughts = Thoughts("What is 17 * 23?")
    >>> thoughts.add("Okay, seventeen times twenty is 340, seventeen times three is fifty-one, together they make 391.")
    >>> check = LeakCheck(thoughts)
    >>> check.feed("It is 391. ") + check.feed("xbpm ...") + check.end(), check.leak
    ('It is 391. xbpm ...', None)
    """

    thoughts: Thoughts
    leak: Leak | None = None
    _reading: _Reading | None = None
    _seen: set[Follower] = field(default_factory=set)
    _held: str = ""
    _left: int = 0
    """Characters that have left."""

    def feed(self, text: str) -> str:
        """More of the answer in; what may leave out. Nothing leaves once it carries the reasoning."""
        if self.leak is not None:
            return ""
        self.thoughts.settle()
        if self._reading is None:
            if not len(self.thoughts):
                self._left += len(text)
                return text
            self._reading = _Reading(self.thoughts, self._seen)
        begins = self._left + len(self._held)
        self._held += text
        for at in range(0, len(text), PIECE):
            self._reading.feed(text[at : at + PIECE], begins + at)
        return self._judged()

    def end(self) -> str:
        """The answer is whole: what of it may still leave."""
        if self._reading is None or self.leak is not None:
            return ""
        self._reading.end()
        said = self._judged()
        said, self._held = said + self._held, ""
        return said

    def _judged(self) -> str:
        """What may leave now."""
        if not self._seen:
            return self._release(len(self._held))
        self.leak = self._found()
        if self.leak is not None:
            return self._release(self.leak.begins - self._left, drop=True)
        suspect = min((at for one in self._seen if (at := one.suspect()) is not None), default=None)
        keep = 0 if suspect is None else min(len(self._held) + self._left - suspect, MOST_HELD)
        return self._release(len(self._held) - keep)

    def _found(self) -> Leak | None:
        """The gravest leak."""
        found = []
        public = self.thoughts.public
        secret = max(len(self.thoughts) - len(public), 1)
        for follower in self._seen:
            carried = follower.carried - public
            share = len(carried) / secret
            if _is_leak(follower, carried, share):
                found.append(Leak(follower.way, len(carried), share, follower.begins or 0))
        return max(found, key=lambda leak: (leak.words, leak.way), default=None)

    def _release(self, count: int, *, drop: bool = False) -> str:
        said = self._held[: max(count, 0)]
        self._held = "" if drop else self._held[len(said) :]
        self._left += len(said)
        return said


def _is_leak(follower: Follower, carried: set[int], share: float) -> bool:
    if follower.hidden:
        return len(carried) >= HIDDEN_WORDS
    opening = sum(place < OPENING for place in carried)
    return len(carried) >= WORDS and (share >= SHARE or opening >= WORDS)
