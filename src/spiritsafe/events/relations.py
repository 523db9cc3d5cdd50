"""What two leaves say about each other, where one alone says little.

An obfuscated `c7` could be an account, a key or a company. But a key belongs to one account and an account to
one company, never the other way round; a long answer has many output tokens; what remains of a limit is never
more than the limit. Each such fact adds or takes bits from a pair of guesses.
Comes from `events.profile`; goes on to `events.propose`.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from spiritsafe.events.profile import Profile

_HOLDS: Final = 0.98
_ROWS_MIN: Final = 20
_SAME_REQUEST_S: Final = 86_400.0


class Relations:
    """Pairwise bits between leaves, each computed once. Leaves are numbered as in `profiles`."""

    def __init__(self, profiles: list[Profile]) -> None:
        self._profiles = profiles
        self._bits: dict[tuple[str, int, str, int], float] = {}
        self._determined: dict[tuple[int, int], float | None] = {}

    def bits(self, one: str, leaf: int, other: str, second: int) -> float:
        """Bits for column `one` being `leaf` while column `other` is `second`; 0 where nothing is known."""
        key = (one, leaf, other, second)
        if key not in self._bits:
            judge = _PAIRS.get((one, other))
            self._bits[key] = 0.0 if judge is None else judge(self, leaf, second)
        return self._bits[key]

    def determines(self, leaf: int, second: int) -> bool | None:
        """Whether each value of `leaf` goes with one value of `second`.

        None where the sample cannot say: no value of `leaf` repeats, or `second` is the same everywhere.
        """
        key = (leaf, second)
        if key not in self._determined:
            self._determined[key] = _dependency(self._profiles[leaf].texts, self._profiles[second].texts)
        share = self._determined[key]
        return None if share is None else share >= _HOLDS

    def follows(self, leaf: int, second: int) -> float | None:
        """Correlation of the lengths of text `leaf` with the numbers `second`, in logarithms."""
        texts, cells = self._profiles[leaf].texts, self._profiles[second].leaf.cells
        pairs = [
            (len(text), float(cell))
            for text, cell in zip(texts, cells, strict=True)
            if text and _is_number(cell) and float(cell) >= 0
        ]
        if len(pairs) < _ROWS_MIN:
            return None
        logs = np.log1p(np.array(pairs, dtype=np.float64))
        if not np.isfinite(logs).all() or (logs.std(axis=0) < 1e-9).any():
            return None
        return float(np.corrcoef(logs.T)[0, 1])

    def profile(self, leaf: int) -> Profile:
        """The profile of one leaf."""
        return self._profiles[leaf]


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool) or cell is None:
        return False
    try:
        return abs(float(cell)) < 1e15
    except (TypeError, ValueError, OverflowError):
        return False


def _dependency(values: list[str | None], others: list[str | None]) -> float | None:
    """Share of rows whose `others` value is the usual one for their value, among values that repeat."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for value, other in zip(values, others, strict=True):
        if value and other:
            groups[value][other] += 1
            overall[other] += 1
    repeated = [counts for counts in groups.values() if counts.total() >= 2]
    rows = sum(counts.total() for counts in repeated)
    if rows < _ROWS_MIN or overall.most_common(1)[0][1] > 0.95 * overall.total():
        return None
    return sum(counts.most_common(1)[0][1] for counts in repeated) / rows


# --- the facts --------------------------------------------------------------------------------------------


def _part_of(forward: float, backward: float, neither: float) -> Callable[[Relations, int, int], float]:
    """The first belongs to one of the second: a key to an account."""

    def judge(relations: Relations, part: int, whole: int) -> float:
        up, down = relations.determines(part, whole), relations.determines(whole, part)
        if up and down:
            return -0.5
        if up:
            return forward
        if down:
            return backward
        return 0.0 if up is None else neither

    return judge


def _conversation_of(relations: Relations, conversation: int, account: int) -> float:
    """Conversations belong to one account (mostly: it is what hand-overs break), and are short in time."""
    bits = _part_of(1.5, -4.0, -1.0)(relations, conversation, account)
    return bits + 0.5 * (relations.profile(conversation).distinct > 2 * relations.profile(account).distinct)


def _within(relations: Relations, conversation: int, time: int) -> float:
    """One conversation's requests stand close together in time; an account's do not."""
    clock = relations.profile(time).clock
    if clock is None or len(clock.present) < _ROWS_MIN:
        return 0.0
    spans: dict[str, list[float]] = defaultdict(list)
    for text, second in zip(relations.profile(conversation).texts, clock.seconds, strict=True):
        if text and second is not None:
            spans[text].append(second)
    widths = [max(seconds) - min(seconds) for seconds in spans.values() if len(seconds) >= 2]
    whole = max(clock.present) - min(clock.present)
    if len(widths) < 5 or whole <= 0:
        return 0.0
    return 2.0 if statistics.median(widths) < 0.05 * whole else -1.0


def _turns(relations: Relations, turn: int, conversation: int) -> float:
    """Turns of a conversation count up from 0 or 1, and none occurs twice."""
    turns: dict[str, list[int]] = defaultdict(list)
    for text, cell in zip(relations.profile(conversation).texts, relations.profile(turn).leaf.cells, strict=True):
        if text and _is_number(cell):
            turns[text].append(int(float(cell)))
    several = [sorted(numbers) for numbers in turns.values() if len(numbers) >= 2]
    if len(several) < 5:
        return 0.0
    apart = sum(len(set(numbers)) == len(numbers) for numbers in several) / len(several)
    # At the edges of the sample conversations are cut, so not all begin at the beginning.
    counted = sum(numbers == list(range(numbers[0], numbers[0] + len(numbers))) for numbers in several) / len(several)
    return 5.0 if counted > 0.7 else 1.0 if apart > 0.98 else -1.0


def _own_time(relations: Relations, account: int, time: int) -> float:
    """A time that is the same in each row of an account is the account's, not the request's."""
    return -5.0 if relations.determines(account, time) else 0.0


def _tokens_of(relations: Relations, text: int, count: int) -> float:
    """Longer texts have more tokens."""
    correlation = relations.follows(text, count)
    if correlation is None:
        return 0.0
    return 3.0 * correlation if correlation > 0.5 else -1.5 if correlation < 0.2 else 0.0


def _not_tokens_of(relations: Relations, text: int, count: int) -> float:
    correlation = relations.follows(text, count)
    return -2.0 if correlation is not None and correlation > 0.8 else 0.0


def _at_most(bits: float) -> Callable[[Relations, int, int], float]:
    """The first never exceeds the second."""

    def judge(relations: Relations, low: int, high: int) -> float:
        pairs = [
            (float(a), float(b))
            for a, b in zip(relations.profile(low).leaf.cells, relations.profile(high).leaf.cells, strict=True)
            if _is_number(a) and _is_number(b) and float(b) > 0
        ]
        if len(pairs) < _ROWS_MIN:
            return 0.0
        return bits if sum(a <= b for a, b in pairs) >= 0.99 * len(pairs) else -3.0

    return judge


def _error_of(relations: Relations, error: int, status: int) -> float:
    """Errors stand where the status is 400 or more."""
    rows = [
        (float(code) >= 400, bool(text))
        for text, code in zip(relations.profile(error).texts, relations.profile(status).leaf.cells, strict=True)
        if _is_number(code)
    ]
    if not any(failed for failed, _ in rows):
        return 0.0
    return 2.0 if sum(failed == named for failed, named in rows) > 0.95 * len(rows) else -0.5


def _read_first(relations: Relations, prompt: int, response: int) -> float:
    """People put the question left of the answer, and answers are the longer of the two."""
    bits = 0.7 if prompt < response else -0.7
    longer = relations.profile(response).length_median > relations.profile(prompt).length_median
    return bits + (0.4 if longer else -0.4)


def later_than(profiles: list[Profile]) -> set[int]:
    """Time leaves that come after another one in the same row: the end of a request, not its arrival."""
    clocks = [(number, p.clock.seconds) for number, p in enumerate(profiles) if p.clock is not None]
    later: set[int] = set()
    for number, seconds in clocks:
        for second, others in clocks:
            gaps = [a - b for a, b in zip(seconds, others, strict=True) if a is not None and b is not None]
            if second == number or len(gaps) < _ROWS_MIN or not 0 < statistics.median(gaps) < _SAME_REQUEST_S:
                continue
            if sum(gap >= 0 for gap in gaps) >= 0.99 * len(gaps):
                later.add(number)
    return later


_PAIRS: Final[dict[tuple[str, str], Callable[[Relations, int, int], float]]] = {
    ("api_key_id", "account_id"): _part_of(1.5, -4.0, -2.0),
    ("account_id", "organization_id"): _part_of(1.5, -4.0, -2.5),
    ("api_key_id", "organization_id"): _part_of(0.5, -3.0, -1.0),
    ("end_user_id", "account_id"): _part_of(0.3, -4.0, 0.2),
    ("end_user_id", "api_key_id"): _part_of(0.0, -1.5, 0.0),
    ("conversation_id", "account_id"): _conversation_of,
    ("conversation_id", "end_user_id"): _part_of(0.3, -3.0, 0.0),
    ("conversation_id", "time"): _within,
    ("turn", "conversation_id"): _turns,
    ("account_id", "time"): _own_time,
    ("organization_id", "organization_verified"): _part_of(1.0, -1.0, -1.0),
    ("prompt", "input_tokens"): _tokens_of,
    ("response", "output_tokens"): _tokens_of,
    ("prompt", "output_tokens"): _not_tokens_of,
    ("response", "input_tokens"): _not_tokens_of,
    ("prompt", "response"): _read_first,
    ("output_tokens", "max_tokens"): _at_most(1.5),
    ("limit_remaining", "limit_requests_per_minute"): _at_most(1.5),
    ("error_type", "status"): _error_of,
    ("client_ip", "asn"): _part_of(1.5, -1.0, -2.0),
    ("client_ip", "country"): _part_of(0.5, 0.0, -0.5),
}
RELATED: Final = tuple(dict.fromkeys(column for pair in _PAIRS for column in pair))
PAIRS: Final = tuple(_PAIRS)
CHAIN: Final = ("conversation_id", "end_user_id", "api_key_id", "account_id", "organization_id")
"""Ids that belong to one another, the finest first."""
