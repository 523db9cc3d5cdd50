"""What the doors wrote down is taken in once, is on record, and reads as a log does."""

from __future__ import annotations

import fcntl
import json
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.sources import ReadOptions, open_source
from spiritsafe.guard import Answer
from spiritsafe.guard.journal import Journal
from spiritsafe.guard.tallies import class_of
from spiritsafe.sketch import TextSketcher
from spiritsafe.sketch.given import look_at
from spiritsafe.watch.collecting import DecisionsError, SegmentError, collect, decided
from tests.cases.desk import Desk
from tests.guard.guards import ITEM, NOW_US, PARAMETERS, TEMPLATE, guard_of, request


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path, "")
    yield made
    made.close()


def written(folder, *asked, **more):
    """A journal with what a guard decided on these requests."""
    guard = guard_of(folder)
    journal = Journal(folder / "journal", PARAMETERS.metadata(), every_s=60, **more)
    for number, one in enumerate(asked):
        one.event_id = f"e{number}"
        sketch = guard.sketch(one.prompt) if one.prompt else None
        decision = guard.decide(one, sketch)
        who = class_of(one, guard.standing(one.account_id), decision)
        journal.add(one, sketch, decision, who=who, status=200, usage={"output_tokens": 7})
    return journal


def taken(desk, folder, **more):
    given = {"ledger": desk.ledger, "sketch": PARAMETERS.metadata(), "tactics": PARAMETERS.tactics, **more}
    return list(collect(folder / "journal", folder / "out", **given))


ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("core", {"template": True}),
    ("new", {"template": True, "address": True, "system_prompt_hash": 5, "logprobs": True}),
    ("somebody", {"prompt": None}),
)


def three():
    return [request(name, after_s=at, **more) for at, (name, more) in enumerate(ASKED)]


def test_a_segment_becomes_sketches_that_say_what_a_scan_would_have_computed(tmp_path, desk):
    written(tmp_path, *three()).close()
    (done,) = taken(desk, tmp_path)
    assert (done.rows, done.decisions, done.lines_refused) == (3, 3, 0)
    source = open_source(tmp_path / "out" / "requests", ReadOptions())
    assert source.format == "sketches"
    made = look_at(source, PARAMETERS.tactics)
    assert (made.key_id, made.names.pseudonymised) == ("k1", False)
    rows = {row["account_id"]: row for row in pq.read_table(tmp_path / "out" / "requests").to_pylist()}
    batch = TextSketcher(PARAMETERS).sketch([f"{TEMPLATE} {ITEM}"]).columns
    for name, column in batch.items():
        assert rows["core"][name] == column[0].as_py(), name
    assert (rows["new"]["status"], rows["new"]["output_tokens"], rows["new"]["system_prompt_hash"]) == (200, 7, 5)
    assert (rows["new"]["logprobs"], rows["somebody"]["prompt_hash"]) == (True, None)
    assert rows["core"]["time"].timestamp() * 1_000_000 == NOW_US


def test_decisions_are_told_one_by_one_and_the_batch_is_on_record(tmp_path, desk):
    journal = written(tmp_path, *three())
    journal.close()
    (done,) = taken(desk, tmp_path)
    found: dict[str, Any] = {account: told for account, *told in decided(tmp_path / "out/decisions")}
    assert found["core"][0] == NOW_US
    assert (found["core"][1], found["core"][2].answer, found["core"][2].rule) == ("listed", Answer.BLOCK, "members")
    assert (found["new"][1], found["new"][2].answer) == ("new account", Answer.CHALLENGE)
    assert [reason.kind for reason in found["new"][2].reasons] == ["content", "infrastructure"]
    (entry,) = desk.ledger.entries(record="guard_decisions/1")
    told = msgspec.json.decode(entry.body)["open"]
    assert (told["segment"], told["answers"]) == (done.segment, {"allow": 1, "challenge": 1, "block": 1})
    assert (told["policies"], told["rosters"]) == (["test@1"], ["r1"])
    late = list(decided(tmp_path / "out/decisions", from_us=NOW_US + 1_500_000))
    assert [account for account, *_ in late] == ["somebody"]


def test_what_is_still_written_is_left_and_what_a_killed_writer_left_is_taken(tmp_path, desk):
    journal = written(tmp_path, *three())
    journal.flush()
    assert taken(desk, tmp_path) == []
    (path,) = (tmp_path / "journal").iterdir()
    data = path.read_bytes()
    journal.close()
    (whole,) = (tmp_path / "journal").iterdir()
    whole.rename(path)
    path.write_bytes(data + b'{"request": {"acc')  # half a line, as a full disk or a crash of the machine leaves it
    (done,) = taken(desk, tmp_path)
    assert (done.rows, done.lines_refused) == (3, 1)
    assert "line 5" in done.refused[0]
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.parametrize("stopped", ["before the record", "after the record"])
def test_whoever_is_stopped_does_it_again_and_nothing_twice(tmp_path, desk, monkeypatch, stopped):
    from spiritsafe.watch import collecting

    written(tmp_path, *three()).close()
    whole = collecting._file

    def stop(*given):
        if stopped == "after the record":
            whole(*given)
        raise SpiritsafeError("killed")

    monkeypatch.setattr(collecting, "_file", stop)
    with pytest.raises(SpiritsafeError):
        taken(desk, tmp_path)
    monkeypatch.setattr(collecting, "_file", whole)
    assert [one.rows for one in taken(desk, tmp_path)] == [3]
    assert len(list(desk.ledger.entries(record="guard_decisions/1"))) == 1
    assert len(list((tmp_path / "out" / "requests").iterdir())) == 1
    assert taken(desk, tmp_path) == []


def test_a_segment_that_another_collects_is_left(tmp_path, desk):
    written(tmp_path, *three()).close()
    (path,) = (tmp_path / "journal").iterdir()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert taken(desk, tmp_path) == []
    assert len(taken(desk, tmp_path)) == 1


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"schema": "guard_journal/2"}, "no guard_journal/1"),
        ({"schema": "guard_journal/1", "spiritsafe.sketch.key_id": "k9"}, "another"),
        ([1], "does not begin"),
    ],
)
def test_a_segment_of_other_keys_or_versions_is_refused_and_stays(tmp_path, desk, head, says):
    (tmp_path / "journal").mkdir()
    path = tmp_path / "journal" / "s.jsonl"
    path.write_text(json.dumps(head) + "\n")
    with pytest.raises(SegmentError, match=says):
        taken(desk, tmp_path)
    assert path.exists()


def test_an_empty_segment_is_swept_up(tmp_path, desk):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "s.open").touch()
    assert [one.rows for one in taken(desk, tmp_path)] == [0]
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_broken_file_of_decisions_is_told(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(DecisionsError, match="broken"):
        list(decided(tmp_path))
