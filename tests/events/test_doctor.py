"""Would detection be silently dead on this log? A healthy log raises no alarm; each way to go silent raises its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.campaigns import axes
from spiritsafe.cli.doctor_text import tell
from spiritsafe.errors import SpiritsafeError
from spiritsafe.events import observable
from spiritsafe.events.doctor import Examination, Findings, examine
from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.masking import example
from spiritsafe.events.model import REQUESTS
from spiritsafe.events.silence_checks import CHECKS
from spiritsafe.events.silences import WAYS
from spiritsafe.events.sources import ReadOptions
from tests.events.shapes import SHAPES
from tests.events.traffic import traffic

NOW_S = 1_793_000_000.0
OPTIONS = ReadOptions(now_us=int(NOW_S * 1e6))
Change = Callable[[dict[str, Any], int], Any]


def rows(count: int = 600, /, **changes: Change) -> pa.Table:
    """Requests of the contract, with columns changed as asked."""
    made = []
    for number, row in enumerate(traffic(count)):
        kept = {name: row[name] for name in REQUESTS.by_name if name in row}
        made.append(kept | {name: change(row, number) for name, change in changes.items()})
    return pa.Table.from_pylist(made)


def look(tmp_path: Path, table: pa.Table, **more: Any) -> Findings:
    path = tmp_path / "requests.parquet"
    pq.write_table(table, path)
    return examine([path], options=OPTIONS, now_s=NOW_S, **more).findings


def codes(found: Findings) -> set[str]:
    return {warning.code for warning in found.warnings}


def test_a_healthy_log_raises_no_alarm_and_can_lead_to_every_verdict(tmp_path):
    found = look(tmp_path, rows())
    assert found.warnings == ()
    assert found.readable
    assert not found.needs_map
    assert found.campaign_reachable
    assert found.rows_read == 600
    assert found.rows_whole
    assert (found.clock_first[:10], found.clock_last[:10]) == ("2026-03-02", "2026-03-05")
    assert found.next_commands == (f"spiritsafe scan {tmp_path}/requests.parquet --out findings",)


def test_twenty_five_requests_of_six_people_are_a_small_log_and_no_broken_one(tmp_path):
    found = look(tmp_path, rows(25, account_id=lambda r, n: f"acct-{n % 6}"))
    assert not found.dead
    assert codes(found) <= {"doctor.short_window"}


DAY = dt.timedelta(days=1)
SILENT: dict[str, dict[str, Change]] = {
    "doctor.one_account": {"account_id": lambda r, n: "svc"},
    "doctor.account_per_row": {"account_id": lambda r, n: f"sess-{n}"},
    "doctor.few_accounts": {"account_id": lambda r, n: f"acct-{n % 3}"},
    "doctor.pseudonymous": {"account_id": lambda r, n: f"p1_{hashlib.md5(r['account_id'].encode()).hexdigest()}"},
    "doctor.secret_keys": {"api_key_id": lambda r, n: f"sk-live-{r['api_key_id'][4:]}{r['api_key_id'][4:]}"},
    "doctor.one_address": {"client_ip": lambda r, n: "10.0.0.7"},
    "doctor.private_addresses": {"client_ip": lambda r, n: f"10.0.{n % 200}.7"},
    "doctor.one_user_agent": {"user_agent": lambda r, n: "gateway/1.0"},
    "doctor.one_ja4": {"ja4": lambda r, n: "t13d1516h2_8daaf6152771_02713d6af862"},
    "doctor.one_http2": {"http2_fingerprint": lambda r, n: "1:65536|0|0|m,a,s,p"},
    "doctor.one_model": {"model": lambda r, n: "m-large"},
    "doctor.one_organization": {"organization_id": lambda r, n: "us"},
    "doctor.one_second": {"time": lambda r, n: dt.datetime(2026, 3, 2, 6, microsecond=n, tzinfo=dt.UTC)},
    "doctor.coarse_clock": {"time": lambda r, n: r["time"].replace(minute=0, second=0, microsecond=0)},
    "doctor.frozen_clock": {"time": lambda r, n: dt.datetime(2026, 3, 2 + n // 30 % 20, 6, 7, 8, 9, tzinfo=dt.UTC)},
    "doctor.short_window": {
        "time": lambda r, n: dt.datetime(2026, 3, 2, tzinfo=dt.UTC) + dt.timedelta(seconds=3.1 * n)
    },
    "doctor.naive_time": {"time": lambda r, n: r["time"].replace(tzinfo=None)},
    "doctor.prompts_equal": {"prompt": lambda r, n: "[REDACTED]"},
    "doctor.prompts_empty": {"prompt": lambda r, n: " "},
    "doctor.prompts_cut": {"prompt": lambda r, n: r["prompt"][:100]},
    "doctor.prompts_hashed": {"prompt": lambda r, n: hashlib.sha256(r["prompt"].encode()).hexdigest()},
    "doctor.prompts_whole_history": {"prompt": lambda r, n: json.dumps([{"role": "user", "content": r["prompt"]}])},
    "doctor.duplicates": {"event_id": lambda r, n: f"e{n // 2}"},
    "doctor.turn_from_one": {"turn": lambda r, n: r["turn"] + 1},
    "doctor.many_refused": {"time": lambda r, n: r["time"] if n % 4 else dt.datetime(1999, 1, 1, tzinfo=dt.UTC)},
}


@pytest.mark.parametrize("code", sorted(WAYS))
def test_each_way_to_go_silent_is_told(tmp_path, code):
    found = look(tmp_path, rows(**SILENT[code]))
    warning = {one.code: one for one in found.warnings}[code]
    assert warning.seen
    assert warning.do
    assert codes(found) <= {code, "doctor.short_window", "doctor.duplicates"}, "one fault, one alarm"
    if warning.severity == "dead":
        assert found.dead
        killed = {kind.name for kind in found.kinds if not kind.observable}
        # Other fingerprints may still show infrastructure where addresses do not.
        assert "all" in warning.kills or set(warning.kills) <= killed | {"infrastructure"}


def test_every_way_has_its_check():
    assert set(CHECKS) == set(WAYS) == set(SILENT)


CITIES = "Paris Tokyo Milan Oslo Lagos Quito Dakar Delhi Accra Lima Rabat Sofia".split()  # noqa: SIM905
WHOLE: dict[str, Change] = {
    "index within": lambda r, n: f"Please answer my question about topic {n} please",
    "index at the end": lambda r, n: f"Solve problem number {n:04d}",
    "id at the end": lambda r, n: f"Classify the record {hashlib.md5(str(n).encode()).hexdigest()[:12]}",
    "names at the end": lambda r, n: f"Tell me all about {CITIES[n % 12]}, day {n // 12:02d}, in {CITIES[n % 5]}",
    "letters at the end": lambda r, n: f"Grade answer {chr(97 + n // 26)}{chr(97 + n % 26)}",
    "a campaign among others": lambda r, n: f"{'Think of item ' * 30}{n:05d}" if n % 8 == 0 else r["prompt"],
    "as they are": lambda r, n: r["prompt"],
}
CUT: dict[str, Change] = {
    "after a template": lambda r, n: f"You are an expert. Answer with care: {r['prompt']}"[:120],
    "by bytes": lambda r, n: f"é{r['prompt']}".encode()[:90].decode("utf-8", "ignore"),
    "some of them": lambda r, n: r["prompt"][: 100 if n % 3 == 0 else 60 + n % 30],
    "with a note": lambda r, n: r["prompt"][:100] + "...",
    "without words": lambda r, n: "".join(chr(0x4E00 + (n * 7919 + i * (n + 31)) % 5000) for i in range(100)),
}


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_prompts_of_one_template_share_a_length_and_are_not_cut(tmp_path, kind):
    found = look(tmp_path, rows(400, prompt=WHOLE[kind]))
    assert "doctor.prompts_cut" not in codes(found)


@pytest.mark.parametrize("kind", sorted(CUT))
def test_prompts_that_end_anywhere_at_one_length_are_cut(tmp_path, kind):
    assert "doctor.prompts_cut" in codes(look(tmp_path, rows(400, prompt=CUT[kind])))


def test_a_clock_of_whole_days_is_worse_than_one_of_whole_minutes(tmp_path):
    def severity(**parts: int) -> str:
        found = look(tmp_path, rows(time=lambda r, n: r["time"].replace(second=0, microsecond=0, **parts)))
        return {one.code: one.severity for one in found.warnings}["doctor.coarse_clock"]

    assert (severity(), severity(minute=0), severity(hour=0, minute=0)) == ("weak", "dead", "dead")


def test_a_busy_log_in_whole_seconds_is_not_frozen(tmp_path):
    start = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    found = look(tmp_path, rows(time=lambda r, n: start + dt.timedelta(seconds=n // 30)))
    assert codes(found) <= {"doctor.short_window"}


def test_behind_a_proxy_the_column_with_the_forwarded_addresses_is_named(tmp_path):
    found = look(tmp_path, rows(client_ip=lambda r, n: "10.0.0.7", x_forwarded_for=lambda r, n: r["client_ip"]))
    warning = next(one for one in found.warnings if one.code == "doctor.one_address")
    assert "x_forwarded_for" in warning.do
    assert warning.kills == ("infrastructure",)


def test_what_is_missing_is_told_with_its_price_and_may_put_the_verdict_out_of_reach(tmp_path):
    table = rows().drop_columns(["prompt", "organization_verified"])
    found = look(tmp_path, table)
    facts = {fact.name: fact for fact in found.columns}
    assert (facts["prompt"].status, facts["prompt"].cost) == ("missing", REQUESTS.by_name["prompt"].cost)
    assert {axis.name: axis.observable for axis in found.axes} == {
        "coordination": True, "extraction": False, "concealment": False}  # fmt: skip
    assert not found.campaign_reachable


def test_a_log_of_times_and_accounts_alone_shows_nothing(tmp_path):
    found = look(tmp_path, rows().select(["event_id", "time", "account_id", "model"]))
    assert found.warnings == ()
    assert found.dead
    (coordination,) = (axis for axis in found.axes if axis.name == "coordination")
    assert not coordination.observable


def test_a_column_that_is_there_and_empty_counts_as_missing(tmp_path):
    table = rows().set_column(0, "event_id", rows()["event_id"])
    table = table.set_column(table.column_names.index("ja4"), "ja4", pa.nulls(600, pa.string()))
    fact = next(one for one in look(tmp_path, table).columns if one.name == "ja4")
    assert fact.status == "empty"
    assert fact.cost


def test_the_accounts_table_makes_more_visible(tmp_path):
    people = sorted({row["account_id"] for row in traffic(600)})
    accounts = pa.table({
        "user_id": people, "signup_time": [f"2026-01-{n % 28 + 1:02d}T00:00:00Z" for n in range(len(people))],
        "card_fingerprint": [f"{n // 2:016x}" for n in range(len(people))]})  # fmt: skip
    pq.write_table(accounts, tmp_path / "accounts.parquet")
    path = tmp_path / "requests.parquet"
    pq.write_table(rows().drop_columns(["organization_id"]), path)
    alone = examine([path], options=OPTIONS, now_s=NOW_S)
    both = examine([path], options=OPTIONS, now_s=NOW_S, accounts=tmp_path / "accounts.parquet")
    seen = [{k.name: k.observable for k in one.findings.kinds}["identity"] for one in (alone, both)]
    assert seen == [False, True]
    assert parse_mapping(both.map_text).accounts["created_at"].sources == ("signup_time",)
    assert "--map map.toml" in both.findings.next_commands[-1]


def test_doctor_promises_no_evidence_that_scan_does_not_weigh():
    """The two rooms may not import each other's tables; so they are held together here."""
    weighed = {kind.value: set(columns) for kind, columns in axes._KIND_COLUMNS.items()}
    promised = {kind: set(columns) - {"phrases"} for kind, columns in observable.KIND_COLUMNS.items()}
    assert promised == weighed


# --- bespoke tables ---------------------------------------------------------------------------------------


def bespoke(tmp_path: Path, name: str) -> Path:
    table = next(shape for shape in SHAPES if shape.name == name).table(400)
    path = tmp_path / f"{name}.csv"
    pyarrow.csv.write_csv(table, path)
    return path


def test_a_table_of_other_names_is_read_through_a_proposed_map(tmp_path):
    found = examine([bespoke(tmp_path, "warehouse")], options=OPTIONS, now_s=NOW_S)
    assert found.findings.needs_map
    assert found.findings.readable
    assert found.findings.rows_read == 400
    assert "doctor" in found.findings.next_commands[0]
    assert {fact.name: fact.source for fact in found.findings.columns}["account_id"] == "acct_id"
    assert parse_mapping(found.map_text).requests["account_id"].sources == ("acct_id",)


def test_a_table_without_any_account_is_reported_not_read(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("when,amount\n" + "".join(f"2026-03-02T06:{n:02d}:00Z,{n}.5\n" for n in range(50)))
    found = examine([path], options=OPTIONS, now_s=NOW_S)
    assert not found.findings.readable
    assert "account_id" in found.findings.problem
    assert "[requests.account_id]" in found.map_text
    assert parse_mapping(found.map_text).requests.keys() <= {"time", "temperature", "event_id"}


def test_examples_are_masked_unless_asked_for(tmp_path):
    path = bespoke(tmp_path, "warehouse")
    row = pyarrow.csv.read_csv(path).slice(0, 1).to_pylist()[0]
    hidden, shown = (examine([path], options=OPTIONS, now_s=NOW_S, show_examples=show) for show in (False, True))

    def told(one: Examination) -> str:
        return one.map_text + str(one.findings)

    for secret in (row["acct_id"], row["key_id"], row["org"], row["ip"], row["session"], row["prompt_text"][:30]):
        assert secret not in told(hidden)
        assert secret in told(shown)
    assert row["model_name"] in told(hidden)


def test_a_masked_value_keeps_its_form_only():
    account, prompt = REQUESTS.by_name["account_id"], REQUESTS.by_name["prompt"]
    assert example("Größe_42", account) == "Aaaaa_99"
    assert example("tell me all", prompt) == "11 characters, 3 words"
    assert example("\x1b[31mred\n", REQUESTS.by_name["model"]) == "\\x1b[31mred\\n"
    assert len(example("x" * 500, account, show=True)) <= 48


def test_names_and_values_of_a_log_cannot_steer_the_terminal(tmp_path, capsys, monkeypatch):
    path = tmp_path / "evil.jsonl"
    evil = "\x1b[2J[bold red]x"
    with path.open("w") as file:
        for row in traffic(60):
            record = {
                "rid": row["event_id"],
                "ts": row["time"].isoformat(),
                "user": row["account_id"],
                evil: evil,
                "model": evil,
            }
            file.write(json.dumps(record) + "\n")
    found = examine([path], options=OPTIONS, now_s=NOW_S, show_examples=True)
    assert "\x1b" not in found.map_text
    assert all("\x1b" not in text for one in found.findings.unmapped for text in (one.name, *one.examples))
    assert all("\x1b" not in text for one in found.findings.columns for text in (one.source, *one.examples))
    monkeypatch.setenv("COLUMNS", "200")
    tell(found.findings, rich=True)
    assert "\\x1b[2J[bold red]x" in capsys.readouterr().out, "square brackets are no markup"


_lines = st.lists(
    st.dictionaries(
        st.sampled_from(["event_id", "time", "account_id", "prompt", "user", "ts", "client_ip", "x"]),
        st.none() | st.integers(0, 2 * 10**9) | st.text(max_size=12) | st.sampled_from(
            ["2026-03-02T06:00:00Z", "2026-03-02 06:00", "203.0.113.9", "a1", "b2"]),
        max_size=6),
    min_size=1, max_size=30,
)  # fmt: skip


@given(_lines, st.sampled_from(["jsonl", "csv", "gz"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_no_log_breaks_doctor(tmp_path, lines, form):
    path = tmp_path / f"log.{form}"
    names = sorted({name for line in lines for name in line}) or ["x"]
    if form == "csv":
        cells = [",".join(json.dumps(line.get(name, ""), ensure_ascii=False) for name in names) for line in lines]
        path.write_bytes("\n".join([",".join(names), *cells]).encode("utf-8", "replace"))
    else:
        text = "\n".join(json.dumps(line) for line in lines).encode()
        path.write_bytes(gzip.compress(text) if form == "gz" else text)
    with contextlib.suppress(SpiritsafeError):
        found = examine([path], options=OPTIONS, now_s=NOW_S).findings
        assert found.readable or found.problem
