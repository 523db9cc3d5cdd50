"""What is true in a composed world: who operates each account, and who sent each exchange.

Comes from the `truth` folder that `spiritsafe prove` writes; goes on to `score` (was the scan right?) and to
`audit` (could a fool have been right?). Nothing on the detection path reads it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from spiritsafe.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Strings = NDArray[np.object_]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

TRUTH_COLUMNS: Final = (
    "account_id", "operator_id", "operator_kind", "independent_unit", "campaign_id", "archetype", "variant",
    "stealth", "language", "country", "vpn", "mixed",
)  # fmt: skip


class WorldError(InputError):
    """A folder that is not a composed world, or one whose truth does not fit its traffic."""

    code = "proving.world"


class SameWorldError(UsageError):
    """Two worlds that must be independent draws are one world, or were composed from one seed."""

    code = "proving.same_world"


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of one world, one entry an account. Strings are "" where the file has a null.

    `campaign` is "" for innocents; `stealth` is -1 for them. `unit` is the organisation that makes accounts
    dependent on each other.
    """

    account_id: Strings
    operator: Strings
    kind: Strings
    unit: Strings
    campaign: Strings
    archetype: Strings
    variant: Strings
    stealth: Ints
    language: Strings
    country: Strings
    vpn: Bools
    mixed: Bools

    @property
    def guilty(self) -> Bools:
        """Shape (accounts,). Accounts that a campaign's operator used, wholly or in part."""
        found: Bools = self.campaign != ""
        return found


def read_world_table(world: Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """One table of a world, by its path inside the folder.

    Raises
    ------
    WorldError
        The file is absent, unreadable, or lacks one of `columns`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = world / name
    if not path.is_file():
        raise WorldError(f"{world} has no {name}", hint="give a folder written by `spiritsafe prove --out`")
    try:
        present = set(pq.read_schema(path).names)
        missing = [column for column in columns or () if column not in present]
        if missing:
            raise WorldError(f"{path} lacks {', '.join(missing)}", hint="compose the world again")
        return pq.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise WorldError(f"{path} cannot be read: {reason}", hint="compose the world again") from error


def strings(table: pa.Table, column: str) -> Strings:
    """A column as Python strings, "" for null. Shape (rows,)."""
    values = [value or "" for value in table.column(column).to_pylist()]
    return np.array([str(value) for value in values], object)


def load_truth(world: Path) -> Truth:
    """The truth of every account of `world`, in the file's order."""
    table = read_world_table(world, "truth/accounts.parquet", list(TRUTH_COLUMNS))
    text = {name: strings(table, name) for name in TRUTH_COLUMNS if name not in {"stealth", "vpn", "mixed"}}
    if len(set(text["account_id"])) != len(text["account_id"]) or not len(text["account_id"]):
        raise WorldError(f"{world}: account_id is empty or repeats in truth/accounts.parquet")
    return Truth(
        account_id=text["account_id"],
        operator=text["operator_id"],
        kind=text["operator_kind"],
        unit=text["independent_unit"],
        campaign=text["campaign_id"],
        archetype=text["archetype"],
        variant=text["variant"],
        stealth=_filled(table, "stealth", -1).astype(np.int64),
        language=text["language"],
        country=text["country"],
        vpn=_filled(table, "vpn", fill=False).astype(bool),
        mixed=_filled(table, "mixed", fill=False).astype(bool),
    )


def _filled(table: pa.Table, column: str, fill: int | bool) -> NDArray[Any]:
    values: NDArray[Any] = table.column(column).fill_null(fill).to_numpy()
    return values


def load_exchanges(world: Path) -> pa.Table:
    """`event_id`, `account_id`, `campaign_id` (null unless the distiller sent it) of every exchange."""
    return read_world_table(world, "truth/exchanges.parquet", ["event_id", "account_id", "campaign_id"])


def refuse_same(worlds: Sequence[Path], *, because: str, hint: str) -> None:
    """Refuse worlds of which two are not independent draws.

    They are not when they are one folder, have the same truth byte for byte, or come from one seed: also under
    another recipe the same seed draws the same people and organisations.

    Parameters
    ----------
    worlds
        World folders.
    because, hint
        What would be wrong with using them together, and what to do instead.

    Raises
    ------
    SameWorldError
        Two of them are the same; says which.
    WorldError
        A `truth/world.json` cannot be read.
    """
    marks = [_marks(world) for world in worlds]
    for (one, first), (other, second) in combinations(zip(worlds, marks, strict=True), 2):
        if first & second:
            alike = f"{one} is given twice" if one.resolve() == other.resolve() else f"{one} and {other} are one world"
            if first & second == {mark for mark in first if mark.startswith("seed")}:
                alike = f"{one} and {other} have the same seed"
            raise SameWorldError(f"{alike}: {because}", hint=hint)


def _marks(world: Path) -> frozenset[str]:
    """What two worlds have in common only if they are not independent."""
    marks = {f"folder {world.resolve()}"}
    truth, described = world / "truth" / "accounts.parquet", world / "truth" / "world.json"
    if truth.is_file():
        marks.add(f"truth {hashlib.sha256(truth.read_bytes()).hexdigest()}")
    if described.is_file():
        try:
            seed = msgspec.json.decode(described.read_bytes(), type=_Described).seed
        except (OSError, msgspec.DecodeError) as error:
            raise WorldError(f"{described} cannot be read: {error}", hint="compose the world again") from error
        marks |= set() if seed is None else {f"seed {seed}"}
    return frozenset(marks)


class _Described(msgspec.Struct):
    """What is asked of `truth/world.json`."""

    seed: int | None = None
