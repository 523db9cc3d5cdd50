"""Compose a world: cast it, draw its accounts, deal its requests, put them in order of time.

Read this first to understand the proving ground. Everything follows from a recipe, a seed and the pools; the same
three give the same bytes. Comes from `recipes` and `pools`; goes on to `write`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.campaigns import campaign
from spiritsafe.proving.clients import Streams
from spiritsafe.proving.grammar import mix
from spiritsafe.proving.innocents import consumers, developers, matched_developers
from spiritsafe.proving.jobs import Demand, Rows, chain_length, deal, mean_turns_of, prepare, set_bans
from spiritsafe.proving.lookalikes import look_alikes
from spiritsafe.proving.model import DAY_US, RecipeError
from spiritsafe.proving.network import AddressBook
from spiritsafe.proving.overlay import lay_over
from spiritsafe.proving.profiles import AccountProfiles, Calendar, Span
from spiritsafe.proving.rows import Plan, limits, spread
from spiritsafe.proving.work import AttackWork, ChatWork, build_works

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from spiritsafe.proving.adaptive import Attacker
    from spiritsafe.proving.clients import Clients
    from spiritsafe.proving.model import Floats, Group, Ints
    from spiritsafe.proving.network import Networks
    from spiritsafe.proving.pools import Pools
    from spiritsafe.proving.profiles import Columns
    from spiritsafe.proving.recipes import Recipe
    from spiritsafe.proving.work import Work

# Monday 2 March 2026, 00:00 UTC; each seed begins on another of the following 200 days.
_EPOCH_US: Final = 1_772_409_600_000_000
# Accounts whose traits are drawn in one go: large enough for numpy, small enough for memory.
_DRAWN_TOGETHER: Final = 4_096


@dataclass
class Stage:
    """What is gathered while a world is planned."""

    recipe: Recipe
    pools: Pools
    clients: Clients
    networks: Networks
    seed: int
    calendar: Calendar
    book: AddressBook = field(default_factory=AddressBook)
    groups: list[Group] = field(default_factory=list)
    drawn: list[Columns] = field(default_factory=list)
    columns: list[Span] = field(default_factory=list)
    volumes: list[Floats] = field(default_factory=list)
    first_account: list[int] = field(default_factory=list)
    accounts: int = 0
    works: list[Work] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)
    campaign_groups: list[Group] = field(default_factory=list)
    chats: dict[str, int] = field(default_factory=dict)
    chat_turns: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cast:
    """The truth about accounts: one entry an account of the plan, aligned."""

    kind: list[str]
    unit: list[str]
    operator: list[str]
    group: Ints


def calendar_of(recipe: Recipe, seed: int) -> Calendar:
    """The window of a world: its days, and when the new model comes out (in the middle third)."""
    start = _EPOCH_US + int(mix(seed, 61) % 200) * DAY_US
    span = recipe.days * DAY_US
    release = start + int(span * (0.35 + 0.3 * (mix(seed, 62) % 10_000) / 10_000))
    return Calendar(start, start + span, release)


def cast_groups(recipe: Recipe, seed: int, attacker: Attacker | None = None) -> Iterator[Group]:
    """Everyone in a world, group by group."""
    yield from consumers(recipe.consumers, seed=seed)
    yield from developers(recipe.developers, seed=seed)
    yield from matched_developers(
        (*recipe.campaigns, *recipe.matched_only), recipe.matched, seed=seed, attacker=attacker
    )
    for kind, alike in recipe.look_alikes.items():
        yield from look_alikes(kind, alike.organisations, alike.accounts, seed=seed)
    for number, spec in enumerate(recipe.campaigns):
        for place in range(spec.count):
            yield campaign(spec, seed=mix(seed, 31, number, place), attacker=attacker)


def plan_world(
    recipe: Recipe,
    *,
    pools: Pools,
    clients: Clients,
    networks: Networks,
    seed: int,
    attacker: Attacker | None = None,
    cast: Sequence[Group] | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> tuple[Plan, Cast, list[Group]]:
    """Plan every exchange of a world, without its words.

    `cast` is given where the groups are made elsewhere; else they follow from the recipe.

    Returns
    -------
    The plan in order of time, the truth about its accounts, and the groups.

    Raises
    ------
    RecipeError
        The recipe has no account.
    """
    tell = progress or (lambda *_: None)
    stage = Stage(recipe, pools, clients, networks, seed, calendar_of(recipe, seed))
    profiles = AccountProfiles(networks, clients, stage.calendar, stage.book)
    for number, groups in enumerate(_handfuls(cast or cast_groups(recipe, seed, attacker))):
        _draw_groups(stage, groups, profiles, np.random.default_rng(mix(seed, 51, number)))
        tell("accounts", stage.accounts, recipe.accounts)
    if not stage.accounts:
        raise RecipeError(
            f"the recipe {recipe.name!r} has no account",
            hint="give it consumers, developers, look_alikes or campaigns, or a larger --size",
        )
    demands = _demands(stage)
    tell("arrivals", 0, 1)
    rng = np.random.default_rng(mix(seed, 71))
    times = clients.arrivals(rng, _joined([demand.streams for demand in demands]))
    pieces = _deal_all(stage, demands, times, tell)
    plan, truth = _assemble(stage, pieces)
    return plan, truth, stage.groups


def _handfuls(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """Groups in handfuls that are drawn together: people apart from programs, some thousand accounts each."""
    handful: list[Group] = []
    size = 0
    for group in groups:
        if handful and (group.people is not handful[0].people or size >= _DRAWN_TOGETHER):
            yield handful
            handful, size = [], 0
        handful.append(group)
        size += len(group.slots) * chain_length(group)
    if handful:
        yield handful


def _draw_groups(stage: Stage, groups: list[Group], profiles: AccountProfiles, rng: np.random.Generator) -> None:
    sizes = [len(group.slots) * chain_length(group) for group in groups]
    conducts = [group.conduct for group in groups]
    columns = profiles.draw(rng, sizes, conducts=conducts, people=groups[0].people)
    if stage.recipe.one_ja3:
        columns["build"][:] = 0
        columns["build_later"][:] = 0
    first = 0
    for group, size in zip(groups, sizes, strict=True):
        span = Span(columns, first, first + size)
        _finish_group(stage, group, span, profiles, rng)
        stage.first_account.append(stage.accounts + first)
        first += size
    stage.accounts += first
    stage.drawn.append(columns)


def _finish_group(stage: Stage, group: Group, span: Span, profiles: AccountProfiles, rng: np.random.Generator) -> None:
    """What is of the group and not of its accounts: absent slots' volumes, what is shared, bans, which one is kept."""
    volume = span["volume"][:: chain_length(group)]
    slots = max(group.conduct.workers, len(group.slots))
    if slots > len(group.slots):
        low, high = group.conduct.volume_band
        everyone = profiles.volume(rng, np.full(slots, low), np.full(slots, high))
        everyone[list(group.slots)] = volume
        volume = everyone
    lay_over(group, span, rng, stage.networks, stage.book)
    set_bans(group, span, rng)
    if group.only_one and len(span) > 1:
        span["kept"] = np.arange(len(span)) == rng.integers(0, len(span))
    stage.groups.append(group)
    stage.columns.append(span)
    stage.volumes.append(volume)


def _demands(stage: Stage) -> list[Demand]:
    """Every job's demand, scaled so that the world has the recipe's number of requests, about."""
    held = sum(
        float(span["volume"][:: chain_length(group)].sum()) * group.volume_factor
        for group, span in zip(stage.groups, stage.columns, strict=True)
    )
    accounts = sum(int(columns["kept"].sum()) for columns in stage.drawn)
    scale = stage.recipe.requests_per_account * accounts / max(held, 1e-9)
    demands = []
    for group, span, volume in zip(stage.groups, stage.columns, stage.volumes, strict=True):
        for job in group.jobs:
            turns = mean_turns_of(group, job, span, _chat_turns(stage, group.conduct.language))
            demands.append(prepare(group, job, span, volume, scale=scale, mean_turns=turns))
    return demands


def _chat_turns(stage: Stage, language: str) -> float:
    if language not in stage.chat_turns:
        work = stage.works[_chat(stage, language)]
        assert isinstance(work, ChatWork)
        mean = float(np.minimum(work.turns, 10).mean())
        stage.chat_turns[language] = max(mean, 1.8) if stage.pools.composed_conversations else mean
    return stage.chat_turns[language]


def _chat(stage: Stage, language: str) -> int:
    """The position of a language's chat work, made when first asked for."""
    if language not in stage.chats:
        stage.chats[language] = len(stage.works)
        stage.works.append(ChatWork(stage.pools, language, split=stage.recipe.split))
    return stage.chats[language]


def _joined(streams: list[Streams]) -> Streams:
    names = ("count", "curve", "shift_us", "start_us", "end_us", "cv")
    return Streams(*(np.concatenate([getattr(stream, name) for stream in streams]) for name in names))


@dataclass(slots=True)
class _Piece:
    rows: Rows
    campaign: int


def _deal_all(
    stage: Stage, demands: list[Demand], times: Ints, tell: Callable[[str, float, float], None]
) -> list[_Piece]:
    first = {id(group): start for group, start in zip(stage.groups, stage.first_account, strict=True)}
    pieces = []
    at = 0
    for number, demand in enumerate(demands):
        size = int(demand.streams.count.sum())
        rng = np.random.default_rng(mix(demand.group.seed, 52, number))
        pieces.append(_deal_one(stage, demand, times[at : at + size], rng, first[id(demand.group)]))
        at += size
        if number % 200 == 0:
            tell("dealing", number, len(demands))
    return pieces


def _deal_one(stage: Stage, demand: Demand, times: Ints, rng: np.random.Generator, first: int) -> _Piece:
    group, job = demand.group, demand.job
    chat = _chat(stage, demand.conduct.language)
    talk = stage.works[chat]
    assert isinstance(talk, ChatWork)
    if job.mode == "chat":
        rows = deal(
            demand, times, rng, works=1, conversation_turns=talk.turns, composed=stage.pools.composed_conversations
        )
        rows.work[:] = chat
    else:
        firsts, each = _works_of(stage, demand)
        rows = deal(demand, times, rng, works=each)
        rows.work = firsts[rows.sender] + rows.work
        rows.work[rows.ordinary] = chat
        rows.item[rows.ordinary] = rng.integers(0, len(talk.turns), int(rows.ordinary.sum()))
    base = _senders_of(stage, demand)
    rows.sender = base[rows.sender]
    rows.account = rows.account + first
    rows.talk = rows.talk + int(mix(group.seed, 41, int(rng.integers(0, 1 << 40))) >> 3)
    number = -1
    if job.campaign_id is not None:
        number = len(stage.campaigns)
        stage.campaigns.append(job.campaign_id)
        stage.campaign_groups.append(group)
    return _Piece(rows, number)


def _works_of(stage: Stage, demand: Demand) -> tuple[Ints, int]:
    """The works of each sender of a job: where the first stands, and how many each has."""
    group, job = demand.group, demand.job
    if job.mode == "attack":
        stage.works.append(AttackWork(stage.pools, mix(group.seed, 81)))
        return np.array([len(stage.works) - 1]), 1
    senders = len(demand.kept) if job.per_account else 1
    each = len(demand.conduct.families) * demand.conduct.rotate
    firsts = len(stage.works) + np.arange(senders) * each
    for sender in range(senders):
        need = int(demand.volumes[sender]) if job.per_account else int(demand.volumes.sum())
        if group.only_one and not job.per_account and demand.conduct.deal == "own":
            need *= demand.conduct.workers
        seed = mix(group.seed, 82, group.jobs.index(job), sender)
        stage.works += build_works(
            stage.pools, demand.conduct, seed=seed, need=job.data_size or need, split=stage.recipe.split,
            template_seed=job.template_seed, data_seed=job.data_seed,
        )  # fmt: skip
    return firsts, each


def _senders_of(stage: Stage, demand: Demand) -> Ints:
    """Operators who send a job's requests, by the job's sender number; positions in `Stage.senders`."""
    group, job = demand.group, demand.job
    first = len(stage.senders)
    if job.campaign_id is not None:
        stage.senders.append(f"op-{mix(group.seed, 91, group.jobs.index(job)) >> 16:012x}")
    elif job.per_account and group.many_operators:
        stage.senders += [_own_operator(group, slot) for slot in demand.kept.tolist()]
    elif job.per_account and (job.mode == "chat" or group.kind == "reseller"):
        stage.senders += [
            f"op-{mix(group.seed, 93, slot, group.jobs.index(job)) >> 16:012x}" for slot in demand.kept.tolist()
        ]
    elif job.mode == "chat":
        stage.senders.append(f"op-{mix(group.seed, 94) >> 16:012x}")
    else:
        stage.senders += [_owner(group)] * (len(demand.kept) if job.per_account else 1)
    return np.arange(first, len(stage.senders))


def _owner(group: Group) -> str:
    return f"op-{mix(group.seed, 95) >> 16:012x}"


def _own_operator(group: Group, slot: int) -> str:
    return f"op-{mix(group.seed, 96, slot) >> 16:012x}"


def _assemble(stage: Stage, pieces: list[_Piece]) -> tuple[Plan, Cast]:
    """Join all jobs' rows, cut to the window, order by time, number the accounts that are left."""

    def joined(name: str, type_: Any) -> NDArray[Any]:
        return np.concatenate([getattr(piece.rows, name).astype(type_, copy=False) for piece in pieces])

    time, account = joined("time_us", np.int64), joined("account", np.int32)
    campaign_of = np.repeat(
        np.array([p.campaign for p in pieces], dtype=np.int32), [len(p.rows.time_us) for p in pieces]
    )
    columns = {name: np.concatenate([c[name] for c in stage.drawn]) for name in stage.drawn[0]}
    inside = (time >= stage.calendar.start_us) & (time < stage.calendar.end_us) & columns["kept"][account]
    active = np.zeros(len(columns["kept"]), dtype=bool)
    active[account[inside]] = True
    # Accounts without a request are not in the log's world.
    number_of = np.cumsum(active) - 1
    keep = np.flatnonzero(inside)
    # Ties in time are broken by a hash, not by who was cast first.
    keep = keep[np.lexsort((spread(keep, stage.seed + 1), time[keep]))]
    account = number_of[account[keep]].astype(np.int32)
    columns = {name: values[active] for name, values in columns.items()}
    limited, remaining = limits(account, time[keep], columns["limit"])
    cast = _cast(stage, active)
    ids = spread(np.arange(len(active)), stage.seed + 2)[active]
    plan = Plan(
        time_us=time[keep], account=account, work=joined("work", np.int32)[keep], item=joined("item", np.int32)[keep],
        turn=joined("turn", np.int16)[keep], talk=joined("talk", np.int64)[keep],
        sender=joined("sender", np.int32)[keep], campaign=campaign_of[keep], limited=limited, remaining=remaining,
        accounts=columns, account_ids=[f"acct-{number:016x}"[:17] for number in ids.tolist()],
        works=stage.works, senders=stage.senders, campaigns=stage.campaigns,
        campaign_groups=stage.campaign_groups,
        address=np.concatenate(stage.book.value), address_asn=np.concatenate(stage.book.asn),
        address_country=np.concatenate(stage.book.country), seed=stage.seed,
        release_us=stage.calendar.release_us, start_us=stage.calendar.start_us, end_us=stage.calendar.end_us,
    )  # fmt: skip
    return plan, cast


def _cast(stage: Stage, active: NDArray[np.bool_]) -> Cast:
    kind: list[str] = []
    unit: list[str] = []
    operator: list[str] = []
    group_of: list[int] = []
    for number, (group, span) in enumerate(zip(stage.groups, stage.columns, strict=True)):
        chain = chain_length(group)
        for place in range(len(span)):
            slot = group.slots[place // chain]
            kind.append(group.kind)
            unit.append(f"unit-{mix(group.seed, 97, slot) >> 16:012x}" if group.unit_per_account else group.unit)
            operator.append(_own_operator(group, slot) if group.many_operators else _owner(group))
            group_of.append(number)
    keep = np.flatnonzero(active).tolist()
    return Cast([kind[i] for i in keep], [unit[i] for i in keep], [operator[i] for i in keep], np.array(group_of)[keep])
