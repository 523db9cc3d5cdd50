"""The nouns of `proving`: how an account conducts itself, who owns accounts, who sends what through them.

Three nouns keep the test fair. A `Conduct` is all that an archetype, a variant or a stealth level dictates about
what *one* account shows. A `Group` owns accounts whose every other trait comes from one sampler, the same for
all. A `Job` is work that one sender deals out over a group. A campaign is a group with a job and nothing else; an
honest developer with the same conduct is *one* account of such a group of which the log holds no other.
Comes from `recipes`; goes on to `profiles` and `jobs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from spiritsafe.errors import EnvironmentFault, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

KINDS: Final = (
    "consumer", "developer", "company_verified", "company_self_declared", "agent_fleet", "class", "popular_app",
    "eval_harness", "reseller", "licensed_distillation", "red_team", "cgnat", "vpn", "published_recipe",
    "viral_template",
)  # fmt: skip
LOOK_ALIKES: Final = KINDS[2:]
ARCHETYPES: Final = ("A", "B", "C", "D", "E", "F")
VARIANTS: Final = (
    "plain", "shell_organisations", "relay", "k_samples", "novel_items", "system_template", "replacement",
    "non_english", "pivot",
)  # fmt: skip
FAMILIES: Final = (
    "solve", "explain_answer", "rubric", "generate", "rewrite", "code", "tools", "trace", "classify", "extract",
    "summarise", "translate", "support", "qa",
)  # fmt: skip
LANGUAGES: Final = ("en", "zh", "es", "ru", "fr", "de", "pt")
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US


class RecipeError(UsageError):
    """A recipe asks for a kind, archetype or number that does not exist."""

    code = "proving.recipe"


class PoolError(InputError):
    """The prompts, traffic or network tables given cannot serve: a column, a language or a licence is missing."""

    code = "proving.pool"


def read_input(file: Path, columns: Sequence[str], *, what: str, optional: Sequence[str] = ()) -> pa.Table:
    """Columns of a Parquet table that the user gave, those of `optional` where they are there.

    Raises
    ------
    PoolError
        It is no Parquet file or lacks columns; says which in one line.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    hint = f"wanted: Parquet with the columns {', '.join(columns)}"
    try:
        names = pq.read_schema(file).names
        missing = [name for name in columns if name not in names]
        if missing:
            raise PoolError(f"{file} is no {what}: it has no column {' or '.join(missing)}", hint=hint)
        return pq.read_table(file, columns=[*columns, *(name for name in optional if name in names)])
    except (OSError, pa.ArrowException) as error:
        raise PoolError(f"{file} is no {what}: {str(error).partition(chr(10))[0][:300]}", hint=hint) from error


class SampleError(EnvironmentFault):
    """The bundled sample is missing from this installation."""

    code = "proving.sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What is dictated about one account's visible behaviour. Everything else is drawn from `profiles`.

    `families` are worked through in order of time. `style` is `templated` (one wording), `reworded` (a new
    wording each request) or `bare` (no template). `ordinary_share` of the requests are ordinary prompts.
    `scramble` (0 to 4) and `rotate` (templates in use) are the knobs of `adaptive`. `volume_band` are quantiles
    of the one volume sampler. `workers` is the size of the operation of which an account is a part, `deal` how
    requests are dealt to them: own (each its own queue), even, random, handover (at rate limits).
    `replaced` counts the successors after bans. An operation's accounts work through one stretch of time, unless
    `staggered`. `harness` is a fixed public wording.
    """

    families: tuple[str, ...]
    language: str = "en"
    style: str = "templated"
    ordinary_share: float = 0.0
    place: str = "prompt"
    items: str = "public"
    samples: int = 1
    deal: str = "own"
    workers: int = 1
    clock: str = "drawn"
    volume_band: tuple[float, float] = (0.0, 1.0)
    pivot: bool = False
    replaced: int = 0
    turns: float = 1.0
    scramble: int = 0
    rotate: int = 1
    harness: str = ""
    staggered: bool = False

    def but(self, **changes: Any) -> Conduct:
        """The same conduct with some things changed."""
        return replace(self, **changes)


@dataclass(slots=True, kw_only=True)
class Job:
    """Work that one sender deals out over the accounts of a group.

    `share` is the part of the group's volume. `mode` is `work` (templates over data), `chat` (people talking)
    or `attack` (red teams). `per_account` makes each account its own sender with its own templates and data.
    `template_seed` and `data_seed` name a template and a data set that several senders share (a published
    recipe, a viral template, homework, a benchmark), `data_size` says how long that data set is. `lines` are the
    slots of the operation that carry the job, None for all.
    """

    mode: str
    share: float = 1.0
    campaign_id: str | None = None
    per_account: bool = False
    conduct: Conduct | None = None
    template_seed: int | None = None
    data_seed: int | None = None
    data_size: int = 0
    lines: tuple[int, ...] | None = None


@dataclass(slots=True, kw_only=True)
class Group:
    """Accounts with one owner, or one reason to look alike, and the jobs that run through them.

    `slots` are the positions kept of `conduct.workers`: all of them for an operation that the log holds whole,
    one for a matched developer (`only_one`: of its successors, too, one is kept). `organisation` is drawn, none,
    self_declared, verified or shells. `network` is own, shared, campus, cgnat or vpn; `identity` is own, shared
    or company. `end_users` (the customer's own user ids) are drawn, named or hidden. `many_operators` says that
    each account has an operator of its own, `unit_per_account` that each is independent of all others.
    `one_software` is one configuration for all, `deadline` one date that all work towards, `burst` one sign-up day.
    """

    kind: str
    conduct: Conduct
    jobs: list[Job]
    slots: tuple[int, ...]
    unit: str
    seed: int
    people: bool = False
    organisation: str = "drawn"
    network: str = "own"
    identity: str = "own"
    attestation: str | None = None
    client_app: bool = False
    end_users: str = "drawn"
    mixed: bool = False
    campaign_id: str | None = None
    archetype: str | None = None
    variant: str | None = None
    stealth: int | None = None
    matched_to: str | None = None
    burst: bool = False
    only_one: bool = False
    one_software: bool = False
    deadline: bool = False
    many_operators: bool = False
    unit_per_account: bool = False
    volume_factor: float = 1.0
    way: Any = None
