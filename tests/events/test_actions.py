"""Any table of who did what to what, read through the gate."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from spiritsafe.errors import InputError
from spiritsafe.events.actions import ActionColumns, read_actions
from spiritsafe.events.sources import ReadOptions

ROWS = {
    "user": [7, 8, 7],
    "repo": ["a", "a", "b"],
    "at": ["2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-02"],
}
COLUMNS = ActionColumns("user", "repo", "at")


def write(folder, name):
    table = pa.table(ROWS)
    if name.endswith("parquet"):
        pq.write_table(table, folder / name)
    elif name.endswith("csv"):
        pyarrow.csv.write_csv(table, folder / name)
    else:
        lines = [str(row).replace("'", '"') for row in table.to_pylist()]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.mark.parametrize("name", ["acts.parquet", "acts.csv", "acts.jsonl"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    read = read_actions(write(tmp_path, name), COLUMNS, ReadOptions(timezone="UTC"))
    assert read.table["actor"].to_pylist() == ["7", "8", "7"]
    assert read.table["object"].to_pylist() == ["a", "a", "b"]
    assert read.table.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert read.quarantine.num_rows == 0
    assert [len(digest) for _, digest, _ in read.inputs] == [64]


def test_numbers_come_back_as_numbers_from_parquet_and_as_text_from_csv(tmp_path):
    for name, kind in (("acts.parquet", pa.int64()), ("acts.csv", pa.string())):
        read = read_actions(write(tmp_path, name), ActionColumns("user", "repo"))
        assert read.restored(read.table["actor"].combine_chunks()).type == kind


def test_broken_rows_are_refused_with_their_reason_and_the_rest_goes_on(tmp_path):
    (tmp_path / "acts.csv").write_text(
        "user,repo,at\n1,a,2026-03-01T10:00:00Z\n2,,2026-03-01T10:00:00Z\n3,a,yesterday\n4,a,\n5,b,1772359200\n"
    )
    read = read_actions(tmp_path / "acts.csv", COLUMNS)
    assert read.table["actor"].to_pylist() == ["1", "5"]
    assert read.quarantine["position"].to_pylist() == [2, 3, 4]
    assert read.quarantine["code"].to_pylist() == ["events.missing_value", "events.time", "events.missing_value"]


def test_a_column_that_is_not_there_is_named_with_its_neighbour(tmp_path):
    with pytest.raises(InputError, match="users") as caught:
        read_actions(write(tmp_path, "acts.parquet"), ActionColumns("users", "repo"))
    assert "'user'" in caught.value.hint


def test_times_without_a_zone_stop_before_anything_is_read(tmp_path):
    pq.write_table(
        pa.table({"u": ["x"], "o": ["y"], "t": pa.array([1_772_359_200_000_000], pa.timestamp("us"))}), tmp_path / "n"
    )
    with pytest.raises(InputError) as caught:
        read_actions(tmp_path / "n", ActionColumns("u", "o", "t"))
    assert caught.value.code == "events.naive_time"


def test_a_truncated_file_stops(tmp_path):
    path = write(tmp_path, "acts.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError):
        read_actions(path, COLUMNS)


def test_dots_reach_into_nested_columns(tmp_path):
    rows = [{"who": {"id": "x"}, "what": "y"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "n.parquet")
    assert read_actions(tmp_path / "n.parquet", ActionColumns("who.id", "what")).table["actor"].to_pylist() == ["x"]
