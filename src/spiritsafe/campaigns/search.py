"""From holdings to groups: tied, looked at for what they do beside one another, and grown.

Asks the engine for the exchanges of those accounts that it looks at, and for nothing else. Comes from `links`; goes on
to `campaigns.verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from spiritsafe.campaigns import events
from spiritsafe.campaigns.conduct import Acts, Watched, looked_at, read_asked, usual_strangers, with_conduct
from spiritsafe.campaigns.extension import (
    candidates,
    grown,
    instances_of,
    templates,
    with_template_bits,
    with_template_users,
)
from spiritsafe.campaigns.facts import gather
from spiritsafe.campaigns.pruning import pruned
from spiritsafe.campaigns.significance import significances
from spiritsafe.campaigns.tying import tie
from spiritsafe.links.asked import Outsiders
from spiritsafe.signals.batch import number_accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from spiritsafe.campaigns.conduct import Scene
    from spiritsafe.campaigns.facts import GroupFacts
    from spiritsafe.campaigns.tying import Found
    from spiritsafe.engine import Engine


ROWS_AT_ONCE: Final = 2_000_000
"""Templates are looked for in so many requests at once: in ten million it took more than the 3 GiB that DuckDB has."""


@dataclass(frozen=True, slots=True)
class Searched:
    """Groups, the requests that use their templates, and from how many phrases on one is a whole instance."""

    facts: list[GroupFacts]
    instances: ir.Table
    least: NDArray[np.int64]


def search(sketches: ir.Table, signals: ir.Table, scene: Scene, engine: Engine) -> Searched:
    """The groups of a log, each with its conduct.

    Parameters
    ----------
    sketches
        The log, its accounts not numbered yet.
    signals
        Account signals; they number the accounts.
    scene
        The log, what its accounts hold, its window.
    engine
        Reads exchanges.
    """
    requests = number_accounts(sketches, signals)
    log = scene.log
    tied = tie(scene.holdings, organisation=log.verified_organisations, stated=log.stated_organisations)
    facts = gather(tied, scene.holdings)
    wanted, strangers = looked_at(facts, log, seed=scene.seed)
    acts = Acts.of(engine.arrow(events.acts(requests, engine.table(wanted, "wanted"))))
    outside = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *strangers]))
    askers = [one.accounts for one in facts if one.own_template]
    asked = read_asked(engine.arrow(events.asked(requests, _accounts([*askers, outside], engine, "askers"))))
    usual, theirs = usual_strangers(acts, strangers, scene), acts.lines(outside, beginning=True)[0]
    watched = Watched(acts, asked, Outsiders.of(asked.of(outside)), usual, theirs)
    facts = with_conduct(facts, watched, scene)
    words = engine.table(templates(facts), "templates")
    parts = events.in_parts(sketches, 1 + int(log.signals["exchanges"].sum()) // ROWS_AT_ONCE)
    found = engine.keep_all([events.template_requests(part, words) for part in parts], "template-requests")
    instances = engine.keep(number_accounts(found, signals), "instances")
    users, least = instances_of(facts, engine.arrow(events.template_users(instances)))
    joins = candidates(facts, significances(facts, looks=scene.looks), users, scene)
    if joins:
        accounts = _accounts(list(joins.values()), engine, "candidates")
        more = watched.and_of(*(engine.arrow(read(requests, accounts)) for read in (events.acts, events.asked)))
        larger = grown(facts, joins, more, scene)
        redone = _again(list(larger), list(larger.values()), users, more, scene)
        facts = [redone.get(number, one) for number, one in enumerate(facts)]
    return Searched(with_template_users(pruned(facts, scene.holdings), users), instances, least)


def _accounts(several: Sequence[NDArray[np.int64]], engine: Engine, name: str) -> ir.Table:
    numbers = np.concatenate([np.empty(0, dtype=np.int64), *several])
    return engine.table(pa.table({"account": pa.array(numbers, pa.int64())}), name)


def _again(
    numbers: list[int], found: list[Found], users: pa.Table, watched: Watched, scene: Scene
) -> dict[int, GroupFacts]:
    """Groups that have grown, looked at anew."""
    facts = with_template_bits(gather(found, scene.holdings), numbers, users)
    return dict(zip(numbers, with_conduct(facts, watched, scene), strict=True))
