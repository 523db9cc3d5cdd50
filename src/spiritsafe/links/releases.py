"""Do these accounts move to a new model together?

One campaign moved half of its traffic to a new model within a day of its release. Many accounts never move, and others
in their own time. How many of the log's accounts moved within a day says how much it means that a whole group did.
Comes from the first use of each model by each account; goes on to `campaigns.conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from numpy.typing import NDArray

    from spiritsafe.links.rhythm import Window

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

PROMPT_S: Final = 86_400
"""Within a day: what was reported of one campaign."""

SETTLED_S: Final = 2 * 86_400
"""A model that appears in the log's first two days may have been there before; in its last day, nobody can follow."""

FIRST_USERS: Final = 3
"""A release is when the third account uses the model: one or two may be testers."""

ACCOUNTS: Final = 4


@dataclass(frozen=True, slots=True)
class Releases:
    """Models that came out while the log ran. `adopted` has shape (releases, accounts): who used the model within a
    day, of those (`active`) that were in use both before its release and in the day after it or later."""

    models: tuple[str, ...]
    release_s: tuple[int, ...]
    adopted: Bools
    active: Bools


@dataclass(frozen=True, slots=True)
class Move:
    """`moved` of `active` members used `model` within a day of its release; of the others' accounts `share` did.

    The p-value counts that every release of the log was tried.
    """

    model: str
    release_s: int
    moved: int
    active: int
    share: float
    p_value: float
    members: Bools


def first_uses(requests: ir.Table) -> ir.Table:
    """`account`, `model`, `first_s`: when each account first used each model."""
    from spiritsafe.engine import epoch_s

    rows = requests.filter(requests.model.notnull()).select("account", "model", second=epoch_s(requests.time))
    return rows.group_by(["account", "model"]).agg(first_s=rows.second.min())


def releases(uses: pa.Table, first_s: Floats, last_s: Floats, window: Window) -> Releases:
    """What came out, and who moved at once.

    Parameters
    ----------
    uses
        As `first_uses` counts them.
    first_s, last_s
        Shape (accounts,). First and last exchange of every account, in epoch seconds.
    window
        What the log covers.
    """
    models = uses["model"].to_pylist()
    account, used_s = uses["account"].to_numpy(), uses["first_s"].to_numpy()
    found: list[tuple[int, str]] = []
    for model in sorted(set(models)):
        times = np.sort(used_s[[name == model for name in models]])
        early = times[0] < window.begin_s + SETTLED_S
        if not early and len(times) >= FIRST_USERS and times[FIRST_USERS - 1] <= window.end_s - PROMPT_S:
            found.append((int(times[FIRST_USERS - 1]), model))
    found.sort()
    adopted = np.zeros((len(found), len(first_s)), dtype=bool)
    active = np.zeros_like(adopted)
    for place, (release_s, model) in enumerate(found):
        moved = account[[name == model for name in models] & (used_s <= release_s + PROMPT_S)]
        active[place] = (first_s < release_s) & (last_s >= release_s)
        adopted[place, moved] = True
    return Releases(tuple(m for _, m in found), tuple(s for s, _ in found), adopted & active, active)


def move(accounts: Ints, every: Releases) -> Move | None:
    """Did this group move together to a model that came out?

    Parameters
    ----------
    accounts
        Account numbers.
    every
        What came out.

    Returns
    -------
    The release that it followed most, or None where fewer than four members could have followed one.

    Notes
    -----
    Null: members move as other accounts of the log do. Binomial tail, times the releases tried (Bonferroni).
    """
    from scipy.special import bdtrc

    best: Move | None = None
    for place, model in enumerate(every.models):
        active, adopted = every.active[place], every.adopted[place]
        able = int(active[accounts].sum())
        if able < ACCOUNTS:
            continue
        moved = int(adopted[accounts].sum())
        others = int(active.sum()) - able
        share = (int(adopted.sum()) - moved + 1) / (others + 2)
        tail = 1.0 if not moved else float(bdtrc(moved - 1, able, share))
        p_value = min(tail * len(every.models), 1.0)
        if best is None or p_value < best.p_value:
            best = Move(model, every.release_s[place], moved, able, share, p_value, adopted[accounts])
    return best
