"""What `spiritsafe watch` prints: a round in a line or a few, and what a state holds.

Comes from `cli.watch`; goes to the terminal.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import click
import msgspec

from spiritsafe.cli.identity_session import guide, moment, say_json
from spiritsafe.errors import SpiritsafeError
from spiritsafe.watch.state import DAY_S, Manifest, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from spiritsafe.cases.opening import Opened
    from spiritsafe.watch.looking import Seen
    from spiritsafe.watch.publishing import Published
    from spiritsafe.watch.running import Round

_FAULTS_TOLD: Final = 5


def tell_round(one: Round, *, as_json: bool) -> None:
    """What a round did; nothing where nothing happened."""
    if as_json:
        say_json(
            taken=dataclasses.asdict(one.taken),
            collected=one.collected,
            expired=one.expired,
            look=None if one.seen is None else _look_json(one.seen),
            fault=None if one.fault is None else {"code": one.fault.code, "message": str(one.fault)},
        )
        return
    if one.taken.files or one.expired:
        click.echo(_taken_line(one))
    if one.taken.waiting:
        guide(f"{_files(one.taken.waiting)} written to just now: for the next round")
    for url, fault in list(one.taken.faults.items())[:_FAULTS_TOLD]:
        click.echo(f"{click.style('left', fg='yellow')} {url}: {fault}", err=True)
    if len(one.taken.faults) > _FAULTS_TOLD:
        click.echo(f"and {len(one.taken.faults) - _FAULTS_TOLD} more files that cannot be read", err=True)
    if one.seen is not None:
        _tell_look(one.seen)
    if one.fault is not None:
        _tell_fault(one.fault)


def tell_published_again(one: Published, *, as_json: bool) -> None:
    """That the guards were told what persons decided."""
    if as_json:
        say_json(published={name: value for name, value in dataclasses.asdict(one).items() if name != "path"})
        return
    click.echo(f"persons decided: the guards know {_campaigns(one)}")


def tell_state(folder: Path, *, as_json: bool) -> None:
    """What a state holds."""
    manifest = read_manifest(folder)
    faults = {url: seen.fault for url, seen in manifest.seen.items() if seen.fault}
    size = sum(part.bytes for part in manifest.parts)
    if as_json:
        told = msgspec.to_builtins(manifest)
        say_json(**{**told, "seen": len(manifest.seen), "faults": faults, "bytes": size, "folder": str(folder)})
        return
    if not manifest.version:
        click.echo(f"{folder} holds nothing yet")
        return
    days = [part.day for part in manifest.parts]
    span = f"{_day(min(days))} to {_day(max(days))}" if days else "no days"
    click.echo(f"{manifest.rows:,} rows of {_files(len(manifest.seen))}, {span}, {size / 1e6:,.1f} MB: {folder}")
    click.echo(_counts_line(manifest))
    for look in manifest.looks:
        cases = f", {len(look.cases)} cases" if look.cases else ""
        click.echo(
            f"{moment(look.at_us)[:16]}  looked up to {moment(look.until_us)[:16]}: "
            f"{look.campaigns} campaigns in {look.groups} groups{cases}  looks/{look.look_id}"
        )
    for url, fault in faults.items():
        click.echo(f"{click.style('left', fg='yellow')} {url}: {fault}")


def _counts_line(manifest: Manifest) -> str:
    counts = {
        "came again": manifest.repeated,
        "came late": manifest.late,
        "refused": manifest.refused,
        "expired": manifest.expired,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"of what came: {told}" if told else "nothing came twice, late or broken"


def _files(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"


def _taken_line(one: Round) -> str:
    taken = one.taken
    counts = {
        "came again": taken.repeated,
        "late": taken.late,
        "refused": taken.refused,
        "expired": one.expired,
        "from the guards": one.collected,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"{taken.rows:,} new rows of {_files(taken.files)}" + (f" ({told})" if told else "")


def _tell_look(seen: Seen) -> None:
    look = seen.look
    click.echo(
        f"looked up to {moment(look.until_us)[:16]}: {look.campaigns} campaigns in {look.groups} groups, "
        f"{seen.seconds:.1f} s; the guards know {_campaigns(seen.published)}"
    )
    for opened in seen.opened:
        click.echo(f"  {_opened_line(opened)}")
    if seen.opened:
        guide(f"a person decides: spiritsafe case show {min(one.number for one in seen.opened)}")


def _opened_line(one: Opened) -> str:
    told = {"opened": "opened", "joined": "joined to", "known": "already in"}[one.outcome]
    return f"{one.campaign_id}: {told} case {one.number}, {one.accounts} accounts"


def _campaigns(one: Published) -> str:
    return f"{one.campaigns:,} campaigns, {one.confirmed:,} confirmed"


def _tell_fault(fault: SpiritsafeError) -> None:
    click.echo(f"{click.style('fault', fg='red')} [{fault.code}] {fault}; it is tried again", err=True)
    if fault.hint:
        click.echo(f"  do: {fault.hint}", err=True)


def _look_json(seen: Seen) -> dict[str, object]:
    cases = [
        {"campaign_id": one.campaign_id, "number": one.number, "case_id": one.case_id, "outcome": one.outcome}
        for one in seen.opened
    ]
    return {
        **msgspec.to_builtins(seen.look),
        "folder": str(seen.folder),
        "seconds": round(seen.seconds, 3),
        "filed": cases,
        "roster": seen.published.roster_id,
    }


def _day(day: int) -> str:
    return moment(day * DAY_S * 1_000_000)[:10]
