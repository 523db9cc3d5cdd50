"""An operator's log as the tests need one: people at work, each with keys, addresses and an organisation."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.files import write_parquet

DAY_US = 86_400_000_000
START_US = 20_250 * DAY_US


def write_log(folder: Path, *, accounts: int = 60, days: int = 6, seed: int = 1) -> tuple[Path, Path]:
    """An operator's log and accounts table: people at work, each with keys, addresses and an organisation."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    each = rng.integers(4, 30, accounts)
    owner = np.repeat(np.arange(accounts), each)
    count = len(owner)
    morning = rng.integers(0, 24, accounts)
    hour = (morning[owner] + rng.integers(0, 9, count)) % 24
    time = (
        START_US + rng.integers(0, days, count) * DAY_US + hour * 3_600_000_000 + rng.integers(0, 3_600_000_000, count)
    )
    agents = ["curl/8.4", "python-sdk/1.9"]
    rows: dict[str, Any] = {
        "event_id": [f"evt-{value:016x}" for value in rng.choice(2**60, count, replace=False)],
        "time": pa.array(time, pa.timestamp("us", tz="UTC")),
        "account_id": [f"acct-{a:012x}" for a in owner],
        "api_key_id": [f"key_{a:04x}{k:04x}" for a, k in zip(owner, rng.integers(0, 2, count), strict=True)],
        "conversation_id": [
            None if c < 3 else f"conv-{a:06x}{c:06x}" for a, c in zip(owner, rng.integers(0, 9, count), strict=True)
        ],
        "organization_id": [f"org-{a:08x}" for a in owner],
        "operation": ["chat"] * count,
        "model": rng.choice(["m-small", "m-large"], count),
        "prompt": [f"question {value} about {value % 97}" for value in rng.integers(0, 2**40, count)],
        "system_prompt": [f"You work for company {a}." if a % 2 else None for a in owner],
        "temperature": pa.array(rng.choice([0.2, 0.7], accounts)[owner], pa.float32()),
        "client_ip": [f"198.{18 + a % 2}.{a % 250}.{i}" for a, i in zip(owner, rng.integers(1, 4, count), strict=True)],
        "user_agent": [agents[a % 2] if a % 10 else f"own-client/{a}" for a in owner],
    }
    schema = REQUESTS.arrow(list(rows))
    table = pa.table({name: pa.array(rows[name], schema.field(name).type) for name in schema.names})
    write_parquet(table.sort_by("time"), folder / "requests.parquet", REQUESTS.tag)
    profile = {
        "account_id": [f"acct-{a:012x}" for a in range(accounts)],
        "created_at": pa.array(START_US - rng.integers(1, 200, accounts) * DAY_US, pa.timestamp("us", tz="UTC")),
        "organization_id": [f"org-{a:08x}" for a in range(accounts)],
        "payment_fingerprint": [f"pay-{value:012x}" for value in rng.choice(2**40, accounts, replace=False)],
        "email_domain": ["mail.example" if a % 2 else f"firm{a}.example" for a in range(accounts)],
        "plan": ["pro"] * accounts,
    }
    schema = ACCOUNTS.arrow(list(profile))
    own = pa.table({name: pa.array(profile[name], schema.field(name).type) for name in schema.names})
    write_parquet(own, folder / "accounts.parquet", ACCOUNTS.tag)
    return folder / "requests.parquet", folder / "accounts.parquet"
