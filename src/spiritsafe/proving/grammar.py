"""Phrasings: text with choices, written once, said in thousands of ways, the same way for the same seed.

`[Solve|Work out] the [task|problem]` is a choice, `#2-90#` a number, `@city@` an entry of the lexicon. The
proving ground has no language model: this is how it says one thing differently, for honest developers and for
campaigns alike. Comes from the TOML files in `grammars`; goes on to `templates`, `pools` and `rewording`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS: Final = re.compile(r"(\[|\]|\||#\d+-\d+#|@[a-z]+@)")
_MASK: Final = (1 << 64) - 1
# Knuth's MMIX multiplier and increment: any full-period generator would do, this one is short.
_STEP: Final = 6364136223846793005
_ADD: Final = 1442695040888963407

# A choice among so many is a name out of the lexicon: never the house's.
_OPEN_CHOICE: Final = 13

# A phrasing is a tuple of parts: a string, a list of strings to choose from, (low, high) for a number, or a frozen
# tuple of phrasings to choose from (`_Choice`). Plain choices are told apart because they are nearly all there is.
Part = Any
Phrasing = tuple[Part, ...]


class _Choice(tuple[Phrasing, ...]):
    """Phrasings to choose from."""

    __slots__ = ()


def mix(*numbers: int) -> int:
    """One well-spread 64-bit seed from several integers: multiply and fold for each, then a splitmix64 finish."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = ((state ^ number) * 0xBF58476D1CE4E5B9) & _MASK
        state ^= state >> 29
    state = (state * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


def compile_phrasing(text: str) -> Phrasing:
    """Parse one phrasing. Raises ValueError where brackets do not match: the grammars are ours, a bug is a bug."""
    stack: list[list[list[Part]]] = [[[]]]
    for piece in _MARKS.split(text):
        if not piece:
            continue
        if piece == "[":
            stack.append([[]])
        elif piece == "]":
            if len(stack) == 1:
                raise ValueError(f"unmatched ] in {text!r}")
            options = stack.pop()
            stack[-1][-1].append(_choice(options))
        elif piece == "|" and len(stack) > 1:
            stack[-1].append([])
        elif piece[0] == "#" and piece[-1] == "#" and len(piece) > 2:
            low, _, high = piece[1:-1].partition("-")
            stack[-1][-1].append((int(low), int(high)))
        elif piece[0] == "@" and piece[-1] == "@" and len(piece) > 2:
            stack[-1][-1].append(lexicon()[piece[1:-1]])
        else:
            stack[-1][-1].append(piece)
    if len(stack) != 1:
        raise ValueError(f"unmatched [ in {text!r}")
    return tuple(stack[0][0])


def _choice(options: list[list[Part]]) -> Part:
    if all(all(type(part) is str for part in option) for option in options):
        return ["".join(option) for option in options]
    return _Choice(tuple(option) for option in options)


def say(phrasing: Phrasing, seed: int) -> str:
    """One wording of a phrasing. Equal seeds give equal wordings."""
    out: list[str] = []
    _walk(phrasing, seed & _MASK, out)
    return "".join(out)


def _walk(phrasing: Phrasing, state: int, out: list[str]) -> int:
    for part in phrasing:
        kind = type(part)
        if kind is str:
            out.append(part)
            continue
        state = (state * _STEP + _ADD) & _MASK
        if kind is list:
            out.append(part[(state >> 33) % len(part)])
        elif kind is tuple:
            out.append(str(part[0] + (state >> 33) % (part[1] - part[0] + 1)))
        else:
            state = _walk(part[(state >> 33) % len(part)], state, out)
    return state


def say_in_house(phrasing: Phrasing, house: int, seed: int) -> str:
    """One wording of which most choices of words are the house's own: equal houses word alike, as forms do.

    Numbers and names differ from one `seed` to the next; of the choices, three in four follow `house`.
    """
    out: list[str] = []
    _walk_in_house(phrasing, house & _MASK, seed & _MASK, out)
    return "".join(out)


def _walk_in_house(phrasing: Phrasing, house: int, state: int, out: list[str]) -> tuple[int, int]:
    for part in phrasing:
        kind = type(part)
        if kind is str:
            out.append(part)
            continue
        state = (state * _STEP + _ADD) & _MASK
        if kind is tuple:
            out.append(str(part[0] + (state >> 33) % (part[1] - part[0] + 1)))
            continue
        house = (house * _STEP + _ADD) & _MASK
        draw = house if len(part) < _OPEN_CHOICE and house >> 40 & 3 else state
        chosen = part[(draw >> 33) % len(part)]
        if kind is list:
            out.append(chosen)
        else:
            house, state = _walk_in_house(chosen, house, state, out)
    return house, state


def pick(options: Sequence[Phrasing], seed: int) -> str:
    """One wording of one of several phrasings."""
    out: list[str] = []
    _walk(options[(seed >> 7) % len(options)], mix(seed), out)
    return "".join(out)


@cache
def read_grammar(name: str) -> dict[str, Any]:
    """A grammar file as written, by its name (`en`, `zh`, `items`)."""
    text = (resources.files("spiritsafe.proving") / "grammars" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def lexicon() -> dict[str, list[str]]:
    """Names, places, things and topics that the phrasings draw on."""
    entries: dict[str, list[str]] = read_grammar("items")["lexicon"]
    return entries


@cache
def phrasings(grammar: str, *path: str) -> tuple[Phrasing, ...]:
    """Every phrasing under a path of a grammar, compiled; () where the grammar has none."""
    node: Any = read_grammar(grammar)
    for key in path:
        node = node.get(key, {})
    if isinstance(node, str):
        node = [node]
    return tuple(compile_phrasing(text) for text in node)
