"""An engineer looks for shells side by side, and for one hand among a reseller's customers."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from spiritsafe.signals.actors import NoSuchActorsError
from tests.journeys.small_log import RING, accounts, rows, write

RESELLER = "reseller"


def scan(folder, log, table, kind):
    settings = load_settings({"home": str(folder / "home"), "actors": kind})
    find_campaigns(log, accounts=table, out=folder / kind, settings=settings)
    return pq.read_table(folder / kind / "groups.parquet").to_pylist()


@pytest.fixture(scope="module")
def shells(tmp_path_factory):
    """The ring's twenty accounts under ten made-up names."""
    folder = tmp_path_factory.mktemp("shells")
    log, table = write(folder)
    told = accounts()
    for row in told:
        if row["account_id"] in RING:
            row["organization_id"] = f"shell-{RING.index(row['account_id']) // 2}"
    pq.write_table(pa.Table.from_pylist(told, schema=pq.read_schema(table)), table)
    return folder, scan(folder, log, table, "organization")


def test_ten_shells_are_accused_as_ten(shells):
    folder, groups = shells
    (accused,) = [group for group in groups if group["verdict"] == "campaign"]
    assert set(accused["account_ids"]) == {f"shell-{number}" for number in range(10)}
    run = json.loads((folder / "organization" / "run.json").read_text())
    assert run["settings"]["actors"] == "organization"
    assert any("read an organisation" in told for told in run["warnings"])
    assert "read an organisation" in (folder / "organization" / "report.html").read_text(encoding="utf-8")


def test_exchanges_of_a_shell_lead_back_to_the_log(shells):
    folder, _ = shells
    log = {row["event_id"]: row["account_id"] for row in pq.read_table(folder / "requests.parquet").to_pylist()}
    told = pq.read_table(folder / "organization" / "exchanges.parquet").to_pylist()
    assert {log[row["event_id"]] for row in told} == set(RING)


def test_end_users_with_one_template_are_shown_as_a_group_and_accused_of_nothing(tmp_path):
    made = rows()
    for row in made:
        row["end_user_id"] = row["account_id"] if row["account_id"] in RING else None
        if row["account_id"] in RING:
            row["account_id"] = RESELLER
    log, table = write(tmp_path, made)
    groups = scan(tmp_path, log, table, "end_user")
    (found,) = [group for group in groups if f"{RESELLER}/{RING[0]}" in group["account_ids"]]
    assert set(found["account_ids"]) == {f"{RESELLER}/{one}" for one in RING}
    assert all(group["verdict"] != "campaign" for group in groups)
    assert found["concealment"] == "not_observable"


@pytest.mark.parametrize("kind", ["organization", "end_user"])
def test_a_log_that_names_no_such_actors_is_refused_and_nothing_is_written(tmp_path, kind):
    log, _ = write(tmp_path)
    with pytest.raises(NoSuchActorsError, match=f"{kind}_id") as caught:
        find_campaigns(
            log, out=tmp_path / kind, settings=load_settings({"home": str(tmp_path / "home"), "actors": kind})
        )
    assert caught.value.hint
    assert not (tmp_path / kind).exists()
