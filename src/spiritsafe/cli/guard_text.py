"""What the `guard` commands print: a roster that was published, a policy in words, a decision, who would be met.

Comes from `cli.guard`; goes to the terminal.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import click
import msgspec

from spiritsafe.cli.identity_session import moment, say_json
from spiritsafe.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections import Counter

    from spiritsafe.guard.model import Answer, Decision
    from spiritsafe.guard.policy import Policy, Rule
    from spiritsafe.guard.tallies import Tally
    from spiritsafe.roster.reading import Roster
    from spiritsafe.watch.publishing import Published


def tell_published(one: Published, *, as_json: bool) -> None:
    """What the guards know now."""
    if as_json:
        say_json(**{name: value for name, value in dataclasses.asdict(one).items() if name != "path"})
        return
    click.echo(
        f"{one.accounts:,} accounts, {one.campaigns:,} campaigns ({one.confirmed:,} confirmed by a person), "
        f"{one.templates:,} templates and {one.values:,} other marks, {one.attestations:,} attestations"
    )
    click.echo(f"in force as {one.roster_id}")
    if one.campaigns > one.confirmed:
        click.echo("campaigns that nobody confirmed are never acted on: see `spiritsafe case`", err=True)


def tell_policy(policy: Policy, *, as_json: bool) -> None:
    """A policy in words."""
    if as_json:
        say_json(**msgspec.to_builtins(policy))
        return
    acts = "decides, records and acts on nobody" if policy.mode == "shadow" else "acts on confirmed campaigns"
    click.echo(f"{policy.full_name}: {policy.mode}, {acts}")
    for number, rule in enumerate(policy.rules, 1):
        click.echo(f"{number:>3}. {click.style(rule.name, bold=True)}: {_in_words(rule)}")
    click.echo("     whoever fits no rule is let through")


def _in_words(rule: Rule) -> str:
    who = {
        "member": f"accounts on a campaign's list (from {rule.probability:g} on)",
        "newcomer": "new accounts that show a campaign's marks",
        "anyone": "any account that shows a campaign's marks or is on its list",
    }[rule.who]
    kinds = "one kind of evidence" if rule.kinds == 1 else f"{rule.kinds} kinds of evidence"
    for what, values in (("models", rule.models), ("plans", rule.plans)):
        if values != ("*",):
            who += f", {what} {', '.join(values)}"
    if rule.tactics:
        who += f", showing {' or '.join(rule.tactics)}"
    free = f" beyond {rule.free_per_hour:g} exchanges of the campaign an hour" if rule.free_per_hour else ""
    measures = f" ({', '.join(rule.measures)})" if rule.measures else ""
    return f"{rule.answer}{measures} {who}, on {kinds}{free}; holds {rule.holds_hours:g} h"


def tell_decision(decision: Decision, *, as_json: bool) -> None:
    """A decision with its reasons."""
    if as_json:
        say_json(**_decision(decision))
        return
    acted = "" if decision.acted == decision.answer else f", and now: {decision.acted.word}"
    rule = f" by the rule {decision.rule!r} of {decision.policy}" if decision.rule else f" by {decision.policy}"
    click.echo(click.style(decision.answer.word, bold=True) + acted + rule)
    for reason in decision.reasons:
        click.echo(f"  {reason.kind}: {reason.statement}")
    if decision.shown:
        click.echo(f"  tactics that it shows: {', '.join(decision.shown)}")
    if decision.expires_us:
        click.echo(f"  until {moment(decision.expires_us)}")
    if decision.appeal_to:
        click.echo(f"  appeal: {decision.appeal_to}")


def _decision(decision: Decision) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(decision)
    return {**told, "answer": decision.answer.word, "acted": decision.acted.word}


def tell_tallies(tallies: list[Tally], roster: Roster, *, as_json: bool) -> None:
    """What each policy would have done to whom."""
    if as_json:
        for tally in tallies:
            say_json(roster=roster.head.roster_id, **tally.to_builtins())
        return
    confirmed = {}
    for place in range(roster.campaigns):
        campaign = roster.campaign(place)
        confirmed[campaign.campaign_id] = campaign.confirmed
    for tally in tallies:
        _tell_tally(tally, confirmed)


def _tell_tally(tally: Tally, confirmed: dict[str, bool]) -> None:
    from spiritsafe.guard.model import Answer

    click.echo(click.style(f"{tally.policy}", bold=True) + f", {moment(tally.first_us)} to {moment(tally.last_us)}")
    answers = [answer for answer in Answer if any(counts[answer] for counts in tally.accounts().values())]
    head = "".join(f"{answer.word:>12}" for answer in answers)
    click.echo(f"\n  {'accounts, by their sternest answer':<36}{head}")
    for who, counts in tally.accounts().items():
        click.echo(f"  {who:<36}" + _row(counts, answers))
    click.echo(f"\n  {'exchanges':<36}{head}")
    click.echo(f"  {'all':<36}" + _row(tally.exchanges, answers))
    for campaign, counts in sorted(tally.campaigns.items()):
        note = "" if confirmed.get(campaign) else " (not confirmed)"
        click.echo(f"  {campaign + note:<36}" + _row(counts, answers))
    examples = tally.examples()
    if examples:
        click.echo("\n  for example")
    for who, answer, account, decision in examples:
        why = "; ".join(reason.statement for reason in decision.reasons)
        click.echo(f"  {answer.word} {account[:40]} ({who}): {why}")
    click.echo("")


def _row(counts: Counter[Answer], answers: list[Answer]) -> str:
    return "".join(f"{counts[answer]:>12,}" for answer in answers)


class NoGuardFault(EnvironmentFault):
    """No guard answers where one was asked for its state."""

    code: ClassVar[str] = "cli.guard.status"


def ask_status(address: str) -> dict[str, Any]:
    """What a guard says of itself; raises `NoGuardFault`."""
    import http.client

    try:
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", "/health")
        told = msgspec.json.decode(connection.getresponse().read())
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, ValueError) as error:
        told = error
    if not isinstance(told, dict) or "faults" not in told:
        raise NoGuardFault(
            f"no guard answers at {address}", hint="`spiritsafe guard serve` says where it can be watched"
        )
    return told


def tell_status(status: dict[str, Any], *, as_json: bool) -> None:
    """How a guard is."""
    if as_json:
        say_json(**status)
        return
    age = status["roster_age_s"]
    old = f"{age / 3600:.1f} hours" if age >= 3600 else f"{age / 60:.0f} minutes"
    click.echo(f"{status['policy']} in {status['mode']} mode; roster {status['roster']}, {old} old")
    click.echo(
        f"{status['accounts']:,} accounts and {status['campaigns']:,} campaigns known, {status['seen']:,} requests seen"
    )
    for name, count in sorted(status["counts"].items()):
        click.echo(f"  {name.replace('_', ' ')}: {count:,}")
    for name, text in sorted(status["faults"].items()):
        click.echo(click.style(f"  amiss [{name}]: ", fg="red") + text)
