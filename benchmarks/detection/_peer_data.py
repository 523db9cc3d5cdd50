"""A composed world in the forms that the peers read, and accounts flagged from the links they return.

Every peer returns links between accounts with a weight. What is flagged follows in one way for all: links of at
least a bound, components of at least four accounts. The bound is chosen on another world than the one reported.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow.parquet as pq

from spiritsafe.campaigns.grouping import components
from spiritsafe.proving.recipes import adjusted, load_recipe
from spiritsafe.proving.world import compose_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SMALLEST_GROUP: Final = 4
BOUNDS: Final = 60
"""How many bounds are tried, spread over the quantiles of the weights."""


@dataclass(frozen=True)
class Truth:
    """Who is in a world. `stealth` is -1 for innocents, and for accounts of a campaign else what they were given."""

    ids: tuple[str, ...]
    kind: NDArray[Any]
    stealth: Ints

    @property
    def guilty(self) -> Bools:
        return np.asarray(self.kind == "campaign")


@dataclass(frozen=True)
class Links:
    """Shape (links,) each: account numbers and weights."""

    a: Ints
    b: Ints
    weight: Floats


def compose(preset: str, seed: int, accounts: int, out: Path) -> Truth:
    """A world of about `accounts` accounts from the bundled sample, and its truth."""
    if not out.exists():
        compose_world(adjusted(load_recipe(preset), accounts=accounts), out, seed=seed)
    seen = {row[0] for row in duckdb.execute(f"select distinct account_id from '{out}/requests.parquet'").fetchall()}
    rows = [row for row in pq.read_table(out / "truth" / "accounts.parquet").to_pylist() if row["account_id"] in seen]
    rows.sort(key=lambda row: row["account_id"])
    stealth = [-1 if row["stealth"] is None else row["stealth"] for row in rows]
    kind = np.array([row["operator_kind"] for row in rows], dtype=object)
    return Truth(tuple(row["account_id"] for row in rows), kind, np.array(stealth, dtype=np.int64))


def write_posts(world: Path, out: Path) -> Path:
    """Requests as the social-media tools know posts: message, user, text, time, and as links what could be a
    template: the first and the last eight words, the address and the client build."""
    query = f"""
        with words as (
            select event_id, account_id, time, prompt, client_ip, ja4,
                   list_filter(string_split_regex(lower(prompt), '[^\\w]+'), lambda x: x <> '') as w
            from '{world}/requests.parquet' where prompt is not null)
        select event_id as message_id, account_id as user_id, account_id as username, '' as repost_id, '' as reply_id,
               prompt as message, epoch(time)::bigint as timestamp,
               'begin/' || md5(array_to_string(w[1:8], '_')) || ' end/' || md5(array_to_string(w[-8:], '_'))
               || coalesce(' ip/' || client_ip, '') || coalesce(' ja4/' || ja4, '') as urls
        from words order by time"""
    duckdb.execute(f"copy ({query}) to '{out}' (format csv, header)")
    return out


def write_uses(posts: Path, out: Path) -> Path:
    """Account and thing, one row a use: the same things as `write_posts`."""
    query = f"select user_id, unnest(string_split(urls, ' ')) as thing from read_csv('{posts}', all_varchar=true)"
    duckdb.execute(f"copy ({query}) to '{out}' (format csv, header)")
    return out


def write_people(world: Path, out: Path) -> Path:
    """One row an account for record linkage: what it signed up with, and what it is mostly seen with."""
    query = f"""
        with seen as (
            select account_id, mode(client_ip) as address, mode(ja4) as ja4, mode(user_agent) as agent,
                   mode(asn)::varchar as asn, mode(model) as model, mode(country) as country
            from '{world}/requests.parquet' group by account_id)
        select account_id as unique_id, organization_id, payment_fingerprint, email_domain, email_pattern,
               phone_prefix, plan, strftime(created_at, '%Y-%m-%d') as created_day, address, ja4, agent, asn, model,
               seen.country
        from seen left join '{world}/accounts.parquet' using (account_id) order by unique_id"""
    duckdb.execute(f"copy ({query}) to '{out}' (format parquet)")
    return out


def read_links(path: Path, truth: Truth) -> Links:
    """A CSV of account, account, weight."""
    place = {account: number for number, account in enumerate(truth.ids)}
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) >= 3 and row[0] in place and row[1] in place]
    a, b = (np.array([place[row[side]] for row in rows], dtype=np.int64) for side in (0, 1))
    weight = np.array([float(row[2]) for row in rows])
    kept = a != b
    return Links(a[kept], b[kept], weight[kept])


def flagged(links: Links, bound: float, accounts: int) -> Bools:
    """Accounts in components of at least `SMALLEST_GROUP` over links of at least `bound`."""
    strong = links.weight >= bound
    labels = components(accounts, links.a[strong], links.b[strong])
    return np.bincount(labels)[labels] >= SMALLEST_GROUP


def best_bound(links: Links, truth: Truth) -> float:
    """The bound with the best F1 over accounts."""
    if not len(links.weight):
        return 0.0
    tried = np.unique(np.quantile(links.weight, np.linspace(0, 1, BOUNDS)))
    return float(max(tried, key=lambda bound: f1(flagged(links, bound, len(truth.ids)), truth.guilty)))


def f1(found: Bools, guilty: Bools) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * float(np.sum(found & guilty)) / max(float(found.sum() + guilty.sum()), 1.0)


def recalls(found: Bools, truth: Truth, levels: Sequence[int]) -> list[str]:
    """Share of each stealth level's accounts that was found."""
    return [f"{found[truth.stealth == level].mean():.2f}" for level in levels]


def innocents(found: Bools, truth: Truth) -> dict[str, tuple[int, int]]:
    """(flagged, all) accounts of each innocent kind."""
    kinds = sorted(set(truth.kind[~truth.guilty].tolist()))
    return {kind: (int(found[truth.kind == kind].sum()), int((truth.kind == kind).sum())) for kind in kinds}
