"""Does one text follow another, word for word, though words be left out, put in or written otherwise?

A chain is a row of words of an answer that stand in the reasoning in the same order, each within `REACH` words of the
one before. Each word counts by its rarity, one that was put in costs a bit: 2 to the power of a chain's bits is an
e-process under the null that the answer's words come in an order which has nothing to do with the reasoning's (a word
that fits with probability p multiplies it by 1/2p, one that does not by 1/2: at most 1 in the mean). So a chain that
begins at a given word and place ever has b bits with probability 2^-b at most (Ville's inequality), and a chain is
significant when fewer than `CHANCE` such are expected from all words and places at which one could begin. Comes from
`checking`; `writings` says which words are the same.

Source: Karlin & Altschul, PNAS 87 (1990), doi:10.1073/pnas.87.6.2264, for the count of beginnings; Shafer & Vovk,
Game-Theoretic Foundations (2019), for the e-process. Held against texts that have nothing to do with each other by
`benchmarks/detection/leaks.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.guard.leaks.writings import Writing

REACH: Final = 6
"""So far ahead the next word of a chain may stand: five words may have been left out."""

MISSES: Final = 4
"""So many words in a row may have been put in."""

CHANCE: Final = 1e-6
"""Significant chains that are expected in one answer by chance, at most."""

STARTS: Final = 8
"""A word that is in the reasoning more often begins no chain."""

SUSPECT_BITS: Final = 16.0
"""From so many bits on it is to be waited for whether a chain goes on."""

CHAINS: Final = 12
"""Chains that are followed at once; the weakest is let go."""


class Index:
    """The reasoning's words by what they are known by, in one way of writing."""

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.places: dict[str, list[int]] = {}
        self.words: list[str] = []

    def add(self, word: str) -> None:
        """The next word of the reasoning."""
        key = self.writing.thought(word)
        if key is not None:
            self.places.setdefault(key, []).append(len(self.words))
        self.words.append(word)

    def bits(self, key: str) -> float:
        """What it says for a chain that a word fits which by chance fits so often."""
        return -math.log2(min(REACH * len(self.places[key]) / len(self.words), 1.0)) - 1


@dataclass(slots=True)
class Chain:
    """Words of an answer that follow the reasoning: at which places, and from which character of the answer on."""

    at: int
    turn: int
    begins: int
    bits: float
    places: list[int] = field(default_factory=list)
    misses: int = 0


class Follower:
    """Follows an answer's words along the reasoning, in one way of writing.

    `way` is this way in words, `hidden` whether it has no honest use. `carried` are the places in the reasoning whose
    words significant chains carry; `begins`, from which character of the answer on. While it has a chain that is
    suspect or significant it is among those `seen`.
    """

    def __init__(self, index: Index, seen: set[Follower], *, way: str = "", hidden: bool = False) -> None:
        self.way, self.hidden = way, hidden
        self._index, self._seen = index, seen
        self._chains: list[Chain] = []
        self._said = 0
        self.carried: set[int] = set()
        self.begins: int | None = None

    def feed(self, word: str, begins: int) -> None:
        """The next word of the answer, and at which of its characters it begins."""
        key = self._index.writing.said(word)
        if key is None:
            return
        self._said += 1
        places = self._index.places.get(key)
        if places is None:
            if self._chains:
                self._miss(self._chains)
                self._tell()
            return
        bits = self._index.bits(key)
        left = [chain for chain in self._chains if not self._lengthened(chain, places, word, bits)]
        taken = {chain.at for chain in self._chains}
        self._miss(left)
        if len(places) <= STARTS and bits > 0:
            for place in places:
                turn = self._index.writing.turn(word, self._index.words[place])
                if place not in taken and turn is not None:
                    self._chains.append(Chain(place, turn, begins, bits, [place]))
        self._strongest()
        self._tell()

    def suspect(self) -> int | None:
        """From which character on the answer now seems to follow the reasoning, or None."""
        return min((chain.begins for chain in self._chains if chain.bits >= SUSPECT_BITS), default=None)

    def _tell(self) -> None:
        if self.carried or any(chain.bits >= SUSPECT_BITS for chain in self._chains):
            self._seen.add(self)
        else:
            self._seen.discard(self)

    def _significant_bits(self) -> float:
        return math.log2(self._said * len(self._index.words) / CHANCE)

    def _lengthened(self, chain: Chain, places: Sequence[int], word: str, bits: float) -> bool:
        """Lengthen a chain by the nearest of these places that fits, if one does."""
        writing, words = self._index.writing, self._index.words
        near = [
            place for place in places
            if 0 < (place - chain.at) * writing.step <= REACH and writing.turn(word, words[place]) == chain.turn
        ]  # fmt: skip
        if not near:
            return False
        chain.at = min(near, key=lambda place: abs(place - chain.at))
        chain.bits, chain.misses = chain.bits + bits, 0
        chain.places.append(chain.at)
        if chain.bits >= self._significant_bits():
            self.carried.update(chain.places)
            self.begins = chain.begins if self.begins is None else min(self.begins, chain.begins)
        return True

    def _miss(self, chains: Sequence[Chain]) -> None:
        for chain in chains:
            chain.misses += 1
            chain.bits -= 1
        self._chains = [chain for chain in self._chains if chain.misses <= MISSES and chain.bits > 0]

    def _strongest(self) -> None:
        """Of chains that have come to one place keep the strongest, and of all the strongest few."""
        best: dict[tuple[int, int], Chain] = {}
        for chain in sorted(self._chains, key=lambda one: -one.bits):
            best.setdefault((chain.at, chain.turn), chain)
        self._chains = list(best.values())[:CHAINS]
