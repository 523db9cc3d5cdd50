"""What may be said in a paper that others will rely on: the one lint for notices and assessments.

It refuses what the standards of analysis forbid (a likelihood and a confidence in one sentence, two rows of terms),
reasoning from nationality or language, claims without the innocent explanations that were looked at, and, where a
paper leaves the firm, what competitors must not tell one another and what is about people who are not concerned.
A lint reads words and no minds: it finds what it knows, and whoever signs answers for the rest.
Comes from `cases.notices` and `cases.assessments`; goes on to nobody.
Source: ICD 203 (2015), section D.6.e.(2) and its table of expressions; DOJ and FTC, Antitrust Policy Statement on
Sharing of Cybersecurity Information (2014-04-10), which contrasts technical information with prices, output and plans.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from spiritsafe.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROWS: Final = (
    ("almost no chance", "very unlikely", "unlikely", "roughly even chance", "likely", "very likely", "almost certain"),
    (
        "remote", "highly improbable", "improbable", "roughly even odds", "probable", "highly probable",
        "nearly certain",
    ),
)  # fmt: skip
"""ICD 203's two rows of terms, from 1-5 % to 95-99 %; a paper uses one of them."""
SHINGLE_WORDS: Final = 8
"""As many words in a row as a prompt are the prompt's words."""

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n(?=\s*[-*#])")
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_CONFIDENCE: Final = re.compile(r"\bconfiden(?:ce|t|tly)\b", re.IGNORECASE)
_INFERENCE: Final = re.compile(
    r"\b(?:because|since|therefore|thus|hence|so that|suggests?|indicates?|shows?|points? to|consistent with|"
    r"attribut\w+|implies|imply|evidence|means|given that|must be|appears? to be|operated by|based on)\b",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"\[[A-Z][\w.-]*\d[\w.-]*\]")
_MONEY: Final = re.compile(
    r"[$€£¥₹]\s?\d|\b(?:usd|eur|gbp|cny|rmb|jpy|inr)\s?\d|\d\s?(?:usd|eur|gbp|cny|rmb|jpy|inr|dollars|euros|yuan)\b",
    re.IGNORECASE,
)
_BUSINESS: Final = re.compile(
    r"\b(?:pric(?:e|es|ed|ing)|discounts?|revenues?|turnover|profit\w*|market shares?|roadmaps?|launch plans?|"
    r"customer (?:lists?|counts?|numbers?)|capacity plans?|sales volumes?)\b|"
    r"\b\d[\d,. ]*(?:k|m|thousand|million)?\s+(?:paying\s+|enterprise\s+)?customers\b",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_IPV4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_IPV6: Final = re.compile(r"(?<![\w:])(?=[0-9a-f]*:)[0-9a-f:]{3,39}(?![\w:])", re.IGNORECASE)
_DIGITS: Final = re.compile(r"(?<![\w-])(?:\d[ -]?){12,18}\d(?![\w-])")  # not within a pseudonym or a UUID
_PSEUDONYM: Final = re.compile(r"\bp\d+_[0-9a-f]{32}\b")


class ReleaseError(VerificationError):
    """A paper says something that it may not say; the message quotes the first place."""

    code = "evidence.lint"


@dataclass(frozen=True, slots=True)
class Breach:
    """One place that breaks a rule: the rule's name, what is wrong, and the words."""

    rule: str
    what: str
    quote: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim as an analyst makes it.

    `likelihood` is one of `ROWS`, or empty where none is stated; `confidence` is low, moderate or high. `basis` names
    the kinds of evidence it rests on, `alternatives` the other explanations that were looked at.
    """

    claim: str
    likelihood: str
    confidence: str
    basis: tuple[str, ...]
    alternatives: tuple[str, ...]


def lint_text(
    text: str,
    *,
    leaves: bool,
    secrets: Iterable[str] = (),
    concerns: Iterable[str] = (),
) -> list[Breach]:
    """What a text says that it may not say.

    Parameters
    ----------
    text
        The paper.
    leaves
        Whether it is meant to leave the firm.
    secrets
        Texts of prompts and answers, of which nothing may stand in a paper that leaves.
    concerns
        Pseudonyms of those whom it is about; others' may not stand in a paper that leaves.

    Examples
    --------
    >>> [one.rule for one in lint_text("It is very likely, with high confidence.", leaves=False)]
    ['likelihood-and-confidence']
    """
    found = [breach for sentence in _sentences(text) for breach in _of_sentence(sentence)]
    rows = [next((term for term in _terms(row, text)), "") for row in ROWS]
    if all(rows):
        found.append(Breach("two-rows", f"{rows[0]!r} and {rows[1]!r} are of two rows of terms; use one", rows[1]))
    if leaves:
        found += [*_business(text), *_identifiers(text, frozenset(concerns)), *_quoted(text, secrets)]
    return found


def lint_judgements(judgements: Sequence[Judgement]) -> list[Breach]:
    """What is wrong with claims: no alternatives, nationality alone, terms that are none.

    Examples
    --------
    >>> claim = Judgement("One operator.", "very likely", "moderate", ("country",), ("a reseller",))
    >>> [one.rule for one in lint_judgements([claim])]
    ['nationality-alone']
    """
    found = []
    for one in judgements:
        if not one.alternatives:
            found.append(Breach("no-alternatives", "no other explanation was looked at", one.claim))
        if one.basis and set(one.basis) <= {"country", "nationality", "language", "region"}:
            found.append(Breach("nationality-alone", "it rests on nothing but where or in which language", one.claim))
        if not one.basis:
            found.append(Breach("no-basis", "it rests on no evidence", one.claim))
        if one.likelihood and not any(one.likelihood in row for row in ROWS):
            found.append(Breach("likelihood-term", f"{one.likelihood!r} is no term of ICD 203", one.claim))
        if one.confidence not in {"low", "moderate", "high"}:
            found.append(Breach("confidence-term", f"{one.confidence!r} is not low, moderate or high", one.claim))
    return found


def check_release(breaches: Sequence[Breach], *, paper: str) -> None:
    """Raise `ReleaseError` if there are any."""
    if breaches:
        first = breaches[0]
        more = f" ({len(breaches) - 1} more places)" if len(breaches) > 1 else ""
        raise ReleaseError(
            f"the {paper} breaks the rule {first.rule}: {first.what}: {first.quote[:160]!r}{more}",
            hint="say it otherwise or leave it out; the rules are in docs/reference/lint.md",
        )


def _sentences(text: str) -> Iterator[str]:
    for part in _SENTENCE.split(text):
        joined = " ".join(part.split())
        if joined:
            yield joined


def _terms(row: Sequence[str], text: str) -> Iterator[str]:
    """Terms of a row in a text, the longest first; an adverb of it as well."""
    for term in sorted(row, key=len, reverse=True):  # very likely, and not the likely in it
        written = rf"{term.removesuffix('le')}(?:le|ly)?" if term != "remote" else r"remote (?:chance|possibility)"
        if re.search(rf"\b{written}\b", text, re.IGNORECASE):
            yield term


def _of_sentence(sentence: str) -> Iterator[Breach]:
    likelihood = next((term for row in ROWS for term in _terms(row, sentence)), None)
    if likelihood and _CONFIDENCE.search(sentence):
        what = f"a likelihood ({likelihood!r}) and a confidence in one sentence"
        yield Breach("likelihood-and-confidence", what, sentence)
    place = _place(sentence)
    if place and (likelihood or _INFERENCE.search(sentence)) and not _REFERENCE.search(sentence):
        what = f"it reasons from {place!r} and refers to no evidence, as [E1] does"
        yield Breach("nationality-alone", what, sentence)


def _business(text: str) -> Iterator[Breach]:
    for pattern, what in ((_MONEY, "a sum of money"), (_BUSINESS, "business that competitors do not tell each other")):
        for match in pattern.finditer(text):
            yield Breach("business-data", what, _around(text, match))


def _identifiers(text: str, concerns: frozenset[str]) -> Iterator[Breach]:
    for pattern, what in ((_EMAIL, "an e-mail address"), (_IPV4, "an IP address"), (_IPV6, "an IP address")):
        for match in pattern.finditer(text):
            marked = text[: match.start()].endswith("_")
            if match[0] not in concerns and not marked and (pattern is _EMAIL or _is_address(match[0])):
                yield Breach("identifier", what, _around(text, match))
    for match in _DIGITS.finditer(text):
        if _is_card(match[0]):
            yield Breach("identifier", "what looks like a card's number", _around(text, match))
    for match in _PSEUDONYM.finditer(text):
        if match[0] not in concerns:
            yield Breach("identifier", "somebody whom it does not concern", match[0])


def _quoted(text: str, secrets: Iterable[str]) -> Iterator[Breach]:
    words = _words(text)
    shingles = {tuple(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}
    for secret in secrets:
        theirs = _words(secret)
        for at in range(len(theirs) - SHINGLE_WORDS + 1):
            shingle = tuple(theirs[at : at + SHINGLE_WORDS])
            if shingle in shingles:
                yield Breach("prompt-text", f"{SHINGLE_WORDS} words in a row of a prompt", " ".join(shingle))
                break


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _around(text: str, match: re.Match[str]) -> str:
    return " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_card(digits: str) -> bool:
    """Whether the check digit is a card's (ISO/IEC 7812, Luhn)."""
    numbers = [int(one) for one in digits if one.isdigit()][::-1]
    total = sum(numbers[0::2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])
    return len(numbers) >= 13 and total % 10 == 0


def _place(sentence: str) -> str | None:
    """A country, what comes from it, or a language; of a word that is also another, only with a capital."""
    single, several = _places()
    for word in _WORD.findall(sentence):
        if word[0].isupper() and word.casefold() in single:
            return str(word)
    folded = sentence.casefold()
    return next((name for name in several if re.search(rf"\b{name}\b", folded)), None)


@functools.cache
def _places() -> tuple[frozenset[str], tuple[str, ...]]:
    lines = files("spiritsafe.evidence").joinpath("places.txt").read_text("utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    several = tuple(line for line in lines if line.count(" ") < 3 and len(line) < 30)
    single = frozenset(word for line in lines if line not in several for word in line.split())
    return single, several
