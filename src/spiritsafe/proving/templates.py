"""Templates: how a job's prompts are framed, from one generator for honest developers and campaigns.

A template is a layout of moves (an opening, a task, guidance, a house rule, the datum in its frame, a format, a
close). A `templated` sender draws its wording once and keeps it; a `reworded` one draws a new wording for every
request. Nothing here knows who sends. Comes from `grammar`; goes on to `work`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from spiritsafe.proving.grammar import mix, phrasings, pick, read_grammar, say, say_in_house
from spiritsafe.proving.rewording import jumble, reword

if TYPE_CHECKING:
    from spiritsafe.proving.grammar import Phrasing

ITEM: Final = "{item}"
OTHER: Final = "{other}"
# Families that a language's grammar may leave out, and what stands in.
_STAND_INS: Final = {
    "tools": "code", "classify": "qa", "extract": "summarise", "translate": "rewrite", "support": "rewrite",
    "explain_answer": "solve", "generate": "rewrite", "trace": "solve", "summarise": "qa", "rubric": "qa",
}  # fmt: skip
# Per cent of the words that `jumble` touches, by level of scrambling: set so that at 2 and above no run of four
# words of a template comes back in 2 % of the requests (measured in tests/proving/test_compose_words.py).
_JUMBLED: Final = (0, 25, 45, 60)
_JOINS: Final = ("\n", "\n\n", " ", "\n\n", "\n")


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording: `prompt` holds `{item}` once and perhaps `{other}`; `system` is the part kept apart, or None."""

    prompt: str
    system: str | None = None

    def fill(self, item: str, other: str) -> str:
        """The prompt for one datum. Done by cutting, so that braces in a datum stay as they are."""
        before, _, after = self.prompt.partition(ITEM)
        if OTHER in before or OTHER in after:
            before, after = before.replace(OTHER, other), after.replace(OTHER, other)
        return before + item + after


@dataclass(frozen=True, slots=True)
class _Phrases:
    """All phrasings that one family of templates needs in one language, looked up once."""

    layouts: tuple[str, ...]
    moves: dict[str, tuple[Phrasing, ...]]
    second: Phrasing | None


def _moves(language: str, move: str) -> tuple[Phrasing, ...]:
    return phrasings(language, "shared", move) or phrasings("en", "shared", move)


@cache
def _phrases(family: str, language: str) -> _Phrases:
    names = {"o": "open", "g": "guide", "f": "format", "c": "close", "h": "house", "i": "frame"}
    moves = {letter: _moves(language, name) for letter, name in names.items()}
    second = phrasings(language, "families", family, "frame2") or phrasings("en", "families", family, "frame2")
    return _Phrases(
        layouts=tuple(read_grammar(language)["layouts"]),
        moves={**moves, "t": _tasks(language, family)},
        second=second[0] if second else None,
    )


def _tasks(language: str, family: str) -> tuple[Phrasing, ...]:
    seen = family
    while not (found := phrasings(language, "families", seen, "task")):
        seen = _STAND_INS[seen]
    return found


def word(family: str, language: str, seed: int, *, house: bool, place: str = "prompt", scramble: int = 0) -> Wording:
    """One wording of a family of templates.

    Parameters
    ----------
    house
        Add up to two rules of the sender's own (its labels, limits, style guide): what makes a template rare.
    place
        `prompt`, or `system` to keep all but the datum in the system prompt.
    scramble
        0 says everything; 1 drops moves at random; 2 keeps task and datum, with exchanged words; 3 keeps a
        single clause of the task; 4 keeps the datum alone. From 1 on, words are jumbled.
    """
    phrases = _phrases(family, language)
    layout = phrases.layouts[mix(seed, 0) % len(phrases.layouts)]
    if scramble:
        layout = _thin(layout, mix(seed, 1), scramble)
    parts: list[str] = []
    datum = ITEM
    for number, move in enumerate(layout):
        draw = mix(seed, 2, number)
        if move == "i":
            datum = _datum(phrases, draw) if scramble < 2 else ITEM
            parts.append(ITEM if place == "prompt" else "")
            continue
        text = pick(phrases.moves[move], draw)
        if scramble:
            text = _scrambled(text, move, draw, scramble, language)
        parts.append(text)
        if move == "t" and house:
            own = mix(seed, 3)
            parts += [pick(phrases.moves["h"], mix(own, turn)) for turn in range(own % 3)]
    join = _JOINS[mix(seed, 4) % len(_JOINS)]
    text = join.join(part for part in parts if part)
    if place == "system":
        return Wording(datum, text or None)
    return Wording(text.replace(ITEM, datum, 1))


def _thin(layout: str, draw: int, scramble: int) -> str:
    if scramble >= 4:
        return "i"
    if scramble >= 2:
        return "ti" if draw % 2 else "it"
    return "".join(move for place, move in enumerate(layout) if move in "ti" or (draw >> (3 * place)) % 2)


def _scrambled(text: str, move: str, draw: int, scramble: int, language: str) -> str:
    if scramble >= 2 and language == "en":
        text = reword(text, draw, share=60)
    if scramble >= 3 and move == "t":
        clauses = [clause.strip() for clause in text.replace(":", ",").replace(";", ",").split(",")]
        text = max(clauses[draw % len(clauses)], clauses[0], key=len) if draw % 3 else clauses[draw % len(clauses)]
    return jumble(text, mix(draw, 21), _JUMBLED[min(scramble, 3)], language)


def _datum(phrases: _Phrases, draw: int) -> str:
    frame = pick(phrases.moves["i"], draw)
    return frame if phrases.second is None else frame + say(phrases.second, mix(draw, 5))


def candidate(language: str, seed: int) -> str:
    """A made-up answer for a grader to grade."""
    return pick(_moves(language, "candidate"), seed)


def ordinary_system(language: str, seed: int) -> str:
    """The kind of system prompt that any product has."""
    return pick(_moves(language, "system"), seed)


def follow_up(language: str, seed: int) -> str:
    """What a person says after the first turn."""
    return pick(_moves(language, "follow"), seed)


def report_back(language: str, house: int, seed: int) -> str:
    """What an agent reports back after its first turn, with some of its log. Equal houses have one log format."""
    steps, log = _moves(language, "steps"), _moves("en", "log")
    step = mix(house, seed % 2) % len(steps)
    parts = [say_in_house(steps[step], mix(house, step, 6), seed)]
    for turn in range(1 + (seed >> 11) % 6):
        form = mix(house, turn % 3, 7) % len(log)
        parts.append(say_in_house(log[form], mix(house, form, 8), mix(seed, turn)))
    return "\n".join(parts)
