"""What is news on DuckDB is news on Spark."""

from __future__ import annotations

import random

import pytest

from spiritsafe.engine import open_engine
from spiritsafe.watch.news import new_habits, often, often_now, tied_anew
from tests.parity.test_engines import Options
from tests.watch.test_news import random_counts

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def test_what_is_new_is_the_same_on_either_engine():
    rng = random.Random(5)
    before, new = random_counts(rng, 450), random_counts(rng, 200)
    habits, tied = [], []
    for name in ("duckdb", "spark"):
        with open_engine(name, Options()) as engine:
            said, counts = engine.table(new, "new"), engine.table(before, "before")
            tables = said, often(counts), often_now(often(counts), said, counts)
            habits.append(sorted(map(tuple, (row.values() for row in engine.arrow(new_habits(*tables)).to_pylist()))))
            tied.append(tied_anew(*tables, set(), engine))
    assert habits[0] == habits[1] != []
    assert tied[0] == tied[1]
