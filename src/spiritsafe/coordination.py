"""The same question asked of any table: which actors act as one?

    a table -> acts -> ties -> pairs -> groups

Request logs have their own path (`pipeline`), with texts, addresses and three axes. Here there is only who did what to
what, perhaps when: wallets and transfers, users and stars, keys and documents. Nothing says what they take or whether
they hide, so there is no verdict and nobody is accused. Read `find_coordination` from top to bottom.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import numpy as np
import pyarrow as pa

from spiritsafe import __version__
from spiritsafe.campaigns.draws import DRAWS, JOINING, find_crowds
from spiritsafe.campaigns.verdicts import campaign_id
from spiritsafe.engine import open_engine
from spiritsafe.errors import InputError
from spiritsafe.events.actions import ActionColumns, read_actions
from spiritsafe.events.model import QUARANTINE
from spiritsafe.events.sources import ReadOptions
from spiritsafe.events.sources.storage import passed_over
from spiritsafe.files import scratch_folder, staged_folder, write_parquet
from spiritsafe.links import actions as steps
from spiritsafe.links.confirmation import pair_probabilities
from spiritsafe.links.ties import Acts, Ties
from spiritsafe.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from spiritsafe.campaigns.draws import Crowds
    from spiritsafe.engine import Engine
    from spiritsafe.events.actions import Actions
    from spiritsafe.links.confirmation import Believed, Kinds
    from spiritsafe.settings import Settings

    Progress = Callable[[str, float, float], None]
    Ints = NDArray[np.int64]

SMALLEST: Final = 10
"""Groups of fewer actors are not told: families, flats and small teams act together too. Hop's reviewers, whose reports
this is judged on, took the same number before anything was measured here."""

MOST_SHARE: Final = 0.5
"""An object of more than half of the actors ties nobody."""

ANSWERED_SHARE: Final = 0.5
ANSWERED_LEAST: Final = 20
"""Objects are actors too when half of the acts on actors, at least 20, have their answer. Two unrelated number ranges
that overlap have next to none."""


_LIBRARIES: Final = ("duckdb", "ibis-framework", "numpy", "pyarrow", "scipy")


class NoActionsError(InputError):
    """Nothing is left of the table, or nobody shares an object with anybody."""

    code: ClassVar[str] = "coordination.empty"


@dataclass(frozen=True, slots=True)
class Coordination:
    """What was found, and where it was written. `groups` hold actors' ids, the largest group first."""

    out: Path
    groups: tuple[tuple[str, ...], ...]
    summary: dict[str, Any]


def find_coordination(
    table: str | Path | Sequence[str | Path],
    *,
    columns: ActionColumns,
    out: str | Path,
    smallest: int = SMALLEST,
    objects_are_actors: bool | None = None,
    options: ReadOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Coordination:
    """Find groups of actors that act as one, and write them to `out`.

    Parameters
    ----------
    table
        Files, folders, globs or URLs: Parquet, JSON lines or CSV.
    columns
        Which columns hold actor, object and, if there is one, time.
    out
        The result folder. It appears whole or not at all; an earlier one of `coordinate` is replaced, nothing else.
    smallest
        Groups of fewer actors are left out.
    objects_are_actors
        Whether an object with an actor's id is that actor (money sent, people followed). None looks whether acts
        between actors are mutual.
    options
        How to read the table (time zone, storage).
    settings
        Engine, memory, workers, seed.
    progress
        Called with (stage, done, total).

    Returns
    -------
    The groups and a summary, as in `run.json`.

    Raises
    ------
    InputError
        A file is broken, a column is missing, or nobody shares anything; nothing was written.
    """
    settings = settings or load_settings({})
    tell = progress or (lambda _stage, _done, _total: None)
    given = [settings.home, *([table] if isinstance(table, str | Path) else table)]
    with (
        staged_folder(Path(out), kind="coordinate", inputs=given) as folder,
        scratch_folder(settings.temp_dir) as scratch,
        open_engine(settings.engine, settings, scratch=scratch) as engine,
    ):
        tell("read", 0, 1)
        read = read_actions(table, columns, options or ReadOptions.under(settings))
        tell("read", 1, 1)
        seen = _tie(read, engine, objects_are_actors=objects_are_actors, tell=tell)
        tell("confirm", 0, 1)
        believed = pair_probabilities(seen.ties, seen.acts, actors=len(seen.actors), seed=settings.seed)
        tell("confirm", 1, 1)
        found = find_crowds(
            believed.pairs,
            actors=len(seen.actors),
            smallest=smallest,
            seed=settings.seed,
            tell=lambda share: tell("draw", share, 1.0),
        )
        names = read.restored(seen.actors)
        groups = tuple(tuple(map(str, seen.actors.take(pa.array(g)).to_pylist())) for g in found.groups)
        tell("write", 0, 1)
        _write_tables(folder, names, groups, seen, believed, found)
        summary = _summary(read, seen, believed, found, settings=settings, smallest=smallest)
        write_parquet(read.quarantine, folder / "quarantine.parquet", QUARANTINE.tag)
        (folder / "run.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary, order="deterministic")))
        tell("write", 1, 1)
    return Coordination(out=Path(out), groups=groups, summary=summary)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The table by numbers: ids of actors in order, acts on shared objects, ties, ids of shared objects."""

    actors: pa.Array
    objects: pa.Array
    acts: Acts
    ties: Ties
    objects_are_actors: bool


def _tie(read: Actions, engine: Engine, *, objects_are_actors: bool | None, tell: Progress) -> _Seen:
    """Acts -> ties: what runs on the engine."""
    if not read.table.num_rows:
        codes = Counter(read.quarantine["code"].to_pylist())
        refused = ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
        raise NoActionsError(
            f"no usable rows: all {codes.total():,} were refused ({refused})" if codes else "the table has no rows",
            hint="look at the table, or name other columns with --actor, --object and --time",
        )
    tell("tie", 0, 3)
    pairs = engine.keep(steps.acts(engine.table(read.table, "actions")), "acts")
    if objects_are_actors is None:
        mutual = engine.arrow(steps.reciprocity(pairs)).to_pylist()[0]
        objects_are_actors = mutual["answered"] >= max(ANSWERED_LEAST, ANSWERED_SHARE * mutual["on_actors"])
    if objects_are_actors:
        pairs = engine.keep(steps.with_own_object(pairs), "own")
    tell("tie", 1, 3)
    actors = engine.keep(steps.numbered_actors(pairs), "actors")
    shared = engine.keep(steps.shared_objects(pairs, actors), "shared")
    ids = engine.arrow(actors.order_by("number"))["actor"].combine_chunks()
    held = engine.arrow(shared.order_by(["object_number", "number"]))
    tell("tie", 2, 3)
    timed = "time" in read.table.column_names
    tied = steps.tied(shared, most_holders=max(int(MOST_SHARE * len(ids)), 2))
    tied = engine.arrow(tied.order_by(["object_number", "one", "other", "near"]))
    tell("tie", 3, 3)
    first, second = _numbers(tied, "one"), _numbers(tied, "other")
    number = _numbers(held, "object_number")
    return _Seen(
        actors=ids,
        objects=held["object"].combine_chunks().take(pa.array(np.flatnonzero(np.diff(number, prepend=-1)))),
        acts=Acts(
            actor=_numbers(held, "number"),
            object=number,
            holders=_numbers(held, "holders"),
            first_s=_numbers(held, "first_s") if timed else None,
        ),
        ties=Ties(
            one=np.minimum(first, second),
            other=np.maximum(first, second),
            object=_numbers(tied, "object_number"),
            holders=_numbers(tied, "holders"),
            gap_s=_numbers(tied, "gap_s") if timed else None,
            near=_numbers(tied, "near").astype(bool),
        ),
        objects_are_actors=bool(objects_are_actors),
    )


def _numbers(table: pa.Table, name: str) -> Ints:
    numbers: Ints = table[name].to_numpy().astype(np.int64, copy=False)
    return numbers


def _write_tables(
    folder: Path, names: pa.Array, groups: Sequence[Sequence[str]], seen: _Seen, believed: Believed, found: Crowds
) -> None:
    """`members`, `actors` by the contract, and `ties`: what holds each group together."""
    ids = [group_id(group) for group in groups]
    group_of = np.full(len(names), -1, dtype=np.int64)
    for number, group in enumerate(found.groups):
        group_of[group] = number
    inside = np.concatenate([*found.groups, np.empty(0, np.int64)])
    probability = pa.array(found.probability)
    members = pa.table(
        {
            "group_id": pa.array([ids[number] for number in group_of[inside]], pa.string()),
            "actor": names.take(pa.array(inside)),
            "probability": probability.take(pa.array(inside)),
        }
    )
    write_parquet(members, folder / "members.parquet", "coordinate_members/1.0")
    actors = pa.table({"actor": names, "probability": probability})
    write_parquet(actors, folder / "actors.parquet", "coordinate_actors/1.0")
    ties = seen.ties
    holds = ties.near & (group_of[ties.one] >= 0) & (group_of[ties.one] == group_of[ties.other]) & (believed.ties > 0)
    rows = np.flatnonzero(holds)
    rows = rows[np.lexsort((-believed.ties[rows], group_of[ties.one[rows]]))]
    told = pa.table(
        {
            "group_id": pa.array([ids[number] for number in group_of[ties.one[rows]]], pa.string()),
            "actor_a": names.take(pa.array(ties.one[rows])),
            "actor_b": names.take(pa.array(ties.other[rows])),
            "object": seen.objects.take(pa.array(ties.object[rows])),
            "holders": pa.array(ties.holders[rows]),
            "gap_s": pa.nulls(len(rows), pa.int64()) if ties.gap_s is None else pa.array(ties.gap_s[rows]),
            "probability": pa.array(believed.ties[rows]),
        }
    )
    write_parquet(told, folder / "ties.parquet", "coordinate_ties/1.0")


def group_id(actors: Sequence[str]) -> str:
    """A hash of the sorted members, as for campaigns: the same group has the same id."""
    return campaign_id(actors).replace("c-", "g-", 1)


def _summary(
    read: Actions, seen: _Seen, believed: Believed, found: Crowds, *, settings: Settings, smallest: int
) -> dict[str, Any]:
    """`run.json`: what was read, how, what ties were worth, and what to be careful about."""
    return {
        "schema": "coordinate_run/1.0",
        "spiritsafe_version": __version__,
        "inputs": [{"path": path, "sha256": digest, "size_bytes": size} for path, digest, size in read.inputs],
        "columns": dataclasses.asdict(read.columns),
        "settings": settings.public(),
        "seed": settings.seed,
        "smallest": smallest,
        "joining_probability": JOINING,
        "draws": DRAWS,
        "rows_kept": read.table.num_rows,
        "rows_quarantined": read.quarantine.num_rows,
        "quarantine_reasons": dict(sorted(Counter(read.quarantine["code"].to_pylist()).items())),
        "actors": len(seen.actors),
        "shared_objects": len(seen.objects),
        "pairs_tied": len(believed.pairs.one),
        "objects_are_actors": seen.objects_are_actors,
        "groups": len(found.groups),
        "members": int(sum(map(len, found.groups))),
        "kinds": kinds_told(believed.kinds),
        "warnings": [*_warnings(seen, believed), *_passed_over(read)],
        "versions": {
            name: metadata.version(name) for name in ("duckdb", "ibis-framework", "numpy", "pyarrow", "scipy")
        },
    }


def kinds_told(kinds: Kinds) -> list[dict[str, float | int]]:
    """The kinds of ties that occur, as rows: holders, closeness in bits, counts, and what they are worth."""
    return [
        {
            "holders_over": 2 ** (int(row) - 1),
            "holders_up_to": 2 ** int(row),
            "closeness_bits": int(column),
            "ties": int(kinds.eligible[row, column]),
            "confirmed": int(kinds.confirmed[row, column]),
            "confirmed_by_taste_share": round(float(kinds.taste[row]), 4),
            "probability": round(float(kinds.precision[row, column]), 4),
        }
        for row, column in np.argwhere(kinds.eligible > 0)
    ]


def _passed_over(read: Actions) -> list[str]:
    return [f"Not read: {passed_over(read.passed_over)}."] if read.passed_over else []


def _warnings(seen: _Seen, believed: Believed) -> list[str]:
    told = []
    if seen.acts.first_s is None:
        told.append(
            "Without times, people of one taste can look like one hand: a group is a reason to look at its times. "
            "Give --time if the table has any."
        )
    elif not seen.acts.times_are_of_acts():
        told.append(
            "The time column says when an actor appeared, not when it acted, so acting at the same moment cannot be "
            "seen; rare objects in common have to do, and people of one taste can look like one hand."
        )
    if not believed.kinds.eligible.any():
        told.append(
            "No actor shares two objects with others, so no tie could be confirmed by another: nothing can be said."
        )
    return told
