"""A small log for journeys: 800 ordinary accounts, 20 that act as one and hide it, 12 of one verified customer."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.events.model import ACCOUNTS, REQUESTS
from spiritsafe.files import write_parquet

RING = [f"acct-{n:03d}" for n in range(20)]
CUSTOMER = [f"acct-{n:03d}" for n in range(20, 32)]
# Long enough that whatever phrases a home's random sketch key keeps, each account has a sentence of them.
TEMPLATE = (
    "Act as a strict examiner. Explain the full reasoning step by step before the verdict, name every assumption that "
    "was made on the way, weigh each of them against the strongest objection that a careful reader could raise, say "
    "how sure you are of every step and what would change your mind, and end with one line that holds nothing but the "
    "final result. Answer: {}"
)
HOUSE_STYLE = (
    "Translate this product text for our autumn catalogue in a warm but sober tone, keep all sizes and colours as they "
    "are, leave the names of our own brands untouched wherever they appear, write short sentences that a customer in a "
    "hurry can follow, never promise what the original does not promise, and close with the article number on a line "
    "of its own: {}"
)
ACCOUNTS_TOTAL = 832
WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()


def rows(*, seed: int = 5, requests: int = 9_000) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    made = []
    for number in range(requests):
        who = rng.randrange(32) if rng.random() < 0.1 else rng.randrange(32, ACCOUNTS_TOTAL)
        account = f"acct-{who:03d}"
        text = " ".join(rng.choices(WORDS, k=rng.randrange(8, 40)))
        if account in RING:
            text = TEMPLATE.format(text)
        elif account in CUSTOMER:
            text = HOUSE_STYLE.format(text)
        made.append(
            {
                "event_id": f"e-{number}",
                "time": begin + timedelta(microseconds=rng.randrange(9 * 86_400_000_000)),
                "account_id": account,
                "operation": "chat",
                "model": rng.choice(["m-large", "m-small"]),
                "prompt": text,
                "output_tokens": rng.randrange(20, 900),
                "status": 200,
                "client_ip": f"198.51.100.{who % 4}" if account in RING else f"10.1.{who // 200}.{who % 200}",
                "country": rng.choice(["DE", "US", "CN", "BR"]),
                "user_agent": "python/1.0",
            }
        )
    return made


def accounts() -> list[dict[str, Any]]:
    begin = datetime(2025, 6, 1, tzinfo=UTC)
    return [
        {
            "account_id": f"acct-{who:03d}",
            "created_at": begin + timedelta(hours=who * 7),
            "organization_id": "acme" if f"acct-{who:03d}" in CUSTOMER else None,
            "organization_verified": f"acct-{who:03d}" in CUSTOMER,
        }
        for who in range(ACCOUNTS_TOTAL)
    ]


def write(folder: Path, made: list[dict[str, Any]] | None = None, *, prefix: str = "acct") -> tuple[Path, Path]:
    """The log and its accounts as Parquet in `folder`; the log in four row groups.

    Under another `prefix` they are other accounts, and the ring's come from other addresses.
    """
    log, table = folder / "requests.parquet", folder / "accounts.parquet"
    made, have = rows() if made is None else made, accounts()
    if prefix != "acct":
        for row in (*made, *have):
            row["account_id"] = row["account_id"].replace("acct", prefix)
        for row in made:
            row["client_ip"] = row["client_ip"].replace("198.51.100.", "203.0.113.")
    names = [c.name for c in REQUESTS.columns if c.name in made[0]]
    requests = pa.Table.from_pylist(made, schema=REQUESTS.arrow(names))
    pq.write_table(requests, log, row_group_size=max(len(made) // 4, 1))
    columns = [c.name for c in ACCOUNTS.columns if c.name in have[0]]
    write_parquet(pa.Table.from_pylist(have, schema=ACCOUNTS.arrow(columns)), table, ACCOUNTS.tag)
    return log, table
