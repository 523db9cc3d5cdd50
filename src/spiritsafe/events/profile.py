"""What the values of one leaf look like: numbers for `propose` to judge by, names left aside.

Patterns are tried on up to 300 distinct values, so that a wide table costs no more than a narrow one.
Comes from `events.leaves`; goes on to `events.propose`.
"""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.events.cells import safe_text
from spiritsafe.events.values import plain_iso

if TYPE_CHECKING:
    from spiritsafe.events.leaves import Leaf

_TRIED: Final = 300
_TIME_FIRST_S: Final = 1_514_764_800  # 2018-01-01, where the readers' clock begins
_DAY_S: Final = 86_400
UNIT_SCALES: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_FORMATS: Final = (
    "%d/%b/%Y:%H:%M:%S %z", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S",
    "%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ", "%a, %d %b %Y %H:%M:%S %z", "%Y年%m月%d日 %H:%M:%S", "%d-%b-%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p",
)  # fmt: skip
YES: Final = frozenset("yes y true t 1 on ja si sí oui 是 已验证 verified approved passed completed".split())  # noqa: SIM905
NO: Final = frozenset(
    "no n false f 0 off nein non 否 未验证 unverified rejected failed none pending not_verified in_review".split()  # noqa: SIM905
)
_FINISH: Final = frozenset(
    "stop length tool_calls function_call content_filter end_turn max_tokens stop_sequence tool_use refusal"  # noqa: SIM905
    " safety pause_turn recitation eos_token complete error".split()
)
_COUNTRIES: Final = frozenset(
    "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CG CH CI CL CM CN CO"  # noqa: SIM905
    " CR CU CY CZ DE DJ DK DO DZ EC EE EG ES ET FI FJ FR GA GB GE GH GM GN GR GT HK HN HR HT HU ID IE IL IN IQ IR IS"
    " IT JM JO JP KE KG KH KR KW KZ LA LB LK LT LU LV LY MA MD ME MG MK ML MM MN MO MT MU MV MW MX MY MZ NA NE NG NI"
    " NL NO NP NZ OM PA PE PG PH PK PL PR PS PT PY QA RO RS RU RW SA SD SE SG SI SK SN SO SV SY SZ TD TG TH TJ TM TN"
    " TR TT TW TZ UA UG US UY UZ VE VN YE ZA ZM ZW".split()
)
_FAMILIES: Final = (
    r"gpt|claude|gemini|llama|mistral|mixtral|qwen|deepseek|command|titan|nova|grok|kimi|glm|phi|gemma|o[134]|minimax|"
    r"sonnet|opus|haiku|davinci|turbo|text-embedding|dall-e|whisper"
)


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


# What a single value can look like. Case matters unless the pattern says otherwise.
SHAPES: Final[dict[str, Callable[[str], bool]]] = {
    "address": _ip,
    "ja4": _matches(r"[tqd]\d\d[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}"),
    "md5": _matches(r"[0-9a-f]{32}"),
    "http2": _matches(r"\d+:\d+(?:[;,]\d+:\d+)*\|\d+\|.{1,200}"),
    "user_agent": _matches(r"(?=.*[A-Za-z])[\w .+-]{2,40}/(?:[A-Za-z-]{2,20}[ /])?v?\d+[\w.]*(?:[ ;(].{0,400})?"),
    "uuid": _matches(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"),
    "hex": _matches(r"(?:[0-9a-f]{16}|[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})"),
    "opaque": _matches(r"(?=.*\d)[A-Za-z0-9][\w.:@-]{4,80}"),
    "model": _matches(rf"(?i)(?:.*[/:.])?(?:{_FAMILIES})[-\w.:@/]*"),
    "tiered": _matches(
        r"(?i)[a-z][\w.]*[-_:](?:\d{1,2}(?:\.\d+)?(?!\d)|small|large|medium|mini|nano|pro|base|xl|max|lite|turbo)[-\w.]*"
    ),
    "country": lambda text: text in _COUNTRIES,
    "finish": lambda text: text.lower() in _FINISH,
    "yes_no": lambda text: text.lower() in YES or text.lower() in NO,
    "operation": _matches(
        r"(?i)(?:text_)?completions?|chat(?:\.completions?)?|embeddings?|generate_content|messages|acompletion|"
        r"aembedding|invoke_?model(?:withresponsestream)?|converse(?:stream)?|responses|text_completion|image_generation"
    ),
    "endpoint": _matches(r"(?i).*/(?:chat/completions|completions|messages|embeddings|responses)(?:[? ].*)?"),
    "event_prefix": _matches(r"(?i)(?:req|request|chatcmpl|cmpl|msg|resp|evt|event|call|gen|inv|trace)[-_].{4,}"),
    "account_prefix": _matches(r"(?i)(?:acct|acc|account|user|usr|u|cus|cust|customer|client|konto|kd)[-_.]?.{2,}"),
    "key_prefix": _matches(r"(?i)(?:key|ak|apikey|sk|pk|api|token|tok|akia)[-_.]?.{3,}"),
    "organization_prefix": _matches(r"(?i)(?:org|organization|organisation|team|ws|co|company|ent)[-_.]?.{2,}"),
    "conversation_prefix": _matches(r"(?i)(?:conv|sess|session|thread|chat|c|dlg)[-_].{3,}"),
    "email": _matches(r"[^@\s]{1,80}@[^@\s]{1,80}\.[a-zA-Z]{2,}"),
    "url": _matches(r"(?i)(?:https?:/)?/[\w.~%/?#=&:-]*"),
    "words": lambda text: len(text.split()) >= 3 or len(re.findall(r"[\u3040-\u9fff]", text)) >= 6,
    "question": lambda text: text.rstrip()[-1:] in "?？",
}  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """How a leaf can be read as times: shape (n,) seconds since 1970, None where a cell is no time."""

    seconds: list[float | None] = field(repr=False)
    unit: str = ""
    format: str = ""
    naive: bool = False
    share: float = 0.0

    @cached_property
    def present(self) -> list[float]:
        """The times there are."""
        return [second for second in self.seconds if second is not None]

    @property
    def resolution_s(self) -> float:
        """The coarsest of day, hour, minute, second and millisecond that all times are whole in."""
        for step in (_DAY_S, 3600, 60, 1, 0.001):
            if all(abs(second / step - round(second / step)) * step < 2e-6 for second in self.present[:500]):
                return float(step)
        return 1e-6


class Profile:
    """What one leaf's values look like. All shares are of the values that are there."""

    def __init__(self, leaf: Leaf, *, now_s: float) -> None:
        self.leaf = leaf
        self._now_s = now_s
        self.rows = len(leaf.cells)
        self.values = [cell for cell in leaf.cells if cell is not None and cell != "" and cell == cell]  # noqa: PLR0124
        self.present = len(self.values) / self.rows if self.rows else 0.0

    @cached_property
    def texts(self) -> list[str | None]:
        """Each cell as text, None for null."""
        return [None if cell is None or cell == "" else safe_text(cell) for cell in self.leaf.cells]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value occurs."""
        return Counter(text for text in self.texts if text)

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @cached_property
    def distinct_share(self) -> float:
        """Different values by values; 1 is a column without repeats."""
        total = self.counts.total()
        return self.distinct / total if total else 0.0

    @cached_property
    def _tried(self) -> list[str]:
        step = max(1, self.distinct // _TRIED)
        return [text[:400] for text in list(self.counts)[::step]][:_TRIED]

    def share(self, shape: str) -> float:
        """Share of the distinct values that have one of `SHAPES`."""
        if shape not in self._shares:
            test = SHAPES[shape]
            self._shares[shape] = sum(map(test, self._tried)) / max(1, len(self._tried))
        return self._shares[shape]

    @cached_property
    def _shares(self) -> dict[str, float]:
        return {}

    @cached_property
    def numbers(self) -> list[float] | None:
        """All values as numbers, or None when they are not."""
        numbers: list[float] = []
        for value in self.values:
            if isinstance(value, bool | datetime.date | list | dict):
                return None
            try:
                number = float(value) if isinstance(value, int | float | decimal.Decimal) else _number(value)
            except (ValueError, OverflowError, TypeError):
                return None
            if not math.isfinite(number):
                return None
            numbers.append(number)
        return numbers or None

    @cached_property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.numbers is not None and all(number.is_integer() for number in self.numbers)

    @cached_property
    def lengths(self) -> list[int]:
        """Lengths of the values as text, in characters, ascending."""
        return sorted(len(text) for text in self.texts if text)

    @property
    def length_median(self) -> float:
        """Median length of the values as text."""
        return statistics.median(self.lengths) if self.lengths else 0.0

    @cached_property
    def spaced(self) -> float:
        """Share of distinct values with white space in them."""
        return sum(any(map(str.isspace, text)) for text in self._tried) / max(1, len(self._tried))

    @cached_property
    def clock(self) -> Clock | None:
        """The best reading as times, or None when less than 95 % of the values can be."""
        if self.leaf.nested or self.leaf.transform or not self.values:
            return None
        readings = list(_readings(self))
        best = max(readings, key=lambda clock: clock.share, default=None)
        return best if best is not None and best.share >= 0.95 else None

    def plausible(self, second: float | None) -> bool:
        """Whether a time lies where a model's log can lie: 2018 to tomorrow."""
        return second is not None and _TIME_FIRST_S <= second <= self._now_s + _DAY_S


def _number(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch(r"\s*[+-]?\d{1,20}(\.\d{1,20})?([eE][+-]?\d{1,2})?\s*", value):
        raise ValueError(value)
    return float(value)


# --- times ------------------------------------------------------------------------------------------------


def _readings(profile: Profile) -> Any:
    cells = profile.leaf.cells
    total = len(profile.values)

    def clock(seconds: list[float | None], **how: Any) -> Clock:
        kept = [second if profile.plausible(second) else None for second in seconds]
        return Clock(kept, share=sum(second is not None for second in kept) / total, **how)

    if profile.numbers is not None:
        for unit, scale in UNIT_SCALES.items():
            yield clock([_scaled(cell, scale) for cell in cells], unit=unit)
    elif any(isinstance(value, datetime.date) for value in profile.values[:20]):
        naive = any(getattr(value, "tzinfo", None) is None for value in profile.values[:20])
        yield clock([_moment(cell) for cell in cells], naive=naive)
    elif isinstance(profile.values[0], str) and sum(map(_digits, profile.values[:20])) >= 6 * len(profile.values[:20]):
        yield _clock_of_text(clock, [cell if isinstance(cell, str) else None for cell in cells], "")
        for form in _FORMATS:
            if any(_parsed(value, form) is not None for value in profile.values[:3] if isinstance(value, str)):
                yield _clock_of_text(clock, [cell if isinstance(cell, str) else None for cell in cells], form)


def _digits(value: Any) -> int:
    return sum(character.isdigit() for character in str(value)[:60])


def _clock_of_text(clock: Callable[..., Clock], cells: list[str | None], form: str) -> Clock:
    parsed = [None if cell is None else _parsed(cell, form) for cell in cells]
    naive = any(time is not None and time.tzinfo is None for time in parsed)
    return clock([_moment(time) for time in parsed], format=form, naive=naive)


def _parsed(text: str, form: str) -> datetime.datetime | None:
    try:
        if form:
            return datetime.datetime.strptime(text, form)
        text = plain_iso(text.strip())
        # Python keeps six digits of a second; Go and Java write nine.
        return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)) if len(text) >= 8 else None
    except (ValueError, OverflowError):
        return None


def _moment(value: Any) -> float | None:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime.datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _scaled(value: Any, scale: float) -> float | None:
    try:
        return float(value) / scale
    except (ValueError, TypeError, OverflowError):
        return None
