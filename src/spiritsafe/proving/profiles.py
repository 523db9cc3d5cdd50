"""Everything about an account that is not its conduct: one sampler for honest developers and campaigns alike.

Fairness rests here. `AccountProfiles.draw` is the only place where an account gets its country, clock, volume,
limits, models, release lag, temperature, plan, sign-up date and the rest; it is given a `Conduct` and never
learns who asks. What groups share on purpose (one payment card, one egress) is laid over afterwards, in `cast`,
and only where an archetype, a variant or a look-alike says so.
Comes from `network` and `clients`; goes on to `jobs` (volumes, clocks) and `rows` (columns).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.model import DAY_US, HOUR_US
from spiritsafe.proving.network import (
    API_BUILDS,
    APP_BUILDS,
    APP_OFFSET,
    COUNTRY_SHARES,
    NETWORK_KINDS,
    TIME_ZONES_H,
    AddressBook,
    Networks,
    countries_writing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.clients import Clients
    from spiritsafe.proving.model import Bools, Conduct, Floats, Ints

MODELS: Final = ("m-small", "m-mid", "m-large", "m-reason")
NEW_MODEL: Final = "m-large-2"
ALL_MODELS: Final = (*MODELS, NEW_MODEL)
CHANNELS: Final = ("api", "app", "batch", "cloud")
PLANS: Final = ("free", "pay_as_you_go", "pro", "team", "enterprise")
# Requests a minute that come with a plan; an account may have one step more or less.
_PLAN_LIMITS: Final = ((3, 5, 10), (10, 20, 60), (20, 60, 120), (60, 120, 500), (120, 500, 2000))
EMAIL_DOMAINS: Final = (
    "gmail.example", "outlook.example", "proton.example", "icloud.example", "qq.example", "yandex.example",
    "gmx.example", "mail.example",
)  # fmt: skip
EMAIL_PATTERNS: Final = ("first.last", "firstlast", "flast", "word", "word99", "word9999", "letters10", "team")
TEMPERATURES: Final = np.array([0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0])
MAX_TOKENS: Final = np.array([0, 0, 0, 256, 512, 800, 1000, 1024, 1500, 2000, 2048, 4000, 4096, 8192])

Columns = dict[str, "NDArray[Any]"]


class Span:
    """The columns of one group's accounts: a window on columns that many groups were drawn into together."""

    __slots__ = ("_columns", "_first", "_last")

    def __init__(self, columns: Columns, first: int, last: int) -> None:
        self._columns = columns
        self._first = first
        self._last = last

    def __len__(self) -> int:
        return self._last - self._first

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name][self._first : self._last]

    def __setitem__(self, name: str, values: NDArray[Any]) -> None:
        self._columns[name][self._first : self._last] = values


@dataclass(frozen=True)
class _Dictated:
    """What conducts dictate, an entry an account."""

    language: NDArray[np.str_]
    clock: NDArray[np.str_]
    pivot: Bools
    agentic: Bools
    low: Floats
    high: Floats
    # Accounts of one operation work through one stretch of time: the position of the first of them, or their own.
    window_of: Ints


def _dictated(conducts: Sequence[Conduct], sizes: Sequence[int]) -> _Dictated:
    def each(values: list[Any]) -> NDArray[Any]:
        return np.repeat(np.array(values), sizes)

    total = sum(sizes)
    together = each([conduct.workers > 1 and not conduct.staggered for conduct in conducts])
    first = np.repeat(np.cumsum(sizes) - np.array(sizes), sizes)
    return _Dictated(
        language=each([conduct.language for conduct in conducts]),
        clock=each([conduct.clock for conduct in conducts]),
        pivot=each([conduct.pivot for conduct in conducts]),
        agentic=each([bool({"code", "tools"} & set(conduct.families)) for conduct in conducts]),
        low=each([conduct.volume_band[0] for conduct in conducts]),
        high=each([conduct.volume_band[1] for conduct in conducts]),
        window_of=np.where(together, first, np.arange(total)),
    )


@dataclass(frozen=True)
class Calendar:
    """The window of a world and what happens in it for everyone."""

    start_us: int
    end_us: int
    release_us: int

    @property
    def span_us(self) -> int:
        return self.end_us - self.start_us


class AccountProfiles:
    """Draws accounts. One instance a world; every draw takes its own random generator."""

    def __init__(self, networks: Networks, clients: Clients, calendar: Calendar, book: AddressBook) -> None:
        self._networks = networks
        self._clients = clients
        self._calendar = calendar
        self._book = book

    def draw(
        self, rng: np.random.Generator, sizes: Sequence[int], *, conducts: Sequence[Conduct], people: bool = False
    ) -> Columns:
        """Accounts of several groups: `sizes[i]` of them conduct themselves as `conducts[i]` says, all else their own.

        Parameters
        ----------
        conducts
            Only `language`, `clock`, `pivot`, `volume_band`, `families`, `workers` and `staggered` are looked at.
        people
            Consumers of the app rather than callers of the API.

        Returns
        -------
        Columns of `sum(sizes)` rows each, group by group. Ids are numbers here; `rows` turns them into strings.
        """
        said = _dictated(conducts, sizes)
        columns: Columns = {}
        country = np.zeros(len(said.language), dtype=np.int64)
        for language in sorted(set(said.language.tolist())):
            of = np.flatnonzero(said.language == language)
            country[of] = rng.choice(len(COUNTRY_SHARES), len(of), p=countries_writing(language))
        columns["country"] = country
        columns["zone_h"] = TIME_ZONES_H[country]
        self._networks_of(rng, columns, people)
        self._clock(rng, columns, said, people)
        self._volume(rng, columns, said, people)
        self._models(rng, columns, said, people)
        self._parameters(rng, columns, said, people)
        self._identity(rng, columns, people)
        self._life(rng, columns)
        columns["key_base"] = rng.integers(0, 1 << 46, len(country))
        columns["salt"] = rng.integers(0, 1 << 46, len(country))
        columns["kept"] = np.ones(len(country), dtype=bool)
        return columns

    def volume(self, rng: np.random.Generator, low: Floats, high: Floats) -> Floats:
        """Relative volume of accounts that call the API, between two quantiles; the median real client is 1."""
        quantile = rng.uniform(low, high)
        drawn = self._clients.relative_volume(quantile) * rng.lognormal(0, 0.3, len(quantile))
        return np.asarray(np.clip(drawn, 0.25, 14.0))

    def _networks_of(self, rng: np.random.Generator, columns: Columns, people: bool) -> None:
        size = len(columns["country"])
        # residential, mobile, hosting, vpn, education: assumptions, the same for everyone who is not a look-alike.
        shares = (0.60, 0.27, 0.01, 0.07, 0.05) if people else (0.27, 0.03, 0.61, 0.06, 0.03)
        kinds = rng.choice(len(NETWORK_KINDS), size, p=shares)
        count = (
            1
            + np.minimum(rng.geometric(0.55, size) - 1, 7)
            + np.where(rng.random(size) < 0.06, rng.integers(4, 30, size), 0)
        )
        columns["vpn"] = kinds == NETWORK_KINDS.index("vpn")
        columns["network_kind"] = kinds
        owner = np.repeat(np.arange(size), count)
        value, asn, where = self._networks.draw(rng, kinds[owner], columns["country"][owner])
        # Most addresses of one account lie in one neighbourhood: same network, often the same /24.
        first = np.cumsum(count) - count
        near = (rng.random(len(owner)) < 0.7) & (np.arange(len(owner)) != first[owner])
        base = value[first[owner]].astype(np.int64)
        wiggle = np.where(rng.random(len(owner)) < 0.5, 1 << 8, 1 << 11)
        neighbour = base // wiggle * wiggle + (rng.random(len(owner)) * wiggle).astype(np.int64)
        value = np.where(near, neighbour, value).astype(np.uint32)
        asn, where = np.where(near, asn[first[owner]], asn), np.where(near, where[first[owner]], where)
        columns["address"] = self._book.add(value, asn, where) + first
        columns["address_count"] = count
        # sticky, by day, or any at every request
        columns["address_mode"] = rng.choice(3, size, p=(0.5, 0.35, 0.15))
        builds = APP_BUILDS if people else API_BUILDS
        offset = APP_OFFSET if people else 0
        columns["build"] = offset + rng.choice(len(builds.popularity), size, p=builds.popularity)
        upgraded = offset + rng.choice(len(builds.popularity), size, p=builds.popularity)
        columns["build_later"] = np.where(rng.random(size) < 0.25, upgraded, columns["build"])
        columns["build_change"] = rng.random(size)

    def _clock(self, rng: np.random.Generator, columns: Columns, said: _Dictated, people: bool) -> None:
        size = len(columns["country"])
        human = np.ones(size, dtype=bool) if people else rng.random(size) < 0.38
        human = np.where(said.clock == "drawn", human, said.clock == "human")
        curve = np.where(human, self._clients.human_curve(rng, size), self._clients.program_curve(rng, size))
        columns["human"] = human
        columns["curve"] = curve
        columns["shift_us"] = self._clients.shift_us(rng, curve, columns["zone_h"])
        columns["cv"] = np.clip(self._clients.cv[curve // 3] * rng.lognormal(0, 0.25, size), 0.5, 4.0)
        start, end = self.windows(rng, size)
        columns["start_us"], columns["end_us"] = start[said.window_of], end[said.window_of]

    def windows(self, rng: np.random.Generator, size: int) -> tuple[Ints, Ints]:
        """From when to when an account is in use: half of them all the time, half for a project of some days."""
        calendar = self._calendar
        whole = rng.random(size) < 0.45
        begin = rng.uniform(0, 0.72, size)
        length = np.clip(rng.lognormal(np.log(0.38), 0.5, size), 0.15, 1.0)
        start = np.where(whole, 0.0, begin)
        end = np.where(whole, 1.0, np.minimum(begin + length, 1.0))
        return (
            (calendar.start_us + start * calendar.span_us).astype(np.int64),
            (calendar.start_us + end * calendar.span_us).astype(np.int64),
        )

    def _volume(self, rng: np.random.Generator, columns: Columns, said: _Dictated, people: bool) -> None:
        if people:
            columns["volume"] = np.clip(rng.lognormal(-0.9, 0.85, len(columns["country"])), 0.1, 6.0)
        else:
            columns["volume"] = self.volume(rng, said.low, said.high)

    def _models(self, rng: np.random.Generator, columns: Columns, said: _Dictated, people: bool) -> None:
        size = len(columns["country"])
        shares = (0.12, 0.5, 0.25, 0.13) if people else (0.3, 0.26, 0.27, 0.17)
        columns["model"] = rng.choice(len(MODELS), size, p=shares)
        columns["model_second"] = rng.choice(len(MODELS), size, p=shares)
        columns["second_share"] = np.where(rng.random(size) < 0.45, rng.beta(1.2, 4, size), 0.0)
        never = rng.random(size) < 0.45
        lag_h = np.where(never, 1e6, rng.exponential(80, size))
        moved = rng.uniform(0.25, 1.0, size)
        # As reported of one campaign: about half of the traffic within 24 hours of a release.
        lag_h = np.where(said.pivot, rng.uniform(0.5, 23, size), lag_h)
        moved = np.where(said.pivot, rng.uniform(0.38, 0.66, size), moved)
        columns["pivot_us"] = (self._calendar.release_us + lag_h * HOUR_US).astype(np.int64)
        columns["pivot_share"] = moved

    def _parameters(self, rng: np.random.Generator, columns: Columns, said: _Dictated, people: bool) -> None:
        size = len(columns["country"])
        plan = rng.choice(len(PLANS), size, p=(0.5, 0.0, 0.42, 0.08, 0.0) if people else (0.16, 0.5, 0.14, 0.13, 0.07))
        columns["plan"] = plan
        columns["limit"] = np.array(_PLAN_LIMITS)[plan, rng.integers(0, 3, size)]
        columns["limit_logged"] = rng.random(size) < 0.92
        channel = np.where(rng.random(size) < 0.12, 3, np.where(rng.random(size) < 0.06, 2, 0))
        columns["channel"] = np.full(size, 1) if people else channel
        # 0 never sent, 1 one value, 2 some values.
        columns["temperature_mode"] = np.zeros(size, np.int64) if people else rng.choice(3, size, p=(0.34, 0.5, 0.16))
        columns["temperature"] = rng.choice(
            len(TEMPERATURES), size, p=(0.24, 0.06, 0.1, 0.1, 0.08, 0.04, 0.2, 0.04, 0.14)
        )
        columns["max_tokens"] = np.zeros(size, np.int64) if people else rng.choice(MAX_TOKENS, size)
        columns["stream_share"] = np.where(
            people | (rng.random(size) < 0.35), 1.0, np.where(rng.random(size) < 0.7, 0.0, 0.5)
        )
        columns["logprobs"] = ~np.full(size, people) & (rng.random(size) < 0.05)
        columns["logit_bias"] = ~np.full(size, people) & (rng.random(size) < 0.015)
        columns["tools_share"] = np.where(
            rng.random(size) < np.where(said.agentic, 0.62, 0.08), rng.uniform(0.5, 1.0, size), 0.0
        )
        columns["tools_share"] = np.where(people, 0.0, columns["tools_share"])
        columns["reasoning_share"] = np.where(rng.random(size) < 0.3, rng.uniform(0.2, 1.0, size), 0.0)
        columns["choices"] = np.where(people | (rng.random(size) > 0.07), 1, rng.choice((2, 4, 5, 8), size))
        columns["repeat_share"] = np.where(rng.random(size) < 0.5, rng.beta(1, 22, size), 0.0)
        columns["conversation_ids"] = np.full(size, people) | (rng.random(size) < 0.42)
        columns["error_share"] = rng.beta(1, 120, size)
        columns["refusal_share"] = rng.beta(1, 70, size)
        columns["refusal_source"] = rng.integers(0, 3, size)
        columns["prefill_share"] = np.where(
            ~np.full(size, people) & (rng.random(size) < 0.06), rng.uniform(0.3, 1, size), 0.0
        )
        # An ordinary system prompt, one seed each; -1 for none.
        seed = rng.integers(0, 1 << 40, size)
        columns["system"] = np.where(np.full(size, people) | (rng.random(size) < 0.45), -1, seed)
        columns["output_median"] = np.exp(rng.normal(np.log(230), 0.7, size))
        columns["images_share"] = np.where(rng.random(size) < 0.05, rng.uniform(0.05, 0.6, size), 0.0)

    def _identity(self, rng: np.random.Generator, columns: Columns, people: bool) -> None:
        size = len(columns["country"])
        plan = columns["plan"]
        own_organisation = rng.random(size) < (0.03 if people else 0.46)
        columns["organisation"] = np.where(own_organisation, rng.integers(1, 1 << 46, size), -1)
        verified: Bools = own_organisation & (rng.random(size) < np.where(plan >= 3, 0.35, 0.06))
        columns["organisation_verified"] = verified
        pays = plan > 0
        columns["payment"] = np.where(pays & (rng.random(size) < 0.96), rng.integers(1, 1 << 46, size), -1)
        company_mail = own_organisation & (rng.random(size) < 0.75)
        columns["email_domain"] = np.where(
            company_mail,
            1_000 + rng.integers(0, 1 << 40, size),
            rng.choice(len(EMAIL_DOMAINS), size, p=(0.44, 0.2, 0.07, 0.08, 0.06, 0.03, 0.05, 0.07)),
        )
        columns["email_pattern"] = rng.choice(
            len(EMAIL_PATTERNS), size, p=(0.24, 0.14, 0.12, 0.14, 0.17, 0.07, 0.06, 0.06)
        )
        columns["phone"] = np.where(rng.random(size) < 0.62, columns["country"] * 100 + rng.integers(0, 60, size), -1)
        columns["verified"] = rng.random(size) < np.where(plan > 0, 0.4, 0.12)
        columns["key_count"] = np.where(people, 0, 1 + np.minimum(rng.geometric(0.7, size) - 1, 5))
        columns["end_users"] = np.where(
            ~np.full(size, people) & (rng.random(size) < 0.17), rng.integers(2, 400, size), 0
        )

    def _life(self, rng: np.random.Generator, columns: Columns) -> None:
        size = len(columns["country"])
        start = columns["start_us"]
        age_us = (rng.exponential(110, size) * DAY_US).astype(np.int64) + HOUR_US
        # Who begins inside the window often signed up for it.
        fresh = (start > self._calendar.start_us + DAY_US) & (rng.random(size) < 0.6)
        soon = (rng.exponential(14, size) * HOUR_US).astype(np.int64) + 2 * 60_000_000
        columns["created_us"] = start - np.where(fresh, soon, age_us)
        # Honest accounts are suspended too: a failed payment, a false alarm. -1 for never.
        hit = rng.random(size) < 0.02
        when = columns["start_us"] + (rng.uniform(0.15, 0.9, size) * (columns["end_us"] - columns["start_us"])).astype(
            np.int64
        )
        columns["suspended_us"] = np.where(hit, when, -1)
        columns["reinstated_us"] = np.where(
            hit & (rng.random(size) < 0.6), when + (rng.exponential(30, size) * HOUR_US).astype(np.int64), -1
        )
