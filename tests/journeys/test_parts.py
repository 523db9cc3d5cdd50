"""A log that is looked through in parts, since it is too large for the engine's memory, comes out as it would whole."""

import pyarrow.parquet as pq

from spiritsafe.campaigns import search
from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from tests.journeys.small_log import write


def test_templates_looked_for_in_parts_are_found_as_in_the_whole(tmp_path, monkeypatch):
    log, accounts = write(tmp_path)
    settings = load_settings({"home": tmp_path / "home"})
    find_campaigns(log, accounts=accounts, out=tmp_path / "whole", settings=settings)
    rows = pq.read_metadata(log).num_rows
    monkeypatch.setattr(search, "ROWS_AT_ONCE", rows // 4)
    found = find_campaigns(log, accounts=accounts, out=tmp_path / "parts", settings=settings)
    assert found.campaigns
    for name in ("members", "exchanges", "groups", "evidence", "links", "accounts"):
        whole, parts = (pq.read_table(tmp_path / folder / f"{name}.parquet") for folder in ("whole", "parts"))
        assert parts.equals(whole), name
