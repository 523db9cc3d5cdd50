"""Labels that the operator had before say how a scan fares; they are read last and change nothing."""

import msgspec
import numpy as np
import pytest

from spiritsafe.campaigns.known import ENOUGH, held_against, side_of, told
from spiritsafe.campaigns.model import Group, Verdict
from spiritsafe.stats import logistic_fit
from tests.campaigns.example_findings import small_campaign


def group(number, *, size=10, bits=8.0, verdict=Verdict.CAMPAIGN):
    one = small_campaign()
    members = tuple(
        msgspec.structs.replace(
            one.members[0], account_id=f"g{number}-{n}", bits_content=bits, bits_work=0.0, bits_timing=0.0,
            bits_infrastructure=0.0, bits_identity=0.0, bits_lifecycle=0.0,
        )
        for n in range(size)
    )  # fmt: skip
    return msgspec.structs.replace(one, campaign_id=f"c-{number:016x}", verdict=verdict, members=members)


def accounts_of(groups):
    return [member.account_id for one in groups for member in one.members]


def test_nobody_known_is_nothing_to_say():
    assert held_against([group(1)], accounts_of([group(1)]), {}) is None


@pytest.mark.parametrize(
    ("label", "side"),
    [
        ("banned", True), ("Ban 2025", True), ("fraud_ring", True), ("cleared", False), ("VERIFIED-CUSTOMER", False),
        ("ban overturned", None), ("vip", None), ("", None), ("bandwidth", None),
    ],
)  # fmt: skip
def test_a_label_is_read_by_its_words(label, side):
    assert side_of(label) is side


def test_the_accused_and_the_grouped_are_counted_and_groups_carry_the_interval():
    groups = [group(1), group(2, verdict=Verdict.OPEN_COORDINATION)]
    every = [*accounts_of(groups), *(f"alone-{n}" for n in range(30))]
    known = dict.fromkeys(accounts_of(groups[:1]), "banned") | dict.fromkeys(accounts_of(groups[1:]), "customer")
    known |= {"alone-0": "banned", "alone-1": "vip", "elsewhere": "banned"}
    found = held_against(groups, every, known)
    assert found is not None
    assert (found.bad.accounts, found.bad.accused, found.bad.grouped) == (11, 10, 10)
    assert (found.good.accounts, found.good.accused, found.good.grouped) == (10, 0, 10)
    assert (found.unread, found.absent) == ({"vip": 1}, 1)
    assert found.bad.low < 0.1
    assert found.good.high > 0.9
    assert found.calibration is None
    assert str(ENOUGH) in found.why_not
    lines = told(found)
    assert lines[0].startswith("Of 11 accounts that you know as bad, 10 are accused")
    assert any("vip (1)" in line for line in lines)


def test_bits_that_say_something_are_shown_to_on_groups_held_out():
    random = np.random.default_rng(1)
    groups: list[Group] = []
    known: dict[str, str] = {}
    for number in range(60):
        bad = number % 2 == 0
        one = group(number, bits=float(random.normal(10 if bad else 3, 2)))
        groups.append(one)
        known |= dict.fromkeys(accounts_of([one]), "banned" if bad else "cleared")
    found = held_against(groups, accounts_of(groups), known)
    assert found is not None
    made = found.calibration
    assert made is not None
    assert found.why_not == ""
    assert made.fitted_on + made.held_out == 600
    assert made.slope > 0
    assert made.brier_after < 0.1 < made.brier_before
    assert any("Held out" in line for line in told(found))


def test_a_logistic_fit_finds_the_curve_that_made_the_outcomes():
    random = np.random.default_rng(2)
    score = random.normal(5, 3, 20_000)
    outcome = random.random(20_000) < 1 / (1 + np.exp(-(-3 + 0.7 * score)))
    intercept, slope = logistic_fit(score, outcome)
    assert intercept == pytest.approx(-3, abs=0.15)
    assert slope == pytest.approx(0.7, abs=0.03)
    apart = np.arange(40.0)
    assert np.isfinite(logistic_fit(apart, apart >= 20)).all()
