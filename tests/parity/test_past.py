"""A policy that is replayed on a log decides as a gateway that saw each request with its texts."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spiritsafe.events.sources import ReadOptions
from spiritsafe.guard import Answer, Guard, Request
from spiritsafe.guard.home import open_names, open_parameters
from spiritsafe.roster import Kind, Roster, write_roster
from spiritsafe.settings import load_settings
from spiritsafe.sketch.single import PromptSketcher
from spiritsafe.watch.past import past_of
from tests.guard.guards import ADDRESS, ITEM, OTHER, TEMPLATE, policy, told
from tests.roster.rosters import NOW_S

START = datetime.datetime.fromtimestamp(NOW_S, datetime.UTC)


def rows() -> list[dict[str, Any]]:
    """Requests of strangers and newcomers, out of order; some show marks, some repeat themselves, some have no text."""
    made: list[dict[str, Any]] = []
    for at in range(240):
        shows, place = at % 4 == 0, at % 6 < 3
        made.append(
            {
                "event_id": f"e{at:03}",
                "time": START + datetime.timedelta(seconds=at * 7 % 240),
                "account_id": f"a{at % 17}",
                "operation": "chat",
                "prompt": None if at % 29 == 0 else f"{TEMPLATE} {ITEM}" if shows else f"{OTHER} {at % 3}",
                "system_prompt": "You are a grader." if at % 5 == 0 else None,
                "client_ip": ADDRESS if place else "198.51.100.9",
                "model": "m-1",
                "logprobs": at % 11 == 0,
                "tool_schema_hash": at if at % 13 == 0 else None,
            }
        )
    return made


ACCOUNTS: list[dict[str, Any]] = [
    {
        "account_id": f"a{at}",
        "created_at": START - datetime.timedelta(days=at * 40),
        "plan": "free",
        "verified": at == 3,
    }
    for at in range(12)
]


def write(path, made, times):
    table = pa.Table.from_pylist(made)
    for name in times:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.timestamp("us", "UTC")))
    pq.write_table(table, path)
    return str(path)


@pytest.fixture
def settings(tmp_path):
    return load_settings({"home": tmp_path / "home", "workers": 1})


def guard_in(settings, folder) -> Guard:
    names, parameters = open_names(settings), open_parameters(settings)
    phrases = PromptSketcher(parameters).sketch(TEMPLATE).phrases
    made = told(templates=((0, 3, phrases),), values=(), sketch=parameters.metadata())
    made.columns["value_hash"] = [names.hashed("client_ip", ADDRESS)]
    made.columns["value_campaign"], made.columns["value_kind"] = [0], [int(Kind.INFRASTRUCTURE)]
    write_roster(made, folder / "roster.bin")
    return Guard(Roster(folder / "roster.bin"), policy(), names=names, parameters=parameters)


def test_a_replay_decides_as_the_gateway_did(tmp_path, settings):
    made = rows()
    log = write(tmp_path / "log.parquet", made, ["time"])
    accounts = write(tmp_path / "accounts.parquet", ACCOUNTS, ["created_at"])
    known = {row["account_id"]: row for row in ACCOUNTS}
    live, later = guard_in(settings, tmp_path), guard_in(settings, tmp_path)
    expected = {}
    for row in sorted(made, key=lambda row: (row["time"], row["event_id"])):
        facts = known.get(row["account_id"], {})
        given = {name: value for name, value in row.items() if name != "time"}
        opened = facts.get("created_at")
        expected[row["event_id"]] = live.decide(
            Request(
                **given,
                time_us=round(row["time"].timestamp() * 1_000_000),
                plan=facts.get("plan"),
                verified=facts.get("verified"),
                account_created_us=opened and round(opened.timestamp() * 1_000_000),
            )
        )
    with past_of(log, options=ReadOptions(), settings=settings, accounts=accounts) as past:
        found = {request.event_id: later.decide(request, sketch) for request, sketch in past}
        assert past.rows == len(made)
    assert found == expected
    answers = Counter(one.answer for one in found.values())
    assert {Answer.ALLOW, Answer.OBSERVE, Answer.CHALLENGE} == set(answers)
    assert any("logprob_harvesting" in one.shown for one in found.values())
    assert any("many_samples" in one.shown for one in found.values())


def test_labels_beside_the_log_are_told(tmp_path, settings):
    log = write(tmp_path / "log.parquet", rows(), ["time"])
    labels = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"account_id": ["a1"], "label": ["cleared"]}), labels)
    with past_of(log, options=ReadOptions(), settings=settings, known=str(labels)) as past:
        assert past.labels == {"a1": "cleared"}
        assert [request.time_us for request, _ in past] == sorted(request.time_us for request, _ in past)
