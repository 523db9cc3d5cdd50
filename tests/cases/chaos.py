"""A playbook that is gone through by processes that are killed, at any boundary, and by others that take it up.

A boundary is where something is about to be written or sent, or just was: a record filed, an order placed, a notice put
into the outbox. A process is a fork of this one that opens a copy of the home; `kill -9` ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spiritsafe.cases import acting
from spiritsafe.cases import executors as case_executors
from spiritsafe.cases.book import CaseBook
from spiritsafe.cases.lookups import actions_of, find_case, list_cases
from spiritsafe.cases.model import MoveError
from spiritsafe.cases.persons import VaultPersons
from spiritsafe.cases.store import open_store
from spiritsafe.events.vault import Vault
from spiritsafe.evidence import writing
from spiritsafe.evidence.audit import audit_ledger
from spiritsafe.evidence.ledger import Ledger
from spiritsafe.keys import FileKeys
from spiritsafe.playbooks import deciding
from tests.cases.desk import DAY_US
from tests.cases.runs import RunDesk
from tests.events.office import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spiritsafe.cases.model import CaseSummary
    from spiritsafe.keys.persons import Signer
    from spiritsafe.playbooks.deciding import Asked
    from spiritsafe.playbooks.runs import Approval, Run
    from tests.cases.desk import Desk


@dataclass
class Plan:
    """What persons say when they are asked: by the step's name, the values; `no` are steps that are refused.

    `does`: what they do before they say it; a second time, where they were killed in between, it finds nothing to do.
    """

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    no: frozenset[str] = frozenset()
    given: dict[str, str] = field(default_factory=dict)
    case: int | None = 1
    does: dict[str, Callable[[Reopened], object]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


class _Office:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.keys = FileKeys(home / "keys")
        self.vault = Vault(home / "vault.db", self.keys)


class Reopened:
    """A desk's home as another process sees it."""

    def __init__(self, desk: Desk, home: Path, clock: Clock) -> None:
        self.office, self.clock = _Office(home), clock
        self.ada, self.grace, self.alan = desk.ada, desk.grace, desk.alan
        self.ledger = Ledger(home / "ledger", self.office.keys, origin="provider.example/ledger")
        persons = VaultPersons(self.office.vault)
        self.book = CaseBook(self.ledger, open_store(home, ""), persons, clock_us=clock)

    def case(self, which: int = 1) -> CaseSummary:
        with self.book.reading() as tables:
            return find_case(tables, str(which))


@dataclass
class Boundaries:
    """Counts boundaries, and ends the process at one of them."""

    at: int | None
    passed: int = 0

    def __call__(self) -> None:
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def around(self, owner: Any, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def outer(*given: Any, **more: Any) -> Any:
            self()
            result = inner(*given, **more)
            self()
            return result

        setattr(owner, name, outer)


def gone_through(desk: Desk, home: Path, document: dict[str, Any], plan: Plan, at: int | None) -> tuple[int, bool]:
    """Run a playbook in another process, which dies at boundary `at`; boundaries passed, and whether it died.

    A run that is there already is taken up.
    """
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(told)
        code = 1
        try:
            boundaries = Boundaries(at)
            boundaries.around(writing.Writer, "append")
            boundaries.around(acting, "place")
            boundaries.around(acting, "fix_accounts")
            boundaries.around(acting, "forget_accounts")
            boundaries.around(case_executors, "put")
            _work(desk, home, document, plan)
            os.write(tell, str(boundaries.passed).encode())
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(code)
    os.close(tell)
    passed = os.read(told, 100)
    os.close(told)
    _, status = os.waitpid(process, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.WEXITSTATUS(status) == 0, "the process failed by itself"
    return int(passed or 0), killed


def _work(desk: Desk, home: Path, document: dict[str, Any], plan: Plan) -> None:
    opened = Reopened(desk, home, desk.clock)
    desk.clock.us = max(record.time_us for record in opened.ledger.records())  # no later process is earlier
    runs = RunDesk(opened, **plan.settings)
    if not runs.journal.lines():
        runs.start(document, plan.case, given=plan.given)
    for _ in range(200):
        for line in runs.journal.lines():
            runs.go_on(runs.journal.read(line.run_id))
        if _answer(opened, runs, plan):
            continue
        states = [runs.journal.read(line.run_id).status for line in runs.journal.lines()]
        if "running" not in states:
            return
        desk.clock.us += DAY_US  # what is left waits for its time
    raise AssertionError("the playbook does not end")


def _answer(desk: Reopened, runs: RunDesk, plan: Plan) -> bool:
    """Somebody says what the plan has them say to the first thing that is asked; False where nothing is."""
    for line in runs.journal.lines():
        run = runs.journal.read(line.run_id)
        for asked in deciding.asked_now(runs.runner(), run) if run.status == "running" else ():
            if asked.work.name in plan.does:
                with contextlib.suppress(MoveError):
                    plan.does[asked.work.name](desk)
            runs.say(
                run, _next_person(desk, run.approvals_of(asked.order.asked)), asked.order.asked,
                approved=asked.work.name not in plan.no, values=_values(asked, plan),
                most=asked.reach, objections_share=1.0,
            )  # fmt: skip
            return True
    return False


def _next_person(desk: Reopened, said: list[Any]) -> Signer:
    names = {one.name for one in said}
    return next(one for one in (desk.ada, desk.grace, desk.alan) if one.name not in names)


def _values(asked: Asked, plan: Plan) -> dict[str, str]:
    return plan.values.get(asked.work.name, {}) if asked.order.type == "manual" else {}


def ends(desk: Desk, home: Path) -> dict[str, Any]:
    """What came of it, as it must be however often somebody was killed.

    Whom a share picks depends on the run's id, so of accounts only how many there are is told. A move is signed by
    whoever is at the desk: one whose process was killed before the move is asked again, and nothing else is.
    """
    opened = Reopened(desk, home, desk.clock)
    runs = RunDesk(opened)
    told = [runs.journal.read(line.run_id) for line in runs.journal.lines()]
    with opened.book.reading() as tables:
        actions = [one for case in list_cases(tables) for one in actions_of(tables, case.number)]
    filed = [record for record in opened.ledger.records() if record.record in {"action/1", "notice/1"}]
    said = [(run, one) for run in told for one in run.approvals if not _is_move(run, one)]
    assert not opened.book.irregular()
    audit_ledger(opened.ledger)
    return {
        "runs": sorted((run.playbook.name, run.status) for run in told),
        "values": sorted(json.dumps(run.state.variables, sort_keys=True) for run in told),
        "steps": sorted((run.playbook.name, trace.title, trace.state) for run in told for trace in run.traces.values()),
        "actions": Counter((one.kind, one.outcome) for one in actions),
        "accounts": Counter(kind for kind, _ in {(one.kind, one.account_id) for one in actions}),
        "filed": sorted(record.record for record in filed),
        "outbox": sorted(path.name.partition("-")[0] for path in (home / "outbox").glob("*")),
        "said": sorted((run.playbook.name, one.asked.partition("/")[0], one.name) for run, one in said),
        "left over": sorted(path.name for path in (home / "runs").glob("order-*")),
    }


def _is_move(run: Run, said: Approval) -> bool:
    commands = run.playbook.steps[said.asked.rpartition(".")[0]].body.get("commands", ())
    return any(command["type"] == "spiritsafe-case-move" for command in commands)


def killed_everywhere(
    desk: Desk, folder: Path, document: dict[str, Any], plan: Plan, *, every: int = 1, first: int = 0
) -> int:
    """Kill a playbook at each boundary, have another process take it up: it ends as if nobody had been killed."""
    whole = _copied(desk, folder / "whole")
    boundaries, _ = gone_through(desk, whole, document, plan, None)
    wanted = ends(desk, whole)
    assert wanted["steps"]
    for at in range(first, boundaries, every):
        home = _copied(desk, folder / "killed")
        _, killed = gone_through(desk, home, document, plan, at)
        assert killed, at
        gone_through(desk, home, document, plan, None)
        assert ends(desk, home) == wanted, f"killed at boundary {at} of {boundaries}"
    return boundaries


def _copied(desk: Desk, home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(desk.office.home, home)
    return home
