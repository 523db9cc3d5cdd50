"""The log as a whole: account signals as arrays, what is observable, who is attested.

Comes from `signals` and the side tables; goes on to `campaigns.facts` and the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spiritsafe.campaigns.facts import Log

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def log_of(signals: pa.Table, *, observable: frozenset[str], attestations: pa.Table | None) -> Log:
    """Turn account signals (sorted by account number) into arrays, and look up who is attested.

    An attestation counts for an account if it was in force at any time while the account was seen. One made
    for an organisation counts only for accounts whose membership is verified: a name is no proof.
    """
    columns = {name: _array(signals[name]) for name in signals.column_names}
    return Log(
        signals=columns,
        observable=observable,
        attested={} if attestations is None else _attested(columns, attestations),
    )


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return np.array(column.to_pylist(), dtype=object)
    if column.null_count:
        return column.cast(pa.float64()).to_numpy()  # type: ignore[no-any-return]
    return column.to_numpy()  # type: ignore[no-any-return]


def _attested(columns: dict[str, NDArray[Any]], attestations: pa.Table) -> dict[int, tuple[str, str, str]]:
    import pyarrow as pa

    by_subject: dict[str, list[tuple[float, float, tuple[str, str, str]]]] = {}
    begins = attestations["not_before"].cast(pa.int64()).to_pylist()
    ends = attestations["expires_at"].cast(pa.int64()).to_pylist()
    for row, begin, end in zip(attestations.to_pylist(), begins, ends, strict=True):
        told = (row["kind"], row["owner"], row["reason"])
        by_subject.setdefault(row["subject"], []).append((begin / 1e6, end / 1e6, told))
    attested: dict[int, tuple[str, str, str]] = {}
    facts = zip(
        columns["account_id"],
        columns["organization_id"],
        columns["organization_verified"],
        columns["first_s"],
        columns["last_s"],
        strict=True,
    )
    for number, (account, organization, verified, first, last) in enumerate(facts):
        subjects = [account, organization] if verified else [account]
        for subject in subjects:
            for begin, end, told in by_subject.get(subject, ()):
                if begin <= last and end > first:
                    attested.setdefault(number, told)
    return attested
