"""Somebody has a table of who did what to what, and wants to know who acts as one."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.detection import _planted
from spiritsafe.cli.main import commands, main
from spiritsafe.errors import SpiritsafeError

COLUMNS = ["--actor", "actor", "--object", "object"]
TIMED = [*COLUMNS, "--time", "time"]


def run(*arguments):
    done = CliRunner().invoke(commands, ["coordinate", *map(str, arguments)], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SpiritsafeError):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    path = tmp_path_factory.mktemp("acts") / "acts.parquet"
    pq.write_table(_planted.ring(1).table(), path)
    return path


def members(folder):
    return set(pq.read_table(folder / "members.parquet")["actor"].to_pylist())


def test_the_ring_is_found_and_told(acts, tmp_path):
    done = run(acts, *TIMED, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "30 actors" in done.output
    assert "look at ties.parquet" in done.output
    assert members(tmp_path / "out") == set(range(30))
    every = pq.read_table(tmp_path / "out" / "actors.parquet")
    assert every.column_names == ["actor", "probability"]
    assert every.num_rows == pc.count_distinct(pq.read_table(acts)["actor"]).as_py()
    assert pc.min(every["probability"]).as_py() >= 0
    assert pc.max(every["probability"]).as_py() <= 1
    told = pq.read_table(tmp_path / "out" / "members.parquet")
    assert told.column_names == ["group_id", "actor", "probability"]
    assert told.schema.field("actor").type == pa.int64()


def test_the_ties_of_a_group_are_its_own_and_say_why(acts, tmp_path):
    run(acts, *TIMED, "--out", tmp_path / "out")
    ties = pq.read_table(tmp_path / "out" / "ties.parquet")
    assert set(ties["actor_a"].to_pylist()) | set(ties["actor_b"].to_pylist()) == set(range(30))
    assert pc.max(ties["gap_s"]).as_py() < 30 * 86_400
    close = ties.filter(pc.less(ties["gap_s"], 1_800))
    assert pc.mean(close["probability"]).as_py() > 0.5


def test_json_is_the_summary_of_run_json(acts, tmp_path):
    done = run(acts, *TIMED, "--out", tmp_path / "out", "--json")
    told = json.loads(done.output)
    assert told == json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["groups"] == 1
    assert told["members"] == 30
    assert told["warnings"] == []
    assert all(kind["confirmed"] <= kind["ties"] for kind in told["kinds"])


def test_the_same_table_gives_the_same_bytes_in_any_order_and_format(acts, tmp_path):
    table = pq.read_table(acts)
    shuffled = table.take(pa.array(np.random.default_rng(2).permutation(table.num_rows)))
    pq.write_table(shuffled, tmp_path / "shuffled.parquet")
    pyarrow.csv.write_csv(shuffled, tmp_path / "acts.csv")
    for number, path in enumerate([acts, tmp_path / "shuffled.parquet", tmp_path / "acts.csv"]):
        run(path, *TIMED, "--out", tmp_path / f"out{number}")
    for name in ("members", "actors", "ties"):
        first, second = ((tmp_path / f"out{n}" / f"{name}.parquet").read_bytes() for n in (0, 1))
        assert first == second
    assert {str(one) for one in members(tmp_path / "out0")} == members(tmp_path / "out2")


def test_without_times_it_says_what_that_means(acts, tmp_path):
    done = run(acts, *COLUMNS, "--out", tmp_path / "out")
    assert "people of one taste can look like one hand" in done.output


def test_a_sign_up_date_is_recognised_as_no_time_of_acting(acts, tmp_path):
    table = pq.read_table(acts)
    since = table.set_column(2, "time", pa.array([1_700_000_000 + 60 * a for a in table["actor"].to_pylist()]))
    pq.write_table(since, tmp_path / "since.parquet")
    done = run(tmp_path / "since.parquet", *TIMED, "--out", tmp_path / "out")
    assert "says when an actor appeared, not when it acted" in done.output


def transfers(mutual):
    """Forty accounts of which 0 sends to each of twelve; everybody else sends to somebody."""
    random = np.random.default_rng(3)
    sent = [(0, one) for one in range(1, 13)] + [(int(a), int(b)) for a, b in random.integers(13, 40, size=(60, 2))]
    sent = [(a, b) for a, b in sent if a != b]
    rows = sent + [(b, a) for a, b in sent] if mutual else sent
    return pa.table({"actor": [a for a, _ in rows], "object": [b for _, b in rows]})


@pytest.mark.parametrize("mutual", [True, False])
def test_mutual_acts_show_that_objects_are_actors(tmp_path, mutual):
    pq.write_table(transfers(mutual), tmp_path / "t.parquet")
    told = json.loads(run(tmp_path / "t.parquet", *COLUMNS, "--out", tmp_path / "out", "--json").output)
    assert told["objects_are_actors"] is mutual
    forced = run(tmp_path / "t.parquet", *COLUMNS, "--objects-are-actors", "--out", tmp_path / "out", "--json")
    assert json.loads(forced.output)["objects_are_actors"] is True


def test_number_ranges_that_overlap_by_accident_are_no_actors(tmp_path):
    table = _planted.ring(1).table()
    pq.write_table(table.set_column(1, "object", pc.subtract(table["object"], 10_000_000)), tmp_path / "t.parquet")
    told = json.loads(run(tmp_path / "t.parquet", *TIMED, "--out", tmp_path / "out", "--json").output)
    assert told["objects_are_actors"] is False
    assert members(tmp_path / "out") == set(range(30))


def test_broken_rows_are_counted_and_kept_apart(tmp_path):
    lines = ["actor,object,time"] + [f"{n % 9},{n % 4},2026-03-0{1 + n % 8}T00:00:00Z" for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([*lines, "x,,2026-03-01T00:00:00Z", "y,z,soon"]))
    done = run(tmp_path / "t.csv", *TIMED, "--out", tmp_path / "out")
    assert "2 rows refused" in done.output
    assert pq.read_table(tmp_path / "out" / "quarantine.parquet").num_rows == 2


@pytest.mark.parametrize(
    ("arguments", "code", "left_with"),
    [
        (["--actor", "user", "--object", "object"], "events.mapping_source", 3),
        (["--actor", "actor", "--object", "object", "--time", "object"], "coordination.empty", 3),
    ],
)
def test_what_cannot_be_read_is_an_error_and_leaves_nothing(acts, tmp_path, capsys, arguments, code, left_with):
    with pytest.raises(SystemExit) as left:
        main(["coordinate", str(acts), *arguments, "--out", str(tmp_path / "out"), "--quiet"])
    assert left.value.code == left_with
    assert f"[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nobody_who_shares_anything_is_no_error(tmp_path):
    pq.write_table(pa.table({"actor": ["a", "b"], "object": ["x", "y"]}), tmp_path / "t.parquet")
    done = run(tmp_path / "t.parquet", *COLUMNS, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "No group of 10 or more acts as one." in done.output
    assert members(tmp_path / "out") == set()


def test_a_name_cannot_steer_the_terminal(acts, tmp_path):
    table = pq.read_table(acts)
    odd = pc.binary_join_element_wise("\x1b[31m\u202e", pc.cast(table["actor"], pa.string()), "\x07", "")
    pq.write_table(table.set_column(table.column_names.index("actor"), "actor", odd), tmp_path / "odd.parquet")
    done = run(tmp_path / "odd.parquet", *TIMED, "--out", tmp_path / "out")
    assert "30 actors: \\x1b[31m\\u202e" in done.output
    assert all(letter.isprintable() or letter == "\n" for letter in done.output)


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], "the table has no rows"), (["a,b", "c,"], "all 2 were refused (1 events.time, 1 events.missing_value)")],
)
def test_why_nothing_is_left_is_told(tmp_path, capsys, rows, said):
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["who,what", *rows, ""]))
    asked = ["--actor", "who", "--object", "what", "--time", "what", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as caught:
        main(["coordinate", str(table), *asked])
    assert caught.value.code == 3
    assert said in capsys.readouterr().err
