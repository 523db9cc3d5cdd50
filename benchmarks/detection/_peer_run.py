"""What runs in a peer's own environment, with nothing of ours at hand: `python _peer_run.py PEER INPUT OUTPUT`.

Each writes a CSV of account, account, weight.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

PERMUTATIONS = 128
ALIKE = 0.5
POPULAR = 200


def coordinationz(source: str, out: str) -> None:
    """Users and the things they share, cosine with inverse frequencies against the degree-preserving null model."""
    from coordinationz import nullmodel  # type: ignore[import-not-found, unused-ignore]

    with Path(source).open(newline="") as file:
        uses = list(csv.reader(file))[1:]
    holders: dict[str, set[str]] = defaultdict(set)
    for user, thing in uses:
        holders[thing].add(user)
    edges = [(user, thing) for user, thing in uses if 2 <= len(holders[thing]) <= POPULAR]
    found = nullmodel.bipartiteNullModelSimilarity(
        edges,
        scoreType=["pvalue"],
        realizations=200,
        minSimilarity=0.05,
        idf="smoothlog",
        showProgress=False,
        workers=2,
    )
    labels, pairs = found["labels"], found["indexedEdges"]
    strong = [
        (labels[a], labels[b], weight)
        for (a, b), weight, chance in zip(pairs, found["similarities"], found["pvalues"], strict=True)
        if chance < 0.05
    ]
    _write(out, strong)


def near_duplicates(source: str, out: str) -> None:
    """Accounts whose prompts are near-duplicates: the weight is the number of clusters of prompts they share."""
    import pyarrow.parquet as pq
    from rensa import RMinHash, RMinHashLSH

    table = pq.read_table(source, columns=["account_id", "prompt"])
    accounts, texts = table["account_id"].to_pylist(), [text or "" for text in table["prompt"].to_pylist()]
    hashes = RMinHash.from_token_sets([_shingles(text) for text in texts], PERMUTATIONS, 1)
    index = RMinHashLSH(ALIKE, PERMUTATIONS, 32)
    index.insert_many(hashes)
    root = list(range(len(texts)))

    def top(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for row, one in enumerate(hashes):
        for other in index.query(one):
            if other < row and top(other) != top(row) and one.jaccard(hashes[other]) >= ALIKE:
                root[top(row)] = top(other)
    clusters: dict[int, set[str]] = defaultdict(set)
    for row, account in enumerate(accounts):
        clusters[top(row)].add(account)
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for members in clusters.values():
        if 2 <= len(members) <= POPULAR:
            for pair in combinations(sorted(members), 2):
                shared[pair] += 1
    _write(out, [(a, b, count) for (a, b), count in shared.items()])


def _shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]


def splink(source: str, out: str) -> None:
    """Probabilistic linkage of accounts by what they signed up with and are seen with, term frequencies on."""
    import duckdb
    import splink.comparison_library as cl  # type: ignore[import-not-found, unused-ignore]
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # type: ignore[import-not-found, unused-ignore]

    compared = ("organization_id", "payment_fingerprint", "email_domain", "email_pattern", "phone_prefix", "plan",
                "created_day", "address", "ja4", "agent", "asn", "model")  # fmt: skip
    rules = [("payment_fingerprint",), ("address",), ("organization_id",), ("email_domain", "created_day"),
             ("ja4", "asn"), ("email_pattern", "phone_prefix"), ("agent", "asn")]  # fmt: skip
    comparisons = [cl.ExactMatch(name).configure(term_frequency_adjustments=True) for name in compared]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
    )
    database = DuckDBAPI(duckdb.connect())
    people = database.register(duckdb.read_parquet(source).to_arrow_table(), table_name="people")
    linker: Any = Linker(people, settings, log_level=40)
    linker.training.estimate_probability_two_random_records_match([block_on("payment_fingerprint")], recall=0.5)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6)
    for rule in (("payment_fingerprint",), ("address",), ("ja4", "asn")):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*rule), record_sample_proportion=1.0
        )
    found = linker.inference.predict(threshold_match_weight=0)
    _write(out, [(r["unique_id_l"], r["unique_id_r"], r["match_weight"]) for r in found.as_record_list()])


def _write(out: str, rows: list[tuple[Any, Any, Any]]) -> None:
    with Path(out).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    {"coordinationz": coordinationz, "near_duplicates": near_duplicates, "splink": splink}[sys.argv[1]](*sys.argv[2:])
