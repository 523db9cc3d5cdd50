"""A small world with everything in it, composed once from the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from spiritsafe.events.sources import ReadOptions
from spiritsafe.proving.clients import Clients, read_clients
from spiritsafe.proving.inject_log import copy_log
from spiritsafe.proving.model import ARCHETYPES, LOOK_ALIKES, VARIANTS
from spiritsafe.proving.network import Networks, read_networks
from spiritsafe.proving.pools import Pools, build_pools, read_prompts, sample_folder
from spiritsafe.proving.recipes import CampaignSpec, LookAlikeSpec, Recipe
from spiritsafe.proving.world import compose_world
from tests.proving.own_log import write_log

CARRIERS = dict(zip(VARIANTS[1:], ("A", "B", "A", "E", "A", "B", "F", "B"), strict=True))
ZOO = Recipe(
    name="zoo",
    consumers=150,
    developers=150,
    matched=0.3,
    requests_per_account=36,
    look_alikes={kind: LookAlikeSpec(2, 14) for kind in LOOK_ALIKES},
    campaigns=(
        *(CampaignSpec(code, "plain", level, 10) for level in range(5) for code in ARCHETYPES),
        *(CampaignSpec(code, variant, level, 12) for level in (0, 1) for variant, code in CARRIERS.items()),
    ),
)


@dataclass(frozen=True)
class World:
    """A composed world, asked in SQL over `requests`, `accounts`, `account_events`, `attestations`, `who`, `sent`."""

    folder: Path
    facts: dict[str, Any]

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        made = duckdb.connect()
        made.execute("SET TimeZone = 'UTC'")
        names = {
            **{name: name for name in ("requests", "accounts", "account_events", "attestations")},
            "who": "truth/accounts",
            "sent": "truth/exchanges",
        }
        for name, file in names.items():
            made.execute(f"CREATE VIEW {name} AS SELECT * FROM '{self.folder / file}.parquet'")
        return made

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def one(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def campaigns(
        self, *, archetype: str | None = None, variant: str = "plain", stealth: int | None = None
    ) -> list[str]:
        """Ids of campaigns of a kind; of two on one relay, both."""
        return [
            fact["campaign_id"]
            for fact in self.facts["campaigns"]
            if fact["variant"] == variant
            and (archetype is None or fact["archetype"] == archetype)
            and (stealth is None or fact["stealth"] == stealth)
        ]


def load_world(folder: Path) -> World:
    return World(folder, msgspec.json.decode((folder / "truth" / "world.json").read_bytes()))


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "zoo"
    compose_world(ZOO, folder, seed=5)
    return load_world(folder)


@dataclass(frozen=True)
class Pantry:
    """What worlds are made of: the bundled sample, read once."""

    pools: Pools
    clients: Clients
    networks: Networks


@pytest.fixture(scope="session")
def pantry() -> Pantry:
    folder = sample_folder()
    return Pantry(
        build_pools(read_prompts([folder / "prompts.parquet"]), split="dev"),
        read_clients(folder / "clients.parquet"),
        read_networks(folder / "ranges.parquet"),
    )


@pytest.fixture(scope="module")
def own_log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def copied(own_log, tmp_path_factory):
    requests, accounts = own_log
    return copy_log(
        [str(requests)], {"accounts": str(accounts)}, tmp_path_factory.mktemp("copy"), options=ReadOptions(), seed=0
    )
