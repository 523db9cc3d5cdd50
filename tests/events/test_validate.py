"""The one gate: what a row must be, and that the fast path and the reference are one."""

import datetime as dt
import math
import zoneinfo
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given

from spiritsafe.events.columns import as_contract, plain, python_values
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS, Column, TableSchema
from spiritsafe.events.sources.errors import MissingColumnsError
from spiritsafe.events.validate import RawRows, conform, conform_rows
from spiritsafe.events.values import Refused, Rules, value_as
from tests.events.source_rows import NOW_US, START, options

TIME_US = int(START.timestamp() * 1_000_000)


def judged(columns: dict[str, Any], **more: Any) -> tuple[dict[str, list[Any]], list[tuple[int, str]]]:
    """Kept values by column, and (row, code) of what was refused, for columns beside the required ones."""
    count = len(next(iter(columns.values())))
    base = {"event_id": [f"e{i}" for i in range(count)], "time": [START] * count, "account_id": ["a"] * count}
    batch = conform(pa.record_batch({**base, **columns}), "here", 0, options(**more))
    assert batch.table.num_rows + len(batch.rejected) == count
    return batch.table.to_pydict(), [(r.position, r.code) for r in batch.rejected]


# --- rules of the field -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["event_id", "account_id"])
@pytest.mark.parametrize(
    ("value", "code"), [(None, "events.missing_value"), ("", "events.empty_id"), (" \t", "events.empty_id")]
)
def test_a_request_without_its_ids_means_nothing(name: str, value: str | None, code: str):
    kept, refused = judged({name: ["x", value, "y"]})
    assert refused == [(1, code)]
    assert kept[name] == ["x", "y"]


def test_an_empty_organisation_ties_nobody_together():
    kept, refused = judged({"organization_id": ["", "acme", None], "prompt": ["", "hi", None]})
    assert kept["organization_id"] == [None, "acme", None]
    assert kept["prompt"] == ["", "hi", None]
    assert refused == []


def test_ids_that_are_numbers_are_taken_as_text():
    kept, _ = judged(
        {"account_id": pa.array([1, 2**62]), "end_user_id": pa.array([1.0, None]), "event_id": pa.array(["1", "2"])}
    )
    assert kept["account_id"] == ["1", str(2**62)]
    assert kept["end_user_id"] == ["1", None]


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("2026-04-01T12:00:00", "events.naive_time"),
        ("yesterday", "events.time"),
        ("2017-12-31T23:59:59Z", "events.clock"),
        ("2026-06-02T00:00:01Z", "events.clock"),
        ("0", "events.clock"),
        ("-1", "events.clock"),
        ("99999999999999999999999", "events.clock"),
        ("20260401", "events.clock"),
        ("", "events.missing_value"),
        ("2026-13-01T00:00:00Z", "events.time"),
    ],
)
def test_a_time_that_cannot_be_is_refused(time: str, code: str):
    kept, refused = judged({"time": ["2026-04-01T12:00:00Z", time]})
    assert refused == [(1, code)]
    assert kept["time"] == [START]


@pytest.mark.parametrize(
    "time",
    [
        "2026-04-01T12:00:00Z",
        "2026-04-01 12:00:00+00:00",
        "2026-04-01T14:00:00.000000+02:00",
        "2026-04-01T12:00Z",
        "2026-04-01T07:30:00-0430",
        "2026-04-01 12:00:00 UTC",
        "2026-04-01 12:00:00 +0000 UTC",
        "2026-04-01 12:00:00.000000000 +0000 UTC",
        "2026-04-01t12:00:00z",
        "2026-04-01T12:00:00.000000000Z",
        " 2026-04-01T12:00:00Z ",
        str(TIME_US // 10**6),
        str(TIME_US // 10**3),
        str(TIME_US),
        str(TIME_US * 1000),
        f"{TIME_US // 10**6}.0",
    ],
)
def test_one_moment_written_in_many_ways(time: str):
    assert judged({"time": [time]}) == ({"event_id": ["e0"], "time": [START], "account_id": ["a"]}, [])


@pytest.mark.parametrize("time", ["2026-04-01 12:00:00 +0100 UTC", "2026-04-01 14:00:00 +0200 CEST", "noon UTC"])
def test_a_time_that_is_refused_is_told_as_it_was_written(time: str):
    batch = pa.record_batch({"event_id": ["e"], "time": [time], "account_id": ["a"]})
    (one,) = conform(batch, "here", 0, options()).rejected
    assert one.reason == f"time is {time!r}, not an ISO 8601 time"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_are_microseconds_in_utc(unit: str):
    aware = pa.array([START], pa.timestamp(unit, tz="America/New_York"))
    epoch = pa.array([START], pa.timestamp(unit, tz="UTC")).cast(pa.int64())
    for array in (aware, epoch, epoch.cast(pa.float64(), safe=False)):
        assert judged({"time": array})[0]["time"] == [START]
    naive = pa.array([START.replace(tzinfo=None)], pa.timestamp(unit))
    assert judged({"time": naive})[1] == [(0, "events.naive_time")]
    assert judged({"time": naive}, timezone="UTC")[0]["time"] == [START]


def test_a_named_zone_places_local_times_and_refuses_those_that_it_skipped():
    skipped, twice = dt.datetime(2026, 3, 29, 2, 30), dt.datetime(2025, 10, 26, 2, 30)
    for values in (pa.array([skipped, twice]), pa.array([str(skipped), str(twice)])):
        kept, refused = judged({"time": values}, timezone="Europe/Berlin")
        assert refused == [(0, "events.time")]
        assert kept["time"] == [dt.datetime(2025, 10, 26, 0, 30, tzinfo=dt.UTC)]  # the earlier of the two


def test_a_timestamp_beyond_the_calendar_is_clock_nonsense():
    huge = pa.array([2**62, TIME_US], pa.timestamp("us", tz="UTC"))
    assert judged({"time": huge})[1] == [(0, "events.clock")]


def test_bytes_that_are_no_text_are_refused_by_row():
    raw = pa.array([b"fine", b"\xff\xfe", "Größe".encode(), b"nul\0l", None])
    for array in (raw, raw.view(pa.string())):
        kept, refused = judged({"prompt": array})
        assert refused == [(1, "events.encoding"), (3, "events.encoding")]
        assert kept["prompt"] == ["fine", "Größe", None]


def test_bad_bytes_in_an_id_do_not_stop_the_others():
    ids = pa.array([b"ok", b"\xff", b" "]).view(pa.string())
    assert judged({"account_id": ids})[1] == [(1, "events.encoding"), (2, "events.empty_id")]


def test_a_gigantic_prompt_costs_itself_only():
    kept, refused = judged({"prompt": ["ä" * 50, "ä" * 51, "x" * 100]}, max_text_bytes=100)
    assert refused == [(1, "events.text_size")]
    assert kept["prompt"] == ["ä" * 50, "x" * 100]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("input_tokens", 2**31, "events.range"),
        ("input_tokens", -1, "events.range"),
        ("input_tokens", 1.5, "events.type"),
        ("input_tokens", "many", "events.type"),
        ("input_tokens", "9" * 30, "events.range"),
        ("input_tokens", math.inf, "events.range"),
        ("input_tokens", True, "events.type"),
        ("temperature", 1e39, "events.range"),
        ("temperature", "hot", "events.type"),
        ("stream", 2, "events.type"),
        ("stream", "perhaps", "events.type"),
        ("prompt", 1.5, "events.type"),
        ("prompt", True, "events.type"),
        ("prompt", ["a"], "events.type"),
        ("prefix_blocks", [1, None], "events.type"),
        ("prefix_blocks", [2**64], "events.range"),
        ("prefix_blocks", "[1, 'a']", "events.type"),
        ("prefix_blocks", 7, "events.type"),
        ("time", True, "events.time"),
        ("time", dt.date(2026, 4, 1), "events.time"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_code(name: str, value: Any, code: str):
    array = pa.array([value], pa.uint64()) if value == 2**31 else None
    column = REQUESTS.by_name[name]
    with pytest.raises(Refused) as caught:
        value_as(value, column, Rules(last_us=NOW_US))
    assert caught.value.code == code
    _, faults = as_contract([value] if array is None else array, column, Rules(last_us=NOW_US))
    assert faults[0].code == code


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("max_tokens", -1, -1),
        ("limit_remaining", "-3", -3),
        ("input_tokens", 12.0, 12),
        ("input_tokens", "12.0", 12),
        ("input_tokens", math.nan, None),
        ("temperature", "nan", None),
        ("temperature", 1, 1.0),
        ("stream", "TRUE", True),
        ("stream", 0, False),
        ("stream", "", None),
        ("tool_schema_hash", 2**64 - 1, -1),
        ("tool_schema_hash", "0xff", 255),
        ("tool_schema_hash", "00000000000000ff", 255),
        ("tool_schema_hash", "255", 255),
        ("prefix_blocks", "[1, 18446744073709551615]", [1, -1]),
        ("prefix_blocks", [], []),
        ("prompt", 12, "12"),
    ],
)
def test_a_value_that_can_be_read_is(name: str, value: Any, wanted: Any):
    assert value_as(value, REQUESTS.by_name[name], Rules()) == wanted
    array, faults = as_contract([value], REQUESTS.by_name[name], Rules())
    assert (array.to_pylist(), faults, array.type) == ([wanted], {}, REQUESTS.by_name[name].type)


def test_a_refused_row_keeps_its_values_for_the_quarantine_unless_told_not_to():
    batch = pa.record_batch({"event_id": ["e"], "time": [START], "account_id": [""], "prompt": ["secret"]})
    (kept,) = conform(batch, "here", 5, options()).rejected
    assert (kept.source, kept.position) == ("here", 5)
    assert b'"prompt":"secret"' in (kept.raw or b"")
    (bare,) = conform(batch, "here", np.array([9]), options(keep_raw=False)).rejected
    assert (bare.raw, bare.position) == (None, 9)


PRIVATE = ("Jane Doe, born 4 May 1977", "4111222233334444" * 3, 4111222233334444, 4111222233334444.5, "4111-2222")
PRIVATE_TIMES = (dt.datetime(1977, 5, 4), dt.datetime(1977, 5, 4, tzinfo=dt.UTC), "1977-05-04", "4 May 1977", True)


@pytest.mark.parametrize("schema", [REQUESTS, ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS], ids=lambda schema: schema.name)
def test_where_no_text_may_be_kept_a_reason_describes_a_value_and_never_shows_it(schema: TableSchema):
    told = []
    for column in schema.columns:
        for value in (*PRIVATE, *PRIVATE_TIMES, [PRIVATE[0]], {PRIVATE[0]: 1}):
            row: dict[str, Any] = {name: ["x"] for name in schema.required} | {column.name: [value]}
            rows = RawRows({**row, f"Jane {value}": ["\0"]}, np.array([0]), sparse=True)
            open_, discreet = (
                conform_rows(rows, "here", options(keep_raw=keep), schema=schema).rejected for keep in (True, False)
            )
            assert [one.code for one in open_] == [one.code for one in discreet]
            told += [one.reason for one in discreet]
            for mark in ("Jane", "4111", "1977"):
                assert all(mark not in one.reason for one in discreet), discreet
    assert any("a text of 25 characters" in reason for reason in told)


def test_where_rows_are_kept_a_reason_shows_the_value():
    rows = RawRows({"event_id": ["e"], "time": ["4 May 1977"], "account_id": ["a"]}, np.array([0]))
    (one,) = conform_rows(rows, "here", options()).rejected
    assert one.reason == "time is '4 May 1977', not an ISO 8601 time"
    (one,) = conform_rows(rows, "here", options(keep_raw=False)).rejected
    assert one.reason == "time is a text of 10 characters, not an ISO 8601 time"


def test_the_first_reason_in_the_contracts_order_is_given():
    batch = pa.record_batch({"event_id": [""], "time": ["nonsense"], "account_id": ["a"], "status": ["x"]})
    assert conform(batch, "here", 0, options()).rejected[0].code == "events.time"


def test_a_table_without_an_account_column_is_a_wrong_table():
    with pytest.raises(MissingColumnsError, match="no column account_id; it has: event_id, time, user") as caught:
        conform(pa.record_batch({"event_id": ["e"], "time": [START], "user": ["u"]}), "log.parquet", 0, options())
    assert "doctor LOGS --write-map" in caught.value.hint


# --- fast = reference -------------------------------------------------------------------------------------

RULES = [
    Rules(last_us=NOW_US, max_text_bytes=40),
    Rules(timezone="Europe/Berlin", last_us=NOW_US, max_text_bytes=40),
]
COLUMNS = {
    str(column.type) + str(column.text) + column.name[:5]: column for column in (*REQUESTS.columns, *ACCOUNTS.columns)
}

texts = st.one_of(
    st.text(max_size=50),
    st.sampled_from(
        ["", "true", "FALSE", "1", "0", "-1", "1.0", "1e3", "nan", "0x1f", "ffffffffffffffff", "+5", " 7 ", "[1,2]"]
    ),
    st.datetimes(dt.datetime(2017, 1, 1), dt.datetime(2027, 1, 1)).map(str),
    st.datetimes(dt.datetime(2017, 1, 1), dt.datetime(2027, 1, 1), timezones=st.timezones()).map(
        lambda t: t.isoformat()
    ),
    st.integers().map(str),
    st.floats().map(str),
)
arrays = st.one_of(
    st.lists(st.none() | texts).map(lambda v: pa.array(v, pa.string())),
    st.lists(st.none() | texts).map(lambda v: pa.array(v, pa.large_string())),
    st.lists(st.none() | texts).map(lambda v: pa.array(v, pa.string()).dictionary_encode()),
    st.lists(st.none() | st.binary(max_size=50)).map(lambda v: pa.array(v, pa.binary())),
    st.lists(st.none() | st.binary(max_size=50)).map(lambda v: pa.array(v, pa.binary()).view(pa.string())),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.none() | st.integers(0, 2**64 - 1)).map(lambda v: pa.array(v, pa.uint64())),
    st.lists(st.none() | st.integers(-128, 127)).map(lambda v: pa.array(v, pa.int8())),
    st.lists(st.none() | st.floats()).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.none() | st.floats(width=32)).map(lambda v: pa.array(v, pa.float32())),
    st.lists(st.none() | st.integers(TIME_US - 10**14, TIME_US + 10**13)).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.none() | st.floats(1.5e9, 1.8e9)).map(lambda v: pa.array(v, pa.float64())),
    st.lists(st.none() | st.booleans()).map(lambda v: pa.array(v, pa.bool_())),
    st.lists(st.none() | st.lists(st.none() | st.integers(0, 2**64 - 1))).map(
        lambda v: pa.array(v, pa.list_(pa.uint64()))
    ),
    st.lists(st.none() | st.lists(st.none() | st.integers(-5, 5))).map(
        lambda v: pa.array(v, pa.large_list(pa.int16()))
    ),
    st.tuples(st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([None, "UTC", "Asia/Tokyo"])).flatmap(
        lambda p: st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)).map(
            lambda v: pa.array(v, pa.timestamp(p[0], tz=p[1]))
        )
    ),
    st.lists(st.none() | st.decimals(-(10**9), 10**9, places=2)).map(lambda v: pa.array(v, pa.decimal128(20, 2))),
    st.lists(st.none() | st.dates()).map(lambda v: pa.array(v, pa.date32())),
    st.lists(st.none() | st.fixed_dictionaries({"a": st.integers(0, 9)})).map(
        lambda v: pa.array(v, pa.struct([("a", pa.int8())]))
    ),
)


def one_by_one(values: list[Any], column: Column, rules: Rules) -> tuple[list[Any], dict[int, str]]:
    good, bad = [], {}
    for row, value in enumerate(values):
        try:
            good.append(value_as(value, column, rules))
        except Refused as refused:
            good.append(None)
            bad[row] = refused.code
    return good, bad


@given(array=arrays, name=st.sampled_from(sorted(COLUMNS)), rules=st.sampled_from(RULES))
@example(array=pa.array(["2026-03-29T02:30:00"]), name="timestamp[us, tz=UTC]Falsetime", rules=RULES[1])
@example(array=pa.array([0.1], pa.float64()), name="floatFalsetempe", rules=RULES[0])
@example(array=pa.array([b"", None]), name="boolFalselogit", rules=RULES[0])
@example(array=pa.array(["12", "0x1f"]), name="int32Falseturn", rules=RULES[0])
def test_the_fast_path_and_the_reference_agree(array: pa.Array, name: str, rules: Rules):
    column = COLUMNS[name]
    fast, faults = as_contract(array, column, rules)
    wanted, bad = one_by_one(list(python_values(plain(array))), column, rules)
    assert fast.type == column.type
    assert {row: fault.code for row, fault in faults.items()} == bad
    rows = [row for row in range(len(array)) if row not in bad]
    expected = pa.array([wanted[row] for row in rows], column.type)
    assert fast.take(pa.array(rows, pa.int64())).equals(expected)


@given(array=arrays, name=st.sampled_from(sorted(COLUMNS)), start=st.integers(0, 5))
def test_a_slice_of_a_column_is_judged_like_the_column(array: pa.Array, name: str, start: int):
    column = COLUMNS[name]
    whole, faults = as_contract(array, column, RULES[0])
    part, of_part = as_contract(array.slice(start), column, RULES[0])
    assert {row + start: fault.code for row, fault in of_part.items()} == {
        r: f.code for r, f in faults.items() if r >= start
    }
    rows = pa.array([row for row in range(len(part)) if row not in of_part], pa.int64())
    assert part.take(rows).equals(whole.slice(start).take(rows))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(values=st.lists(json_values), name=st.sampled_from(sorted(COLUMNS)))
def test_json_values_of_any_kind_are_judged_one_by_one(values: list[Any], name: str):
    column = COLUMNS[name]
    array, faults = as_contract(values, column, RULES[0])
    wanted, bad = one_by_one(values, column, RULES[0])
    assert {row: fault.code for row, fault in faults.items()} == bad
    kept = [row for row in range(len(values)) if row not in bad]
    assert array.take(pa.array(kept, pa.int64())).equals(pa.array([wanted[row] for row in kept], column.type))


@given(
    columns=st.dictionaries(st.sampled_from([*REQUESTS.by_name, "extra", "more"]), arrays, max_size=6), data=st.data()
)
def test_no_row_is_lost_and_no_type_is_other_than_the_contracts(columns: dict[str, pa.Array], data: st.DataObject):
    count = min((len(array) for array in columns.values()), default=0)
    base = {
        "event_id": pa.array(["e"] * count),
        "time": pa.array([START] * count),
        "account_id": pa.array(["a"] * count),
    }
    raw = pa.record_batch({**base, **{name: array.slice(0, count) for name, array in columns.items()}})
    batch = conform(raw, "here", 0, options())
    assert batch.table.num_rows + len(batch.rejected) == count
    batch.table.validate(full=True)
    for field in batch.table.schema:
        assert field.name not in REQUESTS.by_name or field.type == REQUESTS.by_name[field.name].type
        assert not pa.types.is_unsigned_integer(field.type)
    assert zoneinfo.ZoneInfo("UTC") is not None
