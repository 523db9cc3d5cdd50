"""Are many numbers together enough? Gradient boosting over all of an account's aggregates, and over its rows.

A tell may hide in a combination: `temperature` null exactly when the model is not the small one. Comes from
`audit_accounts` and `audit_texts`; goes on to `audit`. Needs scikit-learn (`spiritsafe[prove]`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.errors import EnvironmentFault
from spiritsafe.proving.audit_checks import AT_PRECISION, Cell, Check
from spiritsafe.proving.audit_pairs import find_pairs
from spiritsafe.stats.ranking import recall_at_precision, roc_auc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.audit_world import AuditWorld

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

FOLDS: Final = 3
ROWS_LEARNT: Final = 12_000
IMPORTANCE_ROWS: Final = 500  # accounts of each class on which features are shuffled


class LearnerError(EnvironmentFault):
    """scikit-learn, which the audit trains with, is not installed."""

    code = "proving.learner"


def require_learner() -> None:
    """Say what to install before any work is done.

    Raises
    ------
    LearnerError
        scikit-learn cannot be imported.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise LearnerError(
            "the audit trains its judges with scikit-learn, which is not installed",
            hint="pip install 'spiritsafe[prove]'",
        ) from error


@dataclass(frozen=True, slots=True)
class Importance:
    """How much AUC in world B falls when a feature (or all of a column's) is shuffled."""

    name: str
    auc_drop: float


@dataclass(slots=True)
class Matrix:
    """Account features of both worlds with the same columns, each of shape (accounts, features)."""

    names: list[str]
    a: Floats
    b: Floats

    def with_columns(self, names: list[str], a: Floats, b: Floats) -> Matrix:
        """These and further columns; `a` and `b` have shape (accounts, new columns)."""
        return Matrix([*self.names, *names], np.hstack([self.a, a]), np.hstack([self.b, b]))


def align(a: dict[str, Floats], b: dict[str, Floats]) -> Matrix:
    """World A's features that vary, in both worlds; what world B lacks is NaN there."""
    rows_b = len(next(iter(b.values())))
    names = [name for name, values in a.items() if _varies(values)]
    missing = np.full(rows_b, np.nan)
    return Matrix(
        names,
        np.column_stack([a[name] for name in names]),
        np.column_stack([b.get(name, missing) for name in names]),
    )


def _varies(values: Floats) -> bool:
    there = values[~np.isnan(values)]
    return len(there) > 0 and (len(there) < len(values) or float(there.min()) < float(there.max()))


def _boosting(seed: int, *, iterations: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=iterations,
        learning_rate=0.1,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_bins=127,
        early_stopping=False,
        random_state=seed,
    )


def fit_boosting(features: Floats, guilty: Bools, *, seed: int, iterations: int = 120) -> Any:
    """A boosted classifier of shape (rows, features) numbers; NaN is a value of its own."""
    model = _boosting(seed, iterations=iterations)
    with _one_thread():
        model.fit(features.astype(np.float32), guilty)
    return model


def _one_thread() -> Any:
    """On a busy machine OpenMP's waiting threads cost ten times what a second core gains here."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no stubs

    return threadpool_limits(limits=1)


def score_boosting(model: Any, features: Floats) -> Floats:
    """Shape (rows,). Probability of guilt by the model."""
    with _one_thread():
        scores: Floats = model.predict_proba(features.astype(np.float32))[:, 1]
    return scores


def judge_scores(kind: str, name: str, cell: Cell, scores_b: Floats) -> Check:
    """A score of every account of world B, judged on one cell."""
    chosen = cell.guilty_b | cell.innocent_b
    scores, guilty = scores_b[chosen], cell.guilty_b[chosen]
    auc = roc_auc(scores, guilty).value
    recall = recall_at_precision(scores, guilty, precision=AT_PRECISION).recall
    return Check(kind, name, cell.positives, cell.negatives, auc, recall)


def group_folds(world: AuditWorld) -> Ints:
    """Shape (accounts,). A fold for each account; a campaign or an organisation is never split.

    Otherwise a model would know an account by its siblings, and look better at home than it is abroad.
    """
    truth = world.truth
    group = np.where(truth.guilty, "campaign " + truth.campaign, "unit " + truth.unit)
    _, number = np.unique(group.astype(str), return_inverse=True)
    folds: Ints = np.random.default_rng(1).permutation(number.max() + 1)[number] % FOLDS
    return folds


@dataclass(frozen=True, slots=True)
class Transfer:
    """A score of each account: of world A by models that had not seen its group, of world B by all of A."""

    a: Floats
    b: Floats


def transfer_styles(styles_a: Any, styles_b: Any, cell: Cell, folds: Ints) -> Transfer:
    """A linear judge of the hashed words of an account's prompts. Sparse matrices of shape (accounts, buckets)."""
    from sklearn.linear_model import SGDClassifier

    def learn(rows: Bools) -> Any:
        rows = rows & (cell.guilty_a | cell.innocent_a)
        if len(np.unique(cell.guilty_a[rows])) < 2:
            return None
        # A fixed number of passes: as good a ranking as a full solver's here, in a twentieth of the time.
        model = SGDClassifier(
            loss="log_loss", alpha=1e-5, max_iter=20, tol=None, average=True, class_weight="balanced", random_state=0
        )
        return model.fit(styles_a[np.flatnonzero(rows)], cell.guilty_a[rows])

    def score(model: Any, styles: Any) -> Floats:
        if model is None:
            return np.zeros(styles.shape[0])
        decided: Floats = model.decision_function(styles)
        return decided

    inside = np.zeros(len(folds))
    for fold in range(FOLDS):
        held = folds == fold
        inside[held] = score(learn(~held), styles_a[np.flatnonzero(held)])
    return Transfer(inside, score(learn(np.ones(len(folds), bool)), styles_b))


def transfer_rows(
    rows_a: dict[str, Floats], rows_b: dict[str, Floats], a: AuditWorld, b: AuditWorld, cell: Cell, folds: Ints
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Boosting over single rows; returns what its scores add up to for the accounts of each world."""
    matrix = align(rows_a, rows_b)
    guilty = cell.guilty_a[a.account] & a.sent_by_campaign
    usable = guilty | cell.innocent_a[a.account]

    def learn(rows: Bools) -> Any:
        chosen = np.flatnonzero(rows & usable)
        if len(chosen) > ROWS_LEARNT:
            chosen = np.random.default_rng(2).choice(chosen, ROWS_LEARNT, replace=False)
        if len(np.unique(guilty[chosen])) < 2:
            return None
        pairs = find_pairs(matrix.a[chosen], guilty[chosen])
        known = np.hstack([matrix.a[chosen], pairs.values(matrix.a[chosen])])
        return pairs, fit_boosting(known, guilty[chosen], seed=0, iterations=60)

    def score(learnt: Any, features: Floats) -> Floats:
        if learnt is None:
            return np.zeros(len(features))
        pairs, model = learnt
        return score_boosting(model, np.hstack([features, pairs.values(features)]))

    inside = np.zeros(len(a.account))
    for fold in range(FOLDS):
        held = folds[a.account] == fold
        if held.any():
            inside[held] = score(learn(~held), matrix.a[held])
    outside = score(learn(np.ones(len(guilty), bool)), matrix.b)
    return _row_scores(inside, a), _row_scores(outside, b)


def _row_scores(scores: Floats, world: AuditWorld) -> dict[str, Floats]:
    from spiritsafe.proving.audit_accounts import aggregate_columns
    from spiritsafe.proving.audit_rows import Columns

    columns = Columns(numbers={"rows_together.score": scores})
    return aggregate_columns(columns, world.account, world.accounts)


def importances(model: Any, matrix: Matrix, cell: Cell, *, most: int = 12) -> list[Importance]:
    """Which columns, then which features of the chief columns, the boosting leans on in world B.

    Source: Breiman (2001), doi:10.1023/A:1010933404324 (permutation importance).
    """
    rng = np.random.default_rng(3)
    chosen = np.concatenate(
        [
            rng.permutation(np.flatnonzero(cell.guilty_b))[:IMPORTANCE_ROWS],
            rng.permutation(np.flatnonzero(cell.innocent_b))[:IMPORTANCE_ROWS],
        ]
    )
    features, guilty = matrix.b[chosen], cell.guilty_b[chosen]
    base = roc_auc(score_boosting(model, features), guilty).value
    families: dict[str, list[int]] = {}
    for place, name in enumerate(matrix.names):
        families.setdefault(name.partition(".")[0], []).append(place)

    def drop(places: list[int]) -> float:
        shuffled = features.copy()
        shuffled[:, places] = features[rng.permutation(len(features))][:, places]
        return base - roc_auc(score_boosting(model, shuffled), guilty).value

    by_family = sorted(((drop(places), name) for name, places in families.items()), reverse=True)
    found = [Importance(f"{name}.*", auc_drop) for auc_drop, name in by_family[:most]]
    for auc_drop, name in by_family[:3]:
        if auc_drop > 0:
            used = families[name][:40]
            found += [Importance(matrix.names[place], drop([place])) for place in used]
    return sorted(found, key=lambda one: -one.auc_drop)[:most]
