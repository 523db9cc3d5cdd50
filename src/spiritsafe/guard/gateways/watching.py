"""What a door says of itself: metrics for Prometheus, and whether it is well.

On an address of its own (loopback by default), so that callers of the model never reach it. Comes from `door`; read by
Prometheus, a load balancer, and `spiritsafe guard status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from spiritsafe.guard.health import OLD_ROSTER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from prometheus_client.metrics_core import Metric

    from spiritsafe.guard.gateways.asgi import Receive, Send
    from spiritsafe.guard.gateways.door import Door

TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Status(msgspec.Struct, frozen=True):
    """A door's state. `faults` by a name that stays; none is well."""

    policy: str
    mode: str
    roster: str
    roster_age_s: float
    accounts: int
    campaigns: int
    seen: int
    counts: dict[str, int]
    suspended_marks: int
    journal_lost: int
    faults: dict[str, str]


def status_of(door: Door) -> Status:
    """How a door is."""
    guard, journal, reloader = door.guard, door.journal, door.reloader
    age_s = reloader.roster_age_s if reloader is not None else 0.0
    faults = door.health.faults()
    if age_s > OLD_ROSTER_S:
        faults["old_roster"] = f"the roster is {age_s / 3600:.1f} hours old: is anything published?"
    if reloader is not None:
        faults |= {f"{name}_refused": text for name, text in reloader.faults.items()}
    if journal is not None and journal.fault:
        faults["journal"] = f"what comes in cannot be written down: {journal.fault}"
    if door.fleet is not None and door.fleet.fault:
        faults["fleet"] = door.fleet.fault
    if not door.marks and any("mark_answers" in rule.measures for rule in guard.policy.rules):
        faults["marks"] = "the policy marks answers, and nothing is installed that does"
    if door.counts["mark_errors"]:
        faults["mark_errors"] = f"{door.counts['mark_errors']:,} answers could not be marked"
    if door.counts["errors"]:
        faults["errors"] = f"{door.counts['errors']:,} requests could not be decided on"
    return Status(
        policy=guard.policy.full_name,
        mode=guard.policy.mode,
        roster=guard.roster.head.roster_id,
        roster_age_s=round(age_s, 1),
        accounts=guard.roster.accounts,
        campaigns=guard.roster.campaigns,
        seen=door.health.seen,
        counts=dict(door.counts),
        suspended_marks=len(guard.counts.rarity.suspensions),
        journal_lost=0 if journal is None else journal.lost,
        faults=faults,
    )


class _Collector:
    """A door's counts as Prometheus reads them. No account, address or campaign is a label."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def collect(self) -> Iterator[Metric]:
        status, door = status_of(self._door), self._door
        answers = CounterMetricFamily("spiritsafe_guard_decisions", "Decisions by what was done.", labels=["acted"])
        others = CounterMetricFamily("spiritsafe_guard_events", "What else happened.", labels=["what"])
        for name, count in sorted(status.counts.items()):
            family = answers if name.startswith("acted_") else others
            family.add_metric([name.removeprefix("acted_")], count)
        would = CounterMetricFamily("spiritsafe_guard_answers", "Decisions by what the policy says.", labels=["answer"])
        for name, count in sorted(door.answers.items()):
            would.add_metric([name], count)
        yield from (answers, would, others)
        seconds = HistogramMetricFamily("spiritsafe_guard_decision_seconds", "Time that a decision took.")
        seconds.add_metric([], *door.timing.cumulative())
        yield seconds
        for name, text, value in (
            ("roster_age_seconds", "Age of the roster in force.", status.roster_age_s),
            ("roster_accounts", "Accounts that the roster knows.", status.accounts),
            ("roster_campaigns", "Campaigns that the roster knows.", status.campaigns),
            ("suspended_marks", "Marks that strangers share and that say nothing.", status.suspended_marks),
            ("enforcing", "1 where the policy acts.", float(status.mode == "enforce")),
        ):
            yield GaugeMetricFamily(f"spiritsafe_guard_{name}", text, value=value)
        yield CounterMetricFamily("spiritsafe_guard_journal_lost", "Lines that were lost.", value=status.journal_lost)
        faults = GaugeMetricFamily("spiritsafe_guard_fault", "1 for each thing that is amiss.", labels=["fault"])
        for name in sorted(status.faults):
            faults.add_metric([name], 1)
        yield faults


class WatchApp:
    """An ASGI app with `/health` (200, or 503 with what is amiss) and `/metrics`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(door))

    async def __call__(self, scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] != "http":
            return
        kind, data, status = b"application/json", b'{"error":"not found"}', 404
        if scope["path"] == "/metrics":
            kind, data, status = TEXT, generate_latest(self._registry), 200
        elif scope["path"] == "/health":
            told = status_of(self._door)
            data, status = msgspec.json.encode(told), 503 if told.faults else 200
        headers = [(b"content-type", kind), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})
