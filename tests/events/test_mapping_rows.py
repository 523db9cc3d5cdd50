"""What a mapping does to rows: it moves, renames and converts, and never loses the one cell that does not fit."""

from __future__ import annotations

import datetime as dt
import json
import uuid
import zoneinfo
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.events.mapping import (
    ColumnSource,
    Mapping,
    MappingSourceError,
    apply_mapping,
    check_sources,
    dump_mapping,
    parse_mapping,
)
from spiritsafe.events.model import REQUESTS
from spiritsafe.events.transforms import TRANSFORMS
from tests.events.mapping_examples import least, sources


def batch(**columns: Any) -> pa.RecordBatch:
    rows = len(next(iter(columns.values())))
    own: dict[str, Any] = {
        "id": [f"e{n}" for n in range(rows)],
        "t": ["2026-03-02T06:00:00Z"] * rows,
        "a": ["x"] * rows,
    }
    return pa.RecordBatch.from_pydict({**own, **columns})


def mapped(source: ColumnSource, column: str, **columns: Any) -> list[Any]:
    return list(apply_mapping(batch(**columns), least(**{column: source})).column(column).to_pylist())


def test_columns_come_in_the_contracts_order_and_types_then_what_is_carried():
    rows = batch(n=[1, 2], m=["7", "8"], extra=[0.5, 0.6])
    found = apply_mapping(rows, least(model=ColumnSource(from_="n"), turn=ColumnSource(from_="m")))
    assert found.schema.names == ["event_id", "time", "account_id", "turn", "model", "extra"]
    assert found.schema.field("turn").type == pa.int32()
    assert found.column("model").to_pylist() == ["1", "2"]


def test_only_named_columns_are_carried_and_none_poses_as_the_contracts():
    mapping = Mapping(carry=("status", "keep"), requests=least().requests)
    found = apply_mapping(batch(status=["failure"], keep=[1], secret=["s"]), mapping)
    assert found.schema.names == ["event_id", "time", "account_id", "source_status", "keep"]


def test_without_a_section_the_table_is_left_alone():
    rows = batch(n=[1])
    assert apply_mapping(rows, Mapping()) is rows
    assert apply_mapping(rows, least(), table="accounts") is rows


@pytest.mark.parametrize("value", ["2026-03-02T06:00:00.123456", "2026-03-02T06:00:00", "1970-01-01T00:00:00.000001"])
@pytest.mark.parametrize(("unit", "scale"), [("s", 10**6), ("ms", 10**3), ("us", 1)])
@pytest.mark.parametrize("kind", ["int", "text", "float"])
def test_numbers_are_times_in_their_unit(value, unit, scale, kind):
    micros = int(dt.datetime.fromisoformat(f"{value}+00:00").timestamp() * 1e6 + 0.5)
    micros -= micros % scale if kind == "int" else 0
    whole, rest = divmod(micros, scale)
    text = f"{whole}.{rest:0{len(str(scale)) - 1}d}" if scale > 1 else str(whole)
    cell = {"int": whole, "text": text, "float": micros / scale}[kind]
    rows = batch(c=[cell, None])
    found = apply_mapping(rows, Mapping(requests={**least().requests, "time": ColumnSource(from_="c", unit=unit)}))
    assert found.column("time").type == pa.timestamp("us", tz="UTC")
    assert found.column("time").cast(pa.int64()).to_pylist() == [micros, None]


@given(st.lists(st.integers(0, 4_102_444_800 * 10**6) | st.none(), max_size=20))
@settings(max_examples=60, deadline=None)
def test_seconds_written_as_text_lose_no_microsecond(micros):
    texts = [None if m is None else f"{m // 10**6}.{m % 10**6:06d}" for m in micros]
    rows = pa.RecordBatch.from_pydict({"id": texts, "a": texts, "c": pa.array(texts, pa.string())})
    mapping = Mapping(requests={**least().requests, "time": ColumnSource(from_="c", unit="s")})
    assert apply_mapping(rows, mapping).column("time").cast(pa.int64()).to_pylist() == micros


def test_a_cell_that_is_no_time_stays_what_it_was_so_that_only_its_row_is_refused():
    rows = batch(c=["1772431200.5", "yesterday", None, "9" * 25])
    found = apply_mapping(rows, Mapping(requests={**least().requests, "time": ColumnSource(from_="c", unit="s")}))
    assert found.column("time").to_pylist() == ["2026-03-02T06:00:00.500000Z", "yesterday", None, "9" * 25]


def _times(source: ColumnSource, cells: list[Any], **more: Any) -> list[Any]:
    rows = batch(c=cells)
    found = (
        apply_mapping(rows, Mapping(requests={**least().requests, "time": source}, **more)).column("time").to_pylist()
    )
    return [value.isoformat() if isinstance(value, dt.datetime) else value for value in found]


def test_formats_offsets_and_zones_of_text_times():
    assert _times(ColumnSource(from_="c", format="%d/%b/%Y:%H:%M:%S %z"), ["02/Mar/2026:07:00:00 +0100"]) == [
        "2026-03-02T06:00:00+00:00"
    ]
    local = ColumnSource(from_="c", format="%d.%m.%Y %H:%M:%S", timezone="Europe/Berlin")
    assert _times(local, ["02.03.2026 07:00:00", "02.07.2026 08:00:00", "31.02.2026 00:00:00"]) == [
        "2026-03-02T06:00:00.000000Z", "2026-07-02T06:00:00.000000Z", "31.02.2026 00:00:00"]  # fmt: skip
    fractions = ColumnSource(from_="c", format="%d.%m.%Y %H:%M:%S.%f", timezone="UTC")
    assert _times(fractions, ["02.03.2026 07:00:00.25"]) == ["2026-03-02T07:00:00.250000+00:00"]


def test_a_zone_applies_to_times_without_offset_only():
    source = ColumnSource(from_="c", timezone="America/New_York")
    assert _times(source, ["2026-03-02T06:00:00Z", "2026-03-02 01:00:00", "2026-03-02T07:00:00+01:00"]) == [
        "2026-03-02T06:00:00+00:00"] * 3  # fmt: skip
    whole = ColumnSource(from_="c")
    assert _times(whole, ["2026-03-02 15:00:00"], timezone="Asia/Tokyo") == ["2026-03-02T06:00:00+00:00"]
    assert _times(ColumnSource(from_="c"), ["2026-03-02 15:00:00"]) == ["2026-03-02 15:00:00"]


def test_the_repeated_hour_is_the_earlier_and_the_skipped_one_is_not_lost():
    source = ColumnSource(from_="c", timezone="Europe/Berlin")
    assert _times(source, ["2025-10-26T02:30:00", "2025-03-30T02:30:00"]) == [
        "2025-10-26T00:30:00+00:00", "2025-03-30T01:00:00+00:00"]  # fmt: skip


def test_native_timestamps_dates_and_nanoseconds():
    at = dt.datetime(2026, 3, 2, 7, 0, 0, 5)
    assert _times(ColumnSource(from_="c", timezone="Europe/Berlin"), [at]) == ["2026-03-02T06:00:00.000005+00:00"]
    assert _times(ColumnSource(from_="c"), [at]) == ["2026-03-02T07:00:00.000005"]
    assert _times(ColumnSource(from_="c", unit="ns"), [1_772_431_200_000_001_999]) == [
        "2026-03-02T06:00:00.000001+00:00"
    ]


def test_paths_lead_into_structs_json_text_lists_and_names_with_dots():
    body = {"meta": {"user.id": "u1"}, "choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}]}
    columns = {"body": [json.dumps(body), "{broken", None], "s": [body, None, body], "a.b": [1, 2, 3]}
    paths = {
        "json": "body.meta.user.id", "struct": "s.meta.user.id", "item": "body.choices.0.finish_reason",
        "last": "s.choices.-1.finish_reason", "beyond": "body.choices.7.finish_reason", "dotted": "a.b",
    }  # fmt: skip
    rows = {name: mapped(ColumnSource(from_=path), "model", **columns) for name, path in paths.items()}
    assert rows == {"json": ["u1", None, None], "struct": ["u1", None, "u1"], "item": ["stop", None, None],
                    "last": ["length", None, "length"], "beyond": [None] * 3, "dotted": ["1", "2", "3"]}  # fmt: skip


def test_several_sources_are_joined_or_the_first_that_is_there():
    columns = {"x": ["1", None, None], "y": [None, 2, None]}
    assert mapped(ColumnSource(from_=("x", "y")), "model", **columns) == ["1", "2", None]
    assert mapped(ColumnSource(from_=("x", "y"), join="/"), "model", **columns) == ["1/", "/2", None]
    assert mapped(ColumnSource(const="chat"), "operation", **columns) == ["chat"] * 3


def test_values_are_renamed_and_strangers_are_left_for_the_gate():
    source = ColumnSource(from_="c", values={"ja": True, "nein": False, "": False})
    assert mapped(source, "stream", c=["ja", "nein", None]) == [True, False, False]
    assert mapped(source, "stream", c=["ja", "vielleicht", None]) == ["true", "vielleicht", "false"]
    rest = ColumnSource(from_="c", values={"verified": True, "*": False})
    assert mapped(rest, "organization_verified", c=["verified", "pending", None]) == [True, False, None]
    assert mapped(ColumnSource(from_="c", values={"1": "api"}), "channel", c=[1, 1]) == ["api", "api"]


def test_ids_keep_their_digits():
    whole = uuid.UUID(int=7)
    assert mapped(ColumnSource(from_="c"), "api_key_id", c=pa.array([12345.0, None])) == ["12345", None]
    assert mapped(ColumnSource(from_="c"), "api_key_id", c=pa.array([whole.bytes], pa.binary(16))) == [str(whole)]
    assert mapped(ColumnSource(from_="c"), "api_key_id", c=pa.array(["k"]).dictionary_encode()) == ["k"]
    assert mapped(ColumnSource(from_="c"), "api_key_id", c=pa.array([b"k"], pa.binary())) == ["k"]


def test_only_the_cell_with_bytes_that_are_not_text_is_lost():
    broken = pa.array([b"a\xff", b"b"], pa.binary()).view(pa.string())
    rows = apply_mapping(batch(c=broken), least(prompt=ColumnSource(from_="c")))
    assert rows.column("prompt").cast(pa.binary()).to_pylist() == [b"a\xff", b"b"]
    assert (
        mapped(ColumnSource(from_="c"), "turn", c=pa.array([b"\xff1", b"2"], pa.binary()).view(pa.string()))[1] == "2"
    )


MESSAGES: list[tuple[Any, str | None, str | None, int | None]] = [
    ([{"role": "system", "content": "be kind"}, {"role": "user", "content": "one"},
      {"role": "assistant", "content": "x"}, {"role": "user", "content": "two"}], "two", "be kind", 1),
    ([{"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]}],
     "look", None, 0),
    ([{"role": "user", "content": "ask"}, {"role": "assistant", "content": "call"},
      {"role": "user", "content": [{"type": "tool_result", "content": "42"}]}], "ask", None, 0),
    ({"system": "s", "messages": [{"role": "user", "content": "whole body"}]}, "whole body", "s", 0),
    ([{"role": "user", "parts": [{"text": "gemini"}]}], "gemini", None, 0),
    ([], None, None, None),
    ("[broken", "[broken", None, 0),
    ([{"role": [], "content": {"type": []}}], None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "prompt", "system", "turn"), MESSAGES)
@pytest.mark.parametrize("as_json", [True, False])
def test_the_prompt_is_the_newest_user_message(messages, prompt, system, turn, as_json):
    cell = json.dumps(messages) if as_json and not isinstance(messages, str) else messages
    got = [TRANSFORMS[name].apply(cell) for name in ("last_user_message", "system_message", "turn_of_messages")]
    assert got == [prompt, system, turn]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ([{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "hi"),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]}, "hi"),
        ({"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}, "hi"),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}]}, "hi"),
        ([{"text": "hi"}], "hi"),
        ({}, None),
    ],
)
def test_the_answer_is_found_in_each_apis_body(cell, text):
    assert TRANSFORMS["response_text"].apply(json.dumps(cell)) == text


@pytest.mark.parametrize(
    ("header", "hop", "address"),
    [
        ("203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("203.0.113.9", 2, None),
        ("203.0.113.9, unknown", 1, None),
        ('for="[2001:db8::1]:4711";proto=https, for=10.0.0.1', 2, "2001:db8::1"),
        ("203.0.113.9:8443", 1, "203.0.113.9"),
        ("", 1, None),
    ],
)
def test_a_forwarded_address_is_counted_from_our_own_side(header, hop, address):
    assert TRANSFORMS["forwarded_for"].apply(header, hop) == address


def test_the_smaller_transforms():
    tried = {
        ("present", ""): False, ("present", "[]"): False, ("present", "none"): False, ("present", '[{"a": 1}]'): True,
        ("present", None): False, ("first", '["stop", "x"]'): "stop", ("first", "stop, x"): "stop",
        ("less_one", "3"): 2, ("less_one", "x"): None, ("digits", "AS64496 Example"): 64496,
        ("without_port", "203.0.113.9:1234"): "203.0.113.9", ("without_port", "[2001:db8::1]:443"): "2001:db8::1",
        ("text", '[{"type": "text", "text": "a"}, {"type": "image"}]'): "a",
    }  # fmt: skip
    assert {key: TRANSFORMS[key[0]].apply(key[1]) for key in tried} == tried


def test_equal_tool_schemas_hash_alike_whatever_their_key_order():
    hashes = {TRANSFORMS["hash64"].apply(text) for text in ('[{"a":1,"b":2}]', '[{"b": 2, "a": 1}]')}
    assert len(hashes) == 1
    assert -(2**63) <= hashes.pop() < 2**63
    assert TRANSFORMS["fingerprint"].apply("Bearer sk-1") != TRANSFORMS["fingerprint"].apply("Bearer sk-2")


def test_a_required_column_needs_a_source_and_the_error_names_the_nearest():
    with pytest.raises(MappingSourceError, match="account_id"):
        apply_mapping(batch(c=[1]), parse_mapping('[requests.event_id]\nfrom = "id"\n[requests.time]\nfrom = "t"'))
    with pytest.raises(MappingSourceError, match="does not have") as caught:
        apply_mapping(batch(acct=[1]), Mapping(requests={**least().requests, "account_id": ColumnSource(from_="akct")}))
    assert "'acct'" in caught.value.hint


def test_an_optional_source_may_be_absent_from_a_batch_but_not_from_a_table():
    mapping = least(model=ColumnSource(from_="modle"))
    assert "model" not in apply_mapping(batch(model=["m"]), mapping).schema.names
    with pytest.raises(MappingSourceError) as caught:
        check_sources(mapping, ["id", "t", "a", "model"])
    assert "'model'" in caught.value.hint
    check_sources(mapping, ["id", "t", "a", "modle"])


_cells = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=4)
_nested = st.recursive(_cells, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
    ["role", "content", "type", "text", "messages", "a"]), inner, max_size=3), max_leaves=6)  # fmt: skip


def _column(cells: list[Any]) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
        return pa.array([json.dumps(cell, default=repr) for cell in cells])


@given(st.lists(_nested, min_size=3, max_size=3), st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_cell_of_any_form_breaks_a_column(cells, data):
    column = data.draw(st.sampled_from([c for c in REQUESTS.columns if c.name not in ("event_id", "account_id")]))
    source = data.draw(sources(column.type))
    if source.sources:
        source = parse_mapping(dump_mapping(Mapping(requests={column.name: source}))).requests[column.name]
        more = {name: getattr(source, name) for name in ("transform", "hop", "values", "unit", "format", "timezone")}
        paths = ["c"] if column.required else ["c", "c.a", "c.0"]
        source = ColumnSource(from_=data.draw(st.sampled_from(paths)), **more)
    mapping = Mapping(requests={**least().requests, column.name: source})
    found = apply_mapping(batch(c=_column(cells)), mapping)
    assert found.num_rows == 3


def test_every_time_zone_that_is_accepted_can_be_used():
    for zone in ("Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "UTC"):
        assert zone in zoneinfo.available_timezones()
        assert _times(ColumnSource(from_="c", timezone=zone), ["2026-03-02 15:00:00"])[0].endswith("+00:00")
