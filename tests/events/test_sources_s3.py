"""Logs in an object store: the same rows as from disk, through fsspec, from a real S3 server on loopback."""

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from spiritsafe.events.model import ACCOUNTS
from spiritsafe.events.sources import discover, open_source, read_shard
from spiritsafe.events.sources.errors import PathError, StorageError, TruncatedError
from spiritsafe.events.tables import read_table
from tests.events.source_rows import PACKERS, WRITERS, as_csv, as_jsonl, as_parquet, options, read_all, requests

KEYS = {"key": "testing", "secret": "testing"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def store(endpoint: str) -> dict[str, bytes]:
    """A bucket `logs`, and what is in it by key."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="logs")
    held = {f"day/{form}/{packing}": pack(write(requests(60)))
            for form, write in WRITERS.items() for packing, pack in PACKERS.items()}  # fmt: skip
    held |= {
        "cut.parquet": as_parquet(requests(60))[:-200],
        "many.jsonl": as_jsonl(requests(300)),
        "folder/b.csv": as_csv(requests(20).slice(10, 10)),
        "folder/a.parquet": as_parquet(requests(20).slice(0, 10)),
        "folder/_SUCCESS": b"",
        "accounts.csv": b"account_id,created_at\na,2026-01-01T00:00:00Z\n",
    }
    for key, data in held.items():
        client.put_object(Bucket="logs", Key=key, Body=data)
    return held


@pytest.fixture
def s3(endpoint: str, store: dict[str, bytes]) -> dict[str, Any]:
    return {"storage_options": {"endpoint_url": endpoint, **KEYS}}


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_reads_the_same_from_a_store(s3: dict[str, Any], form: str, packing: str):
    table, rejected, source = read_all(f"s3://logs/day/{form}/{packing}", **s3)
    assert rejected == []
    assert source.format == form
    assert table.equals(requests(60))


def test_folders_and_globs_in_a_store(s3: dict[str, Any], store: dict[str, bytes]):
    table, _, source = read_all("s3://logs/folder/", **s3)
    assert table.equals(requests(20))
    digests = [hashlib.sha256(store[f"folder/{name}"]).hexdigest() for name in ("a.parquet", "b.csv")]
    assert source.inputs() == [
        ("s3://logs/folder/a.parquet", digests[0], len(store["folder/a.parquet"])),
        ("s3://logs/folder/b.csv", digests[1], len(store["folder/b.csv"])),
    ]
    assert read_all("s3://logs/folder/*.csv", **s3)[0].equals(requests(20).slice(10, 10))


def test_plain_line_files_in_a_store_are_dealt_out_too(s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(discover, "SHARD_BYTES", 20_000)
    table, _, source = read_all("s3://logs/many.jsonl", **s3)
    assert len(source.shards) > 3
    assert table.equals(requests(300))


def test_a_query_over_a_store(s3: dict[str, Any]):
    query = "SELECT event_id, time, account_id FROM logs WHERE status = 429 ORDER BY 1"
    for key in ("day/parquet/plain", "day/csv/gzip"):
        table, rejected, _ = read_all(f"s3://logs/{key}", sql=query, **s3)
        assert rejected == []
        assert table["event_id"].to_pylist() == [f"ev-{n:05d}" for n in range(0, 60, 13)]


def test_accounts_from_a_store(s3: dict[str, Any]):
    table, rejected = read_table("s3://logs/accounts.csv", ACCOUNTS, options(**s3))
    assert (table["account_id"].to_pylist(), rejected) == (["a"], [])


def test_what_is_not_there_or_not_whole_or_not_allowed(s3: dict[str, Any]):
    with pytest.raises(PathError, match="nothing to read at s3://logs/none"):
        open_source("s3://logs/none", options(**s3))
    with pytest.raises((PathError, StorageError), match="s3://nobucket/none"):
        open_source("s3://nobucket/none", options(**s3))
    with pytest.raises(TruncatedError, match="was cut off at"):
        open_source("s3://logs/cut.parquet", options(**s3))
    with pytest.raises(StorageError, match="unknown_option"):
        open_source(
            "s3://logs/many.jsonl", options(storage_options={"unknown_option": "1", **KEYS, "endpoint_url": "x"})
        )


def test_a_store_that_does_not_answer_is_an_environment_fault(s3: dict[str, Any]):
    dead = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}, **KEYS}
    with pytest.raises(StorageError, match=r"s3://logs/many\.jsonl") as caught:
        open_source("s3://logs/many.jsonl", options(storage_options=dead))
    assert caught.value.exit_code == 5
    assert "endpoint" in caught.value.hint


def test_an_object_that_goes_away_between_looking_and_reading(s3: dict[str, Any], endpoint: str):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.put_object(Bucket="logs", Key="brief.jsonl", Body=as_jsonl(requests(3)))
    source = open_source("s3://logs/brief.jsonl", options(**s3))
    client.delete_object(Bucket="logs", Key="brief.jsonl")
    with pytest.raises((PathError, StorageError), match=r"s3://logs/brief\.jsonl"):
        list(read_shard(source.shards[0], source.options))
