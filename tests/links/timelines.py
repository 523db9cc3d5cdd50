"""Made-up timelines: one queue that is dealt out, strangers with hours of their own, and a log of some days."""

import numpy as np

from spiritsafe.links.rhythm import DAY_S, Timelines, Window

DAYS = 14
WINDOW = Window(0, DAYS * DAY_S)


def bursts(random, count, *, peak_h=14.0):
    """Short bursts of up to six exchanges, each within two minutes, around one hour of the day."""
    begins = random.integers(0, DAYS, count) * DAY_S + random.normal(peak_h, 3.0, count) * 3600
    sizes = random.integers(1, 7, count)
    at_s = np.repeat(begins, sizes) + random.uniform(0, 120, int(sizes.sum()))
    return np.sort(np.clip(at_s, 0, DAYS * DAY_S - 1)).astype(np.int64)


def lines(times):
    """Timelines of accounts from a list of their times."""
    member = np.repeat(np.arange(len(times)), [len(one) for one in times])
    return Timelines(member.astype(np.int64), np.concatenate(times).astype(np.int64), len(times))


def strangers(random, accounts, *, exchanges=12):
    """Accounts that have nothing to do with one another."""
    return [bursts(random, exchanges, peak_h=float(random.uniform(6, 22))) for _ in range(accounts)]


def dealt(random, accounts, *, exchanges=12):
    """One sender's bursts, each exchange on an account at random."""
    every = bursts(random, accounts * exchanges)
    place = random.integers(0, accounts, len(every))
    return [every[place == number] for number in range(accounts)]
