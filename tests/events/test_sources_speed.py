"""What reading costs, in processor time of one core: `pytest tests/events/test_sources_speed.py -s` prints it."""

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.events.sources import open_source, read_shard
from tests.events.source_rows import START, as_csv, as_jsonl, as_parquet, options, write_lines

pytestmark = pytest.mark.soak
ROWS = 200_000


def traffic(rows: int = ROWS) -> pa.Table:
    """Nineteen columns with a prompt of 300 characters, as a provider's table has them."""
    prompts = [f"{n} " + "some words of a prompt of ordinary length, " * 7 for n in range(1_000)]
    numbers = range(rows)
    start_us = int(START.timestamp()) * 1_000_000
    return pa.table(
        {
            "event_id": [f"ev-{n:012d}" for n in numbers],
            "time": pa.array([start_us + n * 1_000 for n in numbers]).cast(pa.timestamp("us", tz="UTC")),
            "account_id": [f"acct-{n % 1_000}" for n in numbers],
            "api_key_id": [f"key-{n % 3_000}" for n in numbers],
            "organization_id": [None if n % 3 else f"org-{n % 77}" for n in numbers],
            "conversation_id": [f"conv-{n // 4}" for n in numbers],
            "turn": pa.array([n % 4 for n in numbers], pa.int32()),
            "operation": ["chat"] * rows,
            "model": ["m-large"] * rows,
            "prompt": [prompts[n % 1_000] for n in numbers],
            "input_tokens": pa.array([n % 500 for n in numbers], pa.int32()),
            "output_tokens": pa.array([n % 700 for n in numbers], pa.int32()),
            "temperature": pa.array([0.5] * rows, pa.float32()),
            "stream": [True] * rows,
            "status": pa.array([200] * rows, pa.int32()),
            "client_ip": [f"10.0.{n % 256}.{n % 77}" for n in numbers],
            "user_agent": ["python"] * rows,
            "ja4": ["t13d1516h2"] * rows,
            "country": ["US"] * rows,
        }
    )


def seconds(work: Callable[[], int]) -> tuple[float, int]:
    """The better of two runs, in processor seconds; and the rows."""
    best, rows = float("inf"), 0
    for _ in range(2):
        begun = time.process_time()
        rows = work()
        best = min(best, time.process_time() - begun)
    return best, rows


def read(path: Path) -> int:
    chosen = options()
    return sum(b.table.num_rows for s in open_source(path, chosen).shards for b in read_shard(s, chosen))


def told(name: str, taken_s: float, rows: int, path: Path) -> float:
    rate, micros, size = rows / taken_s, taken_s / rows * 1e6, path.stat().st_size / rows
    sys.stdout.write(f"\n{name}: {rate:,.0f} rows a second, {micros:.2f} µs a row of {size:.0f} bytes")
    return rate


def test_parquet_costs_little_more_than_arrow_itself(tmp_path: Path):
    path = tmp_path / "log.parquet"
    path.write_bytes(as_parquet(traffic(), row_group_size=100_000, compression="zstd"))
    alone, rows = seconds(
        lambda: sum(b.num_rows for b in pq.ParquetFile(path).iter_batches(batch_size=65_536, use_threads=False))
    )
    ours, _ = seconds(lambda: read(path))
    told("pyarrow alone", alone, rows, path)
    told("parquet", ours, rows, path)
    assert (ours - alone) / rows < 2e-6


def test_small_json_lines_at_a_hundred_thousand_a_second(tmp_path: Path):
    path = write_lines(
        tmp_path / "small",
        [{"event_id": f"ev-{n}", "time": "2026-04-01T12:00:00.123456Z", "account_id": f"a{n % 100}", "model": "m",
          "prompt": f"a question of some sixty characters, with the number {n} in it", "input_tokens": n % 500,
          "output_tokens": n % 900, "client_ip": "10.0.0.1"} for n in range(ROWS)],
    )  # fmt: skip
    assert told("json lines, small rows", *seconds(lambda: read(path)), path) > 100_000


@pytest.mark.parametrize("form", [as_jsonl, as_csv])
def test_wide_text_rows(tmp_path: Path, form: Callable[[pa.Table], bytes]):
    path = tmp_path / "wide"
    path.write_bytes(form(traffic()))
    assert told(form.__name__.removeprefix("as_"), *seconds(lambda: read(path)), path) > 50_000


def test_request_response_logs_and_telemetry(tmp_path: Path):
    def chat(n: int) -> dict[str, Any]:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {n}"}]
        answer = {"message": {"content": "An answer."}, "finish_reason": "stop"}
        return {"request": {"model": "m", "messages": messages}, "time": "2026-04-01T12:00:00Z", "account_id": "a",
                "response": {"id": f"c{n}", "choices": [answer], "usage": {"prompt_tokens": 5}}}  # fmt: skip

    path = write_lines(tmp_path / "chat", [chat(n) for n in range(50_000)])
    assert told("request/response log", *seconds(lambda: read(path)), path) > 10_000
    vector = Path(__file__).parent.parent / "vectors" / "telemetry" / "semconv-1.37-span.jsonl"
    spans = write_lines(tmp_path / "otlp", [json.loads(vector.read_text())] * 10_000)
    assert told("telemetry, one exchange among four spans", *seconds(lambda: read(spans)), spans) > 3_000
    assert START.tzinfo is dt.UTC
