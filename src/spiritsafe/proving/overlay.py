"""What the accounts of one group share on purpose: an egress, a card, an organisation, a client, a sign-up day.

Laid over the sampler's draws, and only where a look-alike, an archetype or a variant says so. From stealth 1 on a
campaign shares none of it. Comes from `profiles`; goes on to `jobs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spiritsafe.proving.model import DAY_US, HOUR_US
from spiritsafe.proving.network import API_BUILDS, NETWORK_KINDS

if TYPE_CHECKING:
    from spiritsafe.proving.model import Group
    from spiritsafe.proving.network import AddressBook, Networks
    from spiritsafe.proving.profiles import Span

_HANDOVER_LIMITS = (3, 5, 5, 10)
# What one configuration file sets for all workers of a fleet.
_SOFTWARE = (
    "temperature_mode", "temperature", "max_tokens", "stream_share", "tools_share", "reasoning_share", "choices",
    "system", "model", "model_second", "second_share", "pivot_us", "pivot_share", "build", "build_later",
    "build_change",
)  # fmt: skip


def lay_over(group: Group, columns: Span, rng: np.random.Generator, networks: Networks, book: AddressBook) -> None:
    """Change `columns` in place to what the group shares."""
    _organisation(group, columns, rng)
    _network(group, columns, rng, networks, book)
    size = len(columns)
    if group.identity == "shared":
        cards = rng.integers(1, 1 << 46, max(1, group.conduct.workers // 6))
        columns["payment"] = rng.choice(cards, size)
        columns["email_domain"] = np.full(size, 1_000 + int(rng.integers(0, 1 << 40)))
        columns["email_pattern"] = np.full(size, columns["email_pattern"][0])
        columns["phone"] = np.full(size, columns["phone"][0])
    elif group.identity == "company":
        columns["payment"] = np.full(size, int(rng.integers(1, 1 << 46)))
        columns["email_domain"] = np.full(size, 1_000 + int(rng.integers(0, 1 << 40)))
    if group.burst:
        opened = columns["start_us"].min() - int(rng.uniform(0.5, 9) * DAY_US)
        columns["created_us"] = opened + (rng.uniform(0, 12, size) * HOUR_US).astype(np.int64)
    if group.client_app:
        columns["build"] = np.full(size, columns["build"][0])
        columns["build_later"] = columns["build"]
        columns["system"] = np.full(size, int(rng.integers(0, 1 << 40)))
    if group.end_users == "named":
        columns["end_users"] = rng.integers(60, 900, size)
    elif group.end_users == "hidden":
        columns["end_users"] = np.zeros(size, dtype=np.int64)
    if group.conduct.deal == "handover":
        # One client configuration: all its accounts have the limit that it hands over at.
        columns["limit"] = np.full(size, int(rng.choice(_HANDOVER_LIMITS)))
        columns["limit_logged"] = np.ones(size, dtype=bool)
        if group.conduct.turns > 1:
            columns["conversation_ids"] = np.ones(size, dtype=bool)
    if group.one_software:
        for name in _SOFTWARE:
            columns[name] = np.full(size, columns[name][0])
    if group.deadline:
        # Everyone works in the days before one date.
        end = int(columns["start_us"][0])
        columns["end_us"] = np.full(size, end + int(rng.uniform(3, 6) * DAY_US))
        columns["start_us"] = np.full(size, end)
        columns["created_us"] = np.minimum(columns["created_us"], end - HOUR_US)
    if any(job.mode == "attack" for job in group.jobs):
        columns["refusal_share"] = rng.uniform(0.3, 0.8, size)


def _organisation(group: Group, columns: Span, rng: np.random.Generator) -> None:
    size = len(columns)
    if group.organisation == "drawn":
        return
    if group.organisation == "none":
        columns["organisation"] = np.full(size, -1)
        columns["organisation_verified"] = np.zeros(size, dtype=bool)
        return
    if group.organisation == "shells":
        shells = rng.integers(1, 1 << 46, max(2, group.conduct.workers // 5))
        columns["organisation"] = rng.choice(shells, size)
        columns["organisation_verified"] = np.zeros(size, dtype=bool)
        return
    columns["organisation"] = np.full(size, int(rng.integers(1, 1 << 46)))
    columns["organisation_verified"] = np.full(size, group.organisation == "verified")


def _network(group: Group, columns: Span, rng: np.random.Generator, networks: Networks, book: AddressBook) -> None:
    if group.network == "own":
        return
    size = len(columns)
    kind = {"shared": "hosting", "campus": "education", "cgnat": "mobile", "vpn": "vpn"}[group.network]
    number = NETWORK_KINDS.index(kind)
    country = rng.choice(networks.countries(kind))
    if group.network == "cgnat":
        country = int(columns["country"][0]) if columns["country"][0] in networks.countries(kind) else country
    exits = {
        "shared": max(1, size // 10),
        "campus": 12,
        "cgnat": int(rng.integers(1, 4)),
        "vpn": int(rng.integers(2, 6)),
    }
    count = exits[group.network]
    value, asn, where = networks.draw(rng, np.full(1, number), np.full(1, country))
    # Exits of one place lie in one /24.
    low = rng.permutation(np.arange(1, 255))[:count]
    addresses = (value[0].astype(np.int64) // 256 * 256 + low).astype(np.uint32)
    first = book.add(addresses, np.repeat(asn, count), np.repeat(where, count))
    columns["network_kind"] = np.full(size, number)
    columns["vpn"] = np.full(size, kind == "vpn")
    if group.network in ("campus", "vpn"):
        # Everyone has a few of the pool's addresses, not all of them.
        columns["address"] = first + rng.integers(0, count, size)
        columns["address_count"] = np.ones(size, dtype=np.int64)
    else:
        columns["address"] = np.full(size, first)
        columns["address_count"] = np.full(size, count)
    if group.network == "shared":
        columns["address_mode"] = np.full(size, 2)
        build = rng.choice(len(API_BUILDS.popularity), p=API_BUILDS.popularity)
        columns["build"] = np.full(size, build)
        columns["build_later"] = columns["build"]
    if group.network == "campus":
        columns["country"] = np.where(rng.random(size) < 0.85, where[0], columns["country"])
