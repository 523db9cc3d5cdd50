"""Whom did a change of the detector newly accuse, and whom does it let go? A fixed corpus says it by name.

Two worlds are composed from the bundled sample, the same on every machine, and scanned under a fixed sketch key. Beside
this file stands who was accused before (`changes.txt`); what differs now is printed, campaigns and innocents apart.
`--record` writes the new list, so that every change of the detector shows in the history whom it accuses. It is a
comparison and no measurement: the rules were made on such worlds.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from spiritsafe.pipeline import find_campaigns
from spiritsafe.proving.recipes import preset
from spiritsafe.proving.world import compose_world
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORD: Final = Path(__file__).with_suffix(".txt")
SEEDS: Final = (31, 32)
_KEY: Final = "SPIRITSAFE_KEY_SKETCH"


@contextmanager
def _fixed_key() -> Iterator[None]:
    """No secret: it keeps nothing but the comparison the same."""
    before = os.environ.get(_KEY)
    os.environ[_KEY] = base64.b64encode(b"the same key in every comparison").decode()
    try:
        yield
    finally:
        os.environ.pop(_KEY)
        if before is not None:
            os.environ[_KEY] = before


def accused_now() -> list[str]:
    """`seed account who` of every accused account, sorted; `who` is the campaign's kind, or the innocent's."""
    lines = []
    with _fixed_key(), tempfile.TemporaryDirectory() as scratch:
        for seed in SEEDS:
            world, out = Path(scratch) / f"world-{seed}", Path(scratch) / f"found-{seed}"
            compose_world(preset("demo"), world, seed=seed)
            find_campaigns(
                world / "requests.parquet",
                accounts=world / "accounts.parquet",
                account_events=world / "account_events.parquet",
                attestations=world / "attestations.parquet",
                out=out,
                settings=load_settings({"home": Path(scratch) / "home", "key_provider": "environment"}),
            )
            truth = {row["account_id"]: row for row in pq.read_table(world / "truth/accounts.parquet").to_pylist()}
            for account_id in pq.read_table(out / "members.parquet")["account_id"].to_pylist():
                lines.append(f"{seed} {account_id} {_who(truth[account_id])}")
    return sorted(lines)


def _who(row: dict[str, object]) -> str:
    if row["campaign_id"]:
        return f"campaign:{row['archetype']}/{row['variant']}/{row['stealth']}"
    return f"innocent:{row['operator_kind']}"


def told(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What differs: how many of each kind were and are accused, and the accounts that differ."""
    old, new = (Counter(line.split(" ", 2)[2] for line in lines) for lines in (before, after))
    lines = [f"{'':<44}{'before':>8}{'after':>8}"]
    for prefix, words in (("campaign", "accounts of campaigns accused"), ("innocent", "innocents accused")):
        counts = [sum(n for who, n in one.items() if who.startswith(prefix)) for one in (old, new)]
        lines.append(f"{words:<44}{counts[0]:>8,}{counts[1]:>8,}")
    lines += [f"  {who:<42}{old[who]:>8,}{new[who]:>8,}" for who in sorted({*old, *new}) if old[who] != new[who]]
    for words, some in (("newly accused", set(after) - set(before)), ("no longer accused", set(before) - set(after))):
        lines.append(f"{words}: {len(some):,}")
        lines += [f"  {line}" for line in sorted(some)]
    return lines


def recorded() -> list[str]:
    """Who was accused when the list was last written."""
    return RECORD.read_text(encoding="utf-8").splitlines() if RECORD.is_file() else []


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.changes", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the list anew")
    parser.add_argument("--quick", action="store_true", help="as without: it takes some twenty seconds")
    args = parser.parse_args(argv)
    before, after = recorded(), accused_now()
    sys.stdout.write("\n".join(told(before, after)) + "\n")
    if args.record:
        RECORD.write_text("\n".join(after) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
