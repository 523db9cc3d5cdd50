"""Detection that is silently dead is noticed, and a newer roster or policy is taken up while requests go on."""

from __future__ import annotations

import pytest

from spiritsafe.guard.gateways.door import Door, DoorOptions
from spiritsafe.guard.gateways.watching import status_of
from spiritsafe.guard.health import WINDOW, Health
from spiritsafe.guard.home import SHIPPED_POLICY
from spiritsafe.guard.reloading import Reloader
from spiritsafe.roster import Roster, write_roster
from tests.guard.guards import guard_of, policy, request, told
from tests.roster.rosters import NOW_S


def seen(*batches):
    health = Health()
    for count, more in batches:
        for at in range(count):
            health.see(request(f"a{at % 40}", **{"client_ip": f"198.51.100.{at % 200}", **more}))
    return health.faults()


def test_ordinary_traffic_is_well():
    assert seen((3 * WINDOW, {"user_agent": "x"})) == {}


def test_a_proxy_that_hides_the_callers_is_noticed():
    faults = seen((WINDOW, {"client_ip": "10.0.0.1"}))
    assert list(faults) == ["one_address"]
    assert "guard_hops" in faults["one_address"]


def test_a_single_customer_behind_one_address_is_no_fault():
    health = Health()
    for at in range(WINDOW):
        health.see(request(f"a{at % 5}", client_ip="10.0.0.1"))
    assert health.faults() == {}


@pytest.mark.parametrize(("column", "value"), [("ja4", "t13d"), ("conversation_id", "c"), ("prompt", None)])
def test_a_column_that_stops_coming_is_noticed(column, value):
    with_it = {} if value is None else {column: value}
    faults = seen((2 * WINDOW, with_it), (WINDOW, {column: None}))
    assert list(faults) == [f"column_{column}"]


def test_a_column_that_few_have_may_stay_away():
    assert seen((2 * WINDOW, {}), (20, {"ja4": "t13d"}), (WINDOW, {})) == {}


def test_too_few_requests_say_nothing():
    assert seen((WINDOW - 1, {"client_ip": "10.0.0.1"})) == {}


@pytest.fixture
def door(tmp_path):
    guard = guard_of(tmp_path)
    (tmp_path / "policy.toml").write_bytes(SHIPPED_POLICY.read_bytes())
    reloader = Reloader(guard, tmp_path / "roster.bin", tmp_path / "policy.toml", clock_s=lambda: NOW_S + 60)
    return Door(guard, DoorOptions(), reloader=reloader)


def test_a_newer_roster_and_policy_are_taken_up(door, tmp_path):
    reloader = door.reloader
    reloader.look()
    assert (reloader.reloads, door.guard.policy.full_name) == (0, "test@1")
    write_roster(told(accounts={}), tmp_path / "roster.bin")
    (tmp_path / "policy.toml").write_bytes(SHIPPED_POLICY.read_bytes() + b"\n")
    reloader.look()
    assert (reloader.reloads, door.guard.policy.full_name, door.guard.roster.accounts) == (2, "default@1", 0)
    assert status_of(door).faults == {}


def test_a_damaged_roster_and_a_mistaken_policy_are_told_and_the_old_ones_stay(door, tmp_path):
    path = tmp_path / "roster.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "policy.toml").write_text("mode = 'enfroce'")
    door.reloader.look()
    assert door.guard.decide(request("core")).rule == "members"
    status = status_of(door)
    assert set(status.faults) == {"roster_refused", "policy_refused"}
    assert status.policy == "test@1"
    path.unlink()
    door.reloader.look()  # not there for a moment, while somebody swaps it
    write_roster(told(), path)
    (tmp_path / "policy.toml").write_bytes(SHIPPED_POLICY.read_bytes())
    door.reloader.look()
    assert status_of(door).faults == {}


def test_a_roster_of_other_keys_is_told(door, tmp_path):
    write_roster(told(sketch={"spiritsafe.sketch.key_id": "k9"}), tmp_path / "roster.bin")
    door.reloader.look()
    assert "k9" in status_of(door).faults["roster_refused"]


def test_an_old_roster_is_told(tmp_path):
    guard = guard_of(tmp_path)
    reloader = Reloader(guard, tmp_path / "roster.bin", None, clock_s=lambda: NOW_S + 7200)
    status = status_of(Door(guard, DoorOptions(), reloader=reloader))
    assert "2.0 hours" in status.faults["old_roster"]
    assert status.roster_age_s == 7200


def test_it_looks_by_itself(tmp_path, monkeypatch):
    from spiritsafe.guard import reloading

    monkeypatch.setattr(reloading, "EVERY_S", 0.01)
    guard = guard_of(tmp_path, given=policy())
    reloader = Reloader(guard, tmp_path / "roster.bin", None)
    reloader.start()
    write_roster(told(accounts={}), tmp_path / "new")
    (tmp_path / "new").replace(tmp_path / "roster.bin")
    for _ in range(1000):
        if reloader.reloads:
            break
        reloader._stop.wait(0.01)
    reloader.stop()
    assert guard.roster.sha256 == Roster(tmp_path / "roster.bin").sha256
