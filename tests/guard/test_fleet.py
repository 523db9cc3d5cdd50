"""Guards that count as one over a real Redis, and that go on by themselves when it is slow or gone."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from spiritsafe.guard import Answer
from spiritsafe.guard import fleet as fleet_module
from spiritsafe.guard.fleet import Fleet, FleetFault, share_roster
from spiritsafe.guard.gateways.door import Door, DoorOptions
from spiritsafe.guard.gateways.watching import status_of
from spiritsafe.roster import Roster, write_roster
from tests.guard.guards import guard_of, policy, request, told
from tests.guard.test_litellm import free_port
from tests.roster.rosters import NOW_S

SECRET = b"fleet secret for tests, 32 bytes"
THROTTLE = '[[rule]]\nname = "slow"\nanswer = "throttle"\nfree_per_hour = 20\n'
SHOWS = {"template": True, "address": True}


@contextlib.contextmanager
def redis_at(port: int, folder: Path):
    """A Redis (or Valkey) server; its URL."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    assert binary, "redis-server is not there: apt-get install redis-server"
    options = ("--save", "", "--appendonly", "no", "--dir", str(folder), "--bind", "127.0.0.1")
    command = [binary, "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(port=port) as client:
                for _ in range(200):
                    with contextlib.suppress(redis.ConnectionError):
                        client.ping()
                        break
                    time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_at(free_port(), tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def url(server):
    with redis.Redis.from_url(server) as client:
        client.flushall()
    return server


def fleet_of(tmp_path, url, count=2, given=None, **more):
    made = []
    for number in range(count):
        folder = tmp_path / f"g{number}"
        folder.mkdir()
        guard = guard_of(folder, given=given or policy(THROTTLE))
        made.append((guard, Fleet(guard, url, secret=SECRET, **more)))
    return made


def test_one_budget_is_spent_by_all_guards(tmp_path, url):
    members = fleet_of(tmp_path, url, count=3)
    passed = 0
    for at in range(300):
        guard, fleet = members[at % 3]
        fleet.exchange()
        passed += guard.decide(request(f"new {at}", after_s=at / 100, **SHOWS)).acted == Answer.OBSERVE
        fleet.exchange()
    assert passed == 20
    assert all(fleet.fault == "" for _, fleet in members)


def test_between_exchanges_each_may_spend_what_is_left_once(tmp_path, url):
    members = fleet_of(tmp_path, url, count=3)
    for guard, _ in members:
        answers = [guard.decide(request(f"n{at}", **SHOWS)).acted for at in range(40)]
        assert answers.count(Answer.OBSERVE) == 20
    for _ in range(2):
        for _, fleet in members:
            fleet.exchange()
    assert all(guard.decide(request("n", **SHOWS)).acted == Answer.THROTTLE for guard, _ in members)
    counts = [guard.counts.budgets.count(("c1", "slow"), guard.clock.now_us) for guard, _ in members]
    assert counts == pytest.approx([60, 60, 60])


def test_who_passed_a_challenge_at_one_has_passed_at_all(tmp_path, url):
    rules = '[[rule]]\nname = "new"\nwho = "newcomer"\nanswer = "challenge"\n'
    (one, first), (other, second) = fleet_of(tmp_path, url, given=policy(rules))
    second.exchange()
    assert other.decide(request("x", **SHOWS)).acted == Answer.CHALLENGE
    one.passed("x", NOW_S * 1_000_000)
    first.exchange()
    second.exchange()
    assert other.decide(request("x", **SHOWS)).acted == Answer.OBSERVE
    assert other.decide(request("y", **SHOWS)).acted == Answer.CHALLENGE


def test_strangers_that_show_a_mark_here_and_there_suspend_it_everywhere(tmp_path, url):
    members = fleet_of(tmp_path, url, count=4)
    for _, fleet in members:
        fleet.exchange()
    for guard, _ in members:
        for at in range(200):
            guard.decide(request(f"usual {at}", verified=at % 10 < 8))
    for number, (guard, _) in enumerate(members):  # one or two at each: too few for any by itself
        for at in range(2):
            guard.decide(request(f"viral {number} {at}", template=True, verified=True))
        assert guard.counts.rarity.suspensions == []
    for _ in range(2):
        for _, fleet in members:
            fleet.exchange()
    assert all(len(guard.counts.rarity.suspensions) == 1 for guard, _ in members)


def test_a_roster_that_is_published_reaches_every_guard(tmp_path, url):
    (guard, _), *_ = fleet_of(tmp_path, url, count=1)
    where = tmp_path / "elsewhere" / "roster.bin"
    fleet = Fleet(guard, url, secret=SECRET, roster=where)
    newer = replace(told(accounts={}), roster_id="r2", created_us=NOW_S * 1_000_000 + 1)
    write_roster(newer, tmp_path / "new.bin")
    share_roster(url, tmp_path / "new.bin", secret=SECRET)
    fleet.exchange()
    assert (fleet.fault, Roster(where).head.roster_id) == ("", "r2")
    assert [path.name for path in where.parent.iterdir()] == ["roster.bin"]


@pytest.mark.parametrize("wrong", ["forged", "older", "damaged"])
def test_a_roster_that_is_forged_older_or_damaged_is_not_taken_up(tmp_path, url, wrong):
    (guard, _), *_ = fleet_of(tmp_path, url, count=1)
    where = tmp_path / "elsewhere" / "roster.bin"
    fleet = Fleet(guard, url, secret=SECRET, roster=where)
    made = replace(told(), roster_id="r2", created_us=NOW_S * 1_000_000 + (0 if wrong == "older" else 1))
    write_roster(made, tmp_path / "new.bin")
    share_roster(url, tmp_path / "new.bin", secret=SECRET)
    if wrong != "older":
        with redis.Redis.from_url(url) as client:
            (key,) = client.keys("*:r")
            data = bytearray(client.hget(key, "data"))
            data[10 if wrong == "forged" else 2000] ^= 1
            client.hset(key, "data", bytes(data))
    fleet.exchange()
    assert not where.exists()
    assert ("not made by this fleet" in fleet.fault) == (wrong != "older")


def test_guards_of_other_keys_do_not_meet(tmp_path, url):
    (one, first), (_, _) = fleet_of(tmp_path, url)
    for at in range(20):
        one.decide(request(f"n{at}", **SHOWS))
    first.exchange()
    (tmp_path / "x").mkdir()
    stranger = guard_of(tmp_path / "x", given=policy(THROTTLE))
    other = Fleet(stranger, url, secret=b"another fleet")
    other.exchange()
    assert stranger.decide(request("n", **SHOWS)).acted == Answer.OBSERVE


def test_when_the_server_is_gone_each_goes_on_and_hands_out_later_what_it_kept(tmp_path):
    port = free_port()
    with redis_at(port, tmp_path) as url:
        (one, first), (other, second) = fleet_of(tmp_path, url)
        first.exchange()
        second.exchange()
    for at in range(30):
        assert one.decide(request(f"n{at}", **SHOWS)).acted == (Answer.OBSERVE if at < 20 else Answer.THROTTLE)
        first.exchange()
    assert "cannot be reached" in first.fault
    assert "cannot be reached" in status_of(Door(one, DoorOptions(), fleet=first)).faults["fleet"]
    assert other.decide(request("n", **SHOWS)).acted == Answer.OBSERVE
    with redis_at(port, tmp_path):
        first.exchange()
        assert first.fault == ""
        second.exchange()
        assert other.decide(request("n", **SHOWS)).acted == Answer.THROTTLE


def test_a_server_that_does_not_answer_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        ((guard, fleet),) = fleet_of(tmp_path, url, count=1)
        guard.decide(request("n", **SHOWS))
        fleet.exchange()
        assert "cannot be reached" in fleet.fault


def test_no_decision_waits_for_a_server_that_does_not_answer(tmp_path, monkeypatch):
    patient = lambda url, **_: redis.Redis.from_url(url, socket_timeout=60, decode_responses=True)  # noqa: E731
    monkeypatch.setattr(fleet_module, "_client", patient)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        ((guard, fleet),) = fleet_of(tmp_path, url, count=1)
        guard.decide(request("n", **SHOWS))
        thread = threading.Thread(target=fleet.exchange)
        thread.start()
        line, _ = silent.accept()  # from here on the exchange waits for an answer
        answers = [guard.decide(request(f"n{at}", **SHOWS)).acted for at in range(100)]
        assert (answers.count(Answer.OBSERVE), thread.is_alive()) == (19, True)
        line.close()
    thread.join()
    assert fleet.fault


def test_what_makes_no_sense_on_the_stream_is_left_out(tmp_path, url):
    (guard, fleet), (_, second) = fleet_of(tmp_path, url)
    fleet.exchange()
    second.exchange()
    with redis.Redis.from_url(url) as client:
        key = fleet._key("s")
        for entry in ({"x": "1"}, {"a": "many", "u": "1"}, {"a": "1", "m": "1"}, {"a": "1", "m": "x", "e": "1"}):
            client.xadd(key, entry)
    fleet.exchange()
    assert fleet.fault == ""
    assert guard.counts.rarity.suspensions == []


def test_it_exchanges_by_itself_and_hands_out_the_rest_when_it_stops(tmp_path, url):
    (one, first), (other, second) = fleet_of(tmp_path, url)
    first.start()
    for _ in range(200):
        if first.exchanges:
            break
        time.sleep(0.02)
    for at in range(20):
        one.decide(request(f"n{at}", **SHOWS))
    first.stop()
    second.exchange()
    other.decide(request("n", **SHOWS))
    second.exchange()
    assert other.decide(request("n", **SHOWS)).acted == Answer.THROTTLE


def test_a_roster_that_cannot_be_shared_is_told(tmp_path):
    write_roster(told(), tmp_path / "r.bin")
    with pytest.raises(FleetFault, match="cannot be shared"):
        share_roster(f"redis://127.0.0.1:{free_port()}/0", tmp_path / "r.bin", secret=SECRET)
