"""Does a log cut its prompts, or do they only share a length?

A campaign sends one template with an index: hundreds of whole texts of one length. A log that cuts leaves texts
of one length too, but they end anywhere: within words that are whole elsewhere, or, of different contents, all
at the same place. Only such endings tell; where neither shows, nothing is said.
Comes from `events.silence_checks`; goes back there.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

_SAMPLE: Final = 200
_DISTINCT_MIN: Final = 10
"""Fewer different texts of the greatest length may be the longest few of any log."""
_TAIL_CHARS: Final = 100
_WORDS: Final = re.compile(r"[^\W\d_]+")
_LAST_WORD: Final = re.compile(r"[^\W\d_]+$")
_NOTE_OF_CUT: Final = re.compile(r"\s*(\.{3}|…|[\[(<]?truncated[\])>]?)$", re.IGNORECASE)
_CLOSED: Final = tuple(".!?。！？…\"'”’」）)]}>`;:")
_BROKEN_SHARE: Final = 0.2
"""Of texts cut at random about two in three end within a word, and most such pieces begin a word of the log."""
_ALIKE: Final = 0.5
"""Texts of one template agree in most places, whatever fills it; English texts in one of fourteen."""


def ends_cut(longest: list[str], texts: list[str]) -> bool:
    """Whether texts of one length were cut to it.

    Parameters
    ----------
    longest
        The different texts that have the greatest length.
    texts
        Texts of the log, of any length; its words are taken from here.
    """
    bodies = sorted({_NOTE_OF_CUT.sub("", text) for text in longest})
    # Evenly from the sorted texts, so that one template among many kinds does not fill the sample.
    bodies = bodies[:: -(-len(bodies) // _SAMPLE)]
    return len(bodies) >= _DISTINCT_MIN and (_end_within_words(bodies, texts) or _differ_throughout(bodies))


def _end_within_words(bodies: list[str], texts: list[str]) -> bool:
    """Whether many end with a piece of a word: no word of the log itself, and the beginning of one."""
    words = {word for text in texts for word in _WORDS.findall(_LAST_WORD.sub("", text).lower())}
    beginnings = {word[:size] for word in words for size in range(1, min(len(word), 20))}
    lasts = [found[0].lower() for body in bodies if (found := _LAST_WORD.search(body))]
    broken = [last for last in lasts if last not in words and last in beginnings]
    return len(broken) >= _BROKEN_SHARE * len(bodies) and len(set(broken)) >= _DISTINCT_MIN // 2


def _differ_throughout(bodies: list[str]) -> bool:
    """Whether most are prose without an end, unlike each of the others: whole ones would differ in length too."""
    if sum(body.endswith(_CLOSED) for body in bodies) > _BROKEN_SHARE * len(bodies):
        return False
    if sum(len(body.split()) >= 3 or not body.isascii() for body in bodies) < 0.5 * len(bodies):
        return False
    tails = np.array([list(body[-_TAIL_CHARS:].rjust(_TAIL_CHARS, "\0")) for body in bodies])
    letters = np.maximum((tails != "\0").sum(axis=1), 1)
    nearest = []
    for row in range(len(tails)):
        same = ((tails == tails[row]) & (tails[row] != "\0")).sum(axis=1) / letters[row]
        same[row] = 0.0
        nearest.append(same.max())
    return float(np.median(nearest)) < _ALIKE
