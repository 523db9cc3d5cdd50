"""What does each kind of evidence add? One world is scanned again and again, each time without some of its columns.

A log without a column is what many providers have; and leaving out all columns of one kind of evidence says what that
kind adds (ablation). The world is `floor-test` on a seed that nothing was tuned on.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._page import frame, table
from benchmarks.detection.scan import compose, shared
from spiritsafe.campaigns import conduct
from spiritsafe.pipeline import find_campaigns, write_sketch_file
from spiritsafe.settings import load_settings
from spiritsafe.stats import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).with_suffix(".md")
SEED: Final = 931

INFRASTRUCTURE: Final = ("client_ip", "ja4", "http2_fingerprint", "user_agent", "asn")
IDENTITY: Final = ("payment_fingerprint", "email_pattern", "email_domain", "phone_prefix")
VARIANTS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # name: columns left out, tables left out
    "everything": ((), ()),
    "no addresses": (("client_ip", "asn"), ()),
    "no infrastructure at all": (INFRASTRUCTURE, ()),
    "no means of payment": (("payment_fingerprint",), ()),
    "no identity but the organisation": (IDENTITY, ()),
    "no organisations": (("organization_id",), ()),
    "no conversations": (("conversation_id", "turn"), ()),
    "no sign-ups and no account events": (("created_at",), ("account_events",)),
    "no account events": ((), ("account_events",)),
    "no system prompts": (("system_prompt",), ()),
    "no prompts": (("prompt", "system_prompt"), ()),
    "no attestations": ((), ("attestations",)),
    "requests only": ((), ("accounts", "account_events", "attestations")),
}
TESTS: Final[dict[str, tuple[str, ...]]] = {
    # name: tests of conduct left out
    "no test of rhythm": ("meetings",),
    "no test of turns": ("turns",),
    "no test of hand-over": ("hand_overs",),
    "no test of one source": ("source_of",),
    "no test of samples and lists": ("dealing",),
    "no test of comings and goings": ("succession", "burst"),
    "no test of moves to a new model": ("move",),
}


def without(world: Path, out: Path, columns: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """The world without these columns and tables. A required column is made null and not dropped."""
    out.mkdir()
    for name in ("requests", "accounts", "account_events", "attestations"):
        if name in tables:
            continue
        rows = pq.read_table(world / f"{name}.parquet")
        for column in columns:
            if column in rows.column_names:
                place, kind = rows.column_names.index(column), rows.schema.field(column).type
                rows = (
                    rows.set_column(place, column, pa.nulls(rows.num_rows, kind))
                    if column == "created_at"
                    else rows.drop_columns([column])
                )
        pq.write_table(rows, out / f"{name}.parquet")


def accused(world: Path, out: Path, tables: tuple[str, ...]) -> set[str]:
    """The accounts of campaigns, from a scan with the defaults."""

    def beside(name: str) -> Path | None:
        return None if name in tables else world / f"{name}.parquet"

    found = find_campaigns(
        world / "requests.parquet",
        out=out,
        accounts=beside("accounts"),
        account_events=beside("account_events"),
        attestations=beside("attestations"),
    )
    return {member.account_id for group in found.campaigns for member in group.members}


@contextmanager
def left_out(tests: tuple[str, ...]) -> Iterator[None]:
    """Scans in which these tests of conduct say nothing."""
    before = {name: getattr(conduct, name) for name in tests}
    for name in tests:
        setattr(conduct, name, lambda *_args, **_named: None)
    try:
        yield
    finally:
        for name, test in before.items():
            setattr(conduct, name, test)


def as_sketches(world: Path, out: Path) -> None:
    """The world with its log as `spiritsafe sketch` writes it: no text, and account names as they are."""
    out.mkdir()
    write_sketch_file(
        world / "requests.parquet", out=out / "requests.parquet", settings=load_settings({"pseudonymise": False})
    )
    for name in ("accounts", "account_events", "attestations"):
        shutil.copy(world / f"{name}.parquet", out / f"{name}.parquet")


def main() -> None:
    """Write the page."""
    argparse.ArgumentParser(prog="python -m benchmarks.detection.missing", description=__doc__).parse_args()
    work = Path(tempfile.mkdtemp(prefix="missing-"))
    try:
        compose("floor-test", SEED, work / "world", scale=1.0)
        truth = pq.read_table(work / "world" / "truth" / "accounts.parquet").to_pylist()
        kind = {r["account_id"]: f"stealth {r['stealth']}" if r["campaign_id"] else "innocents" for r in truth}
        totals = Counter(kind.values())
        rows = []
        for name, (columns, tables) in VARIANTS.items():
            print(name, file=sys.stderr, flush=True)
            without(work / "world", work / "less", columns, tables)
            counts = Counter(kind[account] for account in accused(work / "less", work / "found", tables))
            shutil.rmtree(work / "less")
            rows.append((name, *(_cell(counts[key], totals[key]) for key in _KEYS)))
        print("sketches only", file=sys.stderr, flush=True)
        as_sketches(work / "world", work / "sketches")
        counts = Counter(kind[account] for account in accused(work / "sketches", work / "found", ()))
        rows.append(("sketches only", *(_cell(counts[key], totals[key]) for key in _KEYS)))
        for name, tests in TESTS.items():
            print(name, file=sys.stderr, flush=True)
            with left_out(tests):
                counts = Counter(kind[account] for account in accused(work / "world", work / "found", ()))
            rows.append((name, *(_cell(counts[key], totals[key]) for key in _KEYS)))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    PAGE.write_text(
        PAGE_TEXT.format(
            frame=frame("benchmarks.detection.missing"),
            data="the shared public data" if shared("prompts") else "the bundled sample",
            seed=SEED,
            accounts=f"{len(truth):,}",
            rows=table(("the log has", *_KEYS), rows),
        ),
        encoding="utf-8",
    )


_KEYS: Final = ("stealth 0", "stealth 1", "stealth 2", "stealth 3", "stealth 4", "innocents")


def _cell(count: int, total: int) -> str:
    interval = wilson(count, total)
    return f"{count / total:.1%} ({interval.low:.1%} to {interval.high:.1%})"


PAGE_TEXT: Final = """# Without a column

What does each kind of evidence add, and what does a log without a column cost?

{frame}
One world of {accounts} accounts (preset `floor-test`, seed {seed}; prompts, timing and addresses from {data}), scanned
with the defaults. Shares of accounts accused, with Wilson intervals over accounts; accounts of one campaign are not
independent, so the intervals of campaigns are wider than these.

{rows}
Without prompts extraction is not observable, and without `organization_id` concealment is not: nobody is accused.
*Requests only* has the organisation, as requests carry it, and neither sign-ups nor means of payment. *Sketches only*
is the log as `spiritsafe sketch` writes it, without any text. The last rows leave a test of conduct out, with all
columns there: what each kind of evidence adds beyond the others.
"""


if __name__ == "__main__":
    main()
