"""Accounts that come and go together, and those that only happen to."""

import numpy as np
import pyarrow as pa

from spiritsafe.links.lifecycle import burst, chance_of_succession, succession
from spiritsafe.links.releases import move, releases
from spiritsafe.links.rhythm import DAY_S, Window
from spiritsafe.stats import uniform_check

WINDOW = Window(0, 14 * DAY_S)
NEVER = np.nan


def test_new_accounts_that_follow_bans_within_hours_are_successors():
    bans = np.array([2.0, 3.5, 5.0, 6.2, 8.0]) * DAY_S
    created = np.concatenate([np.full(5, -DAY_S), bans + 2 * 3600])
    found = succession(created, np.concatenate([bans, np.full(5, NEVER)]), np.arange(10), WINDOW, seed=0)
    assert found is not None
    assert (found.banned, found.followed, found.within_s) == (5, 5, 12 * 3600)
    assert found.p_value < 0.01
    assert found.members.all()


def test_who_comes_soon_after_a_ban_is_held_against_strangers_who_do():
    """Of strangers who sign up all the time few come so soon after a ban, and many within half a day of one."""
    random = np.random.default_rng(0)
    bans = np.arange(20) * DAY_S / 2 + 3 * DAY_S
    strangers = random.uniform(0, 14 * DAY_S, 500)
    suspended = np.concatenate([bans, np.full(520, NEVER)])
    for delay_s, within_s, low, high in ((1_200, 3_600, 0.01, 0.05), (30_000, 43_200, 0.4, 0.6)):
        created = np.concatenate([np.full(20, -DAY_S), bans + delay_s, strangers])
        found = succession(created, suspended, np.arange(40), WINDOW, seed=0)
        assert found is not None
        assert (found.followed, found.within_s) == (20, within_s)
        assert ((found.chance[20:] > low) & (found.chance[20:] < high)).all()
        # Nobody but members was banned: a random time stands for a stranger's.
        assert np.allclose(found.chance[:20], 20 * delay_s / (14 * DAY_S), rtol=0.05)
        assert found.members[20:].all() == (delay_s < 3_600)


def test_strangers_are_as_close_to_bans_as_their_share_says():
    random = np.random.default_rng(1)
    created, suspended = random.uniform(0, 14 * DAY_S, (2, 400))
    suspended[200:] = NEVER
    chance = chance_of_succession(created, suspended, np.arange(30), WINDOW)
    # Who could be in the chain in two ways has two chances, and both are counted.
    for level in (0.05, 0.1, 0.2):
        assert 0.3 * level <= np.mean(chance[30:] <= level) <= 1.3 * level


def test_bans_and_sign_ups_that_have_nothing_to_do_with_one_another_have_honest_p_values():
    p_values = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        suspended = np.where(np.arange(16) < 8, random.uniform(0, 14 * DAY_S, 16), NEVER)
        created = np.where(np.arange(16) < 8, -DAY_S, random.uniform(0, 14 * DAY_S, 16))
        found = succession(created, suspended, np.arange(16), WINDOW, seed=seed)
        assert found is not None
        p_values.append(found.p_value)
    assert uniform_check(np.array(p_values)).p_too_small > 0.001


def test_who_came_soon_after_a_ban_or_went_shortly_before_a_sign_up_is_in_the_chain():
    hour = 3_600.0
    created = np.array([NEVER, 50 * hour, 101 * hour, 113 * hour, NEVER, NEVER, NEVER])
    suspended = np.array([100 * hour, NEVER, NEVER, NEVER, 49 * hour, 51 * hour, NEVER])
    chance = chance_of_succession(created, suspended, np.array([0, 1]), WINDOW)
    assert (chance < 1).tolist() == [False, False, True, False, True, False, False]
    nobody = np.full(7, NEVER)
    assert (chance_of_succession(created, nobody, np.array([0, 1]), WINDOW) == 1).all()
    assert (chance_of_succession(nobody, suspended, np.array([0, 1]), WINDOW) == 1).all()


def test_one_ban_says_nothing_and_neither_does_a_short_log():
    created, one = np.array([-1.0, 5e4, 6e4]), np.array([4e4, NEVER, NEVER])
    assert succession(created, one, np.arange(3), WINDOW, seed=0) is None
    both = np.array([4e4, 5e4, NEVER])
    assert succession(created, both, np.arange(3), Window(0, 2 * DAY_S), seed=0) is None


def test_twenty_accounts_of_one_day_are_a_burst_where_sign_ups_are_spread_out():
    random = np.random.default_rng(1)
    everyone = np.sort(random.uniform(-200 * DAY_S, 0, 5_000))
    batch = -50 * DAY_S + random.uniform(0, 12 * 3600, 20)
    found = burst(batch, np.sort(np.concatenate([everyone, batch])))
    assert found is not None
    assert (found.opened, found.known) == (20, 20)
    assert found.p_value < 1e-10
    assert found.background < 0.02


def test_a_day_on_which_everybody_signs_up_says_nothing():
    random = np.random.default_rng(2)
    everyone = np.sort(random.uniform(0, DAY_S, 5_000))
    found = burst(everyone[:20], everyone)
    assert found is not None
    assert found.p_value == 1.0


def test_bursts_of_accounts_drawn_at_random_are_rare():
    random = np.random.default_rng(3)
    everyone = np.sort(random.exponential(60 * DAY_S, 4_000))
    p_values = []
    for _ in range(300):
        found = burst(random.choice(everyone, 15, replace=False), everyone)
        assert found is not None
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08


def test_fewer_than_four_known_sign_ups_say_nothing():
    assert burst(np.array([1.0, 2.0, 3.0, NEVER]), np.arange(100.0)) is None
    assert burst(np.full(9, NEVER), np.arange(100.0)) is None


def uses(pairs):
    return pa.table(
        {
            "account": pa.array([account for account, _, _ in pairs], pa.int64()),
            "model": pa.array([model for _, model, _ in pairs], pa.string()),
            "first_s": pa.array([int(at) for _, _, at in pairs], pa.int64()),
        }
    )


def world(followers):
    """A thousand accounts; `new` comes out on day 6; a tenth of the accounts and all `followers` use it at once."""
    random = np.random.default_rng(4)
    told = [(account, "old", 0) for account in range(1_000)]
    told += [(account, "new", 6 * DAY_S + int(random.integers(0, DAY_S))) for account in range(0, 1_000, 10)]
    told += [(account, "new", 6 * DAY_S + 3600) for account in followers if account % 10]
    return releases(uses(told), np.zeros(1_000), np.full(1_000, 14.0 * DAY_S), WINDOW)


def test_a_group_that_moves_to_a_new_model_within_a_day_stands_out():
    group = np.arange(501, 513)
    every = world(group.tolist())
    assert every.models == ("new",)
    found = move(group, every)
    assert found is not None
    assert (found.model, found.moved, found.active) == ("new", 12, 12)
    assert found.p_value < 1e-6
    assert found.members.all()


def test_a_group_that_moves_as_others_do_does_not():
    found = move(np.arange(500, 530), world([]))
    assert found is not None
    assert found.moved == 3
    assert found.p_value > 0.2


def test_a_model_that_was_there_from_the_start_is_no_release():
    told = uses([(account, "old", account * 60) for account in range(50)])
    assert releases(told, np.zeros(50), np.full(50, 14.0 * DAY_S), WINDOW).models == ()
    assert move(np.arange(10), releases(told, np.zeros(50), np.full(50, 14.0 * DAY_S), WINDOW)) is None
