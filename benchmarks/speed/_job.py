"""What one measured process does: a scan, a sketch, one DuckDB pass, or a near-duplicate pass. Prints JSON.

Run by `benchmarks.speed.scan` in a process of its own, so that time and memory are those of the job alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

STAGES: Final[dict[tuple[str, float], str]] = {
    ("signals", 0): "ids and counts",
    ("links", 0): "signals",
    ("links", 1): "phrases",
    ("links", 2): "things",
    ("judge", 0): "group",
    ("write", 0): "judge",
    ("write", 1): "write",
}
"""What ends when `find_campaigns` tells of this."""

SHINGLE_WORDS: Final = 3
PERMUTATIONS: Final = 128
BANDS: Final = 16
ALIKE: Final = 0.8


def main(arguments: list[str]) -> None:
    job, requests, out, *neighbours = arguments
    begun = _clock()
    marks: list[tuple[str, float, float]] = []

    def tell(stage: str, done: float, total: float) -> None:
        if stage == "read and sketch":
            if done >= total:
                marks.append(("read and sketch", *_since(begun)))
        elif (stage, done) in STAGES:
            marks.append((STAGES[stage, done], *_since(begun)))

    if job == "scan":
        said = _scan(requests, out, neighbours, tell)
    elif job == "sketch":
        said = _sketch(requests, out, tell)
    else:
        said = {"floor": _floor, "alike": _alike}[job](requests)
    print(json.dumps({**said, "stages": _spans(marks)}))


def _clock() -> tuple[float, float]:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _since(begun: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _clock()
    return wall - begun[0], cpu - begun[1]


def _spans(marks: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """(stage, wall seconds, processor seconds) from the moments at which stages ended."""
    spans, before = [], (0.0, 0.0)
    for stage, wall, cpu in marks:
        spans.append((stage, wall - before[0], cpu - before[1]))
        before = (wall, cpu)
    return spans


def _scan(requests: str, out: str, neighbours: list[str], tell: Any) -> dict[str, Any]:
    from spiritsafe.pipeline import find_campaigns

    tables = {name[2:].replace("-", "_"): path for name, path in zip(neighbours[::2], neighbours[1::2], strict=True)}
    found = find_campaigns(requests, out=out, progress=tell, **tables)  # type: ignore[arg-type]
    return {"rows": found.run.coverage.rows_kept, "groups": len(found.groups), "campaigns": len(found.campaigns)}


def _sketch(requests: str, out: str, tell: Any) -> dict[str, Any]:
    """Without pseudonyms, so that the scan of the sketches does what the scan of the requests does."""
    from spiritsafe.pipeline import write_sketch_file
    from spiritsafe.settings import load_settings

    said = write_sketch_file(requests, out=out, settings=load_settings({"pseudonymise": False}), progress=tell)
    return {"rows": said["rows_kept"]}


def _floor(requests: str) -> dict[str, Any]:
    """One pass of DuckDB that reads every byte a scan reads: by account, the largest of each column."""
    import duckdb

    from benchmarks.speed._measure import WORKERS
    from spiritsafe.events.model import REQUESTS

    with duckdb.connect() as database:
        database.execute(f"set threads={WORKERS}; set memory_limit='3GB'")
        described = database.execute(f"describe select * from '{requests}'").fetchall()
        columns = [_read_whole(name, kind) for name, kind, *_ in described]
        assert any(name in REQUESTS.by_name for name, *_ in described)
        query = f"select account_id, count(*) as requests, {', '.join(columns)} from '{requests}' group by account_id"
        # Into a table: of a subquery, DuckDB would leave out the columns that nobody asks for.
        database.execute(f"create table passed as {query}")
        rows = database.execute("select sum(requests), count(*) from passed").fetchone()
        assert rows is not None
    return {"rows": int(rows[0]), "accounts": int(rows[1])}


def _read_whole(name: str, kind: str) -> str:
    if kind.endswith("[]"):
        return f"max(list_max({name}))"
    return f"sum(length({name}))" if kind == "VARCHAR" and name != "account_id" else f"max({name})"


def _alike(requests: str) -> dict[str, Any]:
    """Which prompts have a near-duplicate: rensa's MinHash LSH at its quickest, a batch at a time."""
    import pyarrow.parquet as pq
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(ALIKE, PERMUTATIONS, BANDS)
    rows = flagged = 0
    for batch in pq.ParquetFile(requests).iter_batches(65_536, columns=["prompt"]):
        texts = [text or "" for text in batch["prompt"].to_pylist()]
        matrix = RMinHash.digest_matrix_from_token_sets([_shingles(text) for text in texts], PERMUTATIONS, 1)
        flagged += sum(index.insert_matrix_and_query_duplicate_flags(matrix, rows))
        rows += len(texts)
    return {"rows": rows, "flagged": flagged}


def _shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))]


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1:])
