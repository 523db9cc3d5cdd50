"""`spiritsafe guard serve` in front of a model server: watched, reloaded while it runs, stopped without losing a
line."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openai
import pyarrow.parquet as pq
import pytest

from spiritsafe.guard.home import SHIPPED_POLICY, open_names, open_parameters, policy_path, roster_path
from spiritsafe.roster import write_roster
from spiritsafe.settings import load_settings
from tests.guard.guards import PHRASES, RULES, told
from tests.guard.upstream import WORDS, Upstream, running

SPIRITSAFE = Path(sys.executable).with_name("spiritsafe")
ENFORCE = f'schema = "guard_policy/1"\nname = "house"\nversion = 2\nmode = "enforce"\nappeal_to = "here"\n{RULES}'


@pytest.fixture
def home(tmp_path):
    """A home with a roster in which the account `core` is a member."""
    settings = load_settings({"home": tmp_path / "home"})
    names = open_names(settings)
    made = told(sketch=open_parameters(settings).metadata(), templates=((0, 3, PHRASES),), values=())
    hashes = [names.hashed("account_id", who) for who in ("core", *"abcde")]
    made.columns["account_hash"] = np.array(hashes, dtype=np.uint64)
    roster_path(settings.home).parent.mkdir(mode=0o700)
    write_roster(made, roster_path(settings.home))
    return settings.home


@contextlib.contextmanager
def serving(home, upstream, *more):
    environment = os.environ | {"SPIRITSAFE_HOME": str(home), "SPIRITSAFE_GUARD_ACCOUNT_HEADER": "x-account"}
    command = [SPIRITSAFE, "guard", "serve", "--upstream", upstream, "--listen", "127.0.0.1:0",
               "--watch", "127.0.0.1:0", "--json", *more]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        try:
            yield process, json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def ask(ready, account="core"):
    base = f"http://{ready['listen']}/v1"
    with openai.OpenAI(base_url=base, api_key="sk", max_retries=0, default_headers={"x-account": account}) as client:
        made = client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": "What is it?"}])
    return made.choices[0].message.content


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def status_of(home, address):
    done = subprocess.run(
        [SPIRITSAFE, "guard", "status", "--watch", address], capture_output=True, text=True, check=False,
        env=os.environ | {"SPIRITSAFE_HOME": str(home)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def told_by(home, *command):
    done = subprocess.run(
        [SPIRITSAFE, "guard", *command], capture_output=True, text=True, check=True,
        env=os.environ | {"SPIRITSAFE_HOME": str(home)},
    )  # fmt: skip
    return done.stdout


def wait_for(check):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if check():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_it_serves_is_watched_takes_up_a_policy_and_stops_whole(home):
    with running(Upstream()) as upstream, serving(home, upstream) as (process, ready):
        assert (ready["policy"], ready["mode"]) == ("default@1", "shadow")
        assert ask(ready) == "".join(WORDS)
        told_ = json.loads(get(ready["watch"], "/health")[1])
        assert (told_["seen"], told_["counts"], told_["campaigns"]) == (1, {"acted_allow": 1}, 1)
        assert set(told_["faults"]) <= {"old_roster"}
        status, metrics = get(ready["watch"], "/metrics")
        assert status == 200
        for line in (
            'guard_decisions_total{acted="allow"} 1.0',
            'guard_answers_total{answer="challenge"} 1.0',
            "guard_decision_seconds_count 1.0",
            "guard_roster_accounts 6.0",
        ):
            assert line in metrics
        assert "core" not in metrics
        assert get(ready["watch"], "/v1/models")[0] == 404
        code, text = status_of(home, ready["watch"])
        assert "default@1 in shadow mode" in text
        assert code == (4 if told_["faults"] else 0)

        policy_path(home).parent.mkdir(exist_ok=True)
        policy_path(home).write_text("mode = 'nonsense'")
        wait_for(lambda: "policy_refused" in get(ready["watch"], "/health")[1])
        assert ask(ready) == "".join(WORDS)
        policy_path(home).write_text(ENFORCE)
        wait_for(lambda: "house@2" in get(ready["watch"], "/health")[1])
        with pytest.raises(openai.PermissionDeniedError, match="here"):
            ask(ready)
        assert ask(ready, "somebody") == "".join(WORDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert "4 requests, 4 decisions" in told_by(home, "collect")
    report = told_by(home, "report")
    assert "house@2" in report
    assert "default@1" in report
    assert re.search(r"listed +0 +1\n", report.replace(" " * 12, " "))
    rows = pq.read_table(home / "guard" / "collected" / "requests").to_pylist()
    assert [row["account_id"] for row in rows] == ["core", "core", "core", "somebody"]


def test_no_text_is_written(home):
    with running(Upstream()) as upstream, serving(home, upstream) as (_, ready):
        for account in ("core", "core", "core", "somebody"):
            ask(ready, account)
    (segment,) = (home / "guard" / "journal").iterdir()
    head, *lines = [json.loads(line) for line in segment.read_text().splitlines()]
    assert head["schema"] == "guard_journal/1"
    assert [line["request"]["account_id"] for line in lines] == ["core", "core", "core", "somebody"]
    assert {line["status"] for line in lines} == {200}
    assert "What is it" not in segment.read_text()


def test_what_is_in_the_way_is_told(home):
    environment = os.environ | {"SPIRITSAFE_HOME": str(home)}

    def run(*command):
        done = subprocess.run(
            [SPIRITSAFE, "guard", *command], capture_output=True, text=True, env=environment, check=False
        )
        return done.returncode, done.stderr

    serve = ("serve", "--upstream", "http://127.0.0.1:9")
    assert run(*serve, "--listen", "nowhere") == (2, run(*serve, "--listen", "nowhere")[1])
    assert "guard.address" in run(*serve, "--listen", "nowhere")[1]
    with running(Upstream()) as taken:
        code, text = run(*serve, "--listen", taken.removeprefix("http://"))
        assert (code, "guard.listen" in text) == (5, True)
    roster_path(home).unlink()
    code, text = run(*serve, "--listen", "127.0.0.1:0", "--watch", "127.0.0.1:0")
    assert (code, "guard.no_roster" in text) == (3, True)
    code, text = run("status", "--watch", "127.0.0.1:9")
    assert (code, "cli.guard.status" in text) == (5, True)


def test_the_shipped_policy_is_what_a_home_without_one_has(home):
    with running(Upstream()) as upstream, serving(home, upstream, "--policy", str(SHIPPED_POLICY)) as (_, ready):
        assert ready["policy"] == "default@1"
