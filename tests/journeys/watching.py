"""A composed log in a file a day, which lands bit by bit, and the commands of whoever watches it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping

SPIRITSAFE = Path(sys.executable).with_name("spiritsafe")
DAY_US = 86_400_000_000


def composed_days(folder: Path) -> Path:
    """A folder with a composed world, `w`, and its log by days, `days`."""
    run(os.environ, "prove", "compose", "--preset", "demo", "--seed", "3", "--out", folder / "w")
    table = pq.read_table(folder / "w" / "requests.parquet")
    days = pc.divide(table["time"].cast("int64"), DAY_US)
    (folder / "days").mkdir()
    for day in sorted(set(days.to_pylist())):
        pq.write_table(table.filter(pc.equal(days, day)), folder / "days" / f"{day}.parquet")
    return folder


def land(world: Path, place: Path, count: int, *, skip: int = 0) -> None:
    """So many days come into `logs`."""
    for path in sorted((world / "days").iterdir())[skip : skip + count]:
        (place / "logs" / path.name).write_bytes(path.read_bytes())


def run(environment: Mapping[str, str], *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`spiritsafe` with these arguments."""
    done = subprocess.run(
        [SPIRITSAFE, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done
