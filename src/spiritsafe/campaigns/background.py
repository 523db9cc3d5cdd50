"""The log as a whole: account signals as arrays, what is observable, who is attested.

Comes from `signals` and the side tables; goes on to `campaigns.facts` and the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from spiritsafe.campaigns.facts import Log
from spiritsafe.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.campaigns.facts import Attested


class RepeatedAccountError(InputError):
    """An account has more than one row of signals, so that it would be judged, and accused, more than once."""

    code: ClassVar[str] = "campaigns.repeated_account"


def log_of(signals: pa.Table, *, observable: frozenset[str], attested: dict[int, Attested] | None = None) -> Log:
    """Account signals (sorted by account number) as arrays.

    Parameters
    ----------
    signals
        One row an account.
    observable
        Contract columns that have any value.
    attested
        As `campaigns.attested` counts it; None when no attestations were given.

    Raises
    ------
    RepeatedAccountError
        An account has several rows: an accounts table with repeated rows was joined.
    """
    columns = {name: _array(signals[name]) for name in signals.column_names}
    accounts = len(set(columns["account_id"].tolist()))
    if accounts != signals.num_rows:
        raise RepeatedAccountError(
            f"{signals.num_rows:,} rows of signals for {accounts:,} accounts",
            hint="give an accounts table with one row an account; `events.beside.read_beside` sees to it",
        )
    return Log(signals=columns, observable=observable, attested=attested)


def first_suspensions(account_events: pa.Table, log: Log) -> NDArray[np.float64]:
    """When each account of the log was first suspended, in epoch seconds; NaN for never. Shape (accounts,)."""
    import pyarrow.compute as pc

    found = np.full(log.accounts, np.nan)
    suspended = account_events.filter(pc.equal(account_events["kind"], "suspended"))
    numbers = {name: number for number, name in enumerate(log.signals["account_id"].tolist())}
    times = suspended["time"].cast("int64").to_numpy() / 1e6
    for name, at_s in zip(suspended["account_id"].to_pylist(), times.tolist(), strict=True):
        number = numbers.get(name)
        if number is not None:
            found[number] = np.fmin(found[number], at_s)
    return found


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return np.array(column.to_pylist(), dtype=object)
    if column.null_count:
        return column.cast(pa.float64()).to_numpy()  # type: ignore[no-any-return]
    return column.to_numpy()  # type: ignore[no-any-return]
