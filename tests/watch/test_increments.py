"""Rows come late, twice, in any order and in files that grow: the state comes to hold the same, whatever the way."""

from __future__ import annotations

import random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.sources import ReadOptions
from spiritsafe.files import write_atomically
from spiritsafe.watch import increments, state
from spiritsafe.watch.increments import FILES_A_DAY, Feed, StateKeysError, expire, take_new
from spiritsafe.watch.state import Look, StateBrokenError, StateBusyError, open_state, read_manifest
from tests.watch.states import DAY, ROWS, held_keys, held_rows, looked, put, row, settings_of, taken


@pytest.mark.parametrize("seed", range(5))
def test_however_rows_come_the_state_holds_what_one_delivery_would(place, seed):
    """In files of any size, in any order, some rows twice or thrice, by several rounds: the full recomputation."""
    rng = random.Random(seed)
    deliveries = ROWS + rng.sample(ROWS, 20)
    rng.shuffle(deliveries)
    while deliveries:
        size = rng.randint(5, 40)
        piece, deliveries = deliveries[:size], deliveries[size:]
        put(place, f"{rng.random()}.jsonl", piece)
        if rng.random() < 0.6:
            taken(place)
    taken(place)
    (whole := place / "whole").mkdir()
    (whole / "logs").mkdir()
    (whole / "home").symlink_to(place / "home")
    put(whole, "all.jsonl", ROWS)
    taken(whole)
    assert held_rows(place).equals(held_rows(whole))
    assert held_keys(place) == held_keys(whole)
    one, other = read_manifest(place / "state"), read_manifest(whole / "state")
    assert (one.rows, one.last_us, one.made) == (other.rows, other.last_us, other.made)
    assert (one.repeated <= 20, other.repeated) == (True, 0)  # what comes twice in one file is a refused row there
    assert one.repeated + one.refused == 20


def test_a_file_is_read_once_and_again_when_it_has_grown(place):
    put(place, "a.jsonl", ROWS[:30])
    assert taken(place)[0].rows == 30
    assert taken(place)[0].files == 0
    put(place, "a.jsonl", ROWS[:40])
    again, held = taken(place)
    assert (again.files, again.rows, again.repeated) == (1, 10, 30)
    assert (held.manifest.rows, held.manifest.repeated) == (40, 30)


def test_a_file_that_is_being_written_waits(place):
    put(place, "a.jsonl", ROWS[:30])
    settings = settings_of(place)
    at_s = (place / "logs" / "a.jsonl").stat().st_mtime
    feed = Feed((str(place / "logs"),), ReadOptions.under(settings), settle_s=30.0)
    with open_state(place / "state") as held:
        waits = take_new(held, feed, settings, now_s=lambda: at_s + 10)
        comes = take_new(held, feed, settings, now_s=lambda: at_s + 31)
    assert (waits.waiting, waits.rows, comes.waiting, comes.rows) == (1, 0, 0, 30)


def test_a_broken_file_is_told_and_the_others_are_taken(place):
    put(place, "a.jsonl", ROWS[:30])
    (place / "logs" / "b.parquet").write_bytes(b"PAR1 no more of it")
    put(place, "c.jsonl", ROWS[30:])
    first, held = taken(place)
    (url,) = first.faults
    assert (first.rows, url) == (72, str(place / "logs" / "b.parquet"))
    assert first.faults[url].startswith("[events.")
    version = held.manifest.version
    second, held = taken(place)
    assert (second.faults, held.manifest.version) == (first.faults, version)  # told again, and not tried again
    pq.write_table(pa.Table.from_pylist([row(100)]), place / "logs" / "b.parquet")
    mended, _ = taken(place)
    assert (mended.rows, mended.faults) == (1, {})


def test_a_broken_row_is_counted_and_the_rest_goes_on(place):
    put(place, "a.jsonl", [*ROWS[:10], {**row(11), "time": "yesterday"}])
    found, held = taken(place)
    assert (found.rows, found.refused, held.manifest.refused) == (10, 1, 1)


def test_an_empty_file_is_no_fault_and_a_link_that_goes_is_none(place):
    (place / "logs" / "empty.jsonl").touch()
    put(place, "a.jsonl", ROWS[:3])
    assert taken(place)[0].faults == {}
    (place / "logs" / "a.jsonl").unlink()
    put(place, "b.jsonl", ROWS[:3])
    assert (taken(place)[0].rows, held_rows(place).num_rows) == (0, 3)


def test_rows_that_come_after_a_look_are_late(place):
    put(place, "a.jsonl", ROWS[:40])
    with open_state(place / "state") as held:
        feed = Feed((str(place / "logs"),), ReadOptions.under(settings_of(place)), settle_s=0.0)
        take_new(held, feed, settings_of(place))
        look = Look("l", held.manifest.taken, 1, held.manifest.last_us, 0, 0)
        looked(held.folder / "looks" / "l")
        held.commit(msgspec.structs.replace(held.manifest, looks=(look,)))
    put(place, "b.jsonl", [row(200, hours=3.5), row(201, hours=50)])
    found, held = taken(place)
    assert (found.rows, found.late, held.manifest.late) == (2, 1, 1)


def test_a_day_in_many_pieces_becomes_one(place):
    for number in range(FILES_A_DAY + 2):
        put(place, f"{number}.jsonl", [row(number, hours=number / 10)])
        taken(place)
    with open_state(place / "state") as held:
        assert len(held.manifest.parts) == 2
        on_disk = set(held.folder.rglob("*.parquet"))
        assert on_disk == {*held.parts(), *held.key_files()}
        assert sum(part.rows for part in held.manifest.parts) == held.manifest.rows == FILES_A_DAY + 2
    assert held_rows(place)["event_id"].to_pylist() == [f"e{n}" for n in range(FILES_A_DAY + 2)]


def test_old_days_go(place):
    put(place, "a.jsonl", ROWS)
    taken(place)
    with open_state(place / "state") as held:
        assert expire(held, keep_days=1) == 24
        assert {part.day for part in held.manifest.parts} == {DAY + 1, DAY + 2}
        assert (held.manifest.rows, held.manifest.expired, held.manifest.taken) == (48, 24, 72)
        assert expire(held, keep_days=1) == 0
    assert held_rows(place).num_rows == 48


@pytest.mark.parametrize("at", ["before", "after"])
def test_killed_at_the_manifest_the_state_is_as_before_or_as_after(place, monkeypatch, at):
    put(place, "a.jsonl", ROWS[:30])
    taken(place)
    before = held_rows(place)
    put(place, "b.jsonl", ROWS[30:])
    write = write_atomically

    def killed(path, data, **more):
        if at == "after":
            write(path, data, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(state, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        taken(place)
    monkeypatch.undo()
    assert held_rows(place).num_rows == (before.num_rows if at == "before" else 72)
    found, _ = taken(place)
    assert found.rows == (42 if at == "before" else 0)
    assert held_rows(place).num_rows == 72
    left = read_manifest(place / "state")
    named = {name for part in left.parts for name in (part.name, part.keys)}
    assert {str(path.relative_to(place / "state")) for path in (place / "state").rglob("*.parquet")} == named


def test_killed_while_a_part_is_written_nothing_is_left(place, monkeypatch):
    put(place, "a.jsonl", ROWS)
    real = increments._write
    calls = []

    def killed(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(increments, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        taken(place)
    monkeypatch.undo()
    assert read_manifest(place / "state").rows == 0
    assert taken(place)[0].rows == 72
    assert held_rows(place).num_rows == 72


def test_what_a_killed_writer_left_is_swept_up(place):
    put(place, "a.jsonl", ROWS[:30])
    taken(place)
    for left in ("parts/20000/.x.parquet.abc.part", "often/.y.parquet.abc.part"):
        (place / "state" / left).mkdir(parents=True)
        (place / "state" / left / "x.parquet").touch()
    taken(place)
    assert not list((place / "state").rglob("*.part"))
    assert held_rows(place).num_rows == 30


def test_rows_of_another_key_are_refused(place):
    put(place, "a.jsonl", ROWS[:30])
    taken(place)
    for path in (place / "home").rglob("*"):
        if path.is_file():
            path.unlink()
    put(place, "b.jsonl", ROWS[30:])
    with pytest.raises(StateKeysError, match="another"):
        taken(place)


def test_one_process_at_a_time(place):
    with open_state(place / "state"), pytest.raises(StateBusyError), open_state(place / "state"):
        raise AssertionError


@pytest.mark.parametrize("text", ["", "{", '{"schema": "watch_state/2.0"}', '{"parts": 3}', "[]", "null"])
def test_a_manifest_that_cannot_be_read_is_told(place, text):
    with open_state(place / "state"):
        pass
    (place / "state" / "manifest.json").write_text(text)
    with pytest.raises(StateBrokenError), open_state(place / "state"):
        raise AssertionError


def test_a_part_that_is_gone_is_told(place):
    put(place, "a.jsonl", ROWS[:30])
    taken(place)
    with open_state(place / "state") as held:
        held.parts()[0].unlink()
    with pytest.raises(StateBrokenError, match="gone"), open_state(place / "state"):
        raise AssertionError


def test_a_folder_that_is_something_else_is_refused(place):
    put(place, "a.jsonl", ROWS[:3])
    with pytest.raises(SpiritsafeError), open_state(place / "logs"):
        raise AssertionError
