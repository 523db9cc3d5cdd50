"""How much a column's name says about which of the contract's columns it is.

The names are in `names.toml` beside this module. They come from OpenTelemetry and its rivals, OpenAI,
Anthropic, Bedrock, LiteLLM, CloudTrail, API gateways and nginx, and from what people write in English, German,
French, Spanish and Chinese. A name is worth bits: the logarithm of how many times likelier a column of that
name is the one meant than not. Comes from `names.toml`; goes on to `events.propose`.
"""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from functools import cache, lru_cache
from typing import Final

STRONG, FAIR, WEAK = 7.0, 5.0, 3.0
_LEVELS: Final = {"strong": STRONG, "fair": FAIR, "weak": WEAK}
_NAMES: Final = tomllib.loads(
    importlib.resources.files("spiritsafe.events").joinpath("names.toml").read_text(encoding="utf-8")
)
_WORDS: Final[dict[str, str]] = _NAMES["words"]
OTHER_THINGS: Final = frozenset(_NAMES["other_things"]["words"])
_SPLIT: Final = re.compile(r"[^0-9a-zA-Z\u00c0-\uffff]+")
_CAMEL: Final = re.compile(
    r"(?<=[a-z0-9\u00df-\u00ff])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[\x00-\u02ff])(?=[\u3400-\u9fff])"
    r"|(?<=[\u3400-\u9fff])(?=[\x00-\u02ff])"
)
_CJK: Final = re.compile(r"[\u3400-\u9fff]")
_EXTRA_WORD_BITS: Final = 1.2
_PARENT_BITS: Final = 0.4
_OTHER_THING_BITS: Final = 6.0


def words(name: str) -> tuple[str, ...]:
    """A column name in canonical lower-case words: `acctID`, `acct-id` and `ACCT_ID` are all account, id."""
    found = []
    for chunk in _SPLIT.split(name):
        for word in _CAMEL.sub(" ", chunk).split():
            low = word.lower()
            found += _WORDS.get(low, low).split()
    return tuple(found)


@cache
def _table(table: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Each column's phrases in words, with their bits. The contract's own name is the strongest."""
    named = dict(_NAMES["requests"])
    if table != "requests":
        named |= _NAMES["accounts"]
    phrases: dict[str, dict[tuple[str, ...], float]] = {}
    for column, levels in named.items():
        known: dict[tuple[str, ...], float] = {words(column): STRONG + 1}
        for level, bits in _LEVELS.items():
            for phrase in levels.get(level, ()):
                known.setdefault(words(phrase), bits)
        phrases[column] = known
    return phrases


@lru_cache(maxsize=20_000)
def name_bits(path: str, column: str, *, table: str = "requests") -> tuple[float, str]:
    """How much the name `path` speaks for `column`, and the phrase that it was recognised by.

    Bits; 0 when nothing is recognised. Of a nested path the last steps count most; words that the phrase
    does not explain cost.
    """
    phrases = _table(table).get(column)
    if not phrases:
        return 0.0, ""
    steps = [words(step) for step in path.split(".")]
    best, by = 0.0, ""
    tail: tuple[str, ...] = ()
    for depth, step in enumerate(reversed([step for step in steps if step])):
        tail = step + tail
        bits, phrase = _best(tail, phrases)
        # The parent's name is context (`user` . `id`); what is not needed of it costs little.
        bits -= _PARENT_BITS * depth if bits else 0.0
        if bits > best:
            best, by = bits, phrase
        if depth >= 3:
            break
    explained = set(by.split())
    others = [word for word in tail if word in OTHER_THINGS and word not in explained]
    own = [word for word in others if word in (steps[-1] if steps else ())]
    return max(0.0, best - _OTHER_THING_BITS * len(own)), by


def _best(name: tuple[str, ...], phrases: dict[tuple[str, ...], float]) -> tuple[float, str]:
    best, by = 0.0, ""
    if name in phrases:
        return phrases[name], " ".join(name)
    squeezed = "".join(name)
    for phrase, full in phrases.items():
        if "".join(phrase) == squeezed:
            bits = full
        elif _within(phrase, name):
            bits = full - _EXTRA_WORD_BITS * (len(name) - len(phrase))
        elif _CJK.search(squeezed) and len(joined := "".join(phrase)) >= 2 and joined in squeezed:
            bits = full - _EXTRA_WORD_BITS * (len(squeezed) - len(joined)) / 2
        else:
            continue
        if bits > best:
            best, by = bits, " ".join(phrase)
    return best, by


def _within(phrase: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether the words of `phrase` stand in `name` in one piece."""
    size = len(phrase)
    return any(name[start : start + size] == phrase for start in range(len(name) - size + 1))
