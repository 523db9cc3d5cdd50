"""Who comes near a campaign and is not accused; and what of its accounts' exchanges is the campaign's own."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from spiritsafe.campaigns.exchanges import OwnWork, summed, with_own_work
from spiritsafe.campaigns.facts import SharedValue
from spiritsafe.campaigns.innocent import with_innocent
from spiritsafe.campaigns.model import EvidenceKind, Verdict
from tests.campaigns.example_findings import small_campaign
from tests.campaigns.test_significance import group as facts_of_five

HOUR_US = 3_600_000_000


def shared(thing, holders, *, members=5):
    return SharedValue(thing, "x", EvidenceKind.INFRASTRUCTURE, 5.0, holders, 1_000, np.arange(members))


def innocents(*, facts=None, own=None, **changed):
    group = msgspec.structs.replace(small_campaign(), **changed)
    (told,) = with_innocent([group], [facts or facts_of_five()], [own])
    return told.innocent


def test_one_thing_in_common_accuses_nobody_and_that_is_said():
    facts = replace(facts_of_five(), shared=(shared("client_ip", 17), shared("ja4", 5), shared("client_ip", 6)))
    told = innocents(facts=facts)
    assert told[0] == "12 accounts outside call from one of their addresses, and no more."
    assert told[-1].startswith("Whoever shares one thing only")
    assert not any("TLS" in line for line in told)


def test_template_users_and_who_was_let_go_are_counted():
    told = innocents(facts=replace(facts_of_five(), template_users=1, let_go=3))
    assert told[0] == (
        "1 account outside sent the template too, and nothing else ties it to the members: a template may be copied."
    )
    assert told[1].startswith("3 accounts were found with the members and let go")


def test_other_peoples_exchanges_in_a_relay_are_not_the_campaigns():
    relays, core = (
        tuple(msgspec.structs.replace(one, role=role) for one in small_campaign().members) for role in ("relay", "core")
    )
    told = innocents(own=OwnWork(1_000, 300, None), members=relays)
    assert told[0].startswith("These accounts may carry other people's traffic: 700 of their 1,000 exchanges do not")
    assert not any("traffic" in line for line in innocents(own=OwnWork(1_000, 300, None), members=core))
    untold = innocents(own=None, members=relays)
    assert untold[0].endswith("which of their exchanges are the campaign's cannot be told, and none is said to be.")
    assert not any("cannot be told" in line for line in innocents(own=None, members=core))


def test_a_group_that_is_not_accused_accuses_nobody_whose_innocence_must_be_said():
    assert innocents(verdict=Verdict.OPEN_COORDINATION) == ()


def habits(times):
    return pa.table(
        {
            "number": pa.array([0] * len(times), pa.int64()),
            "account": pa.array(range(len(times)), pa.int64()),
            "time": pa.array([datetime.fromtimestamp(t * 3_600, UTC) for t in times], pa.timestamp("us", tz="UTC")),
        }
    )


COUNTS = pa.table({"number": [0, 1], "exchanges": [100, 50], "own": [80, 0]})


def test_a_campaign_can_be_seen_when_four_accounts_have_its_template_as_a_habit():
    work = summed(COUNTS, habits([9, 2, 5, 7]), groups=3)
    assert work == [OwnWork(100, 80, 9 * HOUR_US), None, None]
    assert summed(COUNTS, habits([9, 2, 5]), groups=1) == [OwnWork(100, 80, None)]


def test_what_was_served_before_it_could_be_seen_is_counted_by_the_hour():
    group = msgspec.structs.replace(small_campaign(), hourly=((0, 10), (4, 15), (5, 75)))
    seen, never = with_own_work([group, group], [OwnWork(100, 80, 5 * HOUR_US + 1), OwnWork(100, 80, None)], first_us=0)
    assert seen.exposure.own_exchanges == never.exposure.own_exchanges == 80
    assert seen.exposure.visible_from == "1970-01-01T05:00:00Z"
    assert seen.exposure.before_visible_share == pytest.approx(0.25)
    assert never.exposure.visible_from is None
    assert never.exposure.before_visible_share is None
    assert with_own_work([group], [None], first_us=0) == [group]
