"""Dealing: which account sends which datum when.

Two steps, so that all arrival times of a world are drawn in one pass: `prepare` says how much demand a job has,
`deal` spreads the arrivals over the accounts. An operation of which the log keeps one account is dealt in full
and cut down to it, so that a matched developer's account differs in nothing from a campaign's.
Comes from `profiles`, `overlay` and `work`; goes on to `rows`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spiritsafe.proving.clients import Streams
from spiritsafe.proving.model import HOUR_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spiritsafe.proving.model import Bools, Conduct, Floats, Group, Ints, Job
    from spiritsafe.proving.profiles import Span

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
MAX_TURNS: Final = 10
_SMALLEST_OPERATION: Final = 150
# Requests in one run of a program that hands over at limits, in limits' worth.
_RUN_LIMITS: Final = 2.5


@dataclass(slots=True)
class Rows:
    """Planned exchanges, aligned. `account` is a position in the group, `work` and `sender` in the job's lists."""

    time_us: Ints
    account: Ints
    work: Ints
    item: Ints
    turn: Ints
    talk: Ints
    sender: Ints
    ordinary: Bools

    def take(self, keep: NDArray[Any]) -> Rows:
        """The rows at `keep` (positions or a mask)."""
        return Rows(*(getattr(self, name)[keep] for name in self.__slots__))


@dataclass(slots=True)
class Demand:
    """A prepared job: its streams, and what dealing needs to know.

    `lines` are the slots of the operation that carry the job, `kept` those of them that the log holds.
    `volumes` are requests a stream.
    """

    group: Group
    job: Job
    conduct: Conduct
    columns: Span
    streams: Streams
    lines: Ints
    kept: Ints
    volumes: Ints


def chain_length(group: Group) -> int:
    """Accounts that one slot has over time: one, and its successors after bans."""
    return 1 + group.conduct.replaced


def _apart(job: Job, conduct: Conduct) -> bool:
    """Whether every account has demand of its own."""
    return job.per_account or conduct.deal == "own"


def prepare(group: Group, job: Job, columns: Span, volume: Floats, *, scale: float, mean_turns: float) -> Demand:
    """How much demand a job has.

    Parameters
    ----------
    columns
        The group's accounts, slot by slot, successors after each slot's first account.
    volume
        Relative volume of every slot of the operation, those that the log does not hold included.
    scale
        Requests for a relative volume of 1.
    mean_turns
        Turns of a session on average.
    """
    conduct = job.conduct or group.conduct
    lines = np.arange(len(volume)) if job.lines is None else np.array(job.lines)
    kept = np.array([slot for slot in group.slots if job.lines is None or slot in job.lines], dtype=np.int64)
    heads = np.searchsorted(np.array(group.slots), kept) * chain_length(group)
    amount = volume * scale * job.share * group.volume_factor
    if conduct.workers > 1 and job.mode == "work":
        # A campaign has more than a hundred exchanges (the smallest public one had 100,000); so has its like.
        amount = amount * max(1.0, _SMALLEST_OPERATION / float(amount[lines].sum()))
    if _apart(job, conduct):
        requests = amount[kept]
    else:
        requests, heads = amount[lines].sum(keepdims=True), heads[:1]
    streams = Streams(
        count=np.maximum(1, np.round(requests / mean_turns)).astype(np.int64),
        curve=columns["curve"][heads],
        shift_us=columns["shift_us"][heads],
        start_us=columns["start_us"][heads],
        end_us=columns["end_us"][heads],
        cv=columns["cv"][heads],
    )
    volumes = np.maximum(1, np.round(requests)).astype(np.int64)
    return Demand(group, job, conduct, columns, streams, lines, kept, volumes)


def mean_turns_of(group: Group, job: Job, columns: Span, chat_turns: float) -> float:
    """Turns of a session: of a conversation, of an agent's task, of a run between limits, else 1."""
    conduct = job.conduct or group.conduct
    if job.mode == "chat":
        return chat_turns
    if conduct.deal == "handover" and not job.per_account:
        return _run_length(conduct, columns)
    return conduct.turns


def _run_length(conduct: Conduct, columns: Span) -> float:
    return max(conduct.turns, _RUN_LIMITS * float(columns["limit"][0]))


def deal(
    demand: Demand,
    times: Ints,
    rng: np.random.Generator,
    *,
    works: int,
    conversation_turns: Ints | None = None,
    composed: bool = False,
) -> Rows:
    """Spread arrivals over accounts and data.

    Parameters
    ----------
    works
        How many works each sender of the job has, in order of time.
    conversation_turns
        Turns of each conversation of the pool, for a chat job.
    composed
        Follow-ups are added to the pool's single questions.
    """
    job, conduct = demand.job, demand.conduct
    stream = np.repeat(np.arange(len(demand.streams.count)), demand.streams.count)
    turns, talk_item = _turns(demand, rng, len(times), conversation_turns, composed)
    session = np.repeat(np.arange(len(times)), turns)
    turn = np.arange(len(session)) - np.repeat(np.cumsum(turns) - turns, turns)
    time = times[session] + _gaps(job, conduct, rng, turn, session)
    stream = stream[session]
    order = np.lexsort((turn, time)) if not _apart(job, conduct) else np.lexsort((turn, session, stream))
    time, session, turn, stream = time[order], session[order], turn[order], stream[order]
    place = _place_in_stream(stream)
    slot, extra = _slots(demand, rng, stream, place, time)
    item = _items(demand, rng, stream, place, session, talk_item)
    if conduct.deal == "handover" and not job.per_account and conduct.turns <= 1:
        turn, session = np.zeros_like(turn), np.arange(len(turn))
    progress = place / np.maximum(1, demand.volumes[stream])
    work = _works_in_time(rng, progress, works, conduct)
    rows = Rows(
        time_us=time,
        account=slot,
        work=work,
        item=item,
        turn=turn,
        talk=session,
        sender=stream if job.per_account else np.zeros_like(stream),
        ordinary=(rng.random(len(time)) < conduct.ordinary_share) & (turn == 0) & (job.mode == "work"),
    )
    if extra is not None:
        rows = _with_refused_attempts(rows, extra, rng)
    if job.mode != "chat":
        again = _repeats(demand, rng, rows)
        rows.item = np.where(again, np.maximum(0, rows.item - rng.geometric(0.3, len(rows.item))), rows.item)
    return _onto_accounts(demand, rows, rng)


def _turns(
    demand: Demand, rng: np.random.Generator, sessions: int, conversation_turns: Ints | None, composed: bool
) -> tuple[Ints, Ints]:
    conduct = demand.conduct
    if conversation_turns is not None:
        item = rng.integers(0, len(conversation_turns), sessions)
        turns = np.minimum(conversation_turns[item], MAX_TURNS)
        if composed:
            turns = np.maximum(turns, np.minimum(rng.geometric(0.55, sessions), MAX_TURNS))
        return turns.astype(np.int64), item
    if conduct.deal == "handover" and not demand.job.per_account:
        turns = np.minimum(rng.geometric(1 / _run_length(conduct, demand.columns), sessions), 60)
    elif conduct.turns > 1:
        turns = np.minimum(rng.geometric(1 / conduct.turns, sessions), 30)
    else:
        turns = np.ones(sessions, dtype=np.int64)
    return turns.astype(np.int64), np.zeros(sessions, dtype=np.int64)


def _gaps(job: Job, conduct: Conduct, rng: np.random.Generator, turn: Ints, session: Ints) -> Ints:
    """Microseconds from a session's start to each of its turns."""
    median_s = 75.0 if job.mode == "chat" else 2.2 if conduct.deal == "handover" else 9.0
    gap = np.where(turn > 0, rng.lognormal(np.log(median_s), 0.8, len(turn)), 0.0) * SECOND_US
    running = np.cumsum(gap)
    first = np.flatnonzero(turn == 0)
    return np.asarray((running - running[first][session]).astype(np.int64))


def _place_in_stream(stream: Ints) -> Ints:
    """Running number within each stream; rows of a stream are in order, streams may interleave."""
    order = np.argsort(stream, kind="stable")
    sorted_stream = stream[order]
    first = np.searchsorted(sorted_stream, sorted_stream, side="left")
    place = np.empty(len(stream), dtype=np.int64)
    place[order] = np.arange(len(stream)) - first
    return place


def _slots(
    demand: Demand, rng: np.random.Generator, stream: Ints, place: Ints, time: Ints
) -> tuple[Ints, NDArray[Any] | None]:
    """The slot of each row (a number of the whole operation), and rows whose first attempt met a limit."""
    if _apart(demand.job, demand.conduct):
        return demand.kept[stream], None
    workers = demand.lines
    if demand.conduct.deal == "even":
        return workers[place % len(workers)], None
    if demand.conduct.deal == "random":
        return rng.choice(workers, len(place)), None
    limit = int(demand.columns["limit"][0])
    minute = time // MINUTE_US
    first = np.searchsorted(minute, minute, side="left")
    rank = np.arange(len(minute)) - first
    hops = rank // limit
    last_of_minute = np.append(np.diff(minute) > 0, True)
    before = np.cumsum(np.where(last_of_minute, hops, 0)) - np.where(last_of_minute, hops, 0)
    base = before[np.searchsorted(minute, minute, side="right") - 1]
    slot = workers[(base + hops) % len(workers)]
    return slot, np.flatnonzero((rank > 0) & (rank % limit == 0))


def _with_refused_attempts(rows: Rows, handed_over: NDArray[Any], rng: np.random.Generator) -> Rows:
    """Put the attempt that met the limit before each hand-over, on the account that ran out."""
    if not len(handed_over):
        return rows
    attempts = rows.take(handed_over)
    before = rows.time_us[handed_over - 1]
    pause = (rng.uniform(0.1, 0.9, len(handed_over)) * (attempts.time_us - before)).astype(np.int64)
    attempts.time_us = before + np.maximum(1, pause)
    attempts.account = rows.account[handed_over - 1]
    merged = Rows(*(np.concatenate([getattr(rows, n), getattr(attempts, n)]) for n in Rows.__slots__))
    return merged.take(np.argsort(merged.time_us, kind="stable"))


def _items(demand: Demand, rng: np.random.Generator, stream: Ints, place: Ints, session: Ints, talk_item: Ints) -> Ints:
    """Which datum each row is about: the next one of its list, `samples` times each; dealt without repeats."""
    job, conduct = demand.job, demand.conduct
    if job.mode == "chat":
        return talk_item[session]
    by_session = conduct.turns > 1
    if by_session:
        # One datum a task: its turns belong together.
        number = np.empty(len(session), dtype=np.int64)
        order = np.lexsort((session, stream))
        change = np.append(True, (np.diff(session[order]) != 0) | (np.diff(stream[order]) != 0))
        running = np.cumsum(change) - 1
        first = running[np.searchsorted(stream[order], stream[order], side="left")]
        number[order] = running - first
        place = number
    position = place // conduct.samples
    if job.per_account or conduct.deal != "own":
        if job.data_seed is None:
            return np.asarray(position)
        # Half begin at the start of the common list, half somewhere in it: whole runs and parts.
        starts = np.where(rng.random(len(demand.volumes)) < 0.5, 0, rng.integers(0, 1 << 16, len(demand.volumes)))
        return np.asarray(position + starts[stream])
    # Each account has a piece of the list to itself; an account kept alone has one somewhere in it.
    begins = np.cumsum(demand.volumes) - demand.volumes
    if demand.group.only_one:
        begins = begins + int(rng.integers(0, conduct.workers)) * demand.volumes
    return np.asarray(position + begins[stream] // conduct.samples)


def _works_in_time(rng: np.random.Generator, progress: Floats, works: int, conduct: Conduct) -> Ints:
    """Families follow each other in time, with a soft border; templates of one family take turns at random."""
    families = len(conduct.families)
    if works <= 1:
        return np.zeros(len(progress), dtype=np.int64)
    family = np.clip((progress + rng.normal(0, 0.06, len(progress))) * families, 0, families - 1).astype(np.int64)
    rotate = works // families
    return np.asarray(family * rotate + rng.integers(0, rotate, len(progress)))


def _repeats(demand: Demand, rng: np.random.Generator, rows: Rows) -> Bools:
    share = demand.columns["repeat_share"]
    slots = np.array(demand.group.slots)
    position = np.searchsorted(slots, rows.account).clip(0, len(slots) - 1)
    return np.asarray((rng.random(len(rows.item)) < share[position * chain_length(demand.group)]) & (rows.turn == 0))


def _onto_accounts(demand: Demand, rows: Rows, rng: np.random.Generator) -> Rows:
    """From slots to accounts: drop slots that the log does not hold, pass slots on to successors after bans."""
    group, columns = demand.group, demand.columns
    slots = np.array(group.slots)
    rows = rows.take(np.isin(rows.account, slots))
    rows.account = np.searchsorted(slots, rows.account) * chain_length(group)
    if group.conduct.replaced:
        _pass_on(demand, rows, rng)
        rows = rows.take(np.argsort(rows.time_us, kind="stable"))
    suspended, reinstated = columns["suspended_us"][rows.account], columns["reinstated_us"][rows.account]
    shut = (suspended >= 0) & (rows.time_us >= suspended) & ((reinstated < 0) | (rows.time_us < reinstated))
    return rows.take(~shut)


def set_bans(group: Group, columns: Span, rng: np.random.Generator) -> None:
    """Ban each slot's account and open its successor within hours, `replaced` times. Changes `columns` in place.

    Bans come in waves over a group, as a provider's clean-ups do.
    """
    chain = chain_length(group)
    if chain == 1:
        return
    heads = np.arange(len(group.slots)) * chain
    start, end = columns["start_us"][heads], columns["end_us"][heads]
    waves = np.sort(rng.uniform(0.2, 0.8, chain - 1))
    for link, wave in enumerate(waves):
        when = (
            start
            + (wave * (end - start)).astype(np.int64)
            + (rng.exponential(5, len(heads)) * HOUR_US).astype(np.int64)
        )
        when = np.minimum(when, end - HOUR_US)
        pause = ((0.3 + rng.exponential(2.2, len(heads))) * HOUR_US).astype(np.int64)
        old, new = heads + link, heads + link + 1
        if link:
            when = np.maximum(when, columns["start_us"][old] + HOUR_US)
        columns["suspended_us"][old] = when
        columns["reinstated_us"][old] = -1
        columns["end_us"][new] = columns["end_us"][old]
        columns["start_us"][new] = when + pause
        columns["created_us"][new] = when + (pause * rng.uniform(0.05, 0.8, len(heads))).astype(np.int64)
    columns["suspended_us"][heads + chain - 1] = -1
    columns["end_us"][heads] = end


def _pass_on(demand: Demand, rows: Rows, rng: np.random.Generator) -> None:
    columns = demand.columns
    for _ in range(demand.group.conduct.replaced):
        banned = columns["suspended_us"][rows.account]
        late = (banned >= 0) & (rows.time_us >= banned)
        if not late.any():
            return
        successor = rows.account[late] + 1
        opens = columns["start_us"][successor]
        # What piled up in the pause is sent soon after: the position is resumed, nothing is lost.
        waiting = rows.time_us[late] < opens
        catch_up = opens + (rng.exponential(0.2, len(opens)) * HOUR_US).astype(np.int64)
        rows.time_us[late] = np.where(waiting, catch_up, rows.time_us[late])
        rows.account[late] = successor
