"""A gateway logs no text but the hash chain that its cache is keyed by, or which tools were offered."""

import random

import pyarrow.parquet as pq
import pytest

from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from tests.journeys.small_log import RING, rows, write


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIRITSAFE_HOME", str(tmp_path / "home"))


def groups_of(folder, made):
    """The groups that hold an account of the ring."""
    folder.mkdir()
    log, accounts = write(folder, made)
    result = find_campaigns(log, accounts=accounts, out=folder / "out", settings=load_settings({}))
    return [group for group in result.groups if {member.account_id for member in group.members} & set(RING)]


def chain(row, rng):
    """One block for the operation, eight of the ring's own template or the account's, then the datum."""
    owner = 7 if row["account_id"] in RING else int(row["account_id"][-3:]) + 1_000
    return [1, *(owner * 100 + place for place in range(8)), rng.randrange(1 << 60)]


def test_without_text_accounts_are_grouped_by_how_their_inputs_begin_and_not_accused(tmp_path):
    rng = random.Random(3)
    made = [{**row, "prefix_blocks": chain(row, rng)} for row in rows()]
    for row in made:
        del row["prompt"]
    (group,) = groups_of(tmp_path / "chains", made)
    assert {member.account_id for member in group.members} == set(RING)
    assert group.verdict != "campaign", "what they ask cannot be seen"
    assert "begin their input with the same text" in " ".join(
        item.statement for axis in group.axes for item in axis.evidence
    )
    for row in made:
        del row["prefix_blocks"]
    assert groups_of(tmp_path / "nothing", made) == []


def test_chains_lead_back_to_the_requests_that_have_them(tmp_path):
    rng = random.Random(3)
    made = [{**row, "prefix_blocks": chain(row, rng)} for row in rows()]
    (group,) = groups_of(tmp_path / "both", made)
    assert group.verdict == "campaign"
    evidence = pq.read_table(tmp_path / "both" / "out" / "evidence.parquet").to_pylist()
    blocks = [row for row in evidence if row["thing"] == "prefix_block"]
    by_id = {row["event_id"]: row for row in made}
    assert blocks
    assert all(int(row["value"]) in by_id[row["event_id"]]["prefix_blocks"] for row in blocks)


def test_tools_and_the_beginning_of_the_answer_count_as_rare_as_they_are_and_stay_out_of_the_results(tmp_path):
    made = [
        {
            **row,
            "tool_schema_hash": 77 if row["account_id"] in RING else 5,
            "assistant_prefill": "<verdict of the strict examiner>"
            if row["account_id"] in RING
            else "Sure, here it is",
        }
        for row in rows()
    ]
    (group,) = groups_of(tmp_path / "tools", made)
    told = [item.statement for axis in group.axes for item in axis.evidence]
    assert any("offer the model the same tools" in one for one in told)
    assert any("begin the answer with the same words" in one for one in told)
    assert not any(row["value"] == "5" for row in pq.read_table(tmp_path / "tools/out/evidence.parquet").to_pylist())
    for path in (tmp_path / "tools" / "out").iterdir():
        assert b"strict examiner" not in path.read_bytes(), path.name
