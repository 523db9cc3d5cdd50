"""Rows that land in a folder, and what a state comes to hold of them."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq

from spiritsafe.events.sources import ReadOptions
from spiritsafe.settings import load_settings
from spiritsafe.watch.increments import Feed, take_new
from spiritsafe.watch.state import open_state

BEGIN = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
DAY = BEGIN.toordinal() - datetime.date(1970, 1, 1).toordinal()


def row(number: int, *, hours: float | None = None) -> dict[str, object]:
    at = BEGIN + datetime.timedelta(hours=number if hours is None else hours)
    return {
        "event_id": f"e{number}", "time": at.isoformat(), "account_id": f"a{number % 7}", "operation": "chat",
        "model": "m", "prompt": f"Sort the list {number} and say how it was done",
    }  # fmt: skip


ROWS = [row(number) for number in range(72)]


def put(place, name: str, rows) -> None:
    (place / "logs" / name).write_text("".join(json.dumps(one) + "\n" for one in rows))


def settings_of(place):
    return load_settings({"home": place / "home", "workers": 1})


def taken(place, **more):
    settings = settings_of(place)
    feed = Feed((str(place / "logs"),), ReadOptions.under(settings), settle_s=0.0)
    with open_state(place / "state") as held:
        return take_new(held, feed, settings, **more), held


def looked(folder, *groups) -> None:
    """As if a look had seen these groups."""
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"account_ids": pa.array(list(groups), pa.list_(pa.string()))}), folder / "groups.parquet")


def held_keys(place) -> dict[tuple[int, int, str], int]:
    """The counts of all days together."""
    counts: dict[tuple[int, int, str], int] = {}
    with open_state(place / "state") as held:
        for path in held.key_files():
            for one in pq.read_table(path).to_pylist():
                key = (one["thing"], one["value"], one["account_id"])
                counts[key] = counts.get(key, 0) + one["requests"]
    return counts


def held_rows(place) -> pa.Table:
    with open_state(place / "state") as held:
        tables = [pq.read_table(path) for path in held.parts()]
    return pa.concat_tables(tables, promote_options="permissive").sort_by(
        [("time", "ascending"), ("event_id", "ascending")]
    )
