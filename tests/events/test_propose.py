"""Which column is which? Held to tables whose truth is known, and to facts about how logs are made.

Figures as measured (decision 0020): 144 of 144 columns on the shapes that the scores were set on; 154 of 161 on
first sight of those held out, 159 of 161 after four faults that they showed were mended.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiritsafe.events.mapping import parse_mapping
from spiritsafe.events.proposal_text import proposal_text
from spiritsafe.events.propose import Proposal, propose
from tests.events.shapes import SHAPES, Shape
from tests.events.shapes_held_out import HELD_OUT
from tests.events.traffic import traffic

NOW_S = 1_793_000_000.0


def verdicts(shape: Shape, *, rows: int = 1200, seed: int = 7) -> tuple[dict[str, str], int]:
    """What is not right of a shape (column to what was said), and how many columns it has."""
    proposal = propose(shape.table(rows, seed=seed), now_s=NOW_S)
    faults = {}
    for guess in proposal.guesses:
        truth = shape.truth.get(guess.column)
        wanted = (truth, "") if isinstance(truth, str) else truth
        got = (guess.source.sources[0], guess.source.transform) if guess.source is not None else None
        if got != wanted:
            faults[guess.column] = f"{got} for {wanted}"
    return faults, len(shape.truth)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_column_is_found_in_the_shapes_that_the_scores_were_set_on(shape):
    assert verdicts(shape) == ({}, len(shape.truth))


def test_nearly_every_column_is_found_in_shapes_that_were_held_out():
    results = {shape.name: verdicts(shape) for shape in HELD_OUT}
    faults = {f"{name}.{column}": words for name, (wrong, _) in results.items() for column, words in wrong.items()}
    columns = sum(count for _, count in results.values())
    assert columns == 161
    # The three that are left: a call's name that is no operation we know, a reason that stands in two places, and
    # the country where somebody signed up, which the log itself calls a country.
    assert set(faults) <= {"cloudtrail.operation", "dotted.finish_reason", "envelope.country"}, faults


def test_half_as_much_of_other_traffic_changes_little():
    results = [verdicts(shape, rows=500, seed=11) for shape in (*SHAPES, *HELD_OUT)]
    assert sum(count for _, count in results) == 305
    assert sum(len(wrong) for wrong, _ in results) <= 4


# --- facts about logs -------------------------------------------------------------------------------------


def table(**columns: Any) -> pa.Table:
    rows = traffic(600)
    return pa.table({name: [make(row, n) for n, row in enumerate(rows)] for name, make in columns.items()})


def source(proposal: Proposal, column: str) -> str | None:
    found = proposal.guess(column).source
    return None if found is None else found.sources[0]


def log(**more: Any) -> Proposal:
    columns = {
        "id": lambda r, n: r["event_id"],
        "ts": lambda r, n: r["time"].isoformat(),
        "account": lambda r, n: r["account_id"],
        "prompt": lambda r, n: r["prompt"],
    }
    return propose(table(**{**columns, **more}), now_s=NOW_S)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_the_unit_of_a_number_follows_from_where_logs_can_lie_in_time(unit, scale):
    found = log(ts=lambda r, n: int(r["time"].timestamp() * scale)).guess("time").source
    assert found is not None
    assert found.unit == unit


def test_a_request_is_timed_by_its_arrival_not_by_its_end_or_the_accounts_sign_up():
    late = dt.timedelta(seconds=3)
    found = propose(table(
        finished=lambda r, n: (r["time"] + late).isoformat(), begun=lambda r, n: r["time"].isoformat(),
        joined=lambda r, n: f"2025-01-{int(r['account_id'][5:9], 16) % 27 + 1:02d}T00:00:00Z",
        account=lambda r, n: r["account_id"], id=lambda r, n: r["event_id"]), now_s=NOW_S)  # fmt: skip
    assert source(found, "time") == "begun"


def test_a_key_belongs_to_one_account_and_an_account_to_one_company():
    """Names say nothing here; only who belongs to whom does."""
    rng = random.Random(3)
    found = propose(table(
        x1=lambda r, n: r["organization_id"][-8:], x2=lambda r, n: r["api_key_id"][-8:],
        x3=lambda r, n: r["account_id"][-8:], x4=lambda r, n: r["time"].isoformat(),
        x5=lambda r, n: f"{rng.getrandbits(64):016x}"), now_s=NOW_S)  # fmt: skip
    read = {column: source(found, column) for column in ("organization_id", "api_key_id", "account_id", "event_id")}
    assert read == {"organization_id": "x1", "api_key_id": "x2", "account_id": "x3", "event_id": "x5"}


def test_two_columns_that_could_equally_be_the_account_are_both_told():
    found = log(account=lambda r, n: None, uid=lambda r, n: r["account_id"], user=lambda r, n: r["account_id"][::-1])
    guess = found.guess("account_id")
    assert guess.source is not None
    assert guess.confidence < 0.6
    assert {guess.label, *(one.label for one in guess.alternatives)} >= {"uid", "user"}
    text = proposal_text(found)
    assert "please check" in text
    assert "or: from" in text


def test_a_proxys_own_address_is_not_the_clients():
    found = log(
        remote_addr=lambda r, n: "10.0.0.7",
        http_x_forwarded_for=lambda r, n: f"6.6.6.6, {r['client_ip']}, 10.0.0.{n % 2 + 1}",
    )
    client = found.guess("client_ip").source
    assert client is not None
    assert (client.sources, client.transform, client.hop) == (("http_x_forwarded_for",), "forwarded_for", 2)


def test_a_log_without_ids_gets_one_made_of_what_tells_its_rows_apart():
    found = log(id=lambda r, n: "x")
    made = found.guess("event_id")
    assert made.source is not None
    assert made.source.transform == "fingerprint"
    assert set(made.source.sources) >= {"ts", "account", "prompt"}
    assert made.confidence < 0.5


def test_keys_in_clear_are_read_as_fingerprints():
    found = log(authorization=lambda r, n: f"Bearer sk-live-{r['api_key_id'][4:]}{r['api_key_id'][4:]}")
    key = found.guess("api_key_id").source
    assert key is not None
    assert key.transform == "fingerprint"


def test_times_without_offset_are_flagged():
    guess = log(ts=lambda r, n: r["time"].strftime("%Y-%m-%d %H:%M:%S")).guess("time")
    assert guess.naive
    text = proposal_text(log(ts=lambda r, n: r["time"].strftime("%d.%m.%Y %H:%M:%S")))
    assert "carry no offset" in text


def test_what_names_somebody_or_quotes_him_is_not_carried_along():
    found = log(
        mail=lambda r, n: f"{r['account_id']}@example.org", note=lambda r, n: r["prompt"] + " again",
        inner_ip=lambda r, n: "10.0.0.1", shard=lambda r, n: n % 4, took=lambda r, n: n / 7,
        trace=lambda r, n: f"{n:032x}",
    )  # fmt: skip
    assert set(found.mapping.carry or ()) == {"shard", "took"}


def test_yes_and_no_in_other_words_become_true_and_false():
    found = log(kyc_status=lambda r, n: ("verified", "pending", "none")[n % 3], streaming=lambda r, n: "YN"[n % 2])
    verified, stream = found.guess("organization_verified").source, found.guess("stream").source
    assert verified is not None
    assert stream is not None
    assert {word: verified.values.get(word, verified.values.get("*")) for word in ("verified", "pending", "none")} == {
        "verified": True, "pending": False, "none": False}  # fmt: skip
    assert stream.values == {"Y": True, "N": False}


def test_an_accounts_table_has_its_own_columns():
    rows = [
        {"uid": f"u{n}", "signup_time": f"2025-{n % 12 + 1:02d}-03T04:05:06Z", "card_fingerprint": f"{n * 7919:016x}",
         "mail_domain": "example.org", "tier": ("free", "pro")[n % 2], "country": ("DE", "US")[n % 2]}
        for n in range(200)
    ]  # fmt: skip
    found = propose(pa.Table.from_pylist(rows), table="accounts", now_s=NOW_S)
    read = {g.column: g.source.sources[0] for g in found.guesses if g.source is not None}
    assert read == {"account_id": "uid", "created_at": "signup_time", "payment_fingerprint": "card_fingerprint",
                    "email_domain": "mail_domain", "plan": "tier", "country": "country"}  # fmt: skip


# --- any table at all -------------------------------------------------------------------------------------

_scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes() | st.binary()
_json = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["role", "content", "messages", "model", "user", "id", "a.b", "0"]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
_named = st.sampled_from(
    ["id", "time", "user", "prompt", "ip", "model", "messages", "用户", "", "a.b", "X-Forwarded-For"]
)


@st.composite
def any_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.sampled_from([0, 1, 3, 25]))
    columns: list[tuple[str, pa.Array]] = []
    for _ in range(draw(st.integers(0, 5))):
        name = draw(_named | st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
        cells = draw(st.lists(_scalar | _json, min_size=rows, max_size=rows))
        try:
            array = pa.array(cells)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
            array = pa.array([json.dumps(cell, default=repr) for cell in cells], pa.string())
        columns.append((name, array))
    return pa.Table.from_arrays([array for _, array in columns], names=[name for name, _ in columns])


@given(any_tables(), st.sampled_from(["requests", "accounts"]))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_no_table_breaks_the_proposal_and_every_proposal_can_be_read_again(sample, kind):
    found = propose(sample, table=kind, now_s=NOW_S)
    assert parse_mapping(proposal_text(found, show_examples=True)) == found.mapping
