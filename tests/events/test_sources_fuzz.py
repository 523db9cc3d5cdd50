"""Whatever bytes a file holds, a reader answers with rows, refused rows or one of our errors, and loses nothing."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from spiritsafe.errors import SpiritsafeError
from spiritsafe.events.sources import delimited
from spiritsafe.events.sources.lines import lines_of
from spiritsafe.events.sources.messages import answer_of, asked
from tests.events.source_rows import PACKERS, WRITERS, as_csv, as_jsonl, as_parquet, options, read_all, requests, row

# tmp_path is one folder for all examples of a test: each writes its file anew.
each = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
REQUEST = json.dumps(row()).encode()


def read_or_refuse(path: Path, data: bytes, **more: Any) -> tuple[pa.Table, int] | None:
    """(rows kept, rows refused), or None where the file was refused with one of our errors."""
    path.write_bytes(data)
    try:
        table, rejected, _ = read_all(path, **more)
    except SpiritsafeError as error:
        ours = error.code.startswith(("events.", "files.")) and bool(error.hint)
        return None if ours else pytest.fail(f"{error.code}: {error}")
    table.validate(full=True)
    assert all(r.code.startswith("events.") and r.reason and r.position >= 0 for r in rejected)
    return table, len(rejected)


# --- arbitrary bytes --------------------------------------------------------------------------------------


@each
@given(data=st.binary(max_size=300), packing=st.sampled_from(sorted(PACKERS)))
@example(data=b"\x0a\x00", packing="plain")
@example(data=b"\x00\x00\x00\x05\x0a\x03abc", packing="plain")
@example(data=b"[1, 2, {}]", packing="zstd")
@example(data=b"{\n}", packing="plain")
def test_arbitrary_bytes_are_refused_in_our_words(tmp_path: Path, data: bytes, packing: str):
    read_or_refuse(tmp_path / "f", PACKERS[packing](data))


@each
@given(
    form=st.sampled_from(sorted(WRITERS)), packing=st.sampled_from(sorted(PACKERS)), seed=st.integers(0, 2**32),
    flips=st.integers(1, 8), cut=st.floats(0.2, 1),
)  # fmt: skip
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, form: str, packing: str, seed: int, flips: int, cut: float):
    data = bytearray(PACKERS[packing](WRITERS[form](requests(30))))
    data = data[: int(len(data) * cut)]
    rng = random.Random(seed)
    for _ in range(flips):
        data[rng.randrange(len(data))] = rng.randrange(256)
    read_or_refuse(tmp_path / "f", bytes(data))


# --- JSON lines -------------------------------------------------------------------------------------------

junk = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\n", b"")),
    st.sampled_from([b"{", b"[]", b"null", b"1e999", b'{"event_id": 1}', b"[" * 5_000, REQUEST[:-3], b"\xff", b"\0"]),
    st.dictionaries(
        st.sampled_from(["event_id", "time", "account_id", "prompt", "prefix_blocks", "request", "messages", "x"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
    ).map(lambda record: json.dumps(record).encode()),
)


@each
@given(lines=st.lists(junk, max_size=12), mapped=st.booleans())
def test_no_line_is_lost_whatever_stands_in_it(tmp_path: Path, lines: list[bytes], mapped: bool):
    from spiritsafe.events.mapping import parse_mapping

    sections = "".join(f'[requests.{n}]\nfrom = "{n}"\n' for n in ("event_id", "time", "account_id", "prompt"))
    more = {"mapping": parse_mapping(sections)} if mapped else {}
    data = b"\n".join([REQUEST, *lines, REQUEST])
    result = read_or_refuse(tmp_path / "f", data, format="jsonl", **more)
    filled = [line for line in data.split(b"\n") if line.strip(b" \t\r\n\x0b\x0c")]
    assert result is not None
    assert result[0].num_rows + result[1] == len(filled)


@given(pieces=st.lists(st.binary(max_size=30)), limit=st.integers(1, 40))
def test_lines_are_those_of_the_whole_wherever_blocks_end(pieces: list[bytes], limit: int):
    data = b"".join(pieces)
    found = list(lines_of(pieces, max_line_bytes=limit))
    whole = data.removeprefix(b"\xef\xbb\xbf") if pieces and pieces[0].startswith(b"\xef\xbb\xbf") else data
    lines = list(enumerate(whole.split(b"\n")))
    short = [(n, line) for n, line in lines if len(line) <= limit]
    got = [(n, text) for chunk in found for n, text in zip(chunk.numbers, chunk.texts, strict=True)]
    assert [pair for pair in got if pair[1].strip(b" \t\r\n\x0b\x0c")] == [
        p for p in short if p[1].strip(b" \t\r\n\x0b\x0c")
    ]
    assert [n for chunk in found for n, _ in chunk.too_long] == [n for n, line in lines if len(line) > limit]


# --- CSV --------------------------------------------------------------------------------------------------

values = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12) | st.sampled_from(
    ['"', '""', ",", "\n", "a\n\nb", 'say "hi"', ";", "\t"]
)


@each
@given(prompts=st.lists(values, min_size=1, max_size=20), delimiter=st.sampled_from(",;\t|"), quote_all=st.booleans())
def test_what_pythons_csv_writes_is_read_back(tmp_path: Path, prompts: list[str], delimiter: str, quote_all: bool):
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    )
    writer.writerow(["event_id", "time", "account_id", "prompt", "note"])
    writer.writerows([f"e{n}", "2026-04-01T12:00:00Z", "a", prompt, "end"] for n, prompt in enumerate(prompts))
    (tmp_path / "f").write_bytes(text.getvalue().encode())
    table, rejected, _ = read_all(tmp_path / "f")
    assert rejected == []
    assert [prompt or "" for prompt in table["prompt"].to_pylist()] == prompts


broken_csv = st.lists(
    st.sampled_from(
        [
            b"e,2026-04-01T12:00:00Z,a,p",
            b'e,2026-04-01T12:00:00Z,a,"two\nlines"',
            b'"',
            b'""',
            b'x"y,1',
            b'"x"y,1,2,3',
            b"a,b",
            b",,,",
            b"",
            b"\r",
            b'e,"2026-04-01T12:00:00Z",a,"open',
            b'5" x,2026-04-01T12:00:00Z,a,6"',
            b"\xff,1,2,3",
        ]
    ),
    max_size=15,
)


@each
@given(lines=broken_csv, block_bytes=st.integers(5, 200))
def test_csv_by_arrow_and_line_by_line_are_one(tmp_path: Path, lines: list[bytes], block_bytes: int):
    data = b"event_id,time,account_id,prompt\n" + b"\n".join(lines)
    (tmp_path / "f").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK_BYTES", block_bytes)
        fast = _csv_outcome(tmp_path / "f")
        patch.setattr(delimited._Reader, "_fast", lambda *_: None)
        slow = _csv_outcome(tmp_path / "f")
    assert fast == slow


def _csv_outcome(path: Path) -> Any:
    from spiritsafe.events.model import Shard

    rows, refused = [], []
    for raw in delimited.raw_delimited(Shard(str(path), "csv"), options()):
        refused += [(r.position, r.code, r.raw) for r in raw.refused]
        columns = [column.cast(pa.binary()).to_pylist() for column in raw.batch.columns]
        rows += list(zip(raw.numbers.tolist(), *columns, strict=True))
        assert len(raw.records) == len(raw.numbers)
    return rows, sorted(refused)


@each
@given(lines=st.lists(st.binary(max_size=40), max_size=15))
def test_no_csv_line_is_lost(tmp_path: Path, lines: list[bytes]):
    (tmp_path / "f").write_bytes(b"event_id,time,account_id,prompt\n" + b"\n".join(lines))
    rows, refused = _csv_outcome(tmp_path / "f")
    numbered = b"\n".join(lines).split(b"\n")
    begun = {row[0] for row in rows} | {position for position, _, _ in refused}
    assert len(begun) == len(rows) + len(refused)
    # Each filled line begins a record, is refused, or lies within the record that began before it.
    for number, line in enumerate(numbered, start=1):
        before = [n for n in begun if n <= number]
        assert not line.strip(b" \r\x0b\x0c") or before


# --- dialects ---------------------------------------------------------------------------------------------

loose = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["user", "assistant", "system", "tool", "text", "image_url", "refusal", "stop", "message"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "parts",
                    "messages",
                    "choices",
                    "message",
                    "output",
                    "tools",
                    "model",
                    "usage",
                    "prompt_tokens",
                    "error",
                    "body",
                    "headers",
                    "metadata",
                    "user_id",
                    "input",
                    "key",
                    "value",
                    "stringValue",
                    "intValue",
                    "arrayValue",
                    "values",
                    "kvlistValue",
                    "attributes",
                    "name",
                    "events",
                    "status",
                    "code",
                    "refusal",
                    "thinking",
                    "reasoning",
                    "finish_reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(messages=loose, system=loose)
def test_a_request_of_any_shape_says_something_or_nothing(messages: Any, system: Any):
    heard = asked(messages, system=system)
    assert heard.prompt is None or isinstance(heard.prompt, str)
    assert heard.system_prompt is None or isinstance(heard.system_prompt, str)
    text, reason, refused = answer_of(messages)
    assert text is None or isinstance(text, str)
    assert reason is None or isinstance(reason, str)
    assert refused in (True, False)


@each
@given(record=st.dictionaries(st.sampled_from(["request", "response", "time", "account_id", "status", "error"]), loose))
def test_a_chat_log_line_of_any_shape_is_one_row_or_one_refusal(tmp_path: Path, record: dict[str, Any]):
    good = {
        "request": {"model": "m", "messages": []},
        "response": None,
        "time": "2026-04-01T12:00:00Z",
        "account_id": "a",
    }
    data = b"\n".join(json.dumps(r).encode() for r in (good, record, good))
    result = read_or_refuse(tmp_path / "f", data, format="chat")
    assert result is not None
    assert result[0].num_rows + result[1] == 3


@each
@given(
    record=st.fixed_dictionaries(
        {"call_type": loose, "startTime": loose, "model_parameters": loose, "metadata": loose, "messages": loose,
         "response": loose, "id": loose, "error_information": loose, "status": st.sampled_from(["success", "failure"])}
    )
)  # fmt: skip
def test_a_litellm_line_of_any_shape_is_one_row_or_one_refusal(tmp_path: Path, record: dict[str, Any]):
    good = {"id": "x", "call_type": "completion", "startTime": 1775044800.0, "model_parameters": {},
            "metadata": {"user_api_key_user_id": "a"}}  # fmt: skip
    data = b"\n".join(json.dumps(r).encode() for r in (good, record, good))
    result = read_or_refuse(tmp_path / "f", data)
    assert result is not None
    assert result[0].num_rows + result[1] == 3


@each
@given(attributes=loose, events=loose, extra=loose)
def test_a_span_of_any_shape_costs_itself_only(tmp_path: Path, attributes: Any, events: Any, extra: Any):
    def span(number: int, held: Any, **more: Any) -> dict[str, Any]:
        return {"traceId": "0" * 31 + str(number), "spanId": "0" * 15 + str(number),
                "startTimeUnixNano": "1775044800000000000", "attributes": held, **more}  # fmt: skip

    good = [{"key": k, "value": {"stringValue": v}} for k, v in
            {"gen_ai.operation.name": "chat", "account_id": "a", "gen_ai.request.model": "m"}.items()]  # fmt: skip
    odd = [
        *good,
        {"key": "gen_ai.input.messages", "value": attributes},
        *(attributes if isinstance(attributes, list) else []),
    ]
    spans = [span(1, good), span(2, odd, events=events, status=extra), span(3, good)]
    request = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
    result = read_or_refuse(tmp_path / "f", json.dumps(request).encode() + b"\n")
    assert result is not None
    assert result[0].num_rows + result[1] in (2, 3)  # an attribute may say that it is no exchange
    assert set(result[0]["account_id"].to_pylist()) >= {"a"}


@each
@given(
    messages=st.lists(st.binary(max_size=60), min_size=1, max_size=4), framing=st.sampled_from(["four_bytes", "single"])
)
def test_protobuf_of_any_bytes_is_refused_in_our_words(tmp_path: Path, messages: list[bytes], framing: str):
    framed = b"".join(len(m).to_bytes(4, "big") + m for m in messages) if framing == "four_bytes" else messages[0]
    read_or_refuse(tmp_path / "f", framed)
    read_or_refuse(tmp_path / "f", b"\x0a" + framed)


def test_the_writers_of_this_test_are_read_whole(tmp_path: Path):
    for write in (as_csv, as_jsonl, as_parquet):
        assert read_or_refuse(tmp_path / "f", write(requests(30))) is not None
