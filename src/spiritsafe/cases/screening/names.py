"""How well do two names fit, and which parts of them?

`rigour` takes a name apart: order, case, accents, scripts that look alike, titles and legal forms are its business, and
it knows the forms that a name has in other languages. What it leaves is weighed here by rarity: a part that thousands
on the list have (Muhammad, Trading) says little, one that nobody else has says much.
Comes from `screen`; goes on to its hits.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rigour.names import (
    CompareConfig,
    NamePartTag,
    NameTypeTag,
    align_person_name_order,
    analyze_names,
    compare_parts,
    pair_symbols,
)

from spiritsafe.cases.screening.model import Fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rigour.names import Alignment, Name, NamePart, Symbol

    from spiritsafe.cases.screening.model import Kind

_TAGS: Final[Mapping[Kind, tuple[NameTypeTag, ...]]] = {
    "person": (NameTypeTag.PER,),
    "organization": (NameTypeTag.ORG,),
    "other": (NameTypeTag.OBJ,),
    "unknown": (NameTypeTag.PER, NameTypeTag.ORG),
}
_LIGHT: Final = frozenset({NamePartTag.LEGAL, NamePartTag.STOP, NamePartTag.HONORIFIC})
LIGHT_BITS: Final = 0.5
"""What a legal form, a particle or a title weighs."""
MIN_BITS: Final = 1.0
ENOUGH_BITS: Final = 8.0
"""What must fit, in rarity, where something else does not: one name in 256."""
WHOLE: Final = 0.95
CONFLICT: Final = 0.4
"""What is taken off where both names have parts that the other lacks: then no part was left out, it is another."""
INITIAL_BITS: Final = 3.0
SHORTENED_SCORE: Final = 0.9
SHORTENED_LETTERS: Final = 3
BETTER_SIDE: Final = 0.7
"""Share of the better explained name in a score; the other's is the rest. A part that is left out (a father's name) is
no difference, yet a name of which half is unexplained fits worse than a whole one. Where a single part fits, the worse
explained name decides: a first name alone is nobody."""
CANDIDATES: Final = 80
FEWEST_NAMES: Final = 10_000
"""In a shorter list a part that is there once is not known to be common: it weighs as much as in one of this length."""
_TOLERANT: Final = CompareConfig(budget_tolerance=1.5)
"""One letter may differ in a word of four; by default none may in so short a one."""
_VOWELS: Final = str.maketrans("", "", "aeiou")


def take_apart(text: str, kind: Kind, *, asked: bool) -> list[Name]:
    """A name as `rigour` reads it; as a person's and an organisation's where that is not known."""
    return [name for tag in _TAGS[kind] for name in analyze_names(tag, [text], infer_initials=asked)]


@dataclass(frozen=True, slots=True)
class Scored:
    """How well two names fit, 0 to 1, and by which parts."""

    score: float
    fits: tuple[Fit, ...]


class NameIndex:
    """Names of a list, by the parts that they have, with how rare each part is."""

    def __init__(self, names: Sequence[tuple[str, Kind]]) -> None:
        self.names = [take_apart(text, kind, asked=False) for text, kind in names]
        self._size = max(len(self.names), FEWEST_NAMES)
        self._by_key: dict[str, list[int]] = defaultdict(list)
        self._counts: Counter[str] = Counter()
        for number, forms in enumerate(self.names):
            for key in {key for name in forms for key in _keys_of(name)}:
                self._by_key[key].append(number)
            self._counts.update({part.comparable for name in forms for part in name.parts})
            self._counts.update({_symbol_key(span.symbol) for name in forms for span in name.spans})

    def bits(self, part: NamePart) -> float:
        """What a part weighs: how rare it is among the list's names."""
        if part.tag in _LIGHT:
            return LIGHT_BITS
        return self._rarity(part.comparable)

    def _rarity(self, key: str) -> float:
        return max(MIN_BITS, math.log2((self._size + 1) / (self._counts[key] + 1)))

    def candidates(self, asked: Name) -> list[int]:
        """Numbers of names that share something rare with one, the likeliest first."""
        weights: dict[int, float] = defaultdict(float)
        for keys in _keys_by_part(asked):
            best: dict[int, float] = {}
            for key in keys:
                held = self._by_key.get(key, ())
                bits = math.log2((self._size + 1) / (len(held) + 1))
                for number in held:
                    best[number] = max(bits, best.get(number, 0.0))
            for number, bits in best.items():
                weights[number] += bits
        return sorted(weights, key=lambda number: (-weights[number], number))[:CANDIDATES]

    def fit(self, asked: Name, listed: Name) -> Scored:
        """How well two names fit in the best of the ways in which their parts can be paired."""
        return max((self._paired(asked, listed, pairing) for pairing in pair_symbols(asked, listed)), key=_score)

    def _paired(self, asked: Name, listed: Name, pairing: Sequence[Alignment]) -> Scored:
        mine = [part for part in asked.parts if not any(part in one.qps for one in pairing)]
        theirs = [part for part in listed.parts if not any(part in one.rps for one in pairing)]
        if mine and theirs:
            mine, theirs = align_person_name_order(mine, theirs)
        alignments = [*pairing, *compare_parts(mine, theirs, _TOLERANT)]
        return self._weighed(alignments, _shortened(alignments, last=asked.parts[-1]))

    def _weighed(self, alignments: Sequence[Alignment], shortened: Mapping[NamePart, NamePart]) -> Scored:
        fits, found, mine, theirs, pairs = [], 0.0, 0.0, 0.0, 0
        for part, whole in shortened.items():
            most = INITIAL_BITS if len(part.comparable) == 1 else math.inf
            asked_bits, listed_bits = min(most, self.bits(part)), self.bits(whole)
            mine, theirs, pairs = mine + asked_bits, theirs + listed_bits, pairs + 1
            found += SHORTENED_SCORE * min(asked_bits, listed_bits)
            fits.append(Fit(part.form, whole.form, "shortened", SHORTENED_SCORE))
        for one in alignments:
            if any(part in shortened or part in shortened.values() for part in (*one.qps, *one.rps)):
                continue
            most = math.inf if one.symbol is None else self._rarity(_symbol_key(one.symbol))
            asked_bits, listed_bits = (min(most, sum(map(self.bits, parts))) for parts in (one.qps, one.rps))
            mine, theirs = mine + asked_bits, theirs + listed_bits
            paired = bool(one.qps and one.rps) and one.score > 0
            if paired:
                found += one.score * (asked_bits + listed_bits) / 2
                pairs += 1
                same = one.qstr == one.rstr
                how = "same" if same else "variants" if one.symbol is not None else "alike"
                fits.append(Fit(one.qstr, one.rstr, how, one.score))  # type: ignore[arg-type] # one of three words
            else:
                fits += [Fit(one.qstr, "", "only_asked", 0.0)] * bool(one.qps)
                fits += [Fit("", one.rstr, "only_listed", 0.0)] * bool(one.rps)
        worse, better = sorted(min(1.0, found / side) if side else 0.0 for side in (mine, theirs))
        score = BETTER_SIDE * better + (1 - BETTER_SIDE) * worse - CONFLICT * (1 - better)
        if worse < WHOLE:
            score = min(1.0, found / ENOUGH_BITS) * (score if pairs > 1 else min(score, worse))
        return Scored(max(score, 0.0), tuple(fits))


def _shortened(alignments: Sequence[Alignment], *, last: NamePart) -> dict[NamePart, NamePart]:
    """Parts that are left over on both sides and of which the asked one is short for the listed: its first letter,
    its consonants, or, where a field was too short for a name, its beginning.
    """
    left = [part for one in alignments if not one.rps or one.score < SHORTENED_SCORE for part in one.qps]
    whole = [part for one in alignments if not one.qps or one.score < SHORTENED_SCORE for part in one.rps]
    found: dict[NamePart, NamePart] = {}
    for part in left:
        text = part.comparable
        for other in whole:
            cut = part == last and len(text) >= SHORTENED_LETTERS and other.comparable.startswith(text)
            initial = len(text) == 1 and other.comparable.startswith(text)
            hollow = len(_consonants(text)) >= SHORTENED_LETTERS and _consonants(text) == _consonants(other.comparable)
            if (cut or initial or hollow) and other not in found.values():
                found[part] = other
                break
    return found


def _consonants(text: str) -> str:
    return text.translate(_VOWELS)


def _score(scored: Scored) -> float:
    return scored.score


def _keys_of(name: Name) -> set[str]:
    return {key for keys in _keys_by_part(name) for key in keys}


def _keys_by_part(name: Name) -> list[set[str]]:
    """By what each part can be found: its spelling, its sound, spellings without one letter, what it is a form of."""
    parts = list(name.parts)
    found = []
    for number, part in enumerate(parts):
        text = part.comparable
        keys = {text}
        if len(_consonants(text)) >= SHORTENED_LETTERS:
            keys.add(f"%{_consonants(text)}")
        if part.metaphone and len(part.metaphone) > 1:
            keys.add(f"~{part.metaphone}")
        if len(text) > 3:
            keys |= {f"-{text[:at]}{text[at + 1 :]}" for at in range(len(text))}
            keys.add(f"-{text}")
        if number + 1 < len(parts):
            keys.add(text + parts[number + 1].comparable)
        found.append(keys)
    for span in name.spans:
        for part in span.parts:
            found[parts.index(part)].add(_symbol_key(span.symbol))
    return found


def _symbol_key(symbol: Symbol) -> str:
    return f"={symbol.category}{symbol.id}"
