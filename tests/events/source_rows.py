"""Rows that a reader must bring through unharmed, and the ways to write and read them."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import zstandard

from spiritsafe.events.model import REQUESTS, Rejected, TableSchema
from spiritsafe.events.sources import ReadOptions, Source, open_source, read_shard

START: Final = dt.datetime(2026, 4, 1, 12, 0, tzinfo=dt.UTC)
NOW_US: Final = int(dt.datetime(2026, 6, 1, tzinfo=dt.UTC).timestamp() * 1_000_000)

AWKWARD: Final = (
    "plain",
    'with "quotes", commas; and\ttabs',
    "two\nlines\n\nand a blank one",
    "Größe, 大きさ, размер, 😀",
    "",
    "   spaces around   ",
    "5\" pipe, 6' deep",
    "null",
    "=1+1",
    "\\n is not a line end, \\u0041 is not an A",
    "carriage\r\nreturn",
)


def requests(count: int = 40) -> pa.Table:
    """A contract table with every column, nulls, and text that is hard on separators."""

    def every(third: int, value: Any) -> list[Any]:
        return [None if i % 3 == third else value(i) for i in range(count)]

    columns: dict[str, list[Any]] = {
        "event_id": [f"ev-{i:05d}" for i in range(count)],
        "time": [START + dt.timedelta(seconds=i, microseconds=i) for i in range(count)],
        "account_id": [f"acct-{i % 7}" for i in range(count)],
        "api_key_id": every(0, lambda i: f"key-{i % 5}"),
        "end_user_id": every(1, lambda i: f"user {i}"),
        "channel": ["api"] * count,
        "organization_id": every(2, lambda i: f"org-{i % 3}"),
        "organization_verified": every(0, lambda i: i % 2 == 0),
        "conversation_id": every(1, lambda i: f"conv-{i // 4}"),
        "turn": every(1, lambda i: i % 4),
        "operation": ["chat"] * count,
        "model": [f"m-{'large' if i % 2 else 'small'}" for i in range(count)],
        "prompt": [AWKWARD[i % len(AWKWARD)] for i in range(count)],
        "system_prompt": every(2, lambda i: f"Du bist Nr. {i}.\n\nAntworte kurz."),
        "assistant_prefill": every(0, lambda _: "Sure:"),
        "response": every(1, lambda i: f"answer {i}"),
        "prefix_blocks": every(2, lambda i: [i, -i, 2**63 - 1 - i, -(2**63) + i][: i % 5]),
        "tool_schema_hash": every(0, lambda i: (-1) ** i * (2**62 + i)),
        "image_count": every(1, lambda i: i % 3),
        "input_tokens": [i * 10 for i in range(count)],
        "output_tokens": every(2, lambda i: i * 7),
        "max_tokens": every(0, lambda i: 256 + i),
        "temperature": every(1, lambda i: i / 8),
        "choice_count": [1] * count,
        "logprobs": every(0, lambda i: i % 5 == 0),
        "logit_bias": [False] * count,
        "tools": [i % 2 == 0 for i in range(count)],
        "stream": [True] * count,
        "reasoning": every(1, lambda i: i % 2 == 1),
        "finish_reason": ["stop"] * count,
        "refused": [i % 11 == 0 for i in range(count)],
        "refusal_source": every(0, lambda _: "model"),
        "status": [429 if i % 13 == 0 else 200 for i in range(count)],
        "error_type": every(2, lambda _: "rate_limit"),
        "limit_requests_per_minute": [60] * count,
        "limit_remaining": [60 - i for i in range(count)],
        "client_ip": [f"198.51.100.{i % 250}" for i in range(count)],
        "asn": every(0, lambda i: 64_496 + i),
        "country": ["DE"] * count,
        "user_agent": [f"python-httpx/0.{i % 9}" for i in range(count)],
        "ja4": ["t13d1516h2_8daaf6152771_b186095e22b6"] * count,
        "http2_fingerprint": every(1, lambda _: "1:65536;4:131072|0|m,p,a,s"),
    }
    assert list(columns) == list(REQUESTS.by_name)
    schema = pa.schema([pa.field(c.name, c.type) for c in REQUESTS.columns])
    return pa.table(columns, schema=schema)


def json_value(value: Any) -> Any:
    """A cell as JSON has it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.datetime) else value


def as_jsonl(table: pa.Table) -> bytes:
    """One object a line; nulls left out, as loggers do."""
    rows = [{k: json_value(v) for k, v in row.items() if v is not None} for row in table.to_pylist()]
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def as_csv(table: pa.Table) -> bytes:
    """As Arrow writes CSV; lists as JSON text."""
    flat = {
        name: pa.array([None if v is None else json.dumps(v) for v in column.to_pylist()], pa.string())
        if pa.types.is_list(column.type)
        else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    sink = pa.BufferOutputStream()
    pcsv.write_csv(pa.table(flat), sink)
    return bytes(sink.getvalue())


def as_parquet(table: pa.Table, *, row_group_size: int = 16, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=row_group_size, **options)
    return bytes(sink.getvalue())


WRITERS: Final[dict[str, Callable[[pa.Table], bytes]]] = {"parquet": as_parquet, "jsonl": as_jsonl, "csv": as_csv}
PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


def options(**more: Any) -> ReadOptions:
    return ReadOptions(**{"now_us": NOW_US, **more})


def read_all(paths: str | Path | Sequence[str | Path], **more: Any) -> tuple[pa.Table, list[Rejected], Source]:
    """Everything in the paths: kept rows in order, refused rows, the source."""
    chosen = options(**more)
    source = open_source(paths, chosen)
    tables: list[pa.Table] = []
    rejected: list[Rejected] = []
    for shard in source.shards:
        for batch in read_shard(shard, chosen):
            assert batch.table.num_rows <= 65_536
            rejected += batch.rejected
            tables.append(pa.Table.from_batches([batch.table]).replace_schema_metadata())
    tables = [table for table in tables if table.num_columns]
    table = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    return table, rejected, source


def write_lines(path: Path, lines: Iterable[bytes | dict[str, Any]]) -> Path:
    """A JSON lines file of dicts, and of bytes as they are."""
    path.write_bytes(b"".join((b if isinstance(b, bytes) else json.dumps(b).encode()) + b"\n" for b in lines))
    return path


def row(number: int = 0, **more: Any) -> dict[str, Any]:
    """A small valid request, as JSON."""
    return {"event_id": f"ev-{number}", "time": "2026-04-01T12:00:00Z", "account_id": "acct-1", **more}


def columns_of(schema: TableSchema, table: pa.Table) -> pa.Schema:
    """The contract's schema for the columns that a table has."""
    return pa.schema([pa.field(name, schema.by_name[name].type) for name in table.column_names])
