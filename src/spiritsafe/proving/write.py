"""Write a world: the four contract tables, and the truth apart from them in a folder of its own.

Comes from `compose`; goes on to whoever scans (`requests.parquet` and its neighbours) and whoever scores (`truth/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe import __version__
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS
from spiritsafe.files import tagged, write_parquet
from spiritsafe.proving.adaptive import price_of_hiding
from spiritsafe.proving.model import DAY_US, HOUR_US
from spiritsafe.proving.network import COUNTRY_CODES
from spiritsafe.proving.profiles import EMAIL_DOMAINS, EMAIL_PATTERNS, PLANS
from spiritsafe.proving.recipes import dump_recipe
from spiritsafe.proving.rows import BATCH_ROWS, batch, hex_strings, spread, uniform
from spiritsafe.proving.workers import said_in_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.proving.adaptive import Attacker
    from spiritsafe.proving.compose import Cast
    from spiritsafe.proving.model import Group
    from spiritsafe.proving.pools import Pools
    from spiritsafe.proving.recipes import Recipe
    from spiritsafe.proving.rows import Plan

TRUTH_ACCOUNTS_TAG: Final = "truth_accounts/1.0"
TRUTH_EXCHANGES_TAG: Final = "truth_exchanges/1.0"
_PLAIN_COLUMNS: Final = ("event_id", "time", "prompt", "conversation_id", "end_user_id")


def write_world(
    folder: Path,
    plan: Plan,
    cast: Cast,
    groups: list[Group],
    *,
    recipe: Recipe,
    pools: Pools,
    attacker: Attacker,
    workers: int = 1,
    progress: Callable[[str, float, float], None] | None = None,
) -> dict[str, Any]:
    """Write every file of a world into `folder`. Returns what `truth/world.json` says."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    _write_requests(folder / "requests.parquet", plan, workers, progress)
    _write_accounts(folder, plan)
    _write_events(folder, plan)
    _write_attestations(folder, plan, cast, groups)
    return _write_truth(folder / "truth", plan, cast, groups, recipe=recipe, pools=pools, attacker=attacker)


def _write_requests(path: Path, plan: Plan, workers: int, progress: Callable[[str, float, float], None] | None) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for first, said in said_in_order(plan, workers):
            made = batch(plan, first, first + len(said), said)
            if writer is None:
                schema = tagged(made.schema, REQUESTS.tag)
                coded = [name for name in schema.names if name not in _PLAIN_COLUMNS]
                writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=coded)
            writer.write_table(pa.Table.from_batches([made]).replace_schema_metadata(schema.metadata), BATCH_ROWS)
            if progress is not None:
                progress("writing", first + made.num_rows, len(plan))
    finally:
        if writer is not None:
            writer.close()


def _accounts_order(plan: Plan) -> np.ndarray[Any, Any]:
    """Accounts by id: the order of a table says nothing."""
    return np.argsort(np.array(plan.account_ids))


def _write_accounts(folder: Path, plan: Plan) -> None:
    a, order = plan.accounts, _accounts_order(plan)
    domain = a["email_domain"]
    own_domain = pa.compute.binary_join_element_wise(
        hex_strings(spread(domain, 201)), pa.scalar("example", pa.string()), "."
    )
    common = pa.array(EMAIL_DOMAINS, pa.string()).take(pa.array(np.minimum(domain, len(EMAIL_DOMAINS) - 1)))
    columns = {
        "account_id": pa.array(plan.account_ids, pa.string()),
        "created_at": pa.array(a["created_us"], pa.timestamp("us", tz="UTC")),
        "organization_id": hex_strings(spread(a["organisation"], 8), "org-", valid=a["organisation"] >= 0),
        "organization_verified": pa.array(a["organisation_verified"], mask=a["organisation"] < 0),
        "payment_fingerprint": hex_strings(spread(a["payment"], 202), "pay-", valid=a["payment"] >= 0),
        "email_domain": pa.compute.if_else(pa.array(domain < 1_000), common, own_domain),
        "email_pattern": pa.array(EMAIL_PATTERNS, pa.string()).take(pa.array(a["email_pattern"])),
        "phone_prefix": pa.array(
            [f"+{value:05d}" if value >= 0 else None for value in a["phone"].tolist()], pa.string()
        ),
        "country": pa.array(COUNTRY_CODES, pa.string()).take(pa.array(a["country"])),
        "plan": pa.array(PLANS, pa.string()).take(pa.array(a["plan"])),
        "verified": pa.array(a["verified"]),
    }
    table = pa.Table.from_pydict(columns, schema=ACCOUNTS.arrow()).take(pa.array(order))
    write_parquet(table, folder / "accounts.parquet", ACCOUNTS.tag)


def _write_events(folder: Path, plan: Plan) -> None:
    a = plan.accounts
    number = np.arange(len(plan.account_ids))
    created = a["created_us"]
    verified_at = created + (uniform(a["salt"], 211) * 3 * HOUR_US).astype(np.int64)
    paid_at = created + (uniform(a["salt"], 212) * 5 * HOUR_US).astype(np.int64)
    key_at = created + (uniform(a["salt"], 213) * HOUR_US).astype(np.int64)
    raised = (uniform(a["salt"], 214) < 0.12) & (a["plan"] > 0)
    raised_at = plan.start_us + (uniform(a["salt"], 215) * (plan.end_us - plan.start_us)).astype(np.int64)
    kinds = (
        ("created", np.ones(len(number), dtype=bool), created),
        ("verified", a["verified"], verified_at),
        ("payment_added", a["payment"] >= 0, paid_at),
        ("key_created", a["key_count"] > 0, key_at),
        ("limit_changed", raised, np.maximum(raised_at, created + HOUR_US)),
        ("suspended", a["suspended_us"] >= 0, a["suspended_us"]),
        ("reinstated", a["reinstated_us"] >= 0, a["reinstated_us"]),
    )
    who = np.concatenate([number[mask] for _, mask, _ in kinds])
    when = np.concatenate([times[mask] for _, mask, times in kinds])
    what = np.concatenate([np.full(int(mask.sum()), place) for place, (_, mask, _) in enumerate(kinds)])
    # What the window's end has not seen is not in the log.
    seen = when < plan.end_us
    order = np.flatnonzero(seen)[np.lexsort((spread(who[seen], plan.seed), when[seen]))]
    who, when, what = who[order], when[order], what[order]
    value = pa.compute.if_else(
        pa.array(what == 2), hex_strings(spread(a["payment"][who], 202), "pay-"), pa.scalar(None, pa.string())
    )
    columns = {
        "account_id": pa.array(plan.account_ids, pa.string()).take(pa.array(who)),
        "time": pa.array(when, pa.timestamp("us", tz="UTC")),
        "kind": pa.array([kind for kind, _, _ in kinds], pa.string()).take(pa.array(what)),
        "value_fingerprint": value,
    }
    table = pa.Table.from_pydict(columns, schema=ACCOUNT_EVENTS.arrow())
    write_parquet(table, folder / "account_events.parquet", ACCOUNT_EVENTS.tag)


def _write_attestations(folder: Path, plan: Plan, cast: Cast, groups: list[Group]) -> None:
    rows: list[dict[str, Any]] = []
    organisations = hex_strings(spread(plan.accounts["organisation"], 8), "org-").to_pylist()
    seen: set[str] = set()
    for place, group_number in enumerate(cast.group.tolist()):
        kind = groups[group_number].attestation
        subject = organisations[place]
        if kind is None or subject in seen or plan.accounts["organisation"][place] < 0:
            continue
        seen.add(subject)
        rows.append(
            {
                "subject": subject,
                "kind": kind,
                "owner": "contracts desk" if kind != "approved_red_team" else "safety desk",
                "reason": "signed agreement on file",
                "not_before": plan.start_us - 30 * DAY_US,
                "expires_at": plan.end_us + 180 * DAY_US,
            }
        )
    rows.sort(key=lambda row: str(row["subject"]))
    table = pa.Table.from_pylist(rows, schema=ATTESTATIONS.arrow())
    write_parquet(table, folder / "attestations.parquet", ATTESTATIONS.tag)


def _write_truth(
    folder: Path, plan: Plan, cast: Cast, groups: list[Group], *, recipe: Recipe, pools: Pools, attacker: Attacker
) -> dict[str, Any]:
    of = [groups[number] for number in cast.group.tolist()]
    campaign_id = _main_campaign(plan, of)
    order = _accounts_order(plan)
    accounts = pa.table(
        {
            "account_id": pa.array(plan.account_ids, pa.string()),
            "operator_id": pa.array(cast.operator, pa.string()),
            "operator_kind": pa.array(cast.kind, pa.string()),
            "independent_unit": pa.array(cast.unit, pa.string()),
            "campaign_id": pa.array(campaign_id, pa.string()),
            "archetype": pa.array([group.archetype for group in of], pa.string()),
            "variant": pa.array([group.variant for group in of], pa.string()),
            "stealth": pa.array([group.stealth for group in of], pa.int8()),
            "language": pa.array([group.conduct.language for group in of], pa.string()),
            "country": pa.array(COUNTRY_CODES, pa.string()).take(pa.array(plan.accounts["country"])),
            "vpn": pa.array(plan.accounts["vpn"]),
            "mixed": pa.array([group.mixed for group in of]),
            "matched_to": pa.array([group.matched_to for group in of], pa.string()),
        }
    ).take(pa.array(order))
    write_parquet(accounts, folder / "accounts.parquet", TRUTH_ACCOUNTS_TAG)
    serial = np.arange(len(plan))
    exchanges = pa.table(
        {
            "event_id": hex_strings(spread(serial, plan.seed + 101), "evt-"),
            "account_id": pa.array(plan.account_ids, pa.string()).take(pa.array(plan.account)),
            "operator_id": pa.array(plan.senders, pa.string()).take(pa.array(plan.sender)),
            "campaign_id": pa.array([*plan.campaigns, None], pa.string()).take(
                pa.array(np.where(plan.campaign < 0, len(plan.campaigns), plan.campaign))
            ),
        }
    )
    write_parquet(exchanges, folder / "exchanges.parquet", TRUTH_EXCHANGES_TAG)
    facts = _facts(plan, cast, recipe=recipe, pools=pools, attacker=attacker)
    (folder / "world.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(facts, order="deterministic"), indent=2)
    )
    return facts


def _main_campaign(plan: Plan, of: list[Group]) -> list[str | None]:
    """The campaign that sent most through each account of a campaign's group; None elsewhere."""
    sent = plan.campaign >= 0
    pairs, counts = np.unique(
        np.stack([plan.account[sent].astype(np.int64), plan.campaign[sent].astype(np.int64)]),
        axis=1,
        return_counts=True,
    )
    best: dict[int, tuple[int, int]] = {}
    for account, campaign, count in zip(pairs[0].tolist(), pairs[1].tolist(), counts.tolist(), strict=True):
        best[account] = max(best.get(account, (0, 0)), (count, -campaign))
    return [
        (plan.campaigns[-best[place][1]] if place in best else group.campaign_id) if group.campaign_id else None
        for place, group in enumerate(of)
    ]


def _facts(plan: Plan, cast: Cast, *, recipe: Recipe, pools: Pools, attacker: Attacker) -> dict[str, Any]:
    kinds, counts = np.unique(np.array(cast.kind), return_counts=True)
    units = {kind: len({u for u, k in zip(cast.unit, cast.kind, strict=True) if k == kind}) for kind in kinds.tolist()}
    return {
        "schema": "world/1.0",
        "version": __version__,
        "seed": plan.seed,
        "recipe": dump_recipe(recipe),
        "window": {"start_us": plan.start_us, "end_us": plan.end_us, "release_us": plan.release_us},
        "counts": {
            "requests": len(plan),
            "accounts": len(plan.account_ids),
            "campaign_requests": int((plan.campaign >= 0).sum()),
            "accounts_by_kind": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
            "independent_units_by_kind": units,
        },
        "campaigns": _campaign_facts(plan, recipe, attacker),
        "sources": {"used": pools.used, "held_out": pools.held_out, "licences": pools.licences},
        "attacker": {"ways_skipped": attacker.skipped, "prices": msgspec.to_builtins(attacker.prices)},
        "composed_conversations": pools.composed_conversations,
    }


def _campaign_facts(plan: Plan, recipe: Recipe, attacker: Attacker) -> list[dict[str, Any]]:
    """Each campaign's size as the log holds it, and at stealth 4 what staying hidden cost."""
    facts: list[dict[str, Any]] = []
    for number, (campaign_id, group) in enumerate(zip(plan.campaigns, plan.campaign_groups, strict=True)):
        rows = np.flatnonzero(plan.campaign == number)
        accounts = len(np.unique(plan.account[rows]))
        fact: dict[str, Any] = {
            "campaign_id": campaign_id,
            "archetype": group.archetype,
            "variant": group.variant,
            "stealth": group.stealth,
            "language": group.conduct.language,
            "requests": len(rows),
            "accounts": accounts,
        }
        if group.way is not None:
            fact["price"] = price_of_hiding(
                group.way, attacker.prices, accounts=accounts, requests=len(rows), days=recipe.days
            )
        facts.append(fact)
    return facts
