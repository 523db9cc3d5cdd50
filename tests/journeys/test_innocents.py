"""What a scan does not know, it does not hold against anybody: tables beside the log that are thin, doubled or old."""

import json
from datetime import datetime
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from spiritsafe.cli.scan_text import scan_lines
from spiritsafe.events.model import ATTESTATIONS
from spiritsafe.pipeline import find_campaigns
from spiritsafe.settings import load_settings
from tests.journeys.small_log import RING, accounts, write


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """Scans the small log with the tables given as rows; gives the result and the lines on the terminal."""
    folder = tmp_path_factory.mktemp("innocents")
    log, _ = write(folder)
    settings = load_settings({"home": folder / "home"})

    def call(out, **tables):
        paths = {}
        for name, rows in tables.items():
            paths[name] = folder / f"{out}-{name}.jsonl"
            paths[name].write_text("".join(json.dumps(row, default=datetime.isoformat) + "\n" for row in rows))
        found = find_campaigns(log, out=folder / out, settings=settings, **paths)
        return found, [click.unstyle(line) for line in scan_lines(found)]

    return call


def ring_of(found):
    return next(group for group in found.groups if {member.account_id for member in group.members} == set(RING))


def test_an_accounts_table_that_says_nothing_of_the_members_accuses_none_of_them(scan):
    stranger = next(row for row in accounts() if row["account_id"] not in RING)
    for name, rows in (("one", [stranger]), ("others", [row for row in accounts() if row["account_id"] not in RING])):
        found, _ = scan(name, accounts=rows)
        assert ring_of(found).verdict == "coordinated_unknown"
        assert ring_of(found).failed_axis == "concealment"
        assert "known of 0 of 20 accounts" in ring_of(found).axes[2].reason


def test_rows_that_an_accounts_table_has_twice_change_nothing_and_are_set_aside(scan):
    once, _ = scan("once", accounts=accounts())
    other = [{**row, "organization_verified": True, "organization_id": "late"} for row in accounts()]
    twice, lines = scan("twice", accounts=[*accounts(), *other])
    assert twice.run.coverage.accounts == once.run.coverage.accounts == 832
    assert twice.groups == once.groups
    refused = pq.read_table(twice.out / "quarantine.parquet").to_pylist()
    assert {row["code"] for row in refused} == {"events.repeated_account"}
    assert sorted(row["position"] for row in refused) == list(range(832, 1664))
    assert {Path(row["source"]).name for row in refused} == {"twice-accounts.jsonl"}
    assert any("tables beside the log: 832 rows (events.repeated_account)" in line for line in lines)


def test_a_label_given_twice_counts_once_and_labels_are_shown_and_decide_nothing(scan):
    without, _ = scan("unlabelled", accounts=accounts())
    known = [{"account_id": name, "label": "<i>seen</i> before"} for name in RING[:7]]
    found, _ = scan("labelled", accounts=accounts(), known=[*known, {"account_id": RING[0], "label": "partner"}])
    assert ring_of(found).known_labels == {"<i>seen</i> before": 7}
    assert [group.verdict for group in found.groups] == [group.verdict for group in without.groups]
    page = (found.out / "report.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;seen&lt;/i&gt; before" in page
    assert '"<i>seen</i> before": 7' in (found.out / "campaigns.json").read_text(encoding="utf-8")
    assert pq.read_table(found.out / "quarantine.parquet")["code"].to_pylist() == ["events.repeated_account"]


@pytest.mark.parametrize(("ends", "verdict"), [(2, "campaign"), (9, "open_coordination")])
def test_an_attestation_that_ended_covers_what_was_done_before_it_did(scan, ends, verdict):
    rows = [
        {"subject": name, "kind": "reseller", "owner": "contracts", "reason": "signed",
         "not_before": "2026-02-01T00:00:00Z", "expires_at": f"2026-03-{ends:02}T00:00:00Z"}
        for name in RING
    ]  # fmt: skip
    found, _ = scan(f"until-{ends}", accounts=accounts(), attestations=rows)
    assert ring_of(found).verdict == verdict
    assert ATTESTATIONS.required == tuple(rows[0])
    if verdict == "open_coordination":
        assert "in force for" in ring_of(found).axes[2].reason


def test_the_result_comes_first_then_what_was_not_seen_and_warnings_last(scan):
    _, lines = scan("order", accounts=accounts())
    order = ("campaign", "open_coordination", "missing", "\nwarning")
    told = [kind for line in lines for kind in order if line.startswith(kind)]
    assert set(told) == set(order)
    assert told == sorted(told, key=order.index)
    assert told.count("missing") == 4
    assert any("more columns are missing: see run.json" in line for line in lines)
    assert lines[-1].endswith("a person decides.")


def test_evidence_and_exchanges_are_in_order(scan):
    found, _ = scan("sorted", accounts=accounts())
    exchanges = pq.read_table(found.out / "exchanges.parquet")
    assert exchanges.equals(exchanges.sort_by([("campaign_id", "ascending"), ("event_id", "ascending")]))
    evidence = pq.read_table(found.out / "evidence.parquet")
    keys = [(name, "ascending") for name in ("campaign_id", "kind", "thing", "value", "time", "event_id")]
    assert evidence.equals(evidence.sort_by(keys))
