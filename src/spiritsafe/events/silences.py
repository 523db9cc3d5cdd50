"""Ways in which a log looks complete and detection would still see nothing, without saying so.

Behind a proxy every request comes from one address; an export may cut every prompt at the same length, or
stamp every row with the hour of the load. No column is missing then, and nothing is ever found. Each way has
a code, a check (`events.silence_checks`), what it kills and what to do. A check is silent when it cannot know.
Comes from `events.doctor`; goes on to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

DEAD: Final = "dead"
WEAK: Final = "weak"
NOTE: Final = "note"


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which detection would be dead or weak.

    `severity`: `dead` kills a kind of evidence, or all of it, while its column is there; `weak` hurts; `note` is
    worth knowing. `kills` names kinds of evidence, or `all`.
    """

    code: str
    severity: str
    column: str
    seen: str
    kills: tuple[str, ...]
    do: str


@dataclass(frozen=True)
class Seen:
    """What a check saw. `severity` and `do` stand instead of the way's own where given."""

    text: str
    severity: str = ""
    do: str = ""


@dataclass(frozen=True)
class Way:
    """What is known of one way to go silent before any log is looked at."""

    severity: str
    column: str
    kills: tuple[str, ...]
    do: str


@dataclass(frozen=True)
class Look:
    """What the checks look at: rows of the contract, and what was learnt on the way.

    `forwarded` names a source column that holds forwarding headers and is not read yet.
    """

    rows: pa.Table
    refused: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[bytes, bytes] = field(default_factory=dict)
    forwarded: str = ""
    timezone_missing: bool = False

    def has(self, name: str) -> bool:
        """Whether a column is there with any value."""
        return name in self.rows.column_names and self.rows[name].null_count < self.rows.num_rows

    def values(self, name: str) -> pa.Array:
        """A column's values without nulls, as one array."""
        array = self.rows[name].drop_null()
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

    def top(self, name: str) -> tuple[str, float, int]:
        """The most frequent value, its share of the values, and how many different ones there are."""
        counts = pc.value_counts(self.values(name))
        if not len(counts):
            return "", 0.0, 0
        numbers = counts.field("counts")
        place = pc.index(numbers, pc.max(numbers)).as_py()
        total = pc.sum(numbers).as_py()
        return str(counts.field("values")[place].as_py()), numbers[place].as_py() / total, len(counts)

    @cached_property
    def accounts(self) -> int:
        """Different accounts."""
        return self.top("account_id")[2] if self.has("account_id") else 0


def silences(look: Look) -> tuple[Silence, ...]:
    """All that would silence detection, worst first."""
    from spiritsafe.events.silence_checks import CHECKS

    found = []
    for code, check in CHECKS.items():
        if (seen := check(look)) is not None:
            way = WAYS[code]
            severity = seen.severity or way.severity
            found.append(
                Silence(
                    code=code,
                    severity=severity,
                    column=way.column,
                    seen=seen.text,
                    kills=way.kills if severity == DEAD else (),
                    do=seen.do or way.do,
                )
            )
    order = (DEAD, WEAK, NOTE)
    return tuple(sorted(found, key=lambda silence: order.index(silence.severity)))


_AT_THE_EDGE: Final = "it is your proxy's: take it where TLS ends, at the edge"
_FORWARDED: Final = (
    'log the X-Forwarded-For header at your edge and map it with transform = "forwarded_for" and `hop` = how many'
    " proxies of your own stand in front"
)
WAYS: Final[dict[str, Way]] = {
    "doctor.one_account": Way(
        DEAD,
        "account_id",
        ("all",),
        "map account_id to the billing subject (customer, key or tenant), not to a service",
    ),
    "doctor.account_per_row": Way(
        DEAD, "account_id", ("all",), "account_id seems to hold a request or session id; map it to the billing subject"
    ),
    "doctor.few_accounts": Way(
        WEAK, "account_id", (), "rarity is measured against all accounts: give the log of all customers, not of a few"
    ),
    "doctor.pseudonymous": Way(
        NOTE, "account_id", (), "give tables beside the log under the same key, or they will not join"
    ),
    "doctor.secret_keys": Way(
        WEAK, "api_key_id", (), 'read them with transform = "fingerprint", and keep them out of the log'
    ),
    "doctor.one_address": Way(DEAD, "client_ip", ("infrastructure",), _FORWARDED),
    "doctor.private_addresses": Way(WEAK, "client_ip", (), _FORWARDED),
    "doctor.one_user_agent": Way(WEAK, "user_agent", (), "it says nothing; log the client's own header"),
    "doctor.one_ja4": Way(WEAK, "ja4", (), _AT_THE_EDGE),
    "doctor.one_http2": Way(WEAK, "http2_fingerprint", (), _AT_THE_EDGE),
    "doctor.one_model": Way(WEAK, "model", (), "a pivot to a new model cannot show; give the logs of all models"),
    "doctor.one_organization": Way(
        WEAK, "organization_id", (), "map organization_id to the customer's organisation, not to your own"
    ),
    "doctor.one_second": Way(
        DEAD, "time", ("timing",), "time seems to be that of an export or load; map it to the request's arrival"
    ),
    "doctor.coarse_clock": Way(
        DEAD, "time", ("timing",), "map time to a column with seconds or better; hand-overs happen within seconds"
    ),
    "doctor.frozen_clock": Way(
        DEAD, "time", ("timing",), "time seems to be when batches were written; map it to the request's arrival"
    ),
    "doctor.short_window": Way(
        NOTE, "time", (), "give days rather than hours: habits, day and night, and successions need time to show"
    ),
    "doctor.naive_time": Way(
        WEAK, "time", (), "say which zone the log was written in: --timezone Europe/Berlin (`scan` refuses to guess)"
    ),
    "doctor.prompts_equal": Way(
        DEAD, "prompt", ("content",), "map prompt to the newest user message; a marker like [REDACTED] is no prompt"
    ),
    "doctor.prompts_empty": Way(
        DEAD, "prompt", ("content",), "is content logging on? map prompt to the column with the newest user message"
    ),
    "doctor.prompts_cut": Way(
        DEAD, "prompt", ("content",), "raise the limit of the logger or export: what is cut is often the item itself"
    ),
    "doctor.prompts_hashed": Way(
        DEAD,
        "prompt",
        ("content",),
        "run `spiritsafe sketch` where the text is: sketches hold no text and still compare",
    ),
    "doctor.prompts_whole_history": Way(
        DEAD, "prompt", ("content",), 'map prompt with transform = "last_user_message"'
    ),
    "doctor.duplicates": Way(
        WEAK, "event_id", (), "remove duplicates (at-least-once delivery, two exports): each counts as a request"
    ),
    "doctor.turn_from_one": Way(
        WEAK, "turn", (), 'map turn with transform = "less_one", or no conversation has a beginning'
    ),
    "doctor.many_refused": Way(DEAD, "", ("all",), "look at the reasons: a column mapped wrongly breaks every row"),
}
"""Every code. A test holds that each can be raised, and the reference page is made from here."""
