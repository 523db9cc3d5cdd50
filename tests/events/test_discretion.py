"""Where output may hold no text, what is said of a broken row or file holds none either."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.errors import InputError
from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.sources.errors import ColumnTypeError, MissingColumnsError, NoHeaderError, QueryError
from tests.events.source_rows import read_all, row, write_lines

JANE = "My patient Jane Doe has"


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "mapped", "otlp", "chat"])
def test_where_text_must_not_be_no_reason_quotes_it(tmp_path: Path, form: str):
    """A time that is a prompt: columns that were swapped, say."""
    log, more = tmp_path / "log", {}
    if form == "csv":
        log.write_text(f'event_id,time,account_id\ne,{JANE},a\nf,{JANE},a,{JANE}\ng,"{JANE}"x,a\n')
    elif form == "parquet":
        pq.write_table(pa.table({"event_id": ["e"], "time": [JANE], "account_id": ["a"]}), log)
    elif form == "mapped":
        text = "".join(f'[requests.{name}]\nfrom = "{name}"\n' for name in ("event_id", "account_id", "output_tokens"))
        more["mapping"] = parse_mapping(text + '[requests.time]\nfrom = "time"\nformat = "%d.%m.%Y"\n')
        write_lines(log, [row(time=JANE), row(output_tokens=JANE), f'{{"{JANE}": {JANE}}}'.encode()])
    elif form == "otlp":
        span = {"name": JANE, "startTimeUnixNano": JANE, "attributes": [
            {"key": "gen_ai.request.model", "value": {"intValue": JANE}}, {"key": JANE, "value": {"intValue": "7"}},
        ]}  # fmt: skip
        write_lines(log, [{"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}, {"resourceSpans": [JANE]}])
    elif form == "chat":
        asked = {"model": "m", "messages": [{"role": "user", "content": JANE}]}
        write_lines(log, [{"request": asked, "response": {JANE: 1}, "timestamp": JANE, "customer_id": "a"}])
    else:
        write_lines(
            log,
            [row(time=JANE), row(turn=JANE), f'{{"{JANE}": {JANE}}}'.encode(), row(0, **{JANE: "\0"}), JANE.encode()],
        )
    _, rejected, _ = read_all(log, keep_raw=False, **more)
    assert rejected
    assert [r.reason for r in rejected if "Jane" in r.reason] == []


def told(path: Path, kind: type[InputError], match: str, **more: Any) -> None:
    with pytest.raises(kind, match=match) as caught:
        read_all(path, keep_raw=False, **more)
    assert "Jane" not in f"{caught.value} {caught.value.hint}"


def test_the_first_row_of_a_table_without_a_header_is_not_told(tmp_path: Path):
    (tmp_path / "log").write_text(f"e1,2026-03-01T00:00:00Z,{JANE}\ne2,2026-03-01T00:00:00Z,{JANE}\n")
    told(tmp_path / "log", NoHeaderError, "the first line looks like a row, not a header")
    (tmp_path / "ids").write_text(f"e1,acct-9,{JANE}\ne2,acct-9,{JANE}\n")
    told(tmp_path / "ids", MissingColumnsError, "it has 3 others")
    with pytest.raises(MissingColumnsError, match="it has: 23 characters, 5 words, acct-9, e1"):
        read_all(tmp_path / "ids")
    (tmp_path / "twice").write_text(f"{JANE},{JANE}\n1,2\n")
    told(tmp_path / "twice", ColumnTypeError, "several columns of one name")
    query = "SELECT event_id::INT AS event_id, now() AS time, 'a' AS account_id FROM logs"
    (tmp_path / "own.csv").write_text(f"event_id,x\n{JANE},1\n")
    told(tmp_path / "own.csv", QueryError, "cannot be run", sql=query)
