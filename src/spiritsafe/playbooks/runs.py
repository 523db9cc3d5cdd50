"""A run as its records tell it: where it stands, what waits for whom, who agreed to what.

The ledger is the journal: nothing else remembers a run, so there is nothing that could disagree with what is proved.
A run is told by going through its records from the first one, by the same machine that rehearses it.
Comes from `playbooks.journal`; goes on to `playbooks.runner` and the command.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from spiritsafe.errors import SpiritsafeError, VerificationError
from spiritsafe.playbooks.machine import RunStateError, begin, done, ready
from spiritsafe.playbooks.orders import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spiritsafe.evidence.reading import FiledRecord
    from spiritsafe.keys.persons import Persons
    from spiritsafe.playbooks.machine import State, Work
    from spiritsafe.playbooks.model import Playbook

Status: TypeAlias = Literal["running", "halted", "rolled_back", "succeeded", "failed"]


class RunUnknownError(VerificationError):
    """There is no such run, or no such step of it waits."""

    code = "playbooks.unknown"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Approval:
    """What a registered person said about one command of a step. `objections_share` is what they predict."""

    name: str
    public_key: bytes
    approved: bool
    asked: str
    asked_sha256: str
    most: Reach
    objections_share: float
    values: dict[str, str]
    reason: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of one visit to a step: the values that it gave, and the idempotency keys of commands executed.

    `work` is the step as it was when it began.
    """

    instance: str
    title: str
    begun_us: int
    state: str = "begun"
    changed_us: int = 0
    detail: str = ""
    values: dict[str, str] = field(default_factory=dict)
    executed: dict[int, str] = field(default_factory=dict)
    work: Work | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as of the records that are there."""

    run_id: str
    case_id: str
    playbook: Playbook
    interpreter: str
    parent: str
    started_by: str
    started_us: int
    given: dict[str, str]
    status: Status
    why: str
    state: State
    traces: dict[str, Trace]
    approvals: tuple[Approval, ...]
    position: int
    strangers: tuple[str, ...] = ()

    @property
    def waiting(self) -> list[Work]:
        """Actions that are not over, while the run goes on."""
        return ready(self.playbook, self.state) if self.status in {"running", "halted"} else []

    @property
    def keys(self) -> tuple[str, ...]:
        """The idempotency keys of all that was executed, oldest first."""
        return tuple(key for trace in self.traces.values() for key in trace.executed.values())

    def approvals_of(self, asked: str) -> list[Approval]:
        """What was said about one command of a visit to a step, oldest first."""
        return [one for one in self.approvals if one.asked == asked]


def told(records: Iterable[FiledRecord], playbook: Playbook, persons: Persons, run: Run | None = None) -> Run:
    """A run from its records, in the order in which they stand in the log; from where it was told before, if it was.

    Raises
    ------
    RunStateError
        The records contradict one another: somebody else wrote to the ledger.
    """
    for record in records:
        run = _begun(record, playbook) if run is None else _next(run, record, persons)
        run = replace(run, position=record.position)
    if run is None:
        raise RunStateError("the run has no records", hint="`spiritsafe playbook list` shows runs")
    return run


def _begun(record: FiledRecord, playbook: Playbook) -> Run:
    if record.record != "playbook_run/1" or record.fields["state"] != "started":
        raise RunStateError("the first record of a run does not start it", hint="compare the ledger with a backup")
    given = _texts(record.fields.get("variables"))
    return Run(
        run_id=str(record.fields["run"]),
        case_id=record.case_id or "",
        playbook=playbook,
        interpreter=str(record.fields["interpreter"]),
        parent=str(record.fields.get("parent") or ""),
        started_by=str(record.fields.get("name", "")),
        started_us=record.time_us,
        given=given,
        status="running",
        why="",
        state=begin(playbook, given),
        traces={},
        approvals=(),
        position=record.position,
    )


def _next(run: Run, record: FiledRecord, persons: Persons) -> Run:
    if record.record == "playbook_step/1":
        return _stepped(run, record)
    if record.fields["by"] == "person" and not _is_registered(record, persons):
        return replace(run, strangers=(*run.strangers, record.record_id))
    if record.record == "approval/1":
        return replace(run, approvals=(*run.approvals, _approval(record)))
    state = str(record.fields["state"])
    if state == "resumed":
        # What was predicted before was wrong: agreements from before the halt hold no more.
        return replace(run, status="running", why="", approvals=())
    if state not in {"halted", "rolled_back", "succeeded", "failed"}:
        raise RunStateError(f"a run cannot be {state[:40]}", hint="update spiritsafe")
    status: Any = state
    return replace(run, status=status, why=str(record.fields.get("reason", "")))


def _stepped(run: Run, record: FiledRecord) -> Run:
    instance, kind = str(record.fields["step"]), str(record.fields["state"])
    values = _texts(record.fields.get("values"))
    detail = str(record.fields.get("detail") or "")
    trace = run.traces.get(instance)
    if trace is None:
        work = next((one for one in ready(run.playbook, run.state) if one.instance == instance), None)
        trace = Trace(instance, str(record.fields.get("title", "")), record.time_us, work=work)
    number, key = record.fields.get("command"), str(record.fields.get("idempotency_key") or "")
    executed = {**trace.executed, int(str(number)): key} if number is not None else trace.executed
    trace = replace(
        trace, state=kind, changed_us=record.time_us, detail=detail, executed=executed,
        values={**trace.values, **values},
    )  # fmt: skip
    state = run.state
    if kind in {"done", "failed"}:
        try:
            state = done(
                run.playbook, state, instance, succeeded=kind == "done", values=trace.values, why=detail
            )  # fmt: skip
        except SpiritsafeError as error:
            raise RunStateError(
                f"the ledger tells of step {instance} what cannot be: {error}", hint=error.hint
            ) from error
    return replace(run, state=state, traces={**run.traces, instance: trace})


def _approval(record: FiledRecord) -> Approval:
    assert record.signer is not None
    scope = record.fields["scope"]
    most = scope if isinstance(scope, dict) else {}
    return Approval(
        name=record.signer[0],
        public_key=record.signer[1],
        approved=record.fields["decision"] == "approved",
        asked=str(record.fields["action"]),
        asked_sha256=str(record.fields["asked_sha256"]),
        most=Reach(*(int(str(most.get(name, 0))) for name in ("accounts", "verified", "organizations"))),
        objections_share=float(str(most.get("objections_share", "0"))),
        values=_texts(record.fields.get("values")),
        reason=str(record.fields.get("reason", "")),
        time_us=record.time_us,
    )


def _is_registered(record: FiledRecord, persons: Persons) -> bool:
    signer = record.signer
    return signer is not None and persons.key_of(signer[0], record.time_us) == signer[1]


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}
