"""What a person says about a run: agreed, refused, done; stop, go on, take it all back.

Whatever is said is signed and filed before anything follows from it.
Comes from the command; goes on to `playbooks.runner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spiritsafe.errors import SpiritsafeError, UsageError
from spiritsafe.playbooks.agreements import standing_of, told_reach
from spiritsafe.playbooks.orders import NOTHING, Reach, RefusedCallError, order_of
from spiritsafe.playbooks.runs import RunUnknownError
from spiritsafe.playbooks.variables import set_variables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.machine import Work
    from spiritsafe.playbooks.orders import Order, Touches
    from spiritsafe.playbooks.runner import Runner
    from spiritsafe.playbooks.runs import Run, Trace


class RunStandsError(UsageError):
    """A run is over, halted or rolled back, and what was asked of it cannot be."""

    code = "playbooks.over"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command that waits for somebody: the step, the order, what it touches, and how far it would go."""

    work: Work
    order: Order
    touches: Touches
    reach: Reach


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says about a command.

    `accounts`, `verified` and `organizations` are how far they let it go at most: by default as many accounts and
    organisations as it would touch now, and no verified customer. `objections_share` is the share of touched accounts
    whose holder they expect to object.
    """

    approved: bool
    reason: str
    accounts: int | None = None
    verified: int = 0
    organizations: int | None = None
    objections_share: float = 0.05
    values: Mapping[str, str] | None = None


def asked_now(runner: Runner, run: Run) -> list[Asked]:
    """What waits for a person, of a run; a step that waits for its time or for another run is left out."""
    found = []
    for work in run.waiting:
        trace = run.traces.get(work.instance)
        if trace is None or work.playbook_id or runner.journal.now_us < trace.begun_us + work.delay_ms * 1000:
            continue
        number = next((one for one in range(len(work.commands)) if one not in trace.executed), None)
        if number is not None:
            order = runner.order(run, work, number)
            if order.type == "manual":
                found.append(Asked(work, order, "nothing", Reach()))
            else:
                executor = runner.executors[order.type]
                found.append(Asked(work, order, executor.touches, executor.reach(order, runner.home)))
    return found


def played_now(runner: Runner, run: Run) -> list[Run]:
    """Runs that this one started and waits for."""
    waiting = [work for work in run.waiting if work.playbook_id]
    ids = [runner.child_id(run, work.instance) for work in waiting]
    return [runner.journal.read(run_id) for run_id in ids if runner.journal.holds(run_id)]


def say(
    runner: Runner, run_id: str, step: str, said: Said, *, signer: Signer, trusted: Collection[str] = (), now: str = ""
) -> Run:
    """File what a person says about a step that waits, and go on with the run, and with whatever waits for that.

    Parameters
    ----------
    runner, run_id
        The run.
    step
        The step: its name, its id, or the end of its id; empty where only one waits.
    said, signer
        What they say, and who they are; the caller has seen that they are registered.
    trusted, now
        As in `Runner.start`, for playbooks that the run starts.

    Raises
    ------
    RunStandsError, RunUnknownError
        The run does not go on, or no such step waits.
    RefusedCallError
        It would reach further than they let it. Nothing was filed.
    VariableError
        A value is none that the step gives. Nothing was filed.
    """
    with runner.held(run_id):
        run = runner.journal.read(run_id)
        _check_running(run)
        asked = _find(asked_now(runner, run), step)
        now_reach = asked.reach
        most = Reach(
            now_reach.accounts if said.accounts is None else said.accounts,
            said.verified,
            now_reach.organizations if said.organizations is None else said.organizations,
        )
        if said.approved and asked.touches == "accounts" and not now_reach.accounts:
            raise RefusedCallError(
                f"{asked.work.name} would touch nobody now",
                hint="is the case confirmed, and who is spared? `spiritsafe case show`",
            )
        if said.approved and not asked.reach.within(most):
            raise RefusedCallError(
                f"{asked.work.name} would touch {told_reach(asked.reach)}, more than {told_reach(most)}",
                hint="look at `playbook status`; let it reach further with --most-accounts, --most-verified, "
                "--most-organizations, or refuse it",
            )
        values = dict(said.values or {})
        set_variables(run.playbook.document, run.playbook.steps[asked.work.step_id].body, run.state.variables, values)
        touches = asked.touches == "accounts"
        scope = {
            "accounts": most.accounts,
            "verified": most.verified,
            "organizations": most.organizations,
            "objections_share": said.objections_share if touches else 1.0,
        }
        runner.journal.file_approval(
            run,
            signer,
            action=asked.order.asked,
            decision="approved" if said.approved else "refused",
            asked_sha256=asked.order.sha256,
            scope=scope,
            reason=said.reason,
            **({"values": values} if values else {}),
        )
    after = above = runner.advance(run_id, trusted=trusted, now=now)
    while above.parent:  # a run that another one waits for
        above = runner.advance(above.parent.partition("/")[0], trusted=trusted, now=now)
    return after


def halt(runner: Runner, run_id: str, *, reason: str, signer: Signer) -> Run:
    """Stop a run where it is. What is being carried out this moment is finished first."""
    with runner.held(run_id):
        run = runner.journal.read(run_id)
        _check_running(run)
        runner.journal.file_run(run, "halted", reason=reason, signer=signer)
        return runner.journal.again(run)


def resume(runner: Runner, run_id: str, *, reason: str, signer: Signer) -> None:
    """Let a halted run go on. What was agreed to before the halt is asked for again."""
    with runner.held(run_id):
        run = runner.journal.read(run_id)
        if run.status != "halted":
            raise RunStandsError(f"run {run_id} is {run.status} and not halted", hint="`spiritsafe playbook status`")
        runner.journal.file_run(run, "resumed", reason=reason, signer=signer)


def roll_back(runner: Runner, run_id: str, *, reason: str, signer: Signer) -> list[str]:
    """End a run and take back all that it did, the last first; what became of each, in words.

    Tried again after a crash it goes on where it was.
    """
    with runner.held(run_id):
        run = runner.journal.read(run_id)
        if run.status != "rolled_back":
            runner.journal.file_run(run, "rolled_back", reason=reason, signer=signer)
    told = []
    for trace in reversed(list(run.traces.values())):
        if trace.work is None:
            continue
        child = runner.child_id(run, trace.instance)
        if trace.work.playbook_id and runner.journal.holds(child):
            told += roll_back(runner, child, reason=reason, signer=signer)
        told += _under_way(runner, run, trace, reason)
        for number in sorted(trace.executed, reverse=True):
            order = order_of(run.playbook, trace.work, number, run_id=run_id, case_id=run.case_id)
            if order.type != "manual":
                told.append(f"{trace.title}: {_undone(runner, order, reason)}")
            else:
                told.append(f"{trace.title}: done by hand; undo it by hand")
    return told


def _under_way(runner: Runner, run: Run, trace: Trace, reason: str) -> list[str]:
    """Take back a command that may have been carried out and was not filed: a process was killed, or no answer came."""
    work = trace.work
    if work is None or work.playbook_id or trace.state in {"done", "failed"}:
        return []
    number = next((one for one in range(len(work.commands)) if one not in trace.executed), None)
    if number is None or work.commands[number]["type"] == "manual":
        return []
    order = order_of(run.playbook, work, number, run_id=run.run_id, case_id=run.case_id)
    executor = runner.executors[order.type]
    if executor.touches == "nothing":
        return []
    if executor.touches == "outside" and standing_of(run, runner.home).held_up(order, executor) is not None:
        return []
    undone = _undone(runner, order, reason)
    return [] if undone == NOTHING else [f"{trace.title} (may have been under way): {undone}"]


def _undone(runner: Runner, order: Order, reason: str) -> str:
    try:
        return runner.executors[order.type].undo(order, runner.home, reason=reason)
    except SpiritsafeError as error:
        return f"not undone: [{error.code}] {error}"


def _check_running(run: Run) -> None:
    if run.status == "halted":
        raise RunStandsError(
            f"run {run.run_id} is halted: {run.why}", hint="`spiritsafe playbook resume` lets it go on, with a reason"
        )
    if run.status != "running":
        raise RunStandsError(f"run {run.run_id} is over: {run.status.replace('_', ' ')}", hint="start another")


def _find(waiting: list[Asked], step: str) -> Asked:
    found = [
        one
        for one in waiting
        if not step or step in {one.work.name, one.work.step_id, one.order.asked} or one.work.step_id.endswith(step)
    ]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} steps wait" if found else f"no step {step[:80]} waits" if step else "no step waits"
    raise RunUnknownError(
        f"{what} for a person's word", hint=f"say which: {', '.join(one.work.name for one in waiting) or 'none waits'}"
    )
