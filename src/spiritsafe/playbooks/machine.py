"""What comes next in a playbook, given what was done so far: a state that is data, and nothing that acts.

A run's state is a value that can be kept as JSON and taken up again by another process: the variables, and the
branches that are open, each at one step. `begin` makes it, `ready` tells which actions wait to be done, `done` takes in
the outcome of one. Everything between two actions (conditions, loops, branches that end) is gone through at once,
always to the same result: whoever acts, waits or crashes is elsewhere.

Readings, where the specification leaves something open: a failure follows `on_failure`, else it fails the step that
opened the branch, else the run, which then goes through `workflow_exception`, once; `on_completion` is for what was
done. A condition that cannot be evaluated, a switch without a case for its value (`default` is one), and a loop that
goes round more than 1,000 times are failures.
Comes from `playbooks.reading`; goes on to `playbooks.rehearsal`, and to whoever runs playbooks.
Source: CACAO 2.0 section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from spiritsafe.errors import InputError, UsageError
from spiritsafe.playbooks.conditions import ConditionError, evaluate, parse_condition
from spiritsafe.playbooks.variables import begun_variables, local_variables, set_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spiritsafe.playbooks.model import Playbook, Step

MOST_ROUNDS: Final = 1_000
Outcome: TypeAlias = Literal["running", "succeeded", "failed"]


class OutcomeError(UsageError):
    """An outcome is told of an action that does not wait for one."""

    code = "playbooks.outcome"


class RunStateError(InputError):
    """A run's state is damaged, or is of another playbook."""

    code = "playbooks.state"


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch that is open: the step that it is at, the how-manieth visit that is, and which branch opened it.

    Of a step that opens branches: whether it did, how often it went round, and whether one of them failed.
    """

    frame: int
    parent: int | None
    step: str
    visit: int
    opened: bool = False
    rounds: int = 0
    failed: bool = False


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run, between two actions. `visits` counts how often each step was come to, which names each visit.

    `excepted`: it goes through `workflow_exception`. `why` says of a failure where it came from.
    """

    playbook_sha256: str
    outcome: Outcome
    variables: dict[str, str]
    frames: tuple[Frame, ...]
    visits: dict[str, int]
    next_frame: int = 1
    excepted: bool = False
    why: str = ""


class Work(msgspec.Struct, frozen=True):
    """An action that waits to be done. `instance` names this visit to the step: the same however often it is tried."""

    instance: str
    step_id: str
    name: str
    commands: tuple[dict[str, Any], ...]
    variables: dict[str, str]
    out_args: tuple[str, ...]
    delay_ms: int
    timeout_ms: int | None
    playbook_id: str = ""


def begin(playbook: Playbook, given: Mapping[str, str]) -> State:
    """A run at its first actions.

    Parameters
    ----------
    playbook
        A playbook without a fault.
    given
        Values of its external variables, and of others that shall begin otherwise than it says.

    Raises
    ------
    VariableError
        An external variable has no value, one is given that is not there or is constant, or a value is not of its type.
    """
    state = State(
        playbook_sha256=playbook.sha256,
        outcome="running",
        variables=begun_variables(playbook.document, given),
        frames=(Frame(0, None, str(playbook.document["workflow_start"]), 1),),
        visits={str(playbook.document["workflow_start"]): 1},
    )
    return _Machine(playbook, state).settled()


def ready(playbook: Playbook, state: State) -> list[Work]:
    """The actions that wait to be done, in the order in which their branches were opened."""
    steps = playbook.steps
    return [
        _work(steps[frame.step], frame, state)
        for frame in state.frames
        if steps[frame.step].type in {"action", "playbook-action"}
    ]


def done(
    playbook: Playbook, state: State, instance: str, *, succeeded: bool, values: Mapping[str, str] | None = None,
    why: str = "",
) -> State:  # fmt: skip
    """The state once an action was done, or failed.

    Parameters
    ----------
    playbook, state
        The run.
    instance
        As `ready` told it.
    succeeded
        Whether it was done; a timeout is a failure.
    values
        Values that it gave its `out_args`.
    why
        Of a failure, what went wrong.

    Raises
    ------
    OutcomeError
        No such action waits: its outcome was told before, or never asked for. The state is as it was.
    RunStateError
        The state is of another playbook.
    VariableError
        A value is not of its type, is of no `out_args`, or of a constant.
    """
    if state.playbook_sha256 != playbook.sha256:
        raise RunStateError("this run is of another playbook", hint="runs go on with the bytes that they began with")
    waiting = {
        work.instance: frame for work, frame in zip(ready(playbook, state), _acting(playbook, state), strict=True)
    }
    if instance not in waiting:
        raise OutcomeError(
            f"no action {instance[:80]} waits", hint="its outcome was told before; `ready` tells which wait"
        )
    frame = waiting[instance]
    machine = _Machine(playbook, state)
    if succeeded and values:
        machine.variables = set_variables(playbook.document, playbook.steps[frame.step].body, state.variables, values)
    machine.leave(frame, failed=not succeeded, why=why or f"{playbook.steps[frame.step].name} failed")
    return machine.settled()


def encode_state(state: State) -> bytes:
    """A state as JSON."""
    return msgspec.json.encode(state, order="sorted")


def decode_state(data: bytes) -> State:
    """A state from JSON; raises `RunStateError`."""
    try:
        return msgspec.json.decode(data, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RunStateError(f"a run's state cannot be read: {error}", hint="restore it from a backup") from error


class _Machine:
    """One state being taken to the next."""

    def __init__(self, playbook: Playbook, state: State) -> None:
        self._playbook = playbook
        self._steps = playbook.steps
        self._state = state
        self.variables = dict(state.variables)
        self._frames = {frame.frame: frame for frame in state.frames}
        self._visits = dict(state.visits)
        self._next = state.next_frame
        self._excepted = state.excepted
        self._outcome: Outcome = state.outcome
        self._why = state.why

    def settled(self) -> State:
        """Go on until every open branch is at an action, or none is open."""
        moving = True
        while moving and self._outcome == "running":
            moving = False
            for frame in list(self._frames.values()):
                if self._frames.get(frame.frame) is frame and self._is_free(frame):
                    self._enter(frame)
                    moving = True
        return msgspec.structs.replace(
            self._state,
            outcome=self._outcome,
            variables=self.variables,
            frames=tuple(self._frames[number] for number in sorted(self._frames)) if self._outcome == "running" else (),
            visits=self._visits,
            next_frame=self._next,
            excepted=self._excepted,
            why=self._why,
        )

    def leave(self, frame: Frame, *, failed: bool, why: str = "") -> None:
        """A step is over: its branch goes on, or fails."""
        body = self._steps[frame.step].body
        if not failed:
            self._go(frame, str(body.get("on_completion") or body["on_success"]))
        elif "on_failure" in body:
            self._go(frame, str(body["on_failure"]))
        else:
            self._why = self._why or why
            self._close(frame, failed=True)

    def _is_free(self, frame: Frame) -> bool:
        """Whether a branch can go on by itself: it is at no action, and no branch of its own is open."""
        if self._steps[frame.step].type in {"action", "playbook-action"}:
            return False
        return not any(other.parent == frame.frame for other in self._frames.values())

    def _enter(self, frame: Frame) -> None:
        step = self._steps[frame.step]
        if step.type == "start":
            self._go(frame, step.follows[0])
        elif step.type == "end":
            self._close(frame, failed=False)
        elif frame.failed:
            self.leave(frame, failed=True, why=f"a branch of {step.name} failed")
        else:
            try:
                branches = self._branches(step, frame)
            except ConditionError as error:
                self.leave(frame, failed=True, why=f"{step.name}: {error}")
                return
            self._open(frame, branches)

    def _branches(self, step: Step, frame: Frame) -> list[str]:
        """The branches that a step opens now; none where it is over."""
        body, values = step.body, {**self.variables, **local_variables(step.body)}
        if frame.opened and step.type != "while-condition":
            return []
        if step.type == "parallel":
            return list(step.branches)
        if step.type == "switch-condition":
            return [_case(step, values)]
        if evaluate(parse_condition(body["condition"]), values):
            if frame.rounds >= MOST_ROUNDS:
                raise ConditionError(f"it went round {MOST_ROUNDS:,} times", hint="see its condition")
            return [str(body["on_true"])]
        return [str(body["on_false"])] if "on_false" in body else []

    def _open(self, frame: Frame, branches: list[str]) -> None:
        if not branches:
            self.leave(frame, failed=False)
            return
        self._frames[frame.frame] = msgspec.structs.replace(frame, opened=True, rounds=frame.rounds + 1)
        for step in branches:
            self._frames[self._next] = Frame(self._next, frame.frame, step, self._visit(step))
            self._next += 1

    def _go(self, frame: Frame, step: str) -> None:
        self._frames[frame.frame] = Frame(frame.frame, frame.parent, step, self._visit(step))

    def _visit(self, step: str) -> int:
        self._visits[step] = self._visits.get(step, 0) + 1
        return self._visits[step]

    def _close(self, frame: Frame, *, failed: bool) -> None:
        """A branch is over: its opener learns of it. With the outermost the run is, but for its exception."""
        del self._frames[frame.frame]
        if frame.parent is not None:
            opener = self._frames[frame.parent]
            self._frames[frame.parent] = msgspec.structs.replace(opener, failed=opener.failed or failed)
            return
        exception = self._playbook.document.get("workflow_exception")
        if failed and exception is not None and not self._excepted:
            self._excepted = True
            self._frames[frame.frame] = Frame(frame.frame, None, str(exception), self._visit(str(exception)))
        else:
            self._outcome = "failed" if failed or self._excepted else "succeeded"


def _case(step: Step, values: Mapping[str, str]) -> str:
    name = str(step.body["switch"]).removesuffix(":value")
    if name not in values:
        raise ConditionError(f"the variable {name} has no value", hint="a step before must set it")
    cases: Mapping[str, str] = step.body["cases"]
    if values[name] in cases:
        return str(cases[values[name]])
    if "default" in cases:
        return str(cases["default"])
    raise ConditionError(f"there is no case for {values[name][:60]!r}", hint="add a case `default`")


def _acting(playbook: Playbook, state: State) -> list[Frame]:
    steps = playbook.steps
    return [frame for frame in state.frames if steps[frame.step].type in {"action", "playbook-action"}]


def _work(step: Step, frame: Frame, state: State) -> Work:
    body = step.body
    return Work(
        instance=f"{step.step_id}.{frame.visit}",
        step_id=step.step_id,
        name=step.name,
        commands=tuple(body.get("commands", ())),
        variables={**state.variables, **local_variables(body)},
        out_args=tuple(body.get("out_args", ())),
        delay_ms=int(body.get("delay", 0)),
        timeout_ms=body.get("timeout"),
        playbook_id=str(body.get("playbook_id", "")),
    )
