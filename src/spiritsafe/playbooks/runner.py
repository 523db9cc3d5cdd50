"""Runs go on as far as they can: what can be done is done, what waits is told, and nothing is held meanwhile.

Each step is filed before and after. A process that is killed in between leaves a run that another one takes up: what
was executed and filed is not done again, and what was executed and not yet filed is tried with the same idempotency
key, so that its effect is once where the receiver honours the key, and at least once everywhere. One process at a time
goes on with a run (an advisory lock of the file system, which a crash releases).
Comes from the command; goes on to `playbooks.journal`, executors, and `playbooks.deciding` for what persons say.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from spiritsafe.errors import EnvironmentFault, SpiritsafeError
from spiritsafe.evidence.records import new_id, utc_text
from spiritsafe.playbooks.agreements import Standing, standing_of
from spiritsafe.playbooks.machine import begin
from spiritsafe.playbooks.orders import CommandError, Result, order_of, receiver_of
from spiritsafe.playbooks.variables import VariableError, set_variables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.journal import Journal
    from spiritsafe.playbooks.machine import Work
    from spiritsafe.playbooks.model import Playbook
    from spiritsafe.playbooks.orders import Executor, Home, Order
    from spiritsafe.playbooks.runs import Run, Trace
    from spiritsafe.playbooks.shelf import Shelf

_CHILDREN: Final = uuid.UUID("0d9f4a5e-6a0b-5c3c-8a0a-3f6f6d2b7c11")
_DEEPEST: Final = 5
_WAIT_S: Final = 60


class RunBusyFault(EnvironmentFault):
    """Another process goes on with this run, and has for a while."""

    code = "playbooks.busy"


class Runner:
    """Goes on with the runs of one home."""

    def __init__(self, journal: Journal, home: Home, executors: Mapping[str, Executor], shelf: Shelf) -> None:
        self.journal = journal
        self.home = home
        self.executors = executors
        self._shelf = shelf

    def start(
        self, playbook: Playbook, given: Mapping[str, str], *, signer: Signer, reason: str, trusted: Collection[str],
        case_id: str = "", now: str = "",
    ) -> Run:  # fmt: skip
        """Begin a run, and go on with it as far as it can.

        Parameters
        ----------
        playbook
            A playbook without a fault.
        given
            Values of its variables.
        signer, reason
            Who starts it, and why.
        trusted
            Public keys of those whose signature lets a playbook be run (`signatures.check_signatures`).
        case_id
            The case that it is about, if any.
        now
            The time as CACAO writes it, for signatures that end.

        Raises
        ------
        PlaybookSignatureError
            The playbook, or one that it plays, neither ships nor is signed by somebody trusted. Nothing was filed.
        PlaybookOutdatedError
            One of them is revoked, or out of its time. Nothing was filed.
        CommandError, RefusedCallError, VariableError
            A command could never be carried out here, or a variable has no value. Nothing was filed.
        """
        source = self.check(playbook, case_id, trusted, now)
        begin(playbook, given)
        run = self.journal.start(
            new_id(), playbook, given, case_id=case_id, reason=reason, source=source, signer=signer
        )  # fmt: skip
        return self.advance(run.run_id, trusted=trusted, now=now)

    def check(self, playbook: Playbook, case_id: str, trusted: Collection[str], now: str, depth: int = 0) -> str:
        """By what a playbook may be run, in words; see `start` for what it raises."""
        source = self._shelf.trusted_as(playbook, trusted, now=now)
        if depth > _DEEPEST:
            raise CommandError("playbooks call one another more than 5 deep", hint="does one call itself?")
        for step in playbook.steps.values():
            for command in step.body.get("commands", ()):
                if command["type"] != "manual":
                    receiver = receiver_of(playbook.document, step.body)
                    self._executor(command["type"]).check(command, receiver, self.home, case_id)
            if step.type == "playbook-action":
                other = self._shelf.find(step.body["playbook_id"], version=step.body.get("playbook_version", ""))
                self.check(other.playbook, case_id, trusted, now, depth + 1)
        return source

    def advance(self, run_id: str, *, trusted: Collection[str] = (), now: str = "") -> Run:
        """Go on with a run until it is over or every branch of it waits; the run as it stands then."""
        with self.held(run_id):
            run = self.journal.read(run_id)
            while self._go_on(run, trusted, now):
                run = self.journal.again(run)
            return self.journal.again(run)

    @contextlib.contextmanager
    def held(self, run_id: str) -> Iterator[None]:
        """Nobody else goes on with this run; raises `RunBusyFault`."""
        folder = self.home.settings.open_home() / "runs"
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            with FileLock(folder / f"{run_id}.lock", timeout=_WAIT_S):
                yield
        except Timeout as error:
            raise RunBusyFault(
                f"another process has gone on with run {run_id} for {_WAIT_S} s", hint="try again when it is done"
            ) from error

    def child_id(self, run: Run, instance: str) -> str:
        """The id of the run that a playbook step starts: the same however often it is tried."""
        return str(uuid.uuid5(_CHILDREN, f"{run.run_id}/{instance}"))

    def order(self, run: Run, work: Work, number: int) -> Order:
        """One command of a step that waits."""
        return order_of(run.playbook, work, number, run_id=run.run_id, case_id=run.case_id)

    def _executor(self, kind: str) -> Executor:
        if kind not in self.executors:
            raise CommandError(
                f"nobody here carries out commands of the type {kind[:60]}",
                hint=f"there are: manual, {', '.join(sorted(self.executors))}; others are plugins",
            )
        return self.executors[kind]

    def _go_on(self, run: Run, trusted: Collection[str], now: str) -> bool:
        """Take a run one record further; False where nothing more can be done now."""
        if run.status != "running":
            return False
        if run.state.outcome != "running":
            why = run.state.why or "it went through to its end"
            self.journal.file_run(run, run.state.outcome, reason=why)
            return False
        standing = standing_of(run, self.home)
        if standing.is_worse_than_predicted:
            self.journal.file_run(run, "halted", reason=standing.told)
            return False
        return any(self._step(run, work, standing, trusted, now) for work in run.waiting)

    def _step(self, run: Run, work: Work, standing: Standing, trusted: Collection[str], now: str) -> bool:
        trace = run.traces.get(work.instance)
        if trace is None:
            self.journal.file_step(run, work.instance, work.name, "begun")
            return True
        due_us = trace.begun_us + work.delay_ms * 1000
        if work.timeout_ms is not None and self.journal.now_us >= due_us + work.timeout_ms * 1000:
            self._file(run, work, "failed", detail=f"its time of {work.timeout_ms / 1000:g} s was over")
            return True
        if self.journal.now_us < due_us:
            return self._wait(run, work, trace, f"begins at {utc_text(due_us)}")
        if work.playbook_id:
            return self._play(run, work, trace, trusted, now)
        for number in range(len(work.commands)):
            if number not in trace.executed:
                return self._command(run, work, number, trace, standing)
        return self._file(run, work, "done", detail=trace.detail)

    def _command(self, run: Run, work: Work, number: int, trace: Trace, standing: Standing) -> bool:
        """Carry out one command, unless it waits for somebody."""
        try:
            order = self.order(run, work, number)
            result = standing.manual(order) if order.type == "manual" else self._carried_out(order, standing)
            self._check_values(run, work, result.values)
        except EnvironmentFault:
            raise
        except SpiritsafeError as error:
            result = Result("failed", f"[{error.code}] {error}")
        if result.outcome == "waiting":
            return self._wait(run, work, trace, result.detail)
        if result.outcome == "failed":
            return self._file(run, work, "failed", detail=result.detail)
        last = number == len(work.commands) - 1
        return self._file(
            run, work, "done" if last else "executed", command=number, idempotency_key=order.key,
            values=dict(result.values), detail=result.detail,
        )  # fmt: skip

    def _carried_out(self, order: Order, standing: Standing) -> Result:
        executor = self._executor(order.type)
        held_up = standing.held_up(order, executor)
        if held_up is not None:
            return held_up
        signs = standing.signer(order)
        return executor.execute(replace(order, most=standing.least(order)), replace(self.home, signer=signs))

    def _play(self, run: Run, work: Work, trace: Trace, trusted: Collection[str], now: str) -> bool:
        """Go on with the run that a playbook step starts."""
        child_id = self.child_id(run, work.instance)
        if not self.journal.holds(child_id):
            try:
                self._start_child(run, work, child_id, trusted, now)
            except EnvironmentFault:
                raise
            except SpiritsafeError as error:
                return self._file(run, work, "failed", detail=f"[{error.code}] {error}")
        child = self.advance(child_id, trusted=trusted, now=now)
        if child.status in {"running", "halted"}:
            return self._wait(run, work, trace, f"run {child_id} is {child.status}")
        if child.status != "succeeded":
            return self._file(
                run, work, "failed", detail=f"run {child_id} {child.status.replace('_', ' ')}: {child.why}"
            )
        values = {name: child.state.variables[name] for name in work.out_args if name in child.state.variables}
        try:
            self._check_values(run, work, values)
        except VariableError as error:
            return self._file(run, work, "failed", detail=f"[{error.code}] {error}")
        return self._file(run, work, "done", values=values, detail=f"run {child_id} succeeded")

    def _start_child(self, run: Run, work: Work, child_id: str, trusted: Collection[str], now: str) -> None:
        body = run.playbook.steps[work.step_id].body
        found = self._shelf.find(work.playbook_id, version=body.get("playbook_version", ""))
        source = self.check(found.playbook, run.case_id, trusted, now)
        given = {name: work.variables[name] for name in body.get("in_args", ()) if name in work.variables}
        begin(found.playbook, given)
        self.journal.start(
            child_id, found.playbook, given, case_id=run.case_id, reason=f"{run.playbook.name}: {work.name}",
            source=source, parent=f"{run.run_id}/{work.instance}",
        )  # fmt: skip

    @staticmethod
    def _check_values(run: Run, work: Work, values: Mapping[str, str]) -> None:
        """Raise `VariableError` where a step cannot give these values: they are not filed."""
        set_variables(run.playbook.document, run.playbook.steps[work.step_id].body, run.state.variables, values)

    def _file(self, run: Run, work: Work, state: str, **more: object) -> bool:
        self.journal.file_step(run, work.instance, work.name, state, **more)
        return True

    def _wait(self, run: Run, work: Work, trace: Trace, why: str) -> bool:
        """File what a step waits for, once."""
        if (trace.state, trace.detail) != ("waiting", why):
            self.journal.file_step(run, work.instance, work.name, "waiting", detail=why)
        return False
