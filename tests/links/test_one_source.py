"""One source that is dealt out, and one template that strangers run over data of their own."""

from dataclasses import replace

import numpy as np
import pytest

from spiritsafe.links import one_source as module
from spiritsafe.links.asked import Asked, Outsiders
from spiritsafe.links.one_source import ALIKE_OF_STRANGERS, OneSource, _Collisions
from tests.links.prompts import TEMPLATE, asked_by, each_its_own, from_one_source, prompts_of, source, strangers

NOBODY_ELSE = Outsiders.of(asked_by(strangers(np.random.default_rng(0), others=60)))


def one_source(asked: Asked, members: int, outsiders: Outsiders = NOBODY_ELSE) -> OneSource | None:
    return module.one_source(asked, members, outsiders)


def test_prompts_of_one_source_are_as_alike_between_accounts_as_within_one():
    found = one_source(asked_by(from_one_source(np.random.default_rng(1), 12)), 12)
    assert found is not None
    assert found.alike == pytest.approx(1.0, abs=0.2)
    assert found.p_value < 1e-5
    assert found.members.all()
    assert (found.prompts, found.shown) == (240, 12)
    assert found.theirs


def test_users_of_one_template_with_data_of_their_own_are_not_one():
    found = one_source(asked_by(each_its_own(np.random.default_rng(2), 12)), 12)
    assert found is not None
    assert found.alike < 0.05
    assert found.p_value > 0.99
    assert not found.members.any()


def test_what_is_nearer_to_sources_apart_than_to_one_is_nobodys_however_sure():
    found = OneSource(600, 0.42, 300.0, 120.0, 1e-6, 0.001, 0.05, np.ones(8, dtype=bool), np.full(8, 75))
    assert not found.theirs
    assert replace(found, alike=0.65).theirs


def test_what_many_strangers_ask_about_is_not_theirs():
    random = np.random.default_rng(11)
    asked = asked_by(from_one_source(random, 12))
    few = strangers(random, alike=1, near=4, others=55)
    many = strangers(random, alike=9, near=20, others=31)
    rare, common = (one_source(asked, 12, Outsiders.of(asked_by(one))) for one in (few, many))
    assert rare is not None
    assert common is not None
    assert rare.outside == pytest.approx(2 / 61)
    assert rare.theirs
    assert common.outside == pytest.approx(10 / 61)
    assert not common.theirs
    assert common.p_value == rare.p_value < 1e-5


def test_where_all_who_come_near_ask_alike_it_is_the_language():
    """Two of a hundred strangers write a rare language: both ask as the members do, and nobody else comes near."""
    random = np.random.default_rng(12)
    asked = asked_by(from_one_source(random, 12))
    found = one_source(asked, 12, Outsiders.of(asked_by(strangers(random, alike=2, near=0, others=98))))
    assert found is not None
    assert found.outside <= 1 / 17
    assert found.near == pytest.approx(3 / 5)
    assert not found.theirs


def test_what_is_often_said_in_a_language_is_no_template():
    """Turns of speech that all of them use, one in a prompt, as people do who write one language."""
    random = np.random.default_rng(15)
    accounts = [
        [np.append(prompt[len(TEMPLATE) :], random.choice(TEMPLATE)) for prompt in prompts]
        for prompts in from_one_source(random, 12)
    ]
    assert one_source(asked_by(accounts), 12) is None


def test_without_strangers_nobody_can_say_that_it_is_theirs():
    found = one_source(asked_by(from_one_source(np.random.default_rng(13), 12)), 12, Outsiders.of(asked_by([])))
    assert found is not None
    assert found.outside == 1.0
    assert not found.theirs


def test_the_template_itself_proves_nothing():
    random = np.random.default_rng(3)
    accounts = [[np.append(TEMPLATE, random.integers(1 << 40, 1 << 50, 10)) for _ in range(20)] for _ in range(12)]
    assert one_source(asked_by(accounts), 12) is None


def test_one_who_only_borrowed_the_template_is_not_among_them():
    random = np.random.default_rng(4)
    found = one_source(asked_by([*from_one_source(random, 11), prompts_of(random, source(9), 20)]), 12)
    assert found is not None
    assert found.p_value < 1e-5
    assert found.members.tolist() == [True] * 11 + [False]


def test_accounts_beyond_the_core_are_held_against_it():
    random = np.random.default_rng(5)
    found = one_source(asked_by([*from_one_source(random, 60, 12), *each_its_own(random, 3, 12)][:63]), 63)
    assert found is not None
    # The first of `each_its_own` has the source that is dealt out.
    assert found.members.tolist() == [True] * 61 + [False] * 2


def test_who_asks_the_same_things_is_no_matter_of_sources():
    random = np.random.default_rng(6)
    one_list = prompts_of(random, source(0), 20)
    assert one_source(asked_by([one_list] * 12, items=np.tile(np.arange(1, 21), 12)), 12) is None


def test_too_few_resemblances_say_nothing():
    random = np.random.default_rng(7)
    assert one_source(asked_by(from_one_source(random, 6, 2)), 6) is None
    assert one_source(asked_by(from_one_source(random, 5, 30)), 5) is None
    assert one_source(asked_by([]), 4) is None
    assert one_source(asked_by([prompts_of(random, source(0), 30)]), 1) is None


def half_alike(random, accounts, count):
    """Accounts that are just a third as alike as each is to itself: some of each one's data are common."""
    common = 1 / (1 + np.sqrt(1 / ALIKE_OF_STRANGERS - 1))
    made = []
    for number in range(accounts):
        mine = random.random(count) < common
        mixed = [prompts_of(random, source(0 if shared else 1 + number), 1)[0] for shared in mine]
        made.append(mixed)
    return made


def test_at_the_bound_of_the_null_few_p_values_are_small():
    """The null is composite; at its bound, where it is hardest, the test must still hold its level."""
    random = np.random.default_rng(8)
    tests = [one_source(asked_by(half_alike(random, 10, 24)), 10) for _ in range(200)]
    p_values = np.array([found.p_value for found in tests if found is not None])
    assert len(p_values) > 150
    assert np.mean(p_values <= 0.05) <= 0.08
    assert np.mean(p_values <= 0.01) <= 0.03


def test_mean_and_variance_are_those_of_dealing_anew():
    random = np.random.default_rng(9)
    asked = asked_by([prompts_of(random, source(0)[:60], count) for count in (6, 9, 4, 11)])
    rows = np.repeat(np.arange(len(asked.item)), np.diff(asked.begins))
    value = np.unique(asked.phrases, return_inverse=True)[1]
    data = asked.phrases >= 1_000_000
    every = np.ones(len(asked.item), dtype=bool)

    def dealt(account):
        found = _Collisions.of(account, rows[data], value[data], every, 4)
        assert found is not None
        return found

    mean, variance = dealt(asked.account).if_dealt()
    drawn = np.array([dealt(random.permutation(asked.account)).within for _ in range(3_000)])
    assert drawn.mean() == pytest.approx(mean, rel=0.02)
    assert drawn.var() == pytest.approx(variance, rel=0.1)


def test_further_accounts_stand_where_their_number_says():
    random = np.random.default_rng(10)
    first, more = asked_by(from_one_source(random, 2, 3)), asked_by(from_one_source(random, 2, 2))
    first = Asked(first.account * 2 + 1, first.item, first.phrases, first.begins)
    more = Asked(more.account * 2, more.item + 100, more.phrases, more.begins)
    both = first.and_of(more)
    assert both.account.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    for accounts, whole in (([1, 3], first), ([0, 2], more)):
        part = both.of(np.array(accounts))
        assert part.item.tolist() == whole.item.tolist()
        assert part.phrases.tolist() == whole.phrases.tolist()
        assert part.begins.tolist() == whole.begins.tolist()
