"""What every door does with a request once it has it: who calls, what is decided, what is recorded, what if it fails.

Comes from `asgi` and the others; asks `guard.deciding` and tells `guard.journal`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from spiritsafe.evidence.records import new_id
from spiritsafe.guard.gateways.callers import Trust
from spiritsafe.guard.gateways.degrading import degraded_request
from spiritsafe.guard.gateways.exchanges import request_of
from spiritsafe.guard.gateways.refusals import BUSY, NO_ACCOUNT, refusal_of, refused
from spiritsafe.guard.health import Health
from spiritsafe.guard.model import Answer
from spiritsafe.guard.tallies import class_of
from spiritsafe.guard.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spiritsafe.guard.deciding import Guard
    from spiritsafe.guard.fleet import Fleet
    from spiritsafe.guard.gateways.callers import Caller
    from spiritsafe.guard.gateways.exchanges import Endpoint
    from spiritsafe.guard.gateways.marks import AnswerMarks
    from spiritsafe.guard.gateways.refusals import Refusal
    from spiritsafe.guard.gateways.tracing import Tracing
    from spiritsafe.guard.journal import Journal
    from spiritsafe.guard.leaks.checking import Leak
    from spiritsafe.guard.model import Decision, Request
    from spiritsafe.guard.reloading import Reloader
    from spiritsafe.sketch.single import PromptSketch

NOBODY = "no account"
"""Stands for an account of which nothing is known, where such requests are let through."""

Fail = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """How a door behaves. `fail`: what becomes of a request that could not be decided on, by an error of ours: let
    through (`open`) or 503 (`closed`). `without_account`: likewise of one of which nothing says whose it is (401)."""

    trust: Trust = field(default_factory=Trust)
    fail: Fail = "open"
    without_account: Fail = "open"
    most_body_bytes: int = 32 << 20
    body_seconds: float = 30.0


@dataclass(slots=True)
class Passage:
    """A request on its way: what was decided, or why not. `refusal` is sent in place of an answer; `leak` says how the
    answer carried what is withheld from it."""

    reference: str
    request: Request | None = None
    sketch: PromptSketch | None = None
    decision: Decision | None = None
    refusal: Refusal | None = None
    leak: Leak | None = None
    began_ns: int = 0

    @property
    def measures(self) -> tuple[str, ...]:
        """What the answer has to lack."""
        decision = self.decision
        return decision.measures if decision is not None and decision.acted is Answer.DEGRADE else ()


class Door:
    """One guard's door. Not for several threads: a server runs it in its loop.

    Parameters
    ----------
    guard
        Decides.
    options
        Whom it believes, and what it does when something is amiss.
    journal
        Records requests and decisions; None records nothing.
    reloader
        Takes up newer rosters and policies; None takes up none.
    health
        Looks at what comes in.
    fleet
        Counts together with other guards; None counts alone.
    tracing
        Makes a span for each decision; None makes none.
    marks
        Mark answers, for the measure `mark_answers`; by name.
    clock_us
        UTC microseconds.
    """

    def __init__(
        self,
        guard: Guard,
        options: DoorOptions,
        *,
        journal: Journal | None = None,
        reloader: Reloader | None = None,
        health: Health | None = None,
        fleet: Fleet | None = None,
        tracing: Tracing | None = None,
        marks: Mapping[str, AnswerMarks] | None = None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.guard, self.options, self.journal = guard, options, journal
        self.reloader, self.health, self.fleet = reloader, health or Health(), fleet
        self.tracing, self.marks = tracing, dict(marks or {})
        self._clock_us = clock_us
        self.counts: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.timing = Timing()

    def enter(
        self, endpoint: Endpoint, body: dict[str, Any], caller: Caller, headers: Mapping[str, str] | None = None
    ) -> Passage:
        """Decide on a call. Never raises: what goes wrong is counted, and let through or turned away as set. `headers`
        may say of which trace it is."""
        if self.tracing is None:
            return self._entered(endpoint, body, caller)
        span = self.tracing.begin(headers or {})
        passage = self._entered(endpoint, body, caller)
        self.tracing.end(span, passage)
        return passage

    def _entered(self, endpoint: Endpoint, body: dict[str, Any], caller: Caller) -> Passage:
        passage = Passage(reference=new_id(), began_ns=time.perf_counter_ns())
        try:
            if caller.account_id is None:
                self.counts["without_account"] += 1
                if self.options.without_account == "closed":
                    passage.refusal = refused(endpoint.api, NO_ACCOUNT)
                    return passage
            passage.request = request_of(
                endpoint,
                body,
                account_id=caller.account_id or NOBODY,
                time_us=self._clock_us(),
                event_id=passage.reference,
                **caller.known(),
            )
            self.health.see(passage.request)
            if passage.request.prompt is not None:
                passage.sketch = self.guard.sketch(passage.request.prompt)
            passage.decision = self.guard.decide(passage.request, passage.sketch)
        except Exception:
            self.counts["errors"] += 1
            if self.options.fail == "closed":
                passage.refusal = refused(endpoint.api, BUSY)
            return passage
        self.timing.add((time.perf_counter_ns() - passage.began_ns) / 1e9)
        self.answers[passage.decision.answer.word] += 1
        self.counts[f"acted_{passage.decision.acted.word}"] += 1
        if passage.decision.acted > Answer.OBSERVE and passage.decision.acted is not Answer.DEGRADE:
            passage.refusal = refusal_of(passage.decision, endpoint.api, passage.reference)
        return passage

    def degraded(self, endpoint: Endpoint, body: dict[str, Any], passage: Passage) -> dict[str, Any]:
        """The body of a call of which the answer is to be degraded, as it goes on."""
        decision = passage.decision
        if decision is None:
            return body
        changed = degraded_request(body, endpoint, passage.measures, decision.token_limit)
        if "mark_answers" in passage.measures and passage.request is not None:
            for mark in self.marks.values():
                try:
                    changed = mark.marked(changed, endpoint.path_end, passage.request.account_id, decision.campaign_id)
                except Exception:
                    self.counts["mark_errors"] += 1
        return changed

    def close(self) -> None:
        """Stop looking for newer files, and put on disk what is to be written down."""
        if self.reloader is not None:
            self.reloader.stop()
        if self.fleet is not None:
            self.fleet.stop()
        if self.tracing is not None:
            self.tracing.close()
        if self.journal is not None:
            self.journal.close()

    def leave(self, passage: Passage, status: int, usage: Mapping[str, int]) -> None:
        """A call was answered (or, with status 0, nobody knows how): record it. `usage` has `input_tokens` and
        `output_tokens` where they are known."""
        request, decision = passage.request, passage.decision
        if passage.leak is not None:
            self.counts["leaks"] += 1
        if self.journal is None or request is None:
            return
        who = "" if decision is None else class_of(request, self.guard.standing(request.account_id), decision)
        leak = "" if passage.leak is None else passage.leak.way
        self.journal.add(request, passage.sketch, decision, who=who, status=status or None, usage=usage, leak=leak)
