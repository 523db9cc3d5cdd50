"""Trials of `prove inject` without the scan: a campaign's words, and a stand-in for the detector."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.events.sources import ReadOptions
from spiritsafe.proving.inject import inject_campaigns
from spiritsafe.proving.inject_result import InjectResult


def speak(count: int, stealth: int, rng: np.random.Generator) -> list[str]:
    """A campaign with one template, reworded beyond recognition from stealth 2 on."""
    words = [f"{rng.integers(0, 2**40):x}" for _ in range(count)]
    return [f"Solve and explain every step of the reasoning: {w}" if stealth < 2 else f"{w} {w[::-1]}" for w in words]


def column(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table.column(name).to_pylist()
    return values


class Detector:
    """A stand-in for the scan: finds planted campaigns of `least` accounts or more, up to stealth `deepest`."""

    def __init__(self, own: set[str], *, least: int = 16, deepest: int = 1, slander: int = 0) -> None:
        self.own, self.least, self.deepest, self.slander = own, least, deepest, slander
        self.scans = 0
        self.die_after = 10**9

    def __call__(self, logs: Sequence[Path], tables: Mapping[str, Path], out: Path) -> None:
        self.scans += 1
        accounts = tables.get("accounts")
        if self.scans > self.die_after:
            raise KeyboardInterrupt
        prompts = {
            account: prompt
            for path in logs
            for account, prompt in zip(
                *(pq.read_table(path).column(n).to_pylist() for n in ("account_id", "prompt")), strict=True
            )
        }
        strangers = sorted(set(prompts) - self.own)
        assert accounts is None or set(strangers) <= set(pq.read_table(accounts).column("account_id").to_pylist())
        plain = [name for name in strangers if prompts[name].startswith("Solve")]
        groups: list[tuple[str, list[str]]] = [("campaign", sorted(self.own)[:2])]
        if strangers and len(strangers) >= self.least:
            verdict = "campaign" if plain or self.deepest >= 2 else "coordinated_unknown"
            groups.append((verdict, strangers[: len(strangers) // 2 + 1] + sorted(self.own)[2 : 2 + self.slander]))
        out.mkdir(parents=True)
        names = ["verdict", "account_ids"]
        pq.write_table(pa.table([[g[0] for g in groups], [g[1] for g in groups]], names), out / "groups.parquet")


def own_accounts(own_log: tuple[Path, Path]) -> set[str]:
    return set(column(pq.read_table(own_log[0], columns=["account_id"]), "account_id"))


def run_grid(own_log: tuple[Path, Path], out: Path, scan: Detector, **changes: Any) -> InjectResult:
    given: dict[str, Any] = {
        "out": out,
        "texts": speak,
        "options": ReadOptions(),
        "accounts": str(own_log[1]),
        "sizes": (8, 16, 32),
        "stealths": (0, 2),
        "repeats": 2,
        "scan": scan,
    }
    return inject_campaigns([str(own_log[0])], **(given | changes))
