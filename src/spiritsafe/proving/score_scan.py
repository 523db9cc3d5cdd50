"""What a scan said, lined up with what is true, account by account and exchange by exchange.

Comes from a world's truth (`score_truth`) and a scan's result folder; goes on to `score`. Several worlds are
pooled: accounts, campaigns and organisations of different seeds are different, so their names get the number of
their pair in front.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.errors import InputError
from spiritsafe.proving.score_truth import Truth, load_exchanges, load_truth, refuse_same, strings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    Strings = NDArray[np.object_]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

EXCHANGE_LIMIT: Final = 0.5  # an exchange counts as flagged from this probability on


class ScanError(InputError):
    """A folder that is no scan result, or the result of scanning something else."""

    code = "proving.scan"


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group of the scan. `members` are account numbers of the pooled truth."""

    group_id: str
    verdict: str
    members: Ints


@dataclass(frozen=True, slots=True)
class Judged:
    """Truth and finding side by side, pooled over pairs. Arrays have shape (accounts,) unless said otherwise.

    `accused` means a member of a group with verdict `campaign`; `grouped` a member of any group. `probability` is
    what the scan states for the accused and 0 for the others. `group` is the account's accused group, else its
    largest group, else "". `used` holds the accounts through which each campaign sent, which on a relay of two
    campaigns overlap. The last three have shape (exchanges,): the account, whether the distiller sent it, and
    the campaign's probability that the scan states for it (0 when it is in no campaign's exchanges).
    """

    truth: Truth
    pair: Ints
    accused: Bools
    grouped: Bools
    probability: Floats
    group: Strings
    groups: tuple[FoundGroup, ...]
    used: dict[str, Ints]
    exchange_account: Ints
    exchange_guilty: Bools
    exchange_probability: Floats


def load_judged(pairs: Sequence[tuple[Path, Path]]) -> Judged:
    """Read every (world, scan) pair and pool them.

    Raises
    ------
    SameWorldError
        Two pairs are of one world, or of worlds of one seed: the same accounts would count twice.
    WorldError, ScanError
        A folder is not what it should be, or the scan speaks of accounts that the world does not have.
    """
    refuse_same(
        [world for world, _ in pairs],
        because="the same accounts would count twice, and few would pass for enough",
        hint="pool worlds of different --seed, one scan each; give several scans of one world as WORLD SCAN SCAN",
    )
    return pool([_load_pair(world, scan, number) for number, (world, scan) in enumerate(pairs)])


def pool(parts: Sequence[Judged]) -> Judged:
    """Several judged worlds as one; they must be independent draws (`score_truth.refuse_same`)."""
    starts = np.cumsum([0, *(len(part.truth.account_id) for part in parts)])
    truth = Truth(**{f.name: np.concatenate([getattr(part.truth, f.name) for part in parts]) for f in fields(Truth)})

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Judged(
        truth=truth,
        pair=joined("pair"),
        accused=joined("accused"),
        grouped=joined("grouped"),
        probability=joined("probability"),
        group=joined("group"),
        groups=tuple(
            FoundGroup(group.group_id, group.verdict, group.members + start)
            for part, start in zip(parts, starts, strict=False)
            for group in part.groups
        ),
        used={
            campaign: accounts + start
            for part, start in zip(parts, starts, strict=False)
            for campaign, accounts in part.used.items()
        },
        exchange_account=np.concatenate(
            [part.exchange_account + start for part, start in zip(parts, starts, strict=False)]
        ),
        exchange_guilty=joined("exchange_guilty"),
        exchange_probability=joined("exchange_probability"),
    )


def _load_pair(world: Path, scan: Path, number: int) -> Judged:
    truth = load_truth(world)
    accounts = len(truth.account_id)
    place = {account: row for row, account in enumerate(truth.account_id)}
    groups = _groups(scan, place, number)
    accused, grouped = np.zeros(accounts, bool), np.zeros(accounts, bool)
    probability = np.zeros(accounts)
    group = np.full(accounts, "", object)
    for found in sorted(groups, key=lambda one: (one.verdict == "campaign", len(one.members))):
        grouped[found.members] = True
        group[found.members] = found.group_id
    members = _table(scan, "members.parquet", ("account_id", "probability"))
    for account, stated in zip(strings(members, "account_id"), members.column("probability").to_pylist(), strict=True):
        row = _known(place, account, scan)
        accused[row] = True
        probability[row] = max(probability[row], stated)
    exchange_account, sender, exchange_probability = _exchanges(world, scan, place)
    used = {f"{number}/{name}": np.unique(exchange_account[sender == name]) for name in sorted(set(sender) - {""})}
    return Judged(
        truth=_numbered(truth, number),
        pair=np.full(accounts, number),
        accused=accused,
        grouped=grouped | accused,
        probability=probability,
        group=group,
        groups=groups,
        used=used,
        exchange_account=exchange_account,
        exchange_guilty=sender != "",
        exchange_probability=exchange_probability,
    )


def _numbered(truth: Truth, number: int) -> Truth:
    """The truth with the pair's number before every name that is unique to its world."""

    def named(values: Strings) -> Strings:
        return np.array([f"{number}/{value}" if value else "" for value in values], object)

    known = {field.name: getattr(truth, field.name) for field in fields(Truth)}
    known |= {name: named(known[name]) for name in ("account_id", "operator", "unit", "campaign")}
    return Truth(**known)


def _groups(scan: Path, place: dict[str, int], number: int) -> tuple[FoundGroup, ...]:
    table = _table(scan, "groups.parquet", ("group_id", "verdict", "account_ids"))
    return tuple(
        FoundGroup(
            f"{number}/{row['group_id']}",
            row["verdict"],
            np.array([_known(place, account, scan) for account in row["account_ids"]], np.int64),
        )
        for row in table.to_pylist()
    )


def _exchanges(world: Path, scan: Path, place: dict[str, int]) -> tuple[Ints, Strings, Floats]:
    """Of each exchange: its account, the campaign that sent it ("" for an innocent), the stated probability."""
    import pyarrow.compute as pc

    true = load_exchanges(world)
    owner = np.array([place[account] for account in true.column("account_id").to_pylist()], np.int64)
    flagged = _table(scan, "exchanges.parquet", ("event_id", "probability"))
    # An exchange may stand under two campaigns of one relay: its highest probability counts.
    best = flagged.group_by("event_id").aggregate([("probability", "max")])
    row = pc.index_in(true.column("event_id"), best.column("event_id").combine_chunks())
    stated = best.column("probability_max").take(row).fill_null(0.0).to_numpy()
    return owner, strings(true, "campaign_id"), stated.astype(np.float64)


def _known(place: dict[str, int], account: str, scan: Path) -> int:
    row = place.get(account)
    if row is None:
        raise ScanError(
            f"{scan} speaks of account {account!r}, which the world does not have",
            hint="give the scan of this world, made without --pseudonymise",
        )
    return row


def _table(scan: Path, name: str, columns: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = scan / name
    if not path.is_file():
        raise ScanError(f"{scan} has no {name}", hint="give a folder written by `spiritsafe scan --out`")
    try:
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ScanError(f"{path} cannot be read: {reason}", hint="scan the world again") from error
