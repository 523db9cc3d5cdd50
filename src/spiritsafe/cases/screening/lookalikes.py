"""A name as it may have been meant: letters of other scripts that look Latin, digits for letters, scanned text.

Who hides writes a Latin name with Cyrillic letters that look the same; a scanner reads rn for m and 0 for O. A name
that is Cyrillic or Greek as a whole is left alone: it is written so. Comes from `screen`; goes on to `names`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LOOKALIKES: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХѴԚԜԁɡаеоорсухіјѕѵһԛԝгпΑΒΕΖΗΙΚΜΝΟΡΤΥΧαειοντυχ",
    "ABESIJKMHOPCTYXVQWdgaeoopcyxijsvhqwrnABEZHIKMNOPTYXaeiovtux",
)
_DIGITS: Final = str.maketrans("01358", "olesb")
_WORD_WITH_DIGIT: Final = re.compile(r"\b(?=\w*[^\W\d_])(?=\w*\d)\w+\b")
_SCANNED: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def readings(name: str) -> list[str]:
    """The name as it is written, then what else it may have been meant as; each once.

    Examples
    --------
    >>> readings("K\\u0430rim0v, Sarni")
    ['Kаrim0v, Sarni', 'karimov, sarni', 'karimov, sami']
    >>> readings("Каримов")
    ['Каримов']
    """
    found = [name]
    plain = name.translate(_LOOKALIKES) if _scripts(name) > 1 else name
    meant = _WORD_WITH_DIGIT.sub(lambda word: word[0].translate(_DIGITS), _capital_l(plain)).casefold()
    scanned = meant
    for read, written in _SCANNED:
        scanned = scanned.replace(read, written)
    for other in (meant, scanned):
        if other not in {one.casefold() for one in found}:
            found.append(other)
    return found


def _capital_l(text: str) -> str:
    """A small l or | among capitals was a capital I."""
    return re.sub(r"(?<=[A-Z])[l|](?=[A-Z])|\b[l|](?=[A-Z]{2})", "I", text)


def _scripts(text: str) -> int:
    """How many of Latin, Cyrillic and Greek a text is written in."""
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha()}
    return len(names & {"LATIN", "CYRILLIC", "GREEK"})
