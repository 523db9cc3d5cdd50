"""Small worlds and scans by hand, whose scores can be worked out on paper."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.proving.score import Scorecard, score
from spiritsafe.proving.score_scan import load_judged

HOUR_US = 3_600_000_000
START_US = 486_111 * HOUR_US


def account(name: str, **truth: Any) -> dict[str, Any]:
    """An innocent developer with an organisation of its own, unless told otherwise."""
    usual = {
        "operator_id": f"op-{name}",
        "operator_kind": "developer",
        "independent_unit": f"unit-{name}",
        "campaign_id": None,
        "archetype": None,
        "variant": None,
        "stealth": None,
        "language": "en",
        "country": "DE",
        "vpn": False,
        "mixed": False,
    }
    return {"account_id": name} | usual | truth


def spy(name: str, campaign: str = "c1", **truth: Any) -> dict[str, Any]:
    """An account of a campaign."""
    guilty = {"campaign_id": campaign, "archetype": "A", "variant": "plain", "stealth": 1, "operator_kind": "campaign"}
    one = {"operator_id": f"op-{campaign}", "independent_unit": f"unit-{campaign}"}
    return account(name, **(guilty | one | truth))


def write_world(folder: Path, accounts: list[dict[str, Any]], exchanges: list[tuple[str, str | None, int]]) -> Path:
    """`exchanges` are (account, campaign that sent it, hour)."""
    (folder / "truth").mkdir(parents=True)
    schema = pa.schema([(name, pa.string()) for name in account("x") if name not in {"stealth", "vpn", "mixed"}])
    schema = schema.append(pa.field("stealth", pa.int8())).append(pa.field("vpn", pa.bool_()))
    truth = pa.Table.from_pylist(accounts, schema=schema.append(pa.field("mixed", pa.bool_())))
    pq.write_table(truth, folder / "truth" / "accounts.parquet")
    ids = [f"e{number}" for number in range(len(exchanges))]
    sent = {"event_id": ids, "account_id": [a for a, _, _ in exchanges]}
    campaigns = pa.array([c for _, c, _ in exchanges], pa.string())
    pq.write_table(pa.table({**sent, "campaign_id": campaigns}), folder / "truth" / "exchanges.parquet")
    times = pa.array([START_US + hour * HOUR_US + 1 for _, _, hour in exchanges], pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({**sent, "time": times}), folder / "requests.parquet")
    return folder


def write_scan(
    folder: Path,
    groups: list[tuple[str, str, list[str]]],
    *,
    probability: dict[str, float] | None = None,
    exchanges: list[str] | None = None,
) -> Path:
    """`groups` are (id, verdict, accounts); `exchanges` are the flagged events."""
    folder.mkdir(parents=True)
    columns = list(zip(*groups, strict=True)) or [(), (), ()]
    types = [pa.string(), pa.string(), pa.list_(pa.string())]
    names = ["group_id", "verdict", "account_ids"]
    pq.write_table(
        pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names), folder / "groups.parquet"
    )
    accused = [(group, one) for group, verdict, members in groups if verdict == "campaign" for one in members]
    stated = [(probability or {}).get(one, 0.9) for _, one in accused]
    members = {
        "campaign_id": pa.array([group for group, _ in accused], pa.string()),
        "account_id": pa.array([one for _, one in accused], pa.string()),
        "probability": pa.array(stated, pa.float64()),
    }
    pq.write_table(pa.table(members), folder / "members.parquet")
    flagged = exchanges or []
    table = {"event_id": pa.array(flagged, pa.string()), "probability": pa.array([0.9] * len(flagged), pa.float64())}
    pq.write_table(pa.table(table), folder / "exchanges.parquet")
    return folder


def card(world: Path, scan: Path, **options: Any) -> Scorecard:
    return score(load_judged([(world, scan)]), **options)


def small_world(folder: Path, *, country: str = "DE", seed: int | None = None) -> Path:
    """Two campaigns of four, a company of four keys and eight developers, all of one country."""
    spies = [spy(f"s{i}") for i in range(4)] + [spy(f"t{i}", "c2", archetype="E", stealth=2) for i in range(4)]
    company = {"operator_id": "acme", "independent_unit": "acme", "operator_kind": "company_verified"}
    people = [account(f"k{i}", **company) for i in range(4)] + [account(f"d{i}") for i in range(8)]
    exchanges = [(one["account_id"], one["campaign_id"], hour) for one in spies + people for hour in range(3)]
    world = write_world(folder, [one | {"country": country} for one in spies + people], exchanges)
    if seed is not None:
        (world / "truth" / "world.json").write_text(json.dumps({"schema": "world/1.0", "seed": seed}))
    return world
