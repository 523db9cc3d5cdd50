"""Where requests come from: addresses, networks, client builds, by the same tables for everyone.

An address is drawn at random inside a real network's ranges; whoever holds it in the world has nothing to do with
the composed log. Which client library sends from where is a made-up catalogue with a few very popular builds,
as in any real log. Comes from the user's or the bundled network tables; goes on to `profiles`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.grammar import mix
from spiritsafe.proving.model import PoolError, read_input

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NETWORK_KINDS: Final = ("residential", "mobile", "hosting", "vpn", "education")

# Share of sign-ups, hours from UTC, and the languages written there. Shares are assumptions of ours: large
# countries first, a long tail after, none of them ever evidence.
COUNTRIES: Final[dict[str, tuple[float, float, dict[str, float]]]] = {
    "US": (0.24, -6, {"en": 0.93, "es": 0.07}), "IN": (0.085, 5.5, {"en": 1.0}),
    "CN": (0.07, 8, {"zh": 0.75, "en": 0.25}), "DE": (0.06, 1, {"de": 0.6, "en": 0.4}),
    "GB": (0.055, 0, {"en": 1.0}), "BR": (0.05, -3, {"pt": 0.7, "en": 0.3}),
    "FR": (0.045, 1, {"fr": 0.65, "en": 0.35}), "JP": (0.04, 9, {"en": 1.0}), "KR": (0.03, 9, {"en": 1.0}),
    "RU": (0.03, 3, {"ru": 0.75, "en": 0.25}), "CA": (0.035, -5, {"en": 0.85, "fr": 0.15}),
    "ES": (0.03, 1, {"es": 0.65, "en": 0.35}), "IT": (0.03, 1, {"en": 1.0}), "NL": (0.025, 1, {"en": 1.0}),
    "PL": (0.02, 1, {"en": 1.0}), "AU": (0.02, 10, {"en": 1.0}), "MX": (0.02, -6, {"es": 0.75, "en": 0.25}),
    "TR": (0.014, 3, {"en": 1.0}), "VN": (0.014, 7, {"en": 1.0}), "ID": (0.014, 7, {"en": 1.0}),
    "ZA": (0.01, 2, {"en": 1.0}), "EG": (0.01, 2, {"en": 1.0}), "AR": (0.012, -3, {"es": 0.8, "en": 0.2}),
    "CO": (0.01, -5, {"es": 0.8, "en": 0.2}), "TW": (0.012, 8, {"zh": 0.7, "en": 0.3}),
    "HK": (0.008, 8, {"zh": 0.5, "en": 0.5}), "SE": (0.009, 1, {"en": 1.0}), "CH": (0.009, 1, {"de": 0.6, "en": 0.4}),
    "PH": (0.009, 8, {"en": 1.0}), "TH": (0.006, 7, {"en": 1.0}), "MY": (0.006, 8, {"en": 1.0}),
    "RO": (0.005, 2, {"en": 1.0}), "PK": (0.007, 5, {"en": 1.0}), "SG": (0.006, 8, {"en": 0.8, "zh": 0.2}),
    "NO": (0.004, 1, {"en": 1.0}), "FI": (0.004, 2, {"en": 1.0}), "MA": (0.004, 1, {"fr": 0.7, "en": 0.3}),
}  # fmt: skip
COUNTRY_CODES: Final = tuple(COUNTRIES)
COUNTRY_SHARES: Final = np.array([share for share, _, _ in COUNTRIES.values()])
COUNTRY_SHARES.setflags(write=False)
TIME_ZONES_H: Final = np.array([hours for _, hours, _ in COUNTRIES.values()])


def countries_writing(language: str) -> NDArray[np.float64]:
    """Probability of each country of `COUNTRY_CODES` for somebody who writes `language`; sums to 1."""
    weights = np.array([share * languages.get(language, 0.0) for share, _, languages in COUNTRIES.values()])
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class Builds:
    """Client builds: what one library version looks like on the wire. Rows are aligned."""

    user_agent: list[str]
    ja4: list[str]
    http2: list[str | None]
    popularity: NDArray[np.float64]


def _hexes(seed: int, digits: int) -> str:
    return f"{mix(seed):016x}"[:digits]


def _builds(stacks: Sequence[tuple[str, Sequence[str], int, bool]], salt: int) -> Builds:
    """`stacks`: user agent pattern, versions, how many TLS builds they spread over, HTTP/2 or not."""
    agents: list[str] = []
    ja4: list[str] = []
    http2: list[str | None] = []
    for number, (pattern, versions, spread, two) in enumerate(stacks):
        for place, version in enumerate(versions):
            tls = mix(salt, number // 2, place * spread // len(versions))
            head = f"t13d{14 + tls % 5:02d}{8 + tls % 9:02d}{'h2' if two else 'h1'}"
            agents.append(pattern.format(version))
            ja4.append(f"{head}_{_hexes(tls, 12)}_{_hexes(tls + 1, 12)}")
            http2.append(f"1:{65536 * (1 + tls % 3)};3:{100 + tls % 2 * 900};4:{_hexes(tls + 2, 6)}" if two else None)
    rank = np.argsort([mix(salt, 99, place) for place in range(len(agents))]) + 1.0
    weights = 1.0 / rank
    return Builds(agents, ja4, http2, weights / weights.sum())


def _minor(major: str, low: int, high: int, step: int = 1) -> list[str]:
    return [f"{major}.{minor}.{(minor * 7) % 5}" for minor in range(low, high, step)]


def _whole(low: int, high: int, step: int = 1) -> list[str]:
    return [str(version) for version in range(low, high, step)]


API_BUILDS: Final = _builds(
    (
        ("provider-sdk/python {}", _minor("1", 30, 62), 6, True),
        ("python-httpx/{}", _minor("0", 24, 29), 2, False),
        ("provider-sdk/node {}", _minor("4", 10, 50, 2), 5, True),
        ("node-fetch/{}", _minor("3", 1, 4), 2, True),
        ("Go-http-client/{}", ["1.1", "2.0"], 2, True),
        ("provider-sdk/go {}", _minor("0", 3, 15), 3, True),
        ("python-requests/{}", _minor("2", 25, 33), 3, False),
        ("aiohttp/{}", _minor("3", 8, 12), 2, False),
        ("okhttp/{}", _minor("4", 9, 13), 2, True),
        ("provider-sdk/java {}", _minor("2", 0, 16, 2), 3, True),
        ("curl/{}", _minor("8", 0, 9), 4, True),
        ("litegateway/{}", _minor("1", 40, 60, 2), 3, True),
        ("axios/{}", _minor("1", 4, 8), 2, False),
        ("reqwest/{}", _minor("0", 11, 13), 2, True),
    ),
    salt=11,
)
APP_BUILDS: Final = _builds(
    (
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/{}.0.0.0 Safari/537.36", _whole(126, 142), 4, True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/{}.0.0.0 Safari/537.36", _whole(128, 142), 4, True),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS {}_1 like Mac OS X) Mobile/15E148", _whole(15, 20), 4, True),
        ("ProviderApp/{} (iOS)", _minor("1", 2024, 2042), 4, True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox", _whole(122, 142, 2), 3, True),
        ("ProviderApp/{} (Android)", _minor("1", 2024, 2042), 4, True),
    ),
    salt=12,
)  # fmt: skip
BUILDS: Final = Builds(
    API_BUILDS.user_agent + APP_BUILDS.user_agent,
    API_BUILDS.ja4 + APP_BUILDS.ja4,
    API_BUILDS.http2 + APP_BUILDS.http2,
    np.concatenate([API_BUILDS.popularity, APP_BUILDS.popularity]),
)
APP_OFFSET: Final = len(API_BUILDS.user_agent)


@dataclass
class AddressBook:
    """Every address of a world; an account holds a run of it, accounts that share egress hold the same run."""

    value: list[NDArray[np.uint32]] = field(default_factory=list)
    asn: list[NDArray[np.int64]] = field(default_factory=list)
    country: list[NDArray[np.int64]] = field(default_factory=list)
    size: int = 0

    def add(self, value: NDArray[np.uint32], asn: NDArray[np.int64], country: NDArray[np.int64]) -> int:
        """Append addresses; returns the position of the first."""
        first = self.size
        self.value.append(value)
        self.asn.append(asn)
        self.country.append(country)
        self.size += len(value)
        return first


class Networks:
    """Ranges of networks by kind and country; draws addresses from them.

    Parameters
    ----------
    ranges
        Columns `ip_start`, `ip_end` (both included) and `asn`.
    """

    def __init__(self, start: NDArray[np.uint32], end: NDArray[np.uint32], asn: NDArray[np.int64]) -> None:
        known = _known_networks()
        self._by_place: dict[tuple[str, int], tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]] = {}
        code_of = {code: number for number, code in enumerate(COUNTRY_CODES)}
        groups: dict[tuple[str, int], list[int]] = {}
        wide = end.astype(np.int64) - start.astype(np.int64) >= 255
        for row in np.flatnonzero(wide):
            found = known.get(int(asn[row]))
            if found is not None and found[0] in code_of:
                groups.setdefault((found[1], code_of[found[0]]), []).append(int(row))
        for place, members in groups.items():
            rows = np.array(members)
            # Square root: a giant network does not swallow its country.
            weight = np.sqrt(end[rows].astype(np.float64) - start[rows])
            self._by_place[place] = (start[rows], end[rows], asn[rows], np.cumsum(weight / weight.sum()))
        self._spare: dict[str, int] = {}
        for kind in NETWORK_KINDS:
            places = [country for found_kind, country in self._by_place if found_kind == kind]
            if not places:
                raise PoolError(
                    f"the network table has no range of a known {kind} network",
                    hint="give the table of all IPv4 ranges by ASN (ip_start, ip_end, asn), not a part of it",
                )
            self._spare[kind] = places[0]
        self._places = {
            kind: np.array(sorted(country for found, country in self._by_place if found == kind))
            for kind in NETWORK_KINDS
        }

    def countries(self, kind: str) -> NDArray[np.int64]:
        """Positions in `COUNTRY_CODES` of the countries that have networks of a kind."""
        return self._places[kind]

    def draw(
        self, rng: np.random.Generator, kinds: NDArray[np.int64], countries: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
        """One address for each entry: value, ASN and the country where its network is.

        Where a country has no network of the kind, one abroad is used: clouds and VPN exits often are.
        """
        size = len(kinds)
        value = np.empty(size, dtype=np.uint32)
        asn = np.empty(size, dtype=np.int64)
        where = countries.copy()
        for number, kind in enumerate(NETWORK_KINDS):
            rows = np.flatnonzero(kinds == number)
            if not len(rows):
                continue
            abroad = rng.random(len(rows)) < (0.6 if kind in ("vpn", "hosting") else 0.0)
            lacking = ~np.isin(where[rows], self._places[kind]) | abroad
            where[rows[lacking]] = rng.choice(self._places[kind], size=int(lacking.sum()), p=self._spread(kind))
        order = np.lexsort((where, kinds))
        keys = kinds[order] * 1000 + where[order]
        for rows in np.split(order, np.flatnonzero(np.diff(keys)) + 1):
            if not len(rows):
                continue
            place = (NETWORK_KINDS[int(kinds[rows[0]])], int(where[rows[0]]))
            start, end, number_of, weight = self._by_place[place]
            chosen = np.searchsorted(weight, rng.random(len(rows)) * weight[-1]).clip(0, len(start) - 1)
            span = end[chosen].astype(np.int64) - start[chosen].astype(np.int64) + 1
            address = start[chosen].astype(np.int64) + (rng.random(len(rows)) * span).astype(np.int64)
            last = address & 0xFF
            value[rows] = (address + np.where(last == 0, 1, 0) - np.where(last == 255, 1, 0)).astype(np.uint32)
            asn[rows] = number_of[chosen]
        return value, asn, where

    def _spread(self, kind: str) -> NDArray[np.float64]:
        weights = COUNTRY_SHARES[self._places[kind]]
        return np.asarray(weights / weights.sum())


def _known_networks() -> dict[int, tuple[str, str]]:
    """ASN to country and kind, for the networks that the composer uses."""
    path = resources.files("spiritsafe.proving") / "sample" / "networks.csv"
    with path.open(encoding="utf-8") as file:
        return {int(row["asn"]): (row["country"], row["kind"]) for row in csv.DictReader(file)}


def read_networks(path: Path) -> Networks:
    """Networks from a table of ranges (`ip_start`, `ip_end`, `asn`), or from a folder that holds `asn_ipv4.parquet`.

    Raises
    ------
    PoolError
        The table is missing, or lacks a column, or holds no network that we know the country of.
    """
    file = path / "asn_ipv4.parquet" if path.is_dir() else path
    table = read_input(file, ("ip_start", "ip_end", "asn"), what="table of IPv4 ranges")
    columns = [table[name].to_numpy() for name in ("ip_start", "ip_end", "asn")]
    return Networks(columns[0].astype(np.uint32), columns[1].astype(np.uint32), columns[2].astype(np.int64))
