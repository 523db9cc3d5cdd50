"""What an account's rows add up to: counts, rates, quantiles, entropies, gaps, hours, shares.

Nothing here looks at a second account. If such numbers find campaigns, the composed world gives itself away,
and a detector that looks good on it proves nothing. Comes from `audit_rows` and `audit_texts`; goes on to
`audit_checks` and `audit_models`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.proving.audit_rows import DAY_S, SECOND_US, Columns
from spiritsafe.proving.audit_world import microseconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.audit_world import AuditWorld

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

QUANTILES: Final = (0.1, 0.5, 0.9)


def aggregate_columns(columns: Columns, account: Ints, accounts: int) -> dict[str, Floats]:
    """Aggregates of every column, each of shape (accounts,). NaN where an account has nothing to aggregate.

    Parameters
    ----------
    columns
        Arrays of shape (rows,).
    account
        Shape (rows,). The account's number of each row.
    accounts
        How many accounts there are.
    """
    rows = np.bincount(account, minlength=accounts).astype(np.float64)
    found: dict[str, Floats] = {}
    for name, values in columns.numbers.items():
        found |= _number_aggregates(name, values, account, accounts)
    for name, values in columns.shapes.items():
        mean, deviation = _mean_and_deviation(values, account, accounts)
        found |= {f"{name}.mean": mean, f"{name}.deviation": deviation}
    for name, value in columns.values.items():
        found |= _value_aggregates(name, value, account, accounts, rows)
    for name, codes in columns.codes.items():
        for code in range(-1, int(codes.max()) + 1):
            share = np.bincount(account[codes == code], minlength=accounts) / np.maximum(rows, 1)
            found[f"{name}.share_of_{code}"] = share
    return found


def aggregate_shared(columns: Columns, account: Ints, accounts: int) -> dict[str, Floats]:
    """Mean commonness of an account's values over all accounts: for single checks, never for boosting."""
    return {
        f"{name}.mean": _mean_and_deviation(values, account, accounts)[0] for name, values in columns.shared.items()
    }


def _mean_and_deviation(values: Floats, account: Ints, accounts: int) -> tuple[Floats, Floats]:
    there = ~np.isnan(values)
    who, what = account[there], values[there]
    count = np.bincount(who, minlength=accounts).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(who, weights=what, minlength=accounts) / count
        square = np.bincount(who, weights=(what - mean[who]) ** 2, minlength=accounts) / count
    return mean, np.sqrt(square)


def _number_aggregates(name: str, values: Floats, account: Ints, accounts: int) -> dict[str, Floats]:
    mean, deviation = _mean_and_deviation(values, account, accounts)
    there = ~np.isnan(values)
    order = np.lexsort((values[there], account[there]))
    who, what = account[there][order], values[there][order]
    count = np.bincount(who, minlength=accounts)
    start = np.cumsum(count) - count
    some = count > 0
    rows = np.bincount(account, minlength=accounts)
    found = {f"{name}.mean": mean, f"{name}.deviation": deviation}

    def at(share: float) -> Floats:
        taken = np.full(accounts, np.nan)
        taken[some] = what[(start + np.round(share * (count - 1)).astype(np.int64))[some]]
        return taken

    for label, share in (("min", 0.0), ("max", 1.0), *((f"q{int(100 * q)}", q) for q in QUANTILES)):
        found[f"{name}.{label}"] = at(share)
    found[f"{name}.missing"] = 1 - count / np.maximum(rows, 1)
    new = np.ones(len(what), bool)
    new[1:] = (what[1:] != what[:-1]) | (who[1:] != who[:-1])
    runs = np.diff(np.append(np.flatnonzero(new), len(what)))
    longest = np.zeros(accounts)
    np.maximum.at(longest, who[new], runs)
    found[f"{name}.distinct"] = np.bincount(who[new], minlength=accounts).astype(np.float64)
    found[f"{name}.distinct_share"] = found[f"{name}.distinct"] / np.maximum(count, 1)
    found[f"{name}.commonest_share"] = longest / np.maximum(count, 1)
    return found


def _value_aggregates(name: str, values: Ints, account: Ints, accounts: int, rows: Floats) -> dict[str, Floats]:
    there = values >= 0
    who, what = account[there], values[there]
    width = int(what.max()) + 1 if len(what) else 1
    cell, count = np.unique(who * width + what, return_counts=True)
    owner = cell // width
    total = np.bincount(who, minlength=accounts).astype(np.float64)
    share = count / total[owner]
    top = np.zeros(accounts)
    np.maximum.at(top, owner, share)
    distinct = np.bincount(owner, minlength=accounts).astype(np.float64)
    return {
        f"{name}.distinct": distinct,
        f"{name}.distinct_share": distinct / np.maximum(total, 1),
        f"{name}.commonest_share": top,
        f"{name}.entropy": -np.bincount(owner, weights=share * np.log2(share), minlength=accounts).astype(float),
        f"{name}.missing": 1 - total / np.maximum(rows, 1),
    }


def aggregate_times(world: AuditWorld) -> dict[str, Floats]:
    """Volume, gaps, hours, days, start and end of each account, of shape (accounts,)."""
    time_us = world.time_us
    order = np.lexsort((time_us, world.account))
    who, when_s = world.account[order], (time_us[order] - time_us.min()) / SECOND_US
    accounts = world.accounts
    rows = np.bincount(who, minlength=accounts).astype(np.float64)
    found = {"requests": rows}
    gaps = np.diff(when_s)[who[1:] == who[:-1]]
    gap_owner = who[1:][who[1:] == who[:-1]]
    columns = Columns(numbers={"gap.log_s": np.log10(np.maximum(gaps, 1e-6))})
    found |= aggregate_columns(columns, gap_owner, accounts)
    mean, deviation = _mean_and_deviation(gaps, gap_owner, accounts)
    found["gap.variation"] = deviation / np.maximum(mean, 1e-9)
    for limit_s in (1, 10, 60, 3600):
        share = np.bincount(gap_owner[gaps < limit_s], minlength=accounts) / np.maximum(rows - 1, 1)
        found[f"gap.under_{limit_s}_s"] = share
    clock_s = time_us[order] // SECOND_US
    found |= _clock_aggregates(who, clock_s, rows, accounts)
    first, last = np.full(accounts, np.inf), np.full(accounts, -np.inf)
    np.minimum.at(first, who, when_s)
    np.maximum.at(last, who, when_s)
    some = rows > 0
    span_days = np.where(some, (last - first) / DAY_S, np.nan)
    found |= {
        "first.days_since_start": np.where(some, first / DAY_S, np.nan),
        "last.days_since_start": np.where(some, last / DAY_S, np.nan),
        "span_days": span_days,
        "requests_a_day_of_span": rows / np.maximum(span_days, 1 / 24),
    }
    return found


def _clock_aggregates(who: Ints, clock_s: Ints, rows: Floats, accounts: int) -> dict[str, Floats]:
    """Hours of the day, days of the week, active days, busiest minute and hour."""
    found: dict[str, Floats] = {}
    some = np.maximum(rows, 1)
    hour, weekday = clock_s % DAY_S // 3600, (clock_s // DAY_S + 3) % 7
    angle = 2 * np.pi * (clock_s % DAY_S) / DAY_S
    east = np.bincount(who, weights=np.cos(angle), minlength=accounts) / some
    north = np.bincount(who, weights=np.sin(angle), minlength=accounts) / some
    found["day_rhythm.strength"], found["day_rhythm.phase"] = np.hypot(east, north), np.arctan2(north, east)
    hours = np.bincount(who * 24 + hour, minlength=accounts * 24).reshape(accounts, 24) / some[:, None]
    days = np.bincount(who * 7 + weekday, minlength=accounts * 7).reshape(accounts, 7) / some[:, None]
    found |= {f"hour.share_of_{h}": hours[:, h] for h in range(24)}
    found |= {f"weekday.share_of_{d}": days[:, d] for d in range(7)}
    found["hour.quietest_8_h"] = np.stack(
        [hours[:, [(h + k) % 24 for k in range(8)]].sum(axis=1) for h in range(24)]
    ).min(axis=0)
    for label, width_s in (("minute", 60), ("hour", 3600), ("day", DAY_S)):
        slot = clock_s // width_s - clock_s.min() // width_s
        cell, count = np.unique(who * (int(slot.max()) + 1) + slot, return_counts=True)
        owner = cell // (int(slot.max()) + 1)
        busiest = np.zeros(accounts)
        np.maximum.at(busiest, owner, count)
        mean, deviation = _mean_and_deviation(count.astype(np.float64), owner, accounts)
        found |= {
            f"{label}.busiest": busiest,
            f"{label}.active": np.bincount(owner, minlength=accounts).astype(np.float64),
            f"{label}.mean_when_active": mean,
            f"{label}.deviation_when_active": deviation,
        }
    return found


def aggregate_account_events(world: AuditWorld) -> dict[str, Floats]:
    """Counts and times of an account's life events by kind, and whether anybody attested it."""
    found = {"attested": world.attested.astype(np.float64)}
    if world.account_events is None:
        return found
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array(world.truth.account_id.tolist(), pa.string())
    owner = pc.index_in(world.account_events.column("account_id").cast(pa.string()), ids)
    known = owner.is_valid().to_numpy()
    owner_of = owner.fill_null(0).to_numpy().astype(np.int64)
    kinds = np.array(world.account_events.column("kind").to_pylist(), object)
    for kind in sorted(set(kinds)):
        chosen = known & (kinds == kind)
        found[f"account_event.{kind}"] = np.bincount(owner_of[chosen], minlength=world.accounts).astype(float)
        since = (microseconds(world.account_events.column("time"))[chosen] - world.time_us.min()) / SECOND_US / DAY_S
        columns = Columns(numbers={f"account_event.{kind}.days_since_start": since})
        found |= aggregate_columns(columns, owner_of[chosen], world.accounts)
    return found
