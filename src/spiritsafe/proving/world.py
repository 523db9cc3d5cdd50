"""One call that makes a world: read the pools, plan, write the folder in one step.

Comes from `cli.prove` and the tests; goes on to `compose` and `write`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from spiritsafe.files import check_folder, staged_folder
from spiritsafe.proving.adaptive import Attacker, read_prices
from spiritsafe.proving.clients import read_clients
from spiritsafe.proving.compose import plan_world
from spiritsafe.proving.network import read_networks
from spiritsafe.proving.pools import build_pools, read_prompts, sample_folder
from spiritsafe.proving.write import write_world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from spiritsafe.proving.recipes import Recipe


def compose_world(
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    prompts: Sequence[Path] = (),
    traffic: Path | None = None,
    network: Path | None = None,
    prices: Path | None = None,
    skipped: int = 0,
    workers: int | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> dict[str, Any]:
    """Compose a labelled world into the folder `out`.

    Parameters
    ----------
    prompts, traffic, network
        Where the prompts, the clients' rates and the IPv4 ranges come from; the bundled sample where not given.
    prices
        What accounts, addresses and tokens cost an attacker who optimises (stealth 4); defaults where not given.
    skipped
        How many of the cheapest quiet ways the attacker of stealth 4 leaves out (see `adversary`).
    workers
        Processes that word prompts; as many as there are processors where not given. The bytes do not depend on it.
    progress
        Called with a step's name, how far it is and how far it goes.

    Returns
    -------
    What `truth/world.json` says.

    Raises
    ------
    RecipeError, PoolError, SampleError, DestinationError
        Nothing is written then.
    """
    given = [*prompts, *(one for one in (traffic, network, prices) if one is not None)]
    check_folder(out, kind="prove", inputs=given)
    pools = build_pools(read_prompts(prompts or [sample_folder() / "prompts.parquet"]), split=recipe.split)
    clients = read_clients(traffic or sample_folder() / "clients.parquet")
    networks = read_networks(network or sample_folder() / "ranges.parquet")
    attacker = Attacker(read_prices(prices), skipped)
    with staged_folder(out, kind="prove", inputs=given) as folder:
        plan, cast, groups = plan_world(
            recipe, pools=pools, clients=clients, networks=networks, seed=seed, attacker=attacker, progress=progress
        )
        return write_world(
            folder,
            plan,
            cast,
            groups,
            recipe=recipe,
            pools=pools,
            attacker=attacker,
            workers=workers or len(os.sched_getaffinity(0)),
            progress=progress,
        )
