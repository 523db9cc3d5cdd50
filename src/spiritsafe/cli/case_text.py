"""A case as a person reads it at a terminal.

Comes from `cli.case`; goes on to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spiritsafe.cases.lookups import leading
from spiritsafe.cli.identity_session import moment
from spiritsafe.events.mapping_text import visible
from spiritsafe.evidence.grading import evidence_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spiritsafe.cases.assessments import Assessment
    from spiritsafe.cases.model import Appeal, CaseEvent, CaseMember, CaseSummary

_MARKS = {"supported": "+", "contradicted": "-", "not_observable": "?"}


def case_text(
    found: CaseSummary,
    findings: Sequence[dict[str, Any]],
    history: Sequence[CaseEvent],
    appeals: Sequence[Appeal],
    judged: Sequence[Assessment],
) -> str:
    """Everything that a reviewer looks at first, newest finding first."""
    lines = [
        click.style(f"case {found.number}: {found.state.replace('_', ' ')}", bold=True) + f"  {found.case_id}",
        visible(found.headline),
        *([f"joined to case {found.joined_to}: go on there"] if found.joined_to else []),
        f"{found.members} accounts ({found.unconfirmed} not confirmed, {found.cleared} cleared), "
        f"{found.exchanges:,} exchanges; as of entry {found.as_of}",
        "",
    ]
    if findings:
        lines += [*_finding(leading(findings)), ""]
    if len(findings) > 1:
        lines += [f"{len(findings)} findings; the others joined by {_joins(findings)}", ""]
    if judged:
        lines += ["what was judged", *(line for one in judged for line in _judged(one)), ""]
    lines += ["what happened"]
    lines += [_event(one) for one in history]
    if appeals:
        lines += ["", "appeals"]
        lines += [
            f"  {one.appeal_id}  {one.state.replace('_', ' ')}  {visible(one.statement)[:100]}" for one in appeals
        ]
    return "\n".join(lines) + "\n"


def _finding(finding: dict[str, Any]) -> list[str]:
    lines = []
    names = {id(one): name for name, one in evidence_of(finding).items()}
    for axis in finding["evidence"]["axes"]:
        same = [names[id(one)] for one in axis["evidence"] if one["statement"] == axis["reason"]]
        told = [one for one in axis["evidence"] if one["statement"] != axis["reason"]]
        mark = f" [{same[0]}]" if same else ""
        lines.append(f"{_MARKS[axis['status']]} {axis['name']}: {visible(axis['reason'])}{mark}")
        strongest = _of_each_kind(told)
        for one in strongest:
            bits = f" ({one['bits']:.1f} bits)" if one["bits"] is not None else ""
            lines.append(f"    [{names[id(one)]}] {visible(one['kind'])}: {visible(one['statement'])}{bits}")
        if len(told) > len(strongest):
            lines.append(f"    and {len(told) - len(strongest)} more; --json shows them")
    q_value = finding["q_value"]
    lines += ["", f"false groups to expect among those as significant: {q_value:.2g}" if q_value is not None else ""]
    lines += ["what else it could be"]
    lines += [
        f"  {_fits(one['outcome'])} {visible(one['name'])}: {visible(one['finding'])}"
        for one in finding["alternatives"]["checked"]
    ]
    return lines


def _of_each_kind(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The strongest evidence of each kind, strongest kind first."""
    strongest: dict[str, dict[str, Any]] = {}
    for one in sorted(told, key=lambda one: -(one["bits"] or 0.0)):
        strongest.setdefault(one["kind"], one)
    return list(strongest.values())


def _fits(outcome: str) -> str:
    told = {"fits": click.style("fits         ", fg="yellow"), "does_not_fit": "does not fit "}
    return told.get(outcome, "not checkable")


def _joins(findings: Sequence[dict[str, Any]]) -> str:
    ways = [one["joined"]["by"] for one in findings if one.get("joined")]
    return ", ".join(f"{way} ({ways.count(way)})" for way in dict.fromkeys(ways))


def _judged(one: Assessment) -> list[str]:
    likelihood = f", {one.likelihood}" if one.likelihood else ""
    basis = ", ".join(f"{visible(item['what'])} ({item['grade']})" for item in one.basis)
    return [
        f"  {one.claim.replace('_', ' ')}{likelihood}: {visible(one.statement)}",
        f"    confidence {one.confidence}, {visible(one.by)}; rests on {basis}",
        *(f"    or: {visible(other)}" for other in one.alternatives),
    ]


def _event(one: CaseEvent) -> str:
    reason = f": {visible(one.reason)}" if one.reason else ""
    return f"  {one.position:>6}  {moment(one.time_us)}  {visible(one.what)}  ({visible(one.who)}{reason})"


def member_text(one: CaseMember) -> str:
    """An account of a case in a line; its pseudonym comes first."""
    state = "cleared" if one.cleared else "confirmed" if one.confirmed else "not confirmed"
    organization = f", of {one.organization_id}" if one.organization_id else ""
    return f"{one.account_id}  {one.probability:.4f}  {one.role}, {one.exchanges} exchanges, {state}{organization}"
