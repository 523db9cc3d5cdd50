"""The rules by which values are judged, one a column or a family of columns.

Each takes a profile and gives bits and a reason, or None where these values cannot be that column.
Comes from `events.profile`; goes on to `events.scores`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spiritsafe.events.profile import Profile

Verdict = tuple[float, str] | None
PRIOR_BITS: Final = -4.0
_HTTP: Final = frozenset({200, 201, 202, 204, 301, 302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 499,
                          500, 502, 503, 504, 529})  # fmt: skip
# Values that are plainly something else: no id, no model name.
_OTHER_SHAPES: Final = ("address", "ja4", "http2", "user_agent", "country", "finish", "yes_no", "operation", "url")

# --- ids --------------------------------------------------------------------------------------------------


def _id_like(profile: Profile) -> float | None:
    """Bits for being some id: short, no white space, not plainly something else. None where it cannot be."""
    if profile.clock is not None and profile.clock.share >= 0.99 and profile.numbers is None:
        return None
    if profile.numbers is not None and not profile.whole:
        return None
    if isinstance(profile.values[0], bool) or profile.spaced > 0.05 or profile.length_median > 128:
        return None
    bits = 0.0
    if max(profile.share(shape) for shape in _OTHER_SHAPES) > 0.9:
        bits -= 5.0
    if profile.share("model") > 0.9 or (profile.share("tiered") > 0.9 and profile.distinct <= 12):
        bits -= 3.0
    if profile.numbers is not None and (profile.length_median < 4 or (profile.clock and profile.clock.share > 0.95)):
        bits -= 2.0
    return bits


def event(profile: Profile) -> Verdict:
    """A request's own id: no two rows share it."""
    bits = _id_like(profile)
    if bits is None or profile.length_median < 2 or (profile.rows >= 20 and profile.distinct_share < 0.9):
        return None
    bits += PRIOR_BITS
    if profile.rows >= 20:
        bits += 4.0 if profile.distinct_share == 1.0 else -1.0
    bits += 2.0 * (profile.share("uuid") > 0.9) + 2.0 * (profile.share("event_prefix") > 0.9)
    bits += 0.5 * (profile.share("hex") > 0.9) - 3.0 * (profile.present < 0.9)
    return bits, f"{profile.distinct_share:.0%} unique"


def entity(prefix: str, prior: float, few: float) -> Callable[[Profile], Verdict]:
    """A judge of an id that rows share. `few` bits when nearly every row has its own."""

    def judge(profile: Profile) -> Verdict:
        bits = _id_like(profile)
        if bits is None or profile.leaf.secret:
            return None
        bits += prior
        if profile.rows >= 20 and profile.distinct_share > 0.95:
            bits += few
        if profile.distinct == 1:
            bits -= 2.0
        elif (
            bits >= prior
            and profile.rows >= 50
            and 0.002 < profile.distinct_share < 0.6
            and profile.share("opaque") > 0.9
        ):
            bits += 3.0
        if profile.distinct <= 12 and profile.rows >= 200 and profile.distinct > 1:
            bits -= 1.5
        bits += 2.5 * (profile.share(f"{prefix}_prefix") > 0.9)
        others = {"account", "key", "organization", "conversation", "event"} - {prefix}
        # "u", "c" and the like fit many words, so a foreign prefix counts only where the own one does not fit.
        if profile.share(f"{prefix}_prefix") < 0.5 and any(profile.share(f"{o}_prefix") > 0.9 for o in others):
            bits -= 1.5
        return bits, f"{profile.distinct:,} different in {profile.rows:,} rows"

    return judge


def account(profile: Profile) -> Verdict:
    """The billing subject: shared by rows, named in nearly all of them."""
    judged = entity("account", PRIOR_BITS + 2.0, -5.0)(profile)
    if judged is None:
        return None
    bits = judged[0] - (3.0 if profile.present < 0.9 else 0.0) + 0.5 * (profile.share("email") > 0.9)
    return bits, judged[1]


# --- text -------------------------------------------------------------------------------------------------


def _wordy(profile: Profile) -> float | None:
    """Share of values that are running text, or None when they are not text at all."""
    if profile.numbers is not None or not isinstance(profile.values[0], str):
        return None
    return profile.share("words")


def prompt(profile: Profile) -> Verdict:
    """What a person asks: running text that hardly repeats."""
    words = _wordy(profile)
    if words is None or profile.clock is not None:
        return None
    bits = PRIOR_BITS + (4.0 if words > 0.6 else 1.0 if words > 0.2 else -2.0)
    if profile.rows >= 50 and profile.distinct_share < 0.1:
        bits -= 3.0
    bits += 1.0 * (profile.share("question") > 0.15) - 5.0 * (_plainly_else(profile))
    bits -= 1.5 * (profile.present < 0.5)
    return bits, f"text, median {profile.length_median:.0f} characters, {profile.distinct_share:.0%} different"


def response(profile: Profile) -> Verdict:
    """What the model answers: running text, rarely a question."""
    words = _wordy(profile)
    if words is None or profile.clock is not None:
        return None
    bits = PRIOR_BITS + (3.5 if words > 0.6 else 1.0 if words > 0.2 else -2.0)
    if profile.rows >= 50 and profile.distinct_share < 0.1:
        bits -= 3.0
    bits -= 1.0 * (profile.share("question") > 0.15) + 5.0 * _plainly_else(profile)
    return bits, f"text, median {profile.length_median:.0f} characters"


def system(profile: Profile) -> Verdict:
    """A system prompt: running text that repeats."""
    words = _wordy(profile)
    if words is None or profile.clock is not None:
        return None
    bits = PRIOR_BITS + (2.0 if words > 0.6 else -1.0) - 5.0 * _plainly_else(profile)
    if profile.rows >= 50:
        bits += 2.5 if profile.distinct_share < 0.3 else -3.0 if profile.distinct_share > 0.8 else 0.0
    return bits, f"text that repeats ({profile.distinct:,} different in {profile.rows:,} rows)"


def prefill(profile: Profile) -> Verdict:
    """An answer begun by the caller: text."""
    words = _wordy(profile)
    return None if words is None else (PRIOR_BITS - 5.0 * _plainly_else(profile), "text")


def _plainly_else(profile: Profile) -> bool:
    shapes = ("address", "ja4", "user_agent", "uuid", "hex", "model", "finish", "email", "country", "http2", "url")
    return max(profile.share(shape) for shape in shapes) > 0.8


# --- shapes -----------------------------------------------------------------------------------------------


def shaped(shape: str, bits: float, words: str, *, otherwise: float | None = None) -> Callable[[Profile], Verdict]:
    """A judge by one shape: `bits` where nearly all values have it, `otherwise` (None forbids) where not."""

    def judge(profile: Profile) -> Verdict:
        share = profile.share(shape)
        if share > 0.9:
            return PRIOR_BITS + bits, words
        if share > 0.5:
            return PRIOR_BITS + bits / 2, f"{words}, {share:.0%} of them"
        return None if otherwise is None else (PRIOR_BITS + otherwise, "")

    return judge


def address(profile: Profile) -> Verdict:
    """A client's address: IP addresses, and not just a few of them."""
    share = profile.share("address")
    if share < 0.5:
        return None
    few = profile.rows >= 50 and profile.distinct <= max(3, profile.rows // 200)
    bits = PRIOR_BITS + (6.5 if share > 0.9 else 3.0) - (4.0 if few else 0.0)
    return bits, f"IP addresses, {profile.distinct:,} different"


def model(profile: Profile) -> Verdict:
    """A model's name: one of the known families, or a short name with a version or size."""
    if profile.numbers is not None or profile.spaced > 0.3 or (profile.distinct_share > 0.6 and profile.rows >= 20):
        return None
    if profile.share("model") > 0.7:
        return PRIOR_BITS + 6.5 - 4.0 * (profile.share("url") > 0.9), "names of models"
    if profile.share("tiered") > 0.7 and profile.distinct <= 60:
        return PRIOR_BITS + 4.0, "short names with a version or size"
    plain = max(profile.share(shape) for shape in _OTHER_SHAPES) < 0.5 and profile.distinct <= 60
    return PRIOR_BITS + (0.5 if plain else -4.0), f"{profile.distinct} different names"


def tls(profile: Profile) -> Verdict:
    """A TLS fingerprint: JA4, or what could be JA3."""
    if profile.share("ja4") > 0.8:
        return PRIOR_BITS + 9.0, "JA4 fingerprints"
    if profile.share("md5") > 0.9:
        return PRIOR_BITS + 0.5, "32 hex digits: perhaps JA3, which newer clients randomise"
    return None


def operation(profile: Profile) -> Verdict:
    """What was called: names of operations, or API paths."""
    if profile.share("operation") > 0.8:
        return PRIOR_BITS + 5.5, "names of operations"
    if profile.share("endpoint") > 0.8 and profile.distinct <= 20:
        return PRIOR_BITS + 5.0, "API paths"
    few = profile.numbers is None and profile.distinct <= 20 and profile.share("words") < 0.2
    return (PRIOR_BITS - 1.0, f"{profile.distinct} different") if few else None


def few_words(most: int) -> Callable[[Profile], Verdict]:
    """A judge of a small vocabulary."""

    def judge(profile: Profile) -> Verdict:
        if profile.numbers is not None or profile.distinct > most or profile.share("words") > 0.5:
            return None
        odd = max(profile.share(s) for s in ("address", "ja4", "user_agent", "yes_no", "country")) > 0.9
        return PRIOR_BITS - (3.0 if odd else 0.5), f"{profile.distinct} different words"

    return judge


# --- numbers ----------------------------------------------------------------------------------------------


def count(low: float, high: float, bits: float) -> Callable[[Profile], Verdict]:
    """A judge of whole numbers within bounds."""

    def judge(profile: Profile) -> Verdict:
        numbers = profile.numbers
        if numbers is None or not profile.whole or min(numbers) < low or max(numbers) > high:
            return None
        late = 3.0 if profile.clock is not None and profile.clock.unit in ("s", "ms") else 0.0
        return PRIOR_BITS + bits - late, f"whole numbers {min(numbers):.0f} to {max(numbers):.0f}"

    return judge


def tokens(profile: Profile) -> Verdict:
    """A number of tokens: whole, varied, not tiny."""
    judged = count(0, 20_000_000, 0.0)(profile)
    if judged is None or profile.numbers is None:
        return None
    varied = profile.distinct >= 20 and max(profile.numbers) >= 50
    return judged[0] + (1.5 if varied else -2.0), judged[1]


def most_tokens(profile: Profile) -> Verdict:
    """A limit on tokens: a few round numbers."""
    judged = count(-1, 20_000_000, 0.0)(profile)
    if judged is None or profile.numbers is None:
        return None
    round_ones = sum(n % 64 == 0 or n % 50 == 0 for n in profile.numbers) / len(profile.numbers)
    return judged[0] + (2.0 if round_ones > 0.8 and 1 < profile.distinct < 60 else -0.5), judged[1]


def temperature(profile: Profile) -> Verdict:
    """A sampling temperature: 0 to 2, mostly in steps."""
    numbers = profile.numbers
    if numbers is None or min(numbers) < 0 or max(numbers) > 2:
        return None
    tenths = sum(abs(n * 20 - round(n * 20)) < 1e-4 for n in numbers) / len(numbers)
    bits = 1.0 if tenths > 0.9 and profile.distinct >= 3 and not profile.whole else -1.0
    bits += 2.0 if max(numbers) > 1 and not profile.whole else 0.0
    return PRIOR_BITS + bits, f"{min(numbers):g} to {max(numbers):g}"


def status(profile: Profile) -> Verdict:
    """An HTTP status."""
    if profile.numbers is None:
        return None
    known = sum(number in _HTTP for number in profile.numbers) / len(profile.numbers)
    if known < 0.9:
        return None
    return PRIOR_BITS + (6.5 if 200 in profile.numbers else 3.0), "HTTP status codes"


def autonomous(profile: Profile) -> Verdict:
    """An autonomous system's number."""
    judged = count(1, 2**32, -0.5)(profile)
    if judged is None or profile.numbers is None:
        return None
    usual = statistics.median(profile.numbers) > 100 and profile.distinct < 5000
    return judged[0] - (0.0 if usual else 2.0), judged[1]


def turn(profile: Profile) -> Verdict:
    """A turn: counts up from 0."""
    judged = count(0, 100_000, 0.0)(profile)
    if judged is None or profile.numbers is None:
        return None
    return judged[0] + (0.5 if min(profile.numbers) == 0 else -0.5), judged[1]


def choices(profile: Profile) -> Verdict:
    """How many answers were asked for: mostly 1."""
    judged = count(1, 512, 0.0)(profile)
    if judged is None or profile.numbers is None:
        return None
    ones = sum(number == 1 for number in profile.numbers) / len(profile.numbers)
    return judged[0] + (0.5 if ones > 0.5 else -1.0), judged[1]


# --- the rest ---------------------------------------------------------------------------------------------


def time(profile: Profile) -> Verdict:
    """When: what reads as times since 2018, the finer the better."""
    clock = profile.clock
    if clock is None or not clock.present:
        return None
    bits = PRIOR_BITS + 5.0 - (3.0 if profile.present < 0.9 else 0.0)
    resolution = clock.resolution_s
    bits += 2.5 if resolution <= 0.001 else 0.5 if resolution <= 1 else -2.0 if resolution < 86_400 else -4.0
    if len(set(clock.present)) < 0.05 * len(clock.present):
        bits -= 3.0
    how = clock.unit or clock.format or "ISO 8601"
    unit = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}.get(how, how)
    return bits, f"{profile.clock.share if profile.clock else 0:.0%} read as times ({unit})"


def truth(profile: Profile) -> Verdict:
    """True and false, in whatever words."""
    if all(isinstance(value, bool) for value in profile.values):
        return PRIOR_BITS + 0.5, "true and false"
    if profile.distinct <= 6 and profile.share("yes_no") > 0.99:
        return PRIOR_BITS, f"values like {', '.join(sorted(profile.counts)[:4])}"
    return None


def verified(profile: Profile) -> Verdict:
    """Whether somebody is verified: true and false, or a status with that word."""
    judged = truth(profile)
    if judged is None and profile.distinct <= 8 and any(value.lower() == "verified" for value in profile.counts):
        return PRIOR_BITS, "a status with `verified`"
    return judged


def anything(profile: Profile) -> Verdict:
    """Nothing is known of such values."""
    return PRIOR_BITS - 1.0, f"{profile.distinct:,} different"
