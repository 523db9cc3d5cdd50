"""Could a fool have found the campaigns? Then the composed world is no test, and no figure from it counts.

Two worlds of different seeds come in. Judges that see one account at a time are trained on the first and judged
on the second: every raw column, every aggregate of an account, a language model's perplexity, a linear model of
its words, and gradient boosting over all of these together. None may pass AUC 0.99, or recall 0.5 at precision
0.99, at the given stealth or above. Out comes an `AuditReport`; `cli.prove_audit` prints it and fails the run.
Read `audit_checks.make_cells` next: whom each judge has to tell from whom.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from spiritsafe.errors import InputError, VerificationError
from spiritsafe.proving.audit_accounts import (
    aggregate_account_events,
    aggregate_columns,
    aggregate_shared,
    aggregate_times,
)
from spiritsafe.proving.audit_checks import (
    AT_PRECISION,
    AUC_LIMIT,
    FEWEST,
    KINDS,
    RECALL_LIMIT,
    Cell,
    Check,
    bin_number,
    check_accounts,
    check_rows,
    make_cells,
)
from spiritsafe.proving.audit_language import perplexities, train_pair
from spiritsafe.proving.audit_models import (
    Importance,
    align,
    fit_boosting,
    group_folds,
    importances,
    judge_scores,
    require_learner,
    score_boosting,
    transfer_rows,
    transfer_styles,
)
from spiritsafe.proving.audit_pairs import find_pairs
from spiritsafe.proving.audit_rows import Columns, Vocabulary, encode_columns
from spiritsafe.proving.audit_texts import encode_texts, fold_styles, hash_styles, style_documents
from spiritsafe.proving.audit_world import AuditWorld, load_audit_world
from spiritsafe.proving.score_truth import refuse_same

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.proving.audit_models import Matrix

    Floats = NDArray[np.float64]
    Progress = Callable[[str, float, float], None]

SHUFFLE_Z: float = 4.0  # a shuffled run this many standard errors above 0.5 means that the audit itself leaks


class LeakError(VerificationError):
    """A judge that sees one account at a time tells campaigns from innocents: the world gives itself away."""

    code = "proving.leak"


class AuditSampleError(InputError):
    """The worlds hold too few accounts of a class to say anything."""

    code = "proving.audit_sample"


class CellSize(msgspec.Struct, frozen=True):
    """How many accounts a cell has in each world, and whether that was enough to judge it."""

    name: str
    guilty_a: int
    innocent_a: int
    guilty_b: int
    innocent_b: int
    judged: bool


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit found. `checks` holds the best of each kind and cell, and every check that leaks."""

    schema: str = "audit/1.0"
    world_a: str
    world_b: str
    stealth: int
    cells: tuple[CellSize, ...]
    checks_made: int
    columns_seen: int
    aggregates_seen: int
    checks: tuple[Check, ...]
    importance: tuple[Importance, ...]
    found_by_archetype: dict[str, float]
    shuffled_auc: float
    shuffled_recall: float
    shuffle_clean: bool
    seconds: float

    @property
    def leaks(self) -> tuple[Check, ...]:
        """The checks that pass a limit: the plainest kinds first, then the worst."""
        worst = sorted(self.checks, key=lambda check: (KINDS.index(check.check), -check.recall, -check.auc))
        return tuple(check for check in worst if check.leaks)

    @property
    def passed(self) -> bool:
        """Whether the worlds may be used to judge a detector."""
        return not self.leaks and self.shuffle_clean


def audit_worlds(world_a: Path, world_b: Path, *, stealth: int = 1, progress: Progress | None = None) -> AuditReport:
    """Train single-account judges on `world_a` and judge them on `world_b`.

    Parameters
    ----------
    world_a, world_b
        Folders that `spiritsafe prove` wrote, with different seeds.
    stealth
        Campaign accounts below this level are left out: they are meant to be found.
    progress
        Called with (stage, done, total).

    Returns
    -------
    The report; look at `passed`. Takes about half a minute for 2,500 accounts with 80,000 requests.

    Raises
    ------
    SameWorldError
        The two worlds are the same.
    AuditSampleError
        Fewer than 25 accounts of a class at this stealth.
    LearnerError
        scikit-learn is not installed.
    """
    require_learner()
    refuse_same(
        (world_a, world_b),
        because="judges would be shown the answers",
        hint="compose the second world with another --seed",
    )
    started = time.monotonic()
    tell = _Steps(progress)
    tell("reading")
    a, b = load_audit_world(world_a), load_audit_world(world_b)
    cells, skipped = make_cells(a, b, stealth=stealth)
    if not cells or cells[0].negatives != "all innocents":
        sizes = ", ".join(f"{cell.name}: {cell.sizes}" for cell in skipped)
        raise AuditSampleError(
            f"fewer than {FEWEST} accounts of a class in a world ({sizes or 'no campaign'})",
            hint=f"compose larger worlds, or ask for another --stealth than {stealth}",
        )
    tell("columns")
    seen_a, seen_b = _observe(a, b)
    checks = _check_singly(seen_a, seen_b, cells, a, b)
    tell("rows together")
    folds = group_folds(a)
    rows_a, rows_b = transfer_rows(seen_a.row_numbers(), seen_b.row_numbers(), a, b, cells[0], folds)
    checks += [judge_scores("rows together", "mean row score", cell, rows_b[_MEAN_ROW]) for cell in cells]
    tell("boosting")
    together = align({**seen_a.alone, **rows_a}, {**seen_b.alone, **rows_b})
    importance: list[Importance] = []
    by_archetype: dict[str, float] = {}
    for place, cell in enumerate(cells):
        tell("boosting", place, len(cells) + 1)
        style = transfer_styles(seen_a.styles, seen_b.styles, cell, folds)
        checks.append(judge_scores("words", "linear model of hashed words", cell, style.b))
        matrix = together.with_columns(["style.linear"], style.a[:, None], style.b[:, None])
        matrix, paired = _with_pairs(matrix, cell)
        checks += paired
        judge, scores = _boost(matrix, cell, seed=0)
        checks.append(judge_scores("boosting", "all aggregates", cell, scores))
        if place == 0:
            importance = importances(judge, matrix, cell)
            by_archetype = _found_by_archetype(scores, cell, b)
    tell("shuffled", len(cells), len(cells) + 1)
    shuffled = _shuffled(together, cells[0])
    limit = 0.5 + SHUFFLE_Z * _auc_error(cells[0])
    return AuditReport(
        world_a=str(world_a),
        world_b=str(world_b),
        stealth=stealth,
        cells=tuple(CellSize(cell.name, *cell.sizes, judged=True) for cell in cells)
        + tuple(CellSize(cell.name, *cell.sizes, judged=False) for cell in skipped),
        checks_made=len(checks),
        columns_seen=len(seen_a.columns.alone()),
        aggregates_seen=len(together.names),
        checks=_worth_telling(checks),
        importance=tuple(importance),
        found_by_archetype=by_archetype,
        shuffled_auc=shuffled.auc,
        shuffled_recall=shuffled.recall,
        shuffle_clean=shuffled.auc < limit and shuffled.recall < RECALL_LIMIT,
        seconds=round(time.monotonic() - started, 1),
    )


_MEAN_ROW = "rows_together.score.mean"


class _Steps:
    """Turns the stages of an audit into progress calls."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def __call__(self, stage: str, done: float = 0, total: float = 1) -> None:
        if self._progress is not None:
            self._progress(stage, done, total)


class _Seen(msgspec.Struct):
    """What an observer of single accounts sees of one world."""

    columns: Columns
    texts: Columns
    shared: dict[str, Any]
    alone: dict[str, Any]
    perplexity: dict[str, Any]
    styles: Any

    def row_numbers(self) -> dict[str, Floats]:
        """Everything about a row that one account shows."""
        coded = {f"{name}.value": code.astype(np.float64) for name, code in self.columns.codes.items()}
        return {**self.columns.numbers, **self.columns.shapes, **coded, **self.texts.numbers}


def _observe(a: AuditWorld, b: AuditWorld) -> tuple[_Seen, _Seen]:
    """Columns and aggregates of both worlds; vocabularies and the language model come from world A."""
    vocabulary = Vocabulary()
    models = train_pair(a) if "prompt" in a.requests.column_names else None
    seen = []
    for world, learn in ((a, True), (b, False)):
        began_us = int(world.time_us.min())
        columns = encode_columns(world.requests, vocabulary, learn=learn, origin_us=began_us)
        texts = encode_texts(world)
        profile = encode_columns(world.profiles, vocabulary, learn=learn, origin_us=began_us, prefix="account_")
        everyone = np.arange(world.accounts)
        perplexity = perplexities(world, models) if models else {}
        styles = hash_styles(style_documents(world))
        alone = {
            **aggregate_times(world),
            **aggregate_columns(columns, world.account, world.accounts),
            **aggregate_columns(texts, world.account, world.accounts),
            **{f"{name}.mean": v for name, v in {**profile.numbers, **profile.shapes}.items()},
            **{f"{name}.value": v.astype(float) for name, v in profile.codes.items()},
            **aggregate_account_events(world),
            **perplexity,
            **fold_styles(styles),
        }
        shared = aggregate_shared(columns, world.account, world.accounts)
        shared |= aggregate_shared(profile, everyone, world.accounts)
        seen.append(_Seen(columns, texts, shared, alone, perplexity, styles))
    return seen[0], seen[1]


def _check_singly(a: _Seen, b: _Seen, cells: list[Cell], world_a: AuditWorld, world_b: AuditWorld) -> list[Check]:
    """Every column, every aggregate and the perplexity, one at a time."""
    raw_a, raw_b = ({**one.columns.alone(), **one.texts.numbers} for one in (a, b))
    binned = [bin_number(name, raw_a[name], raw_b[name]) for name in raw_a if name in raw_b]
    checks = check_rows(binned, cells[:2], world_a, world_b)
    for kind, of_a, of_b in (("aggregate", a.alone, b.alone), ("commonness", a.shared, b.shared)):
        missing = np.full(world_b.accounts, np.nan)
        binned = [bin_number(name, of_a[name], of_b.get(name, missing)) for name in of_a]
        checks += check_accounts(kind, [one for one in binned if one.name not in a.perplexity], cells)
        checks += check_accounts("perplexity", [one for one in binned if one.name in a.perplexity], cells)
    return checks


def _with_pairs(matrix: Matrix, cell: Cell) -> tuple[Matrix, list[Check]]:
    """The products of the two habits that give most away together, as features and as checks of their own."""
    chosen = cell.guilty_a | cell.innocent_a
    pairs = find_pairs(matrix.a[chosen], cell.guilty_a[chosen])
    names, a, b = pairs.names(matrix.names), pairs.values(matrix.a), pairs.values(matrix.b)
    binned = [bin_number(name, a[:, place], b[:, place]) for place, name in enumerate(names)]
    return matrix.with_columns(names, a, b), check_accounts("pair", binned, [cell])


def _boost(matrix: Matrix, cell: Cell, *, seed: int) -> tuple[Any, Floats]:
    chosen = cell.guilty_a | cell.innocent_a
    judge = fit_boosting(matrix.a[chosen], cell.guilty_a[chosen], seed=seed)
    return judge, score_boosting(judge, matrix.b)


def _shuffled(matrix: Matrix, cell: Cell) -> Check:
    """The same training on labels dealt out at random, in both worlds: it must find nothing."""
    rng = np.random.default_rng(4)

    def deal(guilty: NDArray[np.bool_], innocent: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        either = np.flatnonzero(guilty | innocent)
        drawn = np.zeros(len(guilty), bool)
        drawn[rng.choice(either, int(guilty.sum()), replace=False)] = True
        return drawn, (guilty | innocent) & ~drawn

    dealt = Cell(
        cell.positives,
        cell.negatives,
        *deal(cell.guilty_a, cell.innocent_a),
        *deal(cell.guilty_b, cell.innocent_b),
    )
    _, scores = _boost(matrix, dealt, seed=0)
    return judge_scores("shuffled", "labels dealt at random", dealt, scores)


def _auc_error(cell: Cell) -> float:
    """Standard error of the AUC of a judge who knows nothing (Mann-Whitney)."""
    _, _, guilty, innocent = cell.sizes
    return float(np.sqrt((guilty + innocent + 1) / (12 * guilty * innocent)))


def _found_by_archetype(scores: Floats, cell: Cell, world: AuditWorld) -> dict[str, float]:
    """Share of each archetype above all but one in a hundred innocents: what to mend first."""
    threshold = float(np.quantile(scores[cell.innocent_b], AT_PRECISION))
    found = {}
    for name in sorted(set(world.truth.archetype[cell.guilty_b])):
        members = cell.guilty_b & (world.truth.archetype == name)
        found[name or "?"] = float((scores[members] > threshold).mean())
    return found


def _worth_telling(checks: list[Check]) -> tuple[Check, ...]:
    """Every leak, and the five best of each kind and cell."""
    kept: dict[tuple[str, str, str], list[Check]] = {}
    for check in sorted(checks, key=lambda one: (-max(one.auc / AUC_LIMIT, one.recall / RECALL_LIMIT), one.name)):
        group = kept.setdefault((check.check, check.positives, check.negatives), [])
        if check.leaks or len(group) < 5:
            group.append(check)
    return tuple(check for group in kept.values() for check in group)
