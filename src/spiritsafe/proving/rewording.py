"""Saying the same thing otherwise, without a model: synonyms, connectives, layout, changed numbers and names.

Whatever makes a prompt new is here, and is applied to honest people and to campaigns by the same conduct at the
same rates. Limits, said plainly: this is weaker than a language model's paraphrase. Sentences keep their order of
ideas, rare words of an item survive, and a reader of meaning would see through it.
Comes from `grammar`; goes on to `work`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from spiritsafe.proving.grammar import lexicon, mix, phrasings, pick, read_grammar

_LETTERS: Final = re.compile(r"([A-Za-z]+)")
_NUMBERS: Final = re.compile(r"(?<![\w.\\{^_])\d{2,4}(?![\w}])")
_SENTENCE: Final = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_PIECES: Final = re.compile(r"[\u4e00-\u9fff]|\s+|[^\s\u4e00-\u9fff]+")


@cache
def _words(kind: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = read_grammar("words")[kind]
    return found


@cache
def _first_names() -> frozenset[str]:
    return frozenset(_words("names")["first"])


def reword(text: str, seed: int, *, share: int = 50) -> str:
    """The same text in other words: about `share` per cent of the words that have synonyms are exchanged.

    English synonyms only; other languages change in layout alone.
    """
    state = mix(seed)
    synonyms = _words("synonyms")
    parts = _LETTERS.split(text)
    for place in range(1, len(parts), 2):
        word = parts[place]
        options = synonyms.get(word) or synonyms.get(word.lower())
        if options is None:
            continue
        draw = mix(state, place)
        if draw % 100 < share:
            other = options[(draw >> 8) % len(options)]
            parts[place] = other[0].upper() + other[1:] if word[0].isupper() else other
    return relayout("".join(parts), mix(state, 7))


def relayout(text: str, seed: int) -> str:
    """Other breaks and marks: sentences on lines of their own, doubled or single blanks, a trailing mark gone."""
    choice = seed % 8
    if choice == 0:
        return _SENTENCE.sub("\n", text)
    if choice == 1:
        return text.rstrip(".")
    if choice == 2:
        return _SENTENCE.sub("  ", text)
    if choice == 3 and len(text) > 2 and text[1].islower():
        return text[0].lower() + text[1:]
    return text


def jumble(text: str, seed: int, share: int, language: str) -> str:
    """Break runs of words: about `share` per cent of the words are dropped (if short), swapped or led in by a filler.

    What a model still understands and a phrase counter no longer sees. Costs style; `adaptive` prices it.
    """
    pieces = [piece for piece in _PIECES.findall(text) if piece]
    fillers = _words("fillers")[language]
    blank = "" if language == "zh" else " "
    state = mix(seed, 31)
    out: list[str] = []
    for place, piece in enumerate(pieces):
        draw = mix(state, place)
        if piece.isspace() or piece.startswith("{") or draw % 100 >= share:
            out.append(piece)
            continue
        act = (draw >> 9) % 4
        if act == 0 and len(piece) <= (1 if language == "zh" else 4):
            continue
        if act == 1 and len(out) > 1 and out[-1].isspace() and not out[-2].startswith("{"):
            out[-2:] = [piece, out[-1], out[-2]]
            continue
        if act == 1 and blank == "" and out and not out[-1].isspace():
            out[-1:] = [piece, out[-1]]
            continue
        out += [fillers[(draw >> 17) % len(fillers)], blank, piece]
    return "".join(out)


def change_details(text: str, seed: int) -> str:
    """Other numbers (of the same length) and other first names: a datum that stands in no public set."""
    state = mix(seed)
    turn = 0

    def number(match: re.Match[str]) -> str:
        nonlocal turn
        turn += 1
        draw = mix(state, turn)
        digits = len(match.group(0))
        return match.group(0) if draw % 10 < 2 else str(10 ** (digits - 1) + (draw >> 8) % (9 * 10 ** (digits - 1)))

    names = lexicon()["name"]
    known = _first_names()
    parts = _LETTERS.split(_NUMBERS.sub(number, text))
    for place in range(1, len(parts), 2):
        word = parts[place]
        if word in known:
            # The same name changes into the same other one throughout.
            parts[place] = names[mix(state, len(word), ord(word[0]), ord(word[-1])) % len(names)]
    return "".join(parts)


def personal(text: str, seed: int, language: str = "en") -> str:
    """What a person makes of a common question: a greeting, a reason, a place, a slip of case, or nothing."""
    draw = mix(seed)
    if draw % 100 < 34:
        prefaces = phrasings(language, "shared", "preface") or phrasings("en", "shared", "preface")
        text = pick(prefaces, draw >> 7) + text
    if (draw >> 20) % 100 < 26:
        suffixes = phrasings(language, "shared", "suffix") or phrasings("en", "shared", "suffix")
        text += pick(suffixes, draw >> 27)
    if (draw >> 40) % 100 < 14:
        text = text[0].lower() + text[1:].rstrip("?.!") if text else text
    return text
